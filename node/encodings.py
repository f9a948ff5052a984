"""Texts that are not in UTF-8, or only by mistake: read as their mark or their owner says, as tables are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonground.lines import MENDED, decoded, marked
from protocol.errors import Reject
from protocol.media import is_known, is_text

#: What to do about a text that is no UTF-8.
NAME_IT: Final = (
    "If it is a text, name what it is in: --encoding cp1252 for most programs on Windows."
)


@dataclass(frozen=True, slots=True)
class Opened:
    """Content as it is looked at. `said`: what it was read as, if that is not how it lies there."""

    content: bytes
    said: tuple[str, ...] = ()


def in_utf8(content: bytes, named: str = "") -> Opened:
    """The content of a file; in UTF-8, if it is a text in what its mark or its owner says (`named`, an
    encoding that there is). What is a text as it stands, or of a known type, is left alone: a folder holds
    several.

    Raises Reject if it is not what it is said to be.
    """
    if is_known(content):
        return Opened(content)
    mark = marked(content)
    encoding = named if named == MENDED and mark == "utf-8-sig" else mark or named
    if not encoding or (encoding != MENDED and _is_utf8(content)):
        return Opened(content)
    try:
        text = decoded(content, encoding)
    except UnicodeDecodeError as error:
        raise Reject(f"it is not {encoding} from byte {error.start + 1} on", NAME_IT) from None
    except UnicodeError as error:
        raise Reject(f"it is not {encoding}: {error}", NAME_IT) from None
    made = text.encode("utf-8", "surrogatepass")
    if not is_text(made):
        raise Reject(f"read as {encoding} it is no text: it holds control characters", NAME_IT)
    return Opened(made, (f"read as {encoding}",))


def what_to_name(content: bytes) -> str:
    """Advice on content that is of no known type, if it may be a text in another encoding."""
    return "" if _is_utf8(content) else NAME_IT


def _is_utf8(content: bytes) -> bool:
    """Whether it can be nothing but UTF-8, control characters or not: in any other encoding its letters
    beyond ASCII would become others."""
    if content.isascii():
        return False
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True

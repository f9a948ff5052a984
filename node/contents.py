"""What a file or a text becomes as a part of an item: its media type, and content that the campaign takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from node.drafts import PartSource
from node.intake import fingerprint_content, read_content
from protocol.errors import Reject, StateError
from protocol.media import MEDIA, TEXT, media_type_of
from protocol.rows import PartTerms


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A part that fits the campaign."""

    name: str
    media_type: str
    size: int
    sha256: bytes
    fingerprint: bytes


class Contents:
    """Makes parts of files and texts, for one campaign."""

    def __init__(self, parts: Sequence[PartTerms]) -> None:
        """`parts` are the campaign's."""
        self._terms = {part.name: part for part in parts}

    def check(self, source: PartSource) -> CheckedPart:
        """Raises ConfigError (cannot be read) or Reject (is not what the campaign takes)."""
        terms = self._terms[source.name]
        content = _content_of(source)
        media_type = _media_type_in(terms, content, source)
        if len(content) > terms.bytes_max:
            raise Reject(
                f"{source.name} has {len(content):,} bytes",
                f"The campaign takes at most {terms.bytes_max:,}.",
            )
        fingerprint = fingerprint_content(content, media_type)
        digest = sha256(content).digest()
        return CheckedPart(source.name, media_type, len(content), digest, fingerprint)

    def read(self, source: PartSource, checked: CheckedPart) -> bytes:
        """The content of a part that was checked. Raises StateError when it is another one by now."""
        content = _content_of(source)
        if sha256(content).digest() != checked.sha256:
            raise changed(str(source.path or source.name))
        return content


def changed(name: str) -> StateError:
    """The error for what is not what it was a moment ago."""
    return StateError(f"{name} changed while it was read", "run the command again")


def _content_of(source: PartSource) -> bytes:
    if source.path is not None:
        return read_content(source.path)
    return source.data or source.text.encode()


def _media_type_in(terms: PartTerms, content: bytes, source: PartSource) -> str:
    """The type that content has among those that a part may have: by its bytes, and of a text by its
    file's name; a text may always pass as plain text. Raises Reject."""
    takes = f"The campaign takes {', '.join(terms.media_types)}."
    if source.path is None and not source.data:
        texts = [name for name in terms.media_types if MEDIA[name].is_text]
        if not texts:
            raise Reject(f"{source.name} is text", takes)
        return TEXT.name if TEXT.name in texts else texts[0]
    found = media_type_of(content, source.path.suffix if source.path else "")
    if found in terms.media_types:
        return found
    if MEDIA[found].is_text and TEXT.name in terms.media_types:
        return TEXT.name
    raise Reject(f"{source.name} is {found}", takes)

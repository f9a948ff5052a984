"""What browsers get of items. It comes from strangers: each kind is served as what its record says,
never as a page, in a sandbox, and no browser guesses at it or keeps it.

Pictures and recordings are the bytes that the node has checked. A text is text, in which what cannot be seen
is spelt out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, PlainTextResponse, Response

from commonground.carried import PART_BYTES_MAX
from commonground.escaping import lined, visible
from node.intake import waveform
from node.privacy.language import language_of
from node.reviewers import ShownPart
from protocol.errors import Reject
from protocol.media import MEDIA, Shown

# A header of ours: two texts that differ in these alone look the same.
LINE_ENDS: Final = "x-commonhold-line-ends"
# A short book. Whoever judges more reads the file.
TEXT_CHARS_SHOWN: Final = 200_000
# A larger table takes a browser seconds to lay out; it is shown as its lines (static/table.js likewise).
CELLS_SHOWN: Final = 20_000
# Bars of a recording; a browser draws as many of them as it has room for.
PEAKS: Final = 600
# What fits a line of a list.
GLIMPSE_CHARS: Final = 80
_GLIMPSE_BYTES: Final = 4 * GLIMPSE_CHARS + 1_024  # with blank lines before it
GLIMPSES_MAX: Final = 10_000  # more than one reviewer has before them; some MiB
_SANDBOX: Final = {
    "content-security-policy": "sandbox; default-src 'none'",
    "content-disposition": "inline",
}
_PROSE: Final = frozenset({"text/plain", "text/markdown"})
_OPAQUE: Final = "application/octet-stream"


def content_of(part: ShownPart) -> Response:
    """A part for the page to show. Raises OSError where its file is gone."""
    medium = MEDIA[part.media_type]
    if medium.shown is Shown.TEXT:
        text = text_of(part.path)
        language = prose_language(text, part.media_type)
        spoken = {"content-language": language} if language else {}
        ends = {LINE_ENDS: line_ends(part.path)}
        return PlainTextResponse(text, headers=_SANDBOX | spoken | ends)
    if medium.shown is Shown.FILE:
        return FileResponse(
            part.path,
            media_type=_OPAQUE,
            headers=_SANDBOX | {"content-disposition": 'attachment; filename="item.bin"'},
        )
    return FileResponse(part.path, media_type=medium.name, headers=_SANDBOX)


def text_of(path: Path, chars: int = TEXT_CHARS_SHOWN) -> str:
    """A text for eyes; what is beyond `chars` is said to be there."""
    text = lined(_bytes_of(path).decode("utf-8", "replace"))
    rest = len(text) - chars
    more = f"\n… {rest:,} more characters" if rest > 0 else ""
    return visible(text[:chars]) + more


def rows_of(text: str) -> list[list[str]]:
    """The rows of a table as `text_of` gives it, all as long as the first; none of what is too large, or was
    cut."""
    if len(text) > TEXT_CHARS_SHOWN:
        return []
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return []
    lengths = {len(row) for row in rows}
    return rows if len(lengths) == 1 and len(rows) * max(lengths) <= CELLS_SHOWN else []


def line_ends(path: Path) -> str:
    """ "windows" where a return is before each new line, "mixed" before some, and "others": none is shown."""
    content = _bytes_of(path)
    returns = content.count(b"\r\n")
    if not returns:
        return "others"
    return "windows" if returns == content.count(b"\n") else "mixed"


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(PART_BYTES_MAX + 1)


def glimpse_of(parts: Sequence[ShownPart]) -> str:
    """What tells an item from others in a list: the first line of its first text. Empty without one, and
    where the first part is a picture: that is shown small."""
    if not parts or MEDIA[parts[0].media_type].shown is Shown.PICTURE:
        return ""
    texts = (part.path for part in parts if MEDIA[part.media_type].shown is Shown.TEXT)
    path = next(texts, None)
    return "" if path is None else _first_line(path)


@lru_cache(GLIMPSES_MAX)
def _first_line(path: Path) -> str:
    """Content never changes under its path: it is named for what it has to be."""
    try:
        with path.open("rb") as file:
            head = file.read(_GLIMPSE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""  # its round has ended: it is gone
    line = next(filter(None, map(str.strip, head.splitlines())), "")
    return visible(line[:GLIMPSE_CHARS]) + (" …" if len(line) > GLIMPSE_CHARS else "")


def is_prose(media_type: str) -> bool:
    """Whether it is read as words are; the lines of anything else mean something."""
    return media_type in _PROSE


def prose_language(text: str, media_type: str) -> str:
    """The code of what a screen reader reads it in, where that is sure; empty otherwise, and of code."""
    return language_of(text) if is_prose(media_type) else ""


def peaks_of(part: ShownPart) -> Response:
    """How loud a recording is, one byte for each of PEAKS stretches; empty where it cannot be decoded."""
    try:
        peaks = waveform(part.path.read_bytes(), part.media_type, PEAKS)
    except Reject:
        peaks = b""
    return Response(peaks, media_type=_OPAQUE, headers=_SANDBOX)

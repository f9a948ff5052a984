"""What browsers get of items. It comes from strangers: each kind is served as what its record says,
never as a page, in a sandbox, and no browser guesses at it or keeps it.

Pictures and recordings are the bytes that the node has checked. A text is text, in which what cannot be seen
is spelt out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, PlainTextResponse, Response

from commonground.carried import PART_BYTES_MAX
from commonground.escaping import visible
from node.intake import waveform
from node.privacy.language import language_of
from node.reviewers import ShownPart
from protocol.errors import Reject
from protocol.media import MEDIA, Shown

# A short book. Whoever judges more reads the file.
TEXT_CHARS_SHOWN: Final = 200_000
# Bars of a recording; a browser draws as many of them as it has room for.
PEAKS: Final = 600
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
        return PlainTextResponse(text, headers=_SANDBOX | spoken)
    if medium.shown is Shown.FILE:
        return FileResponse(
            part.path,
            media_type=_OPAQUE,
            headers=_SANDBOX | {"content-disposition": 'attachment; filename="item.bin"'},
        )
    return FileResponse(part.path, media_type=medium.name, headers=_SANDBOX)


def text_of(path: Path, chars: int = TEXT_CHARS_SHOWN) -> str:
    """A text for eyes; what is beyond `chars` is said to be there."""
    with path.open("rb") as file:
        content = file.read(PART_BYTES_MAX + 1)
    text = content.decode("utf-8", "replace")
    rest = len(text) - chars
    more = f"\n… {rest:,} more characters" if rest > 0 else ""
    return visible(text[:chars]) + more


def prose_language(text: str, media_type: str) -> str:
    """The code of what a screen reader reads it in, where that is sure; empty otherwise, and of code."""
    return language_of(text) if media_type in _PROSE else ""


def peaks_of(part: ShownPart) -> Response:
    """How loud a recording is, one byte for each of PEAKS stretches; empty where it cannot be decoded."""
    try:
        peaks = waveform(part.path.read_bytes(), part.media_type, PEAKS)
    except Reject:
        peaks = b""
    return Response(peaks, media_type=_OPAQUE, headers=_SANDBOX)

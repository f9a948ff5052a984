"""What a file says beside its content, before it is cut off: for its owner, who may not know of it."""

from __future__ import annotations

import re
from typing import Final

from node.media import pictures, sounds
from node.media.container import CREDENTIALS
from node.media.credentials import read_credentials
from node.media.records import Beside
from protocol.media import MEDIA, Shown

TEXTS_MAX: Final = 32
TEXT_CHARS_MAX: Final = 64 << 10  # of each: a history of editing has some thousand
_RUN: Final = re.compile(r"[^\x00-\x1f\x7f\ufffd]{4,}")  # of fewer characters, chance makes text


def beside(data: bytes, media_type: str) -> Beside:
    """Raises Reject for what is not whole."""
    shown = MEDIA[media_type].shown
    if shown is Shown.PICTURE:
        cleaned = pictures.CLEANERS[media_type](
            data, pictures.SCALED_SIDE_MAX, pictures.SCALED_PIXELS_MAX
        )
    elif shown is Shown.SOUND:
        cleaned = sounds.clean(data, media_type)
    else:
        return Beside()
    store = b"".join(block for what, block in cleaned.beside if what == CREDENTIALS)
    texts = [
        (what, text)
        for what, block in cleaned.beside
        if what != CREDENTIALS and (text := text_of(block))
    ]
    return Beside(tuple(texts[:TEXTS_MAX]), read_credentials(store) if store else None)


def text_of(block: bytes) -> str:
    """What reads like text in it, a run a line: in UTF-8, or in UTF-16, as EXIF and ID3 have it, too."""
    encodings = ["utf-8", *(("utf-16-le", "utf-16-be") if b"\0" in block else ())]
    runs = (run for name in encodings for run in _RUN.findall(block.decode(name, "replace")))
    return "\n".join(dict.fromkeys(runs))[:TEXT_CHARS_MAX]

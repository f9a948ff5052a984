"""Small pictures, and beginnings of texts, of our own items.

Content is decoded and encoded again, so that what reaches the browser is pixels and nothing that a file
may hold beside them. Nothing is kept: an item that is withdrawn has no picture left anywhere.
"""

from __future__ import annotations

from typing import Final

from commonground.carried import PART_BYTES_MAX
from node.blobs import BlobStore
from node.intake import thumbnail
from node.store import Store
from protocol.errors import Reject
from protocol.media import MEDIA, Shown

# Twice the size that a page shows, for dense screens.
SIDE_PIXELS: Final = 192
# A page of text; whoever wants the rest has the file.
TEXT_CHARS_SHOWN: Final = 4_000


def picture_of(store: Store, blobs: BlobStore, item_id: bytes, part: str) -> bytes | None:
    """A PNG of at most SIDE_PIXELS on each side; None where there is nothing to show."""
    row = store.item(item_id)
    described = None if row is None else row.part(part)
    content = _read(store, blobs, item_id, part, PART_BYTES_MAX + 1)
    if content is None or described is None:
        return None
    if MEDIA[described.media_type].shown is not Shown.PICTURE:
        return None
    try:
        return thumbnail(content, described.media_type, SIDE_PIXELS)
    except Reject:
        return None


def texts_of(store: Store, blobs: BlobStore, item_id: bytes) -> dict[str, str]:
    """The beginning of each part that is a text, by its name."""
    row, found = store.item(item_id), dict[str, str]()
    for part in () if row is None else row.parts:
        if MEDIA[part.media_type].shown is Shown.TEXT:
            # UTF-8 has four bytes for a character at most; a letter that the cut divides is left out.
            content = _read(store, blobs, item_id, part.name, 4 * TEXT_CHARS_SHOWN)
            if content is not None:
                found[part.name] = _cut(content.decode(errors="ignore"), part.size)
    return found


def _cut(text: str, size: int) -> str:
    if len(text) <= TEXT_CHARS_SHOWN and len(text.encode()) == size:
        return text
    return f"{text[:TEXT_CHARS_SHOWN]}…"


def _read(store: Store, blobs: BlobStore, item_id: bytes, part: str, limit: int) -> bytes | None:
    """The first bytes of a part of ours; None if it is not here."""
    row = store.item(item_id)
    described = None if row is None else row.part(part)
    stream = None if described is None else blobs.open(described.commitment)
    if stream is None:
        return None
    with stream:
        return stream.read(limit)

"""Small pictures of our own items.

Content is decoded and encoded again, so that what reaches the browser is pixels and nothing that a file
may hold beside them. Nothing is kept: an item that is withdrawn has no picture left anywhere.
"""

from __future__ import annotations

import io
import warnings
from typing import Final

from PIL import Image

from node.blobs import BlobStore
from node.intake import MAX_CONTENT_BYTES, MAX_PIXELS, PNG, sniff_media_type
from node.store import Store
from protocol.errors import Reject

# Twice the size that a page shows, for dense screens.
SIDE_PIXELS: Final = 192


def picture_of(store: Store, blobs: BlobStore, item_id: bytes) -> bytes | None:
    """A PNG of at most SIDE_PIXELS on each side; None where there is nothing to show."""
    row = store.item(item_id)
    stream = None if row is None else blobs.open(row.commitment)
    if stream is None:
        return None
    with stream:
        content = stream.read(MAX_CONTENT_BYTES + 1)
    try:
        return shrink(content)
    except Reject:
        return None


def shrink(content: bytes) -> bytes:
    """The picture, made smaller where it is larger. Raises Reject for anything but a sound PNG."""
    if len(content) > MAX_CONTENT_BYTES or sniff_media_type(content) != PNG:
        raise Reject("only PNG images are shown")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise Reject("the image is too large to be shown")
                small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Reject("the image has too many pixels") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what pillow raises on bad PNG
        raise Reject("the image is broken") from error
    small.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    out = io.BytesIO()
    small.save(out, "PNG")
    return out.getvalue()

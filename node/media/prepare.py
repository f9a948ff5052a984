"""One file, from what its owner has to what is committed to; and what a reviewer asks of it.

All of it runs in the process that may die: `child`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from node.media import pictures, sounds, texts
from node.media.container import Cleaned
from node.media.records import Prepared
from protocol import media
from protocol.errors import Reject
from protocol.media import MEDIA, Shown, check_content
from protocol.review.fingerprints import fingerprint_exact, fingerprint_text
from protocol.review.likeness import is_decoded_alike

# What a picture is made where a campaign does not take its own type; nothing is lost in the first two.
_TARGETS: Final = (media.PNG.name, media.WEBP.name, media.JPEG.name)


def prepare(
    data: bytes, media_type: str, takes: Sequence[str], bytes_max: int, *, scale: bool = False
) -> Prepared:
    """Content of `media_type`, made ready for a part that takes the media types `takes`.

    `scale`: whether its owner agrees that a picture is made smaller to fit. Raises Reject, with advice.
    """
    check_content(media_type, data)
    target = _target(media_type, takes)
    shown = MEDIA[target].shown
    content = data
    said: tuple[str, ...] = ()
    if shown is Shown.PICTURE:
        content, said = pictures.normalise(data, media_type, target, bytes_max, scale=scale)
    elif shown is Shown.SOUND:
        cleaned = sounds.clean(data, target)
        content = cleaned.content
        said = _said(cleaned)
    if len(content) > bytes_max:
        scaling = ", or agree that it is scaled: --scale" if shown is Shown.PICTURE else ""
        raise Reject(
            f"it has {len(content):,} bytes",
            f"The campaign takes at most {bytes_max:,}. Make it smaller{scaling}.",
        )
    return Prepared(target, content, fingerprint(content, target), said)


def fingerprint(data: bytes, media_type: str) -> bytes:
    """The public fingerprint of content that can be committed to. Raises Reject for any other."""
    check_content(media_type, data)
    shown = MEDIA[media_type].shown
    if shown is Shown.PICTURE:
        return pictures.fingerprint(data, media_type)
    if shown is Shown.SOUND:
        return sounds.fingerprint(data, media_type)
    if check := texts.CHECKS.get(media_type):
        check(data)
    return fingerprint_text(data) if shown is Shown.TEXT else fingerprint_exact(data)


def agrees(data: bytes, media_type: str, claimed: bytes) -> bool:
    """Whether content can be committed to and has the claimed fingerprint. Raises Reject if it cannot."""
    check_content(media_type, data)
    if MEDIA[media_type].shown is Shown.PICTURE:
        return pictures.agrees(data, media_type, claimed)
    own = fingerprint(data, media_type)
    return own == claimed or (MEDIA[media_type].is_lossy and is_decoded_alike(own, claimed))


def _said(cleaned: Cleaned) -> tuple[str, ...]:
    """What was done to a recording."""
    done = (("removed", cleaned.removed), ("corrected", cleaned.corrected))
    return tuple(f"{what}: {', '.join(each)}" for what, each in done if each)


def _target(media_type: str, takes: Sequence[str]) -> str:
    """What content becomes: its own type if that is taken, or another one for pictures. Raises Reject."""
    if media_type in takes:
        return media_type
    if MEDIA[media_type].shown is Shown.PICTURE:
        for each in _TARGETS:
            if each in takes:
                return each
    raise Reject(f"it is {MEDIA[media_type].words}", f"The campaign takes {', '.join(takes)}.")

"""How near is near in a campaign, in words: what is called a copy, and what reviewers are shown as one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from protocol.media import MEDIA as MEDIA_TYPES
from protocol.rows import Campaign, CopyTerms

# As thresholds name them -> as people do.
MEDIA: Final = {"picture": "pictures", "text": "texts", "sound": "recordings"}


def copy_words(campaign: Campaign) -> list[str]:
    """A line for each kind of media that its items have; none where nothing tells copies, since content is
    not published."""
    types = [name for part in campaign.parts for name in part.media_types]
    return words_of(campaign.copies, types) if campaign.is_open else []


def words_of(terms: CopyTerms, media_types: Collection[str]) -> list[str]:
    """A line for each kind of media among the types."""
    kinds = {MEDIA_TYPES[each].shown.value for each in media_types if each in MEDIA_TYPES}
    return [_words(terms, medium) for medium in MEDIA if medium in kinds]


def _words(terms: CopyTerms, medium: str) -> str:
    strict, likely = getattr(terms, f"{medium}_strict"), getattr(terms, f"{medium}_likely")
    told = f"within {strict} ‰ of an earlier one" if strict else "the same as an earlier one"
    shown = f"reviewers are shown those within {likely} ‰" if likely else "none is only likely"
    return f"{MEDIA[medium]}: a copy is {told}; {shown}"

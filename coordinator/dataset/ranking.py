"""ranking.json: what `coordinator.ranking` says of the campaign's sources, as a file of the dataset."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Final

from coordinator.ranking import SourceRanking

FORMAT: Final = "commonhold-ranking/1"


def encode_ranking(campaign_id: str, ranking: SourceRanking) -> bytes:
    """The file's bytes."""
    data = {"format": FORMAT, "campaign": campaign_id, **asdict(ranking)}
    return json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n"

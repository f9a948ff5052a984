"""How far a review is, read from the public log over HTTP as anybody could."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import httpx

from protocol import tiles
from protocol.envelope import parse_envelope

_WATCHED: Final = {
    "beacon": "seeds opened",
    "draw": "draws",
    "commit": "commits",
    "reveal": "reveals",
    "verdict": "verdicts",
    "close": "epoch closed",
}


@dataclass(frozen=True, slots=True)
class Tail:
    """The kinds of the last up to 256 entries of a log."""

    kinds: Counter[str]

    def since(self, before: Tail) -> Tail:
        """What was logged after `before`; the demo's epochs fit into one bundle."""
        return Tail(self.kinds - before.kinds)

    def __str__(self) -> str:
        parts = [
            words if kind == "close" else f"{self.kinds[kind]} {words}"
            for kind, words in _WATCHED.items()
            if self.kinds[kind]
        ]
        return ", ".join(parts)


def read_tail(http_url: str) -> Tail:
    """Reads the checkpoint and the last bundle of entries."""
    with httpx.Client(base_url=http_url) as client:
        size = int(client.get("/checkpoint").raise_for_status().text.splitlines()[1])
        *_, last = tiles.entry_tiles_of(size)
        bundle = client.get(f"/{last.path}").raise_for_status().content
    return Tail(
        Counter(parse_envelope(raw).kind for raw in tiles.decode_entries(bundle, last.width))
    )

"""How far something is, read from the public log over HTTP as anybody could."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import httpx

from protocol.log import tiles
from protocol.log.envelope import parse_envelope

# kind -> its plural, in the order in which they come
_REVIEW: Final = {
    "beacon": "seeds opened",
    "draw": "draws",
    "commit": "commits",
    "reveal": "reveals",
    "verdict": "verdicts",
}
_TRAINING: Final = {
    "enrol": "partners joined",
    "update": "signed updates",
    "training-round": "rounds",
}


class Tail:
    """What a log got since this was made."""

    def __init__(self, http_url: str) -> None:
        self._url = http_url
        with httpx.Client(base_url=http_url) as client:
            self._start = _size(client)

    def kinds(self) -> Counter[str]:
        """How many records of each kind."""
        with httpx.Client(base_url=self._url) as client:
            return Counter(parse_envelope(raw).kind for raw in self._entries(client))

    def _entries(self, client: httpx.Client) -> Iterator[bytes]:
        for tile in tiles.entry_tiles_of(_size(client)):
            if tile.start + tile.width > self._start:
                bundle = client.get(f"/{tile.path}").raise_for_status().content
                entries = tiles.decode_entries(bundle, tile.width)
                yield from entries[max(0, self._start - tile.start) :]

    def review(self) -> str:
        """How far a review is."""
        kinds = self.kinds()
        return ", ".join([*_counted(kinds, _REVIEW), *(["epoch closed"] if kinds["close"] else [])])

    def training(self) -> str:
        """How far a training job is."""
        return ", ".join(_counted(self.kinds(), _TRAINING))


def _counted(kinds: Counter[str], words: dict[str, str]) -> list[str]:
    return [f"{kinds[kind]} {plural}" for kind, plural in words.items() if kinds[kind]]


def _size(client: httpx.Client) -> int:
    return int(client.get("/checkpoint").raise_for_status().text.splitlines()[1])

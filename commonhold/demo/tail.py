"""How far everything is: the public log, read over HTTP and folded as anybody could."""

from __future__ import annotations

from collections import Counter
from typing import Final

from commonhold.audit.source import HttpLog
from protocol import transition
from protocol.lifecycle import RoundPhase
from protocol.log import tiles
from protocol.log.batch import Leaf, check_batch
from protocol.log.envelope import parse_envelope
from protocol.state import State, waits_of

_TRAINING: Final = {
    "enrol": "partners joined",
    "update": "signed updates",
    "training-round": "rounds",
}
_PHASES: Final = {
    RoundPhase.OPEN: "decided",
    RoundPhase.SEALED: "waits for its coin",
    RoundPhase.COMMITTING: "commits",
    RoundPhase.REVEALING: "reveals",
}


class Tail:
    """A log's state, as far as it was last looked at."""

    def __init__(self, http_url: str) -> None:
        self._log = HttpLog(http_url)
        self.state = State()
        self.kinds = Counter[str]()

    def catch_up(self) -> State:
        """The state now."""
        size = int(self._log.read(tiles.CHECKPOINT_PATH).split(b"\n")[1])
        for tile in tiles.entry_tiles_of(size):
            if tile.start + tile.width > self.state.size:
                entries = tiles.decode_entries(self._log.read(tile.path), tile.width)
                for raw in entries[max(0, self.state.size - tile.start) :]:
                    self.kinds[transition.apply(self.state, raw, self._leaves(raw)).kind] += 1
        return self.state

    def _leaves(self, raw: bytes) -> list[Leaf]:
        batch = transition.shown_batch(parse_envelope(raw))
        if batch is None or not batch.count:
            return []
        return check_batch(batch.root, batch.count, self._log.read(f"batch/{batch.root.hex()}"))

    def rests(self, campaign_id: str) -> bool:
        """Whether nothing of a campaign is under review, nor waits for it."""
        is_open = self.state.round_of(campaign_id).phase is RoundPhase.OPEN
        return is_open and not self.state.queues.has(campaign_id)

    def review(self) -> str:
        """How far each campaign is."""
        return "; ".join(
            self._campaign(campaign_id) for campaign_id, _ in self.state.campaigns.scan()
        )

    def _campaign(self, campaign_id: str) -> str:
        round_, waiting = self.state.round_of(campaign_id), waits_of(self.state, campaign_id)
        where = f"{campaign_id} {round_.number} {_PHASES[round_.phase]}"
        return f"{where}, {waiting} wait" if waiting else where

    def training(self) -> str:
        """How far a training job is."""
        return ", ".join(
            f"{self.kinds[k]} {word}" for k, word in _TRAINING.items() if self.kinds[k]
        )

"""The small network that Hypothesis plays: its people, its campaigns of every kind, what they submit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from protocol.errors import Misbehaviour
from protocol.lifecycle import GONE, ItemStatus
from protocol.money.settlement import ETHER
from protocol.review.fingerprints import fingerprint_pixels
from protocol.rows import Item, ItemId
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.chain_says import TOKEN
from tests.fold import held, is_near
from tests.simulated import Network, campaign, part, rounds

PEOPLE: Final = 6
TOKENS: Final = (ETHER, TOKEN)
# One judge is always wrong and one refuses, so that verdicts differ. Every question has two answers or more.
JUDGES: Final[dict[int, Callable[[int], int | None]]] = {
    4: lambda t: 1 - min(t, 1),
    5: lambda _: None,
}
CAMPAIGNS: Final = ("pictures", "stars", "pairs", "rubric")
CHOICES: Final = {"pictures": 10, "stars": 5, "pairs": 3, "rubric": 2}
REPAYS: Final = frozenset({"pictures", "pairs", "rubric"})


def _pictures() -> list[bytes]:
    """Fingerprints of one picture, of nearly the same, and of likely copies: each resembles its neighbours
    most."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (28, 28))
    noise = rng.normal(0, 3, (28, 28))
    steps = [np.clip(picture + step * noise, 0, 255).astype(np.uint8) for step in range(4)]
    return [fingerprint_pixels(step.tobytes(), 28, 28) for step in steps]


PICTURES: Final = _pictures()
# What each person calls every likely copy.
RELATIONS: Final = (
    pb.RELATION_COPY,
    pb.RELATION_DERIVATIVE,
    pb.RELATION_DERIVATIVE,
    pb.RELATION_INDEPENDENT,
    pb.RELATION_UNSEEN,
)


def campaigns() -> list[pb.Campaign]:
    """One of each kind, small enough that their limits matter."""
    small = {"reviewers_per_item": 2}
    return [
        campaign(
            id="pictures",
            parts=[part("image", "image/png"), part("back", "image/png", optional=True)],
            rounds=rounds(items_max=3, draws_max=2),
        ),
        campaign(
            id="stars",
            task="rate",
            spec=encode_spec({"steps": list("12345"), "tolerance": 1}),
            proposal=pb.PROPOSAL_OPTIONAL,
            privacy=pb.PRIVACY_REVIEWERS,
            withdrawal=pb.WITHDRAWAL_KEEPS,
            **small,
        ),
        campaign(
            id="pairs",
            task="prefer",
            spec=encode_spec({"ties": True}),
            parts=[part("prompt"), part("answer_a"), part("answer_b")],
            proposal=pb.PROPOSAL_NOT_TAKEN,
            rounds=rounds(items_max=2, draws_max=1),
            **small,
        ),
        campaign(
            id="rubric",
            task="judge",
            spec=encode_spec(
                {"criteria": [{"name": "true", "text": "It is true.", "needs_ppm": 900_000}]}
            ),
            proposal=pb.PROPOSAL_NOT_TAKEN,
            **small,
        ),
    ]


def alike() -> set[bool]:
    """Whether the first picture is a near duplicate of each other one."""
    return {is_near(PICTURES[0], other) for other in PICTURES[1:]}


class Watched(Network):
    """Every record either changes nothing or exactly what it says that it changed."""

    def add_raw(self, raw: bytes, leaves: Sequence[bytes] = ()) -> None:
        before, all_before = dict(self.state.items.scan()), held(self.state)
        rounds_before, epoch = dict(self.state.rounds.scan()), self.state.epoch
        try:
            super().add_raw(raw, leaves)
        except Misbehaviour:
            assert held(self.state) == all_before, "a refused record changed the state"
            raise
        changes, after = self.changes[-1], dict(self.state.items.scan())
        told = {i: (before.get(i), item) for i, item in after.items() if item != before.get(i)}
        assert {i: pair for i, pair in changes.items.items() if pair[0] != pair[1]} == told
        for name, (old, new) in changes.rounds.items():
            assert (old.number, new) == (old.number, self.state.rounds[name])
        assert changes.rounds.keys() >= {
            name for name, r in self.state.rounds.scan() if r != rounds_before.get(name)
        }
        assert changes.closed == (epoch if self.state.epoch > epoch else None)
        gone = [i for i, item in after.items() if item.status is ItemStatus.WITHDRAWN]
        assert sorted(changes.erased) == sorted(
            i for i in gone if before.get(i) is None or before[i].status is not ItemStatus.WITHDRAWN
        )
        assert set(changes.gone) == {
            i for i in told if after[i].status in GONE and _status(before, i) is not after[i].status
        }


def _status(items: Mapping[ItemId, Item], item_id: ItemId) -> ItemStatus | None:
    return items[item_id].status if item_id in items else None

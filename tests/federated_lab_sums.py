"""Rounds of secure sums alone, with nothing trained: real members, real rules, no sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from numpy.typing import NDArray

from federated.committee_app import serve_committee
from federated.duty import Duty
from federated.exchange import Roster
from federated.flower.grid import LocalGrid, take_part
from federated.member import Masked, Member
from federated.opening import Opener, Uncovered
from federated.ring import Ring, Words
from federated.secure_sum import uncover
from protocol.identity import PersonId
from protocol.sealing import public_of
from tests.federated_lab import Log
from tests.simulated import Network, Person
from tests.simulated_training import enrolment, fix, job, start

SIZE = 50
RING = Ring(20)


class Hooked(ClientApp):
    """What a machine does with each message, where it is not as it should be."""

    def __init__(
        self, honest: ClientApp, hook: Callable[[ClientApp, Message, Context], Message]
    ) -> None:
        super().__init__()
        self._honest, self._hook = honest, hook

    def __call__(self, message: Message, context: Context) -> Message:
        return self._hook(self._honest, message, context)


@dataclass
class SumLab:
    """One job whose round is at its updates; `partners` of them, all invited and enrolled."""

    folder: Path
    count: int
    terms: dict[str, object] = field(default_factory=dict)
    members: dict[PersonId, Member] = field(default_factory=dict)
    values: dict[PersonId, Words] = field(default_factory=dict)
    given: dict[PersonId, Masked] = field(default_factory=dict)
    hooks: dict[PersonId, Callable[[ClientApp, Message, Context], Message]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        take_part()
        self.people = [Person(f"partner-{number}") for number in range(self.count)]
        self.net = Network(*self.people)
        body = job(
            **(
                {"quorum": 1, "spare_rounds": 2, "partners": [p.id for p in self.people]}
                | self.terms
            )
        )
        self.net.add(self.net.operator, "job", body)
        for person in self.people:
            duty = Duty.open(self.folder / f"{person.name}.db")
            self.members[person.id] = Member(person.id, "train", duty, RING)
            joins = enrolment(person)
            joins.sealing_key = public_of(duty.key("train"))
            self.net.add(person, "enrol", joins)
        start(self.net)
        self.log = Log(self.net)
        self.rng = np.random.default_rng(1)

    def close(self) -> None:
        for member in self.members.values():
            member.duty.close()

    def person(self, person_id: PersonId) -> Person:
        return next(each for each in self.people if each.id == person_id)

    @property
    def committee(self) -> list[Person]:
        """The members of the present round."""
        return [self.person(member) for member in self.log.round().committee.members]

    def submit(self, *people: Person) -> None:
        """Signs a masked update of each."""
        for person in people:
            values = RING.of(self.rng.integers(-1_000, 1_000, SIZE))
            masked = self.members[person.id].mask(self.log.round(), values)
            self.sign(person, values, masked)

    def sign(self, person: Person, values: Words, masked: Masked) -> None:
        self.values[person.id], self.given[person.id] = values, masked
        log = Log(self.net, person)
        log.sign(log.round(), masked.signed, 1)

    def fix(self, *people: Person) -> None:
        fix(self.net, *people)

    def grid(self, silent: Sequence[Person] = ()) -> LocalGrid:
        return LocalGrid(
            {self.key(person): self.app(person) for person in self.people},
            {self.key(person) for person in silent},
        )

    def key(self, person: Person) -> bytes:
        return self.net.state.partners["train", person.id].transport_key

    def app(self, person: Person) -> ClientApp:
        app = ClientApp()
        serve_committee(app, self.members[person.id], Log(self.net, person), SIZE)
        hook = self.hooks.get(person.id)
        return app if hook is None else Hooked(app, hook)

    def open(self, silent: Sequence[Person] = ()) -> Uncovered:
        """The operator's part; all apps are asked over one grid."""
        return self.open_over(self.grid(silent))

    def open_over(self, grid: LocalGrid) -> Uncovered:
        sealed = {who: each.sealed for who, each in self.given.items()}
        roster = Roster(self.log.partners())
        return Opener(grid, roster, self.log, sealed, RING, SIZE, 1.0).run()

    def sums(self, opened: Uncovered) -> list[NDArray[np.int64]]:
        """What each group's sum is, by what was opened."""
        hidden = {who: RING.unpack(each.hidden, SIZE) for who, each in self.given.items()}
        return [
            RING.signed(uncover(RING, [hidden[who] for who in group], masks, SIZE))
            for group, masks in zip(opened.groups, opened.sums, strict=True)
        ]

    def plain(self, people: Sequence[PersonId]) -> NDArray[np.int64]:
        """The same, by adding up what nobody else has."""
        total: NDArray[np.int64] = np.sum([RING.signed(self.values[who]) for who in people], axis=0)
        return total

    def assert_exact(self, opened: Uncovered) -> None:
        for group, found in zip(opened.groups, self.sums(opened), strict=True):
            assert np.array_equal(found, self.plain(group))


Make = Callable[..., SumLab]


def labs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes labs, with a clock that stands still but for waits; closes them."""
    made: list[SumLab] = []
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("federated.exchange.time.sleep", sleep)
    monkeypatch.setattr("federated.exchange.time.monotonic", lambda: now)

    def lab(count: int, **terms: object) -> SumLab:
        mine = folder / str(len(made))
        mine.mkdir()
        made.append(SumLab(mine, count, terms))
        return made[-1]

    yield lab
    for each in made:
        each.close()

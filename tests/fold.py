"""Steps that many tests of the fold begin with, on tests.simulated."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np
import pytest
from google.protobuf.message import Message

from protocol.errors import Misbehaviour
from protocol.lifecycle import ItemStatus
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.review.copies import DEFAULT_COPY_TERMS
from protocol.review.details import SIGNS
from protocol.review.fingerprints import pack_picture
from protocol.review.index import strict_distance
from protocol.review.levels import pack_signs
from protocol.review.shapes import SHAPE_BYTES
from protocol.review.thumbnails import WINDOW, Thumbnail
from protocol.rows import Item, ItemId
from protocol.rules import sealing
from protocol.state import SHARES, State
from protocol.tables import Table
from protos.gen import records_pb2 as pb
from tests.simulated import Network, Person, policy

M = TypeVar("M", bound=Message)

UNDECIDED = policy(accept_ppm=999_999)
"""A policy that hardly anybody's answers satisfy."""


def people(*names: str) -> list[Person]:
    return [Person(name) for name in names]


def refuses(match: str) -> pytest.RaisesExc[Misbehaviour]:
    return pytest.raises(Misbehaviour, match=match)


def same(one: State, other: State) -> bool:
    """Whether two states are equal, to the last row."""
    return list(one.rows()) == list(other.rows())


def held(state: State) -> dict[str, object]:
    """All that a state holds now, to be compared with what it holds later: rows never change."""
    values = {each.name: getattr(state, each.name) for each in fields(state)}
    return {
        name: dict(value.scan()) if isinstance(value, Table) else value
        for name, value in values.items()
        if not isinstance(value, dict)
    }


# ---- what is in the state ----


def items(net: Network) -> list[Item]:
    """All items, in the order of the log."""
    return sorted((item for _, item in net.state.items.scan()), key=lambda item: item.place)


def ids(net: Network) -> list[ItemId]:
    """Their ids, in the same order."""
    return [i for i, _ in sorted(net.state.items.scan(), key=lambda pair: pair[1].place)]


def statuses(net: Network) -> list[ItemStatus]:
    return [item.status for item in items(net)]


def waiting(net: Network, c: str = "digits") -> list[ItemId]:
    """What the next seal of a campaign takes, in the order in which it does."""
    return list(sealing.next_items(net.state, net.campaign(c)))


def tasks(net: Network, c: str = "digits") -> dict[bytes, tuple[ItemId, ...]]:
    """Each drawn reviewer's items."""
    return {person: drawn for (_, person), drawn in net.state.tasks.scan(c)}


def drawn_people(net: Network, c: str = "digits") -> list[Person]:
    return [person for person in net.people if (c, person.id) in net.state.tasks]


def shares_of(net: Network, person: Person) -> int:
    return net.state.earned.get((person.id, SHARES), 0)


def last_lines(net: Network, *roles: pb.Role) -> list[pb.RewardLine]:
    """The lines of the last record, a close, of some roles or all."""
    lines = [parse_leaf(pb.RewardLine, leaf) for leaf in net.log[-1].leaves]
    return [line for line in lines if not roles or line.role in roles]


def deposits(net: Network) -> list[object]:
    """What came in and waits, in the order of the log."""
    return [deposit for _, deposit in net.state.deposits.scan()]


# ---- changed copies ----


def changed(message: M, **values: object) -> M:
    """A copy of a message with some fields set; a list takes the place of a repeated one's."""
    copied = type(message)()
    copied.CopyFrom(message)
    for name, value in values.items():
        copied.ClearField(name)
        if isinstance(value, Message):
            getattr(copied, name).CopyFrom(value)
        elif isinstance(value, list):
            getattr(copied, name).extend(value)
        else:
            setattr(copied, name, value)
    return copied


def changed_item(leaf: bytes, **values: object) -> bytes:
    """The leaf of an item with other values, of its only part where the fields are a part's."""
    item = parse_leaf(pb.Item, leaf)
    ours = {name: v for name, v in values.items() if name in pb.Item.DESCRIPTOR.fields_by_name}
    theirs = {name: value for name, value in values.items() if name not in ours}
    if theirs:
        ours["parts"] = [changed(item.parts[0], **theirs)]
    return encode_leaf(changed(item, **ours))


def spoilt(deal: pb.Deal, keys: Sequence[bytes], victim: Person) -> pb.Deal:
    """The same deal with a wrong value for one witness."""
    values, at = list(deal.values), keys.index(victim.key)
    values[at] = bytes(b ^ 1 for b in values[at])
    return changed(deal, values=values)


def encoded(messages: Iterable[Message]) -> list[bytes]:
    return [encode_leaf(message) for message in messages]


# ---- pictures that are as near as a test needs ----

NEAR = DEFAULT_COPY_TERMS.picture_strict
_ENERGY_PIXELS = 340
_LEVELS = WINDOW * WINDOW


def picture(*darker: tuple[int, int]) -> bytes:
    """A fingerprint of 340 bright pixels; `darker` are (which of them, by how many of 7 levels).

    A pixel that is wholly dark makes one and a half per mille of squared error, so that four in one picture
    and four others in another are 5 from it and 11 from each other.
    """
    levels = np.zeros(_LEVELS, dtype=np.int64)
    places = np.random.default_rng(7).permutation(_LEVELS)[:_ENERGY_PIXELS]
    levels[places] = 7
    for which, by in darker:
        levels[places[which]] -= by
    thumbnail = Thumbnail(levels.reshape(WINDOW, WINDOW), 0, 0, is_sure=True)
    even = pack_signs(np.zeros(SIGNS, dtype=np.int64))
    return pack_picture(repr(darker).encode(), thumbnail, even, bytes(SHAPE_BYTES))


def is_near(a: bytes, b: bytes) -> bool:
    """Whether the later of two fingerprints is a copy where a campaign says nothing else."""
    return strict_distance(a, b) <= NEAR


# ---- whole steps ----


def submitted(net: Network, count: int = 6) -> None:
    """`count` items by the first person, everybody else standing by, the round sealed."""
    net.submit(net.people[0], [net.item(i % 10) for i in range(count)])
    net.stand_by(*net.people[1:])
    net.seal()


def drawn(net: Network, count: int = 6) -> None:
    submitted(net, count)
    net.draw()


def closed(net: Network, count: int = 6) -> None:
    """An epoch in which `count` items were decided."""
    net.submit(net.people[0], [net.item(i % 10) for i in range(count)])
    net.run_epoch(*net.people[1:])


def accurate(rng: random.Random, accuracy: float) -> Callable[[int], int]:
    return lambda truth: truth if rng.random() < accuracy else rng.randrange(10)


def off_by(shift: int) -> Callable[[int], int]:
    return lambda truth: (truth + shift) % 10


def says(word: object) -> Callable[[object], object]:
    """Somebody who says the same of everything."""
    return lambda _: word


def says_of(asked: object, word: object) -> Callable[[object], object]:
    """Somebody who says that of one thing, and the truth of all others."""
    return lambda truth: word if truth == asked else truth


def published_verdicts(net: Network) -> list[pb.ItemVerdict]:
    drawn(net)
    net.review(*net.people)
    return net.compute_verdicts()

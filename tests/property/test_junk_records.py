"""Junk in every field of every record, in every phase: refused as Misbehaviour, or taken; nothing else.

An exception of any other type would end the process of every node that replays the log, and a refusal
that leaves a trace would let two of them differ. Junk is signed by who may sign it, so that it gets
as far as the rules.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message

from protocol import transition
from protocol.errors import Ignore, Misbehaviour, Reject
from protocol.identity import Identity
from protocol.log.batch import batch_root
from protocol.log.envelope import parse_envelope, seal
from protocol.money.accounts import cumulative_leaves
from protocol.money.settlement import Address, build_tree, publication_digest, sum_totals
from protocol.rules.record import Record
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person, campaign
from tests.simulated_training import enrol, finish, model_of, open_job, round_of, train, update

KINDS = sorted(transition.RULES)
LEAF_OF: dict[str, type[Message]] = {
    "submission": pb.Item,
    "phase": pb.Duplicate,
    "draw": pb.Assignment,
    "reveal": pb.Answer,
    "verdict": pb.ItemVerdict,
    "close": pb.RewardLine,
}
PHASES = (
    *("NEW", "SUBMITTING", "BEACON", "OPENED", "COMMITTING", "REVEALING", "REVEALED", "CLOSING"),
    *("DEPLOYED", "PROPOSED", "ATTESTED", "SOLD", "ENROLLED", "UPDATED", "TRAINED"),
)
RANDOM_MUTANTS = 12  # of each kind in each phase

_TEXTS = ("", "0", "-1", "٣", "1e9", "9" * 39, "9" * 200, "a\0b", "digits", "no-such")
_BYTES = (b"", b"\0", bytes(20), bytes(31), bytes(32), b"\xff" * 32, bytes(33), bytes(65))
_EXTREMES: dict[int, tuple[Any, ...]] = {
    Field.TYPE_UINT32: (0, 1, 2, 2**31, 2**32 - 1),
    Field.TYPE_UINT64: (0, 1, 2**63, 2**64 - 1),
    Field.TYPE_INT32: (-(2**31), -1, 0, 2**31 - 1),
    Field.TYPE_ENUM: (-1, 0, 1, 2, 3, 77, 2**31 - 1),
    Field.TYPE_BOOL: (False, True),
    Field.TYPE_STRING: _TEXTS,
    Field.TYPE_BYTES: (*_BYTES, bytes(5_000)),
}


@dataclass(frozen=True)
class Sample:
    """A record that was valid where it was logged."""

    author: Person
    body: Message
    leaves: tuple[bytes, ...]


@cache
def life() -> dict[str, tuple[State, dict[str, Sample]]]:
    """For each phase its state, and the next record of each kind that was logged from there on."""
    ada, *reviewers = people = [Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")]
    net = Network(*people)
    places: dict[str, tuple[int, State]] = {"NEW": (0, State())}

    def snapshot(name: str) -> None:
        places[name] = len(net.log), copy.deepcopy(net.state)

    snapshot("SUBMITTING")
    net.submit(ada, [net.item(i % 10, content=bytes(1 + i % 7)) for i in range(8)])
    net.stand_by(*reviewers)
    net.commit_gold(list(net.truth)[:2])
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*reviewers[1:])
    snapshot("BEACON")
    net.open_beacons(reviewers[0])
    snapshot("OPENED")
    net.draw()
    drawn = [p for p in reviewers if p.identity in net.state.epoch.round.tasks]
    answers = {p.name: net.answers(p) for p in drawn}
    snapshot("COMMITTING")
    for person in drawn:
        net.commit(person, answers[person.name])
    net.phase(pb.PHASE_REVEALING)
    for number, person in enumerate(drawn):
        if number == 1:
            snapshot("REVEALING")
        net.reveal(person, answers[person.name])
    snapshot("REVEALED")
    net.verdict()
    net.run_rounds(*reviewers)
    snapshot("CLOSING")
    net.close()
    _settle(net, people, snapshot)
    net.add(net.operator, "campaign", campaign(id="letters"))
    ada.wallet = Person("another").wallet
    net.add(ada, "register", net.registration(ada))
    _sell_and_train(net, reviewers, snapshot)
    net.withdraw(ada, [i for i in net.state.items if not net.state.items[i].duplicate_of][:2])
    authors = {person.identity: person for person in (net.operator, *people)}
    return {name: (state, _next_of_each(net, at, authors)) for name, (at, state) in places.items()}


def _next_of_each(net: Network, start: int, authors: dict[Identity, Person]) -> dict[str, Sample]:
    samples: dict[str, Sample] = {}
    for entry in (*net.log[start:], *reversed(net.log[:start])):
        envelope = parse_envelope(entry.raw)
        body = transition.RULES[envelope.kind].message.FromString(envelope.payload)
        samples.setdefault(envelope.kind, Sample(authors[envelope.author], body, entry.leaves))
    return samples


def _settle(net: Network, people: list[Person], snapshot: Callable[[str], None]) -> None:
    where: dict[str, Any] = {"network": NETWORK, "epoch": 1}
    deployment = pb.Deployment(
        network=NETWORK, chain_id=1, settlement=b"\x01" * 20, share_token=b"\x02" * 20
    )
    net.add(net.operator, "deployment", deployment)
    revenue = pb.Revenue(network=NETWORK, asset=bytes(20), amount="1000", tx_hash=net.fresh())
    net.add(net.operator, "revenue", revenue)
    snapshot("DEPLOYED")
    leaves = cumulative_leaves(net.state)
    root, totals = build_tree(leaves).root, sum_totals(leaves)
    listed = [pb.AssetTotal(asset=asset, amount=str(total)) for asset, total in totals.items()]
    body = pb.Settlement(**where, root=root, totals=listed, leaves=len(leaves))
    net.add(net.operator, "settlement", body)
    snapshot("PROPOSED")
    digest = publication_digest(1, Address(b"\x01" * 20), 1, root, totals)
    for person in people[:2]:
        attest = pb.Attest(**where, root=root, signature=person.sign_digest(digest))
        net.add(person, "attest", attest)
    snapshot("ATTESTED")
    published = pb.Published(**where, root=root, tx_hash=net.fresh())
    net.add(net.operator, "published", published)


def _sell_and_train(net: Network, people: list[Person], snapshot: Callable[[str], None]) -> None:
    net.license(net.snapshot())
    snapshot("SOLD")
    open_job(net, *people[:2], snapshot=next(iter(net.state.snapshots)))
    enrol(net, *people[:2])
    snapshot("ENROLLED")
    update(net, *people[:2])
    snapshot("UPDATED")
    net.add(net.operator, "training-round", round_of(net, *people[:2]))
    train(net, *people[:2])
    snapshot("TRAINED")
    finish(net, model_of(net))


def _mutants(message: Message) -> Iterator[Message]:
    """Copies of a message with one field, at any depth, set to an extreme."""
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            yield from _repeated_mutants(message, field)
        elif field.type == Field.TYPE_MESSAGE:
            for inner in _mutants(getattr(message, field.name)):
                mutant = _copy(message)
                getattr(mutant, field.name).CopyFrom(inner)
                yield mutant
        else:
            for value in _EXTREMES[field.type]:
                mutant = _copy(message)
                setattr(mutant, field.name, value)
                yield mutant


def _repeated_mutants(message: Message, field: Field) -> Iterator[Message]:
    values = list(getattr(message, field.name))
    lists = [[], values * 2, values * 300, values[::-1]]
    if field.type == Field.TYPE_MESSAGE:
        lists += [[mutant, *values[1:]] for mutant in (_mutants(values[0]) if values else ())]
    else:
        lists += [[value] for value in _EXTREMES[field.type]]
    for changed in lists:
        mutant = _copy(message)
        mutant.ClearField(field.name)
        getattr(mutant, field.name).extend(changed)
        yield mutant


def _copy(message: Message) -> Any:
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def _here(state: State, body: Message) -> Any:
    """The sample, moved to the present round, so that the deeper rules see it."""
    moved = _copy(body)
    if "epoch" in body.DESCRIPTOR.fields_by_name:
        moved.epoch = state.epoch.number
        # A round of training is counted by its job, and such a record names no epoch.
        if "round" in body.DESCRIPTOR.fields_by_name:
            moved.round = state.epoch.round.number
    return moved


def _junk(kind: str, state: State, sample: Sample) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """(payload, leaves) of mutants of a record."""
    body = _here(state, sample.body)
    batch = transition.RULES[kind].batch
    for mutant in _mutants(body):
        yield mutant.SerializeToString(), sample.leaves
    for leaves in _junk_leaves(kind, sample) if batch else ():
        root = pb.Batch(root=batch_root(leaves), count=len(leaves))
        getattr(body, batch or "").CopyFrom(root)
        yield body.SerializeToString(), leaves
    rng = random.Random(f"{kind} {state.epoch.phase.name}")
    payload = sample.body.SerializeToString()
    for _ in range(RANDOM_MUTANTS):
        spoiled = bytearray(payload)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(spoiled) + 1)
            spoiled[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        yield bytes(spoiled), sample.leaves


def _junk_leaves(kind: str, sample: Sample) -> Iterator[tuple[bytes, ...]]:
    first, rest = sample.leaves[:1], sample.leaves[1:]
    yield ()
    yield (b"",)
    yield (b"\xff" * 40, *rest)
    yield (bytes(5_000), *rest)
    yield (*first, *first, *rest)
    yield sample.leaves[::-1]
    if first and kind in LEAF_OF:
        for mutant in _mutants(LEAF_OF[kind].FromString(first[0])):
            yield (mutant.SerializeToString(), *rest)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
def test_junk_is_refused_without_a_trace(kind: str, phase: str) -> None:
    pristine, samples = life()[phase]
    author = samples[kind].author
    state = copy.deepcopy(pristine)
    refused = 0
    for payload, leaves in _junk(kind, state, samples[kind]):
        raw = seal(kind, payload, author.identity, lambda m: author.key.sign(m).signature)
        try:
            transition.apply(state, raw, leaves)
        except Misbehaviour:
            refused += 1
            assert state == pristine, "a refused record left a trace"
        else:
            assert state.size == pristine.size + 1
            state = copy.deepcopy(pristine)
    assert refused, "some of this is junk"


@pytest.mark.parametrize("kind", KINDS)
def test_rules_alone_raise_nothing_but_ignore_and_reject(kind: str) -> None:
    for state, samples in life().values():
        sample = samples[kind]
        for mutant in _mutants(_here(state, sample.body)):
            record = Record(state.size, bytes(32), sample.author.identity, mutant, sample.leaves)
            with suppress(Ignore, Reject):
                transition.validate(state, kind, record)

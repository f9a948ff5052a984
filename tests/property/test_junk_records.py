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
from protocol.coin.witnesses import Diligence
from protocol.errors import Ignore, Misbehaviour, Outdated, Reject
from protocol.identity import KeyId
from protocol.log.batch import batch_root
from protocol.log.envelope import parse_envelope, seal
from protocol.log.merkle import hash_leaf
from protocol.log.strict import LEAF_TYPES, canonical, encode_leaf, parse_leaf
from protocol.money import events
from protocol.money.payload import bond_id
from protocol.money.settlement import ETHER, Address
from protocol.rules.faults import silence_of
from protocol.rules.record import Record
from protocol.rules.settling import witnesses_to_be
from protocol.rules.table import LATEST, RULES
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.chain_says import (
    PAYER,
    TOKEN,
    WHERE,
    attest,
    begin,
    deploy,
    move,
    posted,
    retire,
    said,
    says,
    settlement,
)
from tests.fold import held, spoilt
from tests.simulated import LOG_KEY, NETWORK, Network, Person, campaign, part, policy, successor
from tests.simulated_training import (
    add_round,
    enrol,
    failed_of,
    finish,
    fix,
    model_of,
    open_job,
    round_of,
    train,
    update,
)

RULES_NOW = RULES[LATEST]
# A life has no partner who seals wrong seeds; test_fold_training_complaints has.
KINDS = sorted(RULES_NOW.keys() - {"complaint", "disclosure"})
PHASES = (
    *(
        "NEW",
        "OPEN",
        "SEALED",
        "TOSSED",
        "COMMITTING",
        "REVEALING",
        "REVEALED",
        "DECIDED",
        "PAUSED",
    ),
    *("ASSENTING", "DEALING", "CHECKING"),
    *(
        "DEPLOYED",
        "PROPOSED",
        "ATTESTED",
        "FROZEN",
        "MOVING",
        "MOVED",
        "SOLD",
        "ENROLLED",
        "UPDATED",
        "TRAINED",
    ),
)
RANDOM_MUTANTS = 12  # of each kind in each phase

_TEXTS = ("", "0", "-1", "٣", "1e9", "9" * 39, "9" * 200, "a\0b", "digits", "no-such")
_BYTES = (b"", b"\0", bytes(20), bytes(31), bytes(32), b"\xff" * 32, bytes(33), bytes(65))
_EXTREMES: dict[int, tuple[Any, ...]] = {
    Field.TYPE_UINT32: (0, 1, 2, 2**31, 2**32 - 1),
    Field.TYPE_UINT64: (0, 1, 2**63, 2**64 - 1),
    Field.TYPE_INT32: (-(2**31), -1, 0, 2**31 - 1),
    Field.TYPE_SINT64: (-(2**63), -1, 0, 1, 2**63 - 1),
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
    net = Network(*people, policy=policy(silence_tosses=10, silence_ppm=50_000))
    places: dict[str, tuple[int, State]] = {"NEW": (0, State())}

    def snapshot(name: str) -> None:
        places[name] = len(net.log), copy.deepcopy(net.state)

    parts = [part("image"), part("note", optional=True)]
    net.add(net.operator, "campaign", campaign(id="letters", parts=parts))
    snapshot("OPEN")
    _choose_witnesses(net, people, snapshot)
    net.submit(ada, [net.item(1, c="letters"), net.item(2, c="letters")], c="letters")
    net.withdraw(ada, [item_id for item_id, _ in net.state.items.scan()], "note")
    same = net.item(1, content=b"again")
    net.submit(ada, [net.item(i % 10, content=bytes(1 + i % 7)) for i in range(8)])
    net.submit(ada, [same, net.item(1, content=b"again")])
    net.stand_by(*reviewers)
    net.seal(gold=[i for i in net.truth if net.state.items[i].campaign_id == "digits"][:2])
    snapshot("SEALED")
    net.toss(people[0])
    snapshot("TOSSED")
    net.draw()
    drawn = [p for p in reviewers if ("digits", p.id) in net.state.tasks]
    answers = {p.name: net.answers(p) for p in drawn}
    snapshot("COMMITTING")
    for person in drawn:
        net.commit(person, answers[person.name])
    net.end_commits()
    for number, person in enumerate(drawn):
        if number == 1:
            snapshot("REVEALING")
        net.reveal(person, answers[person.name])
    snapshot("REVEALED")
    net.verdict()
    net.run_rounds(*reviewers)
    snapshot("DECIDED")
    net.close()
    _lead(net, reviewers[0])
    net.pause()
    snapshot("PAUSED")
    net.pause(False)
    net.change(price_ppm=2)
    _settle(net, people, snapshot)
    net.add(net.operator, "campaign", campaign(id="more-letters"))
    moved = net.registration(ada, 2, Person("another"))
    net.add(ada, "register", moved)
    _sell_and_train(net, reviewers, snapshot)
    first, second, third = [i for i, it in net.state.items.scan() if not it.duplicate_of][:3]
    net.withdraw(ada, [first, second])
    net.take_down(third)
    net.close_campaign("more-letters")
    net.contest(ada, next(i for i, it in net.state.items.scan() if it.duplicate_of))
    authors = {person.key: person for person in (net.operator, *people)}
    authors |= {device.key: device for device in (reviewers[0].device("laptop"),)}
    return {name: (state, _next_of_each(net, at, authors)) for name, (at, state) in places.items()}


def _choose_witnesses(net: Network, people: list[Person], snapshot: Callable[[str], None]) -> None:
    """Three witnesses, who make room for four; one of these deals wrong."""
    net.change_witnesses(*people[:3])
    net.propose(*people[:4])
    snapshot("ASSENTING")
    net.assent(*people[:3])
    wrong, victim, *_ = people
    [(kind, deal)] = wrong.hand.due(net.state)
    assert isinstance(deal, pb.Deal)
    net.add(wrong, kind, spoilt(deal, net.proposal.keys, victim))
    snapshot("DEALING")
    net.witness(*people[1:4])
    net.end_deals()
    snapshot("CHECKING")
    net.witness(victim)
    net.witness(*people[:4])
    net.begin_coin()


def _lead(net: Network, person: Person) -> None:
    """What changes the network itself, and who is who."""
    net.change_policy(accept_ppm=950_000)
    net.add(net.operator, "upgrade", pb.Upgrade(network=NETWORK, version=2, epoch=1_000_000))
    net.delegate(person.device("laptop"))
    key = Person("the log's second key").signing_key
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, key, LOG_KEY))


def _next_of_each(net: Network, start: int, authors: dict[KeyId, Person]) -> dict[str, Sample]:
    samples: dict[str, Sample] = {}
    for entry in (*net.log[start:], *reversed(net.log[:start])):
        envelope = parse_envelope(entry.raw)
        body = RULES_NOW[envelope.kind].message.FromString(envelope.payload)
        samples.setdefault(envelope.kind, Sample(authors[envelope.key], body, entry.leaves))
    return samples


def _settle(net: Network, people: list[Person], snapshot: Callable[[str], None]) -> None:
    """Of everything that the chain may say, and that witnesses are asked to sign."""
    deploy(net, *people[:3])
    snapshot("DEPLOYED")
    ann = Address(people[0].address)
    bond = bond_id(people[0].id, ann)
    says(
        net,
        events.Deposited(ETHER, PAYER, 1_000, bytes(32)),
        events.Bonded(people[0].id, ann, ann, 10**18),
        events.UnbondRequested(bond, 5, 9),
        events.SlashProposed(0, bond, 7, bytes(32), 9),
        events.SlashAppealed(0),
        events.PayeeAccepted(ann, people[0].id),
        events.PolicyDecided(bytes(32)),
        said(events.Transfer(WHERE.settlement, ann, 7), TOKEN),
    )
    net.add(net.operator, "settlement", settlement(net))
    view = net.state.onchain
    later: dict[str, Any] = {"network": NETWORK, "witness_nonce": 0, "deadline": view.time_s + 60}
    change = pb.WitnessChange(**later, proposal=1, witnesses=witnesses_to_be(net.state))
    net.add(net.operator, "witness-change", change)
    net.state.diligence.put(people[0].id, Diligence(3, 10, 10))  # as if ten rounds had passed
    slash = pb.Slash(
        **later,
        bond=bond,
        fault=pb.FAULT_SILENCE,
        evidence=silence_of(net.state, people[0].id),
        amount=str(5 * 10**16),
    )
    net.add(net.operator, "slash", slash)
    snapshot("PROPOSED")
    attest(net, "settlement", *people[:2])
    snapshot("ATTESTED")
    payload = net.state.payloads[1]
    says(net, posted(payload), events.Challenged(1, ann, bytes(32)))
    net.add(net.operator, "uphold", pb.Uphold(**later, epoch=1))
    snapshot("FROZEN")
    first = max(first for first, _ in net.state.ranges.scan())
    says(net, events.Upheld(1, 9), events.Enacted(1, payload.root), events.SlashOverturned(0))
    net.add(net.operator, "rewind", pb.Rewind(network=NETWORK, first=first))
    net.add(net.operator, "move", move(net))
    snapshot("MOVING")
    attest(net, "move", *people[:3])
    snapshot("MOVED")
    begin(net, *people[:3])
    net.add(net.operator, "retire", retire(net))
    attest(net, "retire", people[0])


def _sell_and_train(net: Network, people: list[Person], snapshot: Callable[[str], None]) -> None:
    net.license(net.snapshot())
    snapshot("SOLD")
    digest = next(digest for digest, _ in net.state.snapshots.scan())
    open_job(net, *people[:2], snapshot=digest, spare_rounds=1)
    enrol(net, *people[:2])
    snapshot("ENROLLED")
    update(net, *people[:2])
    snapshot("UPDATED")
    net.add(net.operator, "failed-round", failed_of(net, people[0]))
    update(net, *people[:2])
    fix(net, *people[:2])
    snapshot("FIXED")
    add_round(net, round_of(net, *people[:2]))
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
    """The sample, moved to the present round, epoch and serial, so that the deeper rules see it."""
    moved, fields = _copy(body), body.DESCRIPTOR.fields_by_name
    if "epoch" in fields and body.DESCRIPTOR.name not in ("Settlement", "Uphold"):
        moved.epoch = state.epoch + (body.DESCRIPTOR.name == "Upgrade")
    # A round of training is counted by its job.
    if "round" in fields and "campaign_id" in fields:
        coming = body.DESCRIPTOR.name in ("Standby", "Seal")
        moved.round = state.round_of(moved.campaign_id).number + coming
    if "time_ms" in fields:
        moved.time_ms = 1 << 40
    return moved


def _junk(kind: str, state: State, sample: Sample) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """(payload, leaves) of mutants of a record."""
    body = _here(state, sample.body)
    batch = RULES_NOW[kind].batch
    for mutant in _mutants(body):
        yield canonical(mutant), sample.leaves
    for leaves in _junk_leaves(kind, sample) if batch else ():
        root = pb.Batch(root=batch_root(leaves), count=len(leaves))
        getattr(body, batch or "").CopyFrom(root)
        yield canonical(body), leaves
    rng = random.Random(f"{kind} {state.size}")
    payload = canonical(sample.body)
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
    for position, leaf in enumerate(_one_of_each_type(sample.leaves)):
        number, content = leaf[0], leaf[1:]
        message = next(m for m in RULES_NOW[kind].leaves if LEAF_TYPES[m.DESCRIPTOR.name] == number)
        others = tuple(each for each in sample.leaves if each != leaf)
        for mutant in _mutants(message.FromString(content)):
            changed = encode_leaf(mutant)
            yield (changed, *others) if position == 0 else (*others, changed)
        for other in range(10):
            yield (bytes([other]) + content, *rest)


def _one_of_each_type(leaves: tuple[bytes, ...]) -> list[bytes]:
    return list({leaf[:1]: leaf for leaf in reversed(leaves)}.values())[::-1]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS)
def test_junk_is_refused_without_a_trace(kind: str, phase: str) -> None:
    pristine, samples = life()[phase]
    before = held(pristine)
    author = samples[kind].author
    state = copy.deepcopy(pristine)
    refused = 0
    for payload, leaves in _junk(kind, state, samples[kind]):
        raw = seal(kind, payload, author.key, lambda m: author.signing_key.sign(m).signature)
        try:
            transition.apply(state, raw, leaves)
        except (Misbehaviour, Outdated) as error:
            if isinstance(error, Outdated) and (kind, phase) != ("genesis", "NEW"):
                raise
            refused += 1
            assert held(state) == before, "a refused record left a trace"
        else:
            assert state.size == pristine.size + 1
            state = copy.deepcopy(pristine)
    assert refused, "some of this is junk"


@pytest.mark.parametrize("kind", KINDS)
def test_rules_alone_raise_nothing_but_ignore_and_reject(kind: str) -> None:
    for state, samples in life().values():
        sample = samples[kind]
        for mutant in _mutants(_here(state, sample.body)):
            leaves = tuple(
                parse_leaf(message, leaf)
                for leaf in sample.leaves
                for message in RULES_NOW[kind].leaves
                if leaf[0] == LEAF_TYPES[message.DESCRIPTOR.name]
            )
            hashes = tuple(map(hash_leaf, sample.leaves))
            key = sample.author.key
            record = Record(state.size, bytes(32), key, mutant, leaves, hashes)
            allowed = (Outdated,) if kind == "genesis" and not state.size else ()
            with suppress(Ignore, Reject, *allowed):
                transition.validate(state, kind, record)

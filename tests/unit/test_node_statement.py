"""Statements: every micro-unit of a closed epoch has a line, a reason and a proof."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node.rows import CheckpointRow, ClaimRow, LogRow
from node.statement import StatementLine, explain, lines_of, read_balances, read_statement
from node.store import Store
from protocol.errors import Reject
from protocol.limits import PPM
from protocol.log.batch import encode_bundle, erase
from protocol.log.merkle import hash_leaf, verify_inclusion
from protocol.money.settlement import Address, Deployment
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.simulated import Network, Person, batch


@pytest.fixture(scope="module")
def net() -> Network:
    """Two closed epochs; ada submits 10 and then 6 items, one of them mislabelled."""
    rng = random.Random(3)
    net = Network(*(Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")))
    for count in (10, 6):
        items = [net.item(rng.randrange(10)) for _ in range(count)]
        net.submit(net.people[0], [*items, net.item(1, label=2)])
        net.run_epoch(*net.people[1:])
    return net


def rows(net: Network) -> list[LogRow]:
    return [LogRow(i, e.raw, encode_bundle(e.leaves)) for i, e in enumerate(net.log)]


@pytest.fixture
def store(net: Network, tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        log = rows(net)
        opened.append_log(log, CheckpointRow(len(log), b"note", 0))
        yield opened


def test_the_lines_of_everybody_are_all_that_was_earned(net: Network) -> None:
    log = rows(net)
    for person in (*net.people, net.operator):
        lines = list(lines_of(log, person.identity))
        earned = net.state.earned.get((person.identity, SHARES), 0)
        assert sum(line.amount for line in lines) == earned
    assert net.state.earned[net.people[0].identity, SHARES] > 0


def test_each_line_proves_itself(net: Network) -> None:
    for line in lines_of(rows(net), net.people[1].identity):
        verify_inclusion(hash_leaf(line.leaf), line.leaf_index, line.leaves, line.proof, line.root)
        close = net.log[line.entry_index]
        assert line.leaf == close.leaves[line.leaf_index]
        assert pb.RewardLine.FromString(line.leaf) == line.line


def test_a_bundle_that_does_not_belong_to_its_entry_is_refused(net: Network) -> None:
    log = rows(net)
    index = max(i for i, row in enumerate(log) if row.bundle)
    other = replace(log[index], bundle=encode_bundle(net.log[index].leaves[:-1]))
    with pytest.raises(Reject):
        list(lines_of([other], net.people[0].identity))
    erased = replace(
        log[index],
        bundle=encode_bundle(erase(net.log[index].leaves, {hash_leaf(net.log[index].leaves[0])})),
    )
    with pytest.raises(Reject, match="erased"):
        list(lines_of([erased], net.people[0].identity))


def test_the_store_gives_one_epoch_or_all(net: Network, store: Store) -> None:
    ada = net.people[0].identity
    assert [line.epoch for line in read_statement(store, ada)] == [1, 2]
    assert [line.epoch for line in read_statement(store, ada, epoch=2)] == [2]


def test_what_can_be_claimed_is_what_was_published_less_what_was_claimed(
    net: Network, store: Store
) -> None:
    state, ada = net.replay(), net.people[0].identity
    lines = read_statement(store, ada)
    state.deployment = Deployment(1, Address(bytes(20)), Address(b"\7" * 20))

    def balance() -> tuple[int, int, int, int]:
        [one] = read_balances(store, state, lines)
        return one.earned, one.published, one.claimed, one.claimable

    first, both = lines[0].amount, lines[0].amount + lines[1].amount
    assert balance() == (both, 0, 0, 0)
    state.published_epoch = 1
    assert balance() == (both, first, 0, first)
    store.save_claim(ClaimRow(b"\7" * 20, first, 1, b"tx", "sent"))
    assert balance() == (both, first, 0, first), "a claim counts when the chain has it"
    store.save_claim(ClaimRow(b"\7" * 20, first, 1, b"tx", "confirmed"))
    assert balance() == (both, first, first, 0)
    state.published_epoch = 2
    assert balance() == (both, both, first, both - first)


def test_the_royalties_of_each_licence_are_a_pool_of_their_own(net: Network) -> None:
    ada, ben = net.people[0].identity, net.people[1].identity
    shared = [(ada, "a", 30), (ben, "a", 70), (ada, "b", 1), (ben, "b", 1)]
    leaves = [
        pb.RewardLine(
            identity=who,
            role=pb.ROLE_CONTRIBUTOR,
            asset=bytes(20),
            amount=str(amount),
            licence_id=licence,
        ).SerializeToString()
        for who, licence, amount in shared
    ]
    close = net.operator.seal("close", pb.Close(epoch=1, lines=batch(leaves)))
    lines = lines_of([LogRow(0, close, encode_bundle(leaves))], ada)
    assert [(line.amount, line.pool) for line in lines] == [(30, 100), (1, 2)]


def _line(
    role: pb.Role, amount: int, pool: int, *, job: str = "", licence: str = "", **evidence: int
) -> StatementLine:
    line = pb.RewardLine(
        role=role,
        campaign_id="digits",
        amount=str(amount),
        evidence=pb.Evidence(**evidence),
        job_id=job,
        licence_id=licence,
    )
    return StatementLine(1, 0, 0, line, b"", (), b"", 1, pool)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            _line(pb.ROLE_CONTRIBUTOR, 123, 1000, accepted=48, rejected=1, duplicates=1),
            "48 of 50 items accepted, 1 rejected, 1 duplicate in digits"
            " = 12.3 % of the contributors' pool",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 0, 0, undecided=2),
            "0 of 2 items accepted, 2 undecided in digits = 0.0 % of the contributors' pool",
        ),
        (
            _line(pb.ROLE_REVIEWER, 1, 4, answers=9, gold_answers=2, gold_right=1, ring_size=3),
            "9 answers, 1 of 2 gold items right, agreement +0.0 % against chance, counted as one"
            " vote with a ring of 3 in digits = 25.0 % of the reviewers' pool",
        ),
        (
            _line(pb.ROLE_HOLDER, 1, 2, shares_micro=3 * PPM // 2),
            "1.500000 shares held = 50.0 % of the holders' part of the revenue",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 45, 90, accepted=48, rejected=2, repaid=3),
            "48 of 50 items accepted, 2 rejected, 3 unpaid for as many withdrawn before in digits"
            " = 50.0 % of the contributors' pool",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 3, 10, licence="acme-1", licensed=12),
            "12 of your items in digits, licensed as acme-1"
            " = 30.0 % of the royalties of that licence",
        ),
        (
            _line(pb.ROLE_TRAINER, 2, 5, job="tumours", updates=3),
            "3 updates to the job tumours = 40.0 % of the trainers' pool",
        ),
        (
            _line(pb.ROLE_TRAINER, 0, 0, job="tumours", updates=1),
            "1 update to the job tumours = 0.0 % of the trainers' pool",
        ),
    ],
)
def test_a_line_explains_itself(line: StatementLine, sentence: str) -> None:
    assert explain(line) == sentence

"""Statements: every micro-unit of a closed epoch has a line, a reason and a proof."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from commonhold.cli.node_report import statement, statement_tables
from node.rows import CheckpointRow, ClaimRow, ItemRow, LogRow, Outgoing
from node.statement import (
    REFUSALS,
    StatementLine,
    decided_items,
    explain,
    explain_item,
    lines_of,
    read_balances,
    read_statement,
)
from node.store import Store
from protocol.errors import Reject
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.batch import encode_bundle, erase
from protocol.log.merkle import hash_leaf, verify_inclusion
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.money.onchain import OnChain
from protocol.money.settlement import Address
from protocol.rows import Item
from protocol.state import SHARES
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests import likely
from tests.chain_says import WHERE
from tests.simulated import Network, Person, batch, campaign


@pytest.fixture(scope="module")
def net() -> Network:
    """Two closed epochs in which ada submits 10 and then 6 items, one of them mislabelled; an empty one."""
    rng = random.Random(3)
    net = Network(*(Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")))
    for count in (10, 6):
        items = [net.item(rng.randrange(10)) for _ in range(count)]
        net.submit(net.people[0], [*items, net.item(1, label=2)])
        net.run_epoch(*net.people[1:])
    net.close()
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
        lines = list(lines_of(log, person.id))
        earned = net.state.earned.get((person.id, SHARES), 0)
        assert sum(line.amount for line in lines) == earned
    assert net.state.earned[net.people[0].id, SHARES] > 0


def test_each_line_proves_itself(net: Network) -> None:
    for line in lines_of(rows(net), net.people[1].id):
        verify_inclusion(hash_leaf(line.leaf), line.leaf_index, line.leaves, line.proof, line.root)
        close = net.log[line.entry_index]
        assert line.leaf == close.leaves[line.leaf_index]
        assert parse_leaf(pb.RewardLine, line.leaf) == line.line


def test_a_bundle_that_does_not_belong_to_its_entry_is_refused(net: Network) -> None:
    log = rows(net)
    index = max(i for i, row in enumerate(log) if row.bundle)  # the last close that paid somebody
    other = replace(log[index], bundle=encode_bundle(net.log[index].leaves[:-1]))
    with pytest.raises(Reject):
        list(lines_of([other], net.people[0].id))
    erased = replace(
        log[index],
        bundle=encode_bundle(erase(net.log[index].leaves, {hash_leaf(net.log[index].leaves[0])})),
    )
    with pytest.raises(Reject, match="erased"):
        list(lines_of([erased], net.people[0].id))


def test_the_store_gives_one_epoch_or_all(net: Network, store: Store) -> None:
    ada = net.people[0].id
    assert [line.epoch for line in read_statement(store, ada)] == [1, 2]
    assert [line.epoch for line in read_statement(store, ada, epoch=2)] == [2]
    assert read_statement(store, ada, epoch=3) == [], "an epoch without lines is an epoch"


def test_what_can_be_claimed_is_what_was_published_less_what_was_claimed(
    net: Network, store: Store
) -> None:
    state, ada = net.replay(), net.people[0].id
    lines = read_statement(store, ada)
    state.deployment = replace(WHERE, share_token=Address(b"\7" * 20))

    def balance() -> tuple[int, int, int, int]:
        [one] = read_balances(store, state, lines)
        return one.earned, one.published, one.claimed, one.claimable

    first, both = lines[0].amount, lines[0].amount + lines[1].amount
    assert balance() == (both, 0, 0, 0)
    state.onchain = OnChain(epoch=1)
    assert balance() == (both, first, 0, first)
    store.save_claim(ClaimRow(b"\1" * 20, b"\7" * 20, first, 1, b"tx", "sent"))
    assert balance() == (both, first, 0, first), "a claim counts when the chain has it"
    store.save_claim(ClaimRow(b"\1" * 20, b"\7" * 20, first, 1, b"tx", "confirmed"))
    assert balance() == (both, first, first, 0)
    state.onchain = OnChain(epoch=2)
    assert balance() == (both, both, first, both - first)


def test_the_royalties_of_each_licence_are_a_pool_of_their_own(net: Network) -> None:
    ada, ben = net.people[0].id, net.people[1].id
    shared = [(ada, "a", 30), (ben, "a", 70), (ada, "b", 1), (ben, "b", 1)]
    leaves = [
        encode_leaf(
            pb.RewardLine(
                person=who,
                role=pb.ROLE_CONTRIBUTOR,
                asset=bytes(20),
                amount=str(amount),
                licence_id=licence,
            )
        )
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
            "0 of 2 items accepted, 2 undecided in digits = 0.0 % of the contributors' pool: only what is"
            " accepted earns",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 0, 0, accepted=4, rejected=4),
            "4 of 8 items accepted, 4 rejected in digits = 0.0 % of the contributors' pool: what is"
            " rejected costs, and took all that the accepted ones earned",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 0, 0, accepted=1, repaid_micro=PPM),
            "1 of 1 item accepted, 1 repaid (at price 1) for what you gave up before in digits"
            " = 0.0 % of the contributors' pool: it repays what you gave up before",
        ),
        (
            _line(pb.ROLE_REVIEWER, 1, 4, answers=9, gold_answers=2, gold_right=1, ring_size=3),
            "9 answers, 1 of 2 gold items right, agreement +0.0 % against chance, counted as one"
            " vote with a ring of 3 in digits = 25.0 % of the reviewers' pool",
        ),
        (
            _line(pb.ROLE_REVIEWER, 0, 4, answers=1),
            "1 answer, agreement +0.0 % against chance in digits = 0.0 % of the reviewers' pool: nobody else"
            " answered these items, or guesses would have told as much",
        ),
        (
            _line(pb.ROLE_HOLDER, 1, 2, shares_micro=3 * PPM // 2),
            "1.500000 shares held = 50.0 % of the holders' part of the revenue",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 45, 90, accepted=48, rejected=2, repaid_micro=3 * PPM),
            "48 of 50 items accepted, 2 rejected, 3 repaid (at price 1) for what you gave up before in digits"
            " = 50.0 % of the contributors' pool",
        ),
        (
            _line(pb.ROLE_CONTRIBUTOR, 3, 10, licence="acme-1", licensed_permille=12_000),
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


# ---- what was decided of an item ----


def test_an_item_says_what_became_of_it() -> None:
    """The words are the kind's; each stage of an item's life has some."""
    ada, *reviewers = (Person(name) for name in ("ada", "ben", "cyn", "dov"))
    net = Network(ada, *reviewers)
    stars = campaign(
        id="stars",
        task="rate",
        spec=encode_spec({"steps": ["bad", "fair", "good"], "tolerance": 0}),
        proposal=pb.PROPOSAL_NOT_TAKEN,
    )
    net.add(net.operator, "campaign", stars)

    def words(leaf: bytes) -> str:
        return explain_item(net.state, net.state.items[hash_leaf(leaf)])

    good, lied = net.item(3), net.item(3, label=5)
    net.submit(ada, [good, lied])
    assert words(good) == "waits for a round"
    net.stand_by(*reviewers)
    net.seal()
    net.draw()
    assert words(good) == "is being reviewed"
    net.review(*reviewers)
    net.verdict()
    assert words(good).startswith("accepted as 3 (3 ")
    assert words(lied).startswith("rejected: it is 3, you said 5 (3 ")

    rated, copied = net.item("good", c="stars"), net.item("good", c="stars", content=b"same")
    again = net.item("good", c="stars", content=b"same")
    net.submit(ada, [rated, copied, again], c="stars")
    net.run_rounds(*reviewers, c="stars")
    assert words(rated).startswith("accepted as good (median good; ")
    assert words(again) == f"a copy of {hash_leaf(copied).hex()[:12]}, which came before"
    net.withdraw(ada, [hash_leaf(rated)])
    assert words(rated) == "withdrawn"


def refused_by(net: Network, reviewers: list[Person], reason: pb.Refusal) -> None:
    """A round in which nobody would have what was submitted."""
    net.stand_by(*reviewers)
    net.seal()
    net.draw()
    answers = {p.name: net.refuse(net.answers(p), reason) for p in reviewers}
    for person in reviewers:
        net.commit(person, answers[person.name])
    net.end_commits()
    for person in reviewers:
        net.reveal(person, answers[person.name])
    net.verdict()


def test_an_item_that_reviewers_would_not_have_says_why() -> None:
    ada, *reviewers = (Person(name) for name in ("ada", "ben", "cyn", "dov"))
    net = Network(ada, *reviewers)
    blank = net.item(3)
    net.submit(ada, [blank])
    refused_by(net, reviewers, pb.REFUSAL_UNREADABLE)
    item = net.state.items[hash_leaf(blank)]
    assert explain_item(net.state, item) == "refused: most reviewers found it unreadable"


def test_every_status_and_refusal_has_words() -> None:
    assert set(REFUSALS) == set(pb.Refusal.values()) - {pb.REFUSAL_NONE}
    net = Network()
    for status in ItemStatus:
        assert explain_item(net.state, Item(net.operator.id, "digits", 1, 0, None, status=status))


def test_an_item_says_who_called_it_what_and_that_a_contest_is_final() -> None:
    """Where reviewers say nothing, it is not called their word."""

    def words(*relations: pb.Relation) -> str:
        net = likely.network()
        likely.submit(net, 0)
        likely.run(net, likely.INDEPENDENT)
        copy = likely.submit(net, 1, likely.ALIKE)
        likely.run(net, *relations)
        return explain_item(net.state, likely.item(net, copy)).partition("; ")[2]

    few = "whole price: too few reviewers called it a copy or a derivative of"
    assert words(likely.INDEPENDENT).startswith(few)
    assert words(pb.RELATION_UNSURE).startswith(few)
    assert words(likely.DERIVATIVE).startswith("half price: reviewers called it a derivative of")

    net = likely.network()
    original, copy = likely.set_aside(net)
    said = f"a copy of {original.hex()[:12]}, which came before"
    assert explain_item(net.state, likely.item(net, copy)) == said
    net.contest(net.people[1], copy)
    waits = f"waits for a round: you contested that it is a copy of {original.hex()[:12]}"
    assert explain_item(net.state, likely.item(net, copy)) == waits
    likely.run(net, pb.RELATION_UNSURE)
    final = "; you contested that, and this is final"
    assert explain_item(net.state, likely.item(net, copy)) == f"it counts as {said}{final}"


def test_a_contest_that_waits_for_people_says_so() -> None:
    net = likely.network()
    _, copy = likely.pair(net, likely.COPY)
    panel = likely.item(net, copy).answered_by
    net.contest(net.people[1], copy)
    others = [person for person in net.people[2:] if person.id not in panel]
    wanted = net.campaign(likely.C).reviewers_per_item
    for person in net.people[2:]:
        net.stand_down(person, likely.C)
    said = explain_item(net.state, likely.item(net, copy))
    assert said.endswith("; nobody who may review it stands by: whoever reviewed it before may not")
    net.stand_by(others[0], c=likely.C)
    said = explain_item(net.state, likely.item(net, copy))
    assert f"; only 1 of {wanted} who may review it stands by" in said
    net.stand_by(*others, c=likely.C)
    assert len(others) >= wanted
    assert explain_item(net.state, likely.item(net, copy)).count(";") == 0


def test_a_contest_that_waits_is_in_the_statement(tmp_path: Path) -> None:
    net = likely.network()
    _, copy = likely.pair(net, likely.COPY)
    person = net.people[1]
    row = ItemRow(copy, b"", "a.png", likely.C, b"\2" * 32, ())
    outgoing = Outgoing("submission", b"x")
    with Store(tmp_path / "node.db") as store:
        store.set_meta("person", person.id)
        store.enqueue_submission(outgoing, [replace(row, submission=outgoing.digest)])
        assert statement(store, net.state, None)["contests"] == []
        decided_in = likely.item(net, copy).decided_in
        net.contest(person, copy)
        data = statement(store, net.state, None)
        [contest] = data["contests"]
        assert contest["why"].startswith("waits for a round: you contested that it is a copy")
        assert any("contest: a.png" in str(each) for each in statement_tables(data))
        for epoch in (None, decided_in):
            assert [row.item_id for row, _ in decided_items(store, net.state, epoch)] == [copy]


def test_an_undecided_item_that_nobody_is_left_to_review_says_so() -> None:
    ada, *reviewers = (Person(name) for name in ("ada", "ben", "cyn", "dov"))
    net = Network(ada, *reviewers)
    unclear = net.item(3)
    net.submit(ada, [unclear])
    refused_by(net, reviewers, pb.REFUSAL_UNSURE)
    item = net.state.items[hash_leaf(unclear)]
    assert item.status is ItemStatus.UNDECIDED and item.waits
    said = explain_item(net.state, item)
    assert said.startswith("undecided after being reviewed once")
    assert said.endswith("; nobody who may review it stands by: whoever reviewed it before may not")


def test_a_line_of_nothing_says_why() -> None:
    evidence = pb.Evidence(accepted=2, answers=3, updates=1)
    for role, weight, said in (
        (
            pb.ROLE_REVIEWER,
            0,
            "nobody else answered these items, or guesses would have told as much",
        ),
        (pb.ROLE_REVIEWER, 5, "the pool was empty"),
        (pb.ROLE_CONTRIBUTOR, 5, "the pool was empty"),
        (pb.ROLE_TRAINER, 5, "the pool was empty"),
    ):
        line = pb.RewardLine(
            role=role, weight_micro=weight, evidence=evidence, asset=SHARES, amount="0"
        )
        assert explain(StatementLine(1, 0, 0, line, b"", (), b"", 1, pool=0)).endswith(f": {said}")


def test_a_statement_of_nothing_says_where_the_reasons_are(tmp_path: Path) -> None:
    net = Network(*(Person(name) for name in ("ada", "ben", "cyn", "dov")))
    wrong = [net.item(n, label=n + 1) for n in range(2)]
    net.submit(net.people[0], [*wrong, *(net.item(n) for n in range(2))])
    net.run_epoch(*net.people[1:])
    with Store(tmp_path / "node.db") as store:
        log = rows(net)
        store.append_log(log, CheckpointRow(len(log), b"note", 0))
        for person, is_paid in ((net.people[0], False), (net.people[1], True)):
            store.set_meta("person", person.id)
            shown = statement_tables(statement(store, net.state, None))
            told = any("None of this was paid" in str(each) for each in shown)
            assert told is not is_paid

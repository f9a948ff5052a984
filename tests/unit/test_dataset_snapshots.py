"""Which items go into a dataset, who may fetch them, what can be sold, and who pays for what."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from commonground.p2p import Denial, Grant
from commonhold.cli.coordinator_data import next_step
from coordinator.campaigns import read_draft
from coordinator.dataset.snapshots import find_snapshot, log_snapshot, scope_of
from coordinator.licences import licences, parse_asset, sell
from coordinator.reading import misdirected, read_chain
from node.serve import may_read
from protocol.errors import ConfigError, Misbehaviour, StateError
from protocol.limits import PPM
from protocol.money import events
from protocol.money.settlement import ETHER, Address
from protocol.rules.chain import next_block
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.chain_says import PAYER, block_hash, deploy, said
from tests.dataset_lab import ALL, DatasetLab
from tests.simulated import NETWORK, Person, campaign

TRAIN = pb.Consent(train=True, redistribute=True)


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    return DatasetLab(tmp_path)


def test_the_same_snapshot_is_logged_once(lab: DatasetLab) -> None:
    lab.accept(ada=[lab.item(3)])
    digest, _ = log_snapshot(lab.operator, lab.c, scope_of(ALL))
    size = lab.net.state.size
    assert log_snapshot(lab.operator, lab.c, scope_of(ALL))[0] == digest
    assert lab.net.state.size == size
    assert log_snapshot(lab.operator, lab.c, scope_of(["train"]))[0] != digest
    lab.accept(ben=[lab.item(4)])
    later, snapshot = log_snapshot(lab.operator, lab.c, scope_of(ALL))
    assert later != digest and len(snapshot.items) == 2


def test_the_same_items_are_another_snapshot_once_one_is_worth_more(lab: DatasetLab) -> None:
    """As after a contest that its author won."""
    lab.accept(ada=[lab.item(3)])
    ((item_id, whole),) = lab.net.state.items.scan()
    items = lab.operator.state.items
    items.put(item_id, dataclasses.replace(whole, relation=pb.RELATION_DERIVATIVE))
    half, first = log_snapshot(lab.operator, lab.c, scope_of(ALL))
    items.put(item_id, dataclasses.replace(items[item_id], relation=pb.RELATION_INDEPENDENT))
    full, second = log_snapshot(lab.operator, lab.c, scope_of(ALL))
    assert half != full and first.items == second.items
    assert [worth for _, worth in (*first.credits, *second.credits)] == [500, 1000]
    assert log_snapshot(lab.operator, lab.c, scope_of(ALL))[0] == full


@pytest.mark.parametrize(("scope", "sells"), [(ALL, True), (["train", "redistribute"], False)])
def test_what_follows_an_export_fits_what_its_authors_agreed_to(
    scope: list[str], sells: bool
) -> None:
    said = next_step("3fa91c02" * 8, scope)
    assert ("coordinator licence --snapshot 3fa91c023fa9" in said) is sells
    assert ("--scope commercial" in said) is not sells


def test_items_without_the_consent_are_left_out(lab: DatasetLab) -> None:
    lab.accept(ada=[lab.item(3), lab.item(4, consent=TRAIN)])
    assert len(log_snapshot(lab.operator, lab.c, scope_of(ALL))[1].items) == 1
    assert len(log_snapshot(lab.operator, lab.c, scope_of(["train"]))[1].items) == 2


def test_there_has_to_be_something_to_export(lab: DatasetLab) -> None:
    with pytest.raises(ConfigError, match="no campaign 'letters'"):
        log_snapshot(lab.operator, "letters", scope_of(ALL))
    with pytest.raises(StateError, match="has no accepted item"):
        log_snapshot(lab.operator, lab.c, scope_of(ALL))
    lab.accept(ada=[lab.item(3, consent=TRAIN)])
    with pytest.raises(
        StateError, match="none of 1 accepted item comes with consent to train, red"
    ) as told:
        log_snapshot(lab.operator, lab.c, scope_of(ALL))
    assert told.value.advice.endswith("to less: add --scope train --scope redistribute")
    body = campaign(id="scans", privacy=pb.PRIVACY_REVIEWERS)
    lab.net.add(lab.net.operator, "campaign", body)
    with pytest.raises(StateError, match="goes to its reviewers only"):
        log_snapshot(lab.operator, "scans", scope_of(ALL))
    assert not len(lab.net.state.snapshots)


def test_more_items_than_a_record_can_name_are_refused(
    lab: DatasetLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.accept(ada=[lab.item(3), lab.item(4)])
    monkeypatch.setattr("coordinator.dataset.snapshots.OPERATOR_LEAVES_MAX", 1)
    with pytest.raises(StateError, match="2 items fit; a snapshot holds at most 1"):
        log_snapshot(lab.operator, lab.c, scope_of(ALL))


def test_a_snapshot_is_found_by_the_beginning_of_its_digest(lab: DatasetLab) -> None:
    lab.accept(ada=[lab.item(3)])
    digest, _ = log_snapshot(lab.operator, lab.c, scope_of(ALL))
    state = lab.net.state
    assert find_snapshot(state, digest.hex()[:12])[0] == digest
    assert find_snapshot(state, digest.hex().upper())[0] == digest
    for unknown in ("", "zz", "00" * 32):
        with pytest.raises(ConfigError, match="no snapshot's digest begins with"):
            find_snapshot(state, unknown)
    state.snapshots.put(digest[:6] + bytes(26), state.snapshots[digest])
    with pytest.raises(ConfigError, match="2 snapshots begin with"):
        find_snapshot(state, digest.hex()[:12])


def test_the_operator_reads_what_waits_or_is_accepted_and_nobody_else_does(
    lab: DatasetLab,
) -> None:
    ada, ben = lab.authors
    operator, state = lab.net.operator.key, lab.net.state
    lab.submit(ada=[lab.item(3), lab.item(4)])
    mine, other = lab.items
    may = [may_read(state, ada.id, mine, "image", operator)]
    lab.accept()
    may.append(may_read(state, ada.id, mine, "image", operator))
    assert may == [Grant(), Grant()]
    for stranger in (ben.key, Person("stranger").key, lab.reviewers[0].key):
        assert isinstance(may_read(state, ada.id, mine, "image", stranger), Denial)
    assert isinstance(may_read(state, ben.id, mine, "image", operator), Denial)  # not ben's to give
    lab.withdraw(ada, mine)
    assert isinstance(may_read(state, ada.id, mine, "image", operator), Denial)
    assert may_read(state, ada.id, other, "image", operator) == Grant()
    reserved = dataclasses.replace(state.campaigns[lab.c], privacy=pb.PRIVACY_REVIEWERS)
    state.campaigns.put(lab.c, reserved)
    assert isinstance(may_read(state, ada.id, other, "image", operator), Denial)


def licensed(lab: DatasetLab, **changes: object) -> None:
    [(digest, _)] = lab.net.state.snapshots.scan()
    fields: dict[str, object] = {
        "snapshot": digest.hex()[:12],
        "licence_id": "northwind-1",
        "licensee": "Northwind",
        "terms": "CC-BY-4.0",
        "asset": bytes(20),
        "price": 700,
    }
    sell(lab.operator, **(fields | changes))  # type: ignore[arg-type]


def test_a_snapshot_is_sold_and_paid_for(lab: DatasetLab) -> None:
    lab.accept(ada=[lab.item(3)])
    log_snapshot(lab.operator, lab.c, scope_of(ALL))
    licensed(lab)
    [sold] = licences(lab.net.state)
    assert sold.asset_name == "eth"
    assert (sold.id, sold.price, sold.paid) == ("northwind-1", "700", "0")
    row = lab.net.state.licences["northwind-1"]
    lab.net.state.licences.put("northwind-1", dataclasses.replace(row, paid=700))
    [sold] = licences(lab.net.state)
    assert sold.paid == "700"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licence_id": "taken"}, "there is a licence 'taken' already"),
        ({"licence_id": "Not A Name"}, '"Not A Name" is not a licence'),
        ({"price": 0}, "the price is nothing"),
        ({"licensee": ""}, "the licensee"),
        ({"terms": ""}, "the licence's terms"),
    ],
)
def test_a_bad_sale_is_refused(lab: DatasetLab, changes: dict[str, object], message: str) -> None:
    lab.accept(ada=[lab.item(3)])
    log_snapshot(lab.operator, lab.c, scope_of(ALL))
    licensed(lab, licence_id="taken", licensee="Someone else")
    with pytest.raises(Misbehaviour, match=message):
        licensed(lab, **changes)
    licensed(lab)


def test_without_consent_to_commerce_nothing_is_sold(lab: DatasetLab) -> None:
    lab.accept(ada=[lab.item(3)])
    log_snapshot(lab.operator, lab.c, scope_of(["train", "redistribute"]))
    with pytest.raises(Misbehaviour, match="did not all consent to commercial use"):
        licensed(lab)


def test_an_asset_is_ether_or_an_address() -> None:
    assert parse_asset("eth") == parse_asset("0x" + "00" * 20) == bytes(20)
    assert parse_asset("0x" + "ab" * 20) == b"\xab" * 20
    for wrong in ("btc", "0x12", ""):
        with pytest.raises(ConfigError, match="is not an asset"):
            parse_asset(wrong)


def test_a_payment_that_finds_no_licence_is_told_to_the_operator(lab: DatasetLab) -> None:
    lab.accept(ada=[lab.item(3)])
    log_snapshot(lab.operator, lab.c, scope_of(ALL))
    licensed(lab)
    state = lab.net.state
    deploy(lab.net)

    def paid(memo: str, asset: bytes = bytes(20)) -> str:
        word = memo.encode().ljust(32, b"\0")
        log = said(events.Deposited(Address(asset), PAYER, 700, word))
        log.tx_hash = b"\7" * 32
        return misdirected(state, log)

    assert paid("northwind-1") == paid("") == paid("With thanks!") == ""
    warning = paid("northwind-2")
    assert all(part in warning for part in ("northwind-2", "700", "07" * 32, "the network's"))
    assert "is paid for in 0x" + "00" * 20 in paid("northwind-1", b"\1" * 20)


class PaidChain:
    """A chain on which somebody paid twice: once for a licence, once with a slip of the pen."""

    def __init__(self, state: State) -> None:
        self._first, self.deployment = next_block(state), state.deployment

    def final_block(self) -> int:
        return self._first + 1

    def head(self) -> tuple[int, int]:
        return self._first + 4, 0

    def block_at(self, number: int) -> tuple[bytes, int]:
        return block_hash(number), 2_000_000

    def logs(self, assets: Sequence[bytes], first: int, last: int) -> list[pb.ChainLog]:
        found = []
        for number, memo in enumerate((b"northwind-1", b"nothwind-1")):
            log = said(events.Deposited(ETHER, PAYER, 700, memo.ljust(32, b"\0")))
            log.block, log.tx_hash = self._first + number, bytes([number]) * 32
            log.block_hash = block_hash(log.block)
            found.append(log)
        return found


def test_imported_payments_reach_their_licence_or_the_network_with_a_warning(
    lab: DatasetLab,
) -> None:
    lab.accept(ada=[lab.item(3)])
    log_snapshot(lab.operator, lab.c, scope_of(ALL))
    licensed(lab)
    deploy(lab.net)
    told: list[str] = []
    chain: Any = PaidChain(lab.net.state)
    assert read_chain(lab.operator, chain, told.append).deposits == 2
    assert [each.paid for each in licences(lab.net.state)] == ["700"]
    assert lab.net.state.received[bytes(20)] == 1_400
    assert "no licence 'nothwind-1'" in told[0] and "01" * 32 in told[0]
    assert len(told) == 2  # the other says how many came in
    assert read_chain(lab.operator, chain, told.append).deposits == 0


def test_a_campaign_says_what_a_withdrawal_costs() -> None:
    given = {"id": "digits", "labels": ["0", "1"]}
    assert read_draft(NETWORK, None, given).whole().withdrawal == pb.WITHDRAWAL_REPAYS
    keeps = read_draft(NETWORK, None, given | {"withdrawal": "keeps"}).whole()
    assert (keeps.withdrawal, keeps.price_ppm) == (pb.WITHDRAWAL_KEEPS, PPM)
    for wrong, says in (("burns", "--withdrawal is 'burns'"), (["keeps"], "not a text")):
        with pytest.raises(ConfigError, match=says):
            read_draft(NETWORK, None, given | {"withdrawal": wrong}).whole()

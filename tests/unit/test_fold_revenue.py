"""The fold: what a licence brings, and whose it is; what an epoch cannot share out waits."""

from __future__ import annotations

import pytest

from protocol.limits import (
    ASSET_AMOUNT_MAX,
    EARNED_LINES_MAX,
    LICENCE_ID_CHARS_MAX,
    NAME_CHARS_MAX,
    OPERATOR_LEAVES_MAX,
    PPM,
)
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.money.accounts import conserves
from protocol.money.earnings import compute_lines
from protocol.money.onchain import Deposit
from protocol.money.revenue import due_flows
from protocol.rules.training_rounds import TRAINER_LINES_MAX
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.chain_says import TOKEN, deploy
from tests.chain_says import pay as pay_in
from tests.fold import changed, deposits, ids, last_lines, refuses, same
from tests.simulated import NETWORK, Network, Person

ETHER = bytes(20)


@pytest.fixture
def sold(net: Network) -> Network:
    """A snapshot of three items by the first person and one by the second, licensed for ether."""
    ada, ben, *reviewers = net.people
    net.submit(ada, [net.item(i) for i in range(3)])
    net.submit(ben, [net.item(4)])
    net.run_epoch(*reviewers)
    net.license(net.snapshot())
    deploy(net)
    return net


def pay(net: Network, amount: int, memo: str = "acme-2026", asset: bytes = ETHER) -> None:
    pay_in(net, amount, memo, asset)


def lines(net: Network, asset: bytes = ETHER) -> list[pb.RewardLine]:
    """The lines of the last close in an asset."""
    return [line for line in last_lines(net) if line.asset == asset]


def royalties(net: Network) -> dict[bytes, int]:
    return {line.person: int(line.amount) for line in lines(net) if line.licence_id}


def paid(net: Network) -> int:
    return net.state.licences["acme-2026"].paid


def only_snapshot(net: Network) -> bytes:
    (digest,) = (digest for digest, _ in net.state.snapshots.scan())
    return digest


def test_half_of_a_licences_revenue_goes_to_its_authors(sold: Network) -> None:
    ada, ben, *_ = sold.people
    pay(sold, 1_000)
    sold.close()
    treasury, authors, holders = 100, 450, 450  # 10 %, then half of the rest
    assert royalties(sold) == {ada.id: 338, ben.id: 112}
    by_role = dict.fromkeys(pb.Role.values(), 0)
    for line in lines(sold):
        by_role[line.role] += int(line.amount)
    assert by_role[pb.ROLE_TREASURY] == treasury
    assert by_role[pb.ROLE_CONTRIBUTOR] == authors
    assert by_role[pb.ROLE_HOLDER] == holders
    (line,) = (line for line in lines(sold) if line.licence_id and line.person == ada.id)
    assert (line.campaign_id, line.licence_id, line.evidence.licensed_permille) == (
        "digits",
        "acme-2026",
        3_000,
    )
    assert conserves(sold.state)
    assert same(sold.replay(), sold.state)


@pytest.mark.parametrize("memo", ["", "no-such", "ACME-2026", "acme-2026 "])
def test_other_revenue_follows_the_shares_alone(sold: Network, memo: str) -> None:
    pay(sold, 1_000, memo)
    sold.close()
    assert royalties(sold) == {}
    assert sum(int(line.amount) for line in lines(sold)) == 1_000
    assert paid(sold) == 0


def test_a_licence_is_paid_in_its_own_asset(sold: Network) -> None:
    pay(sold, 500, asset=TOKEN)
    pay(sold, 300)
    pay(sold, 200)
    assert paid(sold) == 500
    licensed = [Deposit(ETHER, 300, "acme-2026"), Deposit(ETHER, 200, "acme-2026")]
    assert deposits(sold) == [Deposit(TOKEN, 500), *licensed]
    sold.close()
    assert sum(royalties(sold).values()) == 225
    assert sum(int(line.amount) for line in lines(sold, TOKEN)) == 500
    assert conserves(sold.state)


def test_a_payment_before_its_licence_is_the_networks(sold: Network) -> None:
    pay(sold, 1_000, memo="later")
    sold.license(only_snapshot(sold), id="later")
    assert deposits(sold) == [Deposit(ETHER, 1_000)]
    pay(sold, 1_000, memo="later")
    assert deposits(sold)[-1] == Deposit(ETHER, 1_000, "later")


def test_a_payment_that_was_undone_is_no_licences(sold: Network) -> None:
    pay(sold, 1_000)
    first = max(first for first, _ in sold.state.ranges.scan())
    sold.add(
        sold.operator, "rewind", pb.Rewind(network=NETWORK, first=first, serial=sold.state.rewinds)
    )
    assert paid(sold) == 0
    pay(sold, 700)
    assert paid(sold) == 700
    assert deposits(sold) == [Deposit(ETHER, 700, "acme-2026")]


def test_who_withdrew_after_the_sale_still_has_the_royalty(sold: Network) -> None:
    ada = sold.people[0]
    sold.withdraw(ada, ids(sold)[:3])
    pay(sold, 1_000)
    sold.close()
    assert royalties(sold)[ada.id] == 338


def test_a_close_leaves_out_no_royalty_and_names_its_licence(sold: Network) -> None:
    pay(sold, 1_000)
    own = compute_lines(sold.state)

    place = next(i for i, line in enumerate(own) if line.licence_id)
    with refuses("leaves somebody out"):
        sold.add_close([*own[:place], *own[place + 1 :]])
    for field, value, message in (
        ("licence_id", "another", "not the one that follows"),
        ("person", sold.operator.id, "not the one that follows"),
        ("amount", "1", "the amounts do not follow"),
    ):
        with refuses(message):
            wrong = changed(own[place], **{field: value})
            sold.add_close([*own[:place], wrong, *own[place + 1 :]])
    sold.add_close(own)


def test_royalties_that_do_not_fit_wait_their_turn(
    sold: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    sold.license(only_snapshot(sold), id="second")
    holders = sum(a > 0 for (_, asset), a in sold.state.earned.scan() if asset == SHARES)
    pay(sold, 1_000)
    pay(sold, 500, memo="second")
    pay(sold, 50, memo="")
    pay(sold, 1_000)
    monkeypatch.setattr("protocol.money.revenue.OPERATOR_LEAVES_MAX", holders + 1 + 2)
    sold.close()
    assert sum(int(line.amount) for line in lines(sold)) == 2_000
    assert deposits(sold) == [Deposit(ETHER, 500, "second"), Deposit(ETHER, 50)]
    assert conserves(sold.state)
    sold.close()
    assert sum(int(line.amount) for line in lines(sold)) == 550
    assert not deposits(sold)
    assert conserves(sold.state)
    assert same(sold.replay(), sold.state)


def test_without_holders_the_treasury_keeps_their_part() -> None:
    people = [Person(name) for name in ("ada", "ben", "cyn", "dov")]
    net = Network(*people)
    net.submit(people[0], [net.item(i) for i in range(3)])
    net.run_epoch(*people[1:])
    net.license(net.snapshot())
    deploy(net)
    net.state.earned.clear()  # as if nobody had earned any share; the log cannot say so by itself
    pay(net, 1_000)
    (flow,) = due_flows(net.state, [])
    assert flow.amount == 1_000
    net.close()
    amounts = {line.role: int(line.amount) for line in lines(net)}
    assert amounts == {pb.ROLE_TREASURY: 550, pb.ROLE_CONTRIBUTOR: 450}


# ---- the worst case that the rules allow ----


def test_a_licence_of_the_most_authors_fits_into_a_quiet_close() -> None:
    authors = OPERATOR_LEAVES_MAX // 4
    holders = OPERATOR_LEAVES_MAX * 3 // 4 - 1  # docs/limits.md: beyond these, revenue waits
    assert authors + holders + 1 <= OPERATOR_LEAVES_MAX


def test_the_longest_close_fits_its_bundle() -> None:
    name, licence_id = "x" * NAME_CHARS_MAX, "x" * LICENCE_ID_CHARS_MAX
    who, many = bytes([255] * 32), OPERATOR_LEAVES_MAX
    shares, revenue_ = str(2**63), str(ASSET_AMOUNT_MAX * PPM)
    contributor = pb.RewardLine(
        person=who,
        role=pb.ROLE_CONTRIBUTOR,
        campaign_id=name,
        amount=shares,
        weight_micro=2**64 - 1,
        evidence=pb.Evidence(
            accepted=many, rejected=many, duplicates=many, undecided=many, repaid_micro=2**64 - 1
        ),
    )
    reviewer = pb.RewardLine(
        person=who,
        role=pb.ROLE_REVIEWER,
        campaign_id=name,
        amount=shares,
        weight_micro=2**64 - 1,
        evidence=pb.Evidence(
            answers=many, gold_answers=many, gold_right=many, agreement_ppm=-PPM, ring_size=many
        ),
    )
    trainer = pb.RewardLine(
        person=who,
        role=pb.ROLE_TRAINER,
        job_id=name,
        amount=shares,
        weight_micro=2**64 - 1,
        evidence=pb.Evidence(updates=many),
    )
    royalty = pb.RewardLine(
        person=who,
        role=pb.ROLE_CONTRIBUTOR,
        campaign_id=name,
        asset=TOKEN,
        amount=revenue_,
        licence_id=licence_id,
        evidence=pb.Evidence(licensed_permille=many),
    )
    framing = 6  # of the bundle, and the leaf's type
    sizes = {
        line.role if not line.licence_id else "royalty": framing + line.ByteSize()
        for line in (contributor, reviewer, trainer, royalty)
    }
    earned = max(sizes[pb.ROLE_CONTRIBUTOR], sizes[pb.ROLE_REVIEWER])
    rest = OPERATOR_LEAVES_MAX - EARNED_LINES_MAX - TRAINER_LINES_MAX
    assert rest > 0
    fullest = (
        EARNED_LINES_MAX * earned
        + TRAINER_LINES_MAX * sizes[pb.ROLE_TRAINER]
        + rest * sizes["royalty"]
    )
    assert fullest <= BUNDLE_BYTES_MAX
    assert OPERATOR_LEAVES_MAX * sizes["royalty"] <= BUNDLE_BYTES_MAX


@pytest.mark.parametrize("amount", [1, 25_000 * 10**6, 10**6 * 10**30])
def test_a_token_of_any_decimals_is_shared_out_to_its_last_unit(sold: Network, amount: int) -> None:
    """Nobody reads decimals: one whole unit of a token without any, a price in 6, and a million in 30."""
    pay(sold, amount, asset=TOKEN)
    sold.close()
    assert sum(int(line.amount) for line in lines(sold, TOKEN)) == amount
    assert conserves(sold.state)

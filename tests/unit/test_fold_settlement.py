"""The fold: revenue, settlement, witnesses."""

from __future__ import annotations

import pytest

from protocol.errors import Reject
from protocol.log import commitments
from protocol.money.accounts import cumulative_leaves
from protocol.money.settlement import Address, address, publication_digest
from protos.gen import records_pb2 as pb
from tests.fold import closed, deploy, refuses, revenue, settlement
from tests.simulated import NETWORK, Network, Person


def test_a_settlement_is_recomputed_and_needs_its_witnesses(net: Network) -> None:
    closed(net)
    deploy(net)
    wrong = settlement(net)
    wrong.totals[0].amount = "1"
    with refuses("totals do not recompute"):
        net.add(net.operator, "settlement", wrong)
    wrong = settlement(net)
    wrong.root = bytes(32)
    with refuses("root does not recompute"):
        net.add(net.operator, "settlement", wrong)
    wrong = settlement(net)
    wrong.totals.append(wrong.totals[0])
    with refuses("an asset's total twice"):
        net.add(net.operator, "settlement", wrong)
    net.add(net.operator, "settlement", settlement(net))
    with refuses("this settlement is proposed already"):
        net.add(net.operator, "settlement", settlement(net))
    proposal = net.state.settlement
    assert proposal is not None
    published = pb.Published(network=NETWORK, epoch=1, root=proposal.root, tx_hash=bytes(32))
    totals = {address(asset): amount for asset, amount in proposal.totals}
    digest = publication_digest(1, Address(b"\x01" * 20), proposal.epoch, proposal.root, totals)
    ada, ben, cyn = net.people[:3]

    def attest(who: Person, signer: Person, note: bytes = b"") -> None:
        signature = signer.sign_digest(digest) + note
        body = pb.Attest(network=NETWORK, epoch=1, root=proposal.root, signature=signature)
        net.add(who, "attest", body)

    attest(ada, ada)
    with refuses("attested already"):
        attest(ada, ada, note=b"again")
    with refuses("did not sign this publication"):
        attest(ben, cyn)
    with refuses("1 of 2 witnesses"):
        net.add(net.operator, "published", published)
    attest(ben, ben)
    net.add(net.operator, "published", published)
    assert net.state.published_epoch == 1
    again = settlement(net)
    again.totals.reverse()
    again.totals.append(pb.AssetTotal(asset=again.totals[0].asset, amount=again.totals[0].amount))
    with refuses("settled already"):
        net.add(net.operator, "settlement", again)


def test_a_deposit_is_shared_once(net: Network) -> None:
    with refuses("arrives at a contract, and there is none"):
        net.add(net.operator, "revenue", revenue())
    deploy(net)
    net.add(net.operator, "revenue", revenue())
    with refuses("in the log already"):
        net.add(net.operator, "revenue", revenue())
    for amount in ("", "-1", "01", "1.5", "0", "9" * 60):
        with refuses("not an amount|more than nothing|is above 10"):
            net.add(net.operator, "revenue", revenue(amount=amount, tx_hash=net.fresh()))


def test_a_memo_is_as_long_as_the_chain_has_it(net: Network) -> None:
    deploy(net)
    with refuses("a memo has at most 32 characters"):
        net.add(net.operator, "revenue", revenue(memo="x" * 33))
    net.add(net.operator, "revenue", revenue(memo="x" * 32))


def test_a_new_payout_address_keeps_what_was_earned(net: Network) -> None:
    closed(net)
    deploy(net)
    ada = net.people[0]
    before = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    old, ada.wallet = ada.address, Person("ada's new laptop").wallet
    net.add(ada, "register", net.registration(ada, serial=2))
    after = {leaf.account: leaf.cumulative for leaf in cumulative_leaves(net.state)}
    assert after[Address(ada.address)] == before[Address(old)]
    assert Address(old) not in after


def test_commitments_need_whole_salts() -> None:
    assert len(commitments.proposal_commitment(bytes(32), b"\1")) == 32
    for salt in (b"short", bytes(33), b""):
        with pytest.raises(Reject, match="a salt has 32 bytes"):
            commitments.proposal_commitment(salt, b"\1")

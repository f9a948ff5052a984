"""Money on chain: where the network settles, what came in, and the roots that are published."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from protocol.errors import Ignore, Reject
from protocol.limits import ADDRESS_BYTES
from protocol.log.strict import parse_amount
from protocol.money import payout
from protocol.money.accounts import cumulative_leaves, promise_leaves
from protocol.money.settlement import (
    Deployment,
    address,
    build_tree,
    publication_digest,
    sum_totals,
)
from protocol.rows import Deposit, Settlement
from protocol.rules.record import Record, require, require_hash, require_member
from protocol.state import State
from protos.gen import records_pb2 as pb

# A settlement record lists a total for each asset within one log entry, and publishing it costs gas
# for each; anybody may deposit any token.
ASSETS_MAX: Final = 256
# On chain it is a bytes32.
MEMO_CHARS_MAX: Final = 32


def validate_deployment(state: State, record: Record[pb.Deployment]) -> None:
    """A network settles in one place."""
    require(state.deployment is None, "the network has its contracts already")
    for contract in (record.body.settlement, record.body.share_token):
        require(any(address(contract)), "a contract has an address other than zero")


def process_deployment(state: State, record: Record[pb.Deployment]) -> None:
    """From now on shares are an asset with an address."""
    body = record.body
    state.deployment = Deployment(
        body.chain_id, address(body.settlement), address(body.share_token)
    )


def validate_revenue(state: State, record: Record[pb.Revenue]) -> None:
    """One record for each deposit that the settlement contract saw."""
    revenue = record.body
    deployment = state.deployment
    if deployment is None:
        raise Reject(
            "revenue arrives at a contract, and there is none",
            "`commonhold coordinator settle` deploys it",
        )
    require_hash(revenue.tx_hash, "the transaction hash")
    require(len(revenue.asset) == ADDRESS_BYTES, "an asset is a 20-byte address, zeros for ether")
    # The contract mints whatever the promised shares grow by, so these would be minted again.
    require(revenue.asset != deployment.share_token, "the network's own shares are no revenue")
    require(
        revenue.asset in state.received or len(state.received) < ASSETS_MAX,
        f"the network shares out at most {ASSETS_MAX} assets",
    )
    require(parse_amount(revenue.amount, "the revenue") > 0, "revenue is more than nothing")
    require(len(revenue.memo) <= MEMO_CHARS_MAX, f"a memo has at most {MEMO_CHARS_MAX} characters")
    if (revenue.tx_hash, revenue.log_index) in state.deposits_seen:
        raise Ignore("this deposit is in the log already")


def process_revenue(state: State, record: Record[pb.Revenue]) -> None:
    """Shared out when the epoch closes."""
    revenue = record.body
    state.deposits_seen.put((revenue.tx_hash, revenue.log_index), record.index)
    amount = int(revenue.amount)
    licence = state.licences.get(revenue.memo)
    # Anybody may pay anything with any memo. In one asset a licence takes one place in the queue of
    # `due_flows`; worthless tokens, one after the other, would keep its authors waiting for ever.
    if licence is not None and licence.asset != revenue.asset:
        licence = None
    if licence is not None:
        state.licences.put(licence.id, replace(licence, paid=licence.paid + amount))
    state.deposits.put(
        record.index, Deposit(revenue.asset, amount, licence.id if licence is not None else "")
    )
    state.received.put(revenue.asset, state.received.get(revenue.asset, 0) + amount)


def validate_settlement(state: State, record: Record[pb.Settlement]) -> None:
    """The root of all that anybody may claim, recomputed from what the log says they earned."""
    require(state.deployment is not None, "there is no contract to settle on")
    require(record.body.epoch == state.closed_epoch > 0, "only the last closed epoch is settled")
    require(state.published_epoch < record.body.epoch, "this epoch is settled already")
    present = state.settlement
    if present is not None and (present.epoch, present.root) == (
        record.body.epoch,
        record.body.root,
    ):
        # Again it would only take its witnesses' word from it.
        raise Ignore("this settlement is proposed already")
    leaves = cumulative_leaves(state)
    require(len(leaves) == record.body.leaves > 0, "the number of leaves does not recompute")
    require(build_tree(leaves).root == record.body.root, "the settlement's root does not recompute")
    assets = {total.asset for total in record.body.totals}
    require(len(assets) == len(record.body.totals), "the settlement states an asset's total twice")
    totals = {t.asset: parse_amount(t.amount, "a total") for t in record.body.totals}
    require(totals == sum_totals(leaves), "the settlement's totals do not recompute")


def process_settlement(state: State, record: Record[pb.Settlement]) -> None:
    """Waits for its witnesses; a later proposal for the same epoch replaces it."""
    promise_leaves(state)
    totals = tuple(sorted((t.asset, int(t.amount)) for t in record.body.totals))
    state.settlement = Settlement(record.body.epoch, record.body.root, totals)
    state.attestations.clear()


def validate_attest(state: State, record: Record[pb.Attest]) -> None:
    """A witness signs with the payout key, so that the contract can check it."""
    require_member(state, record.author)
    proposal, deployment = state.settlement, state.deployment
    if (
        proposal is None
        or deployment is None
        or (record.body.epoch, record.body.root) != (proposal.epoch, proposal.root)
    ):
        raise Ignore("this settlement is not the one proposed now")
    if record.author in state.attestations:
        raise Ignore("this witness has attested already")
    digest = _publication_digest(proposal, deployment)
    payout.verify_publication(digest, state.members[record.author].payout, record.body.signature)


def _publication_digest(proposal: Settlement, deployment: Deployment) -> bytes:
    return publication_digest(
        deployment.chain_id,
        deployment.settlement,
        proposal.epoch,
        proposal.root,
        {address(asset): amount for asset, amount in proposal.totals},
    )


def process_attest(state: State, record: Record[pb.Attest]) -> None:
    """Counts towards the quorum."""
    state.attestations.put(record.author, record.body.signature)


def validate_published(state: State, record: Record[pb.Published]) -> None:
    """Says where on the chain the proposal took effect."""
    proposal, deployment = state.settlement, state.deployment
    require_hash(record.body.tx_hash, "the transaction hash")
    if (
        proposal is None
        or deployment is None
        or (record.body.epoch, record.body.root) != (proposal.epoch, proposal.root)
    ):
        raise Reject("no such settlement is proposed")
    if state.published_epoch == proposal.epoch:
        raise Ignore("this settlement is published already")
    # Members may share an address; the contract counts signers, not names.
    digest = _publication_digest(proposal, deployment)
    signers = {payout.recover_signer(digest, each) for _, each in state.attestations.scan()}
    require(
        len(signers) >= state.policy.witness_quorum,
        f"{len(signers)} of {state.policy.witness_quorum} witnesses have attested",
    )


def process_published(state: State, record: Record[pb.Published]) -> None:
    """Claims may follow."""
    state.published_epoch = record.body.epoch

"""The end of an epoch, and the money: close, revenue, settlement."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from protocol.errors import Ignore, Reject
from protocol.identity import Identity
from protocol.lifecycle import EpochEvent, EpochPhase, next_phase
from protocol.limits import ADDRESS_BYTES
from protocol.money import payout
from protocol.money.accounts import cumulative_leaves, promise_leaves
from protocol.money.lines import compute_lines, price_lines
from protocol.money.revenue import deposits_left
from protocol.money.settlement import (
    Deployment,
    address,
    build_tree,
    publication_digest,
    sum_totals,
)
from protocol.review.reputation import decay
from protocol.rules.record import (
    Record,
    parse_amount,
    require,
    require_hash,
    require_member,
)
from protocol.rules.verdict import count_review_evidence
from protocol.state import SHARES, Deposit, EpochState, Proposal, State
from protocol.truth.inference import TOLERANCE_PPM
from protos.gen import records_pb2 as pb

# A reviewer's weight is a sum over their answers of differences between two posteriors, or means of
# them, counted once in agreement and at most twice on gold: so many tolerances for each answer.
WEIGHT_TOLERANCES_PER_ANSWER = 4
# A settlement record lists a total for each asset within one log entry, and publishing it costs gas
# for each; anybody may deposit any token.
ASSETS_MAX = 256

_COUNTS = (
    "accepted",
    "rejected",
    "duplicates",
    "undecided",
    "answers",
    "gold_answers",
    "gold_right",
    "ring_size",
    "shares_micro",
    "repaid",
    "updates",
    "licensed",
)


def validate_close(state: State, record: Record[pb.Close]) -> None:
    """Every line is recomputed: weights from the answers, amounts from the weights."""
    require(record.body.epoch == state.epoch.number, "the close is not of the present epoch")
    next_phase(state.epoch.phase, EpochEvent.CLOSE)
    if state.epoch.phase is EpochPhase.SUBMITTING:
        require(not state.pending, "items wait for review; seal the round first")
    published = _parse_lines(record.leaves)
    expected = compute_lines(state)
    require(len(published) == len(expected), "the close leaves somebody out, or adds somebody")
    for line, own in zip(published, expected, strict=True):
        _require_close(line, own)
    weighted = (pb.ROLE_CONTRIBUTOR, pb.ROLE_REVIEWER, pb.ROLE_TRAINER)
    earned = [line for line in published if line.role in weighted and line.asset == SHARES]
    amounts = price_lines(state, earned)
    require(
        [line.SerializeToString(deterministic=True) for line in amounts]
        == [line.SerializeToString(deterministic=True) for line in published],
        "the amounts do not follow from the weights",
    )


def _require_close(line: pb.RewardLine, own: pb.RewardLine) -> None:
    require(
        (line.identity, line.role, line.campaign_id, line.asset, line.job_id, line.licence_id)
        == (own.identity, own.role, own.campaign_id, own.asset, own.job_id, own.licence_id),
        "a line is not the one that follows from the log",
    )
    slack = 0
    # Nothing is nothing: in an epoch in which nobody earned, any weight at all would win the pool.
    if line.role == pb.ROLE_REVIEWER and own.weight_micro:
        slack = WEIGHT_TOLERANCES_PER_ANSWER * TOLERANCE_PPM * own.evidence.answers
    require(
        abs(line.weight_micro - own.weight_micro) <= slack, "a line's weight does not recompute"
    )
    theirs, ours = line.evidence, own.evidence
    require(
        abs(theirs.agreement_ppm - ours.agreement_ppm) <= TOLERANCE_PPM,
        "a line's agreement does not recompute",
    )
    require(
        all(getattr(theirs, name) == getattr(ours, name) for name in _COUNTS),
        "a line's evidence does not recompute",
    )


def process_close(state: State, record: Record[pb.Close]) -> None:
    """Credits every line, lets old evidence fade, and opens the next epoch."""
    lines = _parse_lines(record.leaves)
    waiting = deposits_left(state, [line for line in lines if line.asset == SHARES])
    for line in lines:
        amount, who = int(line.amount), Identity(line.identity)
        state.earned[who, line.asset] += amount
        if line.asset == SHARES:
            state.minted_micro += amount
        if line.evidence.repaid:
            state.repayable[who, line.campaign_id] -= line.evidence.repaid
    for belief in state.reputation.values():
        decay(belief, state.policy.reputation_decay_ppm)
    count_review_evidence(state)
    state.epoch.phase = next_phase(state.epoch.phase, EpochEvent.CLOSE)
    state.epoch = EpochState(
        number=state.epoch.number + 1, phase=state.epoch.phase, deposits=waiting
    )


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
        raise Reject("revenue arrives at a contract; deploy it first")
    require_hash(revenue.tx_hash, "the transaction hash")
    require(len(revenue.asset) == ADDRESS_BYTES, "an asset is a 20-byte address, zeros for ether")
    # The contract mints whatever the promised shares grow by, so these would be minted again.
    require(revenue.asset != deployment.share_token, "the network's own shares are no revenue")
    require(
        revenue.asset in state.received or len(state.received) < ASSETS_MAX,
        f"the network shares out at most {ASSETS_MAX} assets",
    )
    require(parse_amount(revenue.amount, "the revenue") > 0, "revenue is more than nothing")
    if (revenue.tx_hash, revenue.log_index) in state.deposits_seen:
        raise Ignore("this deposit is in the log already")


def process_revenue(state: State, record: Record[pb.Revenue]) -> None:
    """Shared out when the epoch closes."""
    revenue = record.body
    state.deposits_seen.add((revenue.tx_hash, revenue.log_index))
    amount = int(revenue.amount)
    licence = state.licences.get(revenue.memo)
    # Anybody may pay anything with any memo. In one asset a licence takes one place in the queue of
    # `due_flows`; worthless tokens, one after the other, would keep its authors waiting for ever.
    if licence is not None and licence.record.asset != revenue.asset:
        licence = None
    if licence is not None:
        licence.paid[revenue.asset] += amount
    state.epoch.deposits.append(Deposit(revenue.asset, amount, revenue.memo if licence else ""))
    state.received[revenue.asset] += amount


def validate_settlement(state: State, record: Record[pb.Settlement]) -> None:
    """The root of all that anybody may claim, recomputed from what the log says they earned."""
    require(state.deployment is not None, "there is no contract to settle on")
    require(record.body.epoch == state.closed_epoch > 0, "only the last closed epoch is settled")
    require(state.published_epoch < record.body.epoch, "this epoch is settled already")
    leaves = cumulative_leaves(state)
    require(len(leaves) == record.body.leaves > 0, "the number of leaves does not recompute")
    require(build_tree(leaves).root == record.body.root, "the settlement's root does not recompute")
    totals = {t.asset: parse_amount(t.amount, "a total") for t in record.body.totals}
    require(totals == sum_totals(leaves), "the settlement's totals do not recompute")


def process_settlement(state: State, record: Record[pb.Settlement]) -> None:
    """Waits for its witnesses; a later proposal for the same epoch replaces it."""
    promise_leaves(state)
    totals = {address(t.asset): int(t.amount) for t in record.body.totals}
    state.proposal = Proposal(record.body.epoch, record.body.root, totals)
    state.attestations = {}


def validate_attest(state: State, record: Record[pb.Attest]) -> None:
    """A witness signs with the payout key, so that the contract can check it."""
    require_member(state, record.author)
    proposal, deployment = state.proposal, state.deployment
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


def _publication_digest(proposal: Proposal, deployment: Deployment) -> bytes:
    return publication_digest(
        deployment.chain_id, deployment.settlement, proposal.epoch, proposal.root, proposal.totals
    )


def process_attest(state: State, record: Record[pb.Attest]) -> None:
    """Counts towards the quorum."""
    state.attestations[record.author] = record.body.signature


def validate_published(state: State, record: Record[pb.Published]) -> None:
    """Says where on the chain the proposal took effect."""
    proposal, deployment = state.proposal, state.deployment
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
    signers = {payout.recover_signer(digest, each) for each in state.attestations.values()}
    require(
        len(signers) >= state.policy.witness_quorum,
        f"{len(signers)} of {state.policy.witness_quorum} witnesses have attested",
    )


def process_published(state: State, record: Record[pb.Published]) -> None:
    """Claims may follow."""
    state.published_epoch = record.body.epoch


def _parse_lines(leaves: tuple[bytes, ...]) -> list[pb.RewardLine]:
    try:
        return [pb.RewardLine.FromString(leaf) for leaf in leaves]
    except DecodeError:
        raise Reject("a leaf is not a protobuf RewardLine") from None

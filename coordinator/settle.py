"""Settlement: from a closed epoch to claims on chain. Run it again after any failure.

    deploy      the contracts, once; logged as `deployment`
    import      each deposit that the contract saw, once; logged as `revenue`
    join        the treasury's account, bound to the operator; logged as `register`
    propose     the root of all that was ever earned; logged as `settlement`
    attest      witnesses recompute the root and sign; their nodes log `attest`
    publish     root and signatures on chain; logged as `published`
    claim       what the treasury has earned

The log says which steps are done, the chain says whether the last transaction was; no step is done
twice. One exception: a crash between the deployment and its record leaves contracts that nobody knows
of and nothing was paid into; the next run deploys others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.policies import WITNESSES_MAX
from protocol.errors import Reject, StateError
from protocol.limits import LICENCE_ID_CHARS_MAX
from protocol.money.accounts import cumulative_leaves
from protocol.money.payout import recover_signer
from protocol.money.settlement import (
    Address,
    address,
    build_tree,
    publication_digest,
    sum_totals,
)
from protocol.rows import Settlement
from protocol.state import State
from protocol.text import is_id
from protos.gen import records_pb2 as pb

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settled:
    """What is in force after a settlement."""

    epoch: int
    root: bytes
    tx_hash: bytes
    block: int
    imported: int  # deposits that this run found


def open_chain(operator: Operator) -> OperatorChain:
    """The chain of the settings, with the contracts of the log. Raises Unreachable, ConfigError."""
    return OperatorChain(
        operator.config.rpc_url, operator.keys.chain_secret, operator.state.deployment
    )


def settle(
    operator: Operator, chain: OperatorChain, report: Report, seconds_max: float
) -> Settled | None:
    """Does what is left to do for the last closed epoch; None when nothing is.

    `seconds_max` bounds the wait for witnesses.

    Raises:
        StateError: no epoch has closed, too few members, or the witnesses did not answer in time.
        Unreachable: the chain or the coordinator does not answer; run it again.
    """
    _deploy(operator, chain, report)
    operator.join()
    imported = import_revenue(operator, chain, report)
    state = operator.state
    if state.closed_epoch == 0:
        raise StateError("no epoch has been closed", "run `commonhold coordinator epoch close`")
    settled = None
    if state.published_epoch == state.closed_epoch:
        report(f"epoch {state.closed_epoch} is settled already")
    else:
        settled = _publish(operator, chain, report, seconds_max, imported)
    _claim_treasury(operator, chain, report)
    return settled


def _publish(
    operator: Operator,
    chain: OperatorChain,
    report: Report,
    seconds_max: float,
    imported: int,
) -> Settled:
    state = operator.state
    proposal = _propose(operator, report)
    signatures = _await_witnesses(operator, chain, proposal, report, seconds_max)
    report(f"publishing epoch {proposal.epoch} on chain")
    totals = {Address(asset): amount for asset, amount in proposal.totals}
    # Crash after this line: the next run finds the same publication in force, and notes it down.
    sent = chain.publish(proposal.epoch, proposal.root, totals, signatures)
    body = pb.Published(
        network=state.network,
        epoch=proposal.epoch,
        root=proposal.root,
        tx_hash=sent.tx_hash,
        block=sent.block,
    )
    operator.append("published", body)
    return Settled(proposal.epoch, proposal.root, sent.tx_hash, sent.block, imported)


def deposit_revenue(
    operator: Operator,
    chain: OperatorChain,
    asset: bytes,
    amount: int,
    memo: bytes,
    *,
    report: Report = lambda _: None,
) -> bytes:
    """Pays in from the operator's account and logs the deposit; gives the transaction's hash.

    Crash in between: the next settlement finds the deposit on chain.
    """
    tx_hash = chain.deposit(address(asset), amount, memo)
    import_revenue(operator, chain, report)
    return tx_hash


def _witnesses_of(state: State) -> tuple[list[bytes], int]:
    """Payout addresses of those who registered first, and how many of them must sign."""
    quorum = max(1, state.policy.witness_quorum)
    addresses = dict.fromkeys(
        member.payout
        for who, member in sorted(state.members.scan(), key=lambda row: row[1].registered_at)
        if who != state.operator
    )
    witnesses = list(addresses)[:WITNESSES_MAX]
    if len(witnesses) < quorum:
        raise StateError(
            f"the policy asks for {quorum} witnesses, and {len(witnesses)} members registered an address",
            "settle when more have joined, or lower it: `commonhold coordinator policy set --quorum`",
        )
    return witnesses, quorum


def _deploy(operator: Operator, chain: OperatorChain, report: Report) -> None:
    witnesses, quorum = _witnesses_of(operator.state)
    if operator.state.deployment is None:
        report(f"deploying the contracts, with {len(witnesses)} witnesses")
        made = chain.deploy(witnesses, quorum)
        body = pb.Deployment(
            network=operator.state.network,
            chain_id=made.chain_id,
            settlement=made.settlement,
            share_token=made.share_token,
        )
        operator.append("deployment", body)
        return
    known, known_quorum = chain.witnesses()
    if (set(known), known_quorum) != (set(witnesses), quorum):
        report(f"the network has {len(witnesses)} witnesses now; telling the contract")
        chain.set_witnesses(witnesses, quorum)


def import_revenue(operator: Operator, chain: OperatorChain, report: Report) -> int:
    """Logs the deposits that are not logged yet; gives their number.

    The chain lists them in their order for good, so the place of a deposit among those of its
    transaction names it.
    """
    within: Counter[bytes] = Counter()
    imported = 0
    for deposit in chain.deposits():
        place = within[deposit.tx_hash]
        within[deposit.tx_hash] += 1
        if (deposit.tx_hash, place) in operator.state.deposits_seen or deposit.amount == 0:
            continue
        body = pb.Revenue(
            network=operator.state.network,
            asset=deposit.asset,
            amount=str(deposit.amount),
            tx_hash=deposit.tx_hash,
            log_index=place,
            memo=deposit.memo.rstrip(b"\0").decode("utf-8", "replace"),
        )
        if warning := misdirected(operator.state, body):
            report(warning)
        try:
            operator.append("revenue", body)
        except Reject as error:
            # Anybody may deposit any token; one that the rules refuse must not hold up the others.
            report(f"a deposit of 0x{deposit.asset.hex()} is not shared out: {error}")
        else:
            imported += 1
    if imported:
        report(f"found {imported} new deposits; they are shared out when the epoch closes")
    return imported


def misdirected(state: State, body: pb.Revenue) -> str:
    """A warning about a payment whose memo reads like a licence's id and finds none; else empty.

    Such money is the network's: the log cannot tell whose snapshot the payer meant.
    """
    licence = state.licences.get(body.memo)
    if licence is not None and licence.asset != body.asset:
        problem = f"licence {body.memo!r} is paid for in 0x{licence.asset.hex()}"
    elif licence is None and is_id(body.memo, LICENCE_ID_CHARS_MAX):
        problem = f"the log has no licence {body.memo!r}"
    else:
        return ""
    return (
        f"{problem}: the {body.amount} of 0x{body.asset.hex()} that transaction "
        f"0x{body.tx_hash.hex()} paid with memo {body.memo!r} is shared out as the network's"
    )


def _claim_treasury(operator: Operator, chain: OperatorChain, report: Report) -> None:
    """Claims what is in force for the operator's account; what was claimed before is left alone."""
    tree = build_tree(cumulative_leaves(operator.state))
    if chain.published().root != tree.root:
        return  # revenue or members came since; the next settlement includes them
    for index, leaf in enumerate(tree.leaves):
        if leaf.account == chain.address and chain.claimed(leaf.asset) < leaf.cumulative:
            chain.claim_for(leaf, tree.proof(index), tree.root)
            report(f"the treasury has claimed {leaf.cumulative} of 0x{leaf.asset.hex()}")


def _propose(operator: Operator, report: Report) -> Settlement:
    """The proposal for the last closed epoch. One that is logged stands: witnesses may have signed it."""
    state = operator.state
    if state.settlement is not None and state.settlement.epoch == state.closed_epoch:
        return state.settlement
    leaves = cumulative_leaves(state)
    if not leaves:
        raise StateError("nobody has earned anything yet", "settle after an epoch with rewards")
    totals = tuple(sorted(sum_totals(leaves).items()))
    root = build_tree(leaves).root
    report(f"proposing the settlement of epoch {state.closed_epoch}: {len(leaves)} claims")
    body = pb.Settlement(
        network=state.network,
        epoch=state.closed_epoch,
        root=root,
        totals=[pb.AssetTotal(asset=asset, amount=str(amount)) for asset, amount in totals],
        leaves=len(leaves),
    )
    operator.append("settlement", body)
    return Settlement(state.closed_epoch, root, totals)


def _await_witnesses(
    operator: Operator,
    chain: OperatorChain,
    proposal: Settlement,
    report: Report,
    seconds_max: float,
) -> list[bytes]:
    """Signatures of a quorum of the contract's witnesses."""
    witnesses, quorum = chain.witnesses()
    deployment = operator.state.deployment
    if deployment is None:
        raise StateError("the log names no contracts", "run `commonhold coordinator settle`")
    digest = publication_digest(
        deployment.chain_id,
        deployment.settlement,
        proposal.epoch,
        proposal.root,
        {Address(asset): amount for asset, amount in proposal.totals},
    )
    signed: dict[Address, bytes] = {}
    told = -1
    for state in operator.updates(seconds_max):
        by_signer = {recover_signer(digest, each): each for _, each in state.attestations.scan()}
        signed = {who: each for who, each in by_signer.items() if who in witnesses}
        if len(signed) >= quorum:
            return list(signed.values())
        if len(signed) != told:
            told = len(signed)
            report(f"{told} of {quorum} witnesses have attested")
    raise StateError(
        f"only {len(signed)} of {quorum} witnesses attested in time",
        "their nodes must run; then run `commonhold coordinator settle` again",
    )

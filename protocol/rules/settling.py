"""What the log asks of the witnesses on chain: that a root may be posted, that a challenged one stands, that
others take their place. Their answers: `attesting`.

Everything they are asked to sign follows from the log, so that each witness's own replay has recomputed it.
One payload for an epoch and attempt: asking again changes the deadline and the number of the set, nothing
else.
"""

from __future__ import annotations

from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.lifecycle import RootStatus
from protocol.log.strict import parse_amount
from protocol.money.accounts import cumulative_leaves, promise_leaves
from protocol.money.onchain import Ask
from protocol.money.payload import (
    Payload,
    change_digest,
    hash_payload,
    post_digest,
    uphold_digest,
)
from protocol.money.settlement import (
    Address,
    Amounts,
    Deployment,
    address,
    build_tree,
    sum_totals,
)
from protocol.rules.asks import put_ask, require_new_ask
from protocol.rules.record import Record, require
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_settlement(state: State, record: Record[pb.Settlement]) -> None:
    """The root of all that anybody may claim, recomputed from what the log says they earned."""
    body, view = record.body, state.onchain
    deployment = ready_contracts(state, body.witness_nonce, body.deadline)
    require(
        state.operator in state.members, "the operator has not registered, who holds the treasury"
    )
    require(
        body.epoch == view.posted + 1, f"epoch {view.posted + 1} is the next that can be posted"
    )
    require(body.epoch <= state.closed_epoch, f"epoch {body.epoch} has not been closed")
    require(
        body.epoch <= state.proposed_epoch + 1,
        "a root is on chain that the log never proposed",
        "a witness with a bond challenges it",
    )
    require(body.attempt == view.attempt, f"the attempt on chain is {view.attempt}")
    _require_same_before(state, body.epoch)
    payload = payload_of(body)
    known = state.payloads.get(body.epoch)
    if known is not None:
        require(payload == known, f"another root of epoch {body.epoch} was proposed before")
    else:
        _require_recomputed(state, payload, body.leaves)
    require_new_ask(state, "settlement", _settlement_ask(deployment, body, payload))


def process_settlement(state: State, record: Record[pb.Settlement]) -> None:
    """Waits for its witnesses; a later proposal replaces it."""
    payload = payload_of(record.body)
    if record.body.epoch > state.proposed_epoch:
        promise_leaves(state, record.body.epoch)
        state.payloads.put(record.body.epoch, payload)
        state.proposed_epoch = record.body.epoch
    put_ask(state, "settlement", _settlement_ask(_deployed(state), record.body, payload))


def payload_of(body: pb.Settlement) -> Payload:
    """What a settlement record proposes. Raises Reject for totals that no contract would take."""
    totals = tuple((address(t.asset), parse_amount(t.amount, "a total")) for t in body.totals)
    ascending = sorted({asset for asset, _ in totals})
    require(
        [asset for asset, _ in totals] == ascending,
        "the assets of a settlement are not in ascending order",
    )
    return Payload(body.epoch, body.root, totals)


def compute_payload(state: State, epoch: int) -> tuple[Payload, int]:
    """What the settlement of `epoch`, the next to be proposed, has to be; and the number of its leaves."""
    leaves = cumulative_leaves(state, epoch)
    totals: Amounts = sum_totals(leaves)
    return Payload(epoch, build_tree(leaves).root, totals), len(leaves)


def _require_recomputed(state: State, payload: Payload, leaves: int) -> None:
    own, count = compute_payload(state, payload.epoch)
    require(leaves == count, "the number of leaves does not recompute")
    require(payload.root == own.root, "the settlement's root does not recompute")
    require(payload.totals == own.totals, "the settlement's totals do not recompute")


def _require_same_before(state: State, epoch: int) -> None:
    """Nobody signs a root that would stand on one which is not the log's."""
    before = state.roots.get(epoch - 1)
    own = state.payloads.get(epoch - 1)
    require(
        before is None or own is None or before.payload == own,
        f"the root of epoch {epoch - 1} on chain is not the log's",
        "a witness with a bond challenges it",
    )


def _settlement_ask(deployment: Deployment, body: pb.Settlement, payload: Payload) -> Ask:
    digest = post_digest(
        deployment, hash_payload(payload), body.attempt, body.witness_nonce, body.deadline
    )
    return Ask(digest, body.witness_nonce, body.deadline, body.epoch, body.attempt)


# ---- a challenged root ----


def validate_uphold(state: State, record: Record[pb.Uphold]) -> None:
    """Only the log's own root."""
    ready_contracts(state, record.body.witness_nonce, record.body.deadline)
    require_new_ask(state, "uphold", _uphold_ask(state, record.body))


def process_uphold(state: State, record: Record[pb.Uphold]) -> None:
    """Waits for its witnesses."""
    put_ask(state, "uphold", _uphold_ask(state, record.body))


def _uphold_ask(state: State, body: pb.Uphold) -> Ask:
    root = state.roots.get(body.epoch)
    if root is None or root.status is not RootStatus.FROZEN:
        raise Reject(f"no root of epoch {body.epoch} is frozen on chain")
    require(
        root.payload == state.payloads.get(body.epoch),
        f"the root of epoch {body.epoch} on chain is not the log's",
        "let it lapse: `commonhold coordinator settle` proposes the right one then",
    )
    payload, deployment = hash_payload(root.payload), _deployed(state)
    digest = uphold_digest(deployment, payload, root.attempt, body.witness_nonce, body.deadline)
    return Ask(digest, body.witness_nonce, body.deadline, body.epoch, root.attempt)


# ---- other witnesses ----


def witnesses_to_be(state: State) -> tuple[Address, ...]:
    """Where those are paid who toss the coin: whose word on money is to count. Ascending."""
    people = (state.keys.get(key) for key in state.coin.keys)
    members = (state.members.get(person) for person in people if person is not None)
    return tuple(sorted({address(each.payout) for each in members if each is not None}))


def is_witness(state: State, person: PersonId) -> bool:
    """Whether somebody is asked to sign for money, now or soon, or to toss the coin."""
    member, proposal, view = state.members.get(person), state.proposal, state.onchain
    keys = {*state.coin.keys, *(proposal.keys if proposal is not None else ())}
    signers = {*view.witnesses, *view.waiting}
    tosses = any(key in keys for (_, key), _ in state.keys_of.scan(person))
    return tosses or (member is not None and member.payout in signers)


def validate_witness_change(state: State, record: Record[pb.WitnessChange]) -> None:
    """The chain's witnesses follow those who toss the coin, in one proposal at a time."""
    body, view = record.body, state.onchain
    ready_contracts(state, body.witness_nonce, body.deadline)
    require(body.proposal == view.proposals + 1, f"the next change is number {view.proposals + 1}")
    listed = tuple(body.witnesses)
    require(len(listed) > 0, "a set of witnesses is not empty")
    require(listed == witnesses_to_be(state), "the witnesses are not those who toss the coin")
    require(
        listed not in (view.witnesses, view.waiting), "these are the witnesses, or soon will be"
    )
    require_new_ask(state, "witness-change", _change_ask(state, body))


def process_witness_change(state: State, record: Record[pb.WitnessChange]) -> None:
    """Waits for the present witnesses."""
    put_ask(state, "witness-change", _change_ask(state, record.body))


def _change_ask(state: State, body: pb.WitnessChange) -> Ask:
    witnesses = tuple(map(address, body.witnesses))
    digest = change_digest(
        _deployed(state), witnesses, body.proposal, body.witness_nonce, body.deadline
    )
    return Ask(digest, body.witness_nonce, body.deadline, body.proposal, witnesses=witnesses)


# ---- shared ----


def _deployed(state: State) -> Deployment:
    if state.deployment is None:
        raise Reject(
            "there are no contracts to settle on", "`commonhold coordinator settle` deploys them"
        )
    return state.deployment


def ready_contracts(state: State, nonce: int, deadline_s: int) -> Deployment:
    """Where the network settles, if what is asked there can be posted at all."""
    deployment, view = _deployed(state), state.onchain
    require(bool(view.witnesses), "the log has not read the chain, and knows no witnesses")
    require(nonce == view.nonce, f"the witnesses in force are set {view.nonce}")
    require(deadline_s > view.time_s, "the deadline has passed on chain")
    return deployment

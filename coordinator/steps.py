"""The records of the operator's steps. All that they say follows from the state; but the salts of gold are
fresh, and the time is the clock's."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from coordinator.ledger import Ledger
from coordinator.prepare import Draft
from coordinator.rounds import Step
from coordinator.sealed import Opening, gold_of, known_of, proposals_of
from protocol.limits import SALT_BYTES
from protocol.log.batch import batch_root
from protocol.log.commitments import gold_commitment
from protocol.log.strict import encode_leaf
from protocol.money.earnings import compute_lines
from protocol.review.decisions import compute_verdicts
from protocol.rows import Campaign
from protocol.rules.close import compute_waiting
from protocol.rules.drawing import compute_draw, draw_leaves
from protocol.rules.sealing import compute_seal, seal_leaves
from protocol.state import State
from protos.gen import records_pb2 as pb


def draft(step: Step, state: State, campaign: Campaign, ledger: Ledger, now_ms: int) -> Draft:
    """The record of a step in a campaign; its time is never before that of the campaign's last."""
    round_ = state.round_of(campaign.id)
    here: dict[str, Any] = {
        "network": state.network,
        "campaign_id": campaign.id,
        "round": round_.number + (step is Step.SEAL),
        "time_ms": max(now_ms, round_.since_ms),
    }
    match step:
        case Step.CLOSE:
            return draft_close(state, now_ms)
        case Step.SEAL:
            return _seal(state, campaign, ledger, here)
        case Step.END_COMMITS:
            return Draft("end-commits", pb.EndCommits(**here))
        case Step.DRAW:
            seed, assignments = compute_draw(state, campaign)
            leaves = _encoded(draw_leaves(assignments))
            return Draft("draw", pb.Draw(**here, seed=seed, assignments=batch(leaves)), leaves)
        case Step.DECIDE:
            proposals = proposals_of(ledger, state, campaign.id)
            gold = gold_of(ledger, state, campaign.id)
            leaves = _encoded(compute_verdicts(state, campaign, proposals, gold))
            return Draft("verdict", pb.Verdict(**here, verdicts=batch(leaves)), leaves)


def _seal(state: State, campaign: Campaign, ledger: Ledger, here: dict[str, Any]) -> Draft:
    """Commits, among others, to the answers that the operator imported for items of the round."""
    found = compute_seal(state, campaign)
    openings = {}
    for item_id, answer in known_of(ledger, found.items).items():
        opening = Opening(item_id, secrets.token_bytes(SALT_BYTES), answer)
        openings[gold_commitment(item_id, opening.salt, answer)] = opening
    # In the order of the items, gold might be recognised; salted hashes in their own order say nothing.
    leaves = _encoded(seal_leaves(found, sorted(openings)))
    return Draft("seal", pb.Seal(**here, found=batch(leaves)), leaves, list(openings.values()))


def draft_close(state: State, now_ms: int) -> Draft:
    """The record that ends the present epoch."""
    leaves = _encoded(compute_lines(state))
    body = pb.Close(
        network=state.network,
        epoch=state.epoch,
        time_ms=now_ms,
        lines=batch(leaves),
        waiting=compute_waiting(state),
    )
    return Draft("close", body, leaves)


def batch(leaves: Sequence[bytes]) -> pb.Batch:
    """What a record says of its leaves."""
    return pb.Batch(root=batch_root(leaves), count=len(leaves))


def _encoded(messages: Sequence[Message]) -> list[bytes]:
    return [encode_leaf(message) for message in messages]

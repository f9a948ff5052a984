"""Campaigns: what is asked, of which items, and how its rounds run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protocol.errors import Ignore
from protocol.lifecycle import RoundPhase
from protocol.limits import (
    BATCH_LEAVES_MAX,
    BELIEF_NUMBER_BYTES,
    CONTENT_BYTES_MAX,
    DRAWS_MAX,
    ITEM_CELLS_MAX,
    LICENCES_MAX,
    MEDIA_TYPES_MAX,
    NAME_CHARS_MAX,
    PARTS_MAX,
    PPM,
    REVIEWERS_PER_ITEM_MAX,
    ROUND_CELLS_MAX,
    SEAL_WAIT_MS_MAX,
    TEXT_CHARS_MAX,
    VERDICT_BYTES_MAX,
    WINDOW_MS_MAX,
)
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.media import check_media_type
from protocol.review.copies import Copies
from protocol.rows import Campaign
from protocol.rules.record import Record, campaign_of, require, require_next
from protocol.spdx import check_licence
from protocol.state import State
from protocol.tasks.question import Question, ask
from protocol.text import check_text, is_id
from protos.gen import records_pb2 as pb


def validate_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """A campaign says once and for all what it asks for."""
    campaign = record.body
    require(is_id(campaign.id), f"a campaign's id is a-z, 0-9 and -, at most {NAME_CHARS_MAX}")
    require(campaign.id not in state.campaigns, f"there is a campaign {campaign.id!r} already")
    check_text(campaign.title, "the title", TEXT_CHARS_MAX)
    if campaign.guidelines:
        check_text(campaign.guidelines, "the guidelines", TEXT_CHARS_MAX, lines=True)
    _check_parts(campaign.parts)
    _check_question(campaign, ask(campaign.task, campaign.spec))
    _check_distinct("licences", campaign.licences, LICENCES_MAX)
    for licence in campaign.licences:
        check_licence(licence)
    require(0 < campaign.price_ppm <= 1000 * PPM, "the price is above zero, at most a thousandfold")
    _check_rounds(campaign.rounds)
    _check_sizes(campaign, ask(campaign.task, campaign.spec))
    _check_privacy(campaign)


def _check_parts(parts: Sequence[pb.PartTerms]) -> None:
    require(1 <= len(parts) <= PARTS_MAX, f"an item has 1 to {PARTS_MAX} parts")
    names = [part.name for part in parts]
    require(len(set(names)) == len(names), "two parts have the same name")
    for part in parts:
        require(is_id(part.name.replace("_", "-")), f"part {part.name!r}: a name is a-z, 0-9 and _")
        _check_distinct(f"media types of {part.name}", part.media_types, MEDIA_TYPES_MAX)
        for media_type in part.media_types:
            check_media_type(media_type)
        require(
            0 < part.bytes_max <= CONTENT_BYTES_MAX,
            f"part {part.name!r} has 1 to {CONTENT_BYTES_MAX} bytes",
        )


def _check_question(campaign: pb.Campaign, question: Question) -> None:
    kind, spec = question.kind, question.spec
    required = [part.name for part in campaign.parts if not part.optional]
    kind.check_parts(spec, [part.name for part in campaign.parts], required)
    require(
        campaign.proposal in pb.ProposalTerms.values() and campaign.proposal > 0,
        "the campaign does not say whether a contributor proposes the answer",
    )
    require(
        kind.takes_proposals or campaign.proposal == pb.PROPOSAL_NOT_TAKEN,
        f"in a {kind.name} campaign the item is the proposal; say that none is taken beside it",
    )
    require(
        1 <= campaign.reviewers_per_item <= REVIEWERS_PER_ITEM_MAX,
        f"reviewers per item: 1 to {REVIEWERS_PER_ITEM_MAX}",
    )
    require(
        kind.belief_size(spec) * campaign.reviewers_per_item <= ITEM_CELLS_MAX,
        f"possible answers times reviewers per item: at most {ITEM_CELLS_MAX}",
    )


def _check_rounds(rounds: pb.RoundTerms) -> None:
    require(1 <= rounds.items_max <= BATCH_LEAVES_MAX, f"a round has 1 to {BATCH_LEAVES_MAX} items")
    require(
        1 <= rounds.seal_items <= rounds.items_max,
        "a round is sealed at 1 item to as many as a round has",
    )
    require(
        0 < rounds.seal_wait_ms <= SEAL_WAIT_MS_MAX,
        f"an item waits 1 to {SEAL_WAIT_MS_MAX} ms for its round to be sealed",
    )
    for name in ("beacon_ms", "commit_ms", "reveal_ms"):
        require(
            0 < getattr(rounds, name) <= WINDOW_MS_MAX,
            f"{name} is {getattr(rounds, name)}: a window lasts 1 to {WINDOW_MS_MAX} ms",
            "a window of nothing would shut everybody out",
        )
    require(1 <= rounds.draws_max <= DRAWS_MAX, f"an item is drawn 1 to {DRAWS_MAX} times")


def _check_sizes(campaign: pb.Campaign, question: Question) -> None:
    """A round can be inferred by everybody, and its verdict be published; or it would never end."""
    size, rounds = question.kind.belief_size(question.spec), campaign.rounds
    cells = size * campaign.reviewers_per_item * rounds.draws_max
    verdict_bytes = VERDICT_BYTES_MAX + BELIEF_NUMBER_BYTES * size
    most = min(ROUND_CELLS_MAX // cells, BUNDLE_BYTES_MAX // verdict_bytes)
    require(
        rounds.items_max <= most,
        f"a round of {rounds.items_max} items is too large for so many possible answers, reviewers and draws",
        f"give it at most {most} items, or ask fewer reviewers",
    )


def _check_privacy(campaign: pb.Campaign) -> None:
    require(
        campaign.privacy in (pb.PRIVACY_OPEN, pb.PRIVACY_REVIEWERS),
        "items of a private campaign never travel, so nobody could review them; use open or reviewers",
    )
    require(
        campaign.withdrawal in pb.WithdrawalTerms.values(),
        "the campaign does not say what becomes of shares earned with an item that is withdrawn",
    )
    # With its fingerprint an item takes along what would tell a copy of it: the same picture, submitted
    # again and again, would be paid every time. Without fingerprints copies are not told anyway.
    require(
        campaign.privacy != pb.PRIVACY_OPEN or campaign.withdrawal == pb.WITHDRAWAL_REPAYS,
        "an open campaign that lets authors keep what withdrawn items earned pays twice; use repays",
    )


def _check_distinct(what: str, names: Sequence[str], names_max: int) -> None:
    require(0 < len(names) <= names_max, f"{what}: 1 to {names_max}")
    require(len(set(names)) == len(names), f"the {what} repeat themselves")


def process_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """Opens the campaign."""
    state.campaigns.put(record.body.id, Campaign.of(record.body))
    kind = ask(record.body.task, record.body.spec).kind
    state.copies[record.body.id] = Copies(kind.compared_parts)


def validate_pause(state: State, record: Record[pb.Pause]) -> None:
    """Only between two rounds: reviewers who are at work finish it, and are paid."""
    campaign = campaign_of(state, record.body.campaign_id)
    require_next(record.body.serial, campaign.pauses, "the operator")
    if campaign.paused == record.body.paused:
        raise Ignore(
            "the campaign is paused already" if campaign.paused else "the campaign is not paused"
        )
    round_ = state.round_of(campaign.id)
    require(
        round_.phase is RoundPhase.OPEN,
        f"round {round_.number} of {campaign.id} is under way",
        "pause the campaign when its verdict is logged",
    )


def process_pause(state: State, record: Record[pb.Pause]) -> None:
    """Or goes on."""
    campaign = state.campaigns[record.body.campaign_id]
    changed = replace(campaign, paused=record.body.paused, pauses=campaign.pauses + 1)
    state.campaigns.put(campaign.id, changed)

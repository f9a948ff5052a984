"""Campaigns: what is asked, of which items, and how its rounds run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from protocol.errors import Ignore
from protocol.lifecycle import RoundPhase
from protocol.limits import (
    BATCH_ITEMS_MAX,
    BELIEF_NUMBER_BYTES,
    CONTENT_BYTES_MAX,
    DAY_MS,
    DRAWS_MAX,
    ITEM_CELLS_MAX,
    LICENCES_MAX,
    MEDIA_TYPES_MAX,
    NAME_CHARS_MAX,
    PARTS_MAX,
    PPM,
    PRICE_PPM_MAX,
    REVIEWERS_PER_ITEM_MAX,
    ROUND_CELLS_MAX,
    TEXT_CHARS_MAX,
    VERDICT_BYTES_MAX,
    WINDOW_MS_MAX,
)
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.media import check_media_type
from protocol.review.copies import Copies
from protocol.rows import Campaign
from protocol.rules.record import (
    Record,
    add_id,
    campaign_of,
    require,
    require_new_id,
    require_next,
)
from protocol.spdx import check_licence
from protocol.state import State
from protocol.tasks.question import Question, ask
from protocol.text import check_distinct, check_text, is_id, quoted
from protos.gen import records_pb2 as pb

_WINDOWS: Final = {
    "seal_wait_ms": "the wait of an item for its round",
    "commit_ms": "the window for answers",
    "reveal_ms": "the window for openings",
}


def validate_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """A campaign says once and for all what it asks for."""
    campaign = record.body
    require(
        is_id(campaign.id),
        f"{quoted(campaign.id)} is not a campaign's id",
        f"make it of a-z, 0-9 and -, at most {NAME_CHARS_MAX} of them",
    )
    require_new_id(state, "campaign", campaign.id)
    check_text(campaign.title, "the title", TEXT_CHARS_MAX)
    if campaign.guidelines:
        check_text(campaign.guidelines, "the guidelines", TEXT_CHARS_MAX, lines=True)
    _check_parts(campaign.parts)
    _check_question(campaign, ask(campaign.task, campaign.spec))
    _check_list("licence", "", campaign.licences, LICENCES_MAX)
    for licence in campaign.licences:
        check_licence(licence)
    require(
        0 < campaign.price_ppm <= PRICE_PPM_MAX,
        f"the price is {campaign.price_ppm} parts per million",
        f"give 1 to {PRICE_PPM_MAX}; {PPM} is what others pay",
    )
    _check_rounds(campaign.rounds)
    _check_sizes(campaign, ask(campaign.task, campaign.spec))
    _check_privacy(campaign)
    _check_automation(campaign)


def _check_parts(parts: Sequence[pb.PartTerms]) -> None:
    require(
        1 <= len(parts) <= PARTS_MAX,
        f"an item of this campaign has {len(parts)} parts",
        f"give it 1 to {PARTS_MAX}",
    )
    for part in parts:
        require(
            is_id(part.name.replace("_", "-")),
            f"{quoted(part.name)} is not the name of a part",
            f"make it of a-z, 0-9 and _, at most {NAME_CHARS_MAX} of them",
        )
    check_distinct([part.name for part in parts], "parts")
    for part in parts:
        _check_list("media type", f" of part {part.name!r}", part.media_types, MEDIA_TYPES_MAX)
        for media_type in part.media_types:
            check_media_type(media_type)
        require(
            0 < part.bytes_max <= CONTENT_BYTES_MAX,
            f"part {part.name!r} may have {part.bytes_max} bytes at most",
            f"let it have 1 to {CONTENT_BYTES_MAX} bytes",
        )


def _check_question(campaign: pb.Campaign, question: Question) -> None:
    kind, spec = question.kind, question.spec
    required = [part.name for part in campaign.parts if not part.optional]
    kind.check_parts(spec, [part.name for part in campaign.parts], required)
    require(
        campaign.proposal in pb.ProposalTerms.values() and campaign.proposal > 0,
        "the campaign does not say whether a contributor proposes the answer",
        "say that a proposal is required, optional, or not taken",
    )
    require(
        kind.takes_proposals or campaign.proposal == pb.PROPOSAL_NOT_TAKEN,
        f"in a {kind.name} campaign the item is what is proposed, and nothing is beside it",
        "say that no proposal is taken",
    )
    require(
        1 <= campaign.reviewers_per_item <= REVIEWERS_PER_ITEM_MAX,
        f"an item is to have {campaign.reviewers_per_item} reviewers",
        f"give it 1 to {REVIEWERS_PER_ITEM_MAX}",
    )
    most = ITEM_CELLS_MAX // kind.belief_size(spec)
    require(
        campaign.reviewers_per_item <= most,
        f"{campaign.reviewers_per_item} reviewers an item are too many for so many possible answers",
        f"give it at most {most}, or offer fewer answers",
    )


def _check_rounds(rounds: pb.RoundTerms) -> None:
    require(
        1 <= rounds.items_max <= BATCH_ITEMS_MAX,
        f"a round has at most {rounds.items_max} items",
        f"let it have 1 to {BATCH_ITEMS_MAX}",
    )
    require(
        1 <= rounds.seal_items <= rounds.items_max,
        f"a round begins when {rounds.seal_items} items wait",
        f"let it begin at 1 to {rounds.items_max}, as many as it has",
    )
    for name, words in _WINDOWS.items():
        require(
            0 < getattr(rounds, name) <= WINDOW_MS_MAX,
            f"{words} lasts {getattr(rounds, name)} ms",
            f"let it last at least 1 ms, and at most {WINDOW_MS_MAX // DAY_MS} days;"
            " whoever needs longer asks in several campaigns",
        )
    require(
        1 <= rounds.draws_max <= DRAWS_MAX,
        f"an undecided item gets {rounds.draws_max} rounds",
        f"give it 1 to {DRAWS_MAX}",
    )


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
        "items of a private campaign never travel, so nobody could review them",
        "let them be open, or go to their reviewers only",
    )
    require(
        campaign.withdrawal in pb.WithdrawalTerms.values(),
        "the campaign does not say what becomes of shares earned with an item that is withdrawn",
        "say that its author keeps them, or repays them",
    )
    # With its fingerprint an item takes along what would tell a copy of it: the same picture, submitted
    # again and again, would be paid every time. Without fingerprints copies are not told anyway.
    require(
        campaign.privacy != pb.PRIVACY_OPEN or campaign.withdrawal == pb.WITHDRAWAL_REPAYS,
        "an open campaign that lets authors keep what withdrawn items earned pays twice",
        "let them repay it, or let items go to their reviewers only",
    )


def _check_automation(campaign: pb.Campaign) -> None:
    require(
        campaign.automation in pb.Automation.values(),
        "the campaign does not say whether programs may answer",
        "say that they may where reviewers run them, anywhere, or not at all",
    )
    require(
        campaign.automation != pb.AUTOMATION_ANYWHERE or campaign.privacy == pb.PRIVACY_OPEN,
        "items that go to their reviewers only would be sent to programs of others",
        "let reviewers run the programs, or let items be open",
    )


def _check_list(what: str, whose: str, listed: Sequence[str], most: int) -> None:
    """`what` is one of the list, as "licence"."""
    require(0 < len(listed) <= most, f"there are {len(listed)} {what}s{whose}", f"give 1 to {most}")
    for at, name in enumerate(listed):
        require(
            name not in listed[:at],
            f"the {what} {quoted(name)}{whose} is there twice",
            "give it once",
        )


def process_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """Opens the campaign."""
    add_id(state, "campaign", record.body.id)
    state.campaigns.put(record.body.id, Campaign.of(record.body))
    kind = ask(record.body.task, record.body.spec).kind
    state.copies[record.body.id] = Copies(kind.compared_parts)


def validate_pause(state: State, record: Record[pb.Pause]) -> None:
    """Only between two rounds: reviewers who are at work finish it, and are paid."""
    campaign = campaign_of(state, record.body.campaign_id)
    require_next(record.body.serial, campaign.pauses, "the operator")
    if campaign.paused == record.body.paused:
        raise Ignore(
            f"{campaign.id} is paused already"
            if campaign.paused
            else f"{campaign.id} is not paused",
            "nothing is to be done",
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

"""Campaigns: what is asked, of which items, and how its rounds run. What becomes of them is in life.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from protocol.errors import Reject, raise_all
from protocol.limits import (
    BATCH_ITEMS_MAX,
    BELIEF_NUMBER_BYTES,
    CONTENT_BYTES_MAX,
    DAY_MS,
    DRAWS_MAX,
    ITEM_CELLS_MAX,
    LICENCES_MAX,
    LIKELY_PERMILLE_MAX,
    MEDIA_TYPES_MAX,
    NAME_CHARS_MAX,
    PARTS_MAX,
    PPM,
    PRICE_PPM_MAX,
    REVIEWERS_PER_ITEM_MAX,
    ROUND_CELLS_MAX,
    STRICT_PERMILLE_MAX,
    TEXT_CHARS_MAX,
    VERDICT_BYTES_MAX,
    WHOLE_PERMILLE,
    WINDOW_MS_MAX,
)
from protocol.log.batch import BUNDLE_BYTES_MAX
from protocol.media import check_media_type
from protocol.review.copies import Copies
from protocol.rows import Campaign
from protocol.rules.record import (
    Record,
    add_id,
    require,
    require_new_id,
)
from protocol.spdx import check_licence
from protocol.state import State
from protocol.tasks.question import ask
from protocol.text import check_distinct, check_text, is_id, quoted
from protos.gen import records_pb2 as pb

_WINDOWS: Final = {
    "seal_wait_ms": "the wait of an item for its round",
    "commit_ms": "the window for answers",
    "reveal_ms": "the window for openings",
}


def validate_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """A campaign says once and for all what it asks for. Its terms may change: protocol.rules.life."""
    for check in checks(record.body):
        check()
    require_new_id(state, "campaign", record.body.id)


def checks(campaign: pb.Campaign) -> Iterator[Callable[[], object]]:
    """All that a campaign has to be by itself, in parts that each raise Reject: a rule stops at the first one
    that does, and a draft is told of all."""
    yield partial(_check_id, campaign.id)
    yield from term_checks(campaign)
    yield partial(_check_parts, campaign.parts)
    for part in campaign.parts:
        yield partial(_check_part, part)
        yield from (partial(check_media_type, media_type) for media_type in part.media_types)
    yield partial(_check_question, campaign)
    yield partial(_check_reviewers, campaign)
    yield partial(_check_list, "licence", "", campaign.licences, LICENCES_MAX)
    yield from (partial(check_licence, licence) for licence in campaign.licences)
    yield partial(check_sizes, campaign)
    yield partial(_check_privacy, campaign)
    yield partial(_check_copies, campaign.copies)
    yield partial(_check_derivatives, campaign.derivative_permille)
    yield partial(_check_automation, campaign)


def term_checks(terms: pb.Campaign | pb.Change) -> Iterator[Callable[[], None]]:
    """The same of what may change."""
    yield partial(check_text, terms.title, "the title", TEXT_CHARS_MAX)
    if terms.guidelines:
        yield partial(check_text, terms.guidelines, "the guidelines", TEXT_CHARS_MAX, lines=True)
    yield partial(_check_price, terms.price_ppm)
    yield partial(_check_rounds, terms.rounds)
    yield from (partial(_check_window, terms.rounds, name) for name in _WINDOWS)


def _check_id(id_: str) -> None:
    require(
        is_id(id_),
        f"{quoted(id_)} is not a campaign's id",
        f"make it of a-z, 0-9 and -, at most {NAME_CHARS_MAX} of them",
    )


def _check_price(price_ppm: int) -> None:
    require(
        0 < price_ppm <= PRICE_PPM_MAX,
        f"the price is {price_ppm} parts per million",
        f"give 1 to {PRICE_PPM_MAX}; {PPM} is what others pay",
    )


def _check_derivatives(permille: int) -> None:
    require(
        permille <= WHOLE_PERMILLE,
        f"a derivative of an earlier item earns {permille} thousandths of the price",
        f"give 0 to {WHOLE_PERMILLE}",
    )


def _check_parts(parts: Sequence[pb.PartTerms]) -> None:
    require(
        1 <= len(parts) <= PARTS_MAX,
        f"an item of this campaign has {len(parts)} parts",
        f"give it 1 to {PARTS_MAX}",
    )
    raise_all(
        Reject(
            f"{quoted(part.name)} is not the name of a part",
            f"make it of a-z, 0-9 and _, at most {NAME_CHARS_MAX} of them",
        )
        for part in parts
        if not is_id(part.name.replace("_", "-"))
    )
    check_distinct([part.name for part in parts], "parts")


def _check_part(part: pb.PartTerms) -> None:
    _check_list("media type", f" of part {part.name!r}", part.media_types, MEDIA_TYPES_MAX)
    require(
        0 < part.bytes_max <= CONTENT_BYTES_MAX,
        f"part {part.name!r} may have {part.bytes_max} bytes at most",
        f"let it have 1 to {CONTENT_BYTES_MAX} bytes",
    )


def _check_question(campaign: pb.Campaign) -> None:
    question = ask(campaign.task, campaign.spec)
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


def _check_reviewers(campaign: pb.Campaign) -> None:
    question = ask(campaign.task, campaign.spec)
    require(
        1 <= campaign.reviewers_per_item <= REVIEWERS_PER_ITEM_MAX,
        f"an item is to have {campaign.reviewers_per_item} reviewers",
        f"give it 1 to {REVIEWERS_PER_ITEM_MAX}",
    )
    most = ITEM_CELLS_MAX // question.kind.belief_size(question.spec)
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
    require(
        1 <= rounds.draws_max <= DRAWS_MAX,
        f"an undecided item gets {rounds.draws_max} rounds",
        f"give it 1 to {DRAWS_MAX}",
    )


def _check_window(rounds: pb.RoundTerms, name: str) -> None:
    require(
        0 < getattr(rounds, name) <= WINDOW_MS_MAX,
        f"{_WINDOWS[name]} lasts {getattr(rounds, name)} ms",
        f"let it last at least 1 ms, and at most {WINDOW_MS_MAX // DAY_MS} days;"
        " whoever needs longer asks in several campaigns",
    )


def check_sizes(campaign: pb.Campaign | Campaign) -> None:
    """A round can be inferred by everybody, and its verdict be published; or it would never end."""
    question, rounds = ask(campaign.task, campaign.spec), campaign.rounds
    size = question.kind.belief_size(question.spec)
    cells = max(1, size * campaign.reviewers_per_item * rounds.draws_max)  # 0 in a draft
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


def _check_copies(copies: pb.CopyTerms) -> None:
    for medium, words in (("picture", "pictures"), ("text", "texts"), ("sound", "recordings")):
        strict, likely = (getattr(copies, f"{medium}_{each}") for each in ("strict", "likely"))
        require(
            strict <= STRICT_PERMILLE_MAX,
            f"{words} up to {strict} per mille apart are copies without people",
            f"give 0 (only the same are) to {STRICT_PERMILLE_MAX}, or let people look at them",
        )
        require(
            likely <= LIKELY_PERMILLE_MAX,
            f"{words} up to {likely} per mille apart are shown as likely copies",
            f"give 0 (never) to {LIKELY_PERMILLE_MAX}; beyond that nearly everything is",
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
    campaign = Campaign.of(record.body, record.index)
    state.campaigns.put(campaign.id, campaign)
    kind = ask(record.body.task, record.body.spec).kind
    state.copies[campaign.id] = Copies(campaign.copies, kind.compared_parts)

"""The life of a campaign: paused and resumed, changed, closed.

No promise is broken on the way. A change holds for what comes later: an item keeps the guidelines and the
price that its author read when submitting it, however long it waits for its round; and a round keeps the
windows that it was sealed with. So terms have revisions, and items and rounds say theirs. A round that is
under way ends as any other, whether its campaign is paused, changed or closed meanwhile. Nor does closing
take anybody's right to contest (protocol.rules.contesting).
"""

from __future__ import annotations

from dataclasses import replace

from protocol.errors import Ignore
from protocol.lifecycle import CampaignEvent, CampaignStatus, next_campaign_status
from protocol.limits import REVISIONS_MAX
from protocol.rows import RoundTerms, Terms, row_of
from protocol.rules.campaigns import check_sizes, term_checks
from protocol.rules.drawing import end, goes_on
from protocol.rules.intake import dequeue
from protocol.rules.record import Record, campaign_of, require, require_next, require_not_closed
from protocol.state import State
from protos.gen import records_pb2 as pb


def validate_pause(state: State, record: Record[pb.Pause]) -> None:
    """Of a campaign that is open; or it goes on, where it was paused."""
    campaign = campaign_of(state, record.body.campaign_id)
    require_not_closed(campaign)
    require_next(record.body.serial, campaign.serial, "the operator")
    is_paused = campaign.status is CampaignStatus.PAUSED
    if is_paused == record.body.paused:
        raise Ignore(
            f"{campaign.id} is paused already" if is_paused else f"{campaign.id} is not paused",
            "nothing is to be done",
        )


def process_pause(state: State, record: Record[pb.Pause]) -> None:
    """It takes and seals nothing, or goes on."""
    campaign = state.campaigns[record.body.campaign_id]
    event = CampaignEvent.PAUSE if record.body.paused else CampaignEvent.RESUME
    status = next_campaign_status(campaign.status, event)
    state.campaigns.put(campaign.id, replace(campaign, status=status, serial=campaign.serial + 1))


def validate_change(state: State, record: Record[pb.Change]) -> None:
    """Terms that a new campaign could have, and that are not those which it has."""
    body = record.body
    campaign = campaign_of(state, body.campaign_id)
    require_not_closed(campaign)
    require_next(body.serial, campaign.serial, "the operator")
    for check in term_checks(body):
        check()
    changed = campaign.under(_terms_of(record), campaign.revision + 1)
    # Answers of all an item's draws go into one inference, whose size the campaign began with.
    require(
        changed.rounds.draws_max == campaign.rounds.draws_max,
        f"an undecided item of {campaign.id} gets {campaign.rounds.draws_max} rounds for ever",
        "change the guidelines, the title, the price or the windows; or open another campaign",
    )
    check_sizes(changed)
    if replace(changed.terms, logged_at=campaign.logged_at) == campaign.terms:
        raise Ignore(f"{campaign.id} has these terms already", "nothing is to be done")
    require(
        campaign.revision < REVISIONS_MAX,
        f"the terms of {campaign.id} were changed {campaign.revision} times",
        "close it, and open another one",
    )


def process_change(state: State, record: Record[pb.Change]) -> None:
    """Keeps the terms before for what was submitted and sealed under them."""
    campaign = state.campaigns[record.body.campaign_id]
    state.past_terms.put((campaign.id, campaign.revision), campaign.terms)
    changed = campaign.under(_terms_of(record), campaign.revision + 1)
    state.campaigns.put(campaign.id, replace(changed, serial=campaign.serial + 1))


def _terms_of(record: Record[pb.Change]) -> Terms:
    body = record.body
    rounds = row_of(RoundTerms, body.rounds)
    return Terms(body.title, body.guidelines, body.price_ppm, rounds, record.index)


def validate_close_campaign(state: State, record: Record[pb.CloseCampaign]) -> None:
    """Once, and at any time: what is under way ends by itself."""
    campaign = campaign_of(state, record.body.campaign_id)
    if campaign.status is CampaignStatus.CLOSED:
        raise Ignore(f"{campaign.id} is closed already", "nothing is to be done")
    require_next(record.body.serial, campaign.serial, "the operator")


def process_close_campaign(state: State, record: Record[pb.CloseCampaign]) -> None:
    """What waits stays undecided, and answers to it are paid with the next close of an epoch; but what was
    contested waits for its panel. Reviewers need not say that they stand down: the close of the last epoch in
    which there may be contests does it."""
    campaign = state.campaigns[record.body.campaign_id]
    status = next_campaign_status(campaign.status, CampaignEvent.CLOSE)
    closed = replace(campaign, status=status, closed_in=state.epoch, serial=campaign.serial + 1)
    state.campaigns.put(campaign.id, closed)
    for queue, _ in list(state.queues.scan(campaign.id)):
        waiting = [item_id for _, item_id in state.waiting.scan(queue)]
        ended = [item_id for item_id in waiting if not goes_on(state, state.items[item_id])]
        dequeue(state, [state.items[item_id] for item_id in ended])
        for item_id in ended:
            end(state, item_id)

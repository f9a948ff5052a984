"""What an operator does with a campaign that is open: changes, closes it; and takes items down."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from commonground.durations import duration_words
from commonground.takedowns import read_code
from coordinator.campaigns import read_draft, require_campaign
from protocol.errors import ConfigError
from protocol.limits import HASH_BYTES
from protocol.rows import Campaign, ItemId, RoundTerms, row_of
from protocol.state import State
from protos.gen import records_pb2 as pb

_WORDS: Final[Mapping[str, str]] = {
    "task": "the kind of question",
    "spec": "the question",
    "parts": "the parts of an item",
    "proposal": "whether answers are proposed",
    "licences": "the licences",
    "reviewers_per_item": "the reviewers of an item",
    "privacy": "who sees content",
    "withdrawal": "what becomes of withdrawn items",
    "automation": "which programs may review",
}


def pause_record(state: State, campaign_id: str, paused: bool) -> pb.Pause:
    """Has a campaign paused, or go on."""
    campaign = require_campaign(state, campaign_id)
    return pb.Pause(
        network=state.network, campaign_id=campaign_id, paused=paused, serial=campaign.serial
    )


def close_record(state: State, campaign_id: str) -> pb.CloseCampaign:
    """Has a campaign closed for ever."""
    serial = require_campaign(state, campaign_id).serial
    return pb.CloseCampaign(network=state.network, campaign_id=campaign_id, serial=serial)


def left_undecided(state: State, campaign_id: str) -> int:
    """How many items would stay undecided if the campaign were closed now: of those that wait, all but what
    their authors contested."""
    queues = (queue for queue, _ in state.queues.scan(campaign_id))
    waiting = (state.items[item_id] for queue in queues for _, item_id in state.waiting.scan(queue))
    return sum(item.before is None for item in waiting)


def change_record(state: State, campaign_id: str, file: Path) -> pb.Change:
    """The terms that a campaign's file has now, with the rest as it was opened.

    Raises:
        ConfigError: there is no such campaign; or the file is wrong, or says something else of what cannot be
            changed.
    """
    campaign = require_campaign(state, campaign_id)
    body = read_draft(state.network, file, {"id": campaign_id}).whole()
    wanted = Campaign.of(body)
    for name, words in _WORDS.items():
        if getattr(wanted, name) != getattr(campaign, name):
            raise ConfigError(
                f"{file} says something else of {words}, which cannot be changed",
                "write it as the campaign has it, or open another campaign",
            )
    return pb.Change(
        network=state.network,
        campaign_id=campaign_id,
        title=body.title,
        guidelines=body.guidelines,
        price_ppm=body.price_ppm,
        rounds=body.rounds,
        serial=campaign.serial,
    )


def changed_lines(campaign: Campaign, change: pb.Change) -> list[str]:
    """What a change would change, line by line, as `diff -u` marks it; empty for nothing."""
    wanted = row_of(RoundTerms, change.rounds)
    before = _lines(campaign.title, campaign.price_ppm, campaign.rounds, campaign.guidelines)
    after = _lines(change.title, change.price_ppm, wanted, change.guidelines)
    found = difflib.unified_diff(before, after, lineterm="", n=1)
    return [line for line in found if not line.startswith(("---", "+++", "@@"))]


def takedown_record(state: State, item: str, code: str, words: str) -> pb.Takedown:
    """Takes down the item whose id these digits are. Raises ConfigError for what is no id or no reason."""
    try:
        item_id = ItemId(bytes.fromhex(item))
    except ValueError:
        item_id = b""
    if len(item_id) != HASH_BYTES:
        raise ConfigError(f"{item!r} is not an item's id", "write all of its 64 hexadecimal digits")
    return pb.Takedown(network=state.network, item_id=item_id, reason=read_code(code), words=words)


def _lines(title: str, price_ppm: int, rounds: RoundTerms, guidelines: str) -> list[str]:
    windows: dict[str, Any] = asdict(rounds)
    said = {
        name: duration_words(value) if name.endswith("_ms") else f"{value:,}"
        for name, value in windows.items()
    }
    return [
        f"title: {title}",
        f"price_ppm: {price_ppm:,}",
        *(f"{name.removesuffix('_ms')}: {value}" for name, value in said.items()),
        *(f"guidelines: {line}" for line in guidelines.splitlines()),
    ]

"""Other terms for a campaign that is open, from a form or from options: what may change, and what would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonground.durations import duration_words, parse_duration
from coordinator.campaigns import require_campaign
from coordinator.life import changed_lines
from protocol.errors import ConfigError, StateError
from protocol.rows import Campaign
from protocol.state import State
from protos.gen import records_pb2 as pb

_WINDOWS = {
    "seal_wait": "seal_wait_ms",
    "commit_window": "commit_ms",
    "reveal_window": "reveal_ms",
}
_SIZES = {"round_items": "items_max", "seal_items": "seal_items"}
FIELDS = ("title", "guidelines", "price_ppm", *_SIZES, *_WINDOWS)
"""What may change, under the names that a draft has."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be logged, and what it would change, line by line as `diff -u` marks it."""

    record: pb.Change
    lines: list[str]


def terms_of(campaign: Campaign) -> dict[str, str]:
    """The present terms, as a form shows them."""
    rounds = campaign.rounds
    return {
        "title": campaign.title,
        "guidelines": campaign.guidelines,
        "price_ppm": str(campaign.price_ppm),
        **{name: str(getattr(rounds, field)) for name, field in _SIZES.items()},
        **{name: duration_words(getattr(rounds, field)) for name, field in _WINDOWS.items()},
    }


def change_of(state: State, campaign_id: str, fields: Mapping[str, str], serial: int) -> Change:
    """The change to these terms, of which none is missing. `serial` is the campaign's when they were shown: a
    campaign that has changed since is looked at again first.

    Raises:
        ConfigError: a field is no number or no duration, or nothing would change.
        StateError: the campaign has changed meanwhile.
    """
    campaign = require_campaign(state, campaign_id)
    if campaign.serial != serial:
        raise StateError("the campaign has changed meanwhile", "look at its terms again first")
    rounds = pb.RoundTerms(draws_max=campaign.rounds.draws_max)
    for name, field in _SIZES.items():
        setattr(rounds, field, number_in(fields, name))
    for name, field in _WINDOWS.items():
        setattr(rounds, field, parse_duration(fields.get(name, ""), name))
    record = pb.Change(
        network=state.network,
        campaign_id=campaign_id,
        title=fields.get("title", ""),
        guidelines=fields.get("guidelines", ""),
        price_ppm=number_in(fields, "price_ppm"),
        rounds=rounds,
        serial=serial,
    )
    lines = changed_lines(campaign, record)
    if not lines:
        raise ConfigError("that changes nothing", "say what is to be other than it is")
    return Change(record, lines)


def number_in(fields: Mapping[str, str], name: str) -> int:
    """A whole number that a form holds; raises ConfigError unless it is one that a record can have."""
    said = fields.get(name, "").strip()
    if not (said.isascii() and said.isdecimal() and len(said) <= 9):
        raise ConfigError(f"{name} is {said!r}, not a whole number", "write it with digits alone")
    return int(said)

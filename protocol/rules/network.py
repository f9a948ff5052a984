"""How the network is founded, who joins it, and what it asks for."""

from __future__ import annotations

from protocol.errors import Ignore
from protocol.limits import (
    ADDRESS_BYTES,
    AMOUNT_MICRO_MAX,
    CONTENT_BYTES_MAX,
    LABELS_MAX,
    LICENCES_MAX,
    NAME_CHARS_MAX,
    PPM,
    REVIEWERS_PER_ITEM_MAX,
    ROUNDS_MAX,
    TEXT_CHARS_MAX,
)
from protocol.money import payout
from protocol.review.fingerprints import DuplicateIndex
from protocol.rules.record import Record, is_name, require, require_hash
from protocol.state import Member, State
from protos.gen import records_pb2 as pb

# Inference holds a number for each answer and label, of up to 8,192 items drawn four times: 1 GiB.
ITEM_CELLS_MAX = 4_096


def validate_genesis(state: State, record: Record[pb.Genesis]) -> None:
    """The first entry, and no other."""
    require(state.size == 0, "a log has one genesis, its first entry")
    require_hash(record.body.network, "the network id")
    require(0 < len(record.body.name) <= NAME_CHARS_MAX, "the network needs a short name")
    policy = record.body.policy
    split = policy.contributors_ppm + policy.reviewers_ppm + policy.trainers_ppm
    require(split <= PPM, "the policy gives away more than the whole emission")
    require(0 < policy.epoch_emission_micro <= AMOUNT_MICRO_MAX, "the emission is out of range")
    require(PPM // 2 < policy.accept_ppm < PPM, "accept_ppm lies between one half and one")
    require(1 <= policy.rounds_max <= ROUNDS_MAX, f"rounds_max is 1 to {ROUNDS_MAX}")
    for name in (
        "rejection_penalty_ppm",
        "reputation_decay_ppm",
        "revenue_treasury_ppm",
        "royalty_ppm",
    ):
        require(getattr(policy, name) <= PPM, f"{name} is at most {PPM}")


def process_genesis(state: State, record: Record[pb.Genesis]) -> None:
    """Whoever signed the first entry operates the network."""
    state.network = record.body.network
    state.name = record.body.name
    state.operator = record.author
    state.policy.CopyFrom(record.body.policy)


def validate_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """A campaign says once and for all what it asks for."""
    campaign = record.body
    require(is_name(campaign.id), f"a campaign's id is a-z, 0-9 and -, at most {NAME_CHARS_MAX}")
    require(campaign.id not in state.campaigns, f"there is a campaign {campaign.id!r} already")
    require(len(campaign.title) <= TEXT_CHARS_MAX, "the title is too long")
    require(len(campaign.guidelines) <= TEXT_CHARS_MAX, "the guidelines are too long")
    require(2 <= len(campaign.labels) <= LABELS_MAX, f"a campaign has 2 to {LABELS_MAX} labels")
    _require_names("labels", campaign.labels)
    require(0 < len(campaign.licences) <= LICENCES_MAX, "a campaign names the licences it takes")
    _require_names("licences", campaign.licences)
    require(len(campaign.media_types) > 0, "a campaign names the media types it takes")
    _require_names("media types", campaign.media_types)
    require(
        1 <= campaign.reviewers_per_item <= REVIEWERS_PER_ITEM_MAX,
        f"reviewers per item: 1 to {REVIEWERS_PER_ITEM_MAX}",
    )
    require(
        len(campaign.labels) * campaign.reviewers_per_item <= ITEM_CELLS_MAX,
        f"labels times reviewers per item: at most {ITEM_CELLS_MAX}",
    )
    require(0 < campaign.price_ppm <= 1000 * PPM, "the price is above zero, at most a thousandfold")
    require(0 < campaign.item_bytes_max <= CONTENT_BYTES_MAX, "item_bytes_max is out of range")
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


def process_campaign(state: State, record: Record[pb.Campaign]) -> None:
    """Opens the campaign."""
    state.campaigns[record.body.id] = record.body
    state.indexes[record.body.id] = DuplicateIndex()


def validate_register(state: State, record: Record[pb.Register]) -> None:
    """A payout address is bound by two signatures; binding another later is allowed."""
    address = record.body.payout_address
    require(len(address) == ADDRESS_BYTES, "a payout address has 20 bytes")
    member = state.members.get(record.author)
    if member is not None and member.payout == address:
        raise Ignore("this identity has registered this address already")
    payout.verify_binding(state.network, record.author, address, record.body.payout_signature)


def process_register(state: State, record: Record[pb.Register]) -> None:
    """Joins, or changes the address; whatever was earned stays with the identity."""
    member = state.members.get(record.author)
    if member is None:
        state.members[record.author] = Member(record.body.payout_address, record.index)
    else:
        member.payout = record.body.payout_address


def _require_names(what: str, names: object) -> None:
    listed = list(names)  # type: ignore[call-overload]
    require(len(set(listed)) == len(listed), f"the {what} repeat themselves")
    require(
        all(0 < len(n) <= NAME_CHARS_MAX for n in listed), f"one of the {what} is empty or long"
    )

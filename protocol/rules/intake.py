"""Submissions: one signature over a batch of items."""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import DecodeError

from protocol.errors import Reject
from protocol.limits import BATCH_LEAVES_MAX, HASH_BYTES, LINEAGE_MAX, NAME_CHARS_MAX
from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protocol.review.fingerprints import validate_fingerprint
from protocol.rules.record import Record, require, require_member
from protocol.state import ItemId, ItemState, State
from protos.gen import records_pb2 as pb


def validate_submission(state: State, record: Record[pb.Submission]) -> None:
    """Every item fits the campaign; one bad item rejects the batch, so that nothing is half in."""
    require_member(state, record.author)
    campaign = state.campaigns.get(record.body.campaign_id)
    if campaign is None:
        raise Reject(f"there is no campaign {record.body.campaign_id!r}")
    require(
        0 < len(record.leaves) <= BATCH_LEAVES_MAX, f"a batch has 1 to {BATCH_LEAVES_MAX} items"
    )
    seen: set[ItemId] = set()
    licences, media_types = set(campaign.licences), set(campaign.media_types)
    for position, (item_id, leaf) in enumerate(zip(item_ids(record), record.leaves, strict=True)):
        try:
            require(item_id not in seen and item_id not in state.items, "it was submitted already")
            if position in record.erased:
                continue  # whoever was there when it came has checked it
            _validate_item(_parse_item(leaf), campaign, licences, media_types)
        except Reject as error:
            raise Reject(f"item {position + 1} of {len(record.leaves)}: {error}") from None
        finally:
            seen.add(item_id)


def process_submission(state: State, record: Record[pb.Submission]) -> None:
    """The items wait for the next draw."""
    for item_id, leaf in zip(item_ids(record), record.leaves, strict=True):
        state.items[item_id] = ItemState(record.author, record.body.campaign_id, record.index, leaf)
        state.pending.append(item_id)
    state.unexplained.update(record.erased.values())


def item_ids(record: Record[pb.Submission]) -> list[ItemId]:
    """The ids of a submission's items, erased ones too."""
    return [record.erased.get(at) or hash_leaf(leaf) for at, leaf in enumerate(record.leaves)]


def validate_openings(
    state: State, record: Record[pb.Submission], openings: Mapping[ItemId, tuple[bytes, int]]
) -> None:
    """The coordinator holds each label sealed until the verdict; it takes none that it could not open.

    `openings` maps item ids to (salt, label index). This check is the coordinator's own: the openings
    are not in the log, so a replay makes it later, with the verdict.
    """
    labels = len(state.campaigns[record.body.campaign_id].labels)
    require(len(openings) == len(record.leaves), "each item needs the opening of its label")
    for position, leaf in enumerate(record.leaves):
        opening = openings.get(hash_leaf(leaf))
        where = f"item {position + 1} of {len(record.leaves)}"
        if opening is None:
            raise Reject(f"{where}: its label is not opened to the coordinator")
        salt, label = opening
        require(label < labels, f"{where}: its label is outside the campaign's {labels} labels")
        committed = pb.Item.FromString(leaf).label_commitment
        require(
            commitments.label_commitment(salt, label) == committed,
            f"{where}: the opening does not match the label commitment",
        )


def _parse_item(leaf: bytes) -> pb.Item:
    try:
        return pb.Item.FromString(leaf)
    except DecodeError:
        raise Reject("it is not a protobuf Item") from None


def _validate_item(
    item: pb.Item, campaign: pb.Campaign, licences: set[str], media_types: set[str]
) -> None:
    require(len(item.content_commitment) == HASH_BYTES, "its content commitment is malformed")
    require(len(item.label_commitment) == HASH_BYTES, "its label commitment is malformed")
    require(
        0 < item.size <= campaign.item_bytes_max, f"its size is not 1 to {campaign.item_bytes_max}"
    )
    require(
        item.media_type in media_types, f"the campaign takes no {item.media_type or 'unnamed type'}"
    )
    require(item.licence != "", "it carries no licence")
    require(item.licence in licences, f"licence {item.licence!r} is not among the campaign's")
    require(item.consent.train, "its author does not consent to training")
    if campaign.privacy == pb.PRIVACY_OPEN:
        require(item.consent.redistribute, "an open campaign needs consent to redistribution")
    require(
        item.origin in pb.Origin.values() and item.origin != pb.ORIGIN_UNSPECIFIED,
        "it does not say how it was made",
    )
    if item.origin in (pb.ORIGIN_AGENT, pb.ORIGIN_SYNTHETIC):
        require(item.generator != "", "a generated item names its generator")
    require(len(item.generator) <= NAME_CHARS_MAX, "its generator's name is too long")
    require(len(item.transformation) <= NAME_CHARS_MAX, "its transformation is too long")
    require(len(item.derived_from) <= LINEAGE_MAX, f"it derives from over {LINEAGE_MAX} items")
    require(all(len(i) == HASH_BYTES for i in item.derived_from), "its lineage is malformed")
    if campaign.privacy == pb.PRIVACY_OPEN:
        validate_fingerprint(item.fingerprint)
    else:
        require(
            item.fingerprint == b"", "a fingerprint shows content; only open campaigns take one"
        )

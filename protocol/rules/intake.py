"""Submissions: one signature over a batch of items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from protocol.errors import Reject
from protocol.lifecycle import CampaignStatus
from protocol.limits import HASH_BYTES, LINEAGE_MAX, NAME_CHARS_MAX
from protocol.log import commitments
from protocol.media import MEDIA
from protocol.review.copies import fingerprinted
from protocol.review.fingerprints import KIND_OF, validate_fingerprint
from protocol.rows import Campaign, Description, Item, ItemId, PartTerms
from protocol.rules.admission import count_submitted, require_quota
from protocol.rules.items import item_count, read_items
from protocol.rules.record import Record, campaign_of, require, require_member, require_not_closed
from protocol.state import ITSELF, State
from protocol.tasks.question import question_of
from protocol.text import check_name, check_text
from protos.gen import records_pb2 as pb

_ORIGINS: Final = frozenset(pb.Origin.values()) - {pb.ORIGIN_UNSPECIFIED}


def validate_submission(state: State, record: Record[pb.Submission]) -> None:
    """Every item fits the campaign; one bad item rejects the batch, so that nothing is half in."""
    require_member(state, record.author)
    campaign = campaign_of(state, record.body.campaign_id)
    # An erased leaf is met in a replay alone, where the campaign was open when it came.
    require_not_closed(campaign)
    require(
        campaign.status is not CampaignStatus.PAUSED,
        f"campaign {campaign.id!r} is paused and takes no submissions",
        "try again when its operator has resumed it: `commonhold node campaigns` says so",
    )
    items = read_items(record)
    require_quota(state, record.author, len(items))
    seen: set[ItemId] = set()
    terms, compared = {each.name: each for each in campaign.parts}, fingerprinted(campaign)
    for position, given in enumerate(items):
        try:
            fresh = given.item_id not in seen and given.item_id not in state.items
            require(fresh, "it was submitted already")
            # Of an erased leaf: whoever was there when it came has checked it.
            if given.leaf is not None:
                _check_item(given.leaf, campaign)
                for part in (*given.leaf.parts, *(part for _, part in given.parts)):
                    _check_part(part, terms[part.name], compared=part.name in compared)
        except Reject as error:
            where = f"item {position + 1} of {len(items)}"
            raise Reject(f"{where}: {error}", error.advice) from None
        seen.add(given.item_id)


def process_submission(state: State, record: Record[pb.Submission]) -> None:
    """The items wait for the next round, each author's in a queue of its own."""
    campaign, author = state.campaigns[record.body.campaign_id], record.author
    items = read_items(record)
    count_submitted(state, author, len(items))
    for position, given in enumerate(items):
        item_id, leaf = given.item_id, given.leaf
        described = None if leaf is None else Description.of(leaf, given.parts, campaign)
        item = Item(
            author,
            campaign.id,
            record.index,
            position,
            described,
            state.tickets,
            revision=campaign.revision,
        )
        state.items.put(item_id, item)
        enqueue(state, item_id, item)
        state.tickets += 1
        for name in (ITSELF,) if leaf is None else given.erased_parts:
            state.unexplained.put((item_id, name), record.index)
        if leaf is not None and campaign.is_open:
            prints = tuple((part.name, part.fingerprint) for part in leaf.parts)
            state.copies[campaign.id].add(item_id, prints)


def enqueue(state: State, item_id: ItemId, item: Item) -> None:
    """The item waits, at the place in its author's queue that its ticket says."""
    queue = (item.campaign_id, item.author)
    state.waiting.put((queue, item.ticket), item_id)
    state.queues.put(queue, min(item.ticket, state.queues.get(queue, item.ticket)))


def dequeue(state: State, items: Iterable[Item]) -> None:
    """The items do not wait any more."""
    queues = set()
    for item in items:
        queue = (item.campaign_id, item.author)
        state.waiting.remove((queue, item.ticket))
        queues.add(queue)
    # Once for each queue, however many items leave it: a scan sorts.
    for queue in queues:
        first = next(state.waiting.scan(queue), None)
        if first is None:
            state.queues.remove(queue)
        else:
            (_, ticket), _ = first
            state.queues.put(queue, ticket)


def validate_openings(
    state: State, record: Record[pb.Submission], openings: Mapping[ItemId, tuple[bytes, bytes]]
) -> None:
    """The coordinator holds each proposal sealed until the verdict; it takes none that it could not open.

    `openings` maps item ids to (salt, answer). This check is the coordinator's own: the openings
    are not in the log, so a replay makes it later, with the verdict.
    """
    question = question_of(campaign_of(state, record.body.campaign_id))
    proposed = {
        item_id: item.proposal_commitment
        for item_id, item in zip(record.hashes, record.leaves[: item_count(record)], strict=False)
        if item.proposal_commitment
    }
    require(
        openings.keys() == proposed.keys(),
        "each proposal is opened to the coordinator, and nothing else",
    )
    for position, item_id in enumerate(record.hashes):
        if item_id not in proposed:
            continue
        salt, answer = openings[item_id]
        where = f"item {position + 1} of {item_count(record)}"
        try:
            question.kind.check_answer(question.spec, answer)
        except Reject as error:
            raise Reject(f"{where}: its proposal: {error}", error.advice) from None
        require(
            commitments.proposal_commitment(salt, answer) == proposed[item_id],
            f"{where}: the opening does not match the commitment to its proposal",
        )


def _check_item(item: pb.Item, campaign: Campaign) -> None:
    _check_names(item, campaign)
    _check_proposal(item, campaign)
    require(item.licence != "", "it carries no licence")
    require(
        item.licence in campaign.licences,
        f"licence {item.licence!r} is not among the campaign's",
        f"it takes {', '.join(campaign.licences)}",
    )
    require(item.consent.train, "its author does not consent to training")
    if campaign.is_open:
        require(item.consent.redistribute, "an open campaign needs consent to redistribution")
    require(
        item.origin in _ORIGINS,
        "it does not say how it was made",
    )
    if item.origin in (pb.ORIGIN_AGENT, pb.ORIGIN_SYNTHETIC):
        require(item.generator != "", "a generated item names its generator")
    for text, what in (
        (item.generator, "its generator's name"),
        (item.transformation, "its transformation"),
    ):
        if text:
            check_text(text, what, NAME_CHARS_MAX)
    require(len(item.derived_from) <= LINEAGE_MAX, f"it derives from over {LINEAGE_MAX} items")
    require(all(len(i) == HASH_BYTES for i in item.derived_from), "its lineage is malformed")
    require(len(set(item.derived_from)) == len(item.derived_from), "it derives from an item twice")


def _check_names(item: pb.Item, campaign: Campaign) -> None:
    """Each part is one that the campaign asks for, once, in its order and in its place; none is missing."""
    inside, beside = [part.name for part in item.parts], [part.name for part in item.optional]
    if not beside and inside == [each.name for each in campaign.parts if not each.optional]:
        return  # nearly every item has all that is required, in its order, and no more
    terms, names = {each.name: each for each in campaign.parts}, [*inside, *beside]
    wanted = f"an item of {campaign.id} has: {', '.join(terms)}"
    for name in names:
        require(
            name in terms, f"it has a part {name!r}, which the campaign does not ask for", wanted
        )
    require(len(set(names)) == len(names), "it has a part twice", wanted)
    missing = [each.name for each in campaign.parts if not each.optional and each.name not in names]
    require(not missing, f"it has no {' and no '.join(missing)}", wanted)
    for name in inside:
        require(not terms[name].optional, f"its {name} can go alone: it has a leaf of its own")
    for name in beside:
        require(
            terms[name].optional, f"its {name} goes with the item only: it has no leaf of its own"
        )
    for some in (inside, beside):
        in_order = [name for name in terms if name in some]
        require(some == in_order, "its parts are out of order", wanted)


def _check_part(part: pb.Part, terms: PartTerms, *, compared: bool) -> None:
    require(len(part.commitment) == HASH_BYTES, f"{part.name}: its commitment is malformed")
    require(
        0 < part.size <= terms.bytes_max,
        f"{part.name}: it has {part.size} bytes; the campaign takes 1 to {terms.bytes_max}",
    )
    require(
        part.media_type in terms.media_types,
        f"{part.name}: the campaign takes no {part.media_type or 'unnamed type'}",
        f"it takes {', '.join(terms.media_types)}",
    )
    if part.source:
        check_name(part.source, f"{part.name}: its source")
    if not compared:
        require(
            part.fingerprint == b"",
            f"{part.name}: a fingerprint shows content, and copies are not told by this part",
            "fingerprints are of what every item of an open campaign has",
        )
        return
    validate_fingerprint(part.fingerprint)
    require(
        part.fingerprint[0] == KIND_OF[MEDIA[part.media_type].shown],
        f"{part.name}: its fingerprint is not of the kind that {part.media_type} has",
    )


def _check_proposal(item: pb.Item, campaign: Campaign) -> None:
    size = len(item.proposal_commitment)
    if campaign.proposal == pb.PROPOSAL_NOT_TAKEN:
        require(size == 0, "the campaign takes no proposed answer")
    elif campaign.proposal == pb.PROPOSAL_REQUIRED or size:
        require(size == HASH_BYTES, "the campaign wants a proposed answer, committed to")

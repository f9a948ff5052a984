"""Withdrawing consent: which items are meant, what follows from it, and the signed records of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.keys import NodeKeys
from node.rows import ITEM_REFUSED, Outgoing
from node.store import Store
from protocol.errors import ConfigError
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.limits import HASH_BYTES, WITHDRAWN_ITEMS_MAX
from protocol.rows import Item, ItemId
from protocol.rules.withdrawal import in_review
from protocol.state import ITSELF, State
from protos.gen import records_pb2 as pb

# Of an item id: few enough to type; a million items share none by chance, or it is said.
PREFIX_DIGITS_MIN: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the items that somebody wants to withdraw, or a part of."""

    now: tuple[ItemId, ...]
    reviewed: tuple[ItemId, ...]  # by reviewers, now: they have to wait for the verdict
    before: tuple[ItemId, ...]  # withdrawn already
    without: tuple[ItemId, ...] = ()  # never had the part that is meant


@dataclass(frozen=True, slots=True)
class Consequence:
    """What withdrawing them means for the items of one campaign."""

    campaign_id: str
    items: int
    accepted: int
    repays: bool  # as many of the author's next accepted items earn nothing


def find_item(store: Store, state: State, me: PersonId, digits: str) -> ItemId:
    """The item of ours whose id begins with these hexadecimal digits. Raises ConfigError."""
    prefix = digits.lower()
    if not PREFIX_DIGITS_MIN <= len(prefix) <= 2 * HASH_BYTES or set(prefix) - set(
        "0123456789abcdef"
    ):
        raise ConfigError(
            f"{digits!r} is not the beginning of an item id",
            f"give {PREFIX_DIGITS_MIN} to {2 * HASH_BYTES} hexadecimal digits",
        )
    found = {
        item_id: item for item_id, item in state.items.scan() if item_id.hex().startswith(prefix)
    }
    mine = [item_id for item_id, item in found.items() if item.author == me]
    if len(mine) > 1:
        raise ConfigError(f"{len(mine)} of your items begin with {digits}", "give more digits")
    if mine:
        return mine[0]
    if found:
        raise ConfigError(f"{digits} is not your item", "only its author can withdraw an item")
    raise _unknown(store, digits, prefix)


def _unknown(store: Store, digits: str, prefix: str) -> ConfigError:
    for row in store.items():
        if row.item_id.hex().startswith(prefix):
            if row.status == ITEM_REFUSED:
                return ConfigError(
                    f"the network refused {digits}: there is nothing to withdraw",
                    "nothing of it is in the log; delete your own file if you want to",
                )
            return ConfigError(
                f"{digits} is not in the log yet", "send it first: `commonhold node send`"
            )
    return ConfigError(
        f"there is no item {digits}",
        "your items are listed on your node's page: `commonhold node page`",
    )


def own_items(state: State, me: PersonId, campaign_id: str) -> list[ItemId]:
    """All that we ever submitted to a campaign, in that order. Raises ConfigError when there is none."""
    if campaign_id not in state.campaigns:
        known = ", ".join(name for name, _ in state.campaigns.scan()) or "none yet"
        raise ConfigError(f"there is no campaign {campaign_id!r}", f"known are: {known}")
    found = [
        (item.place, item_id)
        for item_id, item in state.items.scan()
        if item.author == me and item.campaign_id == campaign_id
    ]
    return [item_id for _, item_id in sorted(found)]


def make_plan(state: State, item_ids: Sequence[ItemId], part: str = ITSELF) -> Plan:
    """Sorts items, each once, by what can be done now. Raises ConfigError for a part that cannot go alone."""
    now: list[ItemId] = []
    reviewed: list[ItemId] = []
    before: list[ItemId] = []
    without: list[ItemId] = []
    for item_id in dict.fromkeys(item_ids):
        item = state.items[item_id]
        if part != ITSELF:
            _require_optional(state, item, part)
        if item.status is ItemStatus.WITHDRAWN or part in item.taken_back:
            before.append(item_id)
        elif part != ITSELF and part not in {each.name for each in item.described().parts}:
            without.append(item_id)
        elif in_review(state, item_id, item):
            reviewed.append(item_id)
        else:
            now.append(item_id)
    return Plan(tuple(now), tuple(reviewed), tuple(before), tuple(without))


def parts_alone(state: State, item_id: ItemId) -> list[str]:
    """The parts of an item that can be withdrawn without it, if it is not being reviewed."""
    item = state.items[item_id]
    return [part.name for part in item.description.parts if part.leaf] if item.description else []


def _require_optional(state: State, item: Item, name: str) -> None:
    parts = {part.name: part.optional for part in state.campaigns[item.campaign_id].parts}
    if parts.get(name):
        return
    alone = ", ".join(part for part, optional in parts.items() if optional) or "none"
    raise ConfigError(
        f"items of {item.campaign_id} have no part {name!r}"
        if name not in parts
        else f"{item.campaign_id} requires the part {name!r} of every item",
        f"parts that can be withdrawn alone: {alone}; otherwise withdraw the item",
    )


def rounds_of(state: State, item_ids: Sequence[ItemId]) -> str:
    """The rounds in which these items are reviewed, in words: whose verdict has to be waited for."""
    names = sorted({state.items[item_id].campaign_id for item_id in item_ids})
    return " and ".join(f"round {state.round_of(name).number} of {name}" for name in names)


def consequences(state: State, item_ids: Sequence[ItemId]) -> list[Consequence]:
    """For each campaign, what its terms make of shares that these items have earned."""
    items = [state.items[item_id] for item_id in item_ids]
    counts = Counter(item.campaign_id for item in items)
    accepted = Counter(i.campaign_id for i in items if i.status is ItemStatus.ACCEPTED)
    return [
        Consequence(
            campaign_id,
            count,
            accepted[campaign_id],
            state.campaigns[campaign_id].withdrawal == pb.WITHDRAWAL_REPAYS,
        )
        for campaign_id, count in sorted(counts.items())
    ]


def snapshots_with(state: State, item_ids: Sequence[ItemId]) -> int:
    """How many datasets hold some of these items, and can no longer be licensed without them."""
    return len({digest for item_id in item_ids for digest in state.items[item_id].snapshots})


def enqueue_withdrawal(
    store: Store, keys: NodeKeys, network: bytes, item_ids: Sequence[ItemId], part: str = ITSELF
) -> list[bytes]:
    """Queues the signed records; gives their digests. Nothing is erased before the log has them.

    A record that was refused before, since its items were being reviewed, is sent once more.
    """
    digests = []
    with store.transaction():
        for at in range(0, len(item_ids), WITHDRAWN_ITEMS_MAX):
            some = item_ids[at : at + WITHDRAWN_ITEMS_MAX]
            body = pb.Withdraw(network=network, item_ids=some, part=part)
            outgoing = Outgoing("withdraw", keys.seal("withdraw", body))
            if not store.enqueue(outgoing):
                store.requeue(outgoing.digest)
            digests.append(outgoing.digest)
    return digests

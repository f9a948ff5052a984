"""What `status`, `statement` and `campaigns` show: first as data (for --json), then as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from commonhold.cli.node_home import asset_name, is_running
from commonhold.cli.output import micro, table
from node.config import NodeConfig, NodeDirectory
from node.follower import Follower
from node.keys import NodeKeys
from node.statement import Balance, StatementLine, explain, read_balances, read_statement
from node.store import Store
from node.submission import refresh_items
from protocol.errors import StateError
from protocol.identity import Identity, peer_id_of
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

# Commands that only show something do not ask for a passphrase: the public names are kept apart.
_IDENTITY = "identity"
_PAYOUT = "payout_address"
REFUSED_SHOWN = 5


def remember_names(store: Store, keys: NodeKeys) -> None:
    """Keeps the public names where they can be read without the keys."""
    with store.transaction():
        store.set_meta(_IDENTITY, keys.identity)
        store.set_meta(_PAYOUT, keys.payout_address)


def identity_of_node(store: Store) -> Identity:
    """Who this node is."""
    identity = store.meta(_IDENTITY)
    if identity is None:
        raise StateError("this node has no name yet", "run `commonhold node init`")
    return Identity(identity)


def status(
    home: NodeDirectory, config: NodeConfig, store: Store, follower: Follower, connection: str
) -> dict[str, Any]:
    """Everything that `status` says."""
    state = follower.state
    identity = identity_of_node(store)
    refresh_items(store, state)
    member = state.members.get(identity)
    balances = read_balances(store, state, read_statement(store, identity))
    return {
        "peer_id": peer_id_of(identity),
        "payout_address": "0x" + (store.meta(_PAYOUT) or b"").hex(),
        "network": config.link.name,
        "coordinator": f"{config.link.host}:{config.link.port}",
        "connection": connection,
        "running": is_running(home),
        "registered": member is not None,
        "standing_by": member is not None and bool(member.standby),
        "log_entries": follower.size,
        "epoch": state.epoch.number,
        "phase": state.epoch.phase.name.lower(),
        "items": store.item_counts(),
        "outbox": store.outbox_counts(),
        "refused": [
            {"kind": row.outgoing.kind, "reason": row.last_error}
            for row in store.refused(REFUSED_SHOWN)
        ],
        "earnings": [_balance(each) for each in balances],
        "alarms": [alarm.message for alarm in store.alarms()],
    }


def status_text(data: dict[str, Any]) -> str:
    """`status` for people."""
    lines = [f"ALARM: {message}" for message in data["alarms"]]
    lines += [
        f"you         {data['peer_id']}",
        f"paid at     {data['payout_address']}",
        f"network     {data['network']} at {data['coordinator']}"
        f" ({'registered' if data['registered'] else 'not registered yet'})",
        f"connection  {data['connection']}",
        f"node        {'running' if data['running'] else 'not running'}"
        f"{', standing by to review' if data['standing_by'] else ''}",
        f"log         {data['log_entries']:,} entries; epoch {data['epoch']}, {data['phase']}",
        f"items       {counts_text(data['items']) or 'none'}",
        f"outbox      {counts_text(data['outbox']) or 'empty'}",
    ]
    lines += [f"refused     {each['kind']}: {each['reason']}" for each in data["refused"]]
    lines += [
        f"earned      {_amount_text(each['asset'], each['earned'])} {each['asset']},"
        f" {_amount_text(each['asset'], each['claimable'])} to claim"
        for each in data["earnings"]
    ]
    return "\n".join(lines)


def statement(store: Store, state: State, epoch: int | None) -> dict[str, Any]:
    """The lines of this node with their proofs, and what became of each asset."""
    identity = identity_of_node(store)
    every = read_statement(store, identity)
    shown = [line for line in every if epoch is None or line.epoch == epoch]
    if epoch is not None and epoch > state.closed_epoch:
        raise StateError(f"epoch {epoch} is not closed", "see `commonhold node status`")
    return {
        "peer_id": peer_id_of(identity),
        "lines": [_line(each) for each in shown],
        "balances": [_balance(each) for each in read_balances(store, state, every)],
    }


def statement_tables(data: dict[str, Any]) -> list[Table | str]:
    """`statement` for people."""
    if not data["lines"]:
        return ["Nothing earned yet. Epochs are paid when they close."]
    lines = [
        [each["epoch"], _amount_text(each["asset"], each["amount"]), each["asset"], each["why"]]
        for each in data["lines"]
    ]
    balances = [
        [each["asset"], *(_amount_text(each["asset"], each[name]) for name in _COLUMNS)]
        for each in data["balances"]
    ]
    return [
        table("What you earned, and why", ["epoch", "amount", "asset", "why"], lines),
        table("Where it is", ["asset", *_COLUMNS], balances),
    ]


_COLUMNS = ("earned", "published", "claimed", "claimable")


def campaigns(state: State) -> dict[str, Any]:
    """What the network asks for."""
    return {
        "campaigns": [
            {
                "id": each.id,
                "title": each.title,
                "guidelines": each.guidelines,
                "labels": list(each.labels),
                "licences": list(each.licences),
                "media_types": list(each.media_types),
                "reviewers_per_item": each.reviewers_per_item,
                "price_ppm": each.price_ppm,
                "item_bytes_max": each.item_bytes_max,
                "published": each.privacy == pb.PRIVACY_OPEN,
            }
            for each in state.campaigns.values()
        ]
    }


def campaigns_table(data: dict[str, Any]) -> Table | str:
    """`campaigns` for people."""
    if not data["campaigns"]:
        return "The network has no campaign yet."
    rows = [
        [
            each["id"],
            each["title"],
            ", ".join(each["labels"]),
            ", ".join(each["licences"]),
            ", ".join(each["media_types"]),
            f"{each['price_ppm'] / 1_000_000:g}",
            "published" if each["published"] else "reviewers only",
        ]
        for each in data["campaigns"]
    ]
    columns = ["id", "title", "labels", "licences", "media types", "price", "content"]
    return table("Campaigns", columns, rows)


def counts_text(counts: Mapping[Any, int]) -> str:
    """48 accepted, 2 rejected."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _line(each: StatementLine) -> dict[str, Any]:
    return {
        "epoch": each.epoch,
        "role": pb.Role.Name(each.line.role).removeprefix("ROLE_").lower(),
        "campaign": each.line.campaign_id,
        "job": each.line.job_id,
        "licence": each.line.licence_id,
        "asset": asset_name(each.line.asset),
        "amount": each.amount,
        "why": explain(each),
        "proof": {
            "entry_index": each.entry_index,
            "leaf_index": each.leaf_index,
            "leaf": each.leaf,
            "leaves": each.leaves,
            "root": each.root,
            "hashes": list(each.proof),
        },
    }


def _balance(each: Balance) -> dict[str, Any]:
    return {
        "asset": asset_name(each.asset),
        "earned": each.earned,
        "published": each.published,
        "claimed": each.claimed,
        "claimable": each.claimable,
    }


def _amount_text(asset: str, amount: int) -> str:
    return micro(amount) if asset == asset_name(SHARES) else f"{amount:,}"

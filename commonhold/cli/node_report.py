"""What `status`, `statement` and `campaigns` show: first as data (for --json), then as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

from commonground.addresses import now_ms
from commonground.counting import plural
from commonground.escaping import in_shell
from commonhold.cli.bond_report import bond_data, bond_text
from commonhold.cli.move_report import move_data, move_text
from commonhold.cli.node_home import asset_name, is_running
from commonhold.cli.output import micro, table
from node.alarms import path_of
from node.chainwatch import chain_words, restart_words
from node.clocks import clock_warning
from node.config import NodeConfig, NodeDirectory
from node.follower import Follower
from node.items import count_items, refresh_items, taken_down
from node.keys import NodeKeys
from node.quota import may_submit
from node.reach import reach_words, was_reached
from node.registration import register_advice, why_not_joined
from node.statement import (
    Balance,
    StatementLine,
    decided_items,
    explain,
    explain_item,
    read_balances,
    read_statement,
)
from node.store import Store
from node.twin import twin_warning
from protocol.coin.witnesses import Diligence
from protocol.errors import StateError
from protocol.identity import KeyId, PersonId, name_of, peer_id_of
from protocol.lifecycle import DealingPhase
from protocol.rules.people import keys_of
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

# Commands that only show something do not ask for a passphrase: the public names are kept apart.
_PERSON = "person"
_KEY = "key"
_PAYOUT = "payout_address"
REFUSED_SHOWN = 5
ITEM_DIGITS = 12  # enough to name an item to `node contest` and others


def remember_names(store: Store, keys: NodeKeys) -> None:
    """Keeps the public names where they can be read without the keys."""
    with store.transaction():
        store.set_meta(_PERSON, keys.person)
        store.set_meta(_KEY, keys.key)
        store.set_meta(_PAYOUT, keys.payout_address if keys.payout_key else b"")


def person_of_node(store: Store) -> PersonId:
    """Whose node this is."""
    person = store.meta(_PERSON)
    if person is None:
        raise StateError(
            "this node has no name yet",
            "run `commonhold node init`; on a further machine of yours, `commonhold node join`",
        )
    return PersonId(person)


def status(
    home: NodeDirectory, config: NodeConfig, store: Store, follower: Follower, connection: str
) -> dict[str, Any]:
    """Everything that `status` says."""
    state = follower.state
    person, key = person_of_node(store), KeyId(store.meta(_KEY) or b"")
    refresh_items(store, state)
    balances = read_balances(store, state, read_statement(store, person))
    running, deployed = is_running(home), state.deployment is not None
    member = state.members.get(person)
    account = store.meta(_PAYOUT) or b""
    payout = member.payout if member is not None else account
    return {
        "person": name_of(person),
        "peer_id": peer_id_of(key),
        "payout_address": "0x" + payout.hex(),
        "account": "0x" + account.hex() if account else None,
        "keys": [
            {"peer_id": peer_id_of(each), "since_entry": index, "here": each == key}
            for each, index in keys_of(state, person)
        ],
        "network": config.link.name,
        "coordinator": f"{config.link.host}:{config.link.port}",
        "connection": connection,
        "running": running,
        "registered": key in state.keys,
        "not_registered": "" if key in state.keys else why_not_joined(store),
        "how_to_register": "" if key in state.keys else register_advice(state),
        "may_submit": may_submit(store, state, person) if follower.size else None,
        "bond": bond_data(state, person, account or payout),
        "standing_by": [
            name for name, _ in state.campaigns.scan() if (name, person) in state.standbys
        ],
        "witness": _witness(state, person, key) if state.size else None,
        "log_entries": follower.size,
        "epoch": state.epoch,
        "items": count_items(store, state, person),
        "taken_down": [
            {"item": item_id.hex(), "campaign": item.campaign_id, "why": explain_item(state, item)}
            for item_id, item in taken_down(state, person)
        ],
        "outbox": store.outbox_counts(),
        "refused": [
            {"kind": row.outgoing.kind, "reason": row.last_error}
            for row in store.refused(REFUSED_SHOWN)
        ],
        "earnings": [_balance(each) for each in balances],
        "alarms": [alarm.message for alarm in store.alarms()],
        "chain": (running and restart_words(store, config.rpc_url))
        or chain_words(store, config.rpc_url, deployed),
        "move": move_data(state, person),
        "alarm_files": [str(path_of(home.alarms, alarm)) for alarm in store.alarms()],
        "clock": clock_warning(store, now_ms()),
        "twin": twin_warning(store, now_ms()),
        "reach": {
            "reached": was_reached(store, now_ms()),
            "words": reach_words(store, now_ms()),
        },
    }


def _witness(state: State, person: PersonId, key: KeyId) -> dict[str, Any] | None:
    """What this machine does for the coin that draws reviewers; None where it does nothing."""
    tosses = state.coin.place_of(key) is not None
    proposal, known = state.proposal, state.diligence.get(person, Diligence())
    proposed = proposal is not None and key in proposal.keys
    if not (tosses or proposed):
        return None
    asked = proposal is not None and proposal.phase is DealingPhase.PROPOSED
    return {
        "tosses": tosses,
        "proposed": proposed,
        "assent_wanted": proposal is not None and asked and tosses and key not in proposal.assents,
        "given": known.given,
        "missed": known.missed,
    }


def _witness_text(data: dict[str, Any]) -> str:
    said = ["proposed to toss it"] if data["proposed"] else []
    if data["tosses"]:
        said.insert(0, f"you toss it: {data['given']} given, {data['missed']} missed")
    if data["assent_wanted"]:
        said.append("others are proposed, see `commonhold node assent`")
    return "; ".join(said)


def status_text(data: dict[str, Any]) -> list[str]:
    """`status` for people."""
    standing = ", ".join(data["standing_by"])
    lines = [f"ALARM: {message}" for message in data["alarms"]]
    lines += [
        f"show others: commonhold verify --alarm {in_shell(file)}" for file in data["alarm_files"]
    ]
    lines += [f"CLOCK: {data['clock']}"] if data["clock"] else []
    lines += [f"KEY: {data['twin']}"] if data["twin"] else []
    lines += [
        f"you         {data['person']}",
        f"this node   {data['peer_id']}",
        *(f"signs       {_key_text(each)}" for each in data["keys"]),
        f"paid at     {data['payout_address']}",
        *_account_text(data),
        f"network     {data['network']} at {data['coordinator']}"
        f" ({'registered' if data['registered'] else 'not registered yet'})",
        *_refused_text(data["not_registered"], data["how_to_register"]),
        f"connection  {data['connection']}",
        f"node        {'running' if data['running'] else 'not running'}",
        f"outside     {data['reach']['words']}",
        f"chain       {data['chain']}",
        *move_text(data["move"]),
        f"reviews     {f'standing by for {standing}' if standing else 'standing by for nothing'}",
        f"log         {plural(data['log_entries'], 'entry', 'entries')}; epoch {data['epoch']}",
        f"items       {counts_text(data['items']) or 'none'}",
        *(f"            {each['item'][:12]}: {each['why']}" for each in data["taken_down"]),
        *_quota_text(data["may_submit"]),
        *bond_text(data["bond"]),
        f"outbox      {counts_text(data['outbox']) or 'empty'}",
    ]
    if data["witness"] is not None:
        lines.append(f"coin        {_witness_text(data['witness'])}")
    said = "register" if data["not_registered"] else ""  # above
    lines += [
        f"refused     {each['kind']}: {each['reason']}"
        for each in data["refused"]
        if each["kind"] != said
    ]
    lines += [
        f"earned      {_amount_text(each['asset'], each['earned'])} {each['asset']},"
        f" {_amount_text(each['asset'], each['claimable'])} to claim"
        for each in data["earnings"]
    ]
    return lines


def _account_text(data: dict[str, Any]) -> list[str]:
    """Whose ether is spent, where that is not where one is paid."""
    if data["account"] in (None, data["payout_address"]):
        return []
    return [f"gas from    {data['account']}, this node's own account"]


def _refused_text(reason: str, advice: str) -> list[str]:
    return [f"not taken   {reason}", f"next        {advice}"] if reason else []


def _quota_text(items: int | None) -> list[str]:
    return [] if items is None else [f"quota       you may submit {items:,} more in this epoch"]


def _key_text(each: dict[str, Any]) -> str:
    here = "this machine" if each["here"] else each["peer_id"]
    return f"{here}, since entry {each['since_entry']:,}"


def statement(
    store: Store, state: State, epoch: int | None, with_items: bool = False
) -> dict[str, Any]:
    """The lines of this person with their proofs, what became of each asset, and on demand what was
    decided of each item."""
    person = person_of_node(store)
    if epoch is not None and epoch > state.closed_epoch:
        raise StateError(f"epoch {epoch} is not closed", "see `commonhold node status`")
    every = read_statement(store, person)
    shown = [line for line in every if epoch is None or line.epoch == epoch]
    data = {
        "person": name_of(person),
        "epoch": epoch,
        "closed_epoch": state.closed_epoch,
        "lines": [_line(each) for each in shown],
        "balances": [_balance(each) for each in read_balances(store, state, every)],
    }
    contested = [
        (row, item) for row, item in decided_items(store, state) if item.before is not None
    ]
    data["contests"] = [
        {"item": row.item_id.hex(), "name": row.name, "why": explain_item(state, item)}
        for row, item in contested
    ]
    if with_items:
        data["items"] = [
            {
                "item": row.item_id.hex(),
                "name": row.name,
                "campaign": row.campaign_id,
                "epoch": item.decided_in,
                "status": item.status.name.lower(),
                "why": explain_item(state, item),
                "revision": item.revision,
            }
            for row, item in decided_items(store, state, epoch)
        ]
    return data


def statement_tables(data: dict[str, Any]) -> list[Table | str]:
    """`statement` for people."""
    lines = [
        [each["epoch"], _amount_text(each["asset"], each["amount"]), each["asset"], each["why"]]
        for each in data["lines"]
    ]
    balances = [
        [each["asset"], *(_amount_text(each["asset"], each[name]) for name in _COLUMNS)]
        for each in data["balances"]
    ]
    shown: list[Table | str] = [_nothing(data)]
    if lines:
        title = "What you earned, and why"
        shown = [table(title, ["epoch", "amount", "asset", "why"], lines)]
        if not any(each["amount"] for each in data["lines"]):
            shown.append(_UNPAID)
    if balances:
        shown.append(table("Where it is", ["asset", *_COLUMNS], balances))
    if "items" not in data:  # which has them, too
        shown += [
            f"contest: {each['name']} ({each['item'][:ITEM_DIGITS]}): {each['why']}"
            for each in data["contests"]
        ]
    if items := data.get("items"):
        columns = ["epoch", "item", "id", "campaign", "what"]
        rows = [
            [
                "-" if each["epoch"] is None else each["epoch"],
                each["name"],
                each["item"][:ITEM_DIGITS],
                each["campaign"],
                each["why"],
            ]
            for each in items
        ]
        shown.append(table("What was decided", columns, rows))
    return shown


def _nothing(data: dict[str, Any]) -> str:
    """Why a statement has no lines."""
    if data["epoch"] is not None:
        return f"You earned nothing in epoch {data['epoch']}."
    closed = data["closed_epoch"]
    so_far = f"{closed} closed so far" if closed else "none has closed so far"
    return f"Nothing earned yet. Epochs are paid when they close; {so_far}."


_UNPAID: Final = (
    "None of this was paid."
    " `commonhold node statement --items` says what was decided of each item, and why."
)
_COLUMNS = ("earned", "published", "claimed", "claimable")


def counts_text(counts: Mapping[Any, int]) -> str:
    """48 accepted, 2 rejected."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())


def _line(each: StatementLine) -> dict[str, Any]:
    return {
        "epoch": each.epoch,
        "role": pb.Role.Name(each.line.role).removeprefix("ROLE_").lower(),
        "campaign": each.line.campaign_id,
        "revision": each.line.revision,
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

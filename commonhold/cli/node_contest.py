"""`commonhold node contest`: an item that was called a copy, or paid in part, goes before another panel."""

from __future__ import annotations

import asyncio
from pathlib import Path

from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import deliver
from commonhold.cli.output import emit
from node.follower import Follower
from node.rows import OutboxState, Outgoing
from node.statement import contested_words
from node.trust import require_trust
from node.withdrawal import find_item
from protocol.errors import Ignore, Reject, StateError
from protocol.rows import Item
from protocol.rules.contesting import can_be_contested
from protos.gen import records_pb2 as pb


def contest(
    digits: str, *, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Contests what the item whose id begins so was said to be to an earlier one."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store:
        require_trust(store)
        follower = Follower(store, config.link)
        follower.replay()
        item_id = find_item(store, follower.state, keys.person, digits)
        item = follower.state.items[item_id]
        _require_contestable(item_id.hex()[:12], item)
        body = pb.Contest(network=follower.state.network, item_id=item_id)
        outgoing = Outgoing("contest", keys.seal("contest", body))
        if not store.enqueue(outgoing):
            store.requeue(outgoing.digest)
        asyncio.run(deliver(home, config, store, follower, quiet=as_json, reports="contest"))
        row = store.outbox_row(outgoing.digest)
        if row is not None and row.state in (OutboxState.REFUSED, OutboxState.POSTPONED):
            raise Reject(f"the network did not take it: {row.last_error}")
        data = {"item": item_id, "entry": None if row is None else row.receipt_index}
    emit(
        data,
        as_json,
        lambda: [
            f"You contest that {item_id.hex()[:12]} is {contested_words(item)}:"
            " it joins the next round of its campaign.",
            "Reviewers who have not seen it compare it with the earlier one; leave your node running.",
        ],
    )


def _require_contestable(name: str, item: Item) -> None:
    """As far as our replay has got: the network has the last word."""
    if item.contested:
        raise Ignore(f"{name} was contested already", "an item is contested once")
    if not can_be_contested(item):
        raise StateError(
            f"{name} is neither set aside as a copy nor paid in part: it is {item.status.name.lower()}",
            "only that can be contested",
        )

"""Whether the network is trusted: not while there is evidence of a lie that its owner has not accepted."""

from __future__ import annotations

from node.rows import AlarmKind, AlarmRow
from node.store import Store
from protocol.errors import Misbehaviour


def lies(store: Store) -> list[AlarmRow]:
    """The open alarms because of which nobody is trusted: all but those about the chain."""
    return [alarm for alarm in store.alarms() if alarm.kind not in AlarmKind.OF_THE_CHAIN]


def require_trust(store: Store) -> None:
    """Raises Misbehaviour while there is evidence of a lie that the owner has not acknowledged."""
    found = lies(store)
    if found:
        raise Misbehaviour(
            f"this network is not to be trusted: {found[0].message}",
            "see `commonhold node alarms`; with --acknowledge you go on at your own risk",
        )

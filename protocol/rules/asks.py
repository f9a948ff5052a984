"""What the log asks of the witnesses on chain now, one of each kind: put, kept while it can be answered, and
dropped.
"""

from __future__ import annotations

from protocol.errors import Ignore
from protocol.lifecycle import RootStatus
from protocol.money.moving import move_stands
from protocol.money.onchain import Ask
from protocol.money.settlement import Address
from protocol.state import State


def require_new_ask(state: State, kind: str, ask: Ask) -> None:
    """Raises Ignore where the witnesses are asked for as much already."""
    present = state.asks.get(kind)
    if present is not None and present.deadline_s >= ask.deadline_s:
        # An old record, played again, would only take its witnesses' word from the new one.
        raise Ignore("the witnesses are asked for this already, until then or later")


def put_ask(state: State, kind: str, ask: Ask) -> None:
    """From now on this is what they are asked; what a kind of record asked before is asked no longer."""
    drop_ask(state, kind)
    state.asks.put(kind, ask)


def signers_of(state: State, kind: str, ask: Ask) -> tuple[Address, ...]:
    """Whose answers count."""
    return state.past[ask.number].view.witnesses if kind == "retire" else state.onchain.witnesses


def drop_moot(state: State) -> None:
    """What witnesses are asked and the chain has answered, or would not take any more, is asked no longer."""
    for kind, ask in list(state.asks.scan()):
        if is_moot(state, kind, ask):
            drop_ask(state, kind)


def drop_ask(state: State, kind: str) -> None:
    """What a kind of record asks of the witnesses is asked no longer."""
    ask = state.asks.get(kind)
    if ask is not None:
        state.asks.remove(kind)
        state.attestations.clear(ask.digest)


def is_moot(state: State, kind: str, ask: Ask) -> bool:
    """Whether what the witnesses are asked is answered, or would not be taken any more."""
    view = state.onchain
    if kind == "retire" or ask.nonce != view.nonce:
        return kind != "retire"  # which is about a chain that nobody reads any more
    if kind == "settlement":
        # What witnesses answer is proof against those of them who signed another root.
        is_next = (ask.number, ask.attempt) == (view.posted + 1, view.attempt)
        return not is_next and not _is_contradicted(state, ask)
    if ask.move is not None:
        return ask.deadline_s <= view.time_s or not move_stands(state, ask.move)
    if kind == "slash":
        return ask.accused is None or ask.accused in state.accused
    if kind == "uphold":
        return not _is_frozen(state, ask)
    return ask.number != view.proposals + 1


def _is_frozen(state: State, ask: Ask) -> bool:
    """Whether the root that the witnesses are asked to stand by still needs it."""
    root = state.roots.get(ask.number)
    return root is not None and root.status is RootStatus.FROZEN and root.attempt == ask.attempt


def _is_contradicted(state: State, ask: Ask) -> bool:
    """Whether another root is on chain for the epoch and attempt that witnesses are asked about."""
    root = state.roots.get(ask.number)
    other = root is not None and root.payload != state.payloads.get(ask.number)
    return root is not None and other and root.attempt == ask.attempt

"""Whether the node is well: whom it follows, how far, and what it has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonground.addresses import now_ms
from node.alarms import path_of
from node.chainwatch import chain_words
from node.clocks import clock_warning
from node.moving import asked_move
from node.page.sources import Sources
from node.page.words import moment
from node.quota import may_submit
from node.reach import reach_words
from node.registration import why_not_joined
from node.rows import OutboxState
from node.trust import lies
from node.twin import twin_warning
from protocol.identity import PersonId, name_of, peer_id_of, short
from protocol.rules.people import keys_of
from protocol.state import State

# The newest refusals are the ones that the owner can do something about.
REFUSED_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record of ours that the network refused, in its words."""

    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs for the owner: its machine's name, and the entry that says so."""

    peer_id: str
    entry: int
    is_here: bool


@dataclass(frozen=True, slots=True)
class HealthView:
    """The node. Fields of the log are empty while no log is trusted."""

    name: str  # short
    full_name: str
    paid_at: str  # address on chain; empty while nobody is
    peer_id: str  # of the key that this machine signs with; empty where none is known
    keys: tuple[SigningKey, ...]  # that sign for the owner, the oldest first
    network: str
    coordinator: str
    public_url: str
    verify: str  # the command
    is_well: bool
    word: str  # of its state
    alarms: tuple[str, ...]
    is_stopped: bool  # because of an alarm that proves a lie
    alarm_files: tuple[str, ...]  # of each of them
    alarms_command: str
    chain: str  # whether the chain agrees with the log
    move: str  # of the network to other contracts, while the witnesses decide on one
    move_wanted: bool  # whether the owner's word is asked for
    reach: str  # whether others can reach it, and what to do if not
    twin: str  # that somebody else signs with this machine's key; empty where nobody does
    clock: str  # how the operator's clock differs from ours; empty where it does not
    connected: bool
    peers: int
    entries: int
    epoch: int
    stands_by: tuple[str, ...]  # campaigns whose next round it offers to review
    checkpoint: str  # when it came
    root: str
    registered: bool
    not_joined: (
        str  # why the network did not take the owner in; empty where it did, or will be asked
    )
    may_submit: int  # items, in this epoch
    waiting_to_send: int
    refused: tuple[Refusal, ...]


def view_health(sources: Sources) -> HealthView:
    """All that can be said without trusting anybody, and more when there is a replay."""
    store, link, replay = sources.store, sources.link, sources.replay
    raised = store.alarms()
    alarms = tuple(alarm.message for alarm in raised)
    stopped = bool(lies(store))
    clock, twin = clock_warning(store, now_ms()), twin_warning(store, now_ms())
    connected = replay is not None and replay.is_connected()
    covered = replay.follower.checkpoint if replay else None
    state = replay.follower.state if replay else None
    move = asked_move(state, sources.me) if state else None
    return HealthView(
        name=short(sources.me),
        full_name=name_of(sources.me),
        paid_at=_paid_at(state, sources.me),
        peer_id=peer_id_of(sources.key) if sources.key else "",
        keys=tuple(
            SigningKey(peer_id_of(key), entry, key == sources.key)
            for key, entry in (keys_of(state, sources.me) if state else ())
        ),
        network=link.name,
        coordinator=f"{link.host}:{link.port}",
        public_url=link.http_url,
        verify=f"commonhold verify {link.http_url}",
        is_well=connected and not alarms and not clock and not twin,
        word=_word(bool(alarms or twin), replay is not None, connected, bool(clock)),
        alarms=alarms,
        is_stopped=stopped,
        alarm_files=tuple(str(path_of(sources.alarms, alarm)) for alarm in raised),
        alarms_command=f"commonhold node alarms{sources.arguments}",
        chain=chain_words(store, sources.rpc_url, state is None or state.deployment is not None),
        move=move.words if move else "",
        move_wanted=move is not None and move.is_mine_to_decide,
        reach=reach_words(store, now_ms()),
        twin=twin,
        clock=clock,
        connected=connected,
        peers=sources.peers(),
        entries=state.size if state else 0,
        epoch=state.epoch if state else 0,
        stands_by=stood_by_for(state, sources.me) if state else (),
        checkpoint=moment(covered.received_ms / 1000) if covered else "",
        root=replay.follower.tree.root(covered.size).hex() if replay and covered else "",
        registered=state is not None and sources.me in state.members,
        not_joined="" if state is None or sources.me in state.members else why_not_joined(store),
        may_submit=may_submit(store, state, sources.me) if state is not None and state.size else 0,
        waiting_to_send=store.outbox_counts().get(OutboxState.QUEUED, 0),
        refused=tuple(
            Refusal(row.outgoing.kind, row.last_error) for row in store.refused(REFUSED_SHOWN)
        ),
    )


def _paid_at(state: State | None, me: PersonId) -> str:
    member = None if state is None else state.members.get(me)
    return "" if member is None else f"0x{member.payout.hex()}"


def stood_by_for(state: State, me: PersonId) -> tuple[str, ...]:
    """The campaigns in whose next round somebody offers to review."""
    return tuple(c for c in state.standbys.firsts() if (c, me) in state.standbys)


def _word(alarmed: bool, replayed: bool, connected: bool, differs: bool) -> str:
    if alarmed:
        return "Alarm"
    if not replayed:
        return "Starting"
    if not connected:
        return "Waiting for the coordinator"
    return "Following, by another clock" if differs else "Following"

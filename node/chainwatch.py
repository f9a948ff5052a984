"""Does the chain say what the log says? A node that knows an endpoint looks, again and again.

It compares what is new (contracts.watch), and tells its owner: what differs is an alarm, and what could
not be compared is said with the time since when. An endpoint's word convinces nobody else, so such an alarm
does not stop the node as a lie of the log does. While it is open a witness signs nothing about money; it
goes on objecting to wrong roots, which matters most just then.

What is noted is in the store, so that `status` and the page tell it, too. How far events were compared is
kept as long as they agree: if we crash before it is, they are compared again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final

from commonground.addresses import now_ms
from commonground.backoff import PATIENT
from contracts.endpoint import Endpoint
from contracts.findings import Finding, Kind
from contracts.inspection import differences
from contracts.logged import Logged
from contracts.reader import ChainReader
from contracts.watch import Look, Outcome, Watch
from node.follower import Follower
from node.rows import AlarmKind
from node.store import Store
from protocol.errors import StateError
from protocol.state import State
from protocol.transition import Applied

log = logging.getLogger(__name__)

#: A root waits for days; five blocks of mainnet.
LOOK_S: Final = 60.0
#: Of the log's records, in one look: a first look at a long history comes to an end, and then goes on.
RANGES_PER_LOOK: Final = 64
#: So many alarms about the chain, ever: they must not take the room of those that prove a lie.
ALARMS_MAX: Final = 20
_ALARMED: Final = "the chain does not agree with the log: see `commonhold node alarms`"
_NOTHING_SENT: Final = (
    "nothing was sent; to go on at your own risk: `commonhold node alarms --acknowledge`"
)
_COMPARED, _NOTED, _ENDPOINT = "chain/compared", "chain/look", "chain/endpoint"
# A record that the log reads on for these is worth a look at once.
_WORTH_A_LOOK: Final = ("deployment", "chain", "rewind", "settlement")


@dataclass(frozen=True, slots=True)
class Noted:
    """What the last look saw. Times in milliseconds since 1970; blocks as numbers."""

    looked_ms: int
    agreed_ms: int  # when all was compared and agreed last; 0: never
    compared: int  # the last block whose events were compared
    read: int  # the last one that the log has read
    final: int  # the last one of the chain that counts as final, when it was reached
    findings: tuple[str, ...]
    undone: bool  # a block that the log has read is not the chain's any more
    unchecked: str
    unchecked_since_ms: int  # 0: the last look saw all

    @property
    def words(self) -> str:
        """What it comes to, in a line."""
        if self.findings:
            return f"does not agree with the log: {self.findings[0]}"
        if self.unchecked:
            return f"NOT CHECKED since {_ago(self.unchecked_since_ms)}: {self.unchecked}"
        return (
            f"agrees with the log up to block {self.compared:,}, which has read up to {self.read:,}"
        )


class ChainWatcher:
    """Looks for one node. Make it before the follower replays: it collects what the log says."""

    def __init__(
        self,
        store: Store,
        follower: Follower,
        rpc_url: str,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._store, self._follower, self._clock = store, follower, clock
        self._watch = Watch(ChainReader(Endpoint(rpc_url)))
        compared, moves = map(int, (store.meta(_COMPARED) or b"0 0").split())
        self._logged = Logged(compared, moves)
        self._wanted, self._moves = asyncio.Event(), 0
        self._current_s = 0.0
        follower.subscribe(self._on_entry)

    def _on_entry(self, applied: Applied) -> None:
        self._logged.take(self._follower.state, applied.kind, applied.record)
        moved = len(self._follower.state.past) > self._moves
        self._moves = len(self._follower.state.past)
        if moved or applied.kind in _WORTH_A_LOOK:
            self._wanted.set()

    async def run(self) -> None:
        """Looks for ever. Nothing of the chain's ends it."""
        failures = 0
        while True:
            look = await self.look()
            failures = failures + 1 if look is not None and look.unchecked else 0
            await self._pause(PATIENT.delay(failures - 1) if failures else LOOK_S)

    async def look(self) -> Look | None:
        """Looks once, and notes what it saw; None while the network has no contracts."""
        self._wanted.clear()
        if self._follower.is_live:
            self._current_s = self._clock() / 1_000
        said = self._logged.said(self._follower.state)
        if said is None:
            return None
        part = replace(said, ranges=said.ranges[:RANGES_PER_LOOK])
        look = await asyncio.to_thread(self._watch.look, part, self._current_s)
        self._logged.forget(look.compared)
        self._note(look)
        if len(said.ranges) > RANGES_PER_LOOK and not look.unchecked:
            self._wanted.set()
        return look

    def doubt(self) -> str:
        """Why a witness should not sign for money now; empty where nothing speaks against it.

        A wrong root on chain does not: the log's own is signed, and nobody is asked to sign on top of it.
        """
        if any(alarm.kind == AlarmKind.CHAIN for alarm in self._store.alarms()):
            return _ALARMED
        state, noted = self._follower.state, noted_look(self._store)
        if noted is None or self._logged.compared < state.onchain.last:
            why = f": {noted.unchecked}" if noted is not None and noted.unchecked else ""
            return f"block {state.onchain.last:,} of the chain is not compared yet{why}"
        if noted.undone:
            return f"the chain {noted.words}"
        return ""

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            log.debug("nothing to look at for %.0f s", seconds)

    # ---- what is noted ----

    def _note(self, look: Look) -> None:
        now, before = self._clock(), noted_look(self._store)
        since = 0
        if look.unchecked:
            since = before.unchecked_since_ms if before is not None else 0
            since = since or now
        agreed = before.agreed_ms if before is not None else 0
        noted = Noted(
            looked_ms=now,
            agreed_ms=now if look.outcome is Outcome.AGREES else agreed,
            compared=self._logged.compared,
            read=self._follower.state.onchain.last,
            final=look.final or (before.final if before is not None else 0),
            findings=tuple(map(str, look.findings)),
            undone=any(each.kind is Kind.REORGANISED for each in look.findings),
            unchecked=look.unchecked,
            unchecked_since_ms=since,
        )
        for each in look.findings:
            if _alarm(self._store, each, now):
                log.error("%s. %s", each, each.kind.advice)
            elif each.kind is Kind.REORGANISED:
                log.warning("%s", each)
        if not look.findings:
            compared = f"{self._logged.compared} {self._logged.moves}"
            self._store.set_meta(_COMPARED, compared.encode())
        self._store.set_meta(_NOTED, json.dumps(asdict(noted)).encode())
        if look.unchecked and (before is None or not before.unchecked):
            log.warning("the chain cannot be compared: %s", look.unchecked)


def require_agreement(
    store: Store, state: State, rpc_url: str, clock: Callable[[], int] = now_ms
) -> None:
    """Raises StateError where money would go to a chain that does not agree with the log: an alarm about it
    is open, or a look at the contracts finds what nobody has acknowledged.

    Raises Unreachable, and ConfigError for another chain.
    """
    deployment = state.deployment
    if any(alarm.kind == AlarmKind.CHAIN for alarm in store.alarms()):
        raise StateError(_ALARMED, _NOTHING_SENT)
    if deployment is None:
        return
    known = {alarm.evidence for alarm in store.alarms(open_only=False)}
    found = list(differences(ChainReader(Endpoint(rpc_url)), deployment, state.onchain))
    if new := [each for each in found if _evidence(each) not in known]:
        for each in new:
            _alarm(store, each, clock())
        undone = new[0].kind is Kind.REORGANISED
        raise StateError(
            f"the chain does not agree with the log: {new[0]}",
            f"{new[0].kind.advice}; {'nothing was sent' if undone else _NOTHING_SENT}",
        )


def _alarm(store: Store, found: Finding, now: int) -> bool:
    """Keeps it, unless it is known. A block that was undone is no alarm: the operator's next record takes it
    back."""
    if found.kind is Kind.REORGANISED:
        return False
    is_root = found.kind is Kind.ANOTHER_ROOT
    kind = AlarmKind.ROOT if is_root else AlarmKind.CHAIN
    known = [a for a in store.alarms(open_only=False) if a.kind in AlarmKind.OF_THE_CHAIN]
    evidence = _evidence(found)
    if len(known) >= ALARMS_MAX or any(a.evidence == evidence for a in known):
        return False
    message = f"the chain and the log do not agree: {found}. Next: {found.kind.advice}"
    store.raise_alarm(kind, message, evidence, now)
    return True


def _evidence(found: Finding) -> tuple[bytes, ...]:
    return found.kind.name.encode(), found.where.encode()


def noted_look(store: Store) -> Noted | None:
    """What the last look saw; None before the first."""
    raw = store.meta(_NOTED)
    if raw is None:
        return None
    fields = json.loads(raw)
    return Noted(**fields | {"findings": tuple(fields["findings"])})


def note_endpoint(store: Store, rpc_url: str) -> None:
    """Keeps which endpoint the node that starts now uses, or that it has none; by its hash: it may hold a
    secret."""
    store.set_meta(_ENDPOINT, _named(rpc_url))


def restart_words(store: Store, rpc_url: str) -> str:
    """What to do while a node runs that was started before its settings named this endpoint; empty where it
    uses this one."""
    if store.meta(_ENDPOINT) in (None, _named(rpc_url)):
        return ""
    return "not looked at by the present rpc_url: the node runs since before it changed; start it again"


def chain_words(store: Store, rpc_url: str, has_contracts: bool = True) -> str:
    """Whether the chain agrees, for `status` and the page."""
    if not rpc_url:
        return "not looked at: name an endpoint as rpc_url in node.toml, and start the node again"
    if noted := noted_look(store):
        return noted.words
    return "not looked at yet" if has_contracts else "nothing to look at: no contracts yet"


def _named(rpc_url: str) -> bytes:
    return hashlib.sha256(rpc_url.encode()).digest()


def _ago(since_ms: int) -> str:
    return datetime.fromtimestamp(since_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")

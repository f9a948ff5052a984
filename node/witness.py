"""The witness: shows others which log we were given, and looks whether they were given the same.

Checkpoints are gossiped and, since gossip loses messages, also asked for. Whatever the log signed
is compared with our own replay; what contradicts it is evidence that convinces anybody. It is
stored before anybody is told, and then signed and gossiped as an alarm.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Final

from commonground.addresses import Announcement, now_ms
from commonground.directory import Directory
from commonground.p2p.host import PeerHost
from commonground.receipts import Lie
from node.follower import Follower
from node.keys import NodeKeys
from node.splitview import (
    SPLIT_VIEW,
    Finding,
    SplitView,
    compare,
    open_alarm,
    parse_alarm,
    prove_split,
    seal_alarm,
)
from node.store import Store
from protocol.errors import Ignore, Misbehaviour, Reject, Unreachable
from protocol.log.note import Checkpoint, Verifier, open_checkpoint, parse_note

log = logging.getLogger(__name__)

# Checkpoints ahead of our own replay, waiting for it. Only the log can sign one, about one a second.
AHEAD_MAX: Final = 64
# The first head after a pause is told at once. Of a busy log the latest one says it all: another history is
# as damning five seconds later, and each costs every node some milliseconds.
PUBLISH_SECONDS: Final = 5.0
# Members asked in one round of visits: any honest one who saw another history is enough.
VISITS_MAX: Final = 8
# Whom one directory question covers; visits choose among those who are there.
CANDIDATES_MAX: Final = 64
# A new node meets others soon; after that a minute is short beside any epoch.
VISIT_SECONDS: Final = 1.0
VISIT_SECONDS_MAX: Final = 60.0


def is_worth_passing_on(data: bytes, verifiers: Sequence[Verifier]) -> bool:
    """The rule of the gossip topic: signed by a key of the log, or an alarm that proves its point.

    Another history passes, too: others must see it. So does what a former key signed: a peer may not
    have read of its successor yet. It needs no replay, so that a node which trusts nobody at present
    still carries the news.

    Raises Ignore for what a key signed in the log's name that we do not know: whoever is ahead of us may
    have read of it. To punish them for that would cut us off from all who are up to date.
    """
    for verifier in reversed(verifiers):
        for opened in (open_checkpoint, open_alarm):
            try:
                opened(data, verifier)
                return True
            except Reject as error:
                log.debug("gossip is not for %s: %s", opened.__name__, error)
    if _is_by_another_key(data, verifiers):
        raise Ignore("it is signed in the log's name by a key that we have not read of")
    return False


def _is_by_another_key(data: bytes, verifiers: Sequence[Verifier]) -> bool:
    """Whether a checkpoint, or what an alarm shows, bears the log's name and none of these keys."""
    try:
        if data.startswith(verifiers[-1].name.encode() + b"\n"):
            note = parse_note(data)
        else:
            note = parse_note(parse_alarm(data)[1].theirs)
    except Reject:
        return False
    signed = {each.key_id for each in note.signatures if each.name == verifiers[-1].name}
    return bool(signed) and signed.isdisjoint(each.key_id for each in verifiers)


async def sound_alarms(store: Store, host: PeerHost, keys: NodeKeys) -> None:
    """Gossips what the store holds of split views, again and again: some peers may not be here yet."""
    while True:
        for alarm in store.alarms():
            if alarm.kind == SPLIT_VIEW:
                split = SplitView.of_parts(alarm.evidence)
                await host.publish(seal_alarm(split, keys.key, keys.sign))
        await asyncio.sleep(VISIT_SECONDS_MAX)


class Witness:
    """Watches one log together with other members."""

    def __init__(
        self,
        keys: NodeKeys,
        follower: Follower,
        store: Store,
        directory: Directory,
    ) -> None:
        self._keys, self._follower = keys, follower
        self._store, self._directory = store, directory
        self._ahead: dict[Checkpoint, bytes] = {}  # with the signed note

    # -- comparing

    def observe(self, data: bytes) -> None:
        """Holds what somebody else was shown against our replay. Raises Lie on another history.

        Raises Reject for anything that the log has not signed, and Ignore for what a former key of it
        signed, since one that was stolen and replaced must not stop anybody, or one we do not know yet.
        """
        verifier = self._follower.verifier
        try:
            other = open_checkpoint(data, verifier)
        except Reject:
            self._condemn(self._open_alarm(data, verifier))
            return
        self._hold(other, data)

    def _open_alarm(self, data: bytes, verifier: Verifier) -> SplitView:
        try:
            return open_alarm(data, verifier)[1]
        except Reject:
            if is_worth_passing_on(data, self._follower.verifiers):
                raise Ignore("the log has another key by now") from None
            raise

    def _hold(self, other: Checkpoint, note: bytes) -> None:
        tree, covering = self._follower.tree, self._follower.checkpoint
        size = 0 if covering is None else covering.size
        finding = compare(tree, size, other)
        if finding is Finding.AHEAD and len(self._ahead) < AHEAD_MAX:
            self._ahead[other] = note
            self._store.keep_head(other.size, note)  # the log is asked whether it extends it
        elif finding is Finding.SPLIT and covering is not None:
            self._condemn(prove_split(tree, size, covering.note, note, other.size))

    def recheck(self) -> None:
        """Compares what was ahead of us when it came."""
        reached = [other for other in self._ahead if other.size <= self._follower.size]
        for other in reached:
            self._hold(other, self._ahead.pop(other))

    def _condemn(self, split: SplitView) -> None:
        """Stores the evidence, and raises Lie.

        An owner who acknowledged one split view goes on at his own risk: further ones are only logged.
        """
        message = (
            "the log signed two different histories: somebody is shown another one than we are"
        )
        if any(
            a.kind == SPLIT_VIEW and a.acknowledged for a in self._store.alarms(open_only=False)
        ):
            log.error("%s (acknowledged)", message)
            return
        self._store.raise_alarm(SPLIT_VIEW, message, split.parts, now_ms())
        raise Lie(SPLIT_VIEW, message, split.parts)

    # -- living with others

    async def run(self, host: PeerHost) -> None:
        """Publishes, listens and visits, for ever; raises Lie on a split view."""
        queue = host.subscribe()

        async def listen() -> None:
            while True:
                message = await queue.get()
                try:
                    self.observe(message.data)
                except Ignore as error:
                    log.debug("%s", error)
                except Reject as error:  # it passed by a key that is the log's no more, or not yet
                    log.info("gossip that is not the log's: %s", error)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(listen())
                group.create_task(self._publish(host))
                group.create_task(self._visit(host))
        finally:
            host.unsubscribe(queue)

    async def _publish(self, host: PeerHost) -> None:
        while True:
            size, covering = self._follower.size, self._follower.checkpoint
            if covering is not None:
                self.recheck()
                await host.publish(covering.note)
                await asyncio.sleep(PUBLISH_SECONDS)
            await self._follower.wait_beyond(size)

    async def _visit(self, host: PeerHost) -> None:
        """Connects to members and asks what they have, more rarely once somebody was there."""
        pause = VISIT_SECONDS
        while True:
            for peer in await self._choose():
                await self._ask(host, peer)
            await asyncio.sleep(pause)
            pause = min(2 * pause, VISIT_SECONDS_MAX)

    async def _choose(self) -> Sequence[Announcement]:
        """Some members' machines that say where they are, never the same few for long."""
        others = [key for key, _ in self._follower.state.keys.scan() if key != self._keys.key]
        chance = secrets.SystemRandom()  # whom we ask must not be foreseeable to the log
        asked = chance.sample(others, min(len(others), CANDIDATES_MAX))
        found = list((await self._directory.find(asked)).values())
        return chance.sample(found, min(len(found), VISITS_MAX))

    async def _ask(self, host: PeerHost, peer: Announcement) -> None:
        try:
            head = await host.fetch_head(peer.peer_id, peer.addresses)
        except Unreachable as error:
            log.debug("%s", error)
            self._directory.forget(peer.key)
            return
        except Misbehaviour as error:
            log.warning("a peer misbehaved: %s", error)  # its fault, not the log's
            return
        if not head:
            return
        try:
            self.observe(head)
        except Ignore as error:
            log.debug("%s", error)
        except Reject as error:
            await host.punish(peer.peer_id, f"a false checkpoint: {error}")

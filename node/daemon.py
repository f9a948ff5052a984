"""The daemon: everything a node does while nobody looks, supervised, in one process.

    host        the peer-to-peer network, in its own thread; outlives everything below
    follow      the replay of the log
    outbox      our records, to the log
    prove       of those that the coordinator calls superfluous, that they are
    duties      review, toss, attest, object, announce, claim
    chain       holds the contracts on chain against the log
    witness     compares what others were shown
    erase       what authors withdrew
    page        what the owner sees of all this, in a browser on this machine

A part that cannot reach somebody starts again after a pause; a part that finds a lie ends them all.
Then the node sends, signs and serves nothing, and tells its peers, until the owner acknowledges the
alarm. Being killed at any point is harmless: what matters is in node.db before it is acted upon.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from commonground.addresses import now_ms
from commonground.backoff import PATIENT
from commonground.client import CoordinatorClient
from commonground.directory import Directory
from commonground.files import replace_file
from commonground.locks import alone
from commonground.p2p import Denial, DialRule, Grant, PeerPolicy
from commonground.p2p.host import PeerHost
from commonground.places import read_networks
from commonground.receipts import Lie
from node.alarms import AlarmFiles
from node.announce import Announcer
from node.answering import Answering
from node.attest import keep_attesting, no_doubt
from node.blobs import BlobStore
from node.chainwatch import ChainWatcher, note_endpoint
from node.claims import Claimer, SettlementWatch
from node.clocks import ClockWatch
from node.config import NodeConfig, NodeDirectory, gas_terms
from node.erasure import keep_erasing
from node.examine import Examiner, Fetcher
from node.follower import Follower
from node.guarding import PastGuard
from node.keys import NodeKeys
from node.news import News
from node.objection import Objector
from node.orphans import sweep
from node.outbox import keep_flushing, send_postponed
from node.page.own import OwnRecords
from node.page.server import serving
from node.page.sources import ReadSpending, Replay, Sources, no_spending
from node.reach import ReachWatch
from node.review import ReviewDuties
from node.reviewers import load_reviewers
from node.serve import OwnContent, may_read
from node.store import Store
from node.tossing import keep_tossing
from node.trust import lies, require_trust
from node.twin import TwinWatch, require_only_one
from node.unproved import Unproved
from node.wallet import Wallet
from node.witness import Witness, sound_alarms
from protocol.errors import Misbehaviour, RemoteError, StateError
from protocol.identity import KeyId
from protocol.rows import ItemId

log = logging.getLogger(__name__)

# How soon the daemon notices that the owner acknowledged an alarm.
TRUST_POLL_SECONDS: Final = 2.0
# After a signal the process ends within this time, whatever hangs: all that matters is on disk.
EXIT_SECONDS: Final = 4.5
# Ending takes milliseconds; a connection that does not close in time is left to the kernel.
STOP_SECONDS: Final = 3.0
# Of a burst of entries each costs ten milliseconds alone, and hardly one with others; nothing that a daemon
# does is in such a hurry.
GATHER_MS: Final = 250
_FOLDER: Final = "review"  # others' content, while it is reviewed


@dataclass(frozen=True, slots=True)
class Options:
    """What `commonhold node start` may say beyond the configuration."""

    auto_claim: bool = False
    ready_file: Path | None = None
    read_spending: ReadSpending = no_spending  # of the owner's privacy budgets, for the page


def single_instance(path: Path) -> AbstractContextManager[None]:
    """Holds the lock of a node's directory; raises StateError that names the process which has it."""
    return alone(
        path,
        lambda process: StateError(
            f"the node in {path.parent} is running already (process {process})",
            f"stop it first: kill {process}",
        ),
    )


def cause_of(error: BaseException) -> BaseException:
    """The one error behind a group: a lie before anything else, then whatever is not the network's."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [cause_of(each) for each in error.exceptions]
    for kind in (Lie, Misbehaviour):
        if found := [each for each in causes if isinstance(each, kind)]:
            return found[0]
    fatal = [each for each in causes if not isinstance(each, RemoteError)]
    return (fatal or causes)[0]


class Daemon:
    """One node, running. Construct and await `run`; cancel it to end."""

    def __init__(
        self, directory: NodeDirectory, config: NodeConfig, keys: NodeKeys, options: Options
    ) -> None:
        self._directory, self._config, self._keys = directory, config, keys
        self._options = options
        self._queued = asyncio.Event()
        self._follower: Follower | None = None  # None: nobody is trusted or served
        self._news = News((config.link.log_verifier,))

    async def run(self) -> None:
        """Runs until cancelled. Raises StateError (running already, or a copy), ConfigError, StoreError."""
        config = self._config
        with (
            single_instance(self._directory.lock),
            Store(self._directory.database) as store,
            BlobStore(self._directory.blobs) as blobs,
        ):
            require_only_one(self._directory, store)
            note_endpoint(store, config.rpc_url)
            await asyncio.to_thread(sweep, store, blobs)
            plugins = await asyncio.to_thread(load_reviewers, config.reviewers, config.chat)
            host = PeerHost(
                self._keys.seed,
                authorise=self._authorise,
                source=OwnContent(store, blobs),
                validate_checkpoint=self._news.accept,
                is_news=self._news.is_news,
                listen=config.listen,
                reached=lambda key: self._note_visit(store, key),
                dialling=DialRule(config.link.host, read_networks(config.dial_networks)),
                policy=PeerPolicy(
                    served_bytes_per_second_per_peer=config.limits.served_bytes_per_second_per_peer
                ),
            )
            await host.start()
            try:
                log.info("node %s listens on %s", host.peer_id, ", ".join(host.addresses))
                sources = self._sources(store, blobs, host)
                async with (
                    serving(sources, self._directory.page, config.page_port) as page,
                    asyncio.TaskGroup() as group,
                ):
                    self._tell_ready(host, page)
                    group.create_task(self._keep_host(host))
                    group.create_task(self._live(sources, host, Examiner(plugins)))
            except BaseExceptionGroup as error:
                raise cause_of(error) from error
            finally:
                await self._stop(host)

    async def _stop(self, host: PeerHost) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await host.stop()
        except TimeoutError:
            log.warning("the peer-to-peer network did not end in time")

    def _sources(self, store: Store, blobs: BlobStore, host: PeerHost) -> Sources:
        """What the owner's page reads."""
        return Sources(
            self._keys.person,
            self._config.link,
            store,
            blobs,
            peers=lambda: host.peers,
            read_spending=self._options.read_spending,
            key=self._keys.key,
            rpc_url=self._config.rpc_url,
            alarms=self._directory.alarms,
            arguments=self._directory.arguments,
        )

    def _tell_ready(self, host: PeerHost, page: str) -> None:
        """For whoever waits for us: the file appears whole, once we can be reached. It opens the page."""
        if self._options.ready_file is not None:
            ready = {"peer_id": host.peer_id, "addresses": host.addresses, "page": page}
            replace_file(self._options.ready_file, json.dumps(ready))

    # -- what peers ask

    async def _authorise(self, item_id: ItemId, part: str, peer: KeyId) -> Grant | Denial:
        if self._follower is None:
            return Denial("we do not trust the log at present")
        return may_read(self._follower.state, self._keys.person, item_id, part, peer)

    def _note_visit(self, store: Store, peer: KeyId) -> None:
        person = None if self._follower is None else self._follower.state.keys.get(peer)
        if person is not None and person != self._keys.person:
            ReachWatch(store).visited_by(person)

    # -- supervision

    async def _keep_host(self, host: PeerHost) -> None:
        """PeerHost restarts its own thread; when it gives up, it gets another life after a pause."""
        while (failed := host.failed) is not None:
            error = await asyncio.shield(failed)
            log.error("the peer-to-peer network gave up: %s; starting it again", error)
            await host.stop()
            await asyncio.sleep(PATIENT.max_seconds)
            await host.start()

    async def _live(self, sources: Sources, host: PeerHost, examiner: Examiner) -> None:
        """Works while the log is trusted, warns while it is not."""
        store = sources.store
        files = AlarmFiles(store, self._directory.alarms, self._config.link, self._keys)
        while True:
            if lies(store):
                await asyncio.to_thread(files.write_missing)
                await self._wait_for_owner(store, host)
            try:
                await self._work(sources, host, examiner)
            except* Misbehaviour as group:
                lie = cause_of(group)
                log.critical("THE NETWORK CANNOT BE TRUSTED: %s", lie)
                if isinstance(lie, Lie):
                    store.raise_alarm(lie.kind, str(lie), lie.evidence, now_ms())
                await asyncio.to_thread(files.write_missing)
                if not lies(store):
                    await asyncio.sleep(
                        PATIENT.max_seconds
                    )  # the same lie, acknowledged: do not spin
            finally:
                self._follower = sources.replay = None

    async def _wait_for_owner(self, store: Store, host: PeerHost) -> None:
        log.error("stopped trusting the network; see `commonhold node alarms`")
        sounding = asyncio.create_task(
            self._supervise("alarm", lambda: sound_alarms(store, host, self._keys))
        )
        try:
            while lies(store):
                await asyncio.sleep(TRUST_POLL_SECONDS)
        finally:
            sounding.cancel()
        log.warning("the owner acknowledged the alarms: going on")

    async def _work(self, sources: Sources, host: PeerHost, examiner: Examiner) -> None:
        """One life of all parts, over a fresh replay."""
        store, link, keys = sources.store, self._config.link, self._keys
        require_trust(store)
        follower = Follower(store, link)
        settlements = SettlementWatch(follower, keys.person)
        own = OwnRecords(follower, store, keys.person)
        ClockWatch(store, follower)
        TwinWatch(store, follower, keys.key)
        follower.subscribe(partial(send_postponed, store))
        rpc_url = self._config.rpc_url
        watcher = ChainWatcher(store, follower, rpc_url) if rpc_url else None
        follower.replay()
        async with (
            CoordinatorClient(link, lambda: follower.verifier) as client,
            asyncio.TaskGroup() as group,
        ):
            directory = Directory(link.network, client)
            announcer = Announcer(
                keys,
                link,
                client,
                follower,
                lambda: host.addresses,
                announce=self._config.announce,
                told=ReachWatch(store).announced,
            )
            witness = Witness(keys, follower, store, directory)
            self._follower = follower
            self._news.follow(follower)
            sources.replay = Replay(
                follower, own, lambda: client.is_connected and follower.is_assured
            )
            parts: dict[str, Callable[[], Awaitable[None]]] = {
                "follow": lambda: follower.run(client, GATHER_MS),
                "outbox": lambda: keep_flushing(
                    client, store, sleep=self._until_queued, follower=follower
                ),
                "prove": Unproved(store, follower, client).run,
                "review": self._duties(store, follower, host, directory, examiner).run,
                "attest": lambda: keep_attesting(
                    keys, store, follower, watcher.doubt if watcher is not None else no_doubt
                ),
                "toss": lambda: keep_tossing(keys, store, follower, self._queued.set),
                "announce": announcer.run,
                "witness": lambda: witness.run(host),
                "erase": lambda: keep_erasing(store, sources.blobs, follower),
            }
            if watcher is not None:
                parts["chain"] = watcher.run
            if self._config.rpc_url and keys.payout_key is not None:
                wallet = Wallet(
                    keys.payout_key, gas_terms(self._config, self._directory, _log_sent)
                )
                parts["object"] = Objector(follower, wallet, keys.person, self._config.rpc_url).run
                old = self._config.old_rpc_url or self._config.rpc_url
                parts["guard"] = PastGuard(follower, wallet, keys.person, old).run
            if self._options.auto_claim:
                wallet = Wallet(
                    keys.payout_secret, gas_terms(self._config, self._directory, _log_sent)
                )
                parts["claim"] = Claimer(
                    store, wallet, self._config.rpc_url, follower, settlements
                ).run
            for name, part in parts.items():
                group.create_task(self._supervise(name, part))

    def _duties(
        self,
        store: Store,
        follower: Follower,
        host: PeerHost,
        directory: Directory,
        examiner: Examiner,
    ) -> ReviewDuties:
        folder = self._directory.root / _FOLDER
        fetcher = Fetcher(host, directory, folder, self._config.limits.review_bytes_max)
        answering = Answering(store, fetcher, examiner, folder)
        return ReviewDuties(
            self._keys,
            store,
            follower,
            answering,
            wants=self._config.stands_by_for,
            queued=self._queued.set,
            tells_seconds=self._config.tell_seconds,
        )

    async def _supervise(self, name: str, part: Callable[[], Awaitable[None]]) -> None:
        """Starts a part again when somebody could not be reached. Lies and our own faults go up."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                await part()
                return
            except Exception as error:
                cause = cause_of(error)
                if isinstance(cause, Lie) or not isinstance(cause, RemoteError):
                    raise
                level = logging.ERROR if isinstance(cause, Misbehaviour) else logging.INFO
                log.log(level, "%s stopped: %s", name, cause)
            failures = 0 if loop.time() - began > PATIENT.max_seconds else failures + 1
            await asyncio.sleep(PATIENT.delay(failures, cause))

    async def _until_queued(self, seconds: float) -> None:
        """The outbox's pause, which ends early when there is something new to send."""
        self._queued.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._queued.wait()
        except TimeoutError:
            log.debug("nothing was queued for %.1f s", seconds)


async def run_until_signal(daemon: Daemon) -> None:
    """Runs a daemon in the main thread until SIGINT or SIGTERM, and then ends in time."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(daemon.run())

    def on_signal(number: int, _frame: object) -> None:
        # Not a handler of the loop: a long replay may keep that busy.
        log.info("stopping on %s", signal.Signals(number).name)
        watchdog = threading.Timer(EXIT_SECONDS, os._exit, (0,))
        watchdog.daemon = True
        watchdog.start()
        loop.call_soon_threadsafe(running.cancel)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    try:
        await running
    except asyncio.CancelledError:
        log.info("stopped")


def _log_sent(tx_hash: bytes) -> None:
    log.info("sent transaction 0x%s to the chain", tx_hash.hex())

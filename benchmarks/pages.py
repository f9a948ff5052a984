"""How long pages take with 10,000 contributors and a million items: the dashboard, a contributor's own page.

    python -m benchmarks.pages [ITEMS]

A real process serves the ledger of `benchmarks.million`, and every page of its dashboard is fetched over HTTP
in random order while other records are being logged. The contributor's page is served by this process, from
a replay of the same log.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx

from benchmarks.million import EPOCH_ITEMS, ITEMS, MEMBERS, REVENUE_EVERY, Network, Writer
from benchmarks.report import show
from coordinator.config import Home
from coordinator.keys import load_keys
from coordinator.ledger import Ledger, StoredEntry
from coordinator.recovery import fold
from node.blobs import BlobStore
from node.follower import Follower
from node.page.own import OwnRecords
from node.page.server import serving
from node.page.sources import Replay, Sources
from node.rows import CheckpointRow, LogRow
from node.store import Store
from protocol.identity import PersonId, name_of
from protocol.log.merkle import hash_leaf
from protocol.state import State
from protocol.transition import AnyRecord, Applied, Changes, process
from protos.gen import api_pb2_grpc
from tests.helpers import Person, append_request, registration
from tests.live_coordinator import channel_to, found_network, serving_process
from tests.simulated_log import LINK

REQUESTS: Final = 100  # of each page
LOGGED_PER_SECOND: Final = 20  # meanwhile
OWN_PAGES: Final = ("", "items", "earnings", "reviews", "training", "node")


def _busiest(network: Network) -> PersonId:
    """Who has most shares, and so the longest pages."""
    return max(network.shares, key=lambda who: network.shares[who])


def _paths(network: Network, epochs: int) -> dict[str, str]:
    middle = network.writer.tree.size // 2
    return {
        "overview": "/",
        "campaigns": "/campaigns",
        "campaign": "/campaigns/digits",
        "contributors": "/contributors",
        "contributors by review": "/contributors?sort=reviewing&page=100",
        "contributor": f"/contributors/{name_of(_busiest(network))}",
        "epochs": "/epochs",
        "epoch": f"/epochs/{min(REVENUE_EVERY, epochs)}",  # a line for every holder
        "jobs": "/jobs",
        "job": "/jobs/train",
        "datasets": "/datasets",
        "revenue": "/revenue",
        "log": "/log",
        "log of one kind": "/log?kind=submission&page=5",
        "entry": f"/log/{middle}",
        "style sheet": "/static/style.css",
    }


async def _measure(
    home: Home, http_port: int, grpc_port: int, paths: dict[str, str]
) -> dict[str, list[float]]:
    """Milliseconds of each request, by page."""
    keys = load_keys(home)
    asked = [name for name in paths for _ in range(REQUESTS)]
    random.Random(2).shuffle(asked)
    taken: dict[str, list[float]] = {name: [] for name in paths}
    base = f"http://127.0.0.1:{http_port}"
    async with channel_to(keys, grpc_port) as channel, httpx.AsyncClient(base_url=base) as web:
        stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
        logging = asyncio.create_task(_log(stub, keys.network))
        for name in asked:
            began = time.perf_counter()
            (await web.get(paths[name])).raise_for_status()
            taken[name].append(1_000 * (time.perf_counter() - began))
        logging.cancel()
        await asyncio.wait([logging])
    return taken


async def _log(stub: api_pb2_grpc.CoordinatorStub, network: bytes) -> None:
    number = 0
    while True:
        person, number = Person(f"newcomer {number}"), number + 1
        await stub.Append(append_request(person, "register", registration(person, network)))
        await asyncio.sleep(1 / LOGGED_PER_SECOND)


class _Trusting(Follower):
    """A replay of a ledger of this machine's own, which is not verified again."""

    def take_over(self, ledger: Ledger, store: Store) -> None:
        """Stores and folds all of it."""
        for some in _batched(ledger.entries(0, ledger.size)):
            store.append_log([LogRow(e.index, e.envelope, e.bundle or b"") for e in some])
            for entry in some:
                self.tree.append(hash_leaf(entry.envelope))
                fold(self.state, entry, self._process)
        self.checkpoint = CheckpointRow(self.tree.size, ledger.checkpoint(), 0)

    def _process(self, state: State, kind: str, record: AnyRecord) -> Changes:
        """As a follower does, which tells of each entry."""
        applied = Applied(kind, record, process(state, kind, record))
        for tell in self._listeners:
            tell(applied)
        return applied.changes


def _batched(entries: Iterator[StoredEntry]) -> Iterator[list[StoredEntry]]:
    """Entries by the hundred: each may have a bundle of megabytes beside it."""
    while some := list(islice(entries, 100)):
        yield some


async def _measure_own(folder: Path, home: Home, me: PersonId) -> dict[str, list[float]]:
    """Milliseconds of each request for the page of one contributor, by page."""
    taken: dict[str, list[float]] = {name: [] for name in OWN_PAGES}
    with Store(folder / "node.db") as store, BlobStore(folder / "blobs") as blobs:
        follower = _Trusting(store, LINK)
        own = OwnRecords(follower, store, me)
        with Ledger.open(home.ledger_url(home.load()), readonly=True) as ledger:
            follower.take_over(ledger, store)
        replay = Replay(follower, own, lambda: True)
        sources = Sources(me, LINK, store, blobs, peers=lambda: 3, replay=replay)
        async with (
            serving(sources, folder / "page.url") as url,
            httpx.AsyncClient(follow_redirects=True) as web,
        ):
            base = str((await web.get(url)).url)
            for name in [name for _ in range(REQUESTS) for name in OWN_PAGES]:
                began = time.perf_counter()
                (await web.get(base + name)).raise_for_status()
                taken[name].append(1_000 * (time.perf_counter() - began))
    return taken


def _resident_megabytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) // 1_024


def run(items: int = ITEMS) -> dict[str, object]:
    """Median and 99th percentile of each page in milliseconds, and what it takes to get there."""
    with tempfile.TemporaryDirectory() as temporary:
        home = found_network(Path(temporary) / "net")
        keys = load_keys(home)
        began = time.perf_counter()
        with Ledger.open(home.ledger_url(home.load())) as ledger:
            writer = Writer(ledger, keys, ledger.load_tree(keys.log_verifier))
            network = Network(writer, items)
            paths = _paths(network, items // EPOCH_ITEMS)
            entries = writer.tree.size
        written = time.perf_counter()
        with serving_process(home) as (process, address):
            ready = time.perf_counter()
            taken = asyncio.run(_measure(home, address.http_port, address.grpc_port, paths))
            memory = _resident_megabytes(process.pid)
        own = asyncio.run(_measure_own(Path(temporary), home, _busiest(network)))
    return {
        "members": MEMBERS,
        "items": items,
        "entries": entries,
        "write_seconds": written - began,
        "start_seconds": ready - written,
        "memory_mb": memory,
        "dashboard": _percentiles(taken),
        "own page": _percentiles({name or "overview": ms for name, ms in own.items()}),
    }


def _percentiles(taken: dict[str, list[float]]) -> dict[str, object]:
    return {
        name: {"p50_ms": median(ms), "p99_ms": quantiles(ms, n=100)[98]}
        for name, ms in taken.items()
    }


def main() -> None:
    """Prints the table."""
    show(run(*(int(argument) for argument in sys.argv[1:2])))


if __name__ == "__main__":
    main()

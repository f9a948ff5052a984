"""What a member's submission costs while somebody floods the coordinator from the same address.

    python -m benchmarks.flood [--json] [--seconds 15] [quiet connections calls begun streams http messages]

Real processes on loopback: a coordinator with its default limits, one that attacks, and here the member, who
submits again and again, by turns on a connection that is kept and on a new one, and waits whenever it is
asked to, as every node does. Promised: 2 s at the median, 5 s at p99, less than 600 MiB, health that always
answers, and the same as before within 10 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import httpx

from benchmarks.report import show
from commonground.backoff import persistent_async
from commonground.client import CoordinatorClient
from coordinator.config import Home, RateLimit
from coordinator.keys import load_keys
from coordinator.server import Address
from protocol.errors import Unreachable
from protocol.log.link import NetworkLink, parse_link
from tests import attackers
from tests.helpers import Person, append_request, campaign_record, registration, submission_request
from tests.live_coordinator import found_network, serving_process

Attack = Callable[[attackers.Target, int], Coroutine[Any, Any, None]]


async def _nothing(_target: attackers.Target, _count: int) -> None:
    await asyncio.Event().wait()


ATTACKS: Final[dict[str, tuple[Attack, int]]] = {
    "quiet": (_nothing, 0),
    "connections": (attackers.hold_connections, 5_000),
    "calls": (attackers.call_without_end, 5_000),
    "begun": (attackers.begin_calls, 5_000),
    "streams": (attackers.follow_unread, 300),
    "http": (attackers.begin_requests, 600),
    "messages": (attackers.send_messages, 20),
}
# What followers are made to fetch: bundles of 1.5 MB.
BATCHES: Final = 6
BATCH_ITEMS: Final = 8_192
GATHER_SECONDS: Final = 5.0  # an attack grows before it is measured
SUBMIT_SECONDS_MAX: Final = 60.0
RECOVERY_SECONDS: Final = 10.0


# ---- the member ----


@dataclass
class Member:
    """Submits items of their own, and keeps how long each took."""

    link: NetworkLink
    person: Person
    rng: random.Random
    kept: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)

    async def submit(self, client: CoordinatorClient) -> float:
        """Seconds from the first attempt to the receipt."""
        request = submission_request(self.person, self.link.network, [1], self.rng)
        began = time.perf_counter()
        await persistent_async(seconds=SUBMIT_SECONDS_MAX)(
            Unreachable, client.append, request.envelope, request.leaves, request.openings
        )
        return time.perf_counter() - began

    async def work(self, client: CoordinatorClient, seconds: float) -> None:
        """Submits by turns on the connection that is kept and on a new one."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            self.kept.append(await self.submit(client))
            async with CoordinatorClient(self.link) as fresh:
                self.new.append(await self.submit(fresh))
            await asyncio.sleep(0.05)

    async def ask_health(self, url: str) -> None:
        """Asks for ever, each time on a connection of its own; an answer that does not come is 60 s."""
        while True:
            began = time.perf_counter()
            try:
                async with httpx.AsyncClient(timeout=SUBMIT_SECONDS_MAX) as web:
                    (await web.get(f"{url}/healthz")).raise_for_status()
                self.health.append(time.perf_counter() - began)
            except httpx.HTTPError:
                self.health.append(SUBMIT_SECONDS_MAX)
            await asyncio.sleep(0.2)

    def figures(self) -> dict[str, object]:
        """Median and p99, in milliseconds."""
        found: dict[str, object] = {"submissions": len(self.kept) + len(self.new)}
        for name, seconds in (
            ("submission", self.kept + self.new),
            ("on a kept connection", self.kept),
            ("on a new connection", self.new),
            ("healthz", self.health),
        ):
            found[f"{name} p50 ms"] = round(1_000 * median(seconds), 1)
            found[f"{name} p99 ms"] = round(
                1_000 * quantiles([*seconds, max(seconds)], n=100)[98], 1
            )
        return found


# ---- processes ----


def _status(pid: int, name: str) -> int:
    """A line of /proc/PID/status, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(row.split()[1]) for row in text.splitlines() if row.startswith(name)) // 1024


@contextmanager
def _attacking(name: str, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    attacker = subprocess.Popen([sys.executable, "-m", "benchmarks.flood", "--attack", name, home])
    try:
        yield attacker
    finally:
        attacker.kill()
        attacker.wait()


async def _found(home: Home, address: Address) -> Member:
    """A campaign, a member, and a log that is worth following."""
    keys, rng = load_keys(home), random.Random(1)
    operator, person = Person("operator"), Person("member")
    operator.signing_key = keys.operator_key
    member = Member(parse_link(address.link), person, rng)
    network = keys.network
    requests = [
        append_request(operator, "campaign", campaign_record(network)),
        append_request(person, "register", registration(person, network)),
        *(submission_request(person, network, [1] * BATCH_ITEMS, rng) for _ in range(BATCHES)),
    ]
    async with CoordinatorClient(member.link) as client:
        for each in requests:
            await client.append(each.envelope, each.leaves, each.openings)
    return member


async def _measure(
    name: str, home: Home, address: Address, pid: int, seconds: float
) -> dict[str, object]:
    member = await _found(home, address)
    url = f"http://127.0.0.1:{address.http_port}"
    async with CoordinatorClient(member.link) as client:
        await member.submit(client)
        before = _status(pid, "VmRSS")
        asking = asyncio.create_task(member.ask_health(url))
        with _attacking(name, home.path) as attacker:
            await asyncio.sleep(GATHER_SECONDS)
            await member.work(client, seconds)
            alive = attacker.poll() is None
        asking.cancel()
        figures = member.figures()
        figures["recovered after s"] = await _recovery(member, client)
    metrics = httpx.get(f"{url}/metrics", timeout=30).text
    refused = [row for row in metrics.splitlines() if row.startswith("commonhold_refused_total{")]
    return {
        **figures,
        "memory before MiB": before,
        "memory at most MiB": _status(pid, "VmHWM"),
        "memory after MiB": _status(pid, "VmRSS"),
        "the attack lasted": alive,
        "refused": {row.split('"')[1]: int(float(row.split()[-1])) for row in refused},
    }


async def _recovery(member: Member, client: CoordinatorClient) -> float:
    """When submissions were quick again: three within 100 ms each."""
    began, quick = time.perf_counter(), 0
    while quick < 3 and time.perf_counter() - began < 2 * RECOVERY_SECONDS:
        quick = quick + 1 if await member.submit(client) < 0.1 else 0
    return round(time.perf_counter() - began, 2)


def run(names: list[str] | None = None, seconds: float = 15.0) -> dict[str, object]:
    """All figures of one run, by attack; each has a coordinator of its own."""
    figures: dict[str, object] = {}
    for name in names or list(ATTACKS):
        with tempfile.TemporaryDirectory() as temporary:
            home = found_network(Path(temporary) / "net")
            settings = home.config_path.read_text()
            for setting, value in (("calls_per_second", 1_000), ("burst_calls", 4_000)):
                settings = settings.replace(f"{setting} = 100000", f"{setting} = {value}")
            home.config_path.write_text(settings)
            assert home.load().rate_limit == RateLimit()
            with serving_process(home) as (process, address):
                figures[name] = asyncio.run(_measure(name, home, address, process.pid, seconds))
    return figures


def _attack(name: str, path: Path) -> None:
    """What the attacker's process does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    home = Home(path)
    address = Address(**json.loads(home.server_path.read_text()))
    certificate = load_keys(home).tls_certificate
    act, count = ATTACKS[name]
    asyncio.run(act(attackers.Target(address.grpc_port, address.http_port, certificate), count))


def main() -> None:
    """Prints the figures, as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join(ATTACKS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--attack", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.attack:
        _attack(given.attack[0], Path(given.attack[1]))
        return
    figures = run(given.names, given.seconds)
    if given.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()

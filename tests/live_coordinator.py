"""A coordinator that really listens: in this process for most tests, in its own for crashes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from coordinator.config import Config, Home, RateLimit
from coordinator.founding import DEFAULT_POLICY, found
from coordinator.keys import TLS_NAME, Keys, load_keys
from coordinator.ledger import FatalStoreError, StoredEntry
from coordinator.recovery import fold
from coordinator.server import Address, announced, running
from coordinator.terms import Terms, tryout
from protocol.log.merkle import hash_leaf, verify_inclusion
from protocol.log.note import Verifier, open_checkpoint
from protocol.state import State
from protocol.transition import AnyRecord, Changes, process
from protos.gen import api_pb2, api_pb2_grpc
from protos.gen import records_pb2 as pb
from tests.helpers import (
    Person,
    append_request,
    campaign_record,
    registration,
    submission_request,
)
from tests.simulated import OPEN_TO_ALL, rounds

Stub = Any  # the generated one, which has no annotations

CLI = [sys.executable, "-c", "from commonhold.cli import main; main()"]


def default_policy(**changes: int | str) -> pb.Policy:
    """What `coordinator init` founds, but open to all: most tests are not about who may join."""
    made = pb.Policy()
    made.CopyFrom(DEFAULT_POLICY)
    for name, value in (OPEN_TO_ALL | changes).items():
        setattr(made, name, value)
    return made


def found_network(
    path: Path,
    *,
    rpc_url: str = "http://127.0.0.1:9",
    chain_secret: bytes | None = None,
    settlement: Terms | None = None,
    **policy: int,
) -> Home:
    """A fresh network on free ports."""
    home = Home(path)
    settings = default_policy(**policy)
    config = Config(
        name="test network",
        grpc_port=0,
        http_port=0,
        rpc_url=rpc_url,
        rate_limit=RateLimit(100_000, 100_000),
        settlement=settlement or tryout(),
    )
    found(home, config, settings, chain_secret)
    return home


def channel_to(keys: Keys, port: int) -> grpc.aio.Channel:
    """A channel that trusts this coordinator's certificate and no other."""
    return grpc.aio.secure_channel(
        f"127.0.0.1:{port}",
        grpc.ssl_channel_credentials(keys.tls_certificate),
        options=[("grpc.ssl_target_name_override", TLS_NAME)],
    )


@dataclass
class Live:
    """One running network, and what its clients do."""

    home: Home
    keys: Keys
    address: Address
    stub: Any
    channel: grpc.aio.Channel
    fatal: list[FatalStoreError]
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def network(self) -> bytes:
        return self.keys.network

    @property
    def operator(self) -> Person:
        person = Person("operator")
        person.signing_key = self.keys.operator_key
        return person

    async def append(self, request: api_pb2.AppendRequest) -> api_pb2.Receipt:
        receipt: api_pb2.Receipt = await self.stub.Append(request)
        return receipt

    async def log(self, person: Person, kind: str, body: Any, *rest: Any) -> api_pb2.Receipt:
        return await self.append(append_request(person, kind, body, *rest))

    async def open_campaign(self, **changes: object) -> None:
        """The campaign "digits"; its reviewers have plenty of time."""
        terms = {"rounds": patient_rounds()} | changes
        await self.log(self.operator, "campaign", campaign_record(self.network, **terms))

    async def close_epoch(self, epoch: int) -> int:
        """The operator closes an epoch; gives the index of its close."""
        body = api_pb2.CloseEpoch(network=self.network, epoch=epoch)
        envelope = self.operator.seal("close-epoch", body)
        response = await self.stub.CloseEpoch(api_pb2.CloseEpochRequest(envelope=envelope))
        index: int = response.index
        return index

    async def import_gold(self, answers: Mapping[bytes, bytes]) -> None:
        known = [api_pb2.KnownAnswer(item_id=i, answer=a) for i, a in answers.items()]
        body = api_pb2.ImportGold(network=self.network, answers=known)
        envelope = self.operator.seal("import-gold", body)
        await self.stub.ImportGold(api_pb2.ImportGoldRequest(envelope=envelope))

    async def join(self, *people: Person) -> None:
        for person in people:
            await self.log(person, "register", registration(person, self.network))

    def submission(
        self, person: Person, labels: Sequence[int], **changes: Any
    ) -> api_pb2.AppendRequest:
        return submission_request(person, self.network, labels, self.rng, **changes)


def patient_rounds(**changes: int) -> pb.RoundTerms:
    """Windows of five minutes, which no test waits for; a round is sealed when an item waits."""
    windows = {"commit_ms": 300_000, "reveal_ms": 300_000}
    return rounds(**(windows | changes))


class Mirror:
    """What a node sees: the state folded from what it follows."""

    def __init__(self, net: Live | Stub) -> None:
        self.state = State()
        self.kinds: list[str] = []  # of the entries so far
        self.gold: list[tuple[bytes, ...]] = []  # of the rounds that were sealed
        stub = net.stub if isinstance(net, Live) else net
        self._stream = stub.Follow(api_pb2.FollowRequest(start=0))

    async def more(self) -> State:
        """Takes the next page."""
        response = await self._stream.read()
        for entry in response.entries:
            fold(self.state, StoredEntry(entry.index, entry.envelope, entry.bundle), self._apply)
        return self.state

    async def until(self, reached: Callable[[State], bool]) -> State:
        """Follows until the state is as wanted; the test's own timeout bounds it."""
        while not reached(self.state):
            await self.more()
        return self.state

    def _apply(self, state: State, kind: str, record: AnyRecord) -> Changes:
        changes = process(state, kind, record)
        self.kinds.append(kind)
        if kind == "seal":
            self.gold.append(state.rounds[record.body.campaign_id].gold_hashes)
        return changes


@asynccontextmanager
async def live(home: Home) -> AsyncIterator[Live]:
    """Serves `home` from this process, over real TLS sockets."""
    config = home.load()
    keys = load_keys(home)
    fatal: list[FatalStoreError] = []
    async with (
        running(home, config, keys, fatal.append) as address,
        channel_to(keys, address.grpc_port) as channel,
    ):
        stub = api_pb2_grpc.CoordinatorStub(channel)  # type: ignore[no-untyped-call]
        with announced(address, [home.server_path]):
            yield Live(home, keys, address, stub, channel, fatal)


@contextmanager
def serving_process(home: Home, *options: str) -> Iterator[tuple[subprocess.Popen[str], Address]]:
    """`commonhold coordinator serve` in a process of its own; ended at the latest here."""
    process = subprocess.Popen(
        [*CLI, "coordinator", "serve", "--dir", str(home.path), *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = [process.stderr.readline()]  # blocks until it is ready, or has died
        while said[-1] and not said[-1].startswith("ready"):  # an open network is warned about
            said.append(process.stderr.readline())
        assert said[-1], "".join(said)
        yield process, Address(**json.loads(home.server_path.read_text()))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stderr.close()


def check_receipt(raw: bytes, receipt: api_pb2.Receipt, verifier: Verifier) -> None:
    """Raises unless the receipt proves that `raw` is in the log."""
    checkpoint = open_checkpoint(receipt.checkpoint, verifier)
    verify_inclusion(
        hash_leaf(raw), receipt.index, checkpoint.size, list(receipt.proof), checkpoint.root
    )

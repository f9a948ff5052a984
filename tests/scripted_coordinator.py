"""A real TLS gRPC server that keeps a real log, and lies or fails when a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message

from coordinator.config import Config, Home
from coordinator.keys import Keys, create_keys, load_keys
from coordinator.server import network_link
from protocol.log.assurance import extension_of
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope, seal
from protocol.log.link import NetworkLink
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import read_checkpoint
from protocol.log.strict import canonical
from protocol.rules.table import LATEST
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from protos.gen.api_pb2_grpc import CoordinatorServicer, add_CoordinatorServicer_to_server
from tests.live_coordinator import default_policy
from tests.simulated import campaign


def make_keys(path: Path) -> Keys:
    """Fresh keys of an operator, in a directory of their own."""
    home, config = Home(path), Config("test network")
    home.create(config)
    create_keys(home, config)
    return load_keys(home)


class ScriptedCoordinator(CoordinatorServicer):
    """Logs whatever comes. `on_receipt`, `on_assurance` and `on_follow` may change what goes out."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.log: list[tuple[bytes, tuple[bytes, ...]]] = []
        self.tree = MerkleTree()
        self.unavailable = 0  # so many appends fail before one works
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        self.calls: list[bytes] = []  # every envelope that Append was given
        self.on_receipt: Callable[[api.Receipt], api.Receipt] = lambda receipt: receipt
        self.on_follow: Callable[[api.FollowResponse], api.FollowResponse] = lambda page: page
        self.on_assurance: Callable[[api.FollowResponse], api.FollowResponse] = lambda it: it
        self.grown = asyncio.Event()
        genesis = pb.Genesis(name="test", policy=default_policy(), rules=LATEST)
        genesis.delegation.CopyFrom(keys.delegation)
        genesis.log_key = keys.log_verifier.public_key
        self.operate("genesis", genesis)
        self.operate("campaign", campaign())

    def operate(self, kind: str, body: Any) -> None:
        """Logs a record of the operator's."""
        body.network = self.keys.network
        self.add(self.sealed(kind, body))

    def sealed(self, kind: str, body: Message) -> bytes:
        keys = self.keys
        return seal(kind, canonical(body), keys.record_key, keys.sign_record)

    def add(self, envelope: bytes, leaves: tuple[bytes, ...] = ()) -> int:
        self.log.append((envelope, leaves))
        self.grown.set()
        return self.tree.append(hash_leaf(envelope))

    def note(self, size: int | None = None, root: bytes | None = None, *extensions: str) -> bytes:
        """The signed checkpoint at a size, or of a root of the test's choosing."""
        size = self.tree.size if size is None else size
        key = self.keys.log_verifier.public_key
        return self.keys.sign_checkpoint(size, root or self.tree.root(size), (key,), *extensions)

    def assurance(self, held: bytes) -> api.FollowResponse:
        """What Follow says first, to whoever holds a head of ours, or none. It says so whatever is true."""
        if not held:
            return api.FollowResponse(checkpoint=self.note())
        shown = read_checkpoint(held, self.keys.log_verifier)
        size = self.tree.size
        proof = self.tree.consistency_proof(shown.size) if shown.size <= size else []
        return api.FollowResponse(
            checkpoint=self.note(size, None, extension_of(shown, proof)), proof=proof
        )

    def page(
        self, start: int = 0, stop: int | None = None, note: bytes = b""
    ) -> api.FollowResponse:
        """What Follow says: entries start..stop-1 and a checkpoint, by default the present one."""
        entries = [
            api.LoggedEntry(index=index, envelope=envelope, bundle=encode_bundle(leaves))
            for index, (envelope, leaves) in enumerate(self.log)
        ]
        return api.FollowResponse(entries=entries[start:stop], checkpoint=note or self.note())

    # ---- the service ----

    async def Append(self, request: api.AppendRequest, context: Any) -> api.Receipt:
        self.calls.append(request.envelope)
        if self.unavailable:
            self.unavailable -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        if self.refusal is not None:
            await context.abort(*self.refusal)
        known = [envelope for envelope, _ in self.log]
        if request.envelope in known:
            index = known.index(request.envelope)
        else:
            parse_envelope(request.envelope)
            index = self.add(request.envelope, tuple(request.leaves))
        proof = self.tree.inclusion_proof(index)
        return self.on_receipt(api.Receipt(index=index, checkpoint=self.note(), proof=proof))

    async def Follow(
        self, request: api.FollowRequest, context: Any
    ) -> AsyncIterator[api.FollowResponse]:
        position = request.start
        yield self.on_assurance(self.assurance(request.held))
        while True:
            while self.tree.size <= position:
                self.grown.clear()
                await self.grown.wait()
            page, position = self.page(position), self.tree.size  # it may grow while this is sent
            yield self.on_follow(page)

    async def Announce(self, request: api.AnnounceRequest, context: Any) -> api.AnnounceResponse:
        self.calls.append(request.envelope)
        return api.AnnounceResponse()

    async def Lookup(self, request: api.LookupRequest, context: Any) -> api.LookupResponse:
        return api.LookupResponse(envelopes=self.calls)


@asynccontextmanager
async def serving(coordinator: ScriptedCoordinator) -> AsyncIterator[NetworkLink]:
    """The coordinator on a free loopback port, and the link that leads to it."""
    keys = coordinator.keys
    server = grpc.aio.server()
    add_CoordinatorServicer_to_server(coordinator, server)  # type: ignore[no-untyped-call]
    credentials = grpc.ssl_server_credentials([(keys.tls_key, keys.tls_certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield network_link(Config("test network"), keys, port, 1)
    finally:
        await server.stop(None)

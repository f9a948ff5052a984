"""Gets the content of a snapshot from its contributors' nodes, in the operator's name.

A node serves an accepted item to the network's operator, whom the Noise handshake proves. Every byte is
checked against the item's commitment while it streams. What has arrived is kept: an interrupted fetch
goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonground.asking import ATTEMPT_SECONDS, Asking
from commonground.client import CoordinatorClient
from commonground.directory import Directory
from commonground.p2p import Denial, OpenBlob, PeerHost
from coordinator.dataset.content import ContentStore
from coordinator.operator import Operator
from protocol.errors import Misbehaviour, Reject, Unreachable
from protocol.identity import Identity, peer_id_of
from protocol.log.link import parse_link
from protocol.state import ItemId, ItemState

# Transfers at once: contributors have slow lines, and each node takes no more than four from a peer.
FETCHES_MAX: Final = 8
# Passes over what is missing: a node may announce itself, or reach the verdict in the log, meanwhile.
# Within a pass, a transfer is tried again some six times.
PASSES_MAX: Final = 2
PASS_PAUSE_SECONDS: Final = 2.0
# Failures in a row after which a node is left alone for the rest of a pass.
FAILURES_MAX: Final = 2
_LISTEN: Final = ("/ip4/127.0.0.1/tcp/0",)  # we dial; nobody needs to reach us

OnItem = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item, whose it is, and what the log says of its content."""

    item_id: ItemId
    author: Identity
    size: int
    commitment: bytes


class _Nothing:
    """We only ask: there is nothing here to give."""

    async def open(self, item_id: bytes) -> OpenBlob | None:
        return None

    async def authorise(self, peer: bytes, item_id: bytes) -> Denial:
        return Denial("this peer only fetches")

    async def accept(self, author: bytes, data: bytes) -> bool:
        # Nodes gossip checkpoints while we fetch. To call an honest one wrong would ban its sender,
        # who has our items; every other node judges for itself what reaches it.
        return True


class SnapshotFetcher:
    """One run over what is missing."""

    def __init__(
        self, host: PeerHost, directory: Directory, content: ContentStore, on_item: OnItem
    ) -> None:
        """`on_item` is called for each item that arrives; `problems` says why others did not."""
        self._host, self._content = host, content
        self._on_item = on_item
        self._asking = Asking[Wanted](directory, at_once=FETCHES_MAX, failures_max=FAILURES_MAX)
        self.problems: dict[ItemId, str] = {}

    async def run_pass(self, wanted: Sequence[Wanted]) -> None:
        """Tries each item once. Raises Unreachable (the directory) and StoreError (our disk)."""
        await self._asking.run_pass(wanted, self._try, self._skipped)

    def _skipped(self, each: Wanted, announced: bool) -> None:
        if announced:
            self.problems.setdefault(each.item_id, "its contributor's node does not answer")
        else:
            self.problems[each.item_id] = "its contributor's node is offline"

    async def _try(self, each: Wanted, addresses: Sequence[str]) -> bool:
        """Fetches one item; False where its node is at fault and should be left alone."""
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                fetched = await self._host.fetch(
                    peer_id_of(each.author),
                    addresses,
                    each.item_id,
                    sink_path=self._content.incoming(each.item_id),
                    size_max=each.size,
                    commitment=each.commitment,
                )
        except (Unreachable, TimeoutError):
            self.problems[each.item_id] = "its contributor's node does not answer"
            return False
        except (Misbehaviour, Reject) as error:
            self.problems[each.item_id] = str(error)
            return False
        await asyncio.to_thread(self._content.keep, each.item_id, fetched.salt)
        self.problems.pop(each.item_id, None)
        self._on_item()
        return True


def fetch_missing(
    operator: Operator, items: Sequence[ItemId], content: ContentStore, on_item: OnItem
) -> dict[ItemId, str]:
    """Fetches what is not here yet; gives the items that could not be fetched, and why.

    `on_item` is called for each item that is here, at once or later.

    Raises:
        Unreachable: the coordinator does not answer; StoreError: our disk failed.
    """
    wanted = []
    for item_id in items:
        if content.has(item_id):
            on_item()
        else:
            wanted.append(_wanted(item_id, operator.state.items[item_id]))
    return asyncio.run(_fetch(operator, wanted, content, on_item)) if wanted else {}


async def _fetch(
    operator: Operator, wanted: Sequence[Wanted], content: ContentStore, on_item: OnItem
) -> dict[ItemId, str]:
    host = fetching_host(bytes(operator.keys.operator_key))
    # The server is on this machine, whatever name others know it by.
    link = replace(parse_link(operator.link), host=operator.local_host)
    await host.start()
    try:
        async with CoordinatorClient(link) as client:
            fetcher = SnapshotFetcher(host, Directory(link.network, client), content, on_item)
            for number in range(PASSES_MAX):
                left = [each for each in wanted if not content.has(each.item_id)]
                if not left:
                    break
                if number:
                    await asyncio.sleep(PASS_PAUSE_SECONDS)
                await fetcher.run_pass(left)
            return fetcher.problems
    finally:
        await host.stop()


def fetching_host(secret: bytes) -> PeerHost:
    """A peer that asks and gives nothing; start it. `secret` is an Ed25519 seed."""
    nothing = _Nothing()
    return PeerHost(
        secret,
        authorise=nothing.authorise,
        source=nothing,
        validate_checkpoint=nothing.accept,
        listen=_LISTEN,
    )


def _wanted(item_id: ItemId, item: ItemState) -> Wanted:
    record = item.record()
    return Wanted(item_id, item.author, record.size, record.content_commitment)

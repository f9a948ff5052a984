"""Gets the content of a snapshot from its contributors' nodes, in the operator's name.

A node serves the parts of an accepted item to the network's operator, whom the Noise handshake proves. Every
byte is checked against the part's commitment while it streams. What has arrived is kept: an interrupted
fetch goes on where it was. A contributor has several machines, of which one has the item: all that announce
themselves are asked, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonground.addresses import Announcement
from commonground.asking import ATTEMPT_SECONDS, Asking
from commonground.client import CoordinatorClient
from commonground.directory import Directory, keys_of_person
from commonground.p2p import Denial, DialRule, OpenBlob
from commonground.p2p.host import PeerHost
from coordinator.dataset.content import ContentStore, PartOf
from coordinator.operator import Operator
from protocol.errors import Misbehaviour, Reject, Unreachable
from protocol.identity import KeyId
from protocol.log.link import parse_link
from protocol.media import check_content
from protocol.rows import ItemId
from protocol.state import State

# Transfers at once: contributors have slow lines, and each node takes no more than four from a peer.
FETCHES_MAX: Final = 8
# Passes over what is missing: a node may announce itself, or reach the verdict in the log, meanwhile.
# Within a pass, a transfer is tried again some six times.
PASSES_MAX: Final = 2
PASS_PAUSE_SECONDS: Final = 2.0
# Failures in a row after which a node is left alone for the rest of a pass.
FAILURES_MAX: Final = 2
# What the writer could not hold (items.ITEM_BYTES_MAX) is not read here, either.
CHECKED_BYTES_MAX: Final = 64 * 1024 * 1024
_LISTEN: Final = ("/ip4/127.0.0.1/tcp/0",)  # we dial; nobody needs to reach us

OnPart = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part of an item, who may have it, and what the log says of its content."""

    item_id: ItemId
    part: str
    keys: tuple[KeyId, ...]  # of its author's machines, the latest first
    media_type: str
    size: int
    commitment: bytes

    @property
    def place(self) -> PartOf:
        """What it is called."""
        return self.item_id, self.part


class _Nothing:
    """We only ask: there is nothing here to give."""

    async def open(self, item_id: ItemId, part: str) -> OpenBlob | None:
        return None

    async def authorise(self, item_id: ItemId, part: str, peer: KeyId) -> Denial:
        return Denial("this peer only fetches")

    async def accept(self, author: KeyId, data: bytes) -> bool:
        # Nodes gossip checkpoints while we fetch. To call an honest one wrong would ban its sender,
        # who has our items; every other node judges for itself what reaches it.
        return True


class SnapshotFetcher:
    """One run over what is missing."""

    def __init__(
        self, host: PeerHost, directory: Directory, content: ContentStore, on_part: OnPart
    ) -> None:
        """`on_part` is called for each part that arrives; `problems` says why others did not."""
        self._host, self._content = host, content
        self._on_part = on_part
        self._asking = Asking[Wanted](directory, at_once=FETCHES_MAX, failures_max=FAILURES_MAX)
        self.problems: dict[PartOf, str] = {}

    async def run_pass(self, wanted: Sequence[Wanted]) -> None:
        """Tries each part once. Raises Unreachable (the directory) and StoreError (our disk)."""
        await self._asking.run_pass(wanted, self._try, self._skipped)

    def _skipped(self, each: Wanted, announced: bool) -> None:
        if announced:
            self.problems.setdefault(each.place, "its contributor's node does not answer")
        else:
            self.problems[each.place] = "its contributor's node is offline"

    async def _try(self, each: Wanted, where: Announcement) -> bool:
        """Fetches one part from one machine and keeps it; False where another one should be asked."""
        await self._asking.pace(where.key)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                fetched = await self._host.fetch(
                    where.peer_id,
                    where.addresses,
                    each.item_id,
                    each.part,
                    sink_path=self._content.incoming(each.item_id, each.part),
                    size_max=each.size,
                    commitment=each.commitment,
                )
            await asyncio.to_thread(self._keep, each, fetched.salt)
        except (Unreachable, TimeoutError):
            self.problems[each.place] = "its contributor's node does not answer"
            return False
        except (Misbehaviour, Reject) as error:
            self.problems[each.place] = str(error)
            return False
        self.problems.pop(each.place, None)
        self._on_part()
        return True

    def _keep(self, each: Wanted, salt: bytes) -> None:
        """A text that is none would not go into its column: what reviewers let through is left out."""
        path = self._content.incoming(each.item_id, each.part)
        if each.size <= CHECKED_BYTES_MAX:
            try:
                check_content(each.media_type, path.read_bytes())
            except Reject:
                path.unlink()
                raise
        self._content.keep(each.item_id, each.part, salt)


def fetch_missing(
    operator: Operator, items: Sequence[ItemId], content: ContentStore, on_part: OnPart
) -> dict[ItemId, str]:
    """Fetches what is not here yet; gives the items of which a part could not be fetched, and why.

    `on_part` is called for each part that is here, at once or later.

    Raises:
        Unreachable: the coordinator does not answer; StoreError: our disk failed.
    """
    wanted = []
    for each in parts_of(operator.state, items):
        if content.has(each.item_id, each.part):
            on_part()
        else:
            wanted.append(each)
    if not wanted:
        return {}
    problems = asyncio.run(fetch_parts(operator, wanted, content, on_part))
    return {item_id: why for (item_id, _), why in reversed(problems.items())}


def parts_of(state: State, items: Sequence[ItemId]) -> list[Wanted]:
    """All parts of these items."""
    return [
        Wanted(
            item_id,
            part.name,
            keys_of_person(state, state.items[item_id].author),
            part.media_type,
            part.size,
            part.commitment,
        )
        for item_id in items
        for part in state.items[item_id].described().parts
    ]


async def fetch_parts(
    operator: Operator, wanted: Sequence[Wanted], content: ContentStore, on_part: OnPart
) -> dict[PartOf, str]:
    """Fetches these parts; gives why some of them could not be had. Raises as `fetch_missing`."""
    host = fetching_host(bytes(operator.keys.operator_key), parse_link(operator.link).host)
    # The server is on this machine, whatever name others know it by.
    link = replace(parse_link(operator.link), host=operator.local_host)
    await host.start()
    try:
        async with CoordinatorClient(link) as client:
            fetcher = SnapshotFetcher(host, Directory(link.network, client), content, on_part)
            for number in range(PASSES_MAX):
                left = [each for each in wanted if not content.has(each.item_id, each.part)]
                if not left:
                    break
                if number:
                    await asyncio.sleep(PASS_PAUSE_SECONDS)
                await fetcher.run_pass(left)
            return fetcher.problems
    finally:
        await host.stop()


def fetching_host(secret: bytes, near: str) -> PeerHost:
    """A peer that asks and gives nothing; start it. `secret` is an Ed25519 seed.

    What the internet does not reach is dialled where `near`, the network's host, is of the same kind.
    """
    nothing = _Nothing()
    return PeerHost(
        secret,
        authorise=nothing.authorise,
        source=nothing,
        validate_checkpoint=nothing.accept,
        listen=_LISTEN,
        dialling=DialRule(near),
    )

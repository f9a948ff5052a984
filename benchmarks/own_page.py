"""A contributor's own page in a large network: every page over HTTP, with a million items in the state.

    python -m benchmarks.own_page [ITEMS] [CONTRIBUTORS]

`ada` has some items as most contributors do; `heavy` has a tenth of the network's. A tenth of all items is
under review meanwhile, so that pages have to tell which.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx

from benchmarks.report import show
from node.page.own import OwnRecords
from node.page.server import serving
from node.page.sources import Replay, Sources
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus, RoundPhase
from protocol.limits import PPM
from protocol.rows import Belief, Item, Member, Round
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb
from tests.helpers import answer_of
from tests.own_page import World, live_world

ITEMS: Final = 1_000_000
CONTRIBUTORS: Final = 10_000
REQUESTS: Final = 100
_STATUSES: Final = (
    *([ItemStatus.ACCEPTED] * 7),
    *(ItemStatus.REJECTED, ItemStatus.DUPLICATE, ItemStatus.COMMITTED),
)


def run(items: int = ITEMS, contributors: int = CONTRIBUTORS) -> dict[str, object]:
    """Milliseconds for each page, as its owner waits for them."""
    with tempfile.TemporaryDirectory() as folder:
        world = live_world(Path(folder))
        try:
            heavy = _enlarge(world.follower.state, items, contributors)
            return {
                "items in the state": len(world.follower.state.items),
                "contributors": len(world.follower.state.members),
                "ada": asyncio.run(_measure(world, world.sources)),
                "heavy": asyncio.run(_measure(world, _sources_of(world, heavy))),
            }
        finally:
            world.close()


def _sources_of(world: World, me: PersonId) -> Sources:
    own = OwnRecords(world.follower, world.store, me)
    return replace(world.sources, me=me, replay=Replay(world.follower, own, lambda: True))


def _enlarge(state: State, items: int, contributors: int) -> PersonId:
    """Fills the state with others' items; gives who has a tenth of them."""
    rng = random.Random(1)
    authors = [PersonId(rng.randbytes(32)) for _ in range(contributors)]
    first, known = next(state.items.scan())
    for number, author in enumerate(authors):
        state.members.put(author, Member(rng.randbytes(20), number, 1))
        state.earned.put((author, SHARES), PPM)
        state.beliefs.put((author, pb.ROLE_CONTRIBUTOR, "digits"), Belief(9 * PPM, PPM))
    reviewed = []
    for number in range(items):
        author = authors[0] if number % 10 == 0 else authors[number % contributors]
        status = _STATUSES[number // 10 % 10]
        item = Item(
            author, "digits", 1, number, known.described(), status=status, confidence_ppm=997_000
        )
        if status is ItemStatus.DUPLICATE:
            item = replace(item, duplicate_of=first)
        elif status is not ItemStatus.COMMITTED:
            said = answer_of(3 if status is ItemStatus.ACCEPTED else 4)
            item = replace(item, answer=answer_of(3), proposal=said, decided_in=1)
        item_id = rng.randbytes(32)
        state.items.put(item_id, item)
        if status is ItemStatus.COMMITTED:
            reviewed.append(item_id)
    state.rounds.put("digits", Round(2, RoundPhase.COMMITTING, items=tuple(reviewed)))
    return authors[0]


async def _measure(world: World, sources: Sources) -> dict[str, object]:
    assert sources.replay is not None
    [newest] = sources.replay.own.items(None, 0, 1)
    paths = {
        "my page": "",
        "items": "items",
        "items, accepted, page 1,000": "items?state=accepted&page=1000",
        "one item": f"items/{newest.hex()}",
        "earnings": "earnings",
        "reviews": "reviews",
        "privacy": "training",
        "node": "node",
        "log entry": "log/7",
    }
    async with (
        serving(sources, world.url_file) as url,
        httpx.AsyncClient(follow_redirects=True, base_url=url.partition("?")[0]) as client,
    ):
        await client.get(url)
        taken: dict[str, object] = {
            name: await _times(client, path) for name, path in paths.items()
        }
        return taken | {"nothing new": await _times(client, "", f'"{sources.version()}"')}


async def _times(client: httpx.AsyncClient, path: str, known: str = "") -> dict[str, float]:
    """`known` is the entity tag of what the client has."""
    taken = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        answer = await client.get(path, headers={"if-none-match": known})
        taken.append((time.perf_counter() - began) * 1_000)
        assert answer.status_code == (304 if known else 200)
    cuts = statistics.quantiles(taken, n=100)
    return {"p50 ms": cuts[49], "p99 ms": cuts[98]}


if __name__ == "__main__":
    show(run(*map(int, sys.argv[1:])))

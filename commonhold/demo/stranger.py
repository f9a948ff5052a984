"""Somebody with a key of their own, and no assignment, asks a node for an item's content."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from commonground.p2p import Denial, DialRule, OpenBlob
from commonground.p2p.host import PeerHost
from commonhold.demo.share import PART
from protocol.errors import Reject, Unreachable

_LOOPBACK: Final = ("/ip4/127.0.0.1/tcp/0",)
_SIZE_MAX: Final = 1_000_000


class _Nothing:
    """A stranger has nothing to give."""

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        return None


async def _deny(_item_id: bytes, _part: str, _peer: bytes) -> Denial:
    return Denial("a stranger serves nobody")


async def _ignore(_author: bytes, _data: bytes) -> bool:
    return True


async def _ask(peer_id: str, addresses: Sequence[str], item_id: bytes, folder: Path) -> bool:
    host = PeerHost(
        secrets.token_bytes(32),
        authorise=_deny,
        source=_Nothing(),
        validate_checkpoint=_ignore,
        listen=_LOOPBACK,
        dialling=DialRule("127.0.0.1"),
    )
    await host.start()
    try:
        await host.fetch(
            peer_id,
            addresses,
            item_id,
            PART,
            sink_path=folder / "stolen",
            size_max=_SIZE_MAX,
            commitment=bytes(32),
        )
    except (Reject, Unreachable):
        return not (folder / "stolen").exists()
    finally:
        await host.stop()
    return False


def is_refused(peer_id: str, addresses: Sequence[str], item_id: bytes, folder: Path) -> bool:
    """Whether the node gave the stranger nothing."""
    return asyncio.run(_ask(peer_id, addresses, item_id, folder))

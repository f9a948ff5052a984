"""A peer of another library reads content, asks nonsense, and leaves streams open: others are served.

It is the stock JavaScript library, which shares no line with ours: what it reads, it reads by the protocol's
description. `make javascript` installs it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commonground.p2p.limits import STREAMS_PER_PEER_MAX
from commonground.p2p.wire import RESPONSE_BYTES
from tests.p2p_peer import ITEM, PART, Setup, run_peer, still_serves

FOLDER = Path(__file__).parents[1] / "javascript"
CONTENT_BYTES = 200_000
TAIL_BYTES = 10
PEER_S = 90.0
RSS_BYTES_MAX = 400 << 20

pytestmark = [
    pytest.mark.timeout(PEER_S + 60),
    pytest.mark.skipif(
        shutil.which("node") is None or not (FOLDER / "node_modules").is_dir(),
        reason="no JavaScript peer: make javascript",
    ),
]


def test_a_stock_javascript_peer_reads_and_harms_nobody(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(os.urandom(CONTENT_BYTES))
    with run_peer(Setup(content=str(content))) as victim:
        address = f"{victim.addresses[0]}/p2p/{victim.peer_id}"
        command = ["node", "peer.mjs", address, ITEM.hex(), PART, str(CONTENT_BYTES - TAIL_BYTES)]
        done = subprocess.run(
            command, cwd=FOLDER, capture_output=True, text=True, timeout=PEER_S, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        seen: dict[str, Any] = json.loads(done.stdout)
        whole, tail = seen["answers"]
        assert whole == RESPONSE_BYTES + CONTENT_BYTES, "all of the content, after an answer's head"
        assert tail == RESPONSE_BYTES + TAIL_BYTES, "on the same stream, from where it asked on"
        assert isinstance(seen["unknownVersion"], str), "refused, not answered"
        assert 0 < seen["idle"]["opened"] <= STREAMS_PER_PEER_MAX
        assert seen["idle"]["ended"], "streams on which nothing is asked are ended"
        assert seen["afterwards"] == [tail], "and the connection is of use again"
        assert still_serves(victim, tmp_path / "sink")
        assert victim.rss_bytes() < RSS_BYTES_MAX

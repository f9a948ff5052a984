"""A node whose coordinator is away: it serves, keeps its work, and ends when it is told to."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from commonhold.cli.node_report import remember_names
from commonhold.demo.stage import Stage
from node.blobs import BlobStore
from node.config import NodeConfig, NodeDirectory, write_config
from node.keys import generate_keys, save_keys
from node.registration import registration
from node.rows import OutboxState
from node.store import Store
from protocol.limits import SALT_BYTES
from tests.node_lab import LISTEN, until
from tests.simulated_log import LINK

pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alone_it_keeps_its_work_and_ends_in_time(tmp_path: Path, number: signal.Signals) -> None:
    home, keys = NodeDirectory(tmp_path / "node"), generate_keys()
    home.create()
    save_keys(home.keys, keys)
    write_config(home, NodeConfig(LINK, LISTEN))
    with BlobStore(home.blobs) as blobs:
        orphan = blobs.put(b"of a submission that was killed", bytes(SALT_BYTES)).commitment
    with Store(home.database) as store, Stage(tmp_path) as stage:
        outgoing = registration(keys, LINK.network)
        store.enqueue(outgoing)
        daemon = stage.serve("node", "node", "start", "--dir", str(home.root))
        stage.wait_ready(daemon)
        assert daemon.ready["peer_id"] == keys.peer_id
        assert daemon.ready["addresses"]
        with BlobStore(home.blobs) as blobs:
            assert blobs.find(orphan) is None

        def tried() -> bool | None:
            row = store.outbox_row(outgoing.digest)
            return True if row is not None and row.attempts else None

        until(tried, "an attempt to send")
        daemon.process.send_signal(number)
        assert daemon.process.wait(timeout=5) == 0
        row = store.outbox_row(outgoing.digest)
        assert row is not None
        assert row.state is OutboxState.QUEUED
    log = daemon.log.read_text()
    assert "does not answer" in log
    assert "Traceback" not in log
    assert not any(secret.hex() in log for secret in (keys.seed, keys.payout_secret))


def test_an_endpoint_that_came_after_the_start_is_not_waited_for(tmp_path: Path) -> None:
    home, keys = NodeDirectory(tmp_path / "node"), generate_keys()
    home.create()
    save_keys(home.keys, keys)
    write_config(home, NodeConfig(LINK, LISTEN))
    with Store(home.database) as store:
        remember_names(store, keys)
    with Stage(tmp_path) as stage:

        def chain() -> str:
            said = stage.run("node", "status", "--offline", "--dir", str(home.root))
            return str(said["chain"])

        before = stage.serve("node", "node", "start", "--dir", str(home.root))
        stage.wait_ready(before)
        assert "name an endpoint" in chain()
        write_config(home, NodeConfig(LINK, LISTEN, rpc_url="http://127.0.0.1:1"))
        assert "start it again" in chain()
        stage.stop(before)
        assert chain() == "nothing to look at: no contracts yet"
        stage.wait_ready(stage.serve("node", "node", "start", "--dir", str(home.root)))
        assert chain() == "nothing to look at: no contracts yet", "it uses it now"

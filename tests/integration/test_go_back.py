"""Nobody goes back: an older ledger is refused and restored from a node, and forced past that, every node
alarms."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from commonhold.demo.stage import Stage
from coordinator.config import Config, Home
from coordinator.database import open_engine
from coordinator.founding import found
from coordinator.operator import Operator
from node.config import NodeConfig
from protocol.errors import Unreachable
from protocol.log.link import parse_link
from tests.integration.test_ledger import POSTGRES, TABLES
from tests.live_coordinator import default_policy
from tests.node_lab import Lab, Node, until

pytestmark = pytest.mark.timeout(180)

BACKED_UP, GROWN = 25, 66
ALARM_SECONDS = 5.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Net(Lab):
    """A network whose coordinator comes back at the same address."""

    def found(self, **policy: int) -> None:
        config = Config(name="lab", grpc_port=free_port(), http_port=free_port())
        found(self.home, config, default_policy(**policy))
        self.server = self.serve(self.home)
        self.link = self.server.ready["link"]

    def grow(self, size: int) -> None:
        with Operator(self.home) as operator:
            while operator.state.size < size:
                self.open_campaign(operator, reviewers=2, id=f"c-{operator.state.size}")

    def put_back(self, backup: Path) -> None:
        """What somebody does who knows of nothing but the ledger."""
        self.stage.stop(self.server)
        for suffix in ("-wal", "-shm"):
            (self.home.path / f"ledger.db{suffix}").unlink(missing_ok=True)
        shutil.copy(backup / "ledger.db", self.home.path / "ledger.db")

    @property
    def size(self) -> int:
        with Operator(self.home) as operator:
            return operator.state.size


def commonhold(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "commonhold", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
    )


def has(node: Node, size: int) -> bool | None:
    with node.store() as store:
        last = store.checkpoint()
        return True if last is not None and last.size >= size else None


def alarmed(node: Node) -> Path | None:
    files = sorted((node.home.root / "alarms").glob("*.json"))
    return files[0] if files else None


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with Stage(tmp_path) as stage:
        lab = Net(stage, tmp_path)
        lab.found()
        yield lab


@pytest.fixture
def nodes(net: Net, tmp_path: Path) -> list[Node]:
    """Two nodes that have 66 entries, over a coordinator with the ledger of a backup of 25."""
    made = [net.node(name, stand_by=False) for name in ("alice", "bob")]
    net.grow(BACKED_UP)
    done = net.stage.run(
        "coordinator", "backup", str(tmp_path / "saved"), "--dir", str(net.home.path)
    )
    assert done["size"] == BACKED_UP
    for node in made:
        node.configure(NodeConfig(parse_link(net.link), stand_by=False))
    daemons = [net.start(node) for node in made]
    net.stage.wait_ready(*daemons)
    net.grow(GROWN)
    for node in made:
        until(partial(has, node, GROWN), f"all of the log at {node.name}")
    for daemon in daemons:
        net.stage.stop(daemon)
    net.put_back(tmp_path / "saved")
    return made


def test_an_older_ledger_is_refused_and_restored_from_a_node(net: Net, nodes: list[Node]) -> None:
    refused = commonhold("coordinator", "serve", "--dir", str(net.home.path))
    assert refused.returncode == 6
    assert f"{GROWN - BACKED_UP} are missing" in refused.stderr
    assert "coordinator restore --from" in refused.stderr
    assert commonhold("coordinator", "fsck", "--dir", str(net.home.path)).returncode == 6
    status = net.stage.run("coordinator", "status", "--dir", str(net.home.path))
    assert f"{GROWN - BACKED_UP} are missing" in status["missing"]

    daemons = [net.start(node) for node in nodes]
    net.stage.wait_ready(*daemons)
    source = str(nodes[0].home.root)
    done = net.stage.run("coordinator", "restore", "--from", source, "--dir", str(net.home.path))
    assert (done["before"], done["size"]) == (BACKED_UP, GROWN)
    again = net.stage.run("coordinator", "restore", "--from", source, "--dir", str(net.home.path))
    assert (again["restored"], again["size"]) == (0, GROWN)
    assert net.stage.run("coordinator", "fsck", "--dir", str(net.home.path))["entries"] == GROWN
    with nodes[1].store() as store, Operator(net.home) as operator:
        ours = {row.index: row.envelope for row in store.entries(0, GROWN)}
        theirs = {each.index: each.envelope for each in operator._ledger.entries(0, GROWN)}
    assert ours == theirs, "not one acknowledged entry is lost"

    net.server = net.serve(net.home)
    net.grow(GROWN + 1)
    for node in nodes:
        until(partial(has, node, GROWN + 1), f"the log that goes on, at {node.name}")
        with node.store() as store:
            assert store.alarms() == []


def test_forced_past_the_refusal_every_node_alarms_with_a_file_that_convinces_a_stranger(
    net: Net, nodes: list[Node], tmp_path: Path
) -> None:
    net.home.head_path.unlink()
    net.server = net.serve(net.home)
    for node in nodes:
        daemon = net.start(node)
        net.stage.wait_ready(daemon)
        began = time.monotonic()
        file = until(partial(alarmed, node), f"the alarm of {node.name}")
        assert time.monotonic() - began < ALARM_SECONDS

        empty = tmp_path / f"stranger of {node.name}"
        empty.mkdir()
        shutil.copy(file, empty / "alarm.json")
        shown = commonhold("verify", net.link, "--alarm", "alarm.json", "--json", cwd=empty)
        assert shown.returncode == 0, shown.stderr
        data = json.loads(shown.stdout)
        assert (data["kind"], data["proven"]) == ("went-back", True)
        assert f"{GROWN} entries" in data["proves"]
        assert f"{BACKED_UP}" in data["proves"]

    # An honest operator, whose head file was lost, is told, too, and begins no second history.
    with pytest.raises(Unreachable), Operator(net.home) as operator:
        net.open_campaign(operator, reviewers=2, id="second-history")
    assert net.size == BACKED_UP
    net.stage.stop(net.server)
    refused = commonhold("coordinator", "serve", "--dir", str(net.home.path))
    assert refused.returncode == 6
    copy = tmp_path / "copy"
    net.stage.run("node", "copy", str(copy), "--dir", str(nodes[0].home.root))
    assert net.stage.run("verify", str(copy), "--key", net.link)["size"] == GROWN
    done = net.stage.run("coordinator", "restore", "--from", str(copy), "--dir", str(net.home.path))
    assert done["size"] == GROWN


def test_a_backup_in_a_new_place_is_completed_before_it_serves(
    net: Net, nodes: list[Node], tmp_path: Path
) -> None:
    """The machine is gone: what is left are the backup, the keys, and the nodes."""
    home = Home(tmp_path / "new")
    shutil.copytree(tmp_path / "saved", home.path)
    for name in ("*.key", "tls.crt"):
        for file in net.home.path.glob(name):
            shutil.copy(file, home.path)
    refused = commonhold("coordinator", "serve", "--dir", str(home.path))
    assert refused.returncode == 5
    assert "is a backup" in refused.stderr
    net.stage.run(
        "coordinator", "restore", "--from", str(nodes[1].home.root), "--dir", str(home.path)
    )
    assert not home.backup_path.exists()
    net.home = home
    net.server = net.serve(home)
    assert net.size == GROWN


@pytest.mark.skipif(not POSTGRES, reason="COMMONHOLD_TEST_POSTGRES names no empty database")
def test_a_ledger_in_postgresql_that_is_gone_is_restored(net: Net, nodes: list[Node]) -> None:
    """And one that came with less. A database of one's own is put in place of the file, in the settings."""
    settings = net.home.config_path
    settings.write_text(
        settings.read_text().replace('ledger_url = ""', f'ledger_url = "{POSTGRES}"')
    )
    source = str(nodes[0].home.root)
    engine = open_engine(POSTGRES)
    try:
        done = net.stage.run(
            "coordinator", "restore", "--from", source, "--dir", str(net.home.path)
        )
        assert (done["before"], done["size"]) == (0, GROWN)
        net.server = net.serve(net.home)
        net.grow(GROWN + 1)
        net.stage.stop(net.server)
        with engine.begin() as tx:
            tx.execute(sa.text(f"DROP TABLE {', '.join(TABLES)}"))
        refused = commonhold("coordinator", "serve", "--dir", str(net.home.path))
        assert refused.returncode == 6, refused.stderr
        assert "coordinator restore --from" in refused.stderr
    finally:
        with engine.begin() as tx:
            tx.execute(sa.text(f"DROP TABLE IF EXISTS {', '.join(TABLES)}"))
        engine.dispose()

"""What a busy log costs a node that follows it: processor time of its daemon for each entry.

    python -m benchmarks.following [--json]

A coordinator and eight nodes as processes on loopback; another member has small records logged, some a
second, as a training job does. Half of the nodes gather entries, as nodes do; the others are told of each at
once, in the same run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean
from typing import Any, Final

from benchmarks.report import is_json_wanted, show
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from node.config import NodeConfig
from node.training.node_log import NodeLog
from protocol.log.link import parse_link
from protos.gen import records_pb2 as pb
from tests.node_lab import Lab, Node, until
from tests.processes import cpu_seconds

NODES: Final = 4  # of each kind
ENTRIES: Final = 150
PAUSE_SECONDS: Final = 0.05  # beside what an append takes: about ten a second
SETTLE_SECONDS: Final = 8.0  # by then nodes have met each other, and told what they were shown
ALONE: Final = """
from node import daemon
daemon.GATHER_MS = 0
from commonhold.cli import main
main()
"""


def run() -> dict[str, Any]:
    """Milliseconds of processor time for an entry: of the coordinator, and of a daemon of either kind."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Stage(Path(folder)) as stage,
        ExitStack() as opened,
    ):
        lab = Lab(stage, Path(folder))
        lab.found()
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=1)
        author, *nodes = [
            lab.node(f"node-{number}", stand_by=False) for number in range(2 * NODES + 1)
        ]
        gathering = [lab.start(node) for node in nodes[:NODES]]
        alone = [opened.enter_context(_told_of_each(node, Path(folder))) for node in nodes[NODES:]]
        stage.wait_ready(*gathering)
        time.sleep(SETTLE_SECONDS)
        processes = {
            "coordinator": [lab.server.process.pid],
            "a node": [each.process.pid for each in gathering],
            "a node that is told of each": [each.pid for each in alone],
        }
        before = {name: _spent(pids) for name, pids in processes.items()}
        began = time.monotonic()
        _busy(author)
        seconds = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        spent = {name: _spent(pids) - before[name] for name, pids in processes.items()}
    each = {name: 1e3 * found / ENTRIES for name, found in spent.items()}
    ratio = each["a node that is told of each"] / each["a node"]
    return {
        "entries a second": ENTRIES / seconds,
        "CPU milliseconds an entry": each,
        "ratio": ratio,
    }


@contextmanager
def _told_of_each(node: Node, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    ready = folder / f"{node.name}.ready"
    options = ("node", "start", "--dir", str(node.home.root), "--ready-file", str(ready))
    with (folder / f"{node.name}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", ALONE, *options], stdout=log, stderr=log)
    try:
        until(lambda: ready.exists() or None, f"the daemon of {node.name}")
        yield process
    finally:
        process.terminate()
        process.wait()


def _busy(author: Node) -> None:
    """A member that stands by and does not, in turn."""
    with (
        author.store() as store,
        NodeLog(store, NodeConfig(parse_link(author.link)), author.keys) as log,
    ):
        network = log.read(lambda state: state.network)
        for serial in range(ENTRIES):
            record = pb.Standby(
                network=network, campaign_id="digits", stands=not serial % 2, serial=serial
            )
            log.append("standby", record)
            time.sleep(PAUSE_SECONDS)


def _spent(pids: Sequence[int]) -> float:
    return mean(cpu_seconds(each) for each in pids)


def main() -> None:
    as_json = is_json_wanted(__doc__)
    figures = run()
    print(json.dumps(figures)) if as_json else show(figures)


if __name__ == "__main__":
    main()

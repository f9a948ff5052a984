"""A network with training jobs as real processes: coordinator, SuperLink, ServerApp and partners."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from commonhold.demo.stage import Server, Stage
from commonhold.digits import load_digits, write_folder
from coordinator.operator import Operator
from protocol.identity import name_of
from protocol.jobs import Job
from tests.node_lab import Lab, Node

JOB = "digits-1"
# Six processes import torch, on two cores that may be busy.
PATIENCE_SECONDS = 150.0
POLL_SECONDS = 0.2


@dataclass
class Net:
    """One coordinator and some partners with a few digits each."""

    stage: Stage
    folder: Path
    partners: list[Node] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def found(self, partners: int, images: int = 40) -> None:
        """Founds the network, and deals digits out."""
        self.lab = Lab(self.stage, self.folder)
        self.lab.found()
        with self.operator() as operator:
            self.lab.open_campaign(operator, reviewers=3)
        self._digits = load_digits()
        self._order = np.random.default_rng(3).permutation(len(self._digits))
        self.held_back = self.folder / "held-back"
        self.write(self.held_back, 50, 0)
        for number in range(partners):
            node = self.lab.node(f"partner-{number}")
            self.write(self.data(node), images, 50 + images * number)
            self.partners.append(node)

    def data(self, node: Node) -> Path:
        """The digits of a partner."""
        return self.folder / f"{node.name}-data"

    def relabel(self, node: Node, label: int) -> None:
        """Gives all its digits one label."""
        table = self.data(node) / "labels.csv"
        files = [line.partition(",")[0] for line in table.read_text().splitlines()[1:]]
        table.write_text("file,label\n" + "".join(f"{file},{label}\n" for file in files))

    def operator(self) -> Operator:
        return Operator(self.lab.home)

    def job(self, job_id: str = JOB) -> Job:
        """The job as the operator's ledger has it now."""
        with self.operator() as operator:
            return operator.state.jobs[job_id]

    def joined(self, job_id: str = JOB) -> int:
        """How many partners the log has."""
        with self.operator() as operator:
            return operator.state.partners.count(job_id)

    def open_arguments(self, *options: str, job_id: str = JOB, quorum: int = 2) -> list[str]:
        invited = [
            word for node in self.partners for word in ("--partner", name_of(node.keys.person))
        ]
        return [
            *("federated", "open", "--dir", str(self.lab.home.path), "--id", job_id),
            *("--campaign", "digits", "--quorum", str(quorum), "--expected-examples", "120"),
            *("--held-back", str(self.held_back), "--rounds", "3", *invited, *options),
        ]

    def join_arguments(self, node: Node, *options: str, job_id: str = JOB) -> list[str]:
        named = [] if "--epsilon-max" in options else ["--epsilon-max", "3"]
        return [
            *("federated", "join", "--dir", str(node.home.root), "--job", job_id),
            *("--data", str(self.data(node)), "--yes", *named, *options),
        ]

    def open(self, *options: str, **terms: Any) -> Server:
        """Starts `federated open`, and waits until the job is in the log."""
        server = self.start("open", *self.open_arguments(*options, "--json", **terms))
        self.stage.wait_ready(server)
        return server

    def join(self, nodes: Sequence[Node], *options: str) -> list[Server]:
        """Starts `federated join` for each; does not wait."""
        return [
            self.start(f"join-{node.name}", *self.join_arguments(node, *options, "--json"))
            for node in nodes
        ]

    def resume(self, *options: str) -> Server:
        """Starts `federated resume`."""
        name, home = f"resume-{next(self._numbers)}", str(self.lab.home.path)
        arguments = ("--dir", home, "--id", JOB, "--json", *options)
        return self.start(name, "federated", "resume", *arguments)

    def start(self, name: str, *arguments: str) -> Server:
        return self.stage.serve(name, *arguments)

    def end(
        self, server: Server, seconds: float = PATIENCE_SECONDS
    ) -> tuple[int, dict[str, Any], str]:
        """Waits for a command: its exit code, what it printed as JSON, and all that it said."""
        code = server.process.wait(seconds)
        said = server.log.read_text()
        start = said.find("{\n")
        printed = json.JSONDecoder().raw_decode(said[start:])[0] if start >= 0 else {}
        return code, printed, said

    def await_rounds(self, rounds: int) -> None:
        """Waits until the log has so many rounds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.job().rounds) < rounds:
            assert time.monotonic() < deadline, f"waited in vain for {rounds} rounds"
            time.sleep(POLL_SECONDS)

    def write(self, folder: Path, count: int, start: int) -> None:
        """So many digits, from this place on in the order that all are dealt in."""
        mine = self._order[start:][:count]
        write_folder(folder, self._digits.images[mine], self._digits.labels[mine])

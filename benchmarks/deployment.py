"""Training as it is deployed: processes, TLS and a log, beside the same rounds in one process.

    python -m benchmarks.deployment              wall time, a round's overhead, memory of a partner
    python -m benchmarks.deployment --stock      the same beside stock Flower: SuperNodes and `flwr run`
    python -m benchmarks.deployment --kills 60   SIGKILL of every process of a job, at any time

It starts a network of its own and needs both environments: run it where `commonhold` is, as the tests are. A
machine that does other things meanwhile makes every figure larger.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.report import show
from commonground.jobs import is_over
from commonhold.cli.output import EXIT_STATE
from commonhold.cli.training import training_command
from commonhold.demo import stage
from commonhold.demo.stage import Server, Stage
from federated.budget import read_spending
from tests.federated_net import JOB, Net
from tests.processes import children_of, cpu_seconds, kill, pss_mib

PARTNERS: Final = 4
ROUNDS: Final = 10
IMAGES: Final = 200  # of each partner
# Partners of the job that is killed; all of them are in every round, so that the same model comes out.
KILLED_PARTNERS: Final = 3
KILLED_ROUNDS_MIN: Final = 10
# A machine that is busy takes its time to start a process again.
PATIENCE_SECONDS: Final = 1_800.0
SAMPLE_SECONDS: Final = 0.5
# The next one is killed once the job has made a step, wherever it is in it then; or after so long without.
STEP_SECONDS_MAX: Final = 8.0
SEED: Final = 6


def run(*, stock: bool = False) -> dict[str, Any]:
    """Wall times, memory, processor time and overhead of a job of four partners and ten rounds."""
    with _network(PARTNERS, IMAGES) as net:
        alone = _by_training("deployment_alone")
        deployed = _deployed(net)
    seconds = deployed["rounds_seconds"]
    beside = _by_training("deployment_stock") if stock else None
    return {
        "one_process": alone,
        "deployed": deployed,
        "wall_ratio_to_one_process": round(seconds / alone["rounds_seconds"], 2),
        "overhead_seconds_a_round": round((seconds - alone["rounds_seconds"]) / ROUNDS, 3),
        **(_beside(beside, deployed) if beside else {}),
    }


def _beside(stock: dict[str, Any], deployed: dict[str, Any]) -> dict[str, Any]:
    return {
        "stock_flower": stock,
        "wall_ratio_to_stock": round(deployed["rounds_seconds"] / stock["rounds_seconds"], 3),
    }


@contextmanager
def _network(partners: int, images: int) -> Iterator[Net]:
    stage.READY_S = PATIENCE_SECONDS  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as running:
        net = Net(running, Path(folder))
        net.found(partners=partners, images=images)
        yield net


# ---- side by side ----


def _by_training(module: str) -> dict[str, Any]:
    """The same partners and rounds in another way, by a benchmark of the environment for training."""
    python = training_command().parent / "python"
    numbers = map(str, (ROUNDS, PARTNERS, IMAGES))
    done = subprocess.run(
        [str(python), "-m", f"benchmarks.{module}", *numbers],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _deployed(net: Net) -> dict[str, Any]:
    """The job with a process for each partner; times are those of the log."""
    begun = time.monotonic()
    leading = net.open("--rounds", str(ROUNDS), "--round-seconds", "120", quorum=PARTNERS)
    joining = net.join(net.partners)
    memory, times, used = dict[str, float](), dict[int, float](), dict[int, dict[str, float]]()
    with (
        net.operator() as operator
    ):  # one, which is told: who replays the log all the time measures itself
        for state in operator.updates(PATIENCE_SECONDS):
            job = state.jobs[JOB]
            if len(job.rounds) not in times:
                times[len(job.rounds)] = time.monotonic()
                used[len(job.rounds)] = _cpu_seconds(net, leading, joining)
                for server in joining:
                    pss = pss_mib(server.process.pid)
                    memory[server.name] = max(memory.get(server.name, 0.0), pss)
            if is_over(job):
                break
    code, printed, said = net.end(leading)
    if code:
        raise SystemExit(said)
    for server in joining:
        net.end(server)
    rounds = [times[n + 1] - times[n] for n in range(1, ROUNDS)]
    return {
        "wall_seconds": round(time.monotonic() - begun, 1),
        "rounds_seconds": round(times[ROUNDS] - times[1] + median(rounds), 2),
        "median_round_seconds": round(median(rounds), 3),
        "partner_pss_mib": round(max(memory.values())),
        # Other than wall time, these hardly depend on what else the machine does.
        "cpu_seconds_until_round_1": _rounded(used[1]),
        "cpu_seconds_a_round": _rounded(
            {name: (used[ROUNDS][name] - each) / (ROUNDS - 1) for name, each in used[1].items()}
        ),
        "accuracy_int8": printed["accuracy_int8"],
    }


def _cpu_seconds(net: Net, leading: Server, joining: list[Server]) -> dict[str, float]:
    """Of each process of the job so far, of partners together, and of all; ours that looks on is none."""
    children = children_of(leading.process.pid)
    used = {
        "coordinator": cpu_seconds(net.lab.server.process.pid),
        "open": cpu_seconds(leading.process.pid),
        **{
            name: sum(
                cpu_seconds(each.process_id) for each in children if f".{name}" in each.command
            )
            for name in ("superlink", "serverapp")
        },
        "partners": sum(cpu_seconds(server.process.pid) for server in joining),
    }
    return used | {"all": sum(used.values())}


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(each, 3) for name, each in figures.items()}


# ---- kills ----


@dataclass
class Massacre:
    """A job whose processes are killed one after the other, and started again as their owners would."""

    net: Net
    kills: int
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    killed: dict[str, int] = field(default_factory=dict)
    epsilon: dict[str, float] = field(default_factory=dict)  # spent, by partner, as last seen
    step: Any = None  # what the log had when somebody was killed last
    struck: float = 0.0  # when that was

    def run(self) -> dict[str, Any]:
        """Kills until there were so many, or the job is over. Raises AssertionError for what must not be."""
        leading, joining = _begin(self.net, self.kills)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while leading.process.poll() is None or leading.process.returncode < 0:
            assert time.monotonic() < deadline, "the job does not end"
            self._look()
            if sum(self.killed.values()) < self.kills and self._has_made_a_step():
                time.sleep(self.chance.uniform(0.0, 2 * SAMPLE_SECONDS))
                leading = self._kill_one(leading, joining)
            self._revive(joining)
            time.sleep(SAMPLE_SECONDS / 5)
        code, printed, said = self.net.end(leading)
        assert (code, printed.get("outcome")) == (0, "completed"), said
        for server in joining:
            self.net.end(server, PATIENCE_SECONDS)
            assert self._has_ended_well(server), server.log.read_text()
        self._look()
        return self._figures()

    def _has_made_a_step(self) -> bool:
        """Whether the log has anything new of the job since somebody was killed."""
        with self.net.operator() as operator:
            step = (operator.state.jobs[JOB], operator.state.updates.count(JOB))
        now = time.monotonic()
        if step == self.step and now - self.struck < STEP_SECONDS_MAX:
            return False
        self.step, self.struck = step, now
        return True

    def _figures(self) -> dict[str, Any]:
        job = self.net.job()
        for node in self.net.partners:
            [spending] = read_spending(node.home.root / "budget.db")
            assert spending.rounds == len(job.rounds) + len(job.failed), "a round is charged once"
        return {
            "kills": self.killed,
            "rounds": len(job.rounds),
            "failed_rounds": len(job.failed),
            "model": job.model.hex(),
        }

    def _kill_one(self, leading: Server, joining: list[Server]) -> Server:
        victim = self.chance.choice(("partner", "partner", "superlink", "serverapp", "open"))
        if victim == "partner":
            server = self.chance.choice(joining)
            if server.process.poll() is None:
                self._strike(victim, server.process.pid)
                server.process.wait()
        elif victim == "open":
            self._strike(victim, leading.process.pid)
            leading.process.wait()
            return self.net.resume()
        else:
            for child in children_of(leading.process.pid):
                if f"federated.flower.{victim}" in child.command:
                    self._strike(victim, child.process_id)
        return leading

    def _strike(self, name: str, process_id: int) -> None:
        kill(process_id)
        self.killed[name] = self.killed.get(name, 0) + 1

    def _revive(self, joining: list[Server]) -> None:
        for at, node in enumerate(self.net.partners):
            if joining[at].process.poll() == -signal.SIGKILL:
                [joining[at]] = _join(self.net, at)
            elif joining[at].process.poll() is not None:
                assert self._has_ended_well(joining[at]), joining[at].log.read_text()
            del node

    def _has_ended_well(self, server: Server) -> bool:
        """With the job; or one that was killed last came back when it was over, and is told so."""
        code, printed, _ = self.net.end(server)
        done = (code, printed.get("outcome")) == (0, "completed")
        return done or (code, printed.get("error")) == (EXIT_STATE, "the job is over")

    def _look(self) -> None:
        """Epsilon never falls."""
        for node in self.net.partners:
            for spending in read_spending(node.home.root / "budget.db"):
                assert spending.epsilon >= self.epsilon.get(node.name, 0.0), "epsilon fell"
                self.epsilon[node.name] = spending.epsilon


def _begin(net: Net, kills: int) -> tuple[Server, list[Server]]:
    """A job with about as many rounds as somebody is killed: seldom more than one is while a round lasts."""
    rounds = str(max(KILLED_ROUNDS_MIN, kills))
    leading = net.open("--rounds", rounds, "--round-seconds", "600", quorum=KILLED_PARTNERS)
    return leading, [_join(net, at)[0] for at in range(KILLED_PARTNERS)]


def _join(net: Net, at: int) -> list[Server]:
    return net.join(net.partners[at : at + 1], "--fixed-noise-for-tests", str(at + 1))


def _killed(kills: int) -> dict[str, Any]:
    with _network(KILLED_PARTNERS, 40) as net:
        found = Massacre(net, kills).run()
    show(found)  # the rest takes as long again
    with _network(KILLED_PARTNERS, 40) as net:
        leading, joining = _begin(net, kills)
        for server in (leading, *joining):
            code, _, said = net.end(server, PATIENCE_SECONDS)
            assert code == 0, said
        undisturbed = net.job().model.hex()
    found["same_model_as_undisturbed"] = found["model"] == undisturbed
    return found


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = _killed(arguments.kills) if arguments.kills else run(stock=arguments.stock)
    if arguments.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()

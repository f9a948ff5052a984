"""What partners reach together under differential privacy, by task, with three seeds each: mean and spread.

    python -m benchmarks.federated --data mnist.npz --json              pictures: 10 partners, Dirichlet 0.5
    python -m benchmarks.federated --task names --data names.tsv        surnames of 18 languages
    python -m benchmarks.federated --task sms --data sms.tsv            spam, 8 partners
    python -m benchmarks.federated --task table                         a table from scikit-learn, 4 partners

`federated` is the sum of the partners' updates on their grids, each with its share of exact noise; `central`
is one holder of all examples with the same noise; `without noise` the same rounds without. Settings were
chosen on a part of the training data (--validate measures on it); the examples that are measured with here
were in no choice. Of mnist.npz 5,000 training pictures, without their labels, are public: they whiten the
features. `no public` does without them: there strokes do that, which a program draws.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from benchmarks.federated_data import Data, census, names, pictures, sms
from benchmarks.report import show
from benchmarks.secure_sums import run as secure_sums
from federated.aggregate import Aggregator
from federated.attacks import by_loss, losses
from federated.data import Kind, Table, private
from federated.gradients import clipped_sum
from federated.grid import fitting, from_ring, ring_of
from federated.model import Weights
from federated.onnx_pack import Precision
from federated.partner import Partner
from federated.privacy import Who, adversaries, noise_multiplier_for
from federated.release import release
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.registry import options_of
from federated.tasks.task import Inputs, initial_weights
from protocol.committee import noise_parties_max
from protocol.limits import PPM

SEEDS: Final = 3
PLACE: Final = "place"
TIMED: Final = 750  # examples, of a partner's round
SMALL: Final = (8, 4)  # bits of an uploaded value
DRAWN_DIMS: Final = 400  # without public pictures: strokes are as many as one likes
AWAY: Final = 2  # partners, of those whose sum is checked


def spec_of(data: Data, partners: int, bits: int | None = None) -> TrainingSpec:
    """The task's recipe at the data's epsilon, for so many partners who all have to be there. As in a job,
    the noise is enough without those who might tell each other theirs."""
    recipe = data.task.recipe(len(data.training), data.epsilon)
    size = initial_weights(data.task, data.name, data.public).vector.size
    spec = TrainingSpec(
        job_id="benchmark",
        task=data.name,
        options=options_of(data.task),
        labels=data.task.labels,
        columns=tuple(column.name for column in data.task.columns),
        rounds=recipe.rounds,
        quorum=partners,
        sampling=recipe.sampling,
        clip=recipe.clip,
        noise_multiplier=noise_multiplier_for(
            data.epsilon, data.delta, recipe.sampling, recipe.rounds
        ),
        learning_rate=recipe.learning_rate,
        momentum=recipe.momentum,
        epsilon=data.epsilon,
        delta=data.delta,
        expected_examples=len(data.training),
        cohorts=0,
        noise_parties=noise_parties_max(partners, partners),
        step=1,
        bits=32,
        values=size,
        parameters=size,
        partners=partners,
    )
    return fitting(spec, bits)


class Known:
    """A task whose features were computed before, once for many jobs."""

    def __init__(self, task: Task, inputs: Inputs) -> None:
        self._task, self._inputs = task, inputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def inputs(self, table: Table, _: object) -> Inputs:
        """By the examples' places."""
        return self._inputs[table[PLACE].astype(np.int64)]


class Held:
    """Examples with their features, for all jobs."""

    def __init__(self, data: Data, first: Weights) -> None:
        self.inputs = data.task.inputs(data.training, first.fixed)
        places = np.arange(len(data.training))
        training = Table({**data.training.values, PLACE: places})
        self.data, self.first = replace(data, training=training), first
        self.known = cast(Task, Known(data.task, self.inputs))
        self.test = data.task.inputs(data.test, first.fixed)
        self.targets = data.task.targets(data.test)

    def accuracy(self, weights: Weights) -> float:
        """On the test examples."""
        return self.data.task.metric(self.data.task.scores(weights, self.test), self.targets)


def train(
    spec: TrainingSpec, held: Held, shares: Sequence[Table], seed: int
) -> tuple[Weights, float]:
    """All rounds with these partners; gives the model, and a partner's processor time in a round."""
    partners = [
        Partner(
            spec,
            held.known,
            private(share, held.data.task.columns),
            lambda _: 0,
            Random(f"{seed} {number}").randbytes,
        )
        for number, share in enumerate(shares)
    ]
    weights, aggregator, seconds = held.first, Aggregator(spec, held.first), 0.0
    for round_ in range(1, spec.rounds + 1):
        total = ring_of(spec).zeros(spec.values)
        for partner in partners:
            began = time.process_time() if round_ > 1 else 0.0
            total += partner.update(round_, weights).words
            seconds += (
                time.process_time() - began if round_ > 1 else 0.0
            )  # features are in the first
        weights = aggregator.step(from_ring(total, spec, round_), len(partners))
    return weights, seconds / len(partners) / max(1, spec.rounds - 1)


# ---- figures ----


def figures(data: Data, seeds: int) -> dict[str, Any]:
    """One task: federated, central, without noise, uploads in few bits, files in few bits."""
    held = Held(data, initial_weights(data.task, data.name, data.public))
    data = held.data
    whole, alone = spec_of(data, data.partners), spec_of(data, 1)
    models, seconds, shipped = [], [], []
    for seed in range(seeds):
        weights, took = train(whole, held, data.shares(seed), seed)
        models.append(held.accuracy(weights))
        seconds.append(took)
        shipped.append(_shipped(data, weights))
    sums = secure_sums(data.partners, whole.values, whole.bits, AWAY)
    found: dict[str, Any] = {
        "federated": _spread(models),
        "central": _spread(
            [held.accuracy(train(alone, held, [data.training], s)[0]) for s in range(seeds)]
        ),
        "without noise": _without_noise(held, alone),
        "epsilon": whole.epsilon,
        "delta": whole.delta,
        "examples": len(data.training),
        "rounds": whole.rounds,
        "cpu_s_per_partner_round": mean(seconds),
        "milliseconds of a round": closed_form(held),
        "exposures": {each.who: each.epsilon for each in adversaries(whole)},
        "secure sum is exact": sums["secure_sum_exact"],
        "membership, auc": membership(held, weights),
    }
    if data.name == "table":
        found["scikit-learn, no privacy"] = without_privacy(data)
    for name in shipped[0]:
        found[name] = _spread([each[name] for each in shipped])
    for bits in SMALL:
        found[f"upload, {bits} bits"] = _upload(held, bits, seeds)
    return found


def membership(held: Held, weights: Weights) -> float:
    """How well the loss tells examples that the model has seen from the test examples; .5: not at all.
    benchmarks.attacks has stronger attacks."""
    task, count = held.data.task, min(len(held.inputs), len(held.test))
    seen = task.scores(weights, held.inputs[:count])
    members = losses(seen, task.targets(held.data.training)[:count])
    return by_loss(members, losses(task.scores(weights, held.test), held.targets)).auc


def deployed() -> float | None:
    """How many times longer the same rounds take in processes of their own: `benchmarks.deployment`, in the
    environment that the product runs in; None where only this one is installed."""
    python = Path(sys.prefix.removesuffix("-federated")) / "bin" / "python"
    if not python.exists():
        return None
    command = [str(python), "-m", "benchmarks.deployment", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    ratio: float = json.loads(done.stdout.splitlines()[-1])["wall_ratio_to_one_process"]
    return ratio


def without_public(data: Data, seeds: int) -> dict[str, float]:
    """The federated accuracy alone, of pictures whose features are whitened by strokes from a program."""
    held = Held(data, initial_weights(data.task, data.name))
    spec = spec_of(data, data.partners)
    reached = [held.accuracy(train(spec, held, held.data.shares(s), s)[0]) for s in range(seeds)]
    return _spread(reached)


def closed_form(held: Held) -> dict[str, float]:
    """Milliseconds for the clipped sum of so many examples, in closed form and by Opacus' hooks."""
    task, weights = held.data.task, held.first
    inputs, targets = held.inputs[:TIMED], task.targets(held.data.training)[:TIMED]
    module = nn.Linear(inputs.shape[1], len(task.labels)).train()  # Opacus looks at nothing else

    def loss(outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, truth, reduction="none")

    taken = {
        "closed form": _milliseconds(lambda: task.clipped_sum(weights, inputs, targets, 0.5)),
        "Opacus": _milliseconds(lambda: clipped_sum(module, loss, inputs, targets, 0.5)),
    }
    return {**taken, "times faster": taken["Opacus"] / taken["closed form"]}


def _milliseconds(work: Callable[[], object]) -> float:
    """Processor time, the least of some: others use the machine as well."""
    times = []
    for _ in range(5):
        began = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - began))
    return min(times)


def without_privacy(data: Data) -> float:
    """scikit-learn's logistic regression on the same columns: numbers standardised, categories one by one."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    kinds = [column.kind for column in data.task.columns[:-1]]
    numbers = [at for at, kind in enumerate(kinds) if kind is Kind.NUMBER]
    others = [at for at, kind in enumerate(kinds) if kind is not Kind.NUMBER]

    def columns(table: Table) -> NDArray[Any]:
        names = [column.name for column in data.task.columns[:-1]]
        return np.stack([table[name].astype(object) for name in names], axis=1)

    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), others)
        ),
        LogisticRegression(max_iter=1_000),
    )
    model.fit(columns(data.training), data.task.targets(data.training))
    return float(model.score(columns(data.test), data.task.targets(data.test)))


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "mean": mean(values),
        "deviation": stdev(values) if len(values) > 1 else 0.0,
        "least": min(values),
    }


def _without_noise(held: Held, spec: TrainingSpec) -> float:
    """The same rounds and clip, by the closed form alone."""
    task, weights = held.data.task, held.first
    velocity, targets = np.zeros(weights.vector.size), task.targets(held.data.training)
    for _ in range(spec.rounds):
        total = task.clipped_sum(weights, held.inputs, targets, spec.clip)
        velocity = spec.momentum * velocity + total / len(targets)
        stepped = weights.vector - spec.learning_rate * velocity
        weights = weights.replaced(stepped.astype(np.float32))
    return held.accuracy(weights)


def _shipped(data: Data, weights: Weights) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        made_of = release(data.task, weights, data.test, Path(folder))
    fp32 = made_of.of(Precision.FP32)
    row: dict[str, float] = {}
    for precision in (Precision.INT8, Precision.INT4):
        each = made_of.of(precision)
        row[f"accuracy {precision}"] = each.accuracy_ppm / PPM
        row[f"{precision} times smaller"] = fp32.size_bytes / each.size_bytes
    return row


def _upload(held: Held, bits: int, seeds: int) -> dict[str, float]:
    data = held.data
    spec = spec_of(data, data.partners, bits)
    reached = [held.accuracy(train(spec, held, data.shares(s), s)[0]) for s in range(seeds)]
    packed = ring_of(spec).packed_bytes(spec.values)
    return {**_spread(reached), "times smaller": 4 * spec.parameters / packed}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The one JSON object; null is what this task, or this machine, has not."""
    exposures = found["exposures"]
    return {
        "accuracy_federated": found["federated"]["mean"],
        "accuracy_central": found["central"]["mean"],
        "accuracy_no_public": found.get("no public", {}).get("mean"),
        "accuracy_int8": found["accuracy int8"]["mean"],
        "accuracy_int4": found["accuracy int4"]["mean"],
        "epsilon": found["epsilon"],
        "delta": found["delta"],
        "epsilon_coordinator": exposures[Who.COORDINATOR],
        "int8_ratio": found["int8 times smaller"]["mean"],
        "int4_ratio": found["int4 times smaller"]["mean"],
        "upload_ratio_8bit": found["upload, 8 bits"]["times smaller"],
        "upload_ratio_4bit": found["upload, 4 bits"]["times smaller"],
        "secure_sum_exact": found["secure sum is exact"],
        "cpu_s_per_partner_round": found["cpu_s_per_partner_round"],
        "wall_ratio_to_one_process": found["wall time beside one process"],
        "mia_auc": found["membership, auc"],
        "seconds": found["seconds"],
    }


def main() -> None:
    """Measures one task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--task", choices=["pictures", "names", "sms", "table"], default="pictures")
    parser.add_argument("--data", type=Path, help="mnist.npz, names.tsv, sms.tsv")
    parser.add_argument("--epsilon", type=float, default=11.83, help="of names: 11.83 or 3")
    parser.add_argument("--dims", type=int, default=200, help="of pictures")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--validate", action="store_true", help="measure on training examples")
    parser.add_argument("--no-public", action="store_true", help="pictures: leave that run out")
    parser.add_argument(
        "--no-deployment", action="store_true", help="leave the job of several processes out"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.task != "table" and given.data is None:
        parser.error(f"--task {given.task} needs --data")
    began = time.monotonic()
    match given.task:
        case "pictures":
            data = pictures(given.data, given.dims, given.validate)
        case "names":
            data = names(given.data, given.epsilon, given.validate)
        case "sms":
            data = sms(given.data, given.validate)
        case _:
            data = census(given.validate)
    found = figures(data, given.seeds)
    if given.task == "pictures" and not given.no_public:
        found["no public"] = without_public(
            pictures(given.data, DRAWN_DIMS, given.validate, public=False), given.seeds
        )
    found["wall time beside one process"] = None if given.no_deployment else deployed()
    found["seconds"] = time.monotonic() - began
    show(found) if not given.json else print(json.dumps(found), file=sys.stderr)
    print(json.dumps(summary(found)))


if __name__ == "__main__":
    main()

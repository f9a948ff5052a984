"""What partners reach together under differential privacy, by task, with three seeds each: mean and spread.

    python -m benchmarks.federated --data mnist.npz --json              pictures: 10 partners, Dirichlet 0.5
    python -m benchmarks.federated --task names --data names.tsv        surnames of 18 languages
    python -m benchmarks.federated --task sms --data sms.tsv            spam, 8 partners
    python -m benchmarks.federated --task table                         a table from scikit-learn, 4 partners

`federated` is the sum of the partners' updates on their grids, each with its share of exact noise; `central`
is one holder of all examples with the same noise; `without noise` the same rounds without. Settings were
chosen on a part of the training data (--validate measures on it); the examples that are measured with here
were in no choice. Of mnist.npz 5,000 training pictures, without their labels, are public: they whiten the
features. `no public` does without them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import mean, stdev
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from benchmarks.report import show
from federated.aggregate import Aggregator
from federated.data import IMAGE, LABEL, Column, Kind, Table, column_array, private
from federated.gradients import clipped_sum
from federated.grid import fitting, from_ring, ring_of
from federated.model import Weights
from federated.onnx_pack import Precision
from federated.partner import Partner
from federated.privacy import Who, adversaries, noise_multiplier_for
from federated.release import release
from federated.spec import TrainingSpec
from federated.tasks import Task
from federated.tasks.registry import made, options_of
from federated.tasks.task import Inputs, initial_weights
from protocol.limits import PPM

SEEDS: Final = 3
SKEW: Final = 0.5  # Dirichlet's concentration: the smaller, the more partners differ
PUBLIC: Final = 5_000  # pictures
# Part of the training examples that settings are chosen on.
VALIDATED: Final = 0.1
PLACE: Final = "place"
TIMED: Final = 750  # examples, of a partner's round
SMALL: Final = (8, 4)  # bits of an uploaded value


@dataclass(frozen=True, eq=False)
class Data:
    """A set of examples, dealt out the same way every time."""

    task: Task
    name: str
    training: Table
    test: Table
    public: Table | None
    partners: int
    epsilon: float
    delta: float

    def shares(self, seed: int) -> list[Table]:
        """Every label is dealt to partners by parts that differ; nobody gets nothing."""
        rng = np.random.default_rng(seed)
        targets = self.task.targets(self.training)
        owners = np.zeros(len(targets), np.int64)
        for label in np.unique(targets):
            [places] = np.nonzero(targets == label)
            parts = rng.dirichlet([SKEW] * self.partners)
            owners[places] = rng.choice(self.partners, len(places), p=parts)
        owners[rng.permutation(len(owners))[: self.partners]] = np.arange(self.partners)
        return [self.training.take(owners == each) for each in range(self.partners)]


def spec_of(data: Data, partners: int, bits: int | None = None) -> TrainingSpec:
    """The task's recipe at the data's epsilon, for so many partners who all have to be there."""
    recipe = data.task.recipe(len(data.training))
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
        noise_parties=partners,
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


# ---- data ----


def pictures(path: Path, dims: int, validate: bool) -> Data:
    """MNIST: 5,000 training pictures are public, the others private."""
    raw = np.load(path)
    labels = tuple("0123456789")
    task = made("images", {"dims": dims}, labels)
    order = np.random.default_rng(0).permutation(len(raw["x_train"]))
    public, mine = order[:PUBLIC], order[PUBLIC:]
    training = _pictures(task, raw["x_train"][mine], raw["y_train"][mine])
    test = _pictures(task, raw["x_test"], raw["y_test"])
    known = _pictures(task, raw["x_train"][public], raw["y_train"][public]) if dims else None
    training, test = _validated(training, test) if validate else (training, test)
    return Data(task, "images", training, test, known, 10, 3.0, 1e-5)


def _pictures(task: Task, images: NDArray[np.uint8], classes: NDArray[Any]) -> Table:
    labels = column_array(task.columns[1], [task.labels[each] for each in classes])
    return Table({IMAGE: images[..., None], LABEL: labels})


def names(path: Path, epsilon: float, validate: bool) -> Data:
    """Surnames: four of five train, as in Opacus' example."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    labels = tuple(sorted({label for _, label in lines}))
    task = made("text", {"chars": 32}, labels)
    delta = 8e-5 if epsilon > 10 else 1e-5
    table = _texts(task.columns, [(text, label) for text, label in lines])
    return Data(task, "text", *_split(table, validate), None, 10, epsilon, delta)


def sms(path: Path, validate: bool) -> Data:
    """Messages, spam or ham."""
    lines = [line.split("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
    task = made("text", {"chars": 200}, ("ham", "spam"))
    table = _texts(task.columns, [(text, label) for label, text in lines])
    return Data(task, "text", *_split(table, validate), None, 8, 3.0, 1e-5)


def _texts(columns: Sequence[Column], rows: list[tuple[str, str]]) -> Table:
    texts, labels = zip(*rows, strict=True)
    return Table(
        {
            columns[0].name: column_array(columns[0], list(texts)),
            LABEL: column_array(columns[1], list(labels)),
        }
    )


def census(validate: bool) -> Data:
    """A table as a census has: mixed columns, drawn by scikit-learn; ranges are declared, not estimated."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        20_000, 12, n_informative=8, n_redundant=2, class_sep=1.2, flip_y=0.05, random_state=1
    )
    columns = {f"n{at}": x[:, at] for at in range(10)}
    for at in (10, 11):  # two of them as categories
        cuts = np.digitize(x[:, at], [-2, -1, 0, 1, 2])
        columns[f"c{at}"] = np.array([f"k{each}" for each in cuts], object)
    options = {
        "numbers": [f"n{at}:-6:6" for at in range(10)],
        "categories": ["c10", "c11"],
        "knots": 9,
    }
    task = made("table", options, ("no", "yes"))
    columns[LABEL] = np.array([("no", "yes")[each] for each in y], object)
    return Data(task, "table", *_split(Table(columns), validate), None, 4, 3.0, 1e-5)


def _split(table: Table, validate: bool) -> tuple[Table, Table]:
    order = np.random.default_rng(0).permutation(len(table))
    cut = len(order) * 4 // 5
    training, test = table.take(order[:cut]), table.take(order[cut:])
    return _validated(training, test) if validate else (training, test)


def _validated(training: Table, _: Table) -> tuple[Table, Table]:
    """A part of the training examples in the place of those that nobody may choose on."""
    cut = int(len(training) * VALIDATED)
    return training.take(slice(cut, None)), training.take(slice(cut))


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
    }
    if data.name == "table":
        found["scikit-learn, no privacy"] = without_privacy(data)
    for name in shipped[0]:
        found[name] = _spread([each[name] for each in shipped])
    for bits in SMALL:
        found[f"upload, {bits} bits"] = _upload(held, bits, seeds)
    return found


def closed_form(held: Held) -> dict[str, float]:
    """Milliseconds for the clipped sum of so many examples, in closed form and by Opacus' hooks."""
    task, weights = held.data.task, held.first
    inputs, targets = held.inputs[:TIMED], task.targets(held.data.training)[:TIMED]
    module = task.network(weights).train()  # Opacus looks at nothing else
    if not isinstance(module, nn.Linear):  # of pictures the network begins with pixels
        module = nn.Linear(inputs.shape[1], len(task.labels))

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


def summary(found: dict[str, Any], no_public: float | None, seconds: float) -> dict[str, Any]:
    """The one JSON object; null where another benchmark measures it (docs/benchmarks.md)."""
    exposures = found["exposures"]
    return {
        "accuracy_federated": found["federated"]["mean"],
        "accuracy_central": found["central"]["mean"],
        "accuracy_no_public": no_public,
        "accuracy_int8": found["accuracy int8"]["mean"],
        "accuracy_int4": found["accuracy int4"]["mean"],
        "epsilon": found["epsilon"],
        "delta": found["delta"],
        "epsilon_coordinator": exposures[Who.COORDINATOR],
        "int8_ratio": found["int8 times smaller"]["mean"],
        "int4_ratio": found["int4 times smaller"]["mean"],
        "upload_ratio_8bit": found["upload, 8 bits"]["times smaller"],
        "upload_ratio_4bit": found["upload, 4 bits"]["times smaller"],
        "cpu_s_per_partner_round": found["cpu_s_per_partner_round"],
        "seconds": seconds,
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
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if given.task != "table" and given.data is None:
        parser.error(f"--task {given.task} needs --data")
    began, no_public = time.monotonic(), None
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
        bare = pictures(given.data, 0, given.validate)
        held = Held(bare, initial_weights(bare.task, bare.name))
        spec = spec_of(bare, bare.partners)
        reached = [
            held.accuracy(train(spec, held, held.data.shares(s), s)[0]) for s in range(given.seeds)
        ]
        found["no public"] = _spread(reached)
        no_public = found["no public"]["mean"]
    show(found) if not given.json else print(json.dumps(found), file=sys.stderr)
    print(json.dumps(summary(found, no_public, time.monotonic() - began)))


if __name__ == "__main__":
    main()

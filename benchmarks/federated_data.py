"""The sets of examples that training is measured with, dealt out to partners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from federated.data import IMAGE, LABEL, Column, Table, column_array
from federated.tasks import Task
from federated.tasks.registry import made

SKEW: Final = 0.5  # Dirichlet's concentration: the smaller, the more partners differ
PUBLIC: Final = 5_000  # pictures
# Part of the training examples that settings are chosen on.
VALIDATED: Final = 0.1


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


def pictures(path: Path, dims: int, validate: bool, *, public: bool = True) -> Data:
    """MNIST: 5,000 training pictures are public, or of no use; the others are private."""
    raw = np.load(path)
    labels = tuple("0123456789")
    task = made("images", {"dims": dims}, labels)
    order = np.random.default_rng(0).permutation(len(raw["x_train"]))
    others, mine = order[:PUBLIC], order[PUBLIC:]
    training = _pictures(task, raw["x_train"][mine], raw["y_train"][mine])
    test = _pictures(task, raw["x_test"], raw["y_test"])
    known = _pictures(task, raw["x_train"][others], raw["y_train"][others]) if public else None
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

"""The job's snapshot as a yardstick: how a round's model does on data that reviewers accepted.

It is read from the exported dataset. An item that its author withdraws while the job runs, or a part of
which, or that the operator takes down, is dropped from the next round on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from commonground.dataset.layout import DATA
from commonground.dataset.rows import LABEL as LABEL_INDEX
from coordinator.config import Home
from coordinator.dataset.snapshots import folder_name
from coordinator.operator import Operator
from federated import pictures
from federated.data import Column, Kind, Table, column_array
from federated.model import Weights
from federated.tasks import Task
from federated.tasks.task import Inputs, Targets
from protocol.errors import ConfigError
from protocol.lifecycle import GONE
from protocol.limits import PPM
from protocol.rows import ItemId
from protocol.state import State

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_ITEM_ID: Final = "item_id"
_BATCH_ROWS: Final = 1_000  # as Python's objects at a time


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """The items of a snapshot, decoded."""

    item_ids: tuple[ItemId, ...]  # (n,)
    table: Table  # (n,)
    parts: tuple[str, ...]  # that its columns are

    def kept(self, state: State) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(n,): which items, and their parts, are not withdrawn or taken down."""
        items = [state.items[each] for each in self.item_ids]
        return np.array(
            [each.status not in GONE and not {*self.parts} & {*each.taken_back} for each in items],
            bool,
        )


def load_yardstick(home: Home, digest: bytes, task: Task) -> Yardstick:
    """Reads the exported dataset of a snapshot, as the task's columns.

    Raises ConfigError when it is not there, or holds something else.
    """
    from pyarrow.parquet import ParquetFile  # of the extra `dataset`

    folder = home.path / "datasets" / folder_name(digest) / DATA
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ConfigError(
            f"the snapshot {folder_name(digest)} is not exported here",
            "run `commonhold coordinator export`, or open the job without --snapshot",
        )
    ids: list[ItemId] = []
    values: dict[str, list[Any]] = {column.name: [] for column in task.columns}
    parts: Mapping[str, str] = {}
    for file in files:
        with ParquetFile(file) as opened:  # read_table loads pyarrow.dataset, for .7 CPU seconds
            parts = _parts(opened.schema_arrow, task)
            for row in _rows(opened, (_ITEM_ID, *parts.values())):
                if any(row[part] is None for part in parts.values()):
                    continue  # never given, or taken back before the snapshot
                ids.append(bytes.fromhex(row[_ITEM_ID]))
                for column in task.columns:
                    values[column.name].append(_value(column, row[parts[column.name]], task))
    if not ids:
        raise _unlike(task)
    arrays = {column.name: column_array(column, values[column.name]) for column in task.columns}
    given = tuple(parts[c.name] for c in task.columns if c.kind is not Kind.LABEL)
    return Yardstick(tuple(ids), Table(arrays), given)


def measure_on(operator: Operator, snapshot: bytes, task: Task) -> Measure | None:
    """A job's snapshot, to compare rounds with; None where the job has none, or where somebody has
    withdrawn from it by now and its export is deleted."""
    if not snapshot or operator.state.snapshots[snapshot].withdrawn:
        return None
    yardstick = load_yardstick(operator.home, snapshot, task)
    return Measure(task, yardstick, lambda: operator.state)


class Measure:
    """A yardstick whose features are computed once, for all rounds: a `federated.judging.Public`."""

    def __init__(self, task: Task, yardstick: Yardstick, state: Callable[[], State]) -> None:
        self._task, self._yardstick, self._state = task, yardstick, state
        self._targets: Targets = task.targets(yardstick.table)
        self._inputs: Inputs | None = None

    def accuracy_ppm(self, weights: Weights) -> int:
        """The metric in parts per million; 0 when no item is left."""
        inputs, targets = self._left(weights)
        if not len(targets):
            return 0
        return round(self._task.metric(self._task.scores(weights, inputs), targets) * PPM)

    def downhill(self, weights: Weights, clip: float) -> NDArray[np.float64]:
        """(parameters,): the gradients of what is left, each clipped, in one sum."""
        inputs, targets = self._left(weights)
        return self._task.clipped_sum(weights, inputs, targets, clip)

    def _left(self, weights: Weights) -> tuple[Inputs, Targets]:
        if self._inputs is None:
            self._inputs = self._task.inputs(self._yardstick.table, weights.fixed)
        kept = self._yardstick.kept(self._state())
        return self._inputs[kept], self._targets[kept]


def _rows(file: ParquetFile, columns: Collection[str]) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=[*columns]):
        yield from batch.to_pylist()


def _parts(schema: Any, task: Task) -> dict[str, str]:
    """Which of the dataset's columns each column of the task is.

    A picture is the dataset's only one, whatever its campaign calls it; a text has the part's name, or is the
    only one as well.
    """
    from commonground.dataset.parquet import picture_columns, text_columns

    shown, texts = picture_columns(schema), text_columns(schema)
    asked = [column.name for column in task.columns if column.kind is Kind.TEXT]
    found: dict[str, str] = {}
    for column in task.columns:
        if column.kind is Kind.LABEL and LABEL_INDEX in schema.names:
            found[column.name] = LABEL_INDEX
        elif column.kind is Kind.IMAGE and len(shown) == 1:
            [found[column.name]] = shown
        elif column.kind is Kind.TEXT and column.name in texts:
            found[column.name] = column.name
        elif column.kind is Kind.TEXT and len(texts) == len(asked) == 1:
            [found[column.name]] = texts
        else:
            raise _unlike(task, (*shown, *texts))
    return found


def _value(column: Column, value: Any, task: Task) -> Any:
    """Reviewers have seen it, and its size was bounded when it came in."""
    if column.kind is Kind.LABEL:
        return task.labels[value]
    if column.kind is Kind.TEXT:
        return value
    try:
        return pictures.decode(value["bytes"], column.size)
    except ValueError as error:
        raise _unlike(task) from error


def _unlike(task: Task, parts: Collection[str] = ()) -> ConfigError:
    kinds = ", ".join(f"{column.name} ({column.kind})" for column in task.columns)
    its = f"; its own are {', '.join(parts)}" if parts else ""
    return ConfigError(
        f"the snapshot holds something else than the job's columns: {kinds}{its}",
        "call the task's columns so by --option, where it can, or open the job without --snapshot",
    )

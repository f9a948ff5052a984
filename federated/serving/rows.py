"""Rows as a partner's table has them, made into what a file takes by the code of the task that trained it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from federated.data import Column, Kind, Table, column_array, parsed
from federated.onnx_run import Takes
from federated.rows import json_fields
from federated.tasks import Task
from federated.tasks.registry import require_code, task_of
from protocol.errors import ConfigError


class Rows:
    """What of a row a model reads, and what becomes of it."""

    def __init__(self, task: Task, takes: Takes) -> None:
        """Raises ConfigError for a task that reads pictures: they are sent as pixels."""
        self.columns = tuple(each for each in task.columns if each.kind is not Kind.LABEL)
        if any(each.kind is Kind.IMAGE for each in self.columns):
            raise ConfigError("it takes pixels as they are", "send inputs")
        self._task, self._takes = task, takes

    @classmethod
    def of(cls, card: dict[str, Any], takes: Takes) -> Rows:
        """By a card. Raises ConfigError and StateError where its task is not installed as it was trained."""
        task = card["task"]
        require_code(task["name"], bytes.fromhex(task["code"]), task["version"])
        return cls(task_of(task["name"], task["options"], tuple(card["labels"])), takes)

    @property
    def described(self) -> dict[str, str]:
        """What each field holds, by its name."""
        return {each.name: _words(each) for each in self.columns}

    def made(self, rows: list[Any]) -> NDArray[Any]:
        """(n, *shape) of JSON objects. Raises ConfigError that names the row."""
        names = [each.name for each in self.columns]
        values: dict[str, list[Any]] = {name: [] for name in names}
        for at, row in enumerate(rows):
            fields = json_fields(row, names, f"row {at}")
            for column in self.columns:
                try:
                    values[column.name].append(parsed(fields[column.name], column))
                except ValueError as error:
                    raise ConfigError(f"row {at}: {error}", "correct the row") from error
        columns = {each.name: column_array(each, values[each.name]) for each in self.columns}
        made = np.asarray(self._task.feed(Table(columns), {}), self._takes.kind)
        if made.shape[1:] != self._takes.shape:
            raise ConfigError(
                f"the task makes {made.shape[1:]} of a row, and the file takes {self._takes.shape}",
                "get the model again, or send inputs",
            )
        return made


def _words(column: Column) -> str:
    return f"{column.kind.value}, or null" if column.optional else column.kind.value

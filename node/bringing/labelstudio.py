"""Label Studio's JSON export, read as a table: the fields of a task's data, and its annotations' answer.

What people answered becomes the words of the campaign's kind: one of several choices, a rating as the step of
that number, the left or the right of a pair as a or b. Predictions are not read; boxes, spans and other
regions are no answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from commonground.lines import is_file
from commonground.tables import Cell, Row, Rows, cell_of, read_json
from protocol.errors import ConfigError
from protocol.text import quoted

_SIDES: Final = {"left": "a", "right": "b"}
_SERVED: Final = "/data/"  # what Label Studio serves itself: uploads, and files of the machine
_HERE: Final = ("", "images", "upload", "media")  # where people save them, beside the export


class _Unread(Exception):
    """Why a task's annotations are no answer."""


@dataclass(frozen=True, slots=True)
class Tasks(Rows):
    """The tasks of an export."""

    answer: str  # the column that answers are in
    steps: tuple[str, ...] = ()  # of a scale, lowest first
    control: str = ""  # whose answers are read, where there are several (`from_name`)
    encoding: str = ""

    def columns(self) -> list[str]:
        """The fields of all tasks' data, and the answer. Raises ConfigError."""
        found = Rows.columns(self)
        return found + [self.answer] * (bool(self.answer) and self.answer not in found)

    def read(self) -> Iterator[Row]:
        """A row for each task. Raises ConfigError."""
        found = read_json(self.path, self.encoding)
        if not is_tasks(found):
            raise ConfigError(
                f"{self.path} is no export of Label Studio",
                "export it as JSON; name JSON-MIN with --format json",
            )
        for number, task in enumerate(found, start=1):
            yield self._row(number, task)

    def _row(self, number: int, task: Any) -> Row:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            return Row(number, {}, "it is no task with data")
        cells: dict[str, Cell] = {}
        for name, value in task["data"].items():
            cell = cell_of(value)
            if cell is not None:
                cells[name] = local_name(self.folder, cell) if isinstance(cell, str) else cell
        try:
            words = self._words(task) if self.answer else ""
        except _Unread as reason:
            return Row(number, cells, str(reason))
        return Row(number, cells | ({self.answer: words} if self.answer else {}))

    def _words(self, task: Mapping[str, Any]) -> str:
        given = [each for each in _dicts(task.get("annotations")) if not each.get("was_cancelled")]
        found: set[str] = set()
        # Who marked one as the truth has decided between them.
        for annotation in [each for each in given if each.get("ground_truth")] or given:
            found |= set(self._answers(_dicts(annotation.get("result"))))
        if len(found) > 1:
            raise _Unread(f"its annotations disagree: {', '.join(sorted(map(quoted, found)))}")
        return next(iter(found), "")

    def _answers(self, results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """What one person answered."""
        read = [
            each for each in results if not self.control or each.get("from_name") == self.control
        ]
        names = {str(each.get("from_name", "")) for each in read}
        if len(names) > 1:
            raise _Unread(
                f"it has answers to several questions, {', '.join(sorted(names))}: say which counts,"
                " --answer-column NAME"
            )
        for each in read:
            yield self._answer(str(each.get("type", "")), each.get("value"))

    def _answer(self, kind: str, value: Any) -> str:
        if not isinstance(value, dict):
            raise _Unread("an annotation has no value")
        if kind == "choices":
            return _only(value.get("choices"))
        rating, selected = value.get("rating"), value.get("selected")
        if kind == "rating" and isinstance(rating, int):
            return self._step(rating)
        if kind == "pairwise" and isinstance(selected, str) and selected in _SIDES:
            return _SIDES[selected]
        raise _Unread(f"an annotation of the type {quoted(kind)} is no answer")

    def _step(self, rating: int) -> str:
        if str(rating) in self.steps or not 0 < rating <= len(self.steps):
            return str(rating)
        return self.steps[rating - 1]


def is_tasks(found: Any) -> bool:
    """Whether a document is an export of tasks."""
    return isinstance(found, list) and any(
        isinstance(each, dict) and isinstance(each.get("data"), dict) for each in found[:10]
    )


def local_name(folder: Path, text: str) -> str:
    """A file that Label Studio served, as the one that was saved below the folder; else the text itself."""
    if not text.startswith(_SERVED):
        return text
    parts = urlsplit(text)
    served = parse_qs(parts.query).get("d", [unquote(parts.path)])[0].lstrip("/")
    name = PurePosixPath(served).name
    plain = name.partition("-")[2]  # uploads get eight digits in front
    tried = [
        served,
        *(f"{place}/{each}".lstrip("/") for each in (name, plain) if each for place in _HERE),
    ]
    safe = [each for each in tried if ".." not in PurePosixPath(each).parts]
    return next((each for each in safe if is_file(folder / each)), served)


def _only(choices: Any) -> str:
    if not isinstance(choices, list) or not all(isinstance(each, str) for each in choices):
        raise _Unread("an annotation has no choices")
    if len(choices) != 1:
        raise _Unread(f"{len(choices)} labels are chosen at once, and an item has one answer")
    return str(choices[0])


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

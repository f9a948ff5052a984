"""Label Studio's JSON export, read as a table: the fields of a task's data, and its annotations' answer.

What people answered becomes the words of the campaign's kind: one of several choices, the tags that were
chosen, a rating as the step of that number, the left or the right of a pair as a or b. What they marked in a
picture becomes its boxes, where the campaign has a part for these. What is not read is counted.

A value is a file only where its part is one, or where it is written as Label Studio names files and they
are there: a text stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from commonground.counting import plural
from commonground.lines import is_file
from commonground.tables import Cell, Row, Rows, cell_of, read_json
from node.bringing.columns import takes_text
from node.bringing.labels import MAX_FILE_CHARS
from node.bringing.regions import Unread, boxes_in, is_mark, kind_of
from node.bringing.rows import TableItems
from protocol.errors import ConfigError
from protocol.tasks.tags import NONE, SEPARATOR
from protocol.text import quoted

_SIDES: Final = {"left": "a", "right": "b"}
_SERVED: Final = ("/data/", "/storage-data/")  # what Label Studio serves itself
_REFERENCES: Final = (  # how it names an upload, and a file of its local storage
    "/data/upload/",
    "/data/local-files/?d=",
    "/storage-data/uploaded/?filepath=",
)
_QUERIES: Final = ("d", "filepath")
_HERE: Final = ("", "images", "upload", "media")  # where people save them, beside the export
_TYPES_SHOWN: Final = 5  # of what is not read; an export may hold any number


@dataclass(frozen=True, slots=True)
class Tasks(Rows):
    """The tasks of an export."""

    answer: str  # the column that answers are in
    steps: tuple[str, ...] = ()  # of a scale, lowest first
    control: str = ""  # whose answers are read, where there are several (`from_name`)
    encoding: str = ""
    several: bool = False  # whether an answer is all that is chosen, which may be nothing
    boxes: str = ""  # the column that boxes are in; empty: they are not read
    files: frozenset[str] = frozenset()  # the columns that hold names of files

    def columns(self) -> list[str]:
        """The fields of all tasks' data, the answer and the boxes. Raises ConfigError."""
        found = Rows.columns(self)
        own = (self.answer, self.boxes)
        return found + [each for each in own if each and each not in found]

    def read(self) -> Iterator[Row]:
        """A row for each task. Raises ConfigError."""
        for number, task in enumerate(self._tasks(), start=1):
            yield self._row(number, task)

    def unread(self) -> list[str]:
        """What is in the export and is not read, counted. Raises ConfigError."""
        predictions, cancelled, overruled, types = 0, 0, 0, Counter[str]()
        for task in (each for each in self._tasks() if isinstance(each, dict)):
            given, decided = _dicts(task.get("annotations")), _decided(task)
            dropped = sum(bool(each.get("was_cancelled")) for each in given)
            predictions += len(_dicts(task.get("predictions")))
            cancelled += dropped
            overruled += len(given) - dropped - len(decided)
            results = [each for annotation in decided for each in _results(annotation)]
            types.update(kind_of(each) for each in results if not self._is_read(each))
        listed = ", ".join(quoted(each) for each, _ in types.most_common(_TYPES_SHOWN))
        notes = {
            f"{plural(predictions, 'prediction')} of programs": predictions,
            f"{plural(cancelled, 'cancelled annotation')}": cancelled,
            f"{plural(overruled, 'annotation')} beside a ground truth": overruled,
            f"{plural(types.total(), 'result')} of the type {listed}": types.total(),
        }
        return [f"not read: {said}" for said, count in notes.items() if count]

    def _tasks(self) -> list[Any]:
        found = read_json(self.path, self.encoding)
        if not is_tasks(found):
            raise ConfigError(
                f"{self.path} is no export of Label Studio",
                "export it as JSON; name JSON-MIN with --format json",
            )
        return list(found)

    def _row(self, number: int, task: Any) -> Row:
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            return Row(number, {}, "it is no task with data")
        cells: dict[str, Cell] = {}
        for name, value in task["data"].items():
            cell = cell_of(value)
            if cell is not None:
                is_name = name in self.files and isinstance(cell, str)
                cells[name] = local_name(self.folder, str(cell)) if is_name else cell
        try:
            if self.answer:
                cells[self.answer] = self._words(task)
            if self.boxes:
                cells[self.boxes] = _boxes(task)
        except Unread as reason:
            return Row(number, cells, str(reason))
        return Row(number, cells)

    def _words(self, task: Mapping[str, Any]) -> str:
        found: set[str] = set()
        for annotation in _decided(task):
            found |= set(self._answers(_results(annotation)))
        if len(found) > 1:
            raise Unread(f"its annotations disagree: {', '.join(sorted(map(quoted, found)))}")
        return next(iter(found), "")

    def _answers(self, results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """What one person answered."""
        read = [each for each in results if self._is_answer(each)]
        names = {str(each.get("from_name", "")) for each in read}
        if len(names) > 1:
            raise Unread(
                f"it has answers to several questions, {', '.join(sorted(names))}: say which counts,"
                " --answer-column NAME"
            )
        for each in read:
            yield self._answer(kind_of(each), each.get("value"))
        if self.several and not read:  # sent with nothing chosen, which has no result
            yield NONE

    def _is_answer(self, result: Mapping[str, Any]) -> bool:
        if self.boxes and is_mark(result):
            return False
        return not self.control or result.get("from_name") == self.control

    def _is_read(self, result: Mapping[str, Any]) -> bool:
        if self.boxes and is_mark(result):
            return True
        return bool(self.answer) and self._is_answer(result)

    def _answer(self, kind: str, value: Any) -> str:
        if not isinstance(value, dict):
            raise Unread("an annotation has no value")
        if kind == "choices":
            chosen = _choices(value.get("choices"))
            return _tags(chosen) if self.several else _only(chosen)
        rating, selected = value.get("rating"), value.get("selected")
        if kind == "rating" and isinstance(rating, int) and not isinstance(rating, bool):
            return self._step(rating)
        if kind == "pairwise" and isinstance(selected, str) and selected in _SIDES:
            return _SIDES[selected]
        raise Unread(f"an annotation of the type {quoted(kind)} is no answer")

    def _step(self, rating: int) -> str:
        if str(rating) in self.steps or not 0 < rating <= len(self.steps):
            return str(rating)
        return self.steps[rating - 1]


def is_tasks(found: Any) -> bool:
    """Whether a document is an export of tasks."""
    return isinstance(found, list) and any(
        isinstance(each, dict) and isinstance(each.get("data"), dict) for each in found[:10]
    )


# ---- files ----


def with_files(items: TableItems, tasks: Tasks) -> TableItems:
    """The items of tasks, with what their columns hold, texts or names of files, found out. Raises
    ConfigError."""
    columns, sample = items.columns.columns, tasks.sample()
    names = {part.name for part in items.parts if part.name in columns}
    texts = frozenset(
        part.name
        for part in items.parts
        if part.name in names
        and takes_text(part)
        and not _are_files([row.cells.get(columns[part.name], "") for row in sample], tasks.folder)
    )
    files = frozenset(columns[name] for name in names - texts)
    return replace(items, texts=texts, table=replace(tasks, files=files))


def _are_files(cells: Sequence[Cell], folder: Path) -> bool:
    """Whether these, which may be texts, are names of files: all look like it, and some are there."""
    given = [cell for cell in cells if cell and isinstance(cell, str)]
    there = [is_there(folder, cell) for cell in given]
    return any(there) and all(
        is_found or _is_reference(cell) for is_found, cell in zip(there, given, strict=True)
    )


def is_there(folder: Path, text: str) -> bool:
    """Whether a text names a file below the folder."""
    name = PurePosixPath(local_name(folder, text) if _is_reference(text) else text)
    is_below = not name.is_absolute() and ".." not in name.parts
    return is_below and is_file(folder / name)


def _is_reference(text: str) -> bool:
    return text.startswith(_REFERENCES) and len(text.split()) == 1


def local_name(folder: Path, text: str) -> str:
    """A file that Label Studio served, as the one that was saved below the folder; else the text itself."""
    if not text.startswith(_SERVED) or len(text) > MAX_FILE_CHARS:
        return text
    parts = urlsplit(text)
    queries = parse_qs(parts.query)
    path = next((queries[each][0] for each in _QUERIES if each in queries), unquote(parts.path))
    typed = unquote(text.partition("=")[2]).lstrip("/")  # by hand: with a plus, say
    served = path.lstrip("/")
    name = PurePosixPath(served).name
    plain = name.partition("-")[2]  # uploads get eight digits in front
    tried = [
        *(served, typed),
        *(f"{place}/{each}".lstrip("/") for each in (name, plain) if each for place in _HERE),
    ]
    safe = [each for each in tried if each and ".." not in PurePosixPath(each).parts]
    return next((each for each in safe if is_file(folder / each)), served)


# ---- annotations ----


def _decided(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The annotations that count: who marked one as the truth has decided between them."""
    given = [each for each in _dicts(task.get("annotations")) if not each.get("was_cancelled")]
    return [each for each in given if each.get("ground_truth")] or given


def _results(annotation: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _dicts(annotation.get("result"))


def _boxes(task: Mapping[str, Any]) -> str:
    """Nothing where nobody looked; that is not the same as a picture in which somebody found nothing."""
    found = {boxes_in(_results(annotation)) for annotation in _decided(task)}
    if len(found) > 1:
        raise Unread("its annotations mark different boxes: make the right one the ground truth")
    return next(iter(found), "")


def _choices(choices: Any) -> list[str]:
    if not isinstance(choices, list) or not all(isinstance(each, str) for each in choices):
        raise Unread("an annotation has no choices")
    return choices


def _only(chosen: Sequence[str]) -> str:
    if len(chosen) != 1:
        raise Unread(f"{len(chosen)} labels are chosen at once, and an item has one answer")
    return chosen[0]


def _tags(chosen: Sequence[str]) -> str:
    """In one order, so that people who chose the same agree."""
    odd = next((each for each in chosen if SEPARATOR in each), None)
    if odd is not None:
        raise Unread(f"{quoted(odd)} cannot be told from several tags")
    return f"{SEPARATOR} ".join(sorted(set(chosen))) or NONE


def _dicts(found: Any) -> list[dict[str, Any]]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []

"""Tables that say which answer goes with which file, by name or by its path below the folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from unicodedata import normalize

from commonground.lines import bad_line
from commonground.tables import Form, Table, form_of
from protocol.errors import ConfigError

MAX_FILE_CHARS: Final = 4_096  # the longest path of common systems
MAX_LABEL_CHARS: Final = 255  # longer than the words of any answer
_FILES: Final = ("file", "filename", "file_name")
_ANSWERS: Final = ("label", "answer")


def read_labels(path: Path, encoding: str = "", answer: str = "") -> dict[str, str]:
    """Read a table of answers, with a column `file` and one `label` or `answer`, as {file: words}; `answer`
    names another column. Columns that it has besides mean nothing.

    Raises ConfigError naming the line for anything else: a missing column, an empty or overlong
    field, a file named twice, a path that leads out of the folder.
    """
    table = Table(path, form_of(path) or Form.CSV, encoding)
    files, answers = _columns(table, answer)
    labels: dict[str, str] = {}
    keys: set[str] = set()
    for row in table.rows():
        file = str(row.cells.get(files, ""))
        words = str(row.cells.get(answers, ""))
        if problem := row.problem or _problem(file, words, keys):
            raise bad_line(path, row.number, problem)
        labels[file] = words
        keys.add(key_of(file))
    if not labels:
        raise ConfigError(f"{path} holds no labels", "Add one line per file under the header.")
    return labels


def key_of(name: str) -> str:
    """By what a name in a table and one on disk are the same: either Unicode form, either kind of slash,
    with or without the spaces that a table has round names."""
    path = normalize("NFC", name).replace("\\", "/").strip()
    steps = (step.strip() for step in path.split("/"))
    root = "/" if path.startswith("/") else ""
    return root + "/".join(step for step in steps if step not in ("", "."))


@dataclass(frozen=True, slots=True)
class Labels:
    """The answers of a table, found by a file's path below its folder, or by its name alone."""

    words: dict[str, str]  # by key

    @classmethod
    def of(cls, labels: dict[str, str]) -> Labels:
        """From what `read_labels` gives."""
        return cls({key_of(name): words for name, words in labels.items()})

    def find(self, path: str, is_only: bool = True) -> tuple[str, str]:
        """The key that it was found by, and the answer; twice nothing if there is none. By its name alone
        only if it is the only file of that name."""
        key = key_of(path)
        for each in (key, PurePosixPath(key).name)[: 1 + is_only]:
            if each in self.words:
                return each, self.words[each]
        return "", ""


def _columns(table: Table, answer: str) -> tuple[str, str]:
    header = table.columns()
    known = {name.strip().casefold(): name for name in reversed(header)}
    files = [known[name] for name in _FILES if name in known]
    answers = [
        known[name] for name in ((answer.casefold(),) if answer else _ANSWERS) if name in known
    ]
    if len(files) != 1 or len(answers) != 1:
        wanted = f"file and {answer}" if answer else "file, and label or answer"
        raise bad_line(table.path, 1, f"the header must be file,label or file,answer: {wanted}")
    return files[0], answers[0]


def _problem(file: str, words: str, keys: set[str]) -> str:
    """What is wrong with one row, or an empty string."""
    if not file.strip() or not words.strip():
        return "the file name and the label must not be empty"
    if len(file) > MAX_FILE_CHARS or len(words) > MAX_LABEL_CHARS:
        return f"a field is longer than {MAX_FILE_CHARS} and {MAX_LABEL_CHARS} characters"
    path = PurePosixPath(key_of(file))
    if path.is_absolute() or ".." in path.parts or path == PurePosixPath() or "\0" in file:
        return "give the name of a file, or its path below the folder"
    return f"{file} already has a label" if key_of(file) in keys else ""

"""Tasks by name: those of this package, and what others install under the entry point `commonhold.tasks`.

A job's record holds a task's name, its options as canonical JSON (sorted keys, no spaces, every field), and
the SHA-256 of its source. Who has other source computes something else under the same name, and is refused.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path
from typing import Any, Final

from federated.tasks.task import Task
from protocol.depth import load_json
from protocol.errors import CommonholdError, ConfigError, StateError
from protocol.limits import TASK_OPTIONS_CHARS_MAX
from protocol.rows import Campaign

GROUP: Final = "commonhold.tasks"
# They need no installation: a source tree has them as well.
BUILT_IN: Final = {
    "cnn": "federated.tasks.cnn:Cnn",
    "images": "federated.tasks.images:Images",
    "lora": "federated.tasks.lora:Lora",
    "lstm": "federated.tasks.lstm:Lstm",
    "mlp": "federated.tasks.mlp:Mlp",
    "preference": "federated.tasks.preference:Preference",
    "statistics": "federated.tasks.statistics:Statistics",
    "table": "federated.tasks.table:TableTask",
    "text": "federated.tasks.text:Text",
}
DEFAULT: Final = "images"
# Beside its own package, what every task computes with.
_SHARED: Final = (
    *("data", "gradients", "linear", "model", "pictures", "privacy_check", "quantize", "questions"),
    *("rows", "scattering", "statistics"),
)
_OURS: Final = Path(__file__).parents[1]
# Of the class, and of no job: the labels are the campaign's, the device this machine's.
_NOT_OPTIONS: Final = ("labels", "device")


def known() -> dict[str, str]:
    """Where each task is found, `module:class`, by name. Ours cannot be replaced."""
    return {each.name: each.value for each in entry_points(group=GROUP)} | BUILT_IN


@cache
def find(name: str) -> type[Task]:
    """The class of a task. Raises ConfigError where it is not installed, or is none."""
    found = known().get(name)
    if found is None:
        raise ConfigError(
            f"there is no task {name!r} here",
            f"known are {', '.join(sorted(known()))}; install the package that has it in this environment",
        )
    try:
        module, _, attribute = found.partition(":")
        task = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a stranger's module may do anything while it is imported
        raise ConfigError(
            f"the task {name!r} cannot be loaded from {found}: {type(error).__name__}: {error}",
            "repair its installation",
        ) from error
    if not (inspect.isclass(task) and issubclass(task, Task) and is_dataclass(task)):
        raise ConfigError(
            f"{found} is no task", "make it a dataclass, derived from federated.tasks.Task"
        )
    return task


def task_of(name: str, options: str, labels: tuple[str, ...], device: str = "cpu") -> Task:
    """The task that a job names. Raises ConfigError for options that it does not have or take."""
    try:
        given = load_json(options or "{}")
    except ValueError as error:
        raise ConfigError("a task's options are not JSON", 'write {"name": value}') from error
    if not isinstance(given, dict):
        raise ConfigError("a task's options are no object", 'write {"name": value}')
    return made(name, given, labels, device)


def made(name: str, given: dict[str, Any], labels: tuple[str, ...], device: str = "cpu") -> Task:
    """The task with these options, the others by default. Raises ConfigError."""
    cls = find(name)
    options = {each.name: each for each in _options(cls)}
    for unknown in sorted({*given} - {*options}):
        raise ConfigError(
            f"the task {name!r} has no option {unknown!r}",
            f"it has {', '.join(options) or 'none'}",
        )
    for each in options.values():
        if each.name not in given and each.default is MISSING and each.default_factory is MISSING:
            raise ConfigError(
                f"the task {name!r} wants the option {each.name!r}", "give it a value"
            )
    values = {key: _value(name, options[key], value) for key, value in given.items()}
    try:
        return cls(**values, labels=labels, device=device)
    except CommonholdError:
        raise
    except Exception as error:  # of the task's own code
        raise ConfigError(
            f"the task {name!r} cannot be made: {type(error).__name__}: {error}",
            "whoever wrote it has to mend it: docs/tasks.md says what a task is",
        ) from error


def options_of(task: Task) -> str:
    """All options as canonical JSON. Raises ConfigError where they are longer than a job may say."""
    values = {each.name: getattr(task, each.name) for each in _options(type(task))}
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    if len(text) > TASK_OPTIONS_CHARS_MAX:
        raise ConfigError(
            f"the task's options take {len(text):,} characters",
            f"shorten them to {TASK_OPTIONS_CHARS_MAX:,}",
        )
    return text


def parsed(name: str, words: list[str]) -> dict[str, Any]:
    """Options as people type them, NAME=VALUE, by the types of the task's fields. Raises ConfigError."""
    options = {each.name: each for each in _options(find(name))}
    given: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"{word!r} is no option of a task", "write NAME=VALUE")
        kind = _type(options[key]) if key in options else "str"
        if kind.startswith("tuple"):
            given[key] = [*given.get(key, []), *text.split(",")]
        elif kind == "str":
            given[key] = text
        else:
            given[key] = _spoken(text)
    return given


def require_kind(task: Task, campaign: Campaign) -> None:
    """Raises ConfigError where a campaign asks another question than the task learns to answer."""
    if task.kind not in ("", campaign.task):
        raise ConfigError(
            f"campaign {campaign.id!r} asks a {campaign.task} question; this task learns from"
            f" {task.kind} campaigns",
            "name such a campaign, or another --task",
        )


def code_digest(name: str) -> bytes:
    """SHA-256 over the source that computes a task: its package's, and what all tasks share.

    For each file, in the order of their names: the name's and the content's SHA-256.
    """
    cls = find(name)
    sources = dict(_sources(cls.__module__)) | dict(_sources(__name__))
    sources |= {f"federated.{each}": (_OURS / f"{each}.py").read_bytes() for each in _SHARED}
    summed = hashlib.sha256()
    for each in sorted(sources):
        summed.update(hashlib.sha256(each.encode()).digest())
        summed.update(hashlib.sha256(sources[each]).digest())
    return summed.digest()


def code_version(name: str) -> str:
    """The installed package that has a task, and its release: "commonhold 0.1.0"."""
    top = find(name).__module__.partition(".")[0]
    package = (
        "commonhold" if top == "federated" else (packages_distributions().get(top) or [top])[0]
    )
    try:
        return f"{package} {version(package)}"
    except ImportError:  # PackageNotFoundError: a module on the path that nobody installed
        return package


def described(name: str) -> dict[str, Any]:
    """A task for people: what it learns, its options with their defaults, its release and its code."""
    cls = find(name)
    defaults = {
        each.name: None if each.default is MISSING else each.default for each in _options(cls)
    }
    return {
        "name": name,
        "summary": _summary(cls),
        "options": defaults,
        "version": code_version(name),
        "code": code_digest(name).hex(),
    }


def _summary(cls: type[Task]) -> str:
    """What its author says that it learns. Of a class without words, `dataclass` writes the signature."""
    line = (cls.__doc__ or "").partition("\n")[0].rstrip(".")
    return "" if line.startswith(f"{cls.__name__}(") else line


def require_code(name: str, digest: bytes, release: str) -> None:
    """Raises StateError unless what is installed here is what a job was opened with."""
    ours = code_digest(name)
    if ours != digest:
        raise StateError(
            f"the job's task {name!r} is {release}, code {digest.hex()[:16]}…; here is"
            f" {code_version(name)}, code {ours.hex()[:16]}…",
            f"install the release that its operator has, {release}, in the environment for training",
        )


def require_columns(task: Task, named: Sequence[str]) -> None:
    """Raises StateError where a job names other columns than its task reads."""
    read = [column.name for column in task.columns]
    if read != list(named):
        raise StateError(
            f"the job names the columns {', '.join(named)}, and its task reads {', '.join(read)}",
            "do not join it; its operator has to open another job",
        )


def require_outcome(task: Task, is_question: bool) -> None:
    """Raises StateError where a job says that it ends with something else than its task makes."""
    if task.asks != is_question:
        raise StateError(
            f"the job says that it {'asks a question' if is_question else 'makes a model'}, and its task"
            f" {'makes a model' if is_question else 'asks a question'}",
            "do not join it; its operator has to open another job",
        )


def _options(cls: type[Task]) -> list[Field[Any]]:
    return [each for each in fields(cls) if each.name not in _NOT_OPTIONS]


def _type(option: Field[Any]) -> str:
    """As it is written, whether or not the task's module evaluates its annotations."""
    return option.type.__name__ if type(option.type) is type else str(option.type)


def _value(task: str, option: Field[Any], value: Any) -> Any:
    """By the field's type: bool, int, float, str, or tuple[str, ...]. Raises ConfigError for another."""
    match _type(option), value:
        case ("bool", bool()) | ("str", str()):
            return value
        case ("int", int()) if not isinstance(value, bool):
            return value
        case ("float", int() | float()) if not isinstance(value, bool):
            return float(value)
        case ("tuple[str, ...]", [*words]) if all(isinstance(each, str) for each in words):
            return tuple(words)
    raise ConfigError(
        f"the option {option.name!r} of {task!r} is {str(value)[:60]!r}",
        f"it takes {_type(option)}",
    )


def _spoken(text: str) -> Any:
    try:
        return load_json(text)
    except ValueError:
        return text


def _sources(module: str) -> list[tuple[str, bytes]]:
    """Every Python file of the package that a module is in: of ours the folder, of others the whole of it."""
    package = "federated.tasks" if module.startswith("federated.") else module.partition(".")[0]
    found = importlib.import_module(package)
    named: str | None = getattr(found, "__file__", None)
    file = Path(named) if named else None
    # A package without __init__.py has no file, and may lie in several folders.
    folders = [file.parent] if file else [*map(Path, getattr(found, "__path__", ()))]
    try:
        if file and file.name != "__init__.py":
            return [(package, file.read_bytes())]
        sources = [each for folder in sorted(folders) for each in _folder(package, folder)]
    except OSError as error:
        raise _without_source(module, str(error)) from error
    if not sources:
        raise _without_source(module, "it has no file")
    return sources


def _without_source(module: str, why: str) -> ConfigError:
    return ConfigError(
        f"the source of the task's module {module!r} is not here: {why}",
        "install it as files: partners compare the code that a task runs",
    )


def _folder(package: str, folder: Path) -> list[tuple[str, bytes]]:
    return [
        (f"{package}/{each.relative_to(folder).as_posix()}", each.read_bytes())
        for each in sorted(folder.rglob("*.py"))
    ]

"""What lies before a reviewer now: the items of the round, shown and answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer
from rich.panel import Panel
from rich.text import Text

from commonhold.cli.node_home import is_running, open_home, open_store
from commonhold.cli.output import emit, err, out, table
from commonhold.cli.picture import half_blocks
from node.follower import Follower
from node.intake import MAX_CONTENT_BYTES, PNG, read_image, sniff_media_type
from node.review import round_key
from node.rows import TaskRow, TaskStatus
from node.store import Store
from protocol.errors import ConfigError, Reject, StateError
from protocol.lifecycle import EpochPhase
from protocol.state import State
from protos.gen import records_pb2 as pb

# As many digits of an item id as `list` shows; two of one round that share them are told apart by more.
ITEM_DIGITS: Final = 12
_UNSURE: Final = ":u"
_QUIT: Final = ":q"
_OPEN: Final = (TaskStatus.TODO, TaskStatus.FETCHED, TaskStatus.ANSWERED)


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies before a reviewer now."""

    store: Store
    state: State
    tasks: list[TaskRow]

    def labels(self, task: TaskRow) -> list[str]:
        """The labels to choose from."""
        return list(self.state.campaigns[task.campaign_id].labels)

    def find(self, digits: str) -> TaskRow:
        """The task whose item id begins with these hexadecimal digits."""
        found = [task for task in self.tasks if task.item_id.hex().startswith(digits.lower())]
        if len(found) != 1 or not digits:
            raise ConfigError(
                f"{'no item' if not found else 'more than one item'} begins with {digits!r}",
                "see `commonhold node review list`",
            )
        return found[0]

    def answer(self, task: TaskRow, label: int | None) -> None:
        """Records an answer; the running node commits to it when all are there."""
        abstention = pb.ABSTENTION_UNSURE if label is None else pb.ABSTENTION_NONE
        if not self.store.set_answer(task, label, abstention):
            raise StateError("the answers of this round are committed and cannot be changed")


@contextmanager
def _desk(directory: Path | None) -> Iterator[Desk]:
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        state = follower.state
        tasks: list[TaskRow] = []
        if state.epoch.phase is EpochPhase.COMMITTING:
            key = round_key(state)
            tasks = [t for t in store.tasks(key.epoch, key.round) if t.status in _OPEN]
        if not is_running(home):
            err.print("the node is not running: start it with `commonhold node start`")
        yield Desk(store, state, tasks)


def list_tasks(directory: Path | None, as_json: bool) -> None:
    """Shows what may still be answered."""
    with _desk(directory) as desk:
        rows = [_task_data(desk, task) for task in desk.tasks]
    columns = ["item", "campaign", "status", "answer"]
    emit(
        {"tasks": rows},
        as_json,
        lambda: (
            table("To review", columns, [[r["item"][:ITEM_DIGITS], *_cells(r)] for r in rows])
            if rows
            else "nothing to review now"
        ),
    )


def _cells(row: dict[str, Any]) -> list[object]:
    return [row["campaign"], row["status"], row["answer"] or ""]


def _task_data(desk: Desk, task: TaskRow) -> dict[str, Any]:
    answered = task.status is TaskStatus.ANSWERED
    given = "abstained" if task.label is None else desk.labels(task)[task.label]
    return {
        "item": task.item_id.hex(),
        "campaign": task.campaign_id,
        "status": task.status.value,
        "content": task.content_path,
        "labels": desk.labels(task),
        "answer": given if answered else None,
    }


def answer(item: str, label: str, directory: Path | None, as_json: bool) -> None:
    """Answers the item whose id begins so."""
    with _desk(directory) as desk:
        task = desk.find(item)
        desk.answer(task, _label_index(desk.labels(task), label))
    emit({"item": task.item_id, "label": label}, as_json, lambda: f"answered {label}")


def _label_index(labels: list[str], label: str) -> int:
    if label not in labels:
        raise ConfigError(f"there is no label {label!r}", f"labels are: {', '.join(labels)}")
    return labels.index(label)


def abstain(item: str, directory: Path | None, as_json: bool) -> None:
    """Answers that nobody can tell."""
    with _desk(directory) as desk:
        task = desk.find(item)
        desk.answer(task, None)
    emit({"item": task.item_id, "label": None}, as_json, lambda: "abstained")


def review(directory: Path | None) -> None:
    """Goes through all that has arrived, one by one."""
    with _desk(directory) as desk:
        waiting = [task for task in desk.tasks if task.status is TaskStatus.FETCHED]
        missing = sum(task.status is TaskStatus.TODO for task in desk.tasks)
        if not waiting:
            raise StateError(
                "nothing to review now",
                f"{missing} items are still on their way" if missing else "wait for a draw",
            )
        given = _go_through(desk, waiting)
    out.print(f"{given} of {len(waiting)} answered")


def _go_through(desk: Desk, waiting: list[TaskRow]) -> int:
    """Shows each item and asks; gives the number of answers."""
    guidelines = {t.campaign_id: desk.state.campaigns[t.campaign_id].guidelines for t in waiting}
    for campaign_id, text in guidelines.items():
        out.print(Panel(Text(text or "no guidelines"), title=campaign_id, title_align="left"))
    given = 0
    for number, task in enumerate(waiting, start=1):
        out.print(_shown(Path(task.content_path)))
        choice = _ask(f"{number}/{len(waiting)}", desk.labels(task))
        if choice == _QUIT:
            break
        if choice:
            unsure = choice == _UNSURE
            desk.answer(task, None if unsure else desk.labels(task).index(choice))
            given += 1
    return given


def _ask(place: str, labels: list[str]) -> str:
    """A label, `:u`, `:q`, or nothing to skip; asks again for anything else."""
    offered = ", ".join(labels)
    while True:
        question = f"[{place}] {offered} ({_UNSURE} unsure, Enter to skip, {_QUIT} to stop)"
        choice: str = typer.prompt(question, default="", show_default=False, err=True).strip()
        if choice in ("", _UNSURE, _QUIT, *labels):
            return choice
        err.print(f"{choice!r} is none of them")


def _shown(path: Path) -> Text:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONTENT_BYTES)
        if sniff_media_type(content) == PNG:
            return half_blocks(read_image(content), out.width - 1, out.color_system is not None)
        return Text(content.decode())  # printable: `sniff_media_type` let it pass
    except OSError as error:
        return Text(f"(cannot read {path}: {error.strerror})")
    except Reject as error:
        return Text(f"(cannot be shown: {error}; the file is {path})")

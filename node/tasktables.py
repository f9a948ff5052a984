"""The reviewer's table of node.db: tasks with their progress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from node.database import DatabaseFile
from node.rows import TaskRow, TaskStatus


class TaskTables(DatabaseFile):
    """What a reviewer must not forget between a draw and its verdict."""

    def add_tasks(self, tasks: Iterable[TaskRow]) -> None:
        """Adds the tasks of a draw; those that are known keep their progress."""
        self._insert("tasks", (asdict(task) for task in tasks), or_ignore=True)

    def tasks(
        self, campaign_id: str, round_: int, status: TaskStatus | None = None
    ) -> list[TaskRow]:
        """Our tasks of a round in batch order; of one status, or all."""
        return self._tasks(
            "campaign_id = ? AND round = ? AND (? IS NULL OR status = ?)",
            *(campaign_id, round_, status, status),
        )

    def tasks_with(self, status: TaskStatus) -> list[TaskRow]:
        """Our tasks of one status, in all rounds of all campaigns, by campaign, round and position."""
        return self._tasks("status = ?", status)

    def task(self, campaign_id: str, round_: int, item_id: bytes) -> TaskRow | None:
        """One task."""
        sql = "campaign_id = ? AND round = ? AND item_id = ?"
        found = self._tasks(sql, campaign_id, round_, item_id)
        return found[0] if found else None

    def tasks_of_item(self, digits: str) -> list[TaskRow]:
        """Our tasks, of all rounds, about items whose ids begin with these digits; the last round's last."""
        found = self._tasks("substr(lower(hex(item_id)), 1, length(?)) = ?", digits, digits)
        return sorted(found, key=lambda task: task.round)

    def _tasks(self, where: str, *arguments: object) -> list[TaskRow]:
        rows = self._rows(
            f"SELECT * FROM tasks WHERE {where} ORDER BY campaign_id, round, position",  # noqa: S608
            *arguments,
        )
        return [TaskRow(**row | {"status": TaskStatus(row["status"])}) for row in rows]

    def set_fetched(self, task: TaskRow, content_path: Path) -> None:
        """All parts are here, in this folder; an answer that came first is kept."""
        self._step_task(
            task, TaskStatus.FETCHED, (TaskStatus.TODO,), content_path=str(content_path)
        )

    def set_answer(
        self, task: TaskRow, answer: bytes | None, refusal: int = 0, program: str = ""
    ) -> bool:
        """Records an answer or a refusal, or another one; False once the answers are committed.
        `program` is what gave it; empty: a person."""
        open_ = (TaskStatus.TODO, TaskStatus.FETCHED, TaskStatus.ANSWERED)
        given = {"answer": answer, "refusal": refusal, "program": program}
        return self._step_task(task, TaskStatus.ANSWERED, open_, **given)

    def set_committed(self, task: TaskRow, nonce: bytes) -> bool:
        """Fixes the answer and its nonce; in one `transaction` with the commit's `enqueue`."""
        return self._step_task(task, TaskStatus.COMMITTED, (TaskStatus.ANSWERED,), nonce=nonce)

    def set_revealed(self, task: TaskRow) -> bool:
        """The answer is opened."""
        return self._step_task(task, TaskStatus.REVEALED, (TaskStatus.COMMITTED,))

    def set_failed(self, task: TaskRow, reason: str) -> bool:
        """The task is lost; an opened answer is not."""
        before = tuple(status for status in TaskStatus if status is not TaskStatus.REVEALED)
        return self._step_task(task, TaskStatus.FAILED, before, failure=reason)

    def _step_task(
        self, task: TaskRow, to: TaskStatus, before: tuple[TaskStatus, ...], **columns: object
    ) -> bool:
        """Moves a task along if it is still where we think it is; False otherwise."""
        settings = "".join(f", {name} = ?" for name in columns)  # names from this module only
        marks = ", ".join("?" * len(before))
        changed = self._write(
            f"UPDATE tasks SET status = ?{settings}"  # noqa: S608
            f" WHERE campaign_id = ? AND round = ? AND item_id = ? AND status IN ({marks})",
            *(to, *columns.values(), task.campaign_id, task.round, task.item_id, *before),
        )
        return changed == 1

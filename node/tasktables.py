"""The reviewer's table of node.db: tasks with their progress."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from pathlib import Path

from node.database import DatabaseFile
from node.rows import Change, TaskRow, TaskStatus, TaskSum


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

    def has_tasks(self, campaign_id: str, round_: int, status: TaskStatus) -> bool:
        """Whether any of our tasks of a round has a status."""
        sql = "SELECT 1 FROM tasks WHERE campaign_id = ? AND round = ? AND status = ? LIMIT 1"
        return bool(self._rows(sql, campaign_id, round_, status))

    def tasks_with(self, status: TaskStatus) -> list[TaskRow]:
        """Our tasks of one status, in all rounds of all campaigns, by campaign, round and position."""
        return self._tasks("status = ?", status)

    def rounds_with(self, status: TaskStatus) -> list[tuple[str, int]]:
        """The rounds, with their campaigns, in which tasks of ours have a status."""
        rows = self._rows("SELECT DISTINCT campaign_id, round FROM tasks WHERE status = ?", status)
        return [(row["campaign_id"], row["round"]) for row in rows]

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

    def task_sums(self) -> list[TaskSum]:
        """What may still be answered, or may become answerable, summed up."""
        rows = self._rows(
            "SELECT campaign_id, round, status, count(*) AS count, sum(draft_version) AS versions"
            " FROM tasks WHERE status IN ('todo', 'fetched', 'answered') GROUP BY campaign_id, round, status"
        )
        return [TaskSum(**row | {"status": TaskStatus(row["status"])}) for row in rows]

    def set_fetched(self, task: TaskRow, content_path: Path) -> None:
        """All parts are here, in this folder; an answer that came first is kept."""
        self._step_task(
            task, TaskStatus.FETCHED, (TaskStatus.TODO,), content_path=str(content_path)
        )

    def set_answer(
        self,
        task: TaskRow,
        answer: bytes | None,
        refusal: int = 0,
        program: str = "",
        relation: int = 0,
    ) -> bool:
        """Records an answer, with what a likely copy is, or a refusal, or another one; False once the answers
        are committed. `program` is what gave it; empty: a person."""
        open_ = (TaskStatus.TODO, TaskStatus.FETCHED, TaskStatus.ANSWERED)
        given = {"answer": answer, "refusal": refusal, "program": program, "relation": relation}
        return self._step_task(task, TaskStatus.ANSWERED, open_, **given)

    def save_draft(self, task: TaskRow, change: Change) -> TaskRow:
        """Keeps what a person has said of an item, durably, and gives the row as it is then.

        It has the change's mark if that was kept, now or before. If not, somebody else came first (its
        version is not the change's base), or the item cannot be answered any more (it is not FETCHED).
        """
        with self.transaction():
            row = self.task(task.campaign_id, task.round, task.item_id)
            if row is None:  # withdrawn
                return replace(task, status=TaskStatus.FAILED)
            is_next = row.draft_version == change.base or row.draft_mark in change.over
            if row.status is not TaskStatus.FETCHED or row.draft_mark == change.mark or not is_next:
                return row
            now = replace(
                row,
                draft=change.draft,
                draft_refusal=change.refusal,
                draft_relation=change.relation,
                draft_mark=change.mark,
                draft_version=row.draft_version + 1,
                spent_ms=max(row.spent_ms, change.spent_ms),
            )
            self._write(
                "UPDATE tasks SET draft = ?, draft_refusal = ?, draft_relation = ?, draft_mark = ?,"
                " draft_version = ?, spent_ms = ? WHERE campaign_id = ? AND round = ? AND position = ?",
                *(now.draft, now.draft_refusal, now.draft_relation, now.draft_mark),
                *(now.draft_version, now.spent_ms),
                *(row.campaign_id, row.round, row.position),
            )
            return now

    def seal_drafts(self, tasks: Collection[TaskRow]) -> bool:
        """Makes these drafts the answers, all of them; none, and False, if any has changed since."""
        with self.transaction():
            now = [self.task(each.campaign_id, each.round, each.item_id) for each in tasks]
            if now != list(tasks):
                return False
            self._write_many(
                "UPDATE tasks SET status = ?, answer = draft, refusal = draft_refusal,"
                " relation = draft_relation"
                " WHERE campaign_id = ? AND round = ? AND position = ?",
                [(TaskStatus.ANSWERED, t.campaign_id, t.round, t.position) for t in tasks],
            )
        return True

    def set_committed(self, task: TaskRow, nonce: bytes, seconds: int = 0) -> bool:
        """Fixes the answer, its nonce, and what it tells of its time; in one `transaction` with the commit's
        `enqueue`."""
        fixed = {"nonce": nonce, "seconds": seconds}
        return self._step_task(task, TaskStatus.COMMITTED, (TaskStatus.ANSWERED,), **fixed)

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

"""What a submission did, or would do: counts, and everything that was left out with its reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import RenderableType

from commonground.counting import plural
from commonground.files import replace_file
from commonground.tables import Cell, Rows
from commonhold.cli.finding import Found
from commonhold.cli.output import (
    EXIT_NOTHING,
    EXIT_PERSONAL,
    EXIT_SOME,
    complain,
    emit,
    note,
    say,
    table,
)
from node.bringing.columns import Columns
from node.bringing.sources import Brought
from node.drafts import LeftOut
from node.planning import Changed, Plan, changed_of
from node.privacy.finders import NOT_FOUND
from node.rows import OutboxRow, OutboxState
from node.store import Store
from node.submission import Submitted
from protocol.errors import Reject

LISTED: Final = 20  # of what is changed or left out; a longer list is in a file
LIST_NAME: Final = "left-out.jsonl"
_SHOWN_ROWS: Final = 3
_SHOWN_CHARS: Final = 60


def report_submitted(
    store: Store, done: Submitted, brought: Brought, found: Found, *, file: Path, as_json: bool
) -> None:
    """Says what became of a submission; a long list of what was left out goes to `file`.

    Raises, after that, what ended it in the middle, or Reject where the network refused some.
    """
    batches = [
        (size, row)
        for size, digest in zip(done.sizes, done.batches, strict=True)
        if (row := store.outbox_row(digest)) is not None
    ]
    rows = [row for _, row in batches]
    refused = [row for row in rows if row.state is OutboxState.REFUSED]
    data = (
        _data(done.left_out, brought)
        | found.data()
        | {
            "changed": _changed_data(done.changed),
            "items": done.items,
            "not_submitted": done.unread,
            "left": done.left,
            "batches": [
                {"entry": row.receipt_index, "state": row.state, "items": size}
                for size, row in batches
            ],
        }
    )
    lines: list[RenderableType] = [*_counted(batches)]
    if done.unread:
        lines.append(
            f"{plural(done.unread, 'item')} not submitted, since it ended before them: run the command"
            " again, and it leaves out what is there"
        )
    if done.left:
        lines.append(
            f"left for a later epoch: {done.left:,}, since you may submit no more in this one;"
            " run the command again then"
        )
    lines += _changed(done.changed)
    _emit(data, lines + _left_out(done.left_out, file), brought, as_json)
    if refused:
        refusal = Reject(
            f"the network refused {len(refused)} of {len(rows)} batches: {refused[0].last_error}",
            "correct what it says and run the command again; accepted batches are left out",
        )
        if done.stopped is None:
            raise refusal
        complain(str(refusal), refusal.advice)
    if done.stopped is not None:
        raise done.stopped


def _counted(batches: Sequence[tuple[int, OutboxRow]]) -> Iterator[str]:
    """How many items are in the log or on their way, wait or were refused."""
    for words, states in (
        ("submitted", (OutboxState.SENT, OutboxState.UNPROVED)),
        (
            "postponed, since you may submit no more in this epoch: they are sent again in the next,",
            (OutboxState.POSTPONED,),
        ),
        ("queued, and not sent yet: `commonhold node send` sends them,", (OutboxState.QUEUED,)),
        ("refused", (OutboxState.REFUSED,)),
    ):
        sizes = [size for size, row in batches if row.state in states]
        if sizes or (not batches and words == "submitted"):
            yield f"{plural(sum(sizes), 'item')} {words} in {plural(len(sizes), 'batch', 'batches')}"


def report_plan(plan: Plan, brought: Brought, found: Found, as_json: bool) -> None:
    """Says what would be submitted; writes nothing."""
    sizes = sum(item.size for item in plan.items)
    answers = Counter(item.words for item in plan.items)
    changed = changed_of(plan.items)
    data = (
        _data(plan.left_out, brought)
        | found.data()
        | {
            "changed": _changed_data(changed),
            "dry_run": True,
            "items": len(plan.items),
            "bytes": sizes,
            "answers": dict(answers),
        }
    )
    lines: list[RenderableType] = [
        f"{plural(len(plan.items), 'item')} would be submitted, {sizes:,} bytes; nothing was written"
    ]
    if plan.items:
        rows: list[list[object]] = [[words or "(none)", n] for words, n in answers.most_common()]
        lines.append(table("By answer", ["answer", "items"], rows))
    lines += [*found.lines(), *_changed(changed), NOT_FOUND]
    _emit(data, lines + _left_out(plan.left_out, None), brought, as_json)


def end(plan: Plan, takes: str, strict: bool) -> None:
    """Ends the command with the exit code that says whether anything was left out. What was submitted
    before is no failure: the command was run again."""
    lost = [each for each in plan.left_out if not each.is_there]
    if not plan.items and len(lost) == len(plan.left_out):
        counted = plural(len(lost), "file or row", "files or rows")
        complain(
            f"nothing was submitted: {counted} left out" if lost else "there is nothing to submit",
            f"the campaign takes {takes}",
        )
        raise typer.Exit(EXIT_NOTHING)
    if strict and lost:
        raise typer.Exit(EXIT_SOME)


def end_stopped(plan: Plan, found: Found, was_dry: bool, as_json: bool) -> None:
    """Ends the command, since personal data was found and nobody said what to do."""
    count = plural(len(plan.personal), "item")
    if as_json and not was_dry:
        emit(found.data() | {"items": 0}, as_json, lambda: ())
    complain(
        f"nothing was submitted: personal data was found in {count}",
        "--personal-data redact puts placeholders in its place, leave-out leaves these items out, keep"
        " submits them and has the log say that they hold personal data",
    )
    raise typer.Exit(EXIT_PERSONAL)


def show_columns(found: Rows, columns: Columns) -> None:
    """Shows the first rows under what their columns may mean."""
    meanings = dict(columns.columns) | ({"answer": columns.answer} if columns.answer else {})
    rows: list[list[object]] = [
        [_shown(row.cells.get(column, "")) for column in meanings.values()]
        for row in found.sample()[:_SHOWN_ROWS]
    ]
    headings = [f"{name} = {column}" for name, column in meanings.items()]
    say(table(f"{found.path.name} may mean", headings, rows))


def _shown(cell: Cell) -> str:
    return cell[:_SHOWN_CHARS] if isinstance(cell, str) else f"({len(cell):,} bytes)"


def _data(left_out: Sequence[LeftOut], brought: Brought) -> dict[str, Any]:
    return {
        "skipped": [
            {"file": each.name, "reason": each.reason} for each in left_out if not each.is_there
        ],
        "there": [each.name for each in left_out if each.is_there],
        "notes": list(brought.notes),
    }


def _emit(
    data: dict[str, Any], lines: list[RenderableType], brought: Brought, as_json: bool
) -> None:
    if not as_json:
        for each in brought.notes:
            note(each)
    emit(data, as_json, lambda: lines)


def _changed_data(changed: Sequence[Changed]) -> list[dict[str, Any]]:
    return [{"file": each.name, "said": list(each.said)} for each in changed]


def _changed(changed: Sequence[Changed]) -> list[RenderableType]:
    """What was done to the first files, and how many more there are."""
    lines: list[RenderableType] = [
        f"changed: {each.name}: {'; '.join(each.said)}" for each in changed[:LISTED]
    ]
    if len(changed) > LISTED:
        lines.append(f"and {len(changed) - LISTED:,} more were changed; --json has all of them")
    return lines


def _left_out(left_out: Sequence[LeftOut], file: Path | None) -> list[RenderableType]:
    """The first of them with their reasons, what there is of each reason, and where the others are."""
    lines: list[RenderableType] = []
    there = [each for each in left_out if each.is_there]
    others = [each for each in left_out if not each.is_there]
    if there:
        lines.append(f"submitted before: {len(there):,}")
    if others:
        lines.append(f"left out: {len(others):,}")
        reasons = Counter(each.reason for each in others)
        lines += [
            f"left out: {count:,}, each since: {reason}"
            for reason, count in reasons.most_common(LISTED)
            if 1 < count < len(others)
        ]
    lines += [f"left out: {each.name}: {each.reason}" for each in others[:LISTED]]
    if len(others) > LISTED and file is None:
        lines.append(f"and {len(others) - LISTED:,} more; --json has all of them")
    elif len(others) > LISTED and file is not None:
        lines.append(f"and {len(others) - LISTED:,} more; {_kept(others, file)}")
    return lines


def _kept(left_out: Sequence[LeftOut], file: Path) -> str:
    """Where the whole list is. What was submitted is not undone by a disk that is full now."""
    try:
        replace_file(file, "".join(map(_line, left_out)))
    except OSError as error:
        return f"all of them could not be written to {file}: {error.strerror}; --json has them"
    return f"all of them are in {file}"


def _line(each: LeftOut) -> str:
    return json.dumps({"file": each.name, "reason": each.reason}) + "\n"

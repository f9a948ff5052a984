"""The commands of `commonhold coordinator` for its memory: `backup` and `restore`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress, TaskID

from commonground.counting import plural
from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded, note, progress
from coordinator.config import Home
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from commonhold.audit.source import LogSource
    from coordinator.restore import Restored


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold coordinator`."""
    app.command()(backup)
    app.command()(restore)


@guarded
def backup(
    path: Annotated[Path, typer.Argument(help="A new folder; give each backup its own.")],
    *,
    keys: Annotated[
        Path | None, typer.Option(help="Put the keys, too, into this new folder, apart.")
    ] = None,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a backup that restores: the ledger with gold and sealed openings, its head, the settings.

    The server may run. The folder appears when it is whole and was read back. Keys are not in it: whoever
    finds both can go on with the log in your name. Copy it to another machine.
    """
    from commonground.addresses import now_ms
    from coordinator.backup import backup as make

    made = make(Home.at(directory), path, keys, now_ms())
    if keys is None:
        note("no keys are in it; keep a copy of them apart, once for each new key")
    else:
        note("whoever has these keys can go on with the log in your name; move them offline")
    emit(
        asdict(made),
        as_json,
        lambda: (
            f"{plural(made.size, 'entry is', 'entries are')} in {made.path}, root {made.root.hex()}"
        ),
    )


@guarded
def restore(
    *,
    source: Annotated[
        list[str],
        typer.Option(
            "--from",
            help="A node's directory, a copy of the log, or the URL of one; repeat for several.",
        ),
    ],
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Fetch the entries that the ledger lacks from whoever has the log. The server must not run.

    Everything is checked before it is written: the head's signature by a key of yours, that it extends what
    is here and what was shown to others, and each entry by the rules. Run it again after any failure. It also
    completes a backup that was put in the place of the directory; give the node that is ahead of the others.
    """
    from coordinator.restore import restore as run

    home = Home.at(directory)
    done: list[Restored] = []
    for where in source:
        with ExitStack() as opened, progress(as_json) as bar:
            task = bar.add_task(f"reading {where}", total=None)
            log = _open(where, home, opened)
            done.append(run(home, log, partial(_show, bar, task)))
    before, size = done[0].before, done[-1].size
    submissions = sum(each.submissions for each in done)
    if submissions:
        note(
            f"{plural(submissions, 'of them is a submission', 'of them are submissions')}. If"
            " their authors proposed answers, these were"
            " sealed here alone: ask them for `commonhold node send --again`, or rounds cannot be decided"
        )
    emit(
        {"before": before, "size": size, "restored": size - before, "submissions": submissions},
        as_json,
        lambda: (
            f"{plural(size - before, 'entry is', 'entries are')} restored; the ledger has {size:,}"
            if size > before
            else f"nothing was missing; the ledger has {plural(size, 'entry', 'entries')}"
        ),
    )


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _open(where: str, home: Home, opened: ExitStack) -> LogSource:
    """A URL, a node's directory, or a copy of a log."""
    from commonhold.audit.source import FolderLog, HttpLog
    from coordinator.keys import load_keys
    from node.copy import StoredLog
    from node.readonly import NodeDatabase

    if where.startswith(("http://", "https://")):
        return opened.enter_context(HttpLog(where))
    folder = Path(where)
    if not folder.is_dir():
        raise ConfigError(
            f"{where} is no folder", "give a node's directory, a copy of the log, or its URL"
        )
    database = folder / "node.db"
    if database.exists():
        store = opened.enter_context(NodeDatabase(database))
        return StoredLog(store, load_keys(home).log_verifier)
    return FolderLog(folder)

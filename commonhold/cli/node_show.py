"""The commands of `commonhold node` that only show something: they read the log, then report on it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from commonground.counting import plural
from commonground.escaping import in_shell
from commonhold.cli import campaign_report, node_report
from commonhold.cli.node_home import is_running, open_home, open_store
from commonhold.cli.node_sending import catch_up
from commonhold.cli.output import emit, show
from node.alarms import AlarmFiles, path_of
from node.config import NodeConfig, NodeDirectory
from node.copy import StoredLog, write_copy
from node.follower import Follower
from node.trust import lies
from protocol.errors import Unreachable


def status(directory: Path | None, offline: bool, as_json: bool) -> None:
    """Shows everything about this node in short; `offline` asks nobody."""
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        connection = "not asked"
        if not offline and not lies(store):
            connection = asyncio.run(_connection(home, config, follower))
        data = node_report.status(home, config, store, follower, connection)
    emit(data, as_json, lambda: node_report.status_text(data))


async def _connection(home: NodeDirectory, config: NodeConfig, follower: Follower) -> str:
    if not is_running(home):
        try:
            await catch_up(home, config, follower, tolerant=False)
        except Unreachable as error:
            return str(error)
        return "reached"
    from commonground.client import CoordinatorClient

    try:
        async with CoordinatorClient(config.link) as client:
            await client.connect()
    except Unreachable as error:
        return f"{error}; the running node tries again by itself"
    return "reached; the running node follows the log"


def statement(epoch: int | None, items: bool, directory: Path | None, as_json: bool) -> None:
    """Shows what each amount was earned for, of one epoch or of all; with `items`, what was decided."""
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        data = node_report.statement(store, follower.state, epoch, items)
    emit(data, as_json, lambda: node_report.statement_tables(data))


def campaigns(directory: Path | None, as_json: bool) -> None:
    """Shows what the network asks for."""
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        if not lies(store):
            asyncio.run(catch_up(home, config, follower))
        data = campaign_report.campaigns(follower.state)
    emit(data, as_json, lambda: campaign_report.campaigns_text(data))


def _alarms_text(found: list[dict[str, object]]) -> list[str]:
    lines = [
        (
            f"{each['kind']}: {each['message']}",
            f"    commonhold verify --alarm {in_shell(each['file'])}",
        )
        for each in found
    ]
    return [line for pair in lines for line in pair] or ["no alarms"]


def alarms(acknowledge: bool, directory: Path | None, as_json: bool) -> None:
    """Shows the evidence that was found; `acknowledge` lets the node go on in spite of it."""
    home, config = open_home(directory)
    with open_store(home) as store:
        found = store.alarms()
        AlarmFiles(store, home.alarms, config.link).write_missing()
        if acknowledge:
            store.acknowledge_alarms()
    data = {
        "alarms": [
            {
                "kind": a.kind,
                "message": a.message,
                "raised_ms": a.raised_ms,
                "evidence": list(a.evidence),
                "file": str(path_of(home.alarms, a)),
            }
            for a in found
        ]
    }
    emit(data, as_json, lambda: _alarms_text(data["alarms"]))
    if acknowledge and found and not as_json:
        show(f"{len(found)} acknowledged; the node goes on.")


def copy(folder: Path, directory: Path | None, as_json: bool) -> None:
    """Writes the whole log, as this node has it, for anybody."""
    home, config = open_home(directory)
    with open_store(home) as store:
        log = StoredLog(store, config.link.log_verifier)
        write_copy(log, folder)
    data = {"folder": str(folder), "size": log.size}
    emit(
        data,
        as_json,
        lambda: (
            f"{plural(log.size, 'entry is', 'entries are')} in {folder}:"
            f" `commonhold verify {in_shell(folder)}`"
        ),
    )

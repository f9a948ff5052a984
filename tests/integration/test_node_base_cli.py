"""The contributor's commands, as processes, against a real coordinator."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from commonground.client import CoordinatorClient
from coordinator.config import Config, Home
from coordinator.founding import DEFAULT_POLICY, found
from coordinator.keys import Keys
from coordinator.server import running
from node.config import NodeDirectory
from node.keys import load_keys
from node.store import Store
from protocol.log.envelope import seal
from protocol.log.link import parse_link
from tests.simulated import campaign

TERMS = (
    *("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human"),
    *("--consent", "train", "--consent", "redistribute"),
)


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Contributor:
    """Somebody at a terminal, with a node directory and some pictures."""

    def __init__(self, folder: Path) -> None:
        self.home, self.pictures = folder / "node", folder / "pictures"
        self.pictures.mkdir(parents=True)
        labels = ["file,label"]
        for number in range(4):
            image = Image.new("L", (28, 28))
            for place in range(60):
                image.putpixel(((place * (number + 3)) % 28, (place * 5 + number) % 28), 255)
            image.save(self.pictures / f"{number}.png")
            labels.append(f"{number}.png,{number}")
        self.labels = folder / "labels.csv"
        self.labels.write_text("\n".join(labels) + "\n")

    async def run(self, *arguments: str, code: int = 0, **environment: str) -> Result:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from commonhold.cli import main; main()", "node"),
            *arguments,
            env=os.environ | {"COMMONHOLD_NODE": str(self.home)} | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        result = Result(process.returncode or 0, out.decode(), err.decode())
        assert result.code == code, result
        assert "Traceback" not in result.err
        return result

    async def submit(self, *more: str, code: int = 0) -> Result:
        labels = ("--labels", str(self.labels))
        return await self.run("submit", str(self.pictures), *TERMS, *labels, *more, code=code)


@pytest.fixture
def ada(tmp_path: Path) -> Contributor:
    return Contributor(tmp_path / "ada")


class Operator:
    """A founded network whose server can come and go on one port."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.config = Config("digits for all", grpc_port=0, http_port=0)
        self.keys: Keys = found(self.home, self.config, DEFAULT_POLICY)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        failures: list[Exception] = []
        async with running(self.home, self.config, self.keys, failures.append) as address:
            self.config = replace(self.config, grpc_port=address.grpc_port)
            yield address.link
        assert failures == []

    async def open_campaign(self, link: str) -> None:
        body = campaign(network=self.keys.network).SerializeToString()
        envelope = seal("campaign", body, self.keys.operator, self.keys.sign_record)
        async with CoordinatorClient(parse_link(link)) as client:
            await client.append(envelope)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "operator")


async def test_from_nothing_to_a_logged_submission(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await operator.open_campaign(link)
        made = (await ada.run("init", "--link", link, "--json")).json
        assert made["network"] == "digits for all"
        for name in ("keys.json", "node.toml", "node.db"):
            assert (ada.home / name).stat().st_mode & 0o777 == 0o600

        offered = (await ada.run("campaigns", "--json")).json["campaigns"]
        assert [each["id"] for each in offered] == ["digits"]

        done = (await ada.submit("--json")).json
        assert (done["items"], done["skipped"]) == (4, [])
        assert done["batches"] == [{"entry": 3, "state": "sent"}]
        again = (await ada.submit("--json")).json
        assert (again["items"], len(again["skipped"])) == (0, 4)

        shown = (await ada.run("status", "--json")).json
        assert shown["peer_id"] == made["peer_id"]
        assert shown["payout_address"] == made["payout_address"]
        assert (shown["registered"], shown["connection"]) == (True, "reached")
        assert (shown["items"], shown["outbox"]) == ({"submitted": 4}, {"sent": 2})
        assert "4 submitted" in (await ada.run("status", "--offline")).out
        assert "Nothing earned yet" in (await ada.run("statement")).out

    keys = load_keys(NodeDirectory(ada.home).keys, lambda: b"")
    assert keys.peer_id == made["peer_id"]
    everything = json.dumps([made, shown])
    assert keys.seed.hex() not in everything
    assert keys.payout_key.hex() not in everything


async def test_without_a_coordinator_the_work_is_kept_and_sent_later(
    operator: Operator, ada: Contributor
) -> None:
    async with operator.serving() as link:
        await operator.open_campaign(link)
        await ada.run("init", "--link", link)
        await ada.run("campaigns")
    kept = await ada.submit(code=3)
    assert "the work is kept" in kept.err.replace("\n", " ")
    shown = (await ada.run("status", "--json")).json
    assert "does not answer" in shown["connection"]
    assert shown["outbox"] == {"queued": 1, "sent": 1}
    async with operator.serving():
        assert "2 sent" in (await ada.run("send")).out
        assert (await ada.run("status", "--json")).json["items"] == {"submitted": 4}


async def test_joining_while_the_coordinator_is_away(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await operator.open_campaign(link)
    joined = await ada.run("init", "--link", link)
    assert "registration is kept" in joined.err
    await ada.submit(code=3)
    async with operator.serving():
        assert (await ada.submit("--json")).json["items"] == 4
        assert (await ada.run("status", "--json")).json["registered"]


async def test_a_running_daemon_is_left_to_send(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await operator.open_campaign(link)
        await ada.run("init", "--link", link)
        await ada.run("campaigns")
        with (ada.home / "node.lock").open("wb") as lock, Store(ada.home / "node.db") as store:
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = asyncio.create_task(ada.submit("--json"))
            while (row := store.next_queued()) is None:
                await asyncio.sleep(0.02)
            assert row.outgoing.kind == "submission"
            store.mark_sent(row.outgoing.digest, 3, b"")
            assert (await waiting).json["batches"] == [{"entry": 3, "state": "sent"}]
            assert (await ada.run("status", "--json")).json["running"]
    with sqlite3.connect(ada.home / "node.db") as plain:
        assert plain.execute("SELECT count(*) FROM items").fetchone() == (4,)


async def test_keys_behind_a_passphrase(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("correct horse\n")
    wrong.write_text("wrong horse\n")
    async with operator.serving() as link:
        await operator.open_campaign(link)
        await ada.run("init", "--link", link, "--passphrase-file", str(secret))
        refused = await ada.submit(code=2)
        assert "--passphrase-file" in refused.err
        refused = await ada.submit("--passphrase-file", str(wrong), code=2)
        assert "does not open" in refused.err
        await ada.submit("--passphrase-file", str(secret))


async def test_wrong_use_says_what_to_do(operator: Operator, ada: Contributor) -> None:
    assert "node init" in (await ada.run("status", code=2)).err
    assert "link" in (await ada.run("init", "--link", "http://example.com", code=2)).err
    async with operator.serving() as link:
        await operator.open_campaign(link)
        await ada.run("init", "--link", link)
        assert "already" in (await ada.run("init", "--link", link, code=2)).err
        unknown = await ada.run("submit", str(ada.pictures), *TERMS, "--label", "X", code=2)
        assert "the campaign's labels are" in unknown.err.replace("\n", " ")
        both = await ada.submit("--label", "3", code=2)
        assert "either" in both.err


async def test_an_alarm_stops_a_node_until_its_owner_goes_on(
    operator: Operator, ada: Contributor
) -> None:
    async with operator.serving() as link:
        await operator.open_campaign(link)
        await ada.run("init", "--link", link)
        with Store(ada.home / "node.db") as store:
            store.raise_alarm("split-view", "two histories", [b"note"], 1)
        assert "two histories" in (await ada.submit(code=1)).err
        assert "ALARM: two histories" in (await ada.run("status")).out
        assert (await ada.run("alarms", "--json")).json["alarms"][0]["evidence"] == ["6e6f7465"]
        await ada.run("alarms", "--acknowledge")
        assert (await ada.run("status", "--offline", "--json")).json["alarms"] == []

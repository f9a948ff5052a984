"""Somebody at a terminal, and an operator: for tests of the contributor's commands as processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from commonground.client import CoordinatorClient
from coordinator.config import Config, Home
from coordinator.founding import found
from coordinator.keys import Keys
from coordinator.operator import Operator as OperatorClient
from coordinator.server import announced, running
from protocol.log.envelope import seal
from protocol.log.link import parse_link
from protocol.log.strict import canonical
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.live_coordinator import default_policy
from tests.simulated import campaign, part, rounds

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


class Operator:
    """A founded network whose server can come and go on one port."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.config = Config("digits for all", grpc_port=0, http_port=0)
        self.keys: Keys = found(self.home, self.config, default_policy())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        failures: list[Exception] = []
        async with running(self.home, self.config, self.keys, failures.append) as address:
            self.config = replace(self.config, grpc_port=address.grpc_port)
            with announced(address, [self.home.server_path]):
                yield address.link
        assert failures == []

    def close_epoch(self, epoch: int) -> None:
        with OperatorClient(self.home) as client:
            client.close_epoch(epoch)

    async def open_campaigns(self, link: str, *more: pb.Campaign) -> None:
        """Pictures of digits, sealed an hour after the first; and pairs of answers, at any time."""
        slow = rounds(seal_items=100, seal_wait_ms=3_600_000)
        pictures = campaign(parts=[part("image", "image/png")], rounds=slow)
        pairs = campaign(
            id="pairs",
            task="prefer",
            title="Which [bold]one[/]?",
            spec=encode_spec({"ties": True}),
            parts=[part("prompt"), part("answer_a"), part("answer_b")],
            proposal=pb.PROPOSAL_NOT_TAKEN,
            rounds=slow,
        )
        async with CoordinatorClient(parse_link(link)) as client:
            for body in (pictures, pairs, *more):
                body.network = self.keys.network
                sealed = seal(
                    "campaign", canonical(body), self.keys.record_key, self.keys.sign_record
                )
                await client.append(sealed)

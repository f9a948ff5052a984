"""The page of a running node: a real coordinator, a real node, the command that prints the address."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from commonhold.demo.stage import Server, Stage
from coordinator.operator import Operator
from node.config import NodeConfig, write_config
from protocol.log.link import parse_link
from tests.node_lab import LISTEN, Lab, Node, until

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Stage(tmp_path) as stage:
        made = Lab(stage, tmp_path)
        made.found()
        with Operator(made.home) as operator:
            made.open_campaign(operator, 2)
        yield made


def text_of(url: str, path: str = "") -> str:
    """A page's HTML, for somebody with the address."""
    with httpx.Client(follow_redirects=True) as client:
        client.get(url)
        text = client.get(url.partition("?")[0] + path).text
    # The tags that isolate what others wrote.
    return text.replace("<bdi>", "").replace("</bdi>", "")


def page(node: Node) -> subprocess.CompletedProcess[str]:
    """`commonhold node page`."""
    command = ["node", "page", "--dir", str(node.home.root)]
    return subprocess.run(
        [sys.executable, "-m", "commonhold", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def started(lab: Lab, node: Node) -> Server:
    server = lab.start(node)
    lab.stage.wait_ready(server)
    return server


def test_the_owner_sees_what_the_node_knows(lab: Lab) -> None:
    ada = lab.node("ada", stand_by=False)
    refused = page(ada)
    assert refused.returncode == 5
    assert "commonhold node start" in refused.stderr

    asyncio.run(ada.submit(lab.write_digits(2, "7")))
    daemon = started(lab, ada)
    url = daemon.ready["page"]
    assert page(ada).stdout.strip() == url
    assert (lab.folder / "logs" / "ada.ready").stat().st_mode & 0o777 == 0o600
    assert ada.home.page.stat().st_mode & 0o777 == 0o600

    def shown() -> str | None:
        text = text_of(url)
        return text if "You gave 2 items" in text else None

    until(shown, "the items on the page")
    items = text_of(url, "items")
    assert "0.png" in items and "you said “7”" in items
    assert "commonhold node withdraw" not in items
    until(lambda: "connected" in text_of(url, "node") or None, "the connection")

    command = f"--dir {ada.home.root}"
    [first, *_] = re.findall(r"items/([0-9a-f]{64})/\w+/picture", items)
    assert command in text_of(url, f"items/{first}"), "the command means this node"

    asyncio.run(ada.submit(lab.write_digits(3, "7")))
    until(lambda: "You gave 3 items" in text_of(url) or None, "the new item")

    withdraw = ("node", "withdraw", first, "--yes", "--dir", str(ada.home.root))
    lab.stage.run(*withdraw)
    until(lambda: "You took it back" in text_of(url, f"items/{first}") or None, "the withdrawal")
    shown_still = text_of(url, f"items/{first}") + text_of(url, "items")
    assert not re.search(rf"{first}/\w+/picture", shown_still)

    lab.stage.stop(daemon)
    assert daemon.process.returncode == 0
    assert not ada.home.page.exists()
    assert page(ada).returncode == 5
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert url.partition("token=")[2] not in log


def test_a_port_of_ones_own_choice(lab: Lab) -> None:
    ada, ben = lab.node("ada", stand_by=False), lab.node("ben", stand_by=False)
    daemon = started(lab, ada)
    port = int(daemon.ready["page"].split(":")[2].partition("/")[0])
    config = NodeConfig(parse_link(lab.link), LISTEN, stand_by=False)
    write_config(ben.home, replace(config, page_port=port))
    taken = lab.start(ben)
    assert taken.process.wait(timeout=60) == 2
    assert "change page_port in node.toml" in taken.log.read_text()
    lab.stage.stop(daemon)
    assert f"127.0.0.1:{port}/" in started(lab, ben).ready["page"]

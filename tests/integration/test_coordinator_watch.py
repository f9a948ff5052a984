"""The coordinator holds its own log against the chain; its page and its metrics say what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract_chains import devchain
from tests.contract_lab import ask_chain
from tests.endpoints import Proxy, Result, misbehaving
from tests.helpers import Person
from tests.integration.test_coordinator_settle import home_on, run_settle
from tests.live_coordinator import Live, live

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _), misbehaving(url) as found:
        assert ask_chain(found.url, "eth_chainId")
        yield found


async def page(net: Live, path: str, shows: Callable[[str], bool]) -> str:
    """A page, once it shows what is waited for; the test's timeout bounds it."""
    async with httpx.AsyncClient() as client:
        while True:
            found = await client.get(f"http://127.0.0.1:{net.address.http_port}{path}")
            if shows(found.text):
                return found.text
            await asyncio.sleep(0.2)


async def test_the_page_says_what_came_of_the_look(tmp_path: Path, proxy: Proxy) -> None:
    home = home_on(tmp_path / "net", proxy.url)
    async with live(home) as net:
        await net.join(Person("ann"))
        before = await page(net, "/revenue", lambda text: "Settlement" in text)
        assert 'id="chain-heading"' not in before, "there are no contracts yet"
        await net.close_epoch(1)
        await asyncio.to_thread(run_settle, home)
        shown = await page(net, "/revenue", lambda text: "is as the log says" in text)
        assert "Vault: money comes in here" in shown and "Witnesses with a bond" in shown
        metrics = await page(net, "/metrics", lambda text: "commonhold_chain_findings 0.0" in text)
        assert "commonhold_chain_unchecked 0.0" in metrics
        assert "commonhold_chain_agreed_timestamp_seconds 0.0" not in metrics

    # Another one after a restart: said with the time, and no pass.
    proxy.rule = lambda method, _: Result("0x1") if method == "eth_chainId" else None
    async with live(home) as net:
        shown = await page(net, "/revenue", lambda text: "Not checked since" in text)
        assert "is on chain 1" in shown
        await page(net, "/metrics", lambda text: "commonhold_chain_unchecked 1.0" in text)
    # A contract of another code.
    proxy.rule = lambda method, _: Result("0x60") if method == "eth_getCode" else None
    async with live(home) as net:
        shown = await page(
            net, "/revenue", lambda text: "The chain and the log do not agree" in text
        )
        assert "the code is not what this software ships" in shown
        await page(net, "/metrics", lambda text: "commonhold_chain_findings 8.0" in text)
    proxy.rule = lambda method, _: None


async def test_without_an_endpoint_the_page_says_so(tmp_path: Path, proxy: Proxy) -> None:
    home = home_on(tmp_path / "net", proxy.url)
    async with live(home) as net:
        await net.close_epoch(1)
        await asyncio.to_thread(run_settle, home)
    text = home.config_path.read_text().replace(f'rpc_url = "{proxy.url}"', 'rpc_url = ""')
    home.config_path.write_text(text)
    async with live(home) as net:
        shown = await page(net, "/revenue", lambda text: 'id="chain-heading"' in text)
    assert "Nobody here holds the chain against the log" in shown

"""`verify --rpc-url` agrees, does not agree, or could not compare: three exit codes, never mixed up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from commonhold.cli.output import EXIT_CHECK_FAILED, EXIT_UNCHECKED, EXIT_USAGE
from commonhold.cli.root import build
from tests.contract_chains import devchain
from tests.contract_lab import ChainLab
from tests.endpoints import Proxy, Result, misbehaving
from tests.simulated import Network, Person
from tests.unit.test_audit import publish
from tests.watch_lab import WatchLab

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WatchLab, Path]]:
    """A network in force on chain, and a folder with its log."""
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        lab = WatchLab(ChainLab(url))
        lab.deposit()
        lab.settle()
        folder = tmp_path_factory.mktemp("log")
        (folder / "key").write_text(str(publish(lab.net, folder)))
        yield lab, folder


def verify(folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, what is printed as JSON, and what is complained of."""
    key = (folder / "key").read_text()
    result = CliRunner().invoke(
        build("verify"), ["verify", str(folder), "--key", key, "--json", *options]
    )
    return result.exit_code, json.loads(result.stdout or "{}"), result.stderr


def test_a_chain_that_agrees(chain: tuple[WatchLab, Path]) -> None:
    lab, folder = chain
    code, said, complaints = verify(folder, "--rpc-url", lab.lab.url)
    assert (code, said["ok"], said["chain"]["outcome"]) == (0, True, "agrees"), complaints
    assert said["settled_on_chain"] == 1


def test_without_an_endpoint_it_says_that_nobody_looked(chain: tuple[WatchLab, Path]) -> None:
    _, folder = chain
    code, said, _ = verify(folder)
    assert (code, said["ok"], said["chain"]) == (0, True, {"outcome": "not looked at"})
    key = (folder / "key").read_text()
    text = CliRunner().invoke(build("verify"), ["verify", str(folder), "--key", key]).stdout
    assert "the chain was not looked at" in text


def test_a_contract_of_another_code_is_a_failed_check(chain: tuple[WatchLab, Path]) -> None:
    lab, folder = chain
    vault = f"0x{lab.lab.deployment.vault.hex()}"

    def swap(method: str, params: list[Any]) -> Result | None:
        return Result("0x60") if method == "eth_getCode" and params[0].lower() == vault else None

    with misbehaving(lab.lab.url) as proxy:
        proxy.rule = swap
        code, said, complaints = verify(folder, "--rpc-url", proxy.url)
    assert (code, said["ok"], said["settled_on_chain"]) == (EXIT_CHECK_FAILED, False, None)
    assert [each["kind"] for each in said["chain"]["findings"]] == ["another_code"]
    assert "the code is not what this software ships" in complaints
    assert "next: ask another endpoint" in complaints


def away(_: Proxy) -> str:
    return NOBODY


def another_id(proxy: Proxy) -> str:
    proxy.rule = lambda method, _: Result("0x1") if method == "eth_chainId" else None
    return proxy.url


def behind(proxy: Proxy) -> str:
    proxy.rule = lambda method, params: (
        Result(None) if method == "eth_getBlockByNumber" and params[0] != "latest" else None
    )
    return proxy.url


def no_state(proxy: Proxy) -> str:
    proxy.rule = lambda method, _: Result("0x") if method == "eth_call" else None
    return proxy.url


@pytest.mark.parametrize("how", [away, another_id, behind, no_state])
def test_what_could_not_be_compared_is_no_pass(chain: tuple[WatchLab, Path], how: Any) -> None:
    lab, folder = chain
    with misbehaving(lab.lab.url) as proxy:
        code, said, complaints = verify(folder, "--rpc-url", how(proxy))
    assert (code, said["ok"], said["chain"]["outcome"]) == (EXIT_UNCHECKED, False, "not checked")
    assert "NOT CHECKED" in complaints and "next: " in complaints


def test_a_log_without_contracts_has_nothing_to_compare(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(str(publish(Network(Person("ada")), tmp_path)))
    code, said, _ = verify(tmp_path, "--rpc-url", NOBODY)
    assert (code, said["chain"]["outcome"]) == (EXIT_UNCHECKED, "not checked")


def test_what_is_no_address_is_wrong_use(chain: tuple[WatchLab, Path]) -> None:
    _, folder = chain
    assert verify(folder, "--rpc-url", "not an address")[0] == EXIT_USAGE


def test_a_deposit_that_the_log_leaves_out_is_a_failed_check(
    chain: tuple[WatchLab, Path], tmp_path: Path
) -> None:
    lab, _ = chain
    lab.deposit()
    lab.read(lambda logs: logs.clear())
    (tmp_path / "key").write_text(str(publish(lab.net, tmp_path)))
    code, said, complaints = verify(tmp_path, "--rpc-url", lab.lab.url)
    assert code == EXIT_CHECK_FAILED
    assert [each["kind"] for each in said["chain"]["findings"]] == ["missing"]
    assert "the chain has it, and the log does not" in complaints

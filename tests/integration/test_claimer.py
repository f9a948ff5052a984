"""Payments go elsewhere where their account says so, and to their account by anybody's gas."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils.address import to_checksum_address
from typer.testing import CliRunner

from commonhold.cli import node_claimer
from commonhold.cli.node import app
from commonhold.cli.node_report import remember_names
from commonhold.cli.output import EXIT_INTERRUPTED, EXIT_STATE, EXIT_USAGE
from commonhold.cli.root import build
from contracts.client import ChainClient
from coordinator.operator import Operator
from node.config import NodeConfig, NodeDirectory, write_config
from node.follower import Follower
from node.keys import save_keys
from node.store import Store
from node.wallet import Wallet
from protocol.identity import PersonId
from protocol.money.payout import accept_payee_call
from protocol.money.settlement import ETHER, Address
from tests.adversarial.settled_network import STRANGER, SettledNetwork, ether_of, settled_network
from tests.contract_chains import devchain
from tests.contract_lab import GAS_WEI
from tests.integration.test_coordinator_settle import AUTHOR
from tests.integration.test_invitations import refused, run_json
from tests.integration.test_node_claims import (
    Settling,
    command_of,
    settled_by_ann,
)
from tests.integration.test_payee import Safe, node_of_author
from tests.integration.test_payee import read as read_chain_of
from tests.integration.test_verify_chain import verify
from tests.simulated import Person
from tests.simulated_log import LINK, feed, keys_of
from tests.unit.test_audit import publish

pytestmark = pytest.mark.timeout(180)

COLD = Address(b"\xc0" * 20)
#: What ann and the first of her reviewers do at their terminals.
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def rpc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield url


@pytest.fixture
def settling(rpc_url: str, tmp_path: Path) -> Iterator[Settling]:
    with settled_by_ann(rpc_url, tmp_path) as made:
        yield made


@pytest.fixture
def chain_url(tmp_path: Path) -> Iterator[str]:
    """Of its own, where nobody moves the time."""
    with devchain(tmp_path) as (url, _):
        yield url


def shown(address: bytes) -> str:
    return to_checksum_address(address)


def settled(lab: Settling) -> None:
    lab.propose()
    lab.settle()


def shares_of(lab: Settling, account: bytes) -> int:
    """What an account holds on chain."""
    client = ChainClient(lab.lab.url, STRANGER)
    shares = client.contract("ShareToken", lab.deployment.share_token).functions
    return int(client.read(shares.balanceOf(shown(account))))


def ann_of(lab: Settling, folder: Path) -> Run:
    """Runs `commonhold node` as ann."""
    remember_names(lab.store, keys_of(lab.ann))
    return command_of(lab, folder)


def node_of(lab: Settling, person: Person, folder: Path) -> Run:
    """Runs `commonhold node` as somebody whose node has read the log as far as it is now."""
    home = NodeDirectory(folder)
    home.create()
    save_keys(home.keys, keys_of(person))
    write_config(home, NodeConfig(LINK, rpc_url=lab.lab.url))
    with Store(home.database) as store:
        remember_names(store, keys_of(person))
    lab.lab.chain.fund([Wallet(person.wallet.to_bytes()).address], GAS_WEI)

    def run(*words: str) -> tuple[int, str]:
        with Store(home.database) as store:
            follower = Follower(store, LINK)
            follower.replay()
            feed(follower, lab.net)
        done = CliRunner().invoke(app, [*words, "--dir", str(folder), "--json"])
        return done.exit_code, done.stdout or " ".join(done.stderr.split())

    return run


def balance(run: Run) -> tuple[int, int, int]:
    """Of shares, by the statement: earned, claimed, claimable."""
    code, said = run("statement")
    assert code == 0, said
    [each] = json.loads(said)["balances"]
    return each["earned"], each["claimed"], each["claimable"]


def agree(lab: Settling, folder: Path) -> bool:
    """Whether `commonhold verify` finds the chain and the log to say the same."""
    folder.mkdir()
    (folder / "key").write_text(str(publish(lab.net, folder)))
    code, said, complaints = verify(folder, "--rpc-url", lab.lab.url)
    assert code == 0, complaints
    return bool(said["chain"]["outcome"] == "agrees")


# ---- our own, elsewhere ----


def test_our_own_payments_go_to_another_address(settling: Settling, tmp_path: Path) -> None:
    earned = settling.net.state.earned[settling.ann.id, b""]
    settled(settling)
    run, before = ann_of(settling, tmp_path), shares_of(settling, COLD)
    code, said = run("claim", "--to", shown(COLD))
    assert code == 0, said
    [claim] = json.loads(said)["claims"]
    assert (claim["account"], claim["recipient"]) == (
        f"0x{settling.wallet.address.hex()}",
        f"0x{COLD.hex()}",
    )
    assert claim["paid"] == str(earned)
    assert shares_of(settling, COLD) - before == earned > 0
    assert shares_of(settling, settling.wallet.address) == 0
    settling.read()
    assert settling.net.state.claimed[settling.deployment.share_token] == earned
    assert agree(settling, tmp_path / "log")
    assert balance(run) == (earned, earned, 0)
    code, said = run("claim", "--to", shown(COLD))
    assert (code, "nothing to claim" in said) == (EXIT_STATE, True)


def test_an_address_that_is_nobodys_is_refused_before_anything_is_sent(
    settling: Settling,
    tmp_path: Path,
) -> None:
    settled(settling)
    run, right = ann_of(settling, tmp_path), shown(COLD)
    nonce = ChainClient(settling.lab.url, settling.ann.wallet.to_bytes()).nonce()
    wrong_digit = right[:-1] + ("1" if right[-1] == "0" else "0")
    swapped = right[:2] + right[2:].swapcase()
    nobodys = [shown(each) for each in (ETHER, *settling.deployment.contracts)]
    for wrong in ("0x12", wrong_digit, swapped, *nobodys):
        for words in (("claim", "--to"), ("claimer", "--yes")):
            code, said = run(*words, wrong)
            assert code == EXIT_USAGE, (words, wrong, said)
    for wrong in ("0x12", wrong_digit, swapped):
        assert run("claim", "--for", wrong)[0] == EXIT_USAGE
    assert "where nobody fetches" in run("claim", "--to", shown(settling.deployment.settlement))[1]
    assert "--none" in run("claimer", shown(ETHER))[1]
    assert run("claimer", right, "--none")[0] == EXIT_USAGE
    own = shown(settling.wallet.address)
    code, said = run("claimer", own, "--yes")
    assert (code, "claim --to" in said) == (EXIT_USAGE, True)
    assert ChainClient(settling.lab.url, settling.ann.wallet.to_bytes()).nonce() == nonce
    code, said = run("claim", "--to", own)
    [claim] = json.loads(said)["claims"]
    assert (code, claim["recipient"]) == (0, own.lower()), "to oneself is a claim like any other"


# ---- of others ----


def test_anybody_pays_the_gas_and_the_account_is_paid(settling: Settling, tmp_path: Path) -> None:
    other = Person("reviewer 0")
    account = Wallet(other.wallet.to_bytes()).address
    earned = settling.net.state.earned[other.id, b""]
    settled(settling)
    run = ann_of(settling, tmp_path)
    theirs = node_of(settling, other, tmp_path / "theirs")
    nonce = ChainClient(settling.lab.url, settling.ann.wallet.to_bytes()).nonce()

    code, said = run("claim", "--for", shown(account), "--to", shown(COLD))
    assert (code, f"`commonhold node claimer {shown(settling.wallet.address)}`" in said) == (
        EXIT_STATE,
        True,
    ), said
    assert ChainClient(settling.lab.url, settling.ann.wallet.to_bytes()).nonce() == nonce
    code, said = run("claim", "--for", shown(COLD))
    assert (code, "pays 0xc0c0" in said) == (EXIT_STATE, True), "nobody is paid there"

    code, said = run("claim", "--for", shown(account))
    assert code == 0, said
    [claim] = json.loads(said)["claims"]
    assert (claim["account"], claim["recipient"]) == (f"0x{account.hex()}",) * 2
    assert shares_of(settling, account) == earned == int(claim["paid"]) > 0
    assert shares_of(settling, settling.wallet.address) == 0
    own = settling.net.state.earned[settling.ann.id, b""]
    assert balance(run) == (own, 0, own), "what others are paid is not ours"
    settling.read()
    assert agree(settling, tmp_path / "log")
    code, said = run("claim", "--for", shown(account))
    assert (code, "nothing to claim" in said) == (EXIT_STATE, True)

    assert balance(theirs) == (earned, 0, earned), "until it asks the chain"
    code, said = theirs("claim")
    assert (code, "nothing to claim" in said) == (EXIT_STATE, True)
    assert balance(theirs) == (earned, earned, 0)


def test_a_claimer_sends_elsewhere_until_it_may_no_more(
    settling: Settling,
    tmp_path: Path,
) -> None:
    other = Person("reviewer 0")
    account, ours = Wallet(other.wallet.to_bytes()).address, shown(settling.wallet.address)
    earned = settling.net.state.earned[other.id, b""]
    settled(settling)
    run, before = ann_of(settling, tmp_path), shares_of(settling, COLD)
    theirs = node_of(settling, other, tmp_path / "theirs")

    def claimer_of(words: tuple[str, ...], *, sends: bool) -> str | None:
        code, said = theirs("claimer", *words)
        assert code == 0, said
        data = json.loads(said)
        [each] = data["claimers"]
        assert each["account"] == f"0x{account.hex()}"
        assert bool(data["transaction"]) == sends
        found: str | None = each["claimer"]
        return found

    assert claimer_of((), sends=False) is None
    code, said = theirs("claimer", ours)
    assert (code, "add --yes" in said) == (EXIT_USAGE, True)
    assert claimer_of((), sends=False) is None
    assert claimer_of(("--none",), sends=False) is None, "it is so already"
    assert claimer_of((ours, "--yes"), sends=True) == ours.lower()
    assert claimer_of((ours, "--yes"), sends=False) == ours.lower()
    assert claimer_of(("--none",), sends=True) is None
    command = ("claim", "--for", shown(account), "--to", shown(COLD))
    assert run(*command)[0] == EXIT_STATE
    assert claimer_of((ours, "--yes"), sends=True) == ours.lower()

    code, said = run(*command)
    assert code == 0, said
    [claim] = json.loads(said)["claims"]
    assert (claim["account"], claim["recipient"], claim["paid"]) == (
        *(f"0x{account.hex()}", f"0x{COLD.hex()}"),
        str(earned),
    )
    assert shares_of(settling, COLD) - before == earned
    settling.read()
    assert agree(settling, tmp_path / "log")
    assert theirs("claim")[0] == EXIT_STATE
    assert balance(theirs) == (earned, earned, 0)


def test_what_it_means_is_said_and_asked(
    settling: Settling,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command_of(settling, tmp_path)
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(node_claimer, "sys", terminal)
    chain = settling.wallet.chain(settling.lab.url, settling.deployment)
    for answer, code, found in (("n", EXIT_INTERRUPTED, None), ("y", 0, COLD)):
        words = ["claimer", shown(COLD), "--dir", str(tmp_path)]
        done = CliRunner().invoke(app, words, input=f"{answer}\n")
        assert done.exit_code == code, done.stderr
        assert "all that it is paid later, to any address" in " ".join(done.stderr.split())
        assert chain.claimer(settling.wallet.address) == found
    assert f"{shown(COLD)}, too, may send elsewhere" in done.stdout
    assert "transaction 0x" in done.stdout


# ---- a Safe ----


def call_in(said: str) -> tuple[str, bytes]:
    """Where a message says that a call has to go, and its data."""
    [there] = re.findall("to (0x[0-9a-fA-F]{40}), the network's Settlement", said)
    [data] = re.findall("calldata 0x([0-9a-f]+)", said)
    return there, bytes.fromhex(data)


def verified(network: SettledNetwork) -> Any:
    """What `commonhold verify` says of the log as the coordinator serves it, and of the chain."""
    with Operator(network.home) as operator:
        link = operator.link
    words = ["verify", link, "--rpc-url", network.url, "--json"]
    done = CliRunner().invoke(build("verify"), words)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


async def test_a_safe_lets_a_node_send_elsewhere_what_it_is_paid(
    tmp_path: Path, chain_url: str
) -> None:
    """With shares and ether; and the log, the chain and the statement say the same afterwards."""
    node = tmp_path / "node"

    async def asks(call: Callable[..., Any], *words: object, **more: object) -> Any:
        return await asyncio.to_thread(call, *words, **more)

    async with settled_network(tmp_path, chain_url) as network:
        keys = await asks(node_of_author, node, network)
        own, me = "0x" + keys.payout_address.hex(), PersonId(AUTHOR.id)
        safe = await asks(Safe, chain_url)
        there, cold = shown(safe.address), Address(b"\xd0" * 20)
        board = shown(network.deployment.board)
        await asks(safe.send, board, accept_payee_call(me))
        await asks(read_chain_of, network)
        await asks(run_json, "node", node, "payee", there)
        await asks(network.pays().deposit, ETHER, 10**18, b"licence 7")
        await asks(read_chain_of, network)
        assert await network.settle_epoch(2) == 2
        await asks(network.pays().fund, [keys.payout_address], 10**18)

        # Our own account's, from before, goes there; the Safe's stays, and we are told what would send it.
        done = await asks(run_json, "node", node, "claim", "--to", shown(cold))
        assert {(row["account"], row["recipient"]) for row in done["claims"]} == {
            (own, f"0x{cold.hex()}")
        }
        said = await asks(refused, "node", node, "claim", "--to", shown(cold), code=5)
        assert f"{there} has not let {shown(keys.payout_address)}" in said
        settlement, data = call_in(said)
        stranger = shown(b"\x5a" * 20)
        said = await asks(refused, "node", node, "claimer", stranger, "--yes", code=5)
        assert f"you are paid at {there}" in said
        assert call_in(said)[1][-20:] == b"\x5a" * 20

        await asks(safe.send, settlement, data)
        shows = await asks(run_json, "node", node, "claimer")
        assert shows["claimers"] == [
            {"account": own, "claimer": None},
            {"account": there.lower(), "claimer": own},
        ]
        said = await asks(refused, "node", node, "claimer", "--none", code=5)
        assert call_in(said)[1][-20:] == bytes(20), "what the Safe sends to take it back"
        done = await asks(run_json, "node", node, "claim", "--to", shown(cold))
        paid = {row["name"]: int(row["paid"]) for row in done["claims"]}
        assert set(paid) == {"shares", "ether"}
        assert ether_of(chain_url, cold) == paid["ether"] > 0
        assert await asks(safe.holds, network.deployment.share_token) == 0
        assert ether_of(chain_url, safe.address) == 0

        await asks(read_chain_of, network)
        checked = await asks(verified, network)
        assert (checked["ok"], checked["chain"]["outcome"]) == (True, "agrees")
        for each in (await asks(run_json, "node", node, "statement"))["balances"]:
            assert (each["claimed"], each["claimable"]) == (each["earned"], 0)
        assert "nothing to claim" in await asks(refused, "node", node, "claim", code=5)

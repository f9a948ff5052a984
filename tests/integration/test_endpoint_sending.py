"""Transactions over endpoints that lose, hold back and lie: paid once, the hash always named."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from typer.testing import CliRunner

from commonhold.cli.chain import app
from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from contracts import DEVELOPMENT_CHAIN_ID
from contracts.account import OutOfGas
from contracts.client import ChainClient, ContractRefused
from contracts.dev_accounts import dev_addresses, dev_keys
from contracts.endpoint import Endpoint
from contracts.history import LAG_S, History
from contracts.journal import Order
from contracts.sending import ATTEMPTS_MAX, BUMP_AFTER_S, Displaced, NotMined, Sender
from contracts.spending import WEI_PER_GWEI, FeeTooHigh, Spending, Unfunded
from protocol.errors import ConfigError, LocalError, StateError, Unreachable
from protocol.money.eip712 import keccak256
from protocol.money.settlement import Address
from tests.contract_chains import ROOT, anvil, devchain, find_anvil
from tests.endpoints import Answer, Error, HurriedClock, Proxy, Reply, Result, misbehaving

PAYER = dev_keys()[0].to_bytes()
SEND = "eth_sendRawTransaction"
needs_anvil = pytest.mark.skipif(
    find_anvil() is None, reason="needs anvil: npm ci --ignore-scripts --prefix contracts"
)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        Endpoint(url).call("anvil_mine", hex(100))  # the base fee falls to next to nothing
        yield url


@pytest.fixture
def proxy(chain: str) -> Iterator[Proxy]:
    with misbehaving(chain) as made:
        yield made


@dataclass
class Payer:
    """An account behind a proxy: what was sent, and what its friend, whom nobody else knows, has got."""

    proxy: Proxy
    key: bytes = PAYER
    clock: HurriedClock = field(default_factory=HurriedClock)
    hashes: list[bytes] = field(default_factory=list)
    friend: Address = field(
        default_factory=lambda: Address(keccak256(str(time.monotonic_ns()).encode())[:20])
    )

    def client(self, journal: Path | None = None, gwei: float = 200) -> ChainClient:
        spending = Spending(int(gwei * WEI_PER_GWEI), journal, self.hashes.append)
        return ChainClient(self.proxy.url, self.key, spending, self.clock)

    def got(self) -> int:
        return int(self.proxy.ask("eth_getBalance", to_checksum_address(self.friend), "latest"), 16)

    def sent(self) -> list[str]:
        """The raw transactions that reached the endpoint."""
        return [params[0] for params in self.proxy.asked(SEND)]


@pytest.fixture
def payer(proxy: Proxy) -> Payer:
    return Payer(proxy)


def hash_of(raw: str) -> str:
    return "0x" + keccak256(bytes.fromhex(raw[2:])).hex()


def fee_of(raw: str) -> tuple[int, int]:
    """Fee and tip of a signed transaction."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    found = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return found["maxFeePerGas"], found["maxPriorityFeePerGas"]


class Pool:
    """A pool that takes transactions and mines none, until it is told to; blocks pass meanwhile."""

    def __init__(self, payer: Payer, blocks_pass: bool = True) -> None:
        self.payer, self.held = payer, list[str]()
        payer.proxy.rule = self.rule
        if blocks_pass:
            payer.clock.meanwhile = lambda _: payer.proxy.ask("evm_mine")

    def rule(self, method: str, params: list[Any]) -> Answer | None:
        if method != SEND:
            return None
        self.held.append(params[0])
        return Result(hash_of(params[0]))

    def mine(self, raw: str) -> None:
        """Mine one of them, and let others through from now on."""
        self.payer.proxy.rule = lambda *_: None
        self.payer.proxy.ask(SEND, raw)


# -- what is stuck --------------------------------------------------------------------------------


def test_the_hash_is_told_before_anybody_waits(payer: Payer) -> None:
    told: list[int] = []
    client = payer.client()
    object.__setattr__(
        client._spending, "on_sent", lambda tx_hash: told.append(len(payer.proxy.seen))
    )
    sent = client.transfer(payer.friend, 5)
    methods = [method for method, _ in payer.proxy.seen]
    assert methods[told[0] - 1] == SEND and "eth_getTransactionReceipt" in methods[told[0] :]
    assert hash_of(payer.sent()[0]) == "0x" + sent.tx_hash.hex() and payer.got() == 5


def test_what_is_stuck_is_bumped_and_paid_once(payer: Payer) -> None:
    pool = Pool(payer)

    def rule(method: str, params: list[Any]) -> Answer | None:
        if method == SEND and len(set(pool.held)) == 2:
            return None  # the third offer is enough
        return pool.rule(method, params)

    payer.proxy.rule = rule
    sent = payer.client().transfer(payer.friend, 7)
    offers = [fee_of(raw) for raw in dict.fromkeys(payer.sent())]
    assert len(offers) == 3 and payer.got() == 7
    for (fee, tip), (higher, higher_tip) in pairwise(offers):
        assert 8 * higher >= 9 * fee and 8 * higher_tip >= 9 * tip
    assert [f"0x{each.hex()}" for each in payer.hashes] == [
        *map(hash_of, dict.fromkeys(payer.sent()))
    ]
    assert sent.tx_hash == payer.hashes[-1]


def test_whichever_of_ours_is_mined_counts(payer: Payer) -> None:
    """The first is mined although a second, with a higher fee, was sent since."""
    pool = Pool(payer)

    def rule(method: str, params: list[Any]) -> Answer | None:
        answer = pool.rule(method, params)
        if method == SEND and len(set(pool.held)) == 2:
            pool.mine(pool.held[0])
        return answer

    payer.proxy.rule = rule
    sent = payer.client().transfer(payer.friend, 7)
    assert sent.tx_hash == payer.hashes[0] != payer.hashes[1] and payer.got() == 7


def test_no_offer_is_above_the_ceiling(payer: Payer) -> None:
    pool = Pool(payer)
    with pytest.raises(NotMined, match="not mined") as caught:
        payer.client(gwei=1.5).transfer(payer.friend, 7)
    offers = [fee_of(raw)[0] for raw in dict.fromkeys(pool.held)]
    assert len(offers) > 1 and max(offers) <= 1.5 * WEI_PER_GWEI
    for raw in set(pool.held):
        assert hash_of(raw) in str(caught.value), "all hashes are named"
    assert "you allow 1.5 gwei" in str(caught.value) and "max_fee_gwei" in caught.value.advice
    assert "before sending again" in caught.value.advice and payer.got() == 0


def test_bumps_have_an_end(payer: Payer) -> None:
    pool = Pool(payer)
    with pytest.raises(NotMined):
        payer.client(gwei=10**6).transfer(payer.friend, 7)
    assert len(set(pool.held)) <= ATTEMPTS_MAX


def test_where_no_blocks_pass_the_fee_is_not_the_reason(payer: Payer) -> None:
    pool = Pool(payer, blocks_pass=False)
    with pytest.raises(NotMined, match="not mined"):
        payer.client().transfer(payer.friend, 7)
    assert len(set(pool.held)) == 1 and len(pool.held) > 1, "sent again, in case it was lost"


def test_what_was_dropped_is_sent_again(payer: Payer) -> None:
    pool = Pool(payer, blocks_pass=False)

    def rule(method: str, params: list[Any]) -> Answer | None:
        return None if method == SEND and pool.held else pool.rule(method, params)

    payer.proxy.rule = rule
    sent = payer.client().transfer(payer.friend, 7)
    assert payer.hashes == [sent.tx_hash] and payer.got() == 7


def test_gas_above_the_ceiling_is_not_bought(payer: Payer) -> None:
    with pytest.raises(FeeTooHigh, match=r"you allow 0\.5 gwei") as caught:
        payer.client(gwei=0.5).transfer(payer.friend, 7)
    assert "max_fee_gwei" in caught.value.advice and payer.sent() == []
    cost = payer.client().cost(_approve(payer))
    assert cost.total == cost.gas * cost.fee > 0
    with pytest.raises(FeeTooHigh):
        payer.client(gwei=0.5).cost(_approve(payer))


def _approve(payer: Payer) -> Any:
    client = payer.client()
    token = client.contract("TestStable", client.deploy("TestStable")[0])
    return token.functions.approve(to_checksum_address(payer.friend), 1)


def test_a_tip_that_an_endpoint_makes_up_is_not_paid(payer: Payer) -> None:
    payer.proxy.rule = lambda method, _: (
        Result(hex(10**15)) if method == "eth_maxPriorityFeePerGas" else None
    )
    with pytest.raises(FeeTooHigh):
        payer.client().transfer(payer.friend, 7)
    payer.proxy.rule = lambda method, _: (
        Error(-32601, "the method does not exist") if method == "eth_maxPriorityFeePerGas" else None
    )
    payer.client().transfer(payer.friend, 7)
    assert payer.got() == 7


# -- what an endpoint says to it ------------------------------------------------------------------


def test_a_lost_answer_pays_once(payer: Payer) -> None:
    """It was mined, the answer was lost, and the repetition is refused: "nonce too low", or worse."""

    def lost(method: str, params: list[Any]) -> Answer | None:
        if method == SEND and len(payer.sent()) == 1:
            payer.proxy.ask(method, *params)
            return Reply(502)
        return None

    payer.proxy.rule = lost
    sent = payer.client().transfer(payer.friend, 7)
    assert payer.got() == 7 and payer.hashes == [sent.tx_hash] and len(payer.sent()) == 2


@pytest.mark.parametrize("said", ["already known", "AlreadyKnown", "Known transaction"])
def test_already_known_is_no_error(payer: Payer, said: str) -> None:
    def known(method: str, params: list[Any]) -> Answer | None:
        if method != SEND:
            return None
        payer.proxy.ask(method, *params)
        return Error(-32000, said)

    payer.proxy.rule = known
    assert payer.client().transfer(payer.friend, 7).tx_hash == payer.hashes[0]
    assert payer.got() == 7


def test_a_nonce_that_somebody_else_took_is_said_so(payer: Payer) -> None:
    """Another machine with our key is faster: what was ordered was not done, and nothing is sent again."""

    def faster(method: str, params: list[Any]) -> Answer | None:
        if method == SEND:
            payer.proxy.rule = lambda *_: None
            ChainClient(payer.proxy.upstream, PAYER).transfer(Address(b"\x12" * 20), 1)
        return None

    payer.proxy.rule = faster
    with pytest.raises(Displaced, match="took nonce") as caught:
        payer.client().transfer(payer.friend, 7)
    assert hash_of(payer.sent()[0]) in str(caught.value) and "this key" in caught.value.advice
    assert payer.got() == 0 and sum(payer.clock.pauses) < 2 * LAG_S
    payer.client().transfer(payer.friend, 7)
    assert payer.got() == 7


def test_what_is_in_the_way_is_waited_for_and_not_pushed_aside(payer: Payer) -> None:
    """The pool has another one with our nonce, and "pending" did not count it."""
    Pool(payer)
    payer.proxy.rule = lambda method, _: (
        Error(-32000, "replacement transaction underpriced") if method == SEND else None
    )
    with pytest.raises(NotMined, match="is in the way"):
        payer.client().transfer(payer.friend, 7)
    assert len(set(payer.sent())) == 1 and payer.got() == 0


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        ("transaction underpriced", FeeTooHigh, "max_fee_gwei"),
        ("insufficient funds for gas * price + value + l1 fee", Unfunded, "chain fund"),
        ("intrinsic gas too low", OutOfGas, "less"),
        ("invalid chain id for signer: have 1 want 2", ConfigError, "RPC address"),
        ("txpool is full", LocalError, "another one"),
    ],
)
def test_what_the_chain_will_not_have_is_explained_and_forgotten(
    payer: Payer, tmp_path: Path, said: str, kind: type[LocalError], advice: str
) -> None:
    payer.proxy.rule = lambda method, _: Error(-32000, said) if method == SEND else None
    with pytest.raises(kind, match=re.escape(said)) as caught:
        payer.client(tmp_path).transfer(payer.friend, 7)
    assert advice in caught.value.advice
    assert payer.hashes == [] and not list(tmp_path.glob("*.json"))
    payer.proxy.rule = lambda *_: None
    payer.client(tmp_path).transfer(payer.friend, 8)
    assert payer.got() == 8, "what was refused is not sent later"


def test_earlier_transactions_are_waited_for(payer: Payer) -> None:
    """There are no gaps: what somebody sent before is mined first, or we say that it waits."""
    count = int(payer.proxy.ask("eth_getTransactionCount", dev_address(), "latest"), 16)
    left = [2]

    def pending(method: str, params: list[Any]) -> Answer | None:
        if method != "eth_getTransactionCount" or params[1] != "pending":
            return None
        left[0] -= 1
        return Result(hex(count + 2)) if left[0] >= 0 else None

    payer.proxy.rule = pending
    payer.client().transfer(payer.friend, 7)
    assert payer.got() == 7 and len(payer.clock.pauses) == 2
    left[0] = 10**6
    count += 1
    with pytest.raises(StateError, match=r"2 earlier transactions .* not mined") as caught:
        payer.client().transfer(payer.friend, 7)
    assert "wallet" in caught.value.advice and payer.got() == 7


def test_an_endpoint_without_pending_is_good_enough(payer: Payer) -> None:
    payer.proxy.rule = lambda _, params: (
        Error(-32602, "pending is not supported") if params[1:] == ["pending"] else None
    )
    payer.client().transfer(payer.friend, 7)
    assert payer.got() == 7


def test_a_machine_that_lags_is_waited_for(payer: Payer) -> None:
    """After our transaction was mined, another machine behind the same address does not count it yet."""
    client = payer.client()
    client.transfer(payer.friend, 1)
    count = int(payer.proxy.ask("eth_getTransactionCount", dev_address(), "latest"), 16)

    def lags(method: str, params: list[Any]) -> Answer | None:
        late = method == "eth_getTransactionCount" and len(payer.clock.pauses) < 3
        return Result(hex(count - 1)) if late else None

    payer.proxy.rule = lags
    client.transfer(payer.friend, 2)
    assert payer.got() == 3


def test_a_chain_that_was_started_anew_is_said_so(payer: Payer, tmp_path: Path) -> None:
    client = payer.client()
    client.transfer(payer.friend, 1)

    def anew(method: str, params: list[Any]) -> Answer | None:
        if method == SEND:
            return Error(-32000, "Invalid transaction nonce: Expected 0, but got 9")
        return Result("0x0") if method == "eth_getTransactionCount" else None

    payer.proxy.rule = anew
    with pytest.raises(StateError, match=r"counts 0 transactions.*started anew"):
        client.transfer(payer.friend, 2)
    assert payer.got() == 1 and len(payer.sent()) == 1

    # The same after a crash: what the journal has under way is of a chain that is no more.
    payer.proxy.rule = lambda *_: None
    Pool(payer, blocks_pass=False)
    with pytest.raises(NotMined):
        payer.client(tmp_path).transfer(payer.friend, 4)
    payer.proxy.rule = anew
    with pytest.raises(StateError, match="started anew") as caught:
        payer.client(tmp_path).transfer(payer.friend, 4)
    [journal] = tmp_path.glob("*.json")
    assert f"remove {journal}" in caught.value.advice


def dev_address() -> str:
    return to_checksum_address(dev_addresses()[0])


def test_an_endpoint_that_goes_away_meanwhile_leaves_the_hash(payer: Payer, tmp_path: Path) -> None:
    for gone in (Reply(503), Reply(200, b"<html>")):

        def rule(method: str, params: list[Any], gone: Reply = gone) -> Answer | None:
            return gone if payer.hashes else None

        payer.hashes.clear()
        payer.proxy.rule = rule
        with pytest.raises(NotMined, match="was sent") as caught:
            payer.client(tmp_path).transfer(payer.friend, 7)
        assert hash_of(payer.sent()[-1]) in str(caught.value)
        assert "pays nothing twice" in caught.value.advice
        payer.proxy.rule = lambda *_: None
        payer.client(tmp_path).transfer(payer.friend, 7)  # the same command again
    assert payer.got() == 14 and len(set(payer.sent())) == 2


def test_an_endpoint_that_is_away_when_we_send_leaves_the_hash(
    payer: Payer, tmp_path: Path
) -> None:
    payer.proxy.rule = lambda method, _: Reply(503) if method == SEND else None
    with pytest.raises(NotMined, match="may have been sent") as caught:
        payer.client(tmp_path).transfer(payer.friend, 7)
    assert hash_of(payer.sent()[0]) in str(caught.value) and isinstance(caught.value, Unreachable)
    payer.proxy.rule = lambda *_: None
    payer.client(tmp_path).transfer(payer.friend, 7)
    assert payer.got() == 7 and len(set(payer.sent())) == 1


# -- a crash between sending and the receipt ------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from contracts.client import ChainClient
from contracts.spending import Spending
url, key, journal, friend, told = sys.argv[1:]
def on_sent(tx_hash):
    Path(told).write_text(tx_hash.hex())
client = ChainClient(url, bytes.fromhex(key), Spending(journal=Path(journal), on_sent=on_sent))
client.transfer(bytes.fromhex(friend), 7)
"""


def kill_while_it_waits(payer: Payer, tmp_path: Path) -> str:
    """Run a payment in a process of its own and kill it once it has told the hash; return the hash."""
    told = tmp_path / "told"
    arguments = (payer.proxy.url, PAYER.hex(), tmp_path / "journal", payer.friend.hex(), told)
    command = [sys.executable, "-c", CHILD, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        deadline = time.monotonic() + 60
        while not told.exists() or not told.read_text():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)  # a poll of another process, bounded above
        process.kill()
    return told.read_text()


@pytest.mark.parametrize("was_mined", [True, False])
def test_a_payment_is_repeated_after_a_kill_and_paid_once(
    payer: Payer, tmp_path: Path, was_mined: bool
) -> None:
    def rule(method: str, params: list[Any]) -> Answer | None:
        if method == SEND and not was_mined:
            return Result(hash_of(params[0]))  # it is lost with the pool
        return Result(None) if method == "eth_getTransactionReceipt" else None

    payer.proxy.rule = rule
    first = kill_while_it_waits(payer, tmp_path)
    assert payer.got() == 7 * was_mined
    payer.proxy.rule = lambda *_: None
    again = payer.client(tmp_path / "journal").transfer(payer.friend, 7)
    assert again.tx_hash.hex() == first and payer.got() == 7
    payer.client(tmp_path / "journal").transfer(payer.friend, 7)
    assert payer.got() == 14, "what is ordered anew, once that is done, is paid anew"


def test_what_was_under_way_goes_first(payer: Payer, tmp_path: Path) -> None:
    Pool(payer, blocks_pass=False)
    with pytest.raises(NotMined):
        payer.client(tmp_path).transfer(payer.friend, 1)
    payer.proxy.rule = lambda *_: None
    client = payer.client(tmp_path)
    before = int(payer.proxy.ask("eth_getTransactionCount", dev_address(), "latest"), 16)
    assert client.nonce() == before + 1 and payer.got() == 1
    client.transfer(payer.friend, 2)
    assert payer.got() == 3 and not list(tmp_path.glob("*.json"))


def test_what_the_pool_forgot_is_bumped_after_a_crash(payer: Payer, tmp_path: Path) -> None:
    pool = Pool(payer)
    with pytest.raises(NotMined):
        payer.client(tmp_path, gwei=5).transfer(payer.friend, 7)
    before = max(fee_of(raw) for raw in pool.held)

    def rule(method: str, params: list[Any]) -> Answer | None:
        if method == SEND and fee_of(params[0]) <= before:
            return Error(-32000, "transaction underpriced")
        return None

    payer.proxy.rule = rule
    payer.client(tmp_path, gwei=200).transfer(payer.friend, 7)
    assert payer.got() == 7


# -- gas and funds --------------------------------------------------------------------------------


def test_running_out_of_gas_is_told_from_a_refusal(payer: Payer) -> None:
    endless = Order(b"", bytes.fromhex("5b5f56"), 0)  # JUMPDEST PUSH0 JUMP
    endpoint = Endpoint(payer.proxy.url, payer.clock)
    sender = Sender(endpoint, History(endpoint), Account.from_key(PAYER), Spending())
    estimate: list[Answer] = [
        Error(-32000, "gas required exceeds allowance (30000000)"),
        Result(hex(60_000)),
    ]
    payer.proxy.rule = lambda method, _: estimate.pop(0) if method == "eth_estimateGas" else None
    with pytest.raises(OutOfGas, match="more gas than"):
        sender.send(endless, DEVELOPMENT_CHAIN_ID)
    with pytest.raises(OutOfGas, match="used all of 90,000") as caught:
        sender.send(endless, DEVELOPMENT_CHAIN_ID)
    assert hash_of(payer.sent()[0]) in str(caught.value) and "again" in caught.value.advice


def test_a_transaction_that_reverts_has_its_hash_and_its_reason(payer: Payer) -> None:
    """The estimate succeeds, and somebody is faster: the tokens are gone when ours is mined."""
    client = payer.client()
    token = client.contract("TestStable", client.deploy("TestStable")[0])
    thief = ChainClient(payer.proxy.upstream, dev_keys()[1].to_bytes())
    owner, other = dev_address(), to_checksum_address(thief.address)
    client.send(token.functions.approve(other, 10**30))
    everything = client.read(token.functions.balanceOf(owner))
    theirs = thief.contract("TestStable", Address(bytes.fromhex(token.address[2:])))

    def faster(method: str, params: list[Any]) -> Answer | None:
        if method == SEND:
            payer.proxy.rule = lambda *_: None
            thief.send(theirs.functions.transferFrom(owner, other, everything))
        return None

    payer.proxy.rule = faster
    with pytest.raises(ContractRefused, match="ERC20InsufficientBalance") as caught:
        client.send(token.functions.transfer(other, everything))
    assert caught.value.error == "ERC20InsufficientBalance"
    assert hash_of(payer.sent()[-1]) in str(caught.value)
    with pytest.raises(ContractRefused, match="ERC20InsufficientBalance"):
        client.send(token.functions.transfer(other, everything))
    assert len(payer.sent()) == 3, "what would revert is not sent"


def test_an_empty_account_says_how_to_fund_it_and_that_works(payer: Payer) -> None:
    poor = Payer(payer.proxy, key=keccak256(payer.friend))
    with pytest.raises(
        Unfunded, match=r"holds 0 ether, and this takes up to [0-9.]+ ether"
    ) as caught:
        poor.client().transfer(poor.friend, 10**18)
    address = to_checksum_address(poor.client().address)
    assert f"account {address} on chain {DEVELOPMENT_CHAIN_ID}" in str(caught.value)
    command = f"commonhold chain fund {address} --rpc-url {payer.proxy.url}"
    assert command in caught.value.advice and caught.value.missing >= 10**18
    done = CliRunner().invoke(app, [*command.split()[2:], "--ether", "2", "--json"])
    assert done.exit_code == 0, done.output
    [row] = json.loads(done.stdout)["funded"]
    assert (row["address"], row["wei"]) == (address.lower(), str(2 * 10**18))
    poor.client().transfer(poor.friend, 10**18)
    assert poor.got() == 10**18


def test_only_a_development_chain_gives_money_away(payer: Payer) -> None:
    def fund(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["fund", *arguments, "--rpc-url", payer.proxy.url])
        return done.exit_code, " ".join(done.output.split())

    friend = "0x" + payer.friend.hex()
    assert fund(friend)[0] == 0 and payer.got() == 10**18
    code, output = fund(friend, "--ether", "1000000")
    assert code == EXIT_STATE and "has not enough left" in output
    for wrong in ("0x12", "nobody", friend[:-1] + "g"):
        code, output = fund(wrong)
        assert code == EXIT_USAGE and "no address" in output
    mixed = to_checksum_address(payer.friend).swapcase().replace("0X", "0x")
    assert fund(mixed)[0] == EXIT_USAGE
    payer.proxy.rule = lambda method, _: Result("0x1") if method == "eth_chainId" else None
    code, output = fund(friend)
    assert code == EXIT_USAGE and "money is real" in output and payer.got() == 10**18


def test_a_chain_id_that_is_a_lie_sends_nothing(payer: Payer) -> None:
    payer.proxy.rule = lambda method, _: Result("0x1") if method == "eth_chainId" else None
    with pytest.raises(ConfigError, match="said that it is chain 1"):
        payer.client().transfer(payer.friend, 7)
    assert payer.got() == 0


def test_an_endpoint_that_changes_chains_gets_no_signature(payer: Payer) -> None:
    """What is signed for a chain's id counts there: a key may have money on several chains."""
    client = payer.client()
    client.require_chain(DEVELOPMENT_CHAIN_ID)
    payer.proxy.rule = lambda method, _: Result("0x1") if method == "eth_chainId" else None
    with pytest.raises(ConfigError, match="was on chain 31337, and is on chain 1 now"):
        client.transfer(payer.friend, 7)
    assert payer.sent() == []


# -- anvil: a real pool, whose words are geth's ---------------------------------------------------


@needs_anvil
def test_on_anvil_a_transaction_below_the_base_fee_is_bumped_until_it_is_mined() -> None:
    with anvil(str(find_anvil()), "--no-mining") as (url, _), misbehaving(url) as proxy:
        payer = Payer(proxy)

        def meanwhile(_: float) -> None:
            if len(set(payer.sent())) == 1:  # blocks that it cannot afford
                proxy.ask("anvil_setNextBlockBaseFeePerGas", hex(100 * WEI_PER_GWEI))
            proxy.ask("evm_mine")

        payer.clock.meanwhile = meanwhile
        sent = payer.client(gwei=10**4).transfer(payer.friend, 7)
        assert len(payer.hashes) > 1 and sent.tx_hash in payer.hashes[1:] and payer.got() == 7


@needs_anvil
def test_on_anvil_two_with_one_nonce_are_told_apart(tmp_path: Path) -> None:
    with (
        anvil(str(find_anvil()), "--no-mining", "--chain-id", "5") as (url, _),
        misbehaving(url) as proxy,
    ):
        payer = Payer(proxy)
        with pytest.raises(NotMined) as caught:
            payer.client(tmp_path).transfer(payer.friend, 1)
        assert "pays nothing twice" in caught.value.advice
        # Another home with the same key: it waits for what is pending, and says so.
        with pytest.raises(StateError, match="1 earlier transactions"):
            payer.client(tmp_path / "other").transfer(payer.friend, 2)
        payer.clock.meanwhile = lambda _: proxy.ask("evm_mine")
        payer.client(tmp_path).transfer(payer.friend, 1)
        assert payer.got() == 1
        poor = Payer(proxy, key=b"\x77" * 32)
        with pytest.raises(Unfunded, match="on chain 5") as unfunded:
            poor.client().transfer(poor.friend, 1)
        assert "send at least" in unfunded.value.advice


@needs_anvil
def test_on_anvil_the_finalized_block_lags_and_logs_are_the_same() -> None:
    with anvil(str(find_anvil())) as (url, _):
        client = ChainClient(url, PAYER)
        token, deployed = client.deploy("TestStable")
        Endpoint(url).call("anvil_mine", hex(100))
        head = client.head()
        assert 0 < client.final_block(6) <= head
        [minted] = client.raw_logs([token], None, deployed.block, head)
        assert minted.tx_hash == deployed.tx_hash
        assert client.block_at(deployed.block)[0] == minted.block_hash


def test_bumps_wait_for_blocks_and_for_seconds() -> None:
    assert BUMP_AFTER_S >= 3 * 12, "three blocks of mainnet"

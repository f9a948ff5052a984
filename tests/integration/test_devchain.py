"""The development chain as a process on a socket: what it answers, and what it survives."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.client import ChainClient, decode_revert
from contracts.devchain import (
    BATCH_REQUESTS_MAX,
    BODY_BYTES_MAX,
    INTERNAL_ERROR,
    WAITING_MAX,
    Dispatcher,
    banner,
    create_app,
    dev_addresses,
    dev_keys,
)
from contracts.evm import ACCOUNT_WEI, CHAIN_ID, SNAPSHOTS_MAX, Evm, ExecutionFailed
from contracts.rpc import methods
from tests.contract_chains import ROOT, STOP_TIMEOUT_S, devchain

FRIEND = "0x" + "11" * 20
ZERO_HASH = "0x" + "00" * 32


class Rpc:
    """A JSON-RPC client without any of web3's help."""

    def __init__(self, url: str) -> None:
        self.url = url

    def post(self, body: bytes) -> httpx.Response:
        return httpx.post(self.url, content=body, timeout=30)

    def full(self, method: str, *params: Any) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        answer: dict[str, Any] = self.post(json.dumps(request).encode()).json()
        assert answer["id"] == 7
        return answer

    def __call__(self, method: str, *params: Any) -> Any:
        return self.full(method, *params)["result"]

    def send_ether(self, wei: int) -> str:
        """Send from the first account to FRIEND; return the hash."""
        account = Account.from_key(dev_keys()[0].to_bytes())
        signed = account.sign_transaction(
            {
                "type": 2,
                "chainId": CHAIN_ID,
                "nonce": int(self("eth_getTransactionCount", account.address, "latest"), 16),
                "to": FRIEND,
                "value": wei,
                "gas": 21_000,
                "maxFeePerGas": 10**10,
                "maxPriorityFeePerGas": 10**9,
            }
        )
        transaction_hash: str = self("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())
        return transaction_hash


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rpc]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield Rpc(url)


def test_accounts_are_funded_and_the_chain_says_who_it_is(rpc: Rpc) -> None:
    accounts = rpc("eth_accounts")
    assert accounts[0] == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"  # as everybody knows it
    assert int(rpc("eth_getBalance", accounts[9], "latest"), 16) == ACCOUNT_WEI
    assert (rpc("eth_chainId"), rpc("net_version")) == (hex(CHAIN_ID), str(CHAIN_ID))
    assert "devchain" in rpc("web3_clientVersion")


def test_a_transaction_is_mined_at_once_and_can_be_found(rpc: Rpc) -> None:
    before = int(rpc("eth_blockNumber"), 16)
    sent = rpc.send_ether(5)
    receipt, transaction = (
        rpc("eth_getTransactionReceipt", sent),
        rpc("eth_getTransactionByHash", sent),
    )
    assert int(receipt["blockNumber"], 16) == before + 1 == int(rpc("eth_blockNumber"), 16)
    assert (receipt["status"], receipt["gasUsed"]) == ("0x1", hex(21_000))
    assert (transaction["hash"], transaction["value"], transaction["type"]) == (sent, "0x5", "0x2")
    block = rpc("eth_getBlockByNumber", receipt["blockNumber"], False)
    assert block["transactions"] == [sent]
    assert rpc("eth_getBlockByHash", block["hash"], True)["transactions"] == [transaction]


def test_what_is_not_there_is_null(rpc: Rpc) -> None:
    assert rpc("eth_getTransactionReceipt", ZERO_HASH) is None
    assert rpc("eth_getTransactionByHash", ZERO_HASH) is None
    assert rpc("eth_getBlockByHash", ZERO_HASH, False) is None
    assert rpc("eth_getBlockByNumber", hex(10**9), False) is None
    assert rpc("eth_getCode", FRIEND, "latest") == "0x"


def test_a_transaction_counts_once(rpc: Rpc) -> None:
    account = Account.from_key(dev_keys()[1].to_bytes())
    fields = {"chainId": CHAIN_ID, "nonce": 0, "to": FRIEND, "value": 1, "gas": 21_000}
    signed = account.sign_transaction({**fields, "gasPrice": 10**10})
    raw = signed.raw_transaction.to_0x_hex()
    assert rpc("eth_sendRawTransaction", raw) == signed.hash.to_0x_hex()
    assert "nonce" in rpc.full("eth_sendRawTransaction", raw)["error"]["message"].lower()
    assert rpc("eth_getTransactionCount", account.address, "latest") == "0x1"
    foreign = account.sign_transaction({**fields, "chainId": 1, "nonce": 1, "gasPrice": 10**10})
    assert "error" in rpc.full("eth_sendRawTransaction", foreign.raw_transaction.to_0x_hex())


def test_a_revert_carries_its_data(rpc: Rpc) -> None:
    client = ChainClient(rpc.url, dev_keys()[2].to_bytes())
    stable, _ = client.deploy("TestStable")
    contract = client.contract("TestStable", stable)
    data = contract.encode_abi("transfer", [rpc("eth_accounts")[0], 6])
    call = {"to": "0x" + stable.hex(), "data": data, "from": FRIEND}
    for method in ("eth_call", "eth_estimateGas"):
        error = rpc.full(method, call, "latest")["error"]
        assert error["code"] == 3
        assert decode_revert(bytes.fromhex(error["data"][2:]))[0] == "ERC20InsufficientBalance"
    logs = rpc("eth_getLogs", {"fromBlock": "0x0", "address": call["to"]})
    by_topic = {"fromBlock": "0x0", "address": [call["to"]], "topics": [[logs[0]["topics"][0]]]}
    assert rpc("eth_getLogs", by_topic) == logs[:1]
    assert rpc("eth_getLogs", by_topic | {"topics": [ZERO_HASH]}) == []
    assert rpc("eth_getLogs", {"blockHash": logs[0]["blockHash"], "address": FRIEND}) == []


def test_json_that_is_nested_too_deeply_ends_no_process(rpc: Rpc) -> None:
    with pytest.raises(RecursionError):
        json.loads("[" * 100_000)  # py-evm is imported here, too
    assert httpx.post(rpc.url, content=b"[" * 100_000, timeout=20).status_code < 500
    assert rpc("eth_chainId") == hex(CHAIN_ID)


def test_time_and_history_can_be_moved(rpc: Rpc) -> None:
    snapshot = rpc("evm_snapshot")
    before = rpc("eth_getBlockByNumber", "latest", False)
    balance = rpc("eth_getBalance", FRIEND, "latest")
    sent = rpc.send_ether(3)
    rpc("evm_increaseTime", 1_000)
    rpc("evm_mine")
    after = rpc("eth_getBlockByNumber", "latest", False)
    assert int(after["timestamp"], 16) >= int(before["timestamp"], 16) + 1_000
    assert rpc("eth_getBalance", FRIEND, before["number"]) == balance  # history stays readable

    assert rpc("evm_revert", snapshot) is True
    assert rpc("eth_getBlockByNumber", "latest", False) == before
    assert rpc("eth_getBalance", FRIEND, "latest") == balance
    assert rpc("eth_getTransactionReceipt", sent) is None
    assert rpc("evm_revert", snapshot) is False


def test_fees_are_quoted_and_history_is_bounded(rpc: Rpc) -> None:
    history = rpc("eth_feeHistory", "0xffff", "latest", [50])
    blocks = int(rpc("eth_blockNumber"), 16) + 1
    assert len(history["baseFeePerGas"]) == blocks + 1 and len(history["reward"]) == blocks
    assert int(rpc("eth_gasPrice"), 16) > int(rpc("eth_maxPriorityFeePerGas"), 16) > 0


def test_batches_are_answered_in_order_and_notifications_are_not(rpc: Rpc) -> None:
    batch: list[dict[str, Any]] = [{"id": n, "method": "eth_chainId"} for n in range(3)]
    batch.insert(1, {"method": "eth_chainId"})
    answers = rpc.post(json.dumps(batch).encode()).json()
    assert [answer["id"] for answer in answers] == [0, 1, 2]
    assert rpc.post(json.dumps(batch[1]).encode()).status_code == 204
    too_many = json.dumps([batch[0]] * (BATCH_REQUESTS_MAX + 1)).encode()
    assert rpc.post(too_many).json()["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b"null", -32600),
        (b'{"id": 1}', -32600),
        (b'{"id": ' + b"[" * 9_000 + b"]" * 9_000 + b', "method": "eth_chainId"}', -32700),
        (b'{"id": 1, "method": "eth_mine_bitcoin"}', -32601),
        (b'{"id": 1, "method": "eth_call", "params": {}}', -32602),
        (b'{"id": 1, "method": "eth_getBalance", "params": ["0x1"]}', -32602),
        (b'{"id": 1, "method": "eth_getBalance", "params": []}', -32602),
        (b'{"id": 1, "method": "eth_getBlockByNumber", "params": ["newest"]}', -32602),
        (b'{"id": 1, "method": "eth_getLogs", "params": [{"topics": 5}]}', -32602),
        (b'{"id": 1, "method": "eth_sendRawTransaction", "params": ["0x"]}', -32000),
        (b'{"id": 1, "method": "eth_sendRawTransaction", "params": ["0x02c0"]}', -32000),
    ],
    ids=lambda value: str(value)[:40],
)
def test_junk_gets_an_error_and_the_chain_lives_on(rpc: Rpc, body: bytes, code: int) -> None:
    assert rpc.post(body).json()["error"]["code"] == code
    assert rpc("eth_chainId") == hex(CHAIN_ID)


def test_a_body_has_a_size_limit(rpc: Rpc) -> None:
    padding = b" " * (BODY_BYTES_MAX - 40)
    assert rpc.post(b'{"id": 1, "method": "eth_chainId"}' + padding).status_code == 200
    answer = rpc.post(b" " * (BODY_BYTES_MAX + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, -32600)


def test_endless_recursion_ends_in_an_error(rpc: Rpc) -> None:
    """A contract that calls itself with all its gas meets the EVM's limits, not our stack's."""
    call_self = "0x" + "5f5f5f5f5f305af1" + "00"  # CALL(gas, this, 0, "")
    init = "0x68" + call_self[2:] + "5f52" + "60096017f3"  # return those nine bytes
    account = Account.from_key(dev_keys()[3].to_bytes())
    fields = {"chainId": CHAIN_ID, "gas": 10_000_000, "gasPrice": 10**10, "nonce": 0}
    signed = account.sign_transaction({**fields, "data": init})
    sent = rpc("eth_sendRawTransaction", signed.raw_transaction.to_0x_hex())
    looping = rpc("eth_getTransactionReceipt", sent)["contractAddress"]
    assert rpc("eth_getCode", looping, "latest") == call_self
    assert rpc.full("eth_call", {"to": looping}, "latest").keys() & {"result", "error"}
    assert rpc("eth_chainId") == hex(CHAIN_ID)


def test_many_clients_at_once_see_one_order(rpc: Rpc) -> None:
    start = int(rpc("eth_blockNumber"), 16)

    def mine() -> None:
        client = Rpc(rpc.url)
        for _ in range(5):
            client("evm_mine")

    threads = [threading.Thread(target=mine) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert int(rpc("eth_blockNumber"), 16) == start + 40


def test_too_many_waiting_requests_are_turned_away() -> None:
    """More at once than WAITING_MAX: each is answered, some with 503, and nothing is stuck."""

    async def flood() -> set[int]:
        transport = httpx.ASGITransport(create_app(Evm([])))
        async with httpx.AsyncClient(transport=transport, base_url="http://chain") as client:
            body = json.dumps([{"id": 1, "method": "eth_blockNumber"}] * BATCH_REQUESTS_MAX)
            posts = (client.post("/", content=body) for _ in range(WAITING_MAX + 50))
            answers = await asyncio.gather(*posts)
            after = await client.post("/", content=body)
        assert after.status_code == 200
        return {answer.status_code for answer in answers}

    assert asyncio.run(flood()) == {200, 503}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with devchain(tmp_path) as (url, process):
        assert Rpc(url)("eth_blockNumber") == "0x0"
        process.send_signal(number)
        assert process.wait(STOP_TIMEOUT_S) == 0
    assert not (tmp_path / "ready").exists()


def test_a_taken_port_is_said_so(rpc: Rpc) -> None:
    port = rpc.url.rsplit(":", 1)[1]
    script = f"from contracts.devchain import run; run(port={port})"
    command = [sys.executable, "-c", script]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0 and "Address already in use" in ended.stderr


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
EVM = Evm(dev_addresses())
METHODS = sorted(set(methods(EVM, [])) - {"evm_mine", "anvil_mine", "evm_snapshot"})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(METHODS), st.lists(json_values | st.just("0x" + "11" * 20), max_size=4))
def test_any_parameters_get_an_answer(method: str, params: list[Any]) -> None:
    answer = Dispatcher(EVM, []).answer({"id": 1, "method": method, "params": params})
    assert answer is not None and ("result" in answer or "error" in answer)
    assert answer.get("error", {}).get("code") != INTERNAL_ERROR


def test_snapshots_are_bounded() -> None:
    evm = Evm([])
    for _ in range(SNAPSHOTS_MAX):
        evm.snapshot()
    with pytest.raises(ExecutionFailed, match="held already"):
        evm.snapshot()
    assert evm.revert(1)
    assert evm.snapshot() == 1


def test_the_start_warns_that_the_keys_are_public() -> None:
    shown = banner("http://127.0.0.1:8545")
    assert "Never send real money" in shown
    assert all(key.to_hex() in shown for key in dev_keys())

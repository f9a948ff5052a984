"""The chain is held against the log: what differs is named, and what could not be looked at is no pass."""

from __future__ import annotations

import copy
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from contracts import load
from contracts.client import ChainClient
from contracts.endpoint import Endpoint
from contracts.findings import Kind
from contracts.governor import Governor
from contracts.inspection import ARTIFACTS
from contracts.reader import ChainReader
from contracts.watch import LOOKS_PER_INSPECTION, Outcome, Watch
from coordinator.chain import OperatorChain
from protocol.errors import ConfigError
from protocol.money.eip712 import keccak256, word
from protocol.money.payload import Payload
from protocol.money.settlement import Address
from protos.gen import records_pb2 as pb
from tests.contract_chains import devchain
from tests.contract_lab import OPERATOR, ChainLab, ask_chain
from tests.watch_lab import NOW_S, WatchLab


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (found, _):
        yield found


@pytest.fixture(scope="module")
def settled(url: str) -> WatchLab:
    """Two epochs in force, a deposit, a claim. Tests change what is answered, not the chain."""
    lab = WatchLab(ChainLab(url))
    lab.deposit()
    lab.settle()
    lab.settle()
    return lab


@pytest.fixture
def honest(settled: WatchLab) -> Iterator[WatchLab]:
    yield settled
    settled.endpoint.lie = lambda _method, _params, answer: answer


@pytest.fixture(scope="module")
def deployed(url: str) -> ChainLab:
    return ChainLab(url)


@pytest.fixture
def fresh(deployed: ChainLab) -> Iterator[WatchLab]:
    """One whose contracts nobody has used, on a chain that is as before afterwards."""
    before = ask_chain(deployed.url, "evm_snapshot")
    lab = copy.copy(deployed)
    lab.chain = OperatorChain(lab.url, OPERATOR, lab.deployment)
    yield WatchLab(lab)
    ask_chain(deployed.url, "evm_revert", before)


def test_an_honest_network_agrees(honest: WatchLab) -> None:
    look = honest.look()
    assert (look.outcome, look.findings, look.unchecked) == (Outcome.AGREES, (), "")
    assert look.epoch == 2
    assert look.compared == honest.said().ranges != ()


# ---- the contracts ----


@pytest.mark.parametrize("name", list(ARTIFACTS))
def test_another_code_is_found_at_each_address(honest: WatchLab, name: str) -> None:
    where = f"0x{getattr(honest.lab.deployment, name).hex()}"
    other = f"0x{load('TestStable').deployed.hex()}"

    def swap(method: str, params: Sequence[Any], answer: Any) -> Any:
        return other if method == "eth_getCode" and params[0].lower() == where else answer

    look = honest.look(swap)
    assert [each.kind for each in look.findings] == [Kind.ANOTHER_CODE]
    assert ARTIFACTS[name] in str(look.findings[0])
    gone = honest.look(lambda m, p, a: "0x" if m == "eth_getCode" and p[0] == where else a)
    assert [each.kind for each in gone.findings] == [Kind.NO_CONTRACT]


@pytest.mark.parametrize(
    "variable",
    [
        f"{name}:{variable}"
        for name, contract in ARTIFACTS.items()
        for variable in load(contract).immutables
        if not variable.isupper()
    ],
)
def test_a_changed_immutable_is_found(honest: WatchLab, variable: str) -> None:
    """At one of its places alone, and at all of them where the log says what has to be there."""
    name, _, path = variable.partition(":")
    where = f"0x{getattr(honest.lab.deployment, name).hex()}"
    starts = load(ARTIFACTS[name]).immutables[path]

    def change(places: Sequence[int]) -> Any:
        def lie(method: str, params: Sequence[Any], answer: Any) -> Any:
            if method != "eth_getCode" or params[0] != where:
                return answer
            code = bytearray.fromhex(answer[2:])
            for start in places:
                code[start + 12] ^= 1
            return f"0x{code.hex()}"

        return lie

    found = honest.look(change(starts)).findings
    is_term = path.split(".")[1].strip("_").isupper() or path.split(".")[1] in (
        "_votingDelay",
        "_votingPeriod",
        "_threshold",
    )
    if not is_term:
        assert [each.kind for each in found] == [Kind.ANOTHER_VALUE]
        assert path.split(".")[1] in found[0].where
    if len(starts) > 1:
        assert Kind.ANOTHER_VALUE in honest.kinds(change(starts[:1]))


def test_contracts_with_another_wire_are_found_where_they_are(fresh: WatchLab) -> None:
    """A board that listens to the operator, really deployed, and named by the log's deployment."""
    client = ChainClient(fresh.lab.url, OPERATOR)
    board, _ = client.deploy("Board", to_checksum_address(client.address))
    said = replace(fresh.said(), deployment=replace(fresh.lab.deployment, board=board))
    look = Watch(ChainReader(fresh.endpoint)).look(said, NOW_S)
    assert [str(each) for each in look.findings] == [
        "Board, timelock: a value in the code is not what the log's deployment says"
    ]


def test_where_no_contract_is_nothing_was_proposed_and_nothing_is_believed(fresh: WatchLab) -> None:
    """A chain that was started anew: an empty list would look as if nobody had proposed anything."""
    client = ChainClient(fresh.lab.url, OPERATOR)
    gone = replace(fresh.lab.deployment, governor=Address(b"\x01" * 20))
    assert Governor(client, fresh.lab.deployment).proposals() == []
    with pytest.raises(ConfigError, match="no such contract"):
        Governor(client, gone).proposals()
    with pytest.raises(ConfigError, match="no such contract"):
        ChainReader(fresh.endpoint).word(gone.governor, "quorum")


def test_roles_of_others_are_found(honest: WatchLab) -> None:
    """A timelock of the shipped code whose deployer also gave itself a role, and one that gave up its own."""
    timelock = f"0x{honest.lab.deployment.timelock.hex()}"
    granted = keccak256(b"RoleGranted(bytes32,address,address)").hex()

    def add(method: str, params: Sequence[Any], answer: Any) -> Any:
        if method != "eth_getLogs" or not _asks_for(params, timelock, granted):
            return answer
        stranger = dict(answer[-1])
        stranger["topics"] = [
            *answer[-1]["topics"][:2],
            f"0x{word(b'x' * 20).hex()}",
            "0x" + "0" * 64,
        ]
        return [*answer, stranger | {"logIndex": "0x63"}]

    assert honest.kinds(add) == {Kind.ANOTHER_ROLE}

    def drop(method: str, params: Sequence[Any], answer: Any) -> Any:
        return (
            answer[1:]
            if method == "eth_getLogs" and _asks_for(params, timelock, granted)
            else answer
        )

    assert honest.kinds(drop) == {Kind.ANOTHER_ROLE}


def _asks_for(params: Sequence[Any], address: str, topic: str) -> bool:
    asked = params[0]
    return asked["address"] == [address] and topic in str(asked.get("topics"))


def test_a_vote_that_left_no_time_to_object_is_found(honest: WatchLab) -> None:
    """A timelock whose own delay grew beyond the delays of roots and witnesses."""
    selector = keccak256(b"longestDecision()")[:4].hex()

    def slow(method: str, params: Sequence[Any], answer: Any) -> Any:
        is_it = method == "eth_call" and params[0]["data"] == f"0x{selector}"
        return f"0x{word(10**6).hex()}" if is_it else answer

    look = honest.look(slow)
    assert {each.kind for each in look.findings} == {Kind.UNSAFE_TERMS}
    assert len(look.findings) == 2


# ---- events ----


def test_an_event_that_the_log_leaves_out_is_found(fresh: WatchLab) -> None:
    fresh.deposit()
    fresh.read(lambda logs: logs.clear())
    look = fresh.look()
    assert [each.kind for each in look.findings] == [Kind.MISSING]
    assert "event 0 of the vault" in str(look.findings[0])


def test_an_event_that_the_log_invents_is_found(fresh: WatchLab) -> None:
    fresh.deposit()

    def invent(logs: list[pb.ChainLog]) -> None:
        more = pb.ChainLog()
        more.CopyFrom(logs[-1])
        more.log_index += 1
        logs.append(more)

    fresh.read(invent)
    assert fresh.kinds() == {Kind.INVENTED}
    assert sum(amount for _, amount in fresh.state.received.scan()) == 2 * 10**15


def test_an_event_that_the_log_changes_is_found(fresh: WatchLab) -> None:
    fresh.deposit()

    def change(logs: list[pb.ChainLog]) -> None:
        logs[-1].data = word(1) + logs[-1].data[32:]

    fresh.read(change)
    assert fresh.kinds() == {Kind.ALTERED}


def test_a_reorganisation_is_found_and_taken_back_by_a_record(fresh: WatchLab) -> None:
    url = fresh.lab.url
    before = ask_chain(url, "evm_snapshot")
    fresh.deposit(7)
    fresh.read()
    first = fresh.said().ranges[-1].first
    logged = fresh.logged()
    said = logged.said(fresh.state)
    assert said is not None
    look = fresh.watch.look(said, NOW_S)
    assert look.outcome is Outcome.AGREES
    logged.forget(look.compared)
    assert logged.said(fresh.state).ranges == ()  # type: ignore[union-attr]
    assert logged.compared == fresh.state.onchain.last

    ask_chain(url, "evm_revert", before)
    fresh.lab.chain = OperatorChain(url, OPERATOR, fresh.lab.deployment)
    fresh.deposit(8)
    fresh.deposit(9)
    said = logged.said(fresh.state)
    assert said is not None
    found = fresh.watch.look(said, NOW_S).findings
    assert [each.kind for each in found] == [Kind.REORGANISED]
    body = pb.Rewind(network=fresh.state.network, first=first, serial=0)
    fresh.net.add(fresh.net.operator, "rewind", body)
    fresh.read()
    said = fresh.said()
    again = fresh.watch.look(said, NOW_S)
    assert (again.outcome, again.findings) == (Outcome.AGREES, ())
    assert again.compared == said.ranges


def test_compared_is_what_was_compared(fresh: WatchLab) -> None:
    """A range that is the chain's no more is looked at again, and so is what is behind it."""
    fresh.deposit()
    fresh.read()
    fresh.deposit()
    fresh.read()
    first, _, _ = fresh.said().ranges
    asked = hex(fresh.said().ranges[1].last)

    def fork(method: str, params: Sequence[Any], answer: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[0] == asked:
            return answer | {"hash": "0x" + "7" * 64}
        return answer

    fresh.endpoint.lie = fork
    look = fresh.watch.look(fresh.said(), NOW_S)
    assert ([each.kind for each in look.findings], look.compared) == ([Kind.REORGANISED], (first,))
    fresh.endpoint.lie = lambda _method, _params, answer: answer
    look = fresh.watch.look(fresh.said(), NOW_S)
    assert (look.findings, look.compared) == ((), fresh.said().ranges)


# ---- roots, shares, claims ----


def other(payload: Payload) -> Payload:
    """The same amounts for somebody else."""
    return replace(payload, root=keccak256(payload.root))


def test_another_root_is_found_while_it_waits_and_the_log_has_not_read_it(fresh: WatchLab) -> None:
    payload = fresh.earn()
    fresh.post(other(payload))
    look = fresh.look()
    assert [each.kind for each in look.findings] == [Kind.ANOTHER_ROOT]
    assert "epoch 1" in str(look.findings[0])
    fresh.read()
    assert fresh.kinds() == {Kind.ANOTHER_ROOT}


def test_another_root_in_force_stays_found(fresh: WatchLab) -> None:
    payload = fresh.earn()
    wrong = other(payload)
    fresh.post(wrong)
    fresh.enact(wrong)
    fresh.read()
    look = fresh.look()
    assert {each.kind for each in look.findings} == {Kind.ANOTHER_ROOT}
    assert any("in force since block" in str(each) for each in look.findings)


def test_a_root_that_the_log_never_proposed_is_found_unless_it_may_be_on_its_way(
    fresh: WatchLab,
) -> None:
    payload = Payload(1, b"\7" * 32, ((fresh.lab.deployment.share_token, 5),))
    fresh.post(payload)
    posted_s = fresh.lab.chain.head()[1]
    assert fresh.look(as_of_s=posted_s + 1).outcome is Outcome.AGREES
    assert fresh.look().outcome is Outcome.DIFFERS


def test_a_wrong_root_that_was_undone_is_history(fresh: WatchLab) -> None:
    fresh.post(other(fresh.earn()))
    fresh.read()
    assert fresh.kinds() == {Kind.ANOTHER_ROOT}
    undone = _undone(fresh)
    said = replace(fresh.said(), roots=undone)
    assert Watch(ChainReader(fresh.endpoint)).look(said, NOW_S).findings == ()


def _undone(lab: WatchLab) -> dict[int, Payload]:
    """What the log says of roots once an undoing was read."""
    return {epoch: root for epoch, root in lab.said().roots.items() if epoch != 1}


def test_shares_that_nobody_earned_are_found(honest: WatchLab) -> None:
    selector = keccak256(b"totalSupply()")[:4].hex()

    def mint(method: str, params: Sequence[Any], answer: Any) -> Any:
        is_it = method == "eth_call" and params[0]["data"] == f"0x{selector}"
        return f"0x{word(int(answer, 16) + 1).hex()}" if is_it else answer

    assert honest.kinds(mint) == {Kind.ANOTHER_SUPPLY}


def test_a_mint_outside_is_an_event_that_the_log_lacks(honest: WatchLab) -> None:
    share = f"0x{honest.lab.deployment.share_token.hex()}"

    def mint(method: str, params: Sequence[Any], answer: Any) -> Any:
        asked = params[0] if method == "eth_getLogs" else {}
        if share in asked.get("address", ()) and answer:
            return [*answer, answer[-1] | {"logIndex": "0x63"}]
        return answer

    assert honest.kinds(mint) == {Kind.MISSING}


def test_claims_beyond_the_root_are_found(honest: WatchLab) -> None:
    share = honest.lab.deployment.share_token
    total = dict(honest.said().payloads[2].totals)[share]
    for claimed, kinds in ((total, []), (total + 1, [Kind.OVERPAID])):
        said = replace(honest.said(), claimed={share: claimed})
        look = Watch(ChainReader(honest.endpoint)).look(said, NOW_S)
        assert [each.kind for each in look.findings] == kinds


# ---- what could not be looked at ----


def test_a_silent_chain_is_no_pass(honest: WatchLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    look = Watch(ChainReader(Endpoint(nowhere))).look(honest.said(), NOW_S)
    assert (look.outcome, look.is_unreachable) == (Outcome.NOT_CHECKED, True)
    assert "does not answer" in look.unchecked and look.advice


def test_another_chain_is_no_pass(honest: WatchLab) -> None:
    look = honest.look(lambda m, _, a: "0x1" if m == "eth_chainId" else a)
    assert (look.outcome, look.is_unreachable) == (Outcome.NOT_CHECKED, False)
    assert "and 127.0.0.1" not in look.unchecked and "is on chain 1" in look.unchecked


def test_a_chain_that_was_reset_is_no_pass(honest: WatchLab, tmp_path: Path) -> None:
    """Too short, and nothing at the addresses: what is known of it is said all the same."""
    with devchain(tmp_path) as (url, _):
        look = Watch(ChainReader(Endpoint(url))).look(honest.said(), NOW_S)
        assert look.outcome is Outcome.DIFFERS
        assert {each.kind for each in look.findings} >= {Kind.NO_CONTRACT, Kind.ANOTHER_ROLE}
        assert "has no block" in look.unchecked


def test_what_was_found_stays_found_while_the_chain_is_away(fresh: WatchLab) -> None:
    fresh.deposit()
    fresh.read(lambda logs: logs.clear())
    said = fresh.said()
    assert fresh.watch.look(said, NOW_S).outcome is Outcome.DIFFERS
    fresh.endpoint.lie = lambda m, _, a: "0x1" if m == "eth_chainId" else a
    look = fresh.watch.look(said, NOW_S)
    assert (look.outcome, [each.kind for each in look.findings]) == (
        Outcome.DIFFERS,
        [Kind.MISSING],
    )
    assert "is on chain 1" in look.unchecked


def test_later_looks_ask_for_little(honest: WatchLab) -> None:
    """Neither code nor compared events are read again, until the hour is over."""
    asked: list[str] = []

    def count(method: str, _params: Sequence[Any], answer: Any) -> Any:
        asked.append(method)
        return answer

    honest.endpoint.lie = count
    watch, said = Watch(ChainReader(honest.endpoint)), honest.said()
    watch.look(said, NOW_S)
    said = replace(said, ranges=())
    asked.clear()
    watch.look(said, NOW_S)
    assert "eth_getCode" not in asked
    assert len(asked) <= 5, asked
    for _ in range(LOOKS_PER_INSPECTION - 2):
        watch.look(said, NOW_S)
    asked.clear()
    watch.look(said, NOW_S)
    assert asked.count("eth_getCode") == len(ARTIFACTS)

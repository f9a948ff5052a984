"""A chain in words: what contracts would write, as the records of a log have it. For tests of the fold.

Events are encoded here as Solidity does, apart from `protocol.money.events`, which only decodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

from protocol.log.strict import encode_leaf
from protocol.money import events
from protocol.money.eip712 import keccak256
from protocol.money.moving import carried_shares, left_behind
from protocol.money.payload import Payload
from protocol.money.settlement import CONTRACTS, ETHER, Address, Deployment
from protocol.rules.chain import next_block
from protocol.rules.settling import compute_payload, witnesses_to_be
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person, batch


def contract(number: int) -> Address:
    return Address(bytes([0xC0 + number]) * 20)


TOKEN = Address(b"\x05" * 20)
WHERE = Deployment(
    chain_id=1,
    block=10,
    finality=3,
    share_token=contract(1),
    timelock=contract(2),
    governor=contract(3),
    witness_set=contract(4),
    vault=contract(5),
    settlement=contract(6),
    stake=contract(7),
    board=contract(8),
)
THERE = replace(
    WHERE,
    chain_id=2,
    **{name: contract(at) for at, name in enumerate(CONTRACTS, start=11)},  # type: ignore[arg-type]
)
"""Where the network moves to."""
EMISSION = 10**12
PAYER = Address(b"\x77" * 20)

_ORIGIN: dict[str, tuple[str, str, int]] = {
    "AssetListed": ("vault", "address", 1),
    "AssetUnlisted": ("vault", "address", 1),
    "Deposited": ("vault", "address,address,uint256,bytes32", 2),
    "Posted": ("settlement", "uint256,bytes32,address[],uint256[],uint256,uint256,uint256", 2),
    "Challenged": ("settlement", "uint256,address,bytes32", 2),
    "Upheld": ("settlement", "uint256,uint256", 1),
    "Undone": ("settlement", "uint256,uint256,bytes4", 1),
    "Enacted": ("settlement", "uint256,bytes32", 2),
    "EtherClaimed": ("settlement", "address,uint256", 1),
    "EmissionChanged": ("settlement", "uint256", 0),
    "ChangeProposed": ("witness_set", "uint256,address[],uint256", 1),
    "ChangeVetoed": ("witness_set", "uint256", 1),
    "WitnessesChanged": ("witness_set", "uint256,uint256", 2),
    "Bonded": ("stake", "bytes32,address,address,uint256", 3),
    "UnbondRequested": ("stake", "bytes32,uint256,uint256", 1),
    "Withdrawn": ("stake", "bytes32,uint256", 1),
    "SlashProposed": ("stake", "uint256,bytes32,uint256,bytes32,uint256", 2),
    "SlashAppealed": ("stake", "uint256", 1),
    "SlashExecuted": ("stake", "uint256,uint256", 1),
    "SlashOverturned": ("stake", "uint256", 1),
    "MinimumChanged": ("stake", "uint256", 0),
    "PolicyDecided": ("board", "bytes32", 1),
    "PayeeAccepted": ("board", "address,bytes32", 2),
}


def _word(value: Any) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    raw = bytes(value)
    return raw.ljust(32, b"\0") if len(raw) == 4 else raw.rjust(32, b"\0")


def _abi(values: Sequence[Any]) -> bytes:
    """Heads, then lists."""
    heads, tails = b"", b""
    for value in values:
        if isinstance(value, tuple):
            heads += _word(32 * len(values) + len(tails))
            tails += _word(len(value)) + b"".join(map(_word, value))
        else:
            heads += _word(value)
    return heads + tails


def said(event: Any, token: bytes = b"", where: Deployment = WHERE) -> pb.ChainLog:
    """The log of an event, without its place. `token`: whose Transfer it is."""
    name = type(event).__name__
    author, types, indexed = _ORIGIN.get(name, ("", "address,address,uint256", 2))
    values = astuple(event)
    topics = [keccak256(f"{name}({types})".encode()), *map(_word, values[:indexed])]
    origin = token or getattr(where, author)
    return pb.ChainLog(contract=origin, topics=topics, data=_abi(values[indexed:]))


def block_hash(number: int, fork: int = 0) -> bytes:
    return hashlib.sha256(f"block {number} {fork}".encode()).digest()


def chain_record(net: Network, *logs: pb.ChainLog, fork: int = 0) -> tuple[pb.Chain, list[bytes]]:
    """The next record, of one block for each of `logs` and one more; and its leaves."""
    first = next_block(net.state)
    placed = []
    for at, log in enumerate(logs):
        made = pb.ChainLog()
        made.CopyFrom(log)
        made.block, made.log_index = first + at, at
        made.block_hash, made.tx_hash = block_hash(first + at, fork), net.fresh()
        placed.append(made)
    last = first + len(logs)
    leaves = [encode_leaf(log) for log in placed]
    body = pb.Chain(
        network=NETWORK,
        first=first,
        last=last,
        last_hash=block_hash(last, fork),
        last_time=1_000_000 + last,
        logs=batch(leaves),
    )
    return body, leaves


def says(net: Network, *spoken: Any, fork: int = 0) -> None:
    """The chain says something: events, or logs as they are."""
    where = net.state.deployment or WHERE
    logs = [each if isinstance(each, pb.ChainLog) else said(each, where=where) for each in spoken]
    body, leaves = chain_record(net, *logs, fork=fork)
    net.add(net.operator, "chain", body, leaves)


def deployment() -> pb.Deployment:
    names = {name: address for address, name in WHERE.contracts.items()}
    return pb.Deployment(
        network=NETWORK,
        chain_id=WHERE.chain_id,
        block=WHERE.block,
        finality=WHERE.finality,
        **names,
    )


def deploy(net: Network, *witnesses: Person) -> None:
    """The contracts are there and the log has read their first words; the coin's witnesses are the chain's,
    or those who are given."""
    net.add(net.operator, "deployment", deployment())
    begin(net, *witnesses)


def begin(net: Network, *witnesses: Person) -> None:
    """The log reads the first words of the contracts."""
    listed = witnesses_to_be(net.state)
    if witnesses:
        listed = tuple(sorted(Address(person.address) for person in witnesses))
    says(
        net,
        events.ChangeProposed(0, listed, 1),
        events.WitnessesChanged(0, 0),
        events.AssetListed(ETHER),
        events.AssetListed(TOKEN),
        events.EmissionChanged(EMISSION),
        events.MinimumChanged(10**17),
    )


def move(net: Network, to: Deployment = THERE, **changes: Any) -> pb.Move:
    """What a move to other contracts has to be."""
    state, names = net.state, {name: address for address, name in to.contracts.items()}
    values: dict[str, Any] = {
        "network": NETWORK,
        "chain_id": to.chain_id,
        "block": to.block,
        "finality": to.finality,
        "epoch": state.closed_epoch,
        "carried": str(carried_shares(state)),
        "left": [pb.AssetTotal(asset=a, amount=str(n)) for a, n in left_behind(state)],
        "witness_nonce": state.onchain.nonce,
        "deadline": state.onchain.time_s + 1_800,
    }
    return pb.Move(**(names | values | changes))


def retire(net: Network, contracts: int = 0, **changes: Any) -> pb.Retire:
    """What is asked of the last witnesses of contracts that were left."""
    view = net.state.past[contracts].view
    values: dict[str, Any] = {
        "network": NETWORK,
        "contracts": contracts,
        "proposal": view.proposals + 1,
        "witness_nonce": view.nonce,
        "deadline": view.time_s + 1_800,
    }
    return pb.Retire(**(values | changes))


def pay(net: Network, amount: int, memo: str = "", asset: bytes = ETHER, fork: int = 0) -> None:
    """Somebody pays in, and the log reads it."""
    word = memo.encode().ljust(32, b"\0")
    says(net, events.Deposited(Address(asset), PAYER, amount, word), fork=fork)


def settlement(net: Network, epoch: int = 1, **changes: Any) -> pb.Settlement:
    """What the settlement of an epoch has to be."""
    payload, leaves = compute_payload(net.state, epoch)
    view = net.state.onchain
    values: dict[str, Any] = {
        "network": NETWORK,
        "epoch": epoch,
        "attempt": view.attempt,
        "witness_nonce": view.nonce,
        "deadline": view.time_s + 1_800,
        "root": payload.root,
        "totals": [pb.AssetTotal(asset=a, amount=str(n)) for a, n in payload.totals],
        "leaves": leaves,
    }
    return pb.Settlement(**(values | changes))


def attest(net: Network, kind: str, *people: Person) -> None:
    """Witnesses sign what a kind of record asks of them."""
    digest = net.state.asks[kind].digest
    for person in people:
        body = pb.Attest(network=NETWORK, digest=digest, signature=person.sign_digest(digest))
        net.add(person, "attest", body)


def posted(payload: Payload, attempt: int = 0, nonce: int = 0) -> events.Posted:
    """The contract's word that a root waits."""
    assets = tuple(asset for asset, _ in payload.totals)
    totals = tuple(total for _, total in payload.totals)
    return events.Posted(payload.epoch, payload.root, assets, totals, attempt, nonce, 7)


def settle(net: Network, epoch: int) -> Payload:
    """An epoch is proposed, posted and put in force."""
    net.add(net.operator, "settlement", settlement(net, epoch))
    payload = net.state.payloads[epoch]
    says(net, posted(payload, net.state.onchain.attempt), events.Enacted(epoch, payload.root))
    return payload

"""Deploys a network's contracts: eight transactions of one account, whose order docs/contracts.md gives.

Constructors name contracts that come later, so their addresses are computed from the account and its nonces
first. Whatever else the account sends meanwhile moves them: then a constructor refuses its wires, and the
next run deploys all of them again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from eth_utils.address import to_checksum_address

from contracts.client import ChainClient
from contracts.inspection import ARTIFACTS
from coordinator.terms import Founding, Terms
from protocol.errors import StateError
from protocol.money.eip712 import keccak256
from protocol.money.settlement import CONTRACTS, ETHER, Address, Deployment

Report = Callable[[str], None]


def contract_address(account: Address, nonce: int) -> Address:
    """Where the contract of an account's transaction `nonce` will be: the hash of rlp([account, nonce])."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    if len(number) != 1 or nonce >= 0x80:  # a small number is its own encoding
        number = bytes([0x80 + len(number)]) + number
    content = bytes([0x80 + len(account)]) + account + number
    return Address(keccak256(bytes([0xC0 + len(content)]) + content)[12:])


def deploy(
    client: ChainClient,
    terms: Terms,
    founding: Founding,
    report: Report,
) -> Deployment:
    """Deploys all eight.

    Raises StateError if the account sends something else at the same time, and what the client raises.
    """
    chain_id, first = client.chain_id(), client.nonce()
    at = {name: contract_address(client.address, first + i) for i, name in enumerate(CONTRACTS)}
    arguments = constructor_arguments(at, terms, founding)
    block = 0
    for number, name in enumerate(CONTRACTS, start=1):
        report(f"deploying {ARTIFACTS[name]}, {number} of {len(CONTRACTS)}")
        made, sent = client.deploy(ARTIFACTS[name], *arguments[name])
        block = block or sent.block
        if made != at[name]:
            raise StateError(
                f"the account 0x{client.address.hex()} sent something else while it deployed",
                "let nothing else use it, and run `commonhold coordinator settle` again",
            )
    places: dict[str, Any] = dict(at)
    found = Deployment(chain_id, block, terms.finality, **places)
    return replace(found, start=founding.start, carried=founding.carried)


def constructor_arguments(
    at: dict[str, Address], terms: Terms, founding: Founding
) -> dict[str, tuple[Any, ...]]:
    """What each constructor takes, given where the contracts are."""
    where = {name: to_checksum_address(each) for name, each in at.items()}
    nobody = to_checksum_address(ETHER)
    parts = ("share_token", "vault", "witness_set", "stake", "governor")
    seconds = terms.seconds
    return {
        "share_token": (where["settlement"],),
        "timelock": (seconds("timelock_delay"), [where["governor"]], [nobody], nobody),
        "governor": (where["share_token"], where["timelock"], terms.voting()),
        "witness_set": (
            [to_checksum_address(each) for each in founding.witnesses],
            where["timelock"],
            seconds("witness_delay"),
        ),
        "vault": (
            where["settlement"],
            where["timelock"],
            where["share_token"],
            [to_checksum_address(each) for each in terms.token_addresses()],
        ),
        "settlement": (
            tuple(where[name] for name in parts),
            seconds("delay"),
            seconds("appeal_delay"),
            founding.emission_micro,
            founding.emission_max_micro,
            founding.start,
            founding.carried,
        ),
        "stake": (
            where["settlement"],
            nobody,
            seconds("unbond_delay"),
            seconds("slash_delay"),
            list(terms.bond_bounds()),
        ),
        "board": (where["timelock"],),
    }

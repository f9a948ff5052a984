"""Deploys a network's contracts: eight transactions of one account, whose order docs/contracts.md gives.

Constructors name contracts that come later, so their addresses are computed from the account and its nonces
first. Whatever else the account sends meanwhile moves them: then a constructor refuses its wires, and the
next run deploys all of them again. A run that ended in between, by a crash or for want of ether, is gone on
with: from which nonce it began, and what it was to deploy, is on disk before the first is sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from eth_utils.address import to_checksum_address

from commonground.files import replace_file
from contracts.client import ChainClient
from contracts.inspection import ARTIFACTS
from coordinator.terms import Founding, Terms
from protocol.errors import StateError
from protocol.money.eip712 import keccak256
from protocol.money.settlement import CONTRACTS, ETHER, Address, Deployment

Report = Callable[[str], None]

# What all eight take, and a tenth more. docs/coordinator.md says how much that is.
GAS: Final = 21_000_000


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
    chain_id, present = client.chain_id(), client.nonce()
    begun = _begun(client, chain_id)
    plan = _plan(client, terms, founding, begun.first if begun else present)
    done = present - begun.first if begun else 0
    if begun is None or not plan.is_gone_on_with(client, begun, done):
        client.require_gas(GAS)  # not one after the other: a part of them is of no use
        plan, done = _plan(client, terms, founding, present), 0
        begun = _Begun(present, client.head() + 1, plan.what)
        _write(client, chain_id, begun)
    else:
        report(f"going on with the deployment that was begun: {done} of {len(CONTRACTS)} are there")
    for number, name in enumerate(CONTRACTS[done:], start=done + 1):
        report(f"deploying {ARTIFACTS[name]}, {number} of {len(CONTRACTS)}")
        made, _ = client.deploy(ARTIFACTS[name], *plan.arguments[name])
        if made != plan.at[name]:
            raise StateError(
                f"the account 0x{client.address.hex()} sent something else while it deployed",
                "let nothing else use it, and run `commonhold coordinator settle` again",
            )
    places: dict[str, Any] = dict(plan.at)
    found = Deployment(chain_id, begun.block, terms.finality, **places)
    return replace(found, start=founding.start, carried=founding.carried)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A deployment under way."""

    first: int  # the account's nonce before it
    block: int  # none of them is in an older one
    what: str  # `_Plan.what`


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that is deployed when the first has a certain nonce; `what` is the hash of it, in hex."""

    at: dict[str, Address]
    arguments: dict[str, tuple[Any, ...]]
    what: str

    def is_gone_on_with(self, client: ChainClient, begun: _Begun, done: int) -> bool:
        """Whether `done` contracts of this very plan are there, and nothing else was sent since.

        A development chain that was started anew has none of them, and fewer blocks.
        """
        fits = 0 < done <= len(CONTRACTS) and self.what == begun.what
        return fits and all(client.code(self.at[name]) for name in CONTRACTS[:done])


def _plan(
    client: ChainClient,
    terms: Terms,
    founding: Founding,
    first: int,
) -> _Plan:
    at = {name: contract_address(client.address, first + i) for i, name in enumerate(CONTRACTS)}
    arguments = constructor_arguments(at, terms, founding)
    created = (client.creation(ARTIFACTS[name], *arguments[name]) for name in CONTRACTS)
    return _Plan(at, arguments, keccak256(b"".join(map(keccak256, created))).hex())


def _path(client: ChainClient, chain_id: int) -> Path | None:
    folder = client.journal
    return folder and folder / f"{chain_id}-{client.address.hex()}-deploying.json"


def _begun(client: ChainClient, chain_id: int) -> _Begun | None:
    """What was begun. What nobody can read is none: then all are deployed again."""
    path = _path(client, chain_id)
    try:
        found = json.loads(path.read_text("utf-8")) if path else None
        return found and _Begun(int(found["first"]), int(found["block"]), str(found["what"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(client: ChainClient, chain_id: int, begun: _Begun) -> None:
    if (path := _path(client, chain_id)) is not None:
        replace_file(path, json.dumps(asdict(begun)))


def forget(client: ChainClient, chain_id: int) -> None:
    """What was begun is in the log now."""
    if (path := _path(client, chain_id)) is not None:
        path.unlink(missing_ok=True)


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

"""`commonhold node payee`: another address at which a person is paid, a contract, too.

What has no key here cannot sign that it is paid for somebody. It says so on chain, by one call that its
owners send, and the registration stands on that.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from commonhold.cli.addresses import parse_address, shown_address
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.output import emit, say
from node.keys import NodeKeys
from node.registration import registration
from node.rows import OutboxState, Outgoing
from protocol.errors import Reject, StateError, Unreachable
from protocol.identity import PersonId, name_of
from protocol.money.payout import accept_payee_call
from protocol.money.settlement import Address
from protocol.rules.settling import is_witness
from protocol.state import State


def payee(
    address: str, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Registers an address that has agreed, or our own account again; says how one agrees."""
    account = parse_address(address)
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store:
        follower = read_trusted(home, config, store)
        member = follower.state.members.get(keys.person)
        if member is None:
            raise StateError(
                "you are no member yet, so nobody is paid for you",
                "`commonhold node status` says how far your registration is",
            )
        before, waits = Address(member.payout), False
        if before != account:
            record = _record(keys, follower.state, account)
            if not store.enqueue(record):
                store.requeue(record.digest)
            try:
                asyncio.run(
                    deliver(home, config, store, follower, quiet=as_json, reports="register")
                )
            except Unreachable as error:
                waits = True
                say(str(error), "Your registration is kept, and sent later.")
            row = store.outbox_row(record.digest)
            if row is not None and row.state in (OutboxState.REFUSED, OutboxState.POSTPONED):
                raise Reject(f"the network does not pay you there: {row.last_error}")
    _report(keys.person, before, account, waits, as_json)


def _record(keys: NodeKeys, state: State, account: Address) -> Outgoing:
    member = state.members[keys.person]
    if keys.payout_key is not None and account == keys.payout_address:
        return registration(keys, state.network, member)
    if is_witness(state, keys.person):
        raise StateError(
            "you are a witness, or proposed to be one: a witness signs settlements with the key of the"
            " address at which it is paid, and this node has none for another",
            "once the operator has proposed others, and they have taken over, run this again",
        )
    if (account, keys.person) not in state.payees:
        raise _not_agreed(state, keys.person, account)
    return registration(keys, state.network, member, payee=account)


def _not_agreed(state: State, person: PersonId, account: Address) -> StateError:
    """Says which call the address has to make: a Safe's owners paste it."""
    if state.deployment is None:
        return StateError(
            f"{shown_address(account)} has to agree on chain, and the network has no contracts yet",
            "run this again when its operator has settled for the first time",
        )
    board = shown_address(state.deployment.board)
    return StateError(
        f"{shown_address(account)} has not agreed to be paid for you, as far as the log has read the chain",
        f"let it send this call, without ether, on chain {state.deployment.chain_id}:\n"
        f"to        {board}, the network's Board\n"
        f"function  acceptPayee(bytes32 person)\n"
        f"person    0x{person.hex()}\n"
        f"calldata  0x{accept_payee_call(person).hex()}\n"
        "and run this again when the log has read of it: its operator reads the chain with each settlement,"
        " and now and then",
    )


def _report(
    person: PersonId, before: Address, account: Address, waits: bool, as_json: bool
) -> None:
    data: dict[str, Any] = {
        "person": name_of(person),
        "payout_address": "0x" + account.hex(),
        "before": "0x" + before.hex(),
        "registered": not waits,
    }
    there = shown_address(account)
    if before == account:
        text = f"you are paid at {there} already"
    elif waits:
        text = f"your registration waits to be sent; then you are paid at {there}"
    else:
        text = (
            f"you are paid at {there} from the next settlement on; what was promised before stays at"
            f" {shown_address(before)}, and `commonhold node claim` fetches both"
        )
    emit(data, as_json, lambda: text)

"""Claiming on chain what settled epochs pay this node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from commonhold.cli.addresses import parse_address, require_somebodys
from commonhold.cli.node_home import asset_name, open_home, open_keys, open_store, tell_sent
from commonhold.cli.node_sending import catch_up
from commonhold.cli.output import emit, micro, note, table
from node.claims import Claimed, Claimer, Due, SettlementWatch
from node.config import gas_terms
from node.follower import Follower
from node.wallet import NothingLeft, Wallet
from protocol.errors import CommonholdError, ConfigError, StateError
from protocol.limits import ADDRESS_BYTES
from protocol.money.settlement import ETHER, Address
from protocol.state import SHARES, State


def claim(
    asset: str,
    account: str,
    to: str,
    old_rpc_url: str,
    *,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Claims all that is due of an asset, or of every one: a transaction for each account that is paid, or
    for `account` alone, on the present contracts and on those that the network has left.
    """
    named, recipient = (parse_address(each) if each else None for each in (account, to))
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    wallet = Wallet(keys.payout_secret, gas_terms(config, home, tell_sent))
    with open_store(home) as store:
        follower = Follower(store, config.link)
        settlements = SettlementWatch(follower, keys.person)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        if recipient is not None:
            require_somebodys(follower.state, recipient)
        claimer = Claimer(
            *(store, wallet, config.rpc_url, follower, settlements), account=named, to=recipient
        )
        names = _asset_names(follower.state)
        wanted = _parse_asset(asset, names)
        done = _claim_left(
            claimer, follower.state, wanted, old_rpc_url or config.old_rpc_url or config.rpc_url
        )
        done += _claim_present(claimer, wanted, is_all=not done)
    rows = [_claim_data(each, a, paid, names) for each in done for a, paid in each.tx.paid]
    for failed in (failed for each in done for failed in each.tx.failed):
        note(f"{_name(failed, names)} could not be paid now; it stays to be claimed")
    columns = ["asset", "paid", "to", "transaction"]
    emit(
        {"claims": rows},
        as_json,
        lambda: table(
            "Claimed",
            columns,
            [[r["name"], _amount(r), r["recipient"], r["transaction"]] for r in rows],
        ),
    )


def _claim_each(claimer: Claimer, due: Sequence[Due]) -> list[Claimed]:
    """For each account by itself: what cannot be claimed for one holds up no other. Raises StateError when
    nothing could be."""
    done: list[Claimed] = []
    refused: list[StateError] = []
    for each in due:
        try:
            done.append(claimer.claim(each))
        except StateError as error:
            refused.append(error)
    if not done:
        raise refused[0]
    for why in refused:
        note(f"{why}. {why.advice}")
    return done


def _claim_present(claimer: Claimer, asset: bytes | None, *, is_all: bool) -> list[Claimed]:
    """`is_all`: nothing was claimed elsewhere, so that it is a fault if there is nothing."""
    try:
        return _claim_each(claimer, claimer.due(asset))
    except StateError as error:
        if is_all:
            raise
        note(str(error))
        return []


def _claim_left(claimer: Claimer, state: State, asset: bytes | None, rpc_url: str) -> list[Claimed]:
    """What is due on contracts that the network has left. A chain that does not answer keeps back no other
    claim: what it owes stays there."""
    done: list[Claimed] = []
    for number, dues in claimer.left_due(asset).items():
        chain_id = state.past[number].deployment.chain_id
        for due in dues:
            try:
                done.append(claimer.claim_left(number, due, rpc_url))
            except NothingLeft:
                continue
            except CommonholdError as error:
                what = ", ".join(map(asset_name, due.assets))
                note(
                    f"{what} on chain {chain_id}, which the network has left, stays to be claimed: {error}."
                    " --old-rpc-url names an endpoint of that chain"
                )
    return done


def _asset_names(state: State) -> dict[bytes, str]:
    """Names of assets by their address on chain."""
    names = {bytes(ETHER): asset_name(ETHER)}
    if state.deployment is not None:
        names[state.deployment.share_token] = asset_name(SHARES)
    return names


def _parse_asset(text: str, names: dict[bytes, str]) -> bytes | None:
    if not text:
        return None
    for address, name in names.items():
        if name == text:
            return address
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != ADDRESS_BYTES:
        raise ConfigError(
            f"{text!r} is not an asset", "write shares, ether, or the address of a token"
        )
    return address


def _claim_data(
    claimed: Claimed, asset: Address, paid: int, names: dict[bytes, str]
) -> dict[str, Any]:
    return {
        "asset": "0x" + asset.hex(),
        "name": _name(asset, names),
        "account": "0x" + claimed.leaf.account.hex(),
        "recipient": "0x" + claimed.recipient.hex(),
        "paid": str(paid),
        "cumulative": str(claimed.leaf.amount(asset)),
        "epoch": claimed.epoch,
        "transaction": "0x" + claimed.tx.tx_hash.hex(),
        "gas": claimed.tx.gas,
    }


def _name(asset: bytes, names: dict[bytes, str]) -> str:
    return names.get(asset, asset_name(asset))


def _amount(row: dict[str, Any]) -> str:
    return micro(int(row["paid"])) if row["name"] == asset_name(SHARES) else str(row["paid"])

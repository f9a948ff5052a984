"""Bonds: what one vouches with, on chain, for oneself as a member, and for a witness's word against a wrong
root.

Whoever is no member yet bonds first: the bond names the person that the node's root key is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commonhold.cli.node_chain import open_chain
from commonhold.cli.output import emit, moment
from contracts.client import ContractRefused, SentTx
from node.chain import NodeChain
from protocol.errors import StateError
from protocol.identity import PersonId
from protocol.money.payload import bond_id
from protocol.rules.admission import TAKES_BONDS, is_kept_by_bond
from protocol.state import State


@dataclass(frozen=True, slots=True)
class _Least:
    """How much a bond has to be, in wei, and for what."""

    wei: int
    what: str


def bond(wei: int, directory: Path | None, passphrase_path: Path | None, as_json: bool) -> None:
    """Adds to our bond, which stands for our payout address as a witness, too."""
    mine = open_chain(directory, passphrase_path, pays=True)
    keys, state, chain = mine.keys, mine.state, mine.chain
    before = chain.bonded(keys.person)[0]
    least = _least(state, keys.person, chain)
    if before + wei < least.wei:
        raise StateError(
            f"your bond would be {before + wei} wei, and {least.what} takes {least.wei}",
            f"`commonhold node bond {least.wei - before}`, or more",
        )
    sent = chain.bond(keys.person, wei)
    vouches = chain.bonded(keys.person)[0]
    joins = keys.person not in state.members
    data = {"bonded_wei": str(vouches), "minimum_wei": str(least.wei), "tx_hash": sent.tx_hash}
    then = "; when the log has read of it, `commonhold node register`" if joins else ""
    emit(
        data,
        as_json,
        lambda: (
            f"your bond is {vouches} wei, enough for {least.what}: transaction 0x{sent.tx_hash.hex()}{then}"
        ),
    )


def unbond(
    wei: int | None, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Begins to take it back, all of it or `wei`; without anything to begin with, takes back what has waited
    long enough."""
    mine = open_chain(directory, passphrase_path)
    keys, state, chain = mine.keys, mine.state, mine.chain
    vouches, leaving, leaves_at_s = chain.bonded(keys.person)
    if vouches and (wei is not None or not leaving or chain.time_s() < leaves_at_s):
        amount = vouches if wei is None else wei
        _check_rest(vouches - amount, vouches, _least(state, keys.person, chain))
        sent = chain.request_unbond(keys.person, amount)
        leaves_at_s = chain.bonded(keys.person)[2]
        said = f"{amount + leaving} wei leave; run this again from {moment(leaves_at_s)} on"
        if is_kept_by_bond(state, keys.person):
            said += ". You submit nothing, are not drawn and invite nobody until you bond again"
    elif leaving and chain.time_s() < leaves_at_s:
        raise StateError(
            f"all of your bond, {leaving} wei, is leaving; it comes back from {moment(leaves_at_s)} on",
            "run `commonhold node unbond` again then",
        )
    elif leaving and wei is None:
        sent = _withdraw(chain, keys.person)
        said = f"{leaving} wei are back, but for what an open slash asks for"
    else:
        raise StateError("you have no bond", "`commonhold node bond WEI` makes one")
    data: dict[str, Any] = {"tx_hash": sent.tx_hash, "leaves_at": leaves_at_s}
    emit(data, as_json, lambda: f"{said}; transaction 0x{sent.tx_hash.hex()}")


def appeal(directory: Path | None, passphrase_path: Path | None, as_json: bool) -> None:
    """Appeals against all slashes of our bond that the log has read of."""
    mine = open_chain(directory, passphrase_path)
    keys, state, chain = mine.keys, mine.state, mine.chain
    own = bond_id(keys.person, chain.address)
    due = [n for n, each in state.slashes.scan() if each.bond == own and not each.is_appealed]
    if not due:
        raise StateError(
            "no slash of your bond is open to appeal", "`commonhold node status` shows your bond"
        )
    sent = [chain.appeal(number).tx_hash for number in due]
    data = {"appealed": due, "tx_hashes": [each.hex() for each in sent]}
    slashes = ", ".join(map(str, due))
    emit(data, as_json, lambda: f"appealed against slash {slashes}: the holders of shares decide")


def _withdraw(chain: NodeChain, person: PersonId) -> SentTx:
    """What has waited long enough, and no open slash asks for."""
    try:
        return chain.withdraw(person)
    except ContractRefused as refused:
        if refused.error != "InvalidAmount":
            raise
        raise StateError(
            "an open slash asks for all that is leaving",
            "`commonhold node status` says which; `commonhold node appeal` contests it in time",
        ) from refused


def _least(state: State, person: PersonId, chain: NodeChain) -> _Least:
    """What membership takes, of those whom a bond makes members; of others, what a witness's word takes."""
    newcomer = person not in state.members and state.policy.admission in TAKES_BONDS
    if newcomer or is_kept_by_bond(state, person):
        return _Least(state.policy.bond, "membership")
    return _Least(chain.bond_minimum(), "a witness's objection")


def _check_rest(rest: int, before: int, least: _Least) -> None:
    """All of a bond may leave, or as much as leaves enough."""
    if rest < 0:
        raise StateError(f"your bond is {before} wei", "take back no more than that")
    if 0 < rest < least.wei <= before:
        raise StateError(
            f"{rest} wei would stay, and {least.what} takes {least.wei}",
            f"take back {before - least.wei} at most, or everything: `commonhold node unbond`",
        )

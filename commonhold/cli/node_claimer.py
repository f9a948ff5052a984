"""`commonhold node claimer`: who beside an account itself may send its payments elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from commonhold.cli.addresses import parse_address, require_somebodys, shown_address
from commonhold.cli.node_chain import OnChain, open_chain
from commonhold.cli.output import EXIT_INTERRUPTED, confirm, emit, say
from protocol.errors import ConfigError, StateError
from protocol.money.settlement import ETHER, Address


def claimer(
    address: str,
    *,
    is_none: bool,
    yes: bool,
    directory: Path | None,
    passphrase_path: Path | None,
    as_json: bool,
) -> None:
    """Shows who it is, or makes it another one, or nobody; asks before it lets anybody, unless `yes`."""
    if address and is_none:
        raise ConfigError("an address is named, and --none", "give one of them")
    wanted = parse_address(address) if address else None
    if wanted == ETHER:
        raise ConfigError("zero is nobody's address", "`commonhold node claimer --none`")
    mine = open_chain(directory, passphrase_path)
    tx_hash = _change(mine, wanted, yes=yes) if address or is_none else None
    claimers = {each: mine.chain.claimer(each) for each in _accounts(mine)}
    data = {
        "claimers": [
            {"account": _hex(account), "claimer": found and _hex(found)}
            for account, found in claimers.items()
        ],
        "transaction": tx_hash and _hex(tx_hash),
    }
    sent = [f"transaction {_hex(tx_hash)}"] if tx_hash else []
    emit(data, as_json, lambda: [*(_words(*each) for each in claimers.items()), *sent])


def _accounts(mine: OnChain) -> list[Address]:
    """This node's own, and where its owner is paid, if that is another."""
    own, member = mine.chain.address, mine.state.members.get(mine.keys.person)
    paid_at = own if member is None else Address(member.payout)
    return list(dict.fromkeys((own, paid_at)))


def _change(mine: OnChain, wanted: Address | None, *, yes: bool) -> bytes | None:
    """The transaction; none if all is so already."""
    chain, own = mine.chain, mine.chain.address
    if wanted is not None:
        require_somebodys(mine.state, wanted)
        if wanted == own:
            raise ConfigError(
                f"{shown_address(own)} is your own account",
                "it may send its payments elsewhere already: `commonhold node claim --to ADDRESS`",
            )
    before, paid_at = chain.claimer(own), _accounts(mine)[-1]
    if wanted is not None or before is None:  # taking it back is ours, wherever we are paid now
        if paid_at != own and chain.claimer(paid_at) != wanted:
            raise StateError(
                f"you are paid at {shown_address(paid_at)}, for which this node has no key",
                chain.claimer_call(wanted),
            )
        if paid_at != own or before == wanted:
            return None
    if wanted is not None and not yes:
        _confirm(own, wanted)
    return chain.set_claimer(wanted).tx_hash


def _confirm(own: Address, wanted: Address) -> None:
    if not sys.stdin.isatty():
        raise ConfigError(
            "a claimer can take what you are paid, and there is no terminal to ask at",
            "add --yes if you mean it",
        )
    say(
        f"{shown_address(wanted)} will be able to send all that {shown_address(own)} has not claimed, and all"
        " that it is paid later, to any address, until you run `commonhold node claimer --none`."
        " It cannot touch what you hold, your bond or your votes.",
    )
    if not confirm("Let it?"):
        raise typer.Exit(EXIT_INTERRUPTED)


def _words(account: Address, found: Address | None) -> str:
    who = "nobody else" if found is None else f"{shown_address(found)}, too,"
    return f"{who} may send elsewhere what {shown_address(account)} is paid"


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()

"""Who else may join, and joining: `node invite` and `node register`; how a link is given to a command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from commonhold.cli.invitations import Inviter, emit_links, make_links
from commonhold.cli.node_home import open_home, open_keys, open_store
from commonhold.cli.node_sending import deliver, read_trusted
from commonhold.cli.output import emit, say
from node.keys import NodeKeys
from node.registration import (
    ASK_FOR_INVITATION,
    invitation_in,
    register_advice,
    registration,
    why_not_joined,
)
from node.rows import Outgoing
from node.store import Store
from protocol.errors import ConfigError, Reject, StateError, Unreachable
from protocol.identity import PersonId, name_of
from protocol.limits import PPM
from protocol.log.link import NetworkLink, parse_link
from protocol.rules.admission import (
    TAKES_INVITATIONS,
    invitation_budget,
    joins_alone,
    may_invite,
    require_bond_kept,
    standing,
)
from protocol.state import State
from protos.gen import records_pb2 as pb

FROM_INPUT = "-"


def read_link(text: str) -> NetworkLink:
    """The link that was given: itself, or `-` for the first line of standard input. Raises ConfigError."""
    return parse_link(sys.stdin.readline().strip() if text == FROM_INPUT else text)


def invite(
    count: int, epochs: int, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Prints links with an invitation each, by a member whose standing is enough."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store:
        follower = read_trusted(home, config, store)
    state = follower.state
    require_standing(state, keys.person)
    budget = invitation_budget(state, keys.person)
    inviter = Inviter(keys.key, keys.sign, budget)
    links = make_links(config.link, state, inviter, count, epochs)
    emit_links(links, state, epochs, budget, as_json)


def require_standing(state: State, person: PersonId) -> None:
    """Raises StateError that says how much is missing until one may invite."""
    if person not in state.members:
        raise StateError(
            "only members invite, and you are none yet",
            "`commonhold node status` says how far your registration is",
        )
    require_bond_kept(state, person)
    if not may_invite(state, person):
        needed = state.policy.invite_standing
        raise StateError(
            f"inviting takes a standing of {needed:,}, and yours is {standing_text(state, person)}",
            "each item of yours that is accepted, and each answer that agrees with the verdict, adds up to"
            " one; what was wrong counts against it",
        )


def standing_text(state: State, person: PersonId) -> str:
    """How much more was right than wrong, with one digit."""
    return f"{standing(state, person) / PPM:,.1f}"


def register(
    link: str, directory: Path | None, passphrase_path: Path | None, as_json: bool
) -> None:
    """Asks to become a member once more: with the invitation in a link, or as before."""
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    given = read_link(link) if link else None
    with open_store(home) as store:
        follower = read_trusted(home, config, store)
        if keys.person in follower.state.members:
            raise StateError(
                f"you are a member already: {name_of(keys.person)}",
                "keep the invitation for somebody else; nobody has used it" if given else "",
            )
        record = _record(store, keys, follower.state, given)
        if not store.enqueue(record):
            store.requeue(record.digest)
        store.forget_refused("register", but=record.digest)
        waits = False
        try:
            asyncio.run(deliver(home, config, store, follower, quiet=as_json, reports="register"))
        except Unreachable as error:
            waits = True
            say(str(error), "Your registration is kept, and sent later.")
        reason = why_not_joined(store)
    if reason:
        raise refusal(reason, register_advice(follower.state))
    _report(config.link.name, keys, waits, as_json)


def _record(store: Store, keys: NodeKeys, state: State, link: NetworkLink | None) -> Outgoing:
    if link is not None and state.policy.admission in TAKES_INVITATIONS:
        return registration(keys, state.network, None, invitation_in(link, state.network))
    if joins_alone(state, keys.person):
        return registration(keys, state.network)
    row = store.last_outgoing("register")
    if row is None and state.policy.admission in (pb.ADMISSION_BOND, pb.ADMISSION_EITHER):
        return registration(keys, state.network)
    if row is None:
        raise ConfigError("this node has no invitation", ASK_FOR_INVITATION)
    return row.outgoing


def _report(network: str, keys: NodeKeys, waits: bool, as_json: bool) -> None:
    data: dict[str, Any] = {
        "person": name_of(keys.person),
        "network": network,
        "registered": not waits,
    }
    emit(
        data,
        as_json,
        lambda: (
            f"{'Your registration waits to be sent' if waits else 'You are a member'}: "
            f"{name_of(keys.person)} in {network}"
        ),
    )


def refusal(reason: str, advice: str) -> Reject:
    """What is said of a registration that the network did not take."""
    return Reject(f"the network does not take you in: {reason}", advice)

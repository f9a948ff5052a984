"""The witnesses as the operator sees them: who they are, whom a round waits for, who is proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.coin.witnesses import Diligence, Proposal, assents_needed
from protocol.errors import Reject
from protocol.identity import NOBODY, KeyId, PersonId, key_of, name_of, peer_id_of, person_of
from protocol.lifecycle import RoundPhase
from protocol.money.settlement import Address
from protocol.state import State

OPERATOR: Final = "operator"
"""Names the operator's own key."""
_PEER_PREFIX: Final = "12D3Koo"


@dataclass(frozen=True, slots=True)
class Witness:
    """One of them; names are printed ones."""

    person: str
    peer_id: str
    given: int  # tosses, over all rounds
    missed: int


@dataclass(frozen=True, slots=True)
class Owed:
    """A round that waits for its coin, and the people who have not tossed."""

    campaign: str
    round: int
    tossed: int
    threshold: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposed witness, and what it has done so far."""

    person: str
    peer_id: str
    dealt: bool
    struck: bool  # its deal was shown to be wrong
    confirmed: bool


@dataclass(frozen=True, slots=True)
class ProposedSet:
    """A set on its way into force."""

    id: str  # hex
    nonce: int
    phase: str
    since_ms: int
    assents: int
    assents_needed: int
    missing_assents: tuple[str, ...]  # people of the present set
    threshold: int
    witnesses: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who tosses now, what waits for them, and who is to follow."""

    nonce: int
    threshold: int
    witnesses: tuple[Witness, ...]
    owed: tuple[Owed, ...]
    proposed: ProposedSet | None


def witnesses_view(state: State) -> Witnesses:
    """All of it."""
    coin = state.coin
    return Witnesses(
        nonce=coin.nonce,
        threshold=coin.threshold,
        witnesses=tuple(_witness(state, key) for key in coin.keys),
        owed=tuple(
            owed(state, campaign_id)
            for (_, campaign_id), _ in state.awaited.scan()
            if state.rounds[campaign_id].phase is RoundPhase.SEALED
        ),
        proposed=None if state.proposal is None else _proposed(state, state.proposal),
    )


def owed(state: State, campaign_id: str) -> Owed:
    """Whom a campaign's round, which is sealed, waits for."""
    round_, tossed = state.rounds[campaign_id], state.tosses.count(campaign_id)
    threshold = state.coins[round_.coin].threshold
    return Owed(campaign_id, round_.number, tossed, threshold, missing_of(state, campaign_id))


def missing_of(state: State, campaign_id: str) -> tuple[str, ...]:
    """The names of those who have not tossed for a campaign's round."""
    coin = state.coins[state.rounds[campaign_id].coin]
    return tuple(
        name_of(state.keys[key]) for key in coin.keys if (campaign_id, key) not in state.tosses
    )


def keys_named(state: State, names: Sequence[str]) -> list[KeyId]:
    """The keys of people, in the order that the rules ask for.

    A name is that of a person, as `commonhold node status` prints it; that of a machine (12D3Koo…), for a
    person with several; or `operator`. Raises Reject.
    """
    keys = sorted({_key_named(state, name) for name in names})
    for key in keys:
        _require_account(state, key)
    return keys


def _require_account(state: State, key: KeyId) -> None:
    """A witness signs for money with the key of its payout address: a contract has none. Raises Reject."""
    person = state.keys.get(key, NOBODY)
    member = state.members.get(person)
    if member is not None and (Address(member.payout), person) in state.payees:
        raise Reject(
            f"{name_of(person)} is paid at 0x{member.payout.hex()}, which agreed by a call on chain: a"
            " contract has no key to sign settlements with",
            "propose somebody else, or let them be paid at their own account: `commonhold node payee`",
        )


def _key_named(state: State, name: str) -> KeyId:
    if name == OPERATOR:
        return state.operator_key
    if name.startswith(_PEER_PREFIX):
        key = key_of(name)
        if state.keys.get(key) is None:
            raise Reject(f"{name} signs for nobody here", "its owner runs `commonhold node init`")
        return key
    return _only_key(state, person_of(name), name)


def _only_key(state: State, person: PersonId, name: str) -> KeyId:
    keys = [key for (_, key), _ in state.keys_of.scan(person)]
    if not keys:
        raise Reject(f"{name} has not registered", "`commonhold node init` registers")
    if len(keys) > 1:
        machines = ", ".join(peer_id_of(key) for key in keys)
        raise Reject(f"{name} has {len(keys)} machines", f"name the one that tosses: {machines}")
    return keys[0]


def _witness(state: State, key: KeyId) -> Witness:
    person = state.keys.get(key, NOBODY)
    known = state.diligence.get(person, Diligence())
    return Witness(name_of(person), peer_id_of(key), known.given, known.missed)


def _proposed(state: State, proposal: Proposal) -> ProposedSet:
    present = state.coin.keys
    return ProposedSet(
        id=proposal.id.hex(),
        nonce=proposal.nonce,
        phase=proposal.phase.name.lower(),
        since_ms=proposal.since_ms,
        assents=len(proposal.assents),
        assents_needed=assents_needed(len(present)),
        missing_assents=tuple(
            name_of(state.keys[key]) for key in present if key not in proposal.assents
        ),
        threshold=proposal.threshold,
        witnesses=tuple(
            Candidate(
                person=name_of(state.keys[key]),
                peer_id=peer_id_of(key),
                dealt=key in proposal.struck or (proposal.nonce, key) in state.deals,
                struck=key in proposal.struck,
                confirmed=key in proposal.confirmed,
            )
            for key in proposal.keys
        ),
    )

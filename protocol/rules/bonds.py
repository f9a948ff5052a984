"""Bonds: what the stake contract says, and what all of a person's come to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.errors import Reject
from protocol.identity import PersonId
from protocol.money import events
from protocol.money.onchain import Bond, Slash, Vouched
from protocol.money.payload import bond_id
from protocol.rules.record import require
from protocol.state import State
from protocol.tables import Draft


class StakeDraft:
    """What the stake contract would say after some more events. Raises Reject for what it cannot say."""

    def __init__(self, state: State) -> None:
        self._bonds = Draft(state.bonds)
        self._vouched = Draft(state.vouched)
        self._slashes = Draft(state.slashes)
        self._accused = Draft(state.accused)
        self.drafts: dict[str, Draft[Any, Any]] = {
            "bonds": self._bonds,
            "vouched": self._vouched,
            "slashes": self._slashes,
            "accused": self._accused,
        }

    def apply(self, event: Any) -> None:
        """One event of the stake contract; any other passes."""
        match event:
            case events.Bonded():
                self._bond(event)
            case events.UnbondRequested():
                bond = self._require_bond(event.bond)
                both = bond.active + bond.leaving
                require(bond.leaving < event.leaving <= both, "more leaves a bond than was there")
                left = both - event.leaving
                leaving = replace(
                    bond, active=left, leaving=event.leaving, leaves_at_s=event.leaves_at_s
                )
                self._put(event.bond, leaving)
            case events.Withdrawn():
                bond = self._require_bond(event.bond)
                require(event.amount <= bond.leaving, "more is withdrawn than was leaving")
                self._put(event.bond, replace(bond, leaving=bond.leaving - event.amount))
            case events.SlashProposed():
                bond = self._require_bond(event.bond)
                self._put(event.bond, replace(bond, held=bond.held + event.amount))
                self._slashes.put(event.slash, Slash(event.bond, event.amount, event.evidence))
                self._accused.put((event.bond, event.evidence), event.slash)
            case events.SlashAppealed():
                slash = self._require_slash(event.slash)
                self._slashes.put(event.slash, replace(slash, is_appealed=True))
            case events.SlashExecuted() | events.SlashOverturned():
                self._end_slash(event.slash, is_executed=isinstance(event, events.SlashExecuted))

    def _bond(self, event: events.Bonded) -> None:
        name = bond_id(event.person, event.bonder)
        known = self._bonds.get(name) or Bond(PersonId(event.person), event.bonder, event.witness)
        active = known.active + event.amount
        self._put(name, replace(known, witness=event.witness, active=active))

    def _end_slash(self, number: int, *, is_executed: bool) -> None:
        """What vouches goes first, as in the contract: it must not outlive a slash."""
        slash = self._require_slash(number)
        bond = self._require_bond(slash.bond)
        bond = replace(bond, held=max(0, bond.held - slash.amount))
        if is_executed:
            active = min(slash.amount, bond.active)
            leaving = max(0, bond.leaving - (slash.amount - active))
            bond = replace(bond, active=bond.active - active, leaving=leaving)
        self._put(slash.bond, bond, slash.amount if is_executed else 0)
        self._slashes.put(number, None)

    def _require_bond(self, name: bytes) -> Bond:
        bond = self._bonds.get(name)
        if bond is None:
            raise Reject("nobody has made this bond")
        return bond

    def _require_slash(self, number: int) -> Slash:
        slash = self._slashes.get(number)
        if slash is None:
            raise Reject(f"slash {number} was not proposed, or has ended")
        return slash

    def _put(self, name: bytes, bond: Bond, slashed: int = 0) -> None:
        """The bond, and with it what its person's bonds come to."""
        before = self._bonds.get(name) or replace(bond, active=0, leaving=0)
        known = self._vouched.get(bond.person) or Vouched()
        self._vouched.put(
            bond.person,
            Vouched(
                known.active + bond.active - before.active,
                known.leaving + bond.leaving - before.leaving,
                known.slashed + slashed,
            ),
        )
        self._bonds.put(name, bond)

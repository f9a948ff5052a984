"""What `node status` shows of the owner's bonds."""

from __future__ import annotations

from typing import Any

from commonhold.cli.output import moment
from protocol.identity import PersonId
from protocol.money.onchain import Vouched
from protocol.money.payload import bond_id
from protocol.money.settlement import Address
from protocol.rules.admission import TAKES_BONDS, bond_missing, bond_of, is_kept_by_bond
from protocol.state import State


def bond_data(state: State, person: PersonId, payout: bytes) -> dict[str, Any] | None:
    """What the log has read of somebody's bonds; None where there are none and none are asked for.

    Amounts are wei, as text: they outgrow what some readers of JSON can count.
    """
    asked = person not in state.members and state.policy.admission in TAKES_BONDS
    asked, its = asked or is_kept_by_bond(state, person), bond_of(state, person)
    if not asked and its == Vouched():
        return None
    own = state.bonds.get(bond_id(person, Address(payout)))
    return {
        "active_wei": str(its.active),
        "leaving_wei": str(its.leaving),
        "leaves_at": own.leaves_at_s if own is not None and own.leaving else None,
        "slashed_wei": str(its.slashed),
        "slashes": [
            {"number": number, "wei": str(each.amount), "appealed": each.is_appealed}
            for number, each in state.slashes.scan()
            if state.bonds[each.bond].person == person
        ],
        "membership_wei": str(state.policy.bond) if asked else None,
        "missing_wei": str(bond_missing(state, person) if asked else 0),
    }


def bond_text(data: dict[str, Any] | None) -> list[str]:
    """The same for people."""
    if data is None:
        return []
    said = [f"{data['active_wei']} wei, as the log has read"]
    if data["membership_wei"] is not None:
        said.append(f"membership takes {data['membership_wei']}")
    if data["leaves_at"] is not None:
        said.append(f"{data['leaving_wei']} come back from {moment(data['leaves_at'])} on")
    if data["slashed_wei"] != "0":
        said.append(f"{data['slashed_wei']} were slashed")
    lines = [f"bond        {'; '.join(said)}"]
    if data["missing_wei"] != "0":
        lines.append(
            f"            too little: `commonhold node bond {data['missing_wei']}`, unless you have,"
        )
        lines.append(
            "            and the log has not read of it yet: its operator reads the chain now and then"
        )
    for each in data["slashes"]:
        then = "the holders of shares decide" if each["appealed"] else "`commonhold node appeal`"
        lines.append(f"ACCUSED     slash {each['number']} asks for {each['wei']} of it: {then}")
    return lines

"""What changes from one policy to the next, in words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from protocol.limits import PPM
from protocol.policy import Policy

_WORDS: Final = {
    "epoch_emission_micro": "shares minted per epoch",
    "contributors_ppm": "contributors' part of the emission",
    "reviewers_ppm": "reviewers' part of the emission",
    "trainers_ppm": "trainers' part of the emission",
    "rejection_penalty_ppm": "what a rejected item costs its author, of an item's price",
    "accept_ppm": "certainty that decides an item",
    "reputation_decay_ppm": "what an epoch leaves of a reputation",
    "revenue_treasury_ppm": "the treasury's part of revenue",
    "royalty_ppm": "authors' part of a licence's revenue",
    "admission": "how one joins",
    "operator_invitations": "the operator's invitations in an epoch",
    "member_invitations": "a member's invitations in an epoch",
    "invite_standing": "standing that inviting takes",
    "newcomer_items": "a newcomer's items in an epoch",
    "items_per_standing": "further items for each unit of standing",
    "bond": "least bond of who joins by one, in wei",
    "silence_tosses": "tosses in a row that a witness of the coin may miss",
    "silence_ppm": "part of its bond that a longer silence costs",
    "model_grace_epochs": "epochs in which a model is still licensed after a withdrawal",
}


def policy_changes(before: Any, after: Any) -> list[str]:
    """One line for each field that differs. Both are a Policy, as a row or as a record has it."""
    changed = []
    for each in fields(Policy):
        old, new = (getattr(policy, each.name) for policy in (before, after))
        before_after = _value(each.name, old), _value(each.name, new)
        if before_after[0] != before_after[1]:
            words = _WORDS.get(each.name, each.name.replace("_", " "))
            changed.append(f"{words}: {' -> '.join(before_after)}")
    return changed


def _value(name: str, value: Any) -> str:
    if name == "admission":
        from coordinator.policies import ADMISSIONS

        return next((word for word, number in ADMISSIONS.items() if number == value), "unknown")
    if name == "bond":
        return f"{int(value or 0):,}"
    if name.endswith("_ppm"):
        return f"{100 * value / PPM:.9g} %"
    return f"{value / PPM:,.9g}" if name.endswith("_micro") else f"{value:,}"

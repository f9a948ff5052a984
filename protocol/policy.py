"""How a network rewards, and how one joins it: the row of a policy, whose fields are those of the record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Frozen for an epoch; units and meanings as in records.proto."""

    epoch_emission_micro: int
    contributors_ppm: int
    reviewers_ppm: int
    trainers_ppm: int
    rejection_penalty_ppm: int
    accept_ppm: int
    reputation_decay_ppm: int
    revenue_treasury_ppm: int
    royalty_ppm: int
    admission: int  # pb.Admission
    operator_invitations: int
    member_invitations: int
    invite_standing: int
    newcomer_items: int
    items_per_standing: int
    bond: int  # 0: nobody needs one
    silence_tosses: int
    silence_ppm: int
    model_grace_epochs: int

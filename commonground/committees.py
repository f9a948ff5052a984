"""Who opens a round's sum and of what, as the log has it: the same for operator and partners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.committee import Masks, needed_of
from protocol.identity import PersonId
from protocol.jobs import Complaint
from protocol.shares import Place
from protocol.state import State


@dataclass(frozen=True, slots=True)
class Committee:
    """The members of a round's committee, in the order in which masks are counted."""

    members: tuple[PersonId, ...]
    keys: tuple[bytes, ...]  # that seeds are sealed to

    @property
    def size(self) -> int:
        """How many they are."""
        return len(self.members)

    @property
    def needed(self) -> int:
        """How many of them have to open a sum."""
        return needed_of(self.size)


@dataclass(frozen=True, slots=True)
class RoundStart:
    """What a partner has to know before it trains a round."""

    network: bytes
    job_id: str
    number: int
    model: bytes  # SHA-256 of the model that the round starts from
    committee: Committee

    def place(self, partner: PersonId) -> Place:
        """Where the boxes of a partner belong."""
        return Place(self.network, self.job_id, self.number, partner)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a partner signed in the round that runs: hashes of its masked update and of what it sealed."""

    update: bytes
    seeds: bytes


@dataclass(frozen=True, slots=True)
class FixedSet:
    """A round whose set is fixed, and what members have said of its sum."""

    round: RoundStart
    digest: bytes
    partners: Mapping[PersonId, Signed]  # of the set, in ascending order
    groups: tuple[
        tuple[PersonId, ...], ...
    ]  # of them, whose sums are opened: all together, or cohorts
    opened: Mapping[tuple[PersonId, Masks], bytes]  # hashes of sums
    complaints: Mapping[PersonId, Complaint]  # by member

    @property
    def has_enough(self) -> bool:
        """Whether so many members have opened this set that no other can have as many."""
        return len({who for who, _ in self.opened}) >= self.round.committee.needed

    def contradicted(self, masks: Masks) -> bool:
        """Whether members have said different things of these masks: one of them lies."""
        return len({sum_ for (_, each), sum_ in self.opened.items() if each == masks}) > 1


def active_partners(state: State, job_id: str) -> dict[bytes, PersonId]:
    """Who joined and has not lied, by transport key."""
    faulty = state.jobs[job_id].faulty
    joined = ((partner, enrolled) for (_, partner), enrolled in state.partners.scan(job_id))
    return {each.transport_key: partner for partner, each in joined if partner not in faulty}


def round_start(state: State, job_id: str) -> RoundStart:
    """The round that runs in a job that has been started."""
    job = state.jobs[job_id]
    members = job.committee
    keys = tuple(state.partners[job_id, member].sealing_key for member in members)
    return RoundStart(state.network, job_id, job.present, job.model, Committee(members, keys))


def signed_updates(state: State, job_id: str) -> dict[PersonId, Signed]:
    """What partners have signed in the round that runs."""
    return {
        partner: Signed(update.update, update.seeds)
        for (_, partner), update in state.updates.scan(job_id)
    }


def fixed_set(state: State, job_id: str) -> FixedSet | None:
    """The set of the round that runs; None before it is fixed."""
    fixed = state.jobs[job_id].round_set
    if fixed is None:
        return None
    signed = signed_updates(state, job_id)
    opened = {(who, masks): sum_ for (_, who, masks), sum_ in state.openings.scan(job_id)}
    partners = {partner: signed[partner] for partner in fixed.partners}
    complaints = {member: each for (_, member), each in state.complaints.scan(job_id)}
    return FixedSet(
        *(round_start(state, job_id), fixed.digest, partners, fixed.groups, opened, complaints)
    )

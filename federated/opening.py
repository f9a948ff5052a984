"""The operator's part in opening a round's sum: asks members, compares what they say, replaces who is away.

Every mask is summed by one member, and made sure of by its neighbour where one is left; both have said in
the log what they found before either showed it. Members that do not answer are replaced among the rest as
long as there are enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from flwr.app import Message
from flwr.serverapp import Grid

from commonground.committees import Committee, FixedSet
from federated.exchange import Answers, Question, Roster, ask
from federated.messages import (
    AnswerTask,
    OpenTask,
    ShowTask,
    answer_message,
    open_message,
    read_answer,
    read_opened,
    read_shown,
    show_message,
)
from federated.ring import Ring, Words
from federated.secure_sum import sum_masks
from protocol.committee import Masks, duties_of, held, masks_of
from protocol.errors import Reject, StateError
from protocol.identity import PersonId, short
from protocol.shares import SEED_BYTES, Sealed, commitment


class RoundFailed(StateError):
    """A round came to nothing; `missing` are those who did not do their part.

    `usefulness_micro`: what its cohorts showed, if their sums were opened.
    """

    def __init__(
        self,
        message: str,
        missing: Sequence[PersonId] = (),
        faulty: Sequence[PersonId] = (),
        usefulness_micro: Sequence[int] = (),
    ) -> None:
        super().__init__(message)
        self.missing, self.faulty = tuple(sorted(missing)), tuple(sorted(faulty))
        self.usefulness_micro = tuple(usefulness_micro)


class OpeningLog(Protocol):
    """The log, as far as opening needs it."""

    def fixed(self) -> FixedSet:
        """The set of the round that runs, and what members have said of its sum by now."""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """For each group of the set the sums of its masks, each mask in one of them."""

    groups: tuple[tuple[PersonId, ...], ...]
    sums: tuple[tuple[Words, ...], ...]  # in the order of the groups
    faulty: tuple[PersonId, ...]  # whose word was wrong


@dataclass
class Opener:
    """Opens the sum of one round. `sealed` is what each partner of the set gave the committee."""

    grid: Grid
    roster: Roster
    log: OpeningLog
    sealed: Mapping[PersonId, Sealed]
    ring: Ring
    size: int  # values of an update
    seconds: float  # that a member has
    _sums: dict[Masks, list[Words]] = field(default_factory=dict)  # for each group
    _words: dict[PersonId, str] = field(default_factory=dict)  # why somebody is not asked any more
    _faulty: set[PersonId] = field(default_factory=set)

    def run(self) -> Uncovered:
        """All masks' sums over the set. Raises RoundFailed when too few members are left."""
        fixed = self.log.fixed()
        committee = fixed.round.committee
        for who in committee.members:
            if who in self.roster.silent:
                self._words[who] = "did not answer"
        while True:
            duties = self._duties(committee)
            tasks = self._tasks(fixed, duties)
            if not tasks:
                return self._compared(fixed, duties)
            before = (len(self._sums), len(fixed.opened), len(self._words))
            answers = self._ask(fixed, tasks)
            fixed = self.log.fixed()
            self._take(fixed, tasks, answers)
            fixed = self._settle(fixed)
            if before == (len(self._sums), len(fixed.opened), len(self._words)):
                raise RoundFailed("the committee did not open the sum", committee.members)

    def _duties(self, committee: Committee) -> dict[tuple[int, ...], Masks]:
        """Every mask once, and something to say for everybody who is there."""
        present = [at for at, who in enumerate(committee.members) if who not in self._words]
        duties = duties_of(committee.size, present) if len(present) >= committee.needed else None
        if duties is None:
            said = "; ".join(f"{short(who)} {words}" for who, words in self._words.items())
            raise RoundFailed(
                f"{len(present)} of the {committee.needed} members are left that the committee needs"
                f" to open a sum: {said}",
                *(list(self._words), list(self._faulty)),
            )
        return duties

    def _tasks(
        self, fixed: FixedSet, duties: Mapping[tuple[int, ...], Masks]
    ) -> dict[PersonId, dict[Masks, bool]]:
        """What is still to be said or (True) shown, by member."""
        committee = fixed.round.committee
        tasks: dict[PersonId, dict[Masks, bool]] = {}
        for holders, masks in duties.items():
            for at, holder in enumerate(holders):
                who = committee.members[holder]
                is_shown = at == 0 and masks not in self._sums
                if is_shown or (who, masks) not in fixed.opened:
                    tasks.setdefault(who, {})[masks] = is_shown
        said = {who for who, _ in fixed.opened} | tasks.keys()
        for at, who in enumerate(committee.members):
            if who not in said and who not in self._words:
                tasks[who] = {1 << held(committee.size, at)[0]: False}
        return tasks

    def _ask(
        self, fixed: FixedSet, tasks: Mapping[PersonId, Mapping[Masks, bool]]
    ) -> Answers[tuple[bytes, ...]]:
        def read(who: PersonId, message: Message) -> tuple[bytes, ...]:
            opened = read_opened(message)
            if (opened.job_id, opened.round) != (fixed.round.job_id, fixed.round.number):
                raise Reject("its sums are of another round")
            if opened.sums and len(opened.sums) != sum(tasks[who].values()):
                raise Reject("it does not show the sums that it was asked for")
            return opened.sums

        questions = {who: self._question(fixed, who, mine) for who, mine in tasks.items()}
        return ask(*(self.grid, self.roster, questions, read), needed=0, seconds=self.seconds)

    def _settle(self, fixed: FixedSet) -> FixedSet:
        """Has complaints answered. Raises RoundFailed when a partner does not show that its box is right."""
        for member, complaint in fixed.complaints.items():
            if complaint.is_refuted or member in self._faulty:
                continue
            task = AnswerTask(fixed.round.job_id, fixed.round.number, member)
            question: Question = partial(answer_message, task)
            ask(
                *(self.grid, self.roster, {complaint.partner: question}),
                *(lambda _, message: read_answer(message),),
                needed=0,
                seconds=self.seconds,
            )
        fixed = self.log.fixed()
        for member, complaint in fixed.complaints.items():
            if not complaint.is_refuted:
                accused = complaint.partner
                raise RoundFailed(
                    f"{short(accused)} sealed wrong seeds to {short(member)}", faulty=[accused]
                )
            self._words[member] = "complained of a box that is right"
            self._faulty.add(member)
        return fixed

    def _question(self, fixed: FixedSet, who: PersonId, mine: Mapping[Masks, bool]) -> Question:
        member = fixed.round.committee.members.index(who)
        shares = self._shares(fixed, member)
        masks = tuple(sorted(mine))
        task = OpenTask(
            *(fixed.round.job_id, fixed.round.number, shares),
            *(masks, tuple(mine[each] for each in masks)),
        )
        return lambda node, ttl_seconds: open_message(task, node, ttl_seconds)

    def _take(
        self,
        fixed: FixedSet,
        tasks: Mapping[PersonId, Mapping[Masks, bool]],
        answers: Answers[tuple[bytes, ...]],
    ) -> None:
        """Keeps sums that are what their member said in the log; others are as good as none."""
        for who, mine in tasks.items():
            if who not in answers.accepted:
                self._words[who] = answers.refusals.get(who, "did not answer in time")
                continue
            shown = sorted(masks for masks, is_shown in mine.items() if is_shown)
            for masks, raw in zip(shown, answers.accepted[who], strict=False):
                if fixed.opened.get((who, masks)) != hashlib.sha256(raw).digest():
                    self._words[who] = "showed another sum than it said in the log"
                    break
                length = self.ring.packed_bytes(self.size)
                if len(raw) != length * len(fixed.groups):
                    self._words[who] = "showed sums of another length"
                    break
                parts = [raw[at : at + length] for at in range(0, len(raw), length)]
                self._sums[masks] = [self.ring.unpack(part, self.size) for part in parts]

    def _shares(self, fixed: FixedSet, member: int) -> bytes:
        return b"".join(self.sealed[each].share(member).encode() for each in fixed.partners)

    def _compared(self, fixed: FixedSet, duties: Mapping[tuple[int, ...], Masks]) -> Uncovered:
        """What is opened; where members contradict each other, by the seeds themselves."""
        for masks in duties.values():
            if fixed.contradicted(masks):
                self._sums[masks] = self._recomputed(fixed, masks)
        by_group = zip(*(self._sums[masks] for masks in duties.values()), strict=True)
        return Uncovered(fixed.groups, tuple(by_group), tuple(sorted(self._faulty)))

    def _recomputed(self, fixed: FixedSet, masks: Masks) -> list[Words]:
        """The sums of contradicted masks, from the seeds of whoever shows them; names who said otherwise.

        Seeds are what their partners committed to, so that nobody can lie about them. Raises RoundFailed when
        nobody shows any.
        """
        said = {who: sum_ for (who, each), sum_ in fixed.opened.items() if each == masks}
        members = fixed.round.committee.members

        def question(who: PersonId) -> Question:
            shares = self._shares(fixed, members.index(who))
            task = ShowTask(fixed.round.job_id, fixed.round.number, shares, masks)
            return partial(show_message, task)

        def read(_: PersonId, message: Message) -> dict[PersonId, dict[int, bytes]]:
            return self._seeds(fixed, masks, read_shown(message).seeds)

        questions = {who: question(who) for who in said}
        shown = ask(
            *(self.grid, self.roster, questions, read), needed=1, seconds=self.seconds
        ).accepted
        if not shown:
            names = " and ".join(map(short, said))
            raise RoundFailed(f"{names} contradict each other, and show no seeds", list(said))
        seeds = next(iter(shown.values()))
        sums = [
            sum_masks(self.ring, self.size, masks, [seeds[who] for who in group])
            for group in fixed.groups
        ]
        right = hashlib.sha256(b"".join(map(self.ring.pack, sums))).digest()
        self._faulty |= {who for who, sum_ in said.items() if sum_ != right}
        return sums

    def _seeds(self, fixed: FixedSet, masks: Masks, raw: bytes) -> dict[PersonId, dict[int, bytes]]:
        """By partner and mask. Raises Reject for any that its partner did not commit to."""
        names = list(masks_of(masks))
        if len(raw) != SEED_BYTES * len(names) * len(fixed.partners):
            raise Reject("these are not all seeds of the set")
        seeds: dict[PersonId, dict[int, bytes]] = {}
        at = 0
        for partner in fixed.partners:
            mine = seeds.setdefault(partner, {})
            for mask in names:
                mine[mask] = raw[at : at + SEED_BYTES]
                at += SEED_BYTES
                if commitment(mine[mask]) != self.sealed[partner].commitments[mask]:
                    raise Reject("a seed is not the one that its partner committed to")
        return seeds

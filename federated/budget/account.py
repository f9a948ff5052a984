"""Reservations and charges: what data has spent, what is set aside for jobs that run, and what is left.

    reserve   a whole job, or nothing: decided and written in one step
    charge    a round of it; durable before anything is computed
    let go    the round's update may be on its way from here on: no second one is made for this charge
    end       the job is over: what it did not charge is free again

A job that was killed reserves the rounds that are still to come, and the one that was charged and whose
update did not leave yet: it costs what it would have cost, and not a round more.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from federated.budget.examples import Examples, Rows
from federated.budget.families import Families
from federated.budget.signed import Restored, SignedRound
from federated.budget.terms import Accountant, Claim, Held, Limit, Release, Spent, Standing, Towards
from protocol.errors import StateError
from protocol.limits import PPM

Rounds = Counter[Release]
"""How many rounds of each kind."""

# Charges of the family, and of data that nobody recognises.
_OURS: Final = "FROM charges JOIN data USING (commitment) WHERE (family = ? OR family IS NULL)"
_TO_COME: Final = (
    "SELECT job_id, sampling, noise, alone, max(0, max(rounds) - (SELECT count(*) FROM charges c"
    " JOIN data d USING (commitment) WHERE d.family = data.family AND c.job_id = r.job_id))"
    " FROM reservations r JOIN data USING (commitment) WHERE family = ? GROUP BY job_id"
)


class Budget(Families):
    """The open file, with its accountant."""

    def __init__(
        self, path: Path, accountant: Accountant, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises StoreError and ConfigError."""
        super().__init__(path)
        self._accountant, self._clock = accountant, clock

    # ---- a job ----

    def reserve(
        self,
        commitment: bytes,
        examples: Sequence[Examples | Rows],
        limit: Limit,
        claim: Claim,
        *,
        keep: bool = True,
    ) -> Standing:
        """Takes data under the budget and sets the whole job aside; without `keep` says what would be.

        `examples` may be empty for data that the budget knows. A limit may be lowered, never raised.
        Raises StateError where the job does not fit, and then changes nothing.
        """
        with self._transaction(keep=keep):
            family = self._take(commitment, examples, limit)
            self._require_delta(family, claim.delta)
            rounds = self._charged(family, claim.job_id) + self._to_come(family, claim)
            self._run(
                "DELETE FROM reservations WHERE job_id = ? AND commitment IN"
                " (SELECT commitment FROM data WHERE family = ?)",
                *(claim.job_id, family),
            )
            kind = claim.release
            self._run(
                "INSERT INTO reservations VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?)",
                *(commitment, claim.job_id, rounds, kind.sampling, kind.noise, kind.alone),
                *(claim.delta, self._now()),
            )
            self._require(family, claim.job_id)
            standing = self._standing(family)
            self._run(
                "UPDATE reservations SET epsilon_micro = ?, alone_micro = ?"
                " WHERE commitment = ? AND job_id = ?",
                *(standing.everybody.reserved, standing.alone.reserved, commitment, claim.job_id),
            )
            return standing

    def charge(self, commitment: bytes, job_id: str, round: int) -> int:
        """Pays for one round of a job that is reserved, once however often it is called; returns what
        the data has spent towards everybody, in micro at the job's delta, once that is durable.

        Raises StateError for a round whose update may have left, and for one that nothing is left for.
        """
        with self._transaction(in_log=True):
            family = self._family(commitment)
            release, delta = self._reserved(commitment, job_id)
            found = self._run(
                f"SELECT has_left {_OURS} AND job_id = ? AND round = ?", family, job_id, round
            )
            if any(has_left for (has_left,) in found):
                raise StateError(
                    f"an update of round {round} of {job_id!r} left this machine already,"
                    " and there is no second one",
                    "wait for the next round",
                )
            # A limit may have been lowered since, and the log may have shown us rounds that we had lost.
            self._require(family, job_id)
            if not found and not self._left(family, job_id):
                raise StateError(
                    f"all rounds that were set aside for {job_id!r} are spent",
                    "nothing was spent; its operator asks for more rounds than the job has",
                )
            spent = self._spent(family)
            if not found:
                spent[release] += 1
            after = self._account(spent, Towards.EVERYBODY, delta)
            if not found:
                each = SignedRound(commitment, job_id, round, release, delta, after)
                self._write(each, from_log=False)
            return after

    def let_go(self, commitment: bytes, job_id: str, round: int) -> None:
        """Notes, durably, that the update of a charged round may have left from now on."""
        with self._transaction(in_log=True):
            self._mark_left(commitment, job_id, round)

    def end(self, job_id: str) -> None:
        """Frees what was reserved for a job that is over. Its charges stay."""
        with self._transaction():
            self._run("DELETE FROM reservations WHERE job_id = ?", job_id)

    # ---- what stands ----

    def standing(self, commitment: bytes) -> Standing:
        """Spent, reserved and left towards each adversary."""
        with self._transaction(keep=False):
            return self._standing(self._family(commitment))

    def spent(self, commitment: bytes, delta: float | None = None) -> int:
        """Spent so far towards everybody, in micro, at the limit's delta or another one."""
        with self._transaction(keep=False):
            family = self._family(commitment)
            at = delta or self._limit(family).delta
            return self._account(self._spent(family), Towards.EVERYBODY, at)

    # ---- what its owner decides ----

    def raise_limit(self, commitment: bytes, limit: Limit, reason: str) -> tuple[Held, Held]:
        """Allows more than before, for this data and all that shares examples with it; gives the limit
        before and after. The decision and its reason stay in the file."""
        with self._transaction():
            family = self._family(commitment)
            before = self._limit(family)
            after = Held(
                limit.epsilon_micro,
                limit.alone_micro or before.alone_micro,
                limit.delta or before.delta,
            )
            self._set_limit(family, after)
            what = (
                f"limit from epsilon {before.epsilon_micro / PPM:g} and {before.alone_micro / PPM:g}"
                f" at delta {before.delta:g} to {after.epsilon_micro / PPM:g} and"
                f" {after.alone_micro / PPM:g} at {after.delta:g}"
            )
            self._decide(commitment, what, reason)
            return before, after

    def set_apart(self, commitment: bytes, limit: Limit, reason: str) -> None:
        """Its owner says that unknown data shares no example with any other. Raises StateError where
        the data is known."""
        with self._transaction():
            if not self._run(
                "SELECT 1 FROM data WHERE commitment = ? AND family IS NULL", commitment
            ):
                raise StateError(
                    "that is no data which this machine does not recognise",
                    "`commonhold federated budget` lists what it knows",
                )
            family = self._new_family(self._lowered([], limit, 0))
            self._run("UPDATE data SET family = ? WHERE commitment = ?", family, commitment)
            self._decide(commitment, "taken as other data than all else", reason)

    # ---- what the log knows ----

    def restore(self, signed: Iterable[SignedRound]) -> Restored:
        """Charges the rounds that we signed in the log and that this file does not have.

        Data that it does not know counts against all other data from then on: deleting the file, or
        its salts, gives nothing back.
        """
        rounds, unknown = 0, set()
        with self._transaction():
            for each in signed:
                known = self._run("SELECT 1 FROM data WHERE commitment = ?", each.commitment)
                if not known:
                    self._run("INSERT INTO data VALUES (?, NULL, 0)", each.commitment)
                    unknown.add(each.commitment)
                if self._run(
                    "SELECT 1 FROM charges WHERE commitment = ? AND job_id = ? AND round = ?",
                    *(each.commitment, each.job_id, each.round),
                ):
                    self._mark_left(each.commitment, each.job_id, each.round)
                    continue
                self._write(each, from_log=True)
                rounds += 1
        return Restored(rounds, tuple(sorted(unknown)))

    # ---- within a transaction ----

    def _write(self, each: SignedRound, *, from_log: bool) -> None:
        kind = each.release
        self._run(
            "INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(each.commitment, each.job_id, each.round, kind.sampling, kind.noise, kind.alone),
            *(each.delta, each.epsilon_micro, from_log, from_log, self._now()),
        )

    def _mark_left(self, commitment: bytes, job_id: str, round: int) -> None:
        self._run(
            "UPDATE charges SET has_left = 1 WHERE commitment = ? AND job_id = ? AND round = ?",
            *(commitment, job_id, round),
        )

    def _decide(self, commitment: bytes, what: str, reason: str) -> None:
        self._run(
            "INSERT INTO decisions VALUES (?, ?, ?, ?)", self._now(), commitment, what, reason
        )

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _standing(self, family: int) -> Standing:
        limit, spent = self._limit(family), self._spent(family)
        reserved = self._reserved_rounds(family)
        everybody, alone = (
            Spent(
                self._account(spent, whom, limit.delta),
                self._account(reserved, whom, limit.delta),
                limit.of(whom),
            )
            for whom in (Towards.EVERYBODY, Towards.ALONE)
        )
        related = self._run("SELECT count(*) FROM data WHERE family = ?", family)[0][0] - 1
        unknown = self._run(
            "SELECT count(*) FROM charges JOIN data USING (commitment) WHERE family IS NULL"
        )[0][0]
        return Standing(everybody, alone, limit.delta, related, unknown)

    def _require(self, family: int, job_id: str) -> None:
        """All that is reserved within the limit. A charge changes no reserved epsilon: its accountant
        remembers it."""
        limit, reserved = self._limit(family), self._reserved_rounds(family)
        for whom, words, option in (
            (Towards.EVERYBODY, "everybody who sees the models", "--epsilon-max"),
            (Towards.ALONE, "whoever sees your update alone", "--epsilon-alone-max"),
        ):
            after = self._account(reserved, whom, limit.delta)
            if after > limit.of(whom):
                spent = self._account(self._spent(family), whom, limit.delta)
                raise StateError(
                    f"with {job_id!r} this data would come to epsilon {after / PPM:.3f} towards"
                    f" {words}; its limit is {limit.of(whom) / PPM:g}, {spent / PPM:.3f} is spent",
                    "nothing was changed. Join a job that costs less; wait for the end of another one"
                    f" that is reserved; or allow more: new data by a larger {option}, data that has"
                    " a limit by `commonhold federated raise-limit`",
                )

    def _require_delta(self, family: int, delta: float) -> None:
        limit = self._limit(family).delta
        if delta > limit:
            raise StateError(
                f"the job states its epsilon at delta {delta:g}, and you allow {limit:g}: with a larger"
                " delta the same epsilon promises less",
                "its operator has to open one with a smaller delta; or allow it, by --delta-max or"
                " `commonhold federated raise-limit`",
            )

    def _to_come(self, family: int, claim: Claim) -> int:
        """Rounds from the present one on that are not charged."""
        charged = self._run(
            f"SELECT count(DISTINCT round) {_OURS} AND job_id = ? AND round >= ?",
            *(family, claim.job_id, claim.first),
        )
        return max(0, claim.rounds - int(charged[0][0]))

    def _charged(self, family: int, job_id: str) -> int:
        return int(
            self._run(
                "SELECT count(*) FROM charges JOIN data USING (commitment)"
                " WHERE family = ? AND job_id = ?",
                *(family, job_id),
            )[0][0]
        )

    def _left(self, family: int, job_id: str) -> int:
        return sum(row[4] for row in self._run(_TO_COME, family) if row[0] == job_id)

    def _reserved(self, commitment: bytes, job_id: str) -> tuple[Release, float]:
        rows = self._run(
            "SELECT sampling, noise, alone, delta FROM reservations"
            " WHERE commitment = ? AND job_id = ?",
            *(commitment, job_id),
        )
        if not rows:
            raise StateError(
                f"nothing is set aside for {job_id!r}", "join it by `commonhold federated join`"
            )
        sampling, noise, alone, delta = rows[0]
        return Release(sampling, noise, alone), delta

    def _spent(self, family: int) -> Rounds:
        return self._rounds(
            f"SELECT '', sampling, noise, alone, count(*) {_OURS} GROUP BY sampling, noise, alone",
            family,
        )

    def _reserved_rounds(self, family: int) -> Rounds:
        """Those that are spent among them."""
        return self._spent(family) + self._rounds(_TO_COME, family)

    def _rounds(self, sql: str, family: int) -> Rounds:
        found: Rounds = Counter()
        for _, sampling, noise, alone, rounds in self._run(sql, family):
            found[Release(sampling, noise, alone)] += rounds
        return found

    def _account(self, rounds: Rounds, whom: Towards, delta: float) -> int:
        mechanisms = [release.towards(whom, count) for release, count in rounds.items() if count]
        return self._accountant(mechanisms, delta) if mechanisms else 0

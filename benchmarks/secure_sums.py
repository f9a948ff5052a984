"""Secure sums: what a round costs a partner, how many bytes travel, and that the sum is exact.

Every partner's real code runs, one after the other: masks and sealed seeds by `federated.member`, what a
member must not forget in a file, openings over a set of partners; two members are away when it is opened.
Beside it the cost on paper of the other design that ADR 51 weighs.

    python -m benchmarks.secure_sums [--partners 10] [--values 1000000] [--bits 32] [--away 2] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from benchmarks.report import show
from commonground.committees import Committee, FixedSet, RoundStart, Signed
from federated.duty import Duty
from federated.member import Masked, Member
from federated.ring import Ring, Words
from federated.secure_sum import uncover
from protocol.committee import Masks, draw_committee, duties_of, set_digest, withheld
from protocol.identity import PersonId
from protocol.sealing import public_of

JOB: Final = "bench"
FLOAT_BYTES: Final = 4  # of a value of a plain update
# Of the other design: a share of a seed sealed to one partner, and the pairwise masks' common secrets.
SHAMIR_SHARE_BYTES: Final = 64


@dataclass
class Costs:
    """Of one partner in a round: processor time in seconds, bytes sent and received."""

    mask_s: float = 0.0
    open_s: float = 0.0
    sent: int = 0
    received: int = 0


def run(partners: int, values: int, bits: int, away: int) -> dict[str, object]:
    """One round. Raises AssertionError unless the sum is exact."""
    rng, ring = np.random.default_rng(1), Ring(bits)
    people = [PersonId(sha256(number.to_bytes(4, "big")).digest()) for number in range(partners)]
    costs = {person: Costs() for person in people}
    with TemporaryDirectory() as folder:
        members = {
            person: Member(person, JOB, Duty.open(Path(folder) / f"{number}.db"), ring)
            for number, person in enumerate(people)
        }
        start = _start(members)
        plain, hidden = ring.zeros(values), ring.zeros(values)
        given: dict[PersonId, Masked] = {}
        for person, member in members.items():
            mine = ring.of(rng.integers(-(2**20), 2**20, values))
            plain += mine
            began = time.process_time()
            given[person] = masked = member.mask(start, mine)
            costs[person].mask_s = time.process_time() - began
            costs[person].sent += len(masked.hidden) + len(masked.sealed.encode())
            hidden += ring.unpack(masked.hidden, values)
            given[person] = Masked(masked.signed.update, masked.sealed)  # the values are in the sum
        there = start.committee.size - min(away, start.committee.size - start.committee.needed)
        sums = _open(members, _fixed(start, given), given, values, there, costs=costs)
        total = uncover(ring, [hidden], sums, values)
        assert ring.pack(total) == ring.pack(plain), "the sum is not that of the values"
        for member in members.values():
            member.duty.close()
    return _figures(start.committee, costs, partners, values, bits)


def _start(members: Mapping[PersonId, Member]) -> RoundStart:
    drawn = draw_committee(JOB, 1, b"seed", b"model", members)
    keys = tuple(public_of(members[person].duty.key(JOB)) for person in drawn)
    return RoundStart(bytes(32), JOB, 1, bytes(32), Committee(drawn, keys))


def _fixed(start: RoundStart, given: Mapping[PersonId, Masked]) -> FixedSet:
    signed = {who: Signed(given[who].hidden, given[who].sealed.digest) for who in sorted(given)}
    digest = set_digest(
        start.network, JOB, 1, ((who, each.update, each.seeds) for who, each in signed.items())
    )
    return FixedSet(start, digest, signed, (tuple(signed),), {}, {})


def _open(
    members: Mapping[PersonId, Member],
    fixed: FixedSet,
    given: Mapping[PersonId, Masked],
    values: int,
    there: int,
    *,
    costs: Mapping[PersonId, Costs],
) -> list[Words]:
    """The masks' sums, once each; by the members that are there."""
    committee, ring = fixed.round.committee, next(iter(members.values())).ring
    duties = duties_of(committee.size, range(there))
    assert duties is not None
    sums: dict[Masks, Words] = {}
    for seat, person in enumerate(committee.members):
        mine = [masks for holders, masks in duties.items() if seat in holders]
        if not mine:
            continue
        shares = b"".join(given[who].sealed.share(seat).encode() for who in fixed.partners)
        began = time.process_time()
        opened = members[person].open(fixed, shares, mine, values)
        costs[person].open_s = time.process_time() - began
        costs[person].received += len(shares)
        for holders, masks in duties.items():
            if holders[0] == seat:
                costs[person].sent += len(opened[masks])
                sums[masks] = ring.unpack(opened[masks], values)
            elif seat in holders:
                assert masks not in sums or ring.pack(sums[masks]) == opened[masks]
    return list(sums.values())


def _figures(
    committee: Committee, costs: Mapping[PersonId, Costs], partners: int, values: int, bits: int
) -> dict[str, object]:
    cpu = [each.mask_s + each.open_s for each in costs.values()]
    sent, plain = sum(each.sent for each in costs.values()), partners * values * FLOAT_BYTES
    pairs = partners - 1  # of masks, with the complete graph of the other design
    return {
        "partners": partners,
        "values": values,
        "bits": bits,
        "committee": committee.size,
        "masks": len(withheld(committee.size)),
        "secure_sum_exact": True,
        "cpu_s_per_partner_mean": round(sum(cpu) / partners, 3),
        "cpu_s_per_partner_max": round(max(cpu), 3),
        "cpu_s_mask_mean": round(sum(each.mask_s for each in costs.values()) / partners, 3),
        "cpu_s_open_max": round(max(each.open_s for each in costs.values()), 3),
        "bytes_sent_per_partner_mean": sent // partners,
        "bytes_sent_to_plain_fp32": round(sent / plain, 3),
        "bytes_received_for_opening_max": max(each.received for each in costs.values()),
        "double_masks_streams_per_partner": pairs + 1,
        "double_masks_bytes_to_plain_fp32": round(
            (-(-values * bits // 8) + pairs * 2 * SHAMIR_SHARE_BYTES) / (values * FLOAT_BYTES), 3
        ),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partners", type=int, default=10)
    parser.add_argument("--values", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=32)
    parser.add_argument("--away", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    figures = run(asked.partners, asked.values, asked.bits, asked.away)
    if asked.json:
        print(json.dumps(figures))
    else:
        show(figures)

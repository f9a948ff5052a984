"""The fold: what a partner sealed is complained of and shown, and who lied follows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest

from protocol.committee import withheld
from protocol.identity import PersonId
from protocol.sealing import public_of
from protocol.shares import Place, Sealed, seal_seeds
from protos.gen import records_pb2 as pb
from tests.fold import changed, refuses, same
from tests.simulated import NETWORK, Network, Person
from tests.simulated_training import (
    add_round,
    committee,
    enrol,
    failed_of,
    fix,
    open_job,
    open_sums,
    round_of,
    sealing_of,
    start,
    train,
    update,
    update_of,
)

SPARE = 2


def secret(*what: object) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


@dataclass
class Sealing:
    """A round of three partners, in which `partner` sealed something to `member`."""

    net: Network
    partner: Person
    member: Person
    sealed: Sealed

    @property
    def seat(self) -> int:
        return committee(self.net).index(self.member)

    def complaint(self, **changes: object) -> pb.Complaint:
        body = pb.Complaint(
            network=NETWORK,
            job_id="train",
            round=self.net.state.jobs["train"].present,
            partner=self.partner.id,
            share=self.sealed.share(self.seat).encode(),
        )
        return changed(body, **changes)

    def disclosure(self, **changes: object) -> pb.Disclosure:
        body = pb.Disclosure(
            network=NETWORK,
            job_id="train",
            round=self.net.state.jobs["train"].present,
            member=self.member.id,
            ephemeral=secret("ephemeral", self.seat),
        )
        return changed(body, **changes)


def sealing(net: Network, wrong: bool) -> Sealing:
    """`wrong`: the member's box holds other seeds than were committed to."""
    open_job(net, *net.people[:3], spare_rounds=SPARE)
    enrol(net, *net.people[:3])
    start(net)
    partner, member, other = committee(net)
    place = Place(net.state.network, "train", 1, PersonId(partner.id))
    keyed = [(each.id, public_of(sealing_of(each))) for each in committee(net)]
    ephemerals = [secret("ephemeral", seat) for seat in range(3)]
    seeds = [secret("seed", mask) for mask in range(len(withheld(3)))]
    sealed = seal_seeds(place, seeds, keyed, ephemerals)
    if wrong:
        others = seal_seeds(place, [secret(seed) for seed in seeds], keyed, ephemerals)
        sealed = Sealed(sealed.commitments, (sealed.boxes[0], others.boxes[1], sealed.boxes[2]))
    body = update_of(net, partner)
    body.seeds = sealed.digest
    net.add(partner, "update", body)
    update(net, member, other)
    return Sealing(net, partner, member, sealed)


def test_a_partner_that_sealed_wrong_seeds_is_named_and_left_out(net: Network) -> None:
    case = sealing(net, wrong=True)
    with refuses("not fixed yet"):
        net.add(case.member, "complaint", case.complaint())
    fix(net, *net.people[:3])
    with refuses("whom nobody contradicts"):
        net.add(net.operator, "failed-round", failing(net, case.partner))
    net.add(case.member, "complaint", case.complaint())
    with refuses("has complained in this round already"):
        net.add(case.member, "complaint", case.complaint())
    with refuses("not hold the seeds that were committed to"):
        net.add(case.partner, "disclosure", case.disclosure())
    with refuses("whom nobody contradicts"):
        net.add(net.operator, "failed-round", failing(net, case.member))
    net.add(net.operator, "failed-round", failing(net, case.partner))
    with refuses("lied in an earlier round"):
        update(net, case.partner)
    assert case.partner not in committee(net)
    train(net, *[each for each in net.people[:3] if each is not case.partner])
    assert same(net.replay(), net.state)


def failing(net: Network, faulty: Person) -> pb.FailedRound:
    body = failed_of(net)
    body.faulty.append(faulty.id)
    return body


def test_a_member_that_complains_of_a_right_box_is_named_and_the_round_goes_on(
    net: Network,
) -> None:
    case = sealing(net, wrong=False)
    fix(net, *net.people[:3])
    with refuses("has not complained of this partner"):
        net.add(case.partner, "disclosure", case.disclosure())
    net.add(case.member, "complaint", case.complaint())
    other = next(each for each in committee(net) if each not in (case.partner, case.member))
    with refuses("has not complained of this partner"):
        net.add(other, "disclosure", case.disclosure())
    with refuses("did not seal this box"):
        net.add(case.partner, "disclosure", case.disclosure(ephemeral=secret("another")))
    with refuses("the key of a box has 32 bytes"):
        net.add(case.partner, "disclosure", case.disclosure(ephemeral=b"short"))
    net.add(case.partner, "disclosure", case.disclosure())
    with refuses("refuted already"):
        net.add(case.partner, "disclosure", case.disclosure())
    with refuses("whom nobody contradicts"):
        net.add(net.operator, "failed-round", failing(net, case.partner))
    open_sums(net, case.partner, other)
    body = round_of(net, *net.people[:3])
    body.faulty.append(case.member.id)
    add_round(net, body)
    with refuses("lied in an earlier round"):
        update(net, case.member)
    assert net.state.complaints.count("train") == 0
    assert same(net.replay(), net.state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": b""}, "a share has"),
        ({"partner": bytes(32)}, "is not in the round's set"),
        ({"round": 2}, "has not begun"),
    ],
)
def test_a_complaint_is_of_what_a_partner_of_the_set_signed(
    net: Network, change: dict[str, object], message: str
) -> None:
    case = sealing(net, wrong=True)
    fix(net, *net.people[:3])
    with refuses(message):
        net.add(case.member, "complaint", case.complaint(**change))
    share = case.complaint().share
    forged = share[:-1] + bytes([share[-1] ^ 1])
    with refuses("this is not what"):
        net.add(case.member, "complaint", case.complaint(share=forged))
    with refuses("this is not what"):
        net.add(case.partner, "complaint", case.complaint())  # it is not his box
    with refuses("not in the round's committee"):
        net.add(net.people[3], "complaint", case.complaint())
    net.add(case.member, "complaint", case.complaint())

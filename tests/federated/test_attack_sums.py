"""Secure sums against machines that cheat: a coordinator, members below the threshold, and partners."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from commonground.committees import FixedSet
from federated.committee_app import serve_committee
from federated.duty import Duty
from federated.flower.grid import LocalGrid
from federated.member import Member
from federated.messages import (
    AnswerTask,
    Opened,
    OpenTask,
    Shown,
    ShowTask,
    answer_message,
    open_message,
    opened_message,
    read_opened,
    read_show,
    show_message,
    shown_message,
)
from federated.opening import RoundFailed
from protocol.committee import bits_of, held, withheld
from protocol.errors import StateError
from protocol.shares import Sealed
from tests.federated_lab import Log
from tests.federated_lab_sums import RING, SIZE, Make, SumLab
from tests.simulated import Person
from tests.simulated_training import failed_of


def ask(lab: SumLab, person: Person, message: Message, app: ClientApp | None = None) -> Message:
    """One message to one machine, and what it answers."""
    grid = LocalGrid({lab.key(person): app or lab.app(person)})
    return next(iter(grid.send_and_receive([message])))


def refusal(lab: SumLab, person: Person, message: Message, app: ClientApp | None = None) -> str:
    """Why a machine does not do what it is asked."""
    return ask(lab, person, message, app).error.reason or ""


def seat_of(lab: SumLab, person: Person) -> int:
    return lab.committee.index(person)


def shares(lab: SumLab, person: Person) -> bytes:
    """What the member gets of the round's set."""
    seat = seat_of(lab, person)
    return b"".join(lab.given[who].sealed.share(seat).encode() for who in lab.log.fixed().partners)


def duty(lab: SumLab, person: Person, **changes: object) -> Message:
    """A question to a member about all the masks that it holds."""
    mine = bits_of(held(len(lab.committee), seat_of(lab, person)))
    task = OpenTask("train", lab.log.round().number, shares(lab, person), (mine,), (True,))
    return open_message(replace(task, **changes), 1, 60)  # type: ignore[arg-type]


def fixed_lab(make: Make, count: int = 5) -> SumLab:
    lab = make(count)
    lab.submit(*lab.people)
    lab.fix(*lab.people)
    return lab


# ---- a coordinator that wants more than the sum ----


def test_a_member_opens_nothing_before_the_set_is_in_its_log(make: Make) -> None:
    lab = make(3)
    lab.submit(*lab.people)
    member = lab.committee[0]
    message = open_message(OpenTask("train", 1, b"", (1,), (True,)), 1, 60)
    assert "no set of round 1" in refusal(lab, member, message)
    lab.fix(*lab.people)
    assert not ask(lab, member, duty(lab, member)).has_error()


def test_a_member_shows_nothing_before_enough_have_said_the_same(make: Make) -> None:
    """One member alone is no proof that the others see the same set."""
    lab = fixed_lab(make)
    first, *others = lab.committee
    for member in (first, *others[:2]):
        assert read_opened(ask(lab, member, duty(lab, member))).sums == ()
    assert len(read_opened(ask(lab, others[2], duty(lab, others[2]))).sums) == 1
    assert len(read_opened(ask(lab, first, duty(lab, first))).sums) == 1, "now it does, too"


class Forked(Log):
    """A log in which the round has another set."""

    def await_set(self, number: int) -> FixedSet:
        true = super().await_set(number)
        fewer = dict(list(true.partners.items())[1:])
        return replace(true, partners=fewer, groups=(tuple(fewer),), digest=bytes(32), opened={})


def test_a_member_opens_one_set_of_a_round_for_ever(make: Make) -> None:
    """A forked log shows it another one: the difference of two sums would be an update."""
    lab = fixed_lab(make)
    member = lab.committee[0]
    assert not ask(lab, member, duty(lab, member)).has_error()
    machine = lab.members[member.id]
    machine.duty.close()
    again = Member(member.id, "train", Duty.open(lab.folder / f"{member.name}.db"), RING)
    lab.members[member.id] = again
    app = ClientApp()
    serve_committee(app, again, Forked(lab.net, member), SIZE)
    fork = duty(lab, member, shares=shares(lab, member)[len(shares(lab, member)) // 5 :])
    assert "opens another set of round 1" in refusal(lab, member, fork, app)
    assert not ask(lab, member, duty(lab, member)).has_error(), "the first one it opens again"


def test_a_member_opens_no_round_that_is_over(make: Make) -> None:
    lab = fixed_lab(make)
    member = lab.committee[0]
    replayed = duty(lab, member)
    lab.net.add(lab.net.operator, "failed-round", failed_of(lab.net))
    assert "no set of round 1" in refusal(lab, member, replayed)


def test_a_member_does_what_is_its_duty_and_nothing_else(make: Make) -> None:
    lab = fixed_lab(make)
    member, other = lab.committee[:2]
    lacking = next(at for at, without in enumerate(withheld(5)) if seat_of(lab, member) in without)
    good = shares(lab, member)
    for changes, says in (
        ({"duties": (1 << lacking,)}, "does not hold these masks"),
        ({"duties": (0,)}, "does not hold these masks"),
        ({"duties": (-1,)}, "does not hold these masks"),
        ({"duties": (1 << 40,)}, "does not hold these masks"),
        ({"duties": (), "shown": ()}, "does not hold these masks"),
        ({"shares": good[:-1]}, "not one share for each partner"),
        ({"shares": b""}, "not one share for each partner"),
        ({"shares": good[:-1] + bytes([good[-1] ^ 1])}, "is not the one that it signed"),
        ({"shares": shares(lab, other)}, "is not the one that it signed"),
        ({"job_id": "other"}, "and no other"),
        ({"shown": ()}, "has no round, or not its content"),
    ):
        assert says in refusal(lab, member, duty(lab, member, **changes)), changes
    assert lab.log.fixed().opened == {}, "nothing of it was said"
    outsider = make(9)
    outsider.submit(*outsider.people)
    outsider.fix(*outsider.people)
    [stranger, *_] = [each for each in outsider.people if each not in outsider.committee]
    task = OpenTask("train", 1, b"", (1,), (True,))
    asked = open_message(task, 1, 60)
    assert "not in the round's committee" in refusal(outsider, stranger, asked)


def test_nobody_shows_seeds_or_boxes_that_nobody_contests(make: Make) -> None:
    lab = fixed_lab(make)
    member, other = lab.committee[:2]
    lab.open()
    mine = bits_of(held(5, seat_of(lab, member)))
    said = next(masks for who, masks in lab.log.fixed().opened if who == member.id)
    for masks in (mine, said):
        show = show_message(ShowTask("train", 1, shares(lab, member), masks), 1, 60)
        assert "nobody contradicts" in refusal(lab, member, show)
    answer = answer_message(AnswerTask("train", 1, other.id), 1, 60)
    assert "no complaint" in refusal(lab, member, answer)


# ---- members who lie ----


class Liar(Member):
    """Adds one to whatever it sums."""

    def open(self, *arguments: object) -> dict[int, bytes]:
        true = Member.open(self, *arguments)  # type: ignore[arg-type]
        lies = {masks: RING.unpack(raw, SIZE) + RING.dtype.type(1) for masks, raw in true.items()}
        return {masks: RING.pack(lie) for masks, lie in lies.items()}


def lying(lab: SumLab, person: Person) -> None:
    member = lab.members[person.id]
    lab.members[person.id] = Liar(member.me, member.job_id, member.duty, member.ring)


@pytest.mark.parametrize("count", [3, 4, 5, 7])
@pytest.mark.parametrize("seat", [0, 1])
def test_a_member_that_lies_is_named_and_the_sum_is_right(
    make: Make, count: int, seat: int
) -> None:
    lab = fixed_lab(make, count)
    liar = lab.committee[seat]
    lying(lab, liar)
    opened = lab.open()
    assert opened.faulty == (liar.id,)
    lab.assert_exact(opened)


def test_two_liars_of_seven_are_named(make: Make) -> None:
    lab = fixed_lab(make, 7)
    liars = lab.committee[2], lab.committee[5]
    for liar in liars:
        lying(lab, liar)
    opened = lab.open()
    assert set(opened.faulty) == {liar.id for liar in liars}
    lab.assert_exact(opened)


def test_who_shows_another_sum_than_it_said_is_replaced(make: Make) -> None:
    lab = fixed_lab(make)
    liar = lab.committee[0]

    def hook(honest: ClientApp, message: Message, context: Context) -> Message:
        answer = honest(message, context)
        opened = read_opened(answer)
        return opened_message(
            replace(opened, sums=tuple(raw[::-1] for raw in opened.sums)), message
        )

    lab.hooks[liar.id] = hook
    lab.assert_exact(lab.open())


@pytest.mark.parametrize("sums", [(b"",), (b"1",) * 9, (bytes(1_000),)])
def test_junk_for_a_sum_is_as_good_as_none(make: Make, sums: tuple[bytes, ...]) -> None:
    lab = fixed_lab(make)
    liar = lab.committee[0]

    def hook(_honest: ClientApp, message: Message, _context: Context) -> Message:
        return opened_message(Opened("train", 1, sums), message)

    lab.hooks[liar.id] = hook
    lab.assert_exact(lab.open())


@pytest.mark.parametrize("seeds", [b"", bytes(32), None])
def test_a_liar_cannot_show_seeds_that_nobody_committed_to(make: Make, seeds: bytes | None) -> None:
    """Nor does it help to show none: the other one's are enough."""
    lab = fixed_lab(make, 3)
    liar = lab.committee[0]
    lying(lab, liar)

    def hook(honest: ClientApp, message: Message, context: Context) -> Message:
        if not message.metadata.message_type.endswith("show"):
            return honest(message, context)
        if seeds is None:
            raise StateError("no")
        count = len(lab.people) * read_show(message).masks.bit_count()
        return shown_message(Shown("train", 1, seeds * count), message)

    lab.hooks[liar.id] = hook
    opened = lab.open()
    assert opened.faulty == (liar.id,)
    lab.assert_exact(opened)


def test_a_member_that_complains_of_a_right_box_is_named(make: Make) -> None:
    lab = fixed_lab(make)
    liar, victim = lab.committee[:2]

    def hook(honest: ClientApp, message: Message, context: Context) -> Message:
        if message.metadata.message_type.endswith("open"):
            fixed = lab.log.fixed()
            if liar.id not in fixed.complaints:
                share = lab.given[victim.id].sealed.share(seat_of(lab, liar))
                Log(lab.net, liar).complain(fixed, victim.id, share)
            raise StateError("the box is wrong")
        return honest(message, context)

    lab.hooks[liar.id] = hook
    opened = lab.open()
    assert opened.faulty == (liar.id,)
    lab.assert_exact(opened)


# ---- partners who seal something else ----


def seal_wrong(lab: SumLab, partner: Person, member: Person) -> None:
    """The member's box has other seeds than the partner committed to."""
    machine = lab.members[partner.id]
    values = RING.of(np.arange(SIZE))
    good, other = (machine.mask(lab.log.round(), values) for _ in range(2))
    boxes = list(good.sealed.boxes)
    boxes[seat_of(lab, member)] = other.sealed.boxes[seat_of(lab, member)]
    lab.sign(partner, values, replace(good, sealed=Sealed(good.sealed.commitments, tuple(boxes))))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_partner_that_sealed_wrong_seeds_is_named_and_the_next_round_is_without_it(
    make: Make, count: int
) -> None:
    lab = make(count)
    bad, member = lab.committee[:2]
    seal_wrong(lab, bad, member)
    lab.submit(*[each for each in lab.people if each is not bad])
    lab.fix(*lab.people)
    with pytest.raises(RoundFailed, match="sealed wrong seeds") as failed:
        lab.open()
    assert failed.value.faulty == (bad.id,)
    lab.log.fail(failed.value, 1)
    assert bad not in lab.committee
    assert bad.id not in lab.log.partners().values()
    rest = [each for each in lab.people if each is not bad]
    lab.given.clear()
    lab.submit(*rest)
    lab.fix(*rest)
    lab.assert_exact(lab.open())


def test_a_partner_that_does_not_answer_a_complaint_is_named(make: Make) -> None:
    """It died, or does not want to: the round goes on without it either way."""
    lab = make(4)
    bad, member = lab.committee[:2]
    seal_wrong(lab, bad, member)
    lab.submit(*[each for each in lab.people if each is not bad])
    lab.fix(*lab.people)
    with pytest.raises(RoundFailed, match="sealed wrong seeds") as failed:
        lab.open(silent=[bad])
    assert failed.value.faulty == (bad.id,)


def test_boxes_of_one_round_are_sealed_with_keys_of_their_own(make: Make) -> None:
    """Other seeds never meet a key that sealed something already, and the same key answers for the box."""
    lab = make(3)
    machine = lab.members[lab.people[0].id]
    first, second = (machine.mask(lab.log.round(), RING.zeros(SIZE)) for _ in range(2))
    keys = {box[:32] for each in (first, second) for box in each.sealed.boxes}
    assert len(keys) == 6
    assert first.hidden != second.hidden

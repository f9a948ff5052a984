"""The common coin: dealing, complaining, tossing. Each refusal stands beside what is accepted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import combinations

import pytest
from nacl import bindings
from nacl.signing import SigningKey

from protocol.coin.dealing import (
    Complaint,
    Deal,
    check_complaint,
    check_deal,
    make_complaint,
    make_deal,
    open_value,
    public_shares,
    threshold_of,
)
from protocol.coin.group import (
    ORDER,
    Point,
    add,
    check_point,
    hash_to_point,
    multiply,
    multiply_base,
    secret_of,
    subtract,
)
from protocol.coin.proof import Statement, check_known, check_proof, prove, prove_known
from protocol.coin.toss import Share, check_share, combine, make_share
from protocol.errors import Reject

PLACE = hashlib.sha256(b"the dealing").digest()
ROUND = hashlib.sha256(b"a round").digest()
BASE = multiply_base(1)
# A point of order 8: libsodium's own list of small orders has it.
SMALL = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")


def seed_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


class Witnesses:
    """`count` witnesses with keys, of whom those in `dealers` (places from 1) have dealt."""

    def __init__(self, count: int, dealers: tuple[int, ...] | None = None) -> None:
        seeds = [seed_of(f"witness {at}") for at in range(1, count + 1)]
        self.secrets = [secret_of(seed) for seed in seeds]
        self.keys = [Point(bytes(SigningKey(seed).verify_key)) for seed in seeds]
        self.deals = {
            at: make_deal(seed_of(f"deal {at}"), PLACE, self.keys)
            for at in dealers or range(1, count + 1)
        }

    def share_of(self, at: int) -> int:
        """What the witness at this place holds of the secret."""
        values = [
            open_value(deal, PLACE, at, self.keys[at - 1], self.secrets[at - 1])
            for deal in self.deals.values()
        ]
        return sum(value for value in values if value is not None) % ORDER

    def toss(self, places: tuple[int, ...], at_round: bytes = ROUND) -> bytes:
        public = public_shares(self.deals.values(), len(self.keys))
        points = {}
        for at in places:
            share = make_share(at_round, public[at - 1], self.share_of(at))
            check_share(share, at_round, public[at - 1])
            points[at] = share.point
        return combine(at_round, points)


@pytest.fixture(scope="module")
def five() -> Witnesses:
    return Witnesses(5)


# ---- the group ----


def test_a_node_key_is_the_public_point_of_its_secret() -> None:
    seed = seed_of("somebody")
    assert multiply_base(secret_of(seed)) == bytes(SigningKey(seed).verify_key)


def test_points_of_small_order_and_other_bytes_are_refused() -> None:
    assert check_point(BASE, "it") == BASE
    for junk in (SMALL, bytes(32), b"\x01" + bytes(31), b"\xff" * 32, BASE + b"\0", b""):
        with pytest.raises(Reject, match="it is not a point"):
            check_point(junk, "it")


def test_a_point_with_a_part_of_small_order_is_refused() -> None:
    assert check_point(multiply_base(7), "it")
    with pytest.raises(Reject):
        check_point(bindings.crypto_core_ed25519_add(multiply_base(7), SMALL), "it")


def test_multiples_of_the_order_are_refused() -> None:
    assert multiply(ORDER + 2, BASE) == multiply_base(2)
    for scalar in (0, ORDER):
        with pytest.raises(Reject):
            multiply(scalar, BASE)
        with pytest.raises(Reject):
            multiply_base(scalar)


def test_hashed_points_differ_by_domain_and_text() -> None:
    found = {hash_to_point(domain, text) for domain in ("a", "b") for text in (PLACE, ROUND)}
    assert len(found) == 4
    assert all(check_point(point, "it") for point in found)


# ---- proofs ----


def statement(secret: int) -> Statement:
    base = hash_to_point("test", PLACE)
    return Statement(PLACE, multiply_base(secret), base, multiply(secret, base))


def test_a_proof_holds_for_its_statement_alone() -> None:
    made = statement(1234)
    proof = prove(made, 1234)
    check_proof(made, proof)
    others = (
        replace(made, place=ROUND),
        replace(made, public=multiply_base(1235)),
        replace(made, base=hash_to_point("test", ROUND)),
        replace(made, image=multiply(1235, made.base)),
    )
    for other in others:
        with pytest.raises(Reject):
            check_proof(other, proof)


def test_nobody_proves_with_another_secret() -> None:
    made = statement(1234)
    with pytest.raises(Reject, match="does not hold"):
        check_proof(made, prove(made, 1235))


def test_who_knows_a_secret_says_so_for_one_place() -> None:
    proof = prove_known(PLACE, multiply_base(1234), 1234)
    check_known(PLACE, multiply_base(1234), proof)
    for place, public in ((ROUND, 1234), (PLACE, 1235)):
        with pytest.raises(Reject, match="does not hold"):
            check_known(place, multiply_base(public), proof)


@pytest.mark.parametrize("at", range(64))
def test_every_byte_of_a_proof_counts(at: int) -> None:
    made = statement(99)
    proof = bytearray(prove(made, 99))
    check_proof(made, bytes(proof))
    proof[at] ^= 1
    with pytest.raises(Reject):
        check_proof(made, bytes(proof))


def test_a_proof_has_one_encoding() -> None:
    made = statement(99)
    proof = prove(made, 99)
    for half in (0, 32):
        number = int.from_bytes(proof[half : half + 32], "little") + ORDER
        other = proof[:half] + number.to_bytes(32, "little") + proof[half + 32 :]
        with pytest.raises(Reject, match="canonical"):
            check_proof(made, other)
    for junk in (b"", proof[:-1], proof + b"\0", bytes(64)):
        with pytest.raises(Reject):
            check_proof(made, junk)


# ---- dealing ----


@pytest.mark.parametrize(
    ("witnesses", "threshold"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4)]
)
def test_more_than_half_determine_the_coin(witnesses: int, threshold: int) -> None:
    assert threshold_of(witnesses) == threshold


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_what_was_dealt_fits_the_public_shares(count: int) -> None:
    witnesses = Witnesses(count)
    public = public_shares(witnesses.deals.values(), count)
    for at in range(1, count + 1):
        assert multiply_base(witnesses.share_of(at)) == public[at - 1]


def test_a_deal_is_for_its_dealing(five: Witnesses) -> None:
    deal = five.deals[1]
    assert open_value(deal, PLACE, 2, five.keys[1], five.secrets[1]) is not None
    assert open_value(deal, ROUND, 2, five.keys[1], five.secrets[1]) is None
    assert open_value(deal, PLACE, 3, five.keys[1], five.secrets[1]) is None
    assert open_value(deal, PLACE, 2, five.keys[2], five.secrets[2]) is None


def test_deals_of_another_shape_are_refused(five: Witnesses) -> None:
    deal = five.deals[1]
    check_deal(deal, PLACE, 5)
    wrong = (
        replace(deal, commitments=deal.commitments[:-1]),
        replace(deal, commitments=(*deal.commitments, BASE)),
        replace(deal, values=deal.values[:-1]),
        replace(deal, values=(*deal.values, bytes(32))),
        replace(deal, values=(*deal.values[:-1], bytes(31))),
        replace(deal, ephemeral=Point(SMALL)),
        replace(deal, commitments=(Point(SMALL), *deal.commitments[1:])),
        replace(deal, knowledge=b""),
        replace(deal, knowledge=deal.knowledge + bytes(64)),
    )
    for each in wrong:
        with pytest.raises(Reject):
            check_deal(each, PLACE, 5)


def test_nobody_deals_what_another_has_committed_to(five: Witnesses) -> None:
    """A first coefficient that takes the others' away would leave a secret that one dealer knows."""
    others = five.deals[1].commitments[0]
    for at in range(2, 5):
        others = add(others, five.deals[at].commitments[0])
    last = five.deals[5]
    rogue = replace(last, commitments=(subtract(multiply_base(7), others), *last.commitments[1:]))
    with pytest.raises(Reject, match="does not hold"):
        check_deal(rogue, PLACE, 5)
    # Not with another's proof either: it is for another dealer's place.
    copied = replace(five.deals[1], ephemeral=last.ephemeral)
    with pytest.raises(Reject, match="does not hold"):
        check_deal(copied, PLACE, 5)
    with pytest.raises(Reject, match="does not hold"):
        check_deal(five.deals[1], ROUND, 5)


def test_nobody_has_complaints_show_what_another_dealt(five: Witnesses) -> None:
    """A wrong deal that is encrypted from another's ephemeral point would: one point opens both."""
    victim, thief = five.deals[1], spoil(five.deals[5], 2)
    theft = replace(thief, ephemeral=victim.ephemeral)
    shown = make_complaint(theft, PLACE, five.keys[1], five.secrets[1]).shared
    assert shown == make_complaint(victim, PLACE, five.keys[1], five.secrets[1]).shared
    with pytest.raises(Reject, match="does not hold"):
        check_deal(theft, PLACE, 5)


# ---- complaints ----


def spoil(deal: Deal, at: int) -> Deal:
    """The same deal with another value for the witness at this place."""
    values = list(deal.values)
    values[at - 1] = bytes(b ^ 1 for b in values[at - 1])
    return replace(deal, values=tuple(values))


def test_a_wrong_value_is_seen_and_shown(five: Witnesses) -> None:
    deal = spoil(five.deals[1], 2)
    key, secret = five.keys[1], five.secrets[1]
    assert open_value(deal, PLACE, 2, key, secret) is None
    check_complaint(make_complaint(deal, PLACE, key, secret), deal, PLACE, 2, key)
    # The others were dealt the right thing, and cannot say otherwise.
    assert open_value(deal, PLACE, 3, five.keys[2], five.secrets[2]) is not None
    with pytest.raises(Reject, match="is right"):
        complaint = make_complaint(deal, PLACE, five.keys[2], five.secrets[2])
        check_complaint(complaint, deal, PLACE, 3, five.keys[2])


def test_nobody_makes_a_right_deal_look_wrong(five: Witnesses) -> None:
    deal, key, secret = five.deals[1], five.keys[1], five.secrets[1]
    other = make_complaint(deal, PLACE, five.keys[2], five.secrets[2])
    honest = make_complaint(deal, PLACE, key, secret)
    forged = (
        other,  # another witness's key
        Complaint(BASE, honest.proof),  # another point, whose pad makes nonsense of the value
        Complaint(other.shared, honest.proof),
        Complaint(honest.shared, bytes(64)),
        Complaint(Point(SMALL), honest.proof),
    )
    for complaint in forged:
        with pytest.raises(Reject):
            check_complaint(complaint, deal, PLACE, 2, key)


def test_commitments_to_other_coefficients_are_a_wrong_deal_for_everybody(five: Witnesses) -> None:
    deal = replace(five.deals[1], commitments=five.deals[2].commitments)
    for at in range(1, 6):
        assert open_value(deal, PLACE, at, five.keys[at - 1], five.secrets[at - 1]) is None


def test_commitments_that_cancel_out_at_one_place_are_a_wrong_deal_there(five: Witnesses) -> None:
    # C0 + C1 x + C2 x^2 with C0 = -(C1 + C2): nothing is left at place 1.
    deal = five.deals[1]
    rest = subtract(subtract(BASE, deal.commitments[1]), deal.commitments[2])
    cancelled = subtract(rest, BASE)
    wrong = replace(deal, commitments=(cancelled, *deal.commitments[1:]))
    key, secret = five.keys[0], five.secrets[0]
    assert open_value(wrong, PLACE, 1, key, secret) is None
    check_complaint(make_complaint(wrong, PLACE, key, secret), wrong, PLACE, 1, key)


def test_deals_that_cancel_each_other_out_make_no_coin(five: Witnesses) -> None:
    deal = five.deals[1]
    negative = replace(
        deal, commitments=tuple(subtract(subtract(BASE, c), BASE) for c in deal.commitments)
    )
    assert public_shares([deal], 5)
    with pytest.raises(Reject, match="sum of the deals"):
        public_shares([deal, negative], 5)


# ---- tossing ----


def test_any_three_of_five_toss_the_same_coin(five: Witnesses) -> None:
    coins = {five.toss(places) for size in (3, 4, 5) for places in combinations(range(1, 6), size)}
    assert len(coins) == 1
    assert five.toss((3, 1, 2)) in coins  # in any order


def test_two_of_five_toss_another_number(five: Witnesses) -> None:
    coin = five.toss((1, 2, 3))
    assert all(five.toss(pair) != coin for pair in combinations(range(1, 6), 2))


def test_each_place_has_a_coin_of_its_own(five: Witnesses) -> None:
    assert five.toss((1, 2, 3)) != five.toss((1, 2, 3), PLACE)


def test_a_coin_holds_whoever_dealt_of_the_witnesses() -> None:
    few = Witnesses(5, dealers=(2, 4, 5))
    assert few.toss((1, 2, 3)) == few.toss((3, 4, 5)) != Witnesses(5).toss((1, 2, 3))


def test_one_witness_alone_is_its_own_coin() -> None:
    alone = Witnesses(1)
    assert alone.toss((1,)) == alone.toss((1,))


def test_a_witness_has_one_share(five: Witnesses) -> None:
    public = public_shares(five.deals.values(), 5)
    share = make_share(ROUND, public[0], five.share_of(1))
    check_share(share, ROUND, public[0])
    doubled = multiply(2, share.point)
    wrong = (
        (share, PLACE, public[0]),
        (share, ROUND, public[1]),
        (Share(doubled, share.proof), ROUND, public[0]),
        (make_share(ROUND, public[0], five.share_of(2)), ROUND, public[0]),
        (Share(Point(SMALL), share.proof), ROUND, public[0]),
        (Share(share.point, b""), ROUND, public[0]),
    )
    for each, place, key in wrong:
        with pytest.raises(Reject):
            check_share(each, place, key)
    twin = bindings.crypto_core_ed25519_add(share.point, SMALL)
    for point in (twin, SMALL):
        with pytest.raises(Reject, match="the share of the coin is not a point"):
            check_share(Share(Point(point), share.proof), ROUND, public[0])

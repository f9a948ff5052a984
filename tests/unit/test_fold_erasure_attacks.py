"""The fold: what withdrawal must not be good for, each beside what it is there for."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.errors import Misbehaviour
from protocol.lifecycle import ItemStatus
from protocol.log.batch import Erased, Leaf
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.review.fingerprints import fingerprint_text
from protocol.review.index import DuplicateIndex, strict_distance
from protocol.rules import sealing
from protocol.rules.sealing import Found
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import NEAR, encoded, ids, items, people, picture, refuses, same, shares_of, waiting
from tests.simulated import Network, campaign, part


def seal(net: Network, duplicates: dict[bytes, bytes]) -> None:
    """The operator says what is a copy of what."""
    net.add_seal(
        encoded(
            pb.Duplicate(item_id=copy, duplicate_of=original)
            for copy, original in duplicates.items()
        )
    )


# ---- contributors ----


def test_the_same_picture_is_not_paid_again_and_again(net: Network) -> None:
    ada, *reviewers = net.people
    for _ in range(3):
        net.submit(ada, [net.item(1, content=b"the picture")])
        net.run_epoch(*reviewers)
        net.withdraw(ada, ids(net)[-1:])
    assert [item.decided_in for item in items(net)] == [1, 2, 3]
    once = net.state.policy.epoch_emission_micro * 600_000 // 1_000_000
    assert shares_of(net, ada) == once
    net.submit(ada, [net.item(2), net.item(3)])
    net.run_epoch(*reviewers)
    assert shares_of(net, ada) == 2 * once, "the second of these is paid, the first repays"


def test_a_copy_that_waits_gains_nothing_by_the_originals_withdrawal(net: Network) -> None:
    ada, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"the picture")])
    net.run_epoch(*reviewers)
    earned = shares_of(net, ada)
    net.submit(ada, [net.item(1, content=b"the picture")])
    original, copy = ids(net)
    net.withdraw(ada, [original])
    net.run_epoch(*reviewers)
    assert net.state.items[copy].status is ItemStatus.ACCEPTED
    assert shares_of(net, ada) == earned


def test_a_copy_stays_one_when_its_original_is_withdrawn(net: Network) -> None:
    ada, thief, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"the picture")])
    net.submit(thief, [net.item(1, content=b"the picture"), net.item(2)])
    net.run_epoch(*reviewers)
    original, copy, _ = ids(net)
    net.withdraw(ada, [original])
    assert net.state.items[copy].status is ItemStatus.DUPLICATE
    assert same(net.replay(gone={original}), net.state)


def test_erasing_costs_no_search_and_leaves_the_next_one_in_place() -> None:
    index = DuplicateIndex[int]()
    picture, other = fingerprint_text(b"picture"), fingerprint_text(b"other")
    for key, fingerprint in enumerate((picture, other, picture, picture)):
        index.add(fingerprint, key)
    for gone, left in ((2, 0), (0, 3)):
        index.remove(gone)
        match = index.nearest(picture, NEAR)
        assert match is not None
        assert match.key == left
    index.remove(3)
    assert index.nearest(picture, NEAR) is None
    assert index.nearest(other, NEAR) is not None
    index.add(picture, 4)
    assert index.nearest(picture, NEAR) is not None


# ---- the operator ----


def test_nothing_is_a_copy_of_what_was_withdrawn_before(net: Network) -> None:
    ada, ben, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.run_epoch(*reviewers)
    withdrawn, kept = ids(net)
    net.withdraw(ada, [withdrawn])
    net.submit(ben, [net.item(3)])
    (fresh,) = waiting(net)
    for original in (withdrawn, kept, fresh, bytes(32)):
        with refuses("do not follow from the fingerprints"):
            seal(net, {fresh: original})
    net.seal()
    assert net.round().items == (fresh,)


def test_a_copy_is_not_left_out(net: Network) -> None:
    ada, ben, *_ = net.people
    net.submit(ada, [net.item(1, content=b"the picture")])
    net.submit(ben, [net.item(1, content=b"the picture")])
    original, copy = ids(net)
    with refuses("do not follow from the fingerprints"):
        seal(net, {})
    with refuses("do not follow from the fingerprints"):
        seal(net, {original: copy})
    seal(net, {copy: original})


def test_what_an_erased_item_is_a_copy_of_is_bounded_by_what_is_left(net: Network) -> None:
    """Whoever was there compared the two. Whoever comes later can still rule out what cannot be."""
    ada, ben, *_ = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.submit(ben, [net.item(3), net.item(4)])
    first, second, third, fourth = ids(net)
    late = net.replay(gone={second, fourth})
    digits = late.campaigns["digits"]
    impossible = ({second: second}, {second: third}, {second: bytes(32)}, {first: second})
    for claim in impossible:
        assert sealing.compute_seal(late, digits, Found(duplicates=claim)).duplicates == {}
    assert sealing.compute_seal(late, digits, Found(duplicates={third: first})).duplicates == {}, (
        "these two can be compared"
    )
    chain = {second: first, fourth: second}
    assert sealing.compute_seal(late, digits, Found(duplicates=chain)).duplicates == {
        second: first
    }, "a copy has no copies"
    # This the replay has to take from the log; see docs/adr/0010.
    assert sealing.compute_seal(late, digits, Found(duplicates={third: second})).duplicates == {
        third: second
    }


def test_an_erased_item_is_no_copy_of_another_campaigns(net: Network) -> None:
    net.add(net.operator, "campaign", campaign(id="letters"))
    ada, ben, *_ = net.people
    net.submit(ada, [net.item(1)])
    net.submit(ada, [net.item(2, c="letters")], c="letters")
    net.submit(ben, [net.item(3)])
    first, letter, third = ids(net)
    late = net.replay(gone={third})
    digits = late.campaigns["digits"]
    assert sealing.compute_seal(late, digits, Found(duplicates={third: letter})).duplicates == {}
    assert sealing.compute_seal(late, digits, Found(duplicates={third: first})).duplicates == {
        third: first
    }


def test_an_erased_leaf_keeps_its_place(net: Network) -> None:
    ada = net.people[0]
    leaves = [net.item(1), net.item(2)]
    net.submit(ada, leaves)
    net.withdraw(ada, [hash_leaf(leaf) for leaf in leaves])
    erased: list[Leaf] = [Erased(hash_leaf(leaf)) for leaf in leaves]
    halves: list[Leaf] = [leaves[0], Erased(bytes(32))]
    for wrong in (erased[::-1], erased[:1], halves):
        state = State()
        for entry in net.log[:-2]:
            transition.apply(state, entry.raw, entry.leaves)
        with pytest.raises(Misbehaviour, match=r"root does not match|count is not the number"):
            transition.apply(state, net.log[-2].raw, wrong)
        transition.apply(state, net.log[-2].raw, erased)


def test_the_operator_withdraws_for_nobody(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    (item_id,) = ids(net)
    with refuses("is not an item of this author"):
        net.withdraw(net.operator, [item_id])
    net.withdraw(net.people[0], [item_id])


def test_what_does_not_stand_is_no_original_of_an_erased_item(net: Network) -> None:
    """A copy, what was withdrawn, and what has a false fingerprint keep nothing out."""
    ada, ben, *reviewers = net.people
    net.submit(ada, [net.item(1, content=b"a"), net.item(1, content=b"a"), net.item(2)])
    false = net.item(3, content=b"false")
    net.submit(ada, [false])
    net.stand_by(*reviewers)
    net.seal()
    net.draw()
    given = {}
    for person in reviewers:
        leaves = net.answers(person)
        place = net.state.tasks["digits", person.id].index(hash_leaf(false))
        leaves[place] = net.refuse(leaves, pb.REFUSAL_MISMATCH)[place]
        given[person.name] = leaves
        net.commit(person, leaves)
    net.end_commits()
    for person in reviewers:
        net.reveal(person, given[person.name])
    net.verdict()
    original, copy, gone, mismatch = ids(net)
    assert items(net)[3].refusal == pb.REFUSAL_MISMATCH
    net.withdraw(ada, [gone])
    net.submit(ben, [net.item(4)])
    late_item = ids(net)[-1]
    net.withdraw(ben, [late_item])
    state = State()
    for entry in net.log[:-1]:
        transition.apply(state, entry.raw, entry.erased({late_item, gone}))
    digits = state.campaigns["digits"]
    for claimed in (copy, gone, mismatch):
        assert (
            sealing.compute_seal(state, digits, Found(duplicates={late_item: claimed})).duplicates
            == {}
        )
    found = sealing.compute_seal(state, digits, Found(duplicates={late_item: original})).duplicates
    assert found == {late_item: original}


def test_an_erased_item_is_no_copy_of_a_later_one(net: Network) -> None:
    ada = net.people[0]
    net.submit(ada, [net.item(1), net.item(2)])
    first, second = ids(net)
    late = net.replay(gone={first})
    digits = late.campaigns["digits"]
    assert sealing.compute_seal(late, digits, Found(duplicates={first: second})).duplicates == {}
    late = net.replay(gone={second})
    assert sealing.compute_seal(late, digits, Found(duplicates={second: first})).duplicates == {
        second: first
    }


# ---- which original ----


@pytest.fixture
def pictures() -> Network:
    net = Network(*people("ada", "ben", "cyn", "dov", "eve"))
    net.add(net.operator, "campaign", campaign(id="pictures", parts=_parts()))
    return net


def shown(net: Network, fingerprint: bytes, caption: bytes = b"a caption") -> bytes:
    """The leaf of an item with this picture."""
    item = parse_leaf(pb.Item, net.item(1, c="pictures"))
    item.parts[0].fingerprint = fingerprint_text(caption)
    item.parts[1].fingerprint = fingerprint
    leaf = encode_leaf(item)
    net.openings[hash_leaf(leaf)], net.truth[hash_leaf(leaf)] = (
        next(reversed(net.openings.items()))[1],
        1,
    )
    return leaf


ONE = [(which, 7) for which in range(4)]
OTHER = [(which, 7) for which in range(4, 8)]
LESS = [(which, 7) for which in range(8, 10)]


def test_of_two_originals_that_are_as_near_the_earlier_counts(pictures: Network) -> None:
    near = {strict_distance(picture(), picture(*changes)) for changes in (ONE, OTHER)}
    assert near == {5}
    assert strict_distance(picture(*ONE), picture(*OTHER)) > NEAR
    for order in ((ONE, OTHER), (OTHER, ONE)):
        net = Network(*pictures.people)
        net.add(net.operator, "campaign", campaign(id="pictures", parts=_parts()))
        for changes in order:
            net.submit(net.people[0], [shown(net, picture(*changes))], c="pictures")
        net.submit(net.people[1], [shown(net, picture())], c="pictures")
        first, second, copy = ids(net)
        found = sealing.compute_seal(net.state, net.campaign("pictures"))
        assert (found.items, found.duplicates) == ((first, second), {copy: first})


def test_the_nearer_original_counts_though_it_came_later(pictures: Network) -> None:
    net = pictures
    assert strict_distance(picture(), picture(*LESS)) < strict_distance(picture(), picture(*ONE))
    for changes in (ONE, LESS, ()):
        net.submit(net.people[0], [shown(net, picture(*changes))], c="pictures")
    first, nearer, copy = ids(net)
    found = sealing.compute_seal(net.state, net.campaign("pictures"))
    assert strict_distance(picture(*ONE), picture(*LESS)) <= NEAR
    assert found.duplicates == {nearer: first, copy: first}, "a copy has no copies"
    net.seal(c="pictures")
    assert net.round("pictures").items == (first,)


def test_the_same_content_counts_before_what_is_only_near(pictures: Network) -> None:
    """Although the near one came earlier: it is a copy of neither."""
    net = pictures
    for changes in (ONE, OTHER, (), OTHER):
        net.submit(net.people[0], [shown(net, picture(*changes))], c="pictures")
    first, other, between, same_as_other = ids(net)
    assert strict_distance(picture(), picture(*OTHER)) <= NEAR
    found = sealing.compute_seal(net.state, net.campaign("pictures"))
    assert found.duplicates == {between: first, same_as_other: other}


def test_a_near_picture_with_other_words_is_another_item(pictures: Network) -> None:
    net = pictures
    net.submit(net.people[0], [shown(net, picture())], c="pictures")
    net.submit(net.people[1], [shown(net, picture(*ONE), b"another caption")], c="pictures")
    net.submit(net.people[1], [shown(net, picture(*ONE))], c="pictures")
    original, other, copy = ids(net)
    found = sealing.compute_seal(net.state, net.campaign("pictures"))
    # The last is the same picture as the second and near the first, whose words it has.
    assert (found.items, found.duplicates) == ((original, other), {copy: original})


def test_a_picture_that_is_near_with_words_that_many_share_is_another_item(
    pictures: Network,
) -> None:
    """What is looked up by its picture must still have the same words."""
    net = pictures
    far = picture(*((which, 7) for which in range(100)))
    net.submit(net.people[0], [shown(net, picture())], c="pictures")
    net.submit(net.people[1], [shown(net, far, b"common words")], c="pictures")
    net.submit(net.people[1], [shown(net, picture(*ONE), b"common words")], c="pictures")
    found = sealing.compute_seal(net.state, net.campaign("pictures"))
    assert (found.items, found.duplicates) == (tuple(ids(net)), {})


def test_thousands_of_the_same_are_copies_of_what_the_first_is_a_copy_of(
    pictures: Network,
) -> None:
    """And of none of each other, however many."""
    net = pictures
    net.submit(net.people[0], [shown(net, picture())], c="pictures")
    net.submit(net.people[1], [shown(net, picture(*ONE)) for _ in range(500)], c="pictures")
    original, *copies = ids(net)
    found = sealing.compute_seal(net.state, net.campaign("pictures"))
    assert found.items == (original,)
    assert found.duplicates == dict.fromkeys(copies, original)


def test_whatever_else_is_erased_the_original_is_the_same(pictures: Network) -> None:
    """Of all that are near, each subset that holds the best one gives the best one."""
    net = pictures
    for changes in (ONE, OTHER, LESS, ()):
        net.submit(net.people[0], [shown(net, picture(*changes))], c="pictures")
    everything = ids(net)
    live = sealing.compute_seal(net.state, net.campaign("pictures"))
    assert live.duplicates
    for gone in everything:
        late = net.replay(gone={gone})
        found = sealing.compute_seal(late, late.campaigns["pictures"], live)
        assert found.duplicates == live.duplicates


def _parts() -> list[pb.PartTerms]:
    return [part("caption"), part("image", "image/png")]

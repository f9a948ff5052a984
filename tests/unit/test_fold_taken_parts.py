"""The fold: a part taken back alone, each rejection beside its acceptance; and the log without its leaf."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from protocol import transition
from protocol.errors import Misbehaviour
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.batch import Erased, Leaf, batch_root
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.review.fingerprints import fingerprint_text
from protocol.rows import ItemId
from protocol.rules.items import part_leaf
from protos.gen import records_pb2 as pb
from tests.fold import changed, ids, items, last_lines, refuses, same, shares_of, statuses
from tests.simulated import NETWORK, Network, Person, batch, campaign, part


@pytest.fixture
def scenes(net: Network) -> Network:
    """A campaign whose items may have a note and a sketch beside their picture."""
    parts = [
        part("note", optional=True),
        part("picture", "image/png"),
        part("sketch", "image/png", optional=True),
    ]
    net.add(net.operator, "campaign", campaign(id="scenes", parts=parts))
    return net


def submit(net: Network, count: int = 2, person: int = 0) -> list[ItemId]:
    leaves = [net.item(i, c="scenes") for i in range(count)]
    net.submit(net.people[person], leaves, c="scenes")
    return [hash_leaf(leaf) for leaf in leaves]


def accepted(net: Network, count: int = 2) -> list[ItemId]:
    made = submit(net, count)
    net.run_rounds(*net.people[1:], c="scenes")
    assert set(statuses(net)) == {ItemStatus.ACCEPTED}
    return made


def parts_of(net: Network, item_id: ItemId) -> list[str]:
    return [part.name for part in net.state.items[item_id].described().parts]


def own_leaf(net: Network, item_id: ItemId, name: str) -> bytes:
    """The hash of a part's own leaf."""
    return net.state.items[item_id].described().part(name).leaf


# ---- what a submission holds ----


def submit_raw(
    net: Network, items: Sequence[bytes], parts: Sequence[bytes], said: int | None = None
) -> None:
    leaves = [*items, *parts]
    body = pb.Submission(
        network=NETWORK,
        campaign_id="scenes",
        items=batch(leaves),
        parts=len(parts) if said is None else said,
    )
    net.add(net.people[0], "submission", body, leaves)


def test_every_part_that_can_go_alone_has_its_leaf_in_its_place(scenes: Network) -> None:
    first, second = (parse_leaf(pb.Item, scenes.item(i, c="scenes")) for i in (1, 2))
    items = [encode_leaf(first), encode_leaf(second)]
    a, b, c, d = (scenes.part_leaves[each.hash] for i in (first, second) for each in i.optional)
    stray = part_leaf(changed(parse_leaf(pb.Part, a), size=7))[1]
    for parts, message in (
        ([a, b, c], "the leaf of the part 'sketch' is not in its place"),
        ([a, c, b, d], "the leaf of the part 'sketch' is not in its place"),
        ([c, d, a, b], "the leaf of the part 'note' is not in its place"),
        ([a, b, b, c, d], "stands twice"),
        ([a, b, c, d, stray], "a part belongs to no item"),
        ([a, stray, b, c, d], "the leaf of the part 'sketch' is not in its place"),
        ([stray, b, c, d], "the leaf of the part 'note' is not in its place"),
        ([], "the leaf of the part 'note' is not in its place"),
        ([a, b, c, items[0]], "the leaf of the part 'sketch' is not in its place"),
    ):
        with refuses(message):
            submit_raw(scenes, items, parts)
    submit_raw(scenes, items, [a, b, c, d])
    assert [item.place[1] for item in map(scenes.state.items.__getitem__, ids(scenes))] == [0, 1]
    assert parts_of(scenes, ids(scenes)[0]) == ["note", "picture", "sketch"]


def test_the_record_says_which_leaves_are_parts(scenes: Network) -> None:
    item = scenes.item(1, c="scenes")
    parts = [scenes.part_leaves[each.hash] for each in parse_leaf(pb.Item, item).optional]
    for said, message in (
        (0, "a part stands among the items"),
        (1, "a part stands among the items"),
        (3, "a submission has 1 to"),
        (4, "a submission has 1 to"),
    ):
        with refuses(message):
            submit_raw(scenes, [item], parts, said)
    with refuses("a part stands among the items"):
        submit_raw(scenes, [parts[0], item], [parts[1]])
    with refuses("a part belongs to no item"):
        submit_raw(scenes, [parse_without(item)], parts)
    submit_raw(scenes, [item], parts)


def parse_without(leaf: bytes) -> bytes:
    return encode_leaf(changed(parse_leaf(pb.Item, leaf), optional=[]))


def test_an_item_calls_its_part_by_the_name_that_it_has(scenes: Network) -> None:
    item = parse_leaf(pb.Item, scenes.item(1, c="scenes"))
    note, sketch = item.optional
    other = encode_leaf(item)
    for named in (
        [changed(sketch, name="note")],  # a sketch as a note
        [pb.PartHash(name="note", hash=hash_leaf(other))],  # an item as a note
    ):
        beside = scenes.part_leaves.get(named[0].hash, other)
        with refuses("the leaf of the part 'note' holds something else"):
            submit_raw(scenes, [encode_leaf(changed(item, optional=named))], [beside])
    submit_raw(
        scenes, [encode_leaf(changed(item, optional=[note]))], [scenes.part_leaves[note.hash]]
    )


def test_two_items_do_not_share_the_leaf_of_a_part(scenes: Network) -> None:
    """Erasing it for one would erase it for the other."""
    one, two = (parse_leaf(pb.Item, scenes.item(i, c="scenes")) for i in (1, 2))
    (note, _), (other, _) = one.optional, two.optional
    shared, own = changed(two, optional=[note]), changed(two, optional=[other])
    mine = encode_leaf(changed(one, optional=[note]))
    with refuses("the leaf of a part stands twice"):
        scenes.submit(scenes.people[0], [mine, encode_leaf(shared)], c="scenes")
    scenes.submit(scenes.people[0], [mine, encode_leaf(own)], c="scenes")


# ---- who takes back what ----


def test_an_author_takes_back_a_part_that_may_be_missing(scenes: Network) -> None:
    ada, ben = scenes.people[:2]
    first, second = accepted(scenes)
    for who, item_id, name, message in (
        (ben, first, "note", "is not an item of this author"),
        (ada, bytes(32), "note", "is not an item of this author"),
        (Person("stranger"), first, "note", "nobody has delegated the key"),
        (ada, first, "sound", "items of scenes have no part 'sound'"),
        (ada, first, "picture", "scenes requires the part 'picture' of every item"),
    ):
        with refuses(message):
            scenes.withdraw(who, [item_id], name)
    scenes.withdraw(ada, [first], "note")
    assert parts_of(scenes, first) == ["picture", "sketch"]
    assert parts_of(scenes, second) == ["note", "picture", "sketch"]
    with refuses("the part 'note' of .* was withdrawn already"):
        scenes.withdraw(ada, [second, first], "note")
    scenes.withdraw(ada, [second], "note")
    scenes.withdraw(ada, [first], "sketch")
    assert [item.taken_back for item in items(scenes)] == [("note", "sketch"), ("note",)]


def test_a_required_part_goes_with_its_item(scenes: Network) -> None:
    with pytest.raises(Misbehaviour) as refused:
        scenes.withdraw(scenes.people[0], submit(scenes), "picture")
    assert refused.value.advice == "withdraw the item"


def test_a_part_that_was_never_there_is_not_taken_back(scenes: Network) -> None:
    leaf = parse_without(scenes.item(1, c="scenes"))
    submit_raw(scenes, [leaf], [])
    with refuses(f"{hash_leaf(leaf).hex()} has no part 'note'"):
        scenes.withdraw(scenes.people[0], [hash_leaf(leaf)], "note")


def test_parts_of_a_withdrawn_item_went_with_it(scenes: Network) -> None:
    first, second = accepted(scenes)
    scenes.withdraw(scenes.people[0], [first])
    with refuses("withdrawn already"):
        scenes.withdraw(scenes.people[0], [first], "note")
    assert own_leaf(scenes, second, "note") not in scenes.erased_since()
    assert len(scenes.erased_since()) == 3, "the item's leaf and those of two parts"


def test_no_part_is_taken_back_in_mid_review(scenes: Network) -> None:
    ada, *reviewers = scenes.people
    (first,) = submit(scenes, 1)
    scenes.stand_by(*reviewers, c="scenes")
    scenes.seal(c="scenes")
    with refuses("is being reviewed"):
        scenes.withdraw(ada, [first], "note")
    (later,) = submit(scenes, 1)
    scenes.withdraw(ada, [later], "note")
    scenes.run_round(*reviewers, c="scenes")
    scenes.withdraw(ada, [first], "note")
    scenes.run_rounds(*reviewers, c="scenes")
    assert statuses(scenes) == [ItemStatus.ACCEPTED] * 2, "what waited is reviewed without its note"


# ---- what is forgotten, and what stays ----


def test_verdict_and_shares_stay(scenes: Network) -> None:
    ada, *reviewers = scenes.people
    first, _ = accepted(scenes)
    scenes.close()
    earned, item = shares_of(scenes, ada), scenes.state.items[first]
    scenes.withdraw(ada, [first], "note")
    after = scenes.state.items[first]
    assert (after.status, after.answer, after.decided_in) == (item.status, item.answer, 1)
    assert (scenes.campaign("scenes").id, item.place) in scenes.state.accepted
    assert shares_of(scenes, ada) == earned > 0
    assert not len(scenes.state.repayable)
    scenes.withdraw(ada, [first])
    assert dict(scenes.state.repayable.scan()) == {(ada.id, "scenes"): PPM}
    submit(scenes, 2)
    scenes.run_rounds(*reviewers, c="scenes")
    scenes.close()
    (line,) = last_lines(scenes, pb.ROLE_CONTRIBUTOR)
    assert line.evidence.repaid_micro == PPM


def test_what_lost_a_part_is_not_paid_for_again(scenes: Network) -> None:
    """Nor is it with another note, or with none, while it has its own."""
    ada, *reviewers = scenes.people
    first = scenes.item(1, c="scenes", content=b"one")
    scenes.submit(ada, [first], c="scenes")
    (original,) = ids(scenes)
    scenes.run_rounds(*reviewers, c="scenes")
    scenes.submit(
        ada, [bare_copy(scenes, first), scenes.item(1, c="scenes", content=b"one")], c="scenes"
    )
    scenes.run_rounds(*reviewers, c="scenes")
    for name in ("note", "sketch"):
        scenes.withdraw(ada, [original], name)
    scenes.submit(
        ada, [bare_copy(scenes, first), scenes.item(1, c="scenes", content=b"one")], c="scenes"
    )
    scenes.run_rounds(*reviewers, c="scenes")
    _, *copies = items(scenes)
    assert [item.duplicate_of for item in copies] == [original] * 4
    assert same(scenes.replay(gone=scenes.erased_since()), scenes.state)


def bare_copy(net: Network, leaf: bytes) -> bytes:
    """The same picture, with nothing beside it."""
    item = parse_leaf(pb.Item, leaf)
    salted = changed(item.parts[0], commitment=net.fresh())
    made = encode_leaf(changed(item, parts=[salted], optional=[]))
    net.openings[hash_leaf(made)] = net.openings[hash_leaf(leaf)]
    net.truth[hash_leaf(made)] = net.truth[hash_leaf(leaf)]
    return made


def test_a_snapshot_says_which_parts_it_is_without(scenes: Network) -> None:
    ada = scenes.people[0]
    first, second = accepted(scenes)
    before = scenes.snapshot(campaign_id="scenes")
    with refuses("in the log already"):
        scenes.add_snapshot([first, second], campaign_id="scenes")
    scenes.withdraw(ada, [first], "sketch")
    scenes.withdraw(ada, [first], "note")
    assert scenes.state.snapshots[before].withdrawn == 2
    leaves = [pb.SnapshotItem(item_id=first, without=[0, 2]), pb.SnapshotItem(item_id=second)]
    with refuses("in the log already"):
        scenes.add_snapshot_leaves(
            [pb.SnapshotItem(item_id=i) for i in (first, second)], campaign_id="scenes"
        )
    for without in ([0], [2], [2, 0], [0, 1, 2], [0, 2, 2]):
        wrong = [pb.SnapshotItem(item_id=first, without=without), leaves[1]]
        with refuses("does not say which parts of its items were taken back"):
            scenes.add_snapshot_leaves(wrong, campaign_id="scenes")
    scenes.add_snapshot_leaves(leaves, campaign_id="scenes")
    after = scenes.state.items[second].snapshots[-1]
    assert after != before
    assert scenes.state.snapshots[after].withdrawn == 0, "it may be sold"
    scenes.withdraw(ada, [second], "note")
    assert scenes.state.snapshots[after].withdrawn == 1
    assert same(scenes.replay(gone=scenes.erased_since()), scenes.state)


# ---- a log whose leaves are gone ----


def test_a_part_is_erased_only_with_its_authors_withdrawal(scenes: Network) -> None:
    first, second = accepted(scenes)
    gone, other = own_leaf(scenes, first, "note"), own_leaf(scenes, second, "note")
    with pytest.raises(Misbehaviour, match=f"the note of item {first.hex()} was erased"):
        transition.require_explained(scenes.replay(gone={gone}))
    scenes.withdraw(scenes.people[0], [first], "sketch")
    with pytest.raises(Misbehaviour, match=f"the note of item {first.hex()} was erased"):
        transition.require_explained(scenes.replay(gone={gone}))
    scenes.withdraw(scenes.people[0], [first], "note")
    transition.require_explained(scenes.replay(gone={gone}))
    assert gone in scenes.erased_since()
    with pytest.raises(Misbehaviour, match=f"the note of item {second.hex()} was erased"):
        transition.require_explained(scenes.replay(gone={gone, other}))
    scenes.withdraw(scenes.people[0], [second])
    assert other in scenes.erased_since()
    transition.require_explained(scenes.replay(gone=scenes.erased_since()))


@pytest.mark.parametrize("seed", range(8))
def test_a_replay_ends_in_the_same_state_whatever_was_erased_by_then(
    scenes: Network, seed: int
) -> None:
    """Between a submission and a withdrawal, a replay lacks what those had who were there."""
    ada, ben, *reviewers = scenes.people
    random = scenes.random
    random.seed(seed)
    for _ in range(3):
        for person in (ada, ben):
            contents = random.choices((b"one", b"two", b"three"), k=3)
            leaves = [scenes.item(1, c="scenes", content=each) for each in contents]
            leaves = [bare_copy(scenes, leaf) if random.random() < 0.4 else leaf for leaf in leaves]
            scenes.submit(person, leaves, c="scenes")
        scenes.run_rounds(*reviewers, c="scenes")
        for item_id in random.sample(ids(scenes), 6):
            item = scenes.state.items[item_id]
            author = ada if item.author == ada.id else ben
            have = [] if item.description is None else [p.name for p in item.description.parts]
            for name in ("note", "sketch"):
                if name in have and random.random() < 0.6:
                    scenes.withdraw(author, [item_id], name)
            if item.description is not None and random.random() < 0.2:
                scenes.withdraw(author, [item_id])
    scenes.close()
    state = scenes.replay(gone=scenes.erased_since())
    transition.require_explained(state)
    assert same(state, scenes.state)
    assert same(scenes.replay(), scenes.state)
    for item_id in ids(scenes):
        mine, theirs = (each.copies["scenes"] for each in (scenes.state, state))
        assert mine.fingerprints_of(item_id) == theirs.fingerprints_of(item_id)


def test_an_item_cannot_be_hidden_as_a_part(scenes: Network) -> None:
    """Erased, both look alike. The author's record says how many there are of each."""
    ada = scenes.people[0]
    made = submit(scenes, 2)
    scenes.withdraw(ada, [made[0]])
    (submission,) = (entry for entry in scenes.log if len(entry.leaves) == 6)
    state = scenes.replay(gone={*scenes.erased_since(), made[1]} | all_parts(scenes))
    with pytest.raises(Misbehaviour, match=made[1].hex()):
        transition.require_explained(state)
    assert batch_root(submission.leaves) == batch_root(submission.erased(set(made)))


def all_parts(net: Network) -> set[bytes]:
    return {hash_leaf(leaf) for entry in net.log for leaf in entry.leaves if leaf[0] == 9}


def test_what_an_erased_item_leaves_behind_is_nobodys(scenes: Network) -> None:
    """Its parts' leaves are erased with it: one that still says something is a lie."""
    made = submit(scenes, 2)
    notes = [own_leaf(scenes, item_id, "note") for item_id in made]
    scenes.withdraw(scenes.people[0], [made[0]])
    with refuses("the leaf of the part 'note' is not in its place"):
        scenes.replay(scenes.erased_since() - {notes[0]})
    transition.require_explained(scenes.replay(scenes.erased_since()))
    scenes.withdraw(scenes.people[0], [made[1]])
    for note in notes:
        with refuses("a part belongs to no item"):
            scenes.replay(scenes.erased_since() - {note})
    transition.require_explained(scenes.replay(scenes.erased_since()))


def test_parts_that_nobody_named_are_no_more_than_went_with_erased_items(scenes: Network) -> None:
    first, second = (scenes.item(i, c="scenes") for i in (1, 2))
    stray = part_leaf(pb.Part(name="note", commitment=bytes(32), size=1))[1]
    parts = [
        scenes.part_leaves[e.hash] for i in (first, second) for e in parse_leaf(pb.Item, i).optional
    ]
    body = pb.Submission(
        network=NETWORK, campaign_id="scenes", items=batch([first, second, *parts, stray]), parts=5
    )
    raw = scenes.people[0].seal("submission", body)
    whole: list[Leaf] = [first, second, *parts]
    with refuses("a part belongs to no item"):
        transition.apply(scenes.replay(), raw, [*whole, Erased(hash_leaf(stray))])
    scenes.submit(scenes.people[0], [first, second], c="scenes")


def test_a_part_may_be_forged_as_little_as_an_item(scenes: Network) -> None:
    item = parse_leaf(pb.Item, scenes.item(1, c="scenes"))
    note = parse_leaf(pb.Part, scenes.part_leaves[item.optional[0].hash])
    for change, message in (
        ({"size": 0}, "note: it has 0 bytes"),
        ({"media_type": "image/png"}, "the campaign takes no image/png"),
        ({"commitment": bytes(31)}, "its commitment is malformed"),
        ({"fingerprint": fingerprint_text(b"x")}, "note: a fingerprint shows content"),
    ):
        optional = [scenes.own_leaf(changed(note, **change))]
        with refuses(message):
            scenes.submit(
                scenes.people[0], [encode_leaf(changed(item, optional=optional))], c="scenes"
            )
    good = [scenes.own_leaf(changed(note, commitment=scenes.fresh()))]
    scenes.submit(scenes.people[0], [encode_leaf(changed(item, optional=good))], c="scenes")

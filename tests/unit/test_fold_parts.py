"""The fold: what an item is made of, and what a campaign may ask for."""

from __future__ import annotations

import pytest

from protocol.limits import (
    CONTENT_BYTES_MAX,
    LEAF_BYTES_MAX,
    LICENCES_MAX,
    LINEAGE_MAX,
    NAME_CHARS_MAX,
    PARTS_MAX,
    PPM,
)
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.review.fingerprints import fingerprint_pixels, fingerprint_text
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.fold import changed, changed_item, ids, refuses
from tests.simulated import Network, campaign, part


@pytest.fixture
def asked(net: Network) -> Network:
    """A campaign of three parts, the last of which may be missing."""
    parts = [
        part("prompt", bytes_max=100),
        part("picture", "image/png", bytes_max=200),
        part("note", bytes_max=300, optional=True),
    ]
    net.add(net.operator, "campaign", campaign(id="scenes", parts=parts))
    return net


def whole(net: Network) -> pb.Item:
    return parse_leaf(pb.Item, net.item(1, c="scenes"))


def note(net: Network, item: pb.Item) -> pb.Part:
    """What the item's own leaf does not say."""
    (named,) = item.optional
    return parse_leaf(pb.Part, net.part_leaves[named.hash])


def with_note(net: Network, item: pb.Item, **changes: object) -> pb.Item:
    """The item with another note, `changes` from its own."""
    return changed(item, optional=[net.own_leaf(changed(note(net, item), **changes))])


def submit(net: Network, item: pb.Item) -> None:
    net.submit(net.people[0], [encode_leaf(item)], c="scenes")


def test_an_item_has_each_part_once_and_in_order(asked: Network) -> None:
    prompt, picture = whole(asked).parts
    words = note(asked, whole(asked))
    unknown = changed(words, name="sound")
    for inside, beside, message in (
        ([prompt], [], "it has no picture"),
        ([], [], "it has no prompt and no picture"),
        ([], [words], "it has no prompt and no picture"),
        ([prompt, prompt, picture], [], "it has a part twice"),
        ([prompt, picture, picture], [words], "it has a part twice"),
        ([prompt, picture], [words, changed(words, size=2)], "it has a part twice"),
        ([prompt, picture, words], [words], "it has a part twice"),
        ([picture, prompt], [], "its parts are out of order"),
        ([prompt, picture, words], [], "its note can go alone: it has a leaf of its own"),
        ([prompt], [picture], "its picture goes with the item only"),
        ([prompt, picture, unknown], [], "a part 'sound', which the campaign does not ask for"),
        ([prompt, picture], [unknown], "a part 'sound', which the campaign does not ask for"),
        ([prompt, changed(picture, name="")], [], "a part ''"),
    ):
        optional = [asked.own_leaf(part) for part in beside]
        with refuses(message):
            submit(asked, changed(whole(asked), parts=inside, optional=optional))
    submit(asked, changed(whole(asked), parts=[prompt, picture], optional=[]))
    submit(asked, whole(asked))
    (short, long) = (asked.state.items[i].described().parts for i in ids(asked))
    assert [part.name for part in short] == ["prompt", "picture"]
    assert [part.name for part in long] == ["prompt", "picture", "note"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_part_has_its_own_size_and_types(asked: Network, place: int) -> None:
    limit = (100, 200, 300)[place]

    def with_part(**changes: object) -> pb.Item:
        item = whole(asked)
        if place == 2:
            return with_note(asked, item, **changes)
        item.parts[place].CopyFrom(changed(item.parts[place], **changes))
        return item

    for size, may in ((0, False), (1, True), (limit, True), (limit + 1, False), (2**64 - 1, False)):
        if may:
            submit(asked, with_part(size=size))
        else:
            with refuses(f"has {size} bytes; the campaign takes 1 to {limit}"):
                submit(asked, with_part(size=size))
    with refuses("the campaign takes no audio/wav"):
        submit(asked, with_part(media_type="audio/wav"))
    with refuses("its commitment is malformed"):
        submit(asked, with_part(commitment=bytes(31)))
    with refuses("its source"):
        submit(asked, with_part(source="x" * 65))
    submit(asked, with_part(source="model 7"))


def test_a_fingerprint_is_of_the_kind_that_its_media_type_has(asked: Network) -> None:
    item = whole(asked)
    picture = fingerprint_pixels(bytes(range(256)) * 4, 32, 32)
    for place, fingerprint, other in (
        (0, fingerprint_text(b"x"), picture),
        (1, picture, fingerprint_text(b"x")),
    ):
        for value, may in (
            (fingerprint, True),
            (other, False),
            (fingerprint[:-1], False),
            (b"", False),
        ):
            fresh = whole(asked)
            fresh.parts[place].fingerprint = value
            if may:
                submit(asked, fresh)
            else:
                with refuses("not of the kind that|malformed fingerprint"):
                    submit(asked, fresh)
    submit(asked, item)


def test_one_required_part_that_differs_makes_another_item(asked: Network) -> None:
    """Prompts are everybody's; the same prompt with the same picture is a copy, whatever the note says."""
    first = whole(asked)
    same_prompt, other_note, shorter = whole(asked), whole(asked), whole(asked)
    same_prompt.parts[0].fingerprint = first.parts[0].fingerprint
    for copy in (other_note, shorter):
        for place in range(2):
            copy.parts[place].fingerprint = first.parts[place].fingerprint
    del shorter.optional[:]
    for item in (first, same_prompt, other_note, shorter):
        submit(asked, item)
    asked.seal(c="scenes")
    one, other, *again = ids(asked)
    assert [asked.state.items[item_id].duplicate_of for item_id in again] == [one, one]
    assert asked.round("scenes").items == (one, other)


def test_only_what_copies_are_told_by_has_a_fingerprint(asked: Network) -> None:
    item = whole(asked)
    assert all(part.fingerprint for part in item.parts)
    assert not note(asked, item).fingerprint
    with refuses("note: a fingerprint shows content"):
        submit(asked, with_note(asked, item, fingerprint=fingerprint_text(b"x")))
    submit(asked, item)


def test_the_longest_item_that_a_campaign_takes_fits_a_leaf(net: Network) -> None:
    names = [f"{'x' * (NAME_CHARS_MAX - 2)}{i:02}" for i in range(PARTS_MAX)]
    parts = [part(name, "image/png", bytes_max=CONTENT_BYTES_MAX) for name in names]
    net.add(net.operator, "campaign", campaign(id="long", parts=parts))
    item = parse_leaf(pb.Item, net.item(1, c="long"))
    longest = "\U0001f431" * NAME_CHARS_MAX  # four bytes each
    for each in item.parts:
        each.source, each.size = longest, CONTENT_BYTES_MAX
    item.derived_from.extend([bytes([i]) * 32 for i in range(LINEAGE_MAX)])
    item.transformation = item.generator = longest
    item.origin, item.personal_data = pb.ORIGIN_SYNTHETIC, True
    leaf = encode_leaf(item)
    assert LEAF_BYTES_MAX - 100 < len(leaf) <= LEAF_BYTES_MAX
    net.submit(net.people[0], [leaf], c="long")


@pytest.mark.parametrize(("more", "message"), [(0, "its generator's name has"), (1, "is too long")])
def test_a_leaf_may_be_as_long_as_the_limit_and_no_longer(
    net: Network, more: int, message: str
) -> None:
    """At the limit it is still read, and found to name a generator that no name is as long as."""
    item = parse_leaf(pb.Item, net.item(1))
    item.generator = "x" * (LEAF_BYTES_MAX + more - len(encode_leaf(item)) - 4)
    leaf = encode_leaf(item)
    assert len(leaf) == LEAF_BYTES_MAX + more
    with refuses(message):
        net.submit(net.people[0], [leaf])


# ---- the campaign ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": ""}, '"" is not a campaign\'s id'),
        ({"id": "Digits"}, '"Digits" is not a campaign\'s id'),
        ({"id": "x" * 65}, "is not a campaign's id"),
        ({"id": "a\0b"}, "is not a campaign's id"),
        ({"id": "digits"}, "there is a campaign 'digits' already"),
        ({"title": ""}, "the title"),
        ({"title": "a\nb"}, "the title"),
        ({"title": "x" * 16_385}, "the title"),
        ({"guidelines": "a\x1bb"}, "the guidelines"),
        ({"guidelines": "a\u202eb"}, "the guidelines"),
        ({"guidelines": "x" * 16_385}, "the guidelines"),
        ({"task": ""}, 'there is no kind of task ""'),
        ({"task": "transcribe"}, 'there is no kind of task "transcribe"'),
        ({"spec": b""}, "a spec is not JSON"),
        ({"spec": b'{"labels":["a", "b"]}'}, "not in its canonical form"),
        ({"spec": encode_spec({"labels": ["a"]})}, "a task with 1 label asks nothing"),
        ({"spec": encode_spec({"labels": ["cat", "Cat"]})}, "labels"),
        ({"spec": encode_spec({"labels": ["cat", "c\u0430t"]})}, "labels"),  # Cyrillic
        ({"spec": encode_spec({"labels": ["cat", "cat "]})}, "label"),
        ({"spec": encode_spec({"labels": ["a\u0301", "b"]})}, "label"),  # not composed
        ({"spec": encode_spec({"labels": ["a", "b"], "more": 1})}, 'a field "more"'),
        ({"parts": []}, "an item of this campaign has 0 parts"),
        ({"parts": [part(f"p{i}") for i in range(PARTS_MAX + 1)]}, "has 17 parts"),
        ({"parts": [part("a"), part("b"), part("a")]}, 'parts 1 and 3 are the same: "a"'),
        ({"parts": [part("p1"), part("pl")]}, "parts 1 and 2 look alike"),
        ({"parts": [part("A")]}, '"A" is not the name of a part'),
        ({"parts": [part("")]}, '"" is not the name of a part'),
        ({"parts": [part("a", optional=True)]}, "need a part that is always there"),
        (
            {"parts": [part("a", "text/plain", "text/plain")]},
            "the media type \"text/plain\" of part 'a' is there twice",
        ),
        ({"parts": [part("a", "application/x-evil")]}, "application/x-evil"),
        ({"parts": [part("a", "text/PLAIN")]}, "text/PLAIN"),
        ({"parts": [part("a", bytes_max=0)]}, "part 'a' may have 0 bytes"),
        ({"parts": [part("a", bytes_max=CONTENT_BYTES_MAX + 1)]}, "part 'a' may have 17179869185"),
        ({"licences": []}, "there are 0 licences"),
        ({"licences": ["MIT"] * (LICENCES_MAX + 1)}, "there are 65 licences"),
        ({"licences": ["MIT", "MIT"]}, 'the licence "MIT" is there twice'),
        ({"licences": ["CC-BY-4"]}, "CC-BY-4"),
        ({"licences": ["cc-by-4.0"]}, "cc-by-4.0"),
        ({"reviewers_per_item": 0}, "an item is to have 0 reviewers"),
        ({"reviewers_per_item": 32}, "an item is to have 32 reviewers"),
        ({"price_ppm": 0}, "the price is 0 parts per million"),
        ({"price_ppm": 1000 * PPM + 1}, "the price is 1000000001 parts"),
        ({"privacy": pb.PRIVACY_UNSPECIFIED}, "never travel, so nobody could review them"),
        ({"privacy": pb.PRIVACY_PRIVATE}, "never travel, so nobody could review them"),
        ({"privacy": 77}, "never travel, so nobody could review them"),
        ({"withdrawal": 77}, "does not say what becomes of shares"),
        ({"proposal": 77}, "does not say whether a contributor proposes"),
    ],
)
def test_a_campaign_says_all_that_it_asks_for(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = campaign(id="letters", guidelines="Look\nclosely.")
    with refuses(message):
        net.add(net.operator, "campaign", changed(good, **change))
    net.add(net.operator, "campaign", good)


def test_labels_are_unicode(net: Network) -> None:
    labels = ["katze", "собака", "猫", "chaîne", "ნამდვილი"]
    spec = encode_spec({"labels": labels})
    net.add(net.operator, "campaign", campaign(id="many", title="Катэ 猫 🐱", spec=spec))
    assert net.question("many").kind.choices(net.question("many").spec) == labels


def test_a_licence_and_a_part_of_the_largest_size_are_taken(net: Network) -> None:
    largest = part("sound", "audio/wav", bytes_max=CONTENT_BYTES_MAX)
    terms = campaign(id="sounds", parts=[largest], licences=["CC-BY-SA-4.0", "MIT"])
    net.add(net.operator, "campaign", terms)
    leaf = changed_item(net.item(1, c="sounds"), size=CONTENT_BYTES_MAX, licence="MIT")
    net.submit(net.people[0], [leaf], c="sounds")

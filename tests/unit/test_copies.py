"""Copies of items: by all of their parts, by the campaign's thresholds; and which of them people see."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from protocol.lifecycle import ItemStatus
from protocol.review.copies import DEFAULT_COPY_TERMS, Copies, Fingerprints
from protocol.review.fingerprints import fingerprint_exact, fingerprint_samples, fingerprint_text
from protocol.review.index import Match, likely_distance
from protocol.rows import CopyTerms
from tests.fold import ids, people, picture, refuses
from tests.simulated import Network, campaign, copies, part
from tests.unit.test_fold_erasure_attacks import shown

FOX = "the quick brown fox jumps over the lazy dog and nobody has asked the dog about it"


def text(words: str) -> bytes:
    return fingerprint_text(words.encode())


def one(words: str) -> Fingerprints:
    return (("text", text(words)),)


def both(words: str, print_: bytes) -> Fingerprints:
    return (("image", print_), ("caption", text(words)))


def filled(*readings: Fingerprints, terms: CopyTerms = DEFAULT_COPY_TERMS) -> Copies:
    found = Copies(terms)
    for key, reading in enumerate(readings):
        found.add(bytes([key]), reading)
    return found


def keys(matches: list[Match[bytes]]) -> list[int]:
    return [match.key[0] for match in matches]


def test_the_nearest_come_first() -> None:
    edits = [FOX.replace("dog", "hog"), FOX.upper() + "!", FOX + " yet", FOX.replace("the", "a")]
    found = filled(*(one(each) for each in (*edits, "something else that nobody compared")))
    flagged = found.likely(one(FOX))
    distances = [likely_distance(text(FOX), text(each)) for each in edits]
    expected = sorted(range(len(edits)), key=lambda at: (distances[at], at))
    assert keys(flagged) == expected
    assert [match.distance for match in flagged] == [distances[at] for at in expected]
    assert flagged[0] == Match(b"\1", 0), "folded, it is the same; and yet for people to say"


def test_what_is_a_copy_without_people_is_not_shown_to_them() -> None:
    found = filled(one(FOX), one(FOX.upper()), one(FOX + " yet"))
    assert keys(found.likely(one(FOX))) == [1, 2]
    assert list(found.same(one(FOX))) == [b"\0"]
    strict = filled(
        one(FOX),
        one(FOX.upper()),
        one(FOX + " yet"),
        terms=replace(DEFAULT_COPY_TERMS, text_strict=1),
    )
    assert keys(strict.near(one(FOX))) == [1]
    assert keys(strict.likely(one(FOX))) == [2]


def test_all_parts_have_to_be_alike() -> None:
    """A prompt that everybody has makes no copies; the same caption with nearly the same picture does."""
    near, far = picture((0, 7)), picture(*((which, 7) for which in range(40)))
    found = filled(both(FOX, picture()), both("quite another caption, of other words", picture()))
    assert keys(found.near(both(FOX, near))) == [0]
    assert not found.near(both(FOX, far))
    assert keys(found.near(both("quite another caption, of other words", near))) == [1]
    assert not found.near(both(FOX + "!", near)), "a threshold of 0 takes the same text alone"
    assert not found.likely(both(FOX + "!", far))
    lax = filled(both(FOX, picture()), terms=replace(DEFAULT_COPY_TERMS, text_strict=50))
    assert keys(lax.near(both(FOX + "!", near))) == [0]


def test_exactly_the_threshold_counts_in_every_part() -> None:
    edited = FOX.replace("dog", "hog")
    apart = likely_distance(text(FOX), text(edited))
    for terms, is_near in ((apart, True), (apart - 1, False)):
        found = filled(both(FOX, picture()), terms=replace(DEFAULT_COPY_TERMS, text_strict=terms))
        assert bool(found.near(both(edited, picture((0, 7))))) == is_near


def test_a_threshold_of_0_shows_nothing() -> None:
    never = filled(one(FOX), terms=replace(DEFAULT_COPY_TERMS, text_likely=0))
    assert not never.likely(one(FOX.upper()))
    assert filled(one(FOX)).likely(one(FOX.upper()))


def test_other_media_are_never_alike() -> None:
    found = filled((("file", fingerprint_exact(b"bytes")),), (("file", text(FOX)),))
    assert not found.likely((("file", fingerprint_exact(FOX.encode())),))
    assert list(found.same((("file", fingerprint_exact(b"bytes")),))) == [b"\0"]


def test_what_is_erased_is_not_found() -> None:
    found = filled(one(FOX + " yet"), one(FOX.upper()))
    found.remove(b"\1")
    found.remove(b"\1")
    assert keys(found.likely(one(FOX))) == [0]


# ---- in the fold ----


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"picture_strict": 101}, "pictures up to 101 per mille apart are copies without people"),
        ({"text_likely": 876}, "texts up to 876 per mille apart are shown as likely copies"),
        ({"sound_likely": 2**32 - 1}, "recordings up to"),
    ],
)
def test_thresholds_have_limits(changes: dict[str, int], message: str) -> None:
    net = Network(*people("ada", "ben", "cyn", "dov"))
    with refuses(message):
        net.add(net.operator, "campaign", campaign(id="wide", copies=copies(**changes)))
    most = {"picture_strict": 100, "text_likely": 875, "sound_likely": 0}
    net.add(net.operator, "campaign", campaign(id="wide", copies=copies(**most)))
    assert net.state.campaigns["wide"].copies.text_likely == 875


@pytest.mark.parametrize(("strict", "is_copy"), [(0, False), (4, False), (5, True)])
def test_a_seal_goes_by_its_campaigns_thresholds(strict: int, is_copy: bool) -> None:
    net = Network(*people("ada", "ben", "cyn", "dov"))
    parts = [part("caption"), part("image", "image/png")]
    terms = copies(picture_strict=strict)
    net.add(net.operator, "campaign", campaign(id="pictures", parts=parts, copies=terms))
    ada, ben, *_ = net.people
    net.submit(ada, [shown(net, picture())], c="pictures")
    changed = picture(*((which, 7) for which in range(4)))
    net.submit(ben, [shown(net, changed), shown(net, picture())], c="pictures")
    net.seal(c="pictures")
    _, near, same = (net.state.items[each].status for each in ids(net))
    assert (near is ItemStatus.DUPLICATE) == is_copy
    assert same is ItemStatus.DUPLICATE, "whatever the thresholds are"


def test_only_what_may_be_an_original_is_found() -> None:
    nearer = [one(FOX + f" {number}") for number in range(3)]
    found = filled(one(FOX.replace("nobody", "somebody")), *nearer)
    assert set(keys(found.likely(one(FOX)))) == {0, 1, 2, 3}
    assert keys(found.likely(one(FOX), lambda key: key == b"\0")) == [0]


def test_a_copy_that_is_set_aside_keeps_its_fingerprints_for_a_contest() -> None:
    found = filled(one(FOX), one(FOX + " yet"))
    found.set_aside(b"\1")
    assert keys(found.likely(one(FOX))) == []
    assert found.fingerprints_of(b"\1") == one(FOX + " yet")
    found.restore(b"\1")
    assert keys(found.likely(one(FOX))) == [1]
    found.set_aside(b"\1")
    found.remove(b"\1")
    assert found.fingerprints_of(b"\1") == ()
    found.restore(b"\1")
    assert len(found) == 1


def test_how_far_parts_are_does_not_depend_on_what_others_share() -> None:
    """From the new item to the earlier one, whichever part is looked for first: a sound's distance is not the
    same both ways, and a log whose items were erased would find another one."""
    new, earlier = heard(2), heard(1)
    assert likely_distance(new, earlier) != likely_distance(earlier, new)
    terms = replace(DEFAULT_COPY_TERMS, sound_likely=999)
    item = (("sound", new), ("text", text(FOX)))
    first = (("sound", earlier), ("text", text(FOX.upper() + "!")))
    alone = filled(first, terms=terms).likely(item)
    unlike = (("sound", new), ("text", text("something else that nobody compared")))
    among = filled(first, unlike, terms=terms).likely(item)
    assert alone == among == [Match(b"\0", likely_distance(new, earlier))]


def heard(seed: int) -> bytes:
    """A sound that is one of noises in turn."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.integers(1, 9, 60), 1_000)
    noise = rng.normal(0, 1, len(loud)).cumsum() % 7 - 3
    samples = (loud * noise * 1_000).astype(np.int16)
    return fingerprint_samples(samples, hashlib.sha256(samples.tobytes()).digest())

"""Whom a node listens to, and what says nothing new: before and after the signatures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.follower import Follower
from node.news import News, claimed_size
from node.rows import CheckpointRow
from node.splitview import prove_split, seal_alarm
from node.store import Store
from protocol.errors import Ignore
from tests.simulated import Person
from tests.unit.test_witness import LINK, OURS, THEIRS, VERIFIER, note_of

MEMBER, STRANGER = Person("member").key, Person("stranger").key


@pytest.fixture
def news(tmp_path: Path) -> Iterator[News]:
    """Of a node that has read four of five entries, and knows one member."""
    with Store(tmp_path / "node.db") as store:
        follower = Follower(store, LINK)
        follower.tree = OURS
        follower.checkpoint = CheckpointRow(4, note_of(OURS, 4), 0)
        follower.state.keys.put(MEMBER, Person("member").id)
        news = News((VERIFIER,))
        news.follow(follower)
        yield news


def alarm() -> bytes:
    split = prove_split(OURS, OURS.size, note_of(OURS), note_of(THEIRS, 4), 4)
    author = Person("member")
    return seal_alarm(split, author.key, lambda text: author.signing_key.sign(text).signature)


def test_members_are_listened_to_and_nobody_else(news: News) -> None:
    for data in (note_of(OURS, 5), alarm()):
        assert news.is_news(MEMBER, data)
        assert not news.is_news(STRANGER, data)


def test_who_has_no_replay_cannot_know_members() -> None:
    assert News((VERIFIER,)).is_news(STRANGER, alarm())


async def test_an_author_is_listened_to_while_what_it_shows_grows(news: News) -> None:
    assert await news.accept(MEMBER, note_of(OURS, 4))
    assert not news.is_news(MEMBER, note_of(OURS, 4))
    assert not news.is_news(MEMBER, note_of(OURS, 3))
    assert not news.is_news(MEMBER, note_of(THEIRS, 4))
    assert news.is_news(MEMBER, note_of(OURS, 5))
    assert news.is_news(MEMBER, alarm())  # has no size


async def test_what_nobody_signed_silences_nobody(news: News) -> None:
    assert news.is_news(MEMBER, b"simulated\n999999\nroot\n")
    assert not await news.accept(MEMBER, b"simulated\n999999\nroot\n")
    assert news.is_news(MEMBER, note_of(OURS, 4))


async def test_what_we_have_read_is_not_passed_on_and_another_history_is(news: News) -> None:
    with pytest.raises(Ignore):
        await news.accept(MEMBER, note_of(OURS, 2))
    assert await news.accept(MEMBER, note_of(THEIRS, 3))
    assert await news.accept(MEMBER, note_of(OURS, 4))
    assert await news.accept(MEMBER, note_of(OURS, 5))
    assert await news.accept(MEMBER, alarm())


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (note_of(OURS, 3), 3),
        (b"log\n17\nroot\n", 17),
        (b"log\n-1\nroot\n", None),
        (b"log\n" + b"9" * 20 + b"\nroot\n", None),
        (b"log\n17", None),
        (b"", None),
    ],
)
def test_the_size_that_a_checkpoint_claims(data: bytes, size: int | None) -> None:
    assert claimed_size(data) == size


def test_an_alarm_claims_none() -> None:
    assert claimed_size(alarm()) is None

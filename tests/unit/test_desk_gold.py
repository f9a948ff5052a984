"""Experts' answers on their way to gold: kept, counted, and never shown to each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator.desk import experts as module
from coordinator.desk.experts import Experts, check_expert
from coordinator.desk.gold import agreed
from protocol.errors import Reject
from tests.simulated import Network, Person

CROW, JAY = b"\0\0", b"\0\1"


@pytest.fixture
def experts(tmp_path: Path) -> Iterator[Experts]:
    opened = Experts(tmp_path / "experts.db")
    yield opened
    opened.close()


def test_the_last_answer_of_an_expert_counts(experts: Experts) -> None:
    experts.keep("birds", b"1" * 32, "Ann", CROW)
    experts.keep("birds", b"1" * 32, "Bo", CROW)
    experts.keep("birds", b"1" * 32, "Ann", JAY)
    experts.keep("fish", b"2" * 32, "Ann", CROW)
    assert experts.of("birds") == {b"1" * 32: {"Ann": JAY, "Bo": CROW}}
    experts.forget([b"1" * 32])
    assert experts.of("birds") == {}
    assert experts.of("fish") != {}


def test_answers_outlive_the_desk_and_are_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "experts.db"
    first = Experts(path)
    first.keep("birds", b"1" * 32, "Ann", CROW)
    first.close()
    assert path.stat().st_mode & 0o077 == 0
    again = Experts(path)
    assert again.of("birds") == {b"1" * 32: {"Ann": CROW}}
    again.close()


def test_there_is_an_end_to_them(experts: Experts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWERS_MAX", 1)
    experts.keep("birds", b"1" * 32, "Ann", CROW)
    with pytest.raises(Reject, match="answers of experts wait"):
        experts.keep("birds", b"1" * 32, "Bo", CROW)


@pytest.mark.parametrize("name", ["", " Ann", "A\nn", "x" * 41, "A\u202en"])
def test_a_name_is_one_that_people_can_read(name: str) -> None:
    assert check_expert("Ann Ó") == "Ann Ó"
    with pytest.raises(Reject):
        check_expert(name)


def test_gold_is_what_enough_say_and_nobody_contradicts() -> None:
    author, reviewers = Person("author"), [Person(f"reviewer {n}") for n in range(3)]
    net = Network(author, *reviewers)
    net.submit(author, [net.item(truth) for truth in (1, 2, 3, 4)])
    one, two, three, four = sorted(item_id for item_id, _ in net.state.items.scan())
    said = {
        one: {"Ann": CROW, "Bo": CROW},
        two: {"Ann": CROW, "Bo": JAY},
        three: {"Ann": JAY},
        four: {"Ann": CROW, "Bo": b""},  # cannot tell
    }
    assert agreed(net.state, said, 1) == {one: CROW, three: JAY}
    assert agreed(net.state, said, 2) == {one: CROW}
    assert agreed(net.state, said, 3) == {}
    net.stand_by(*reviewers)
    net.seal()
    assert agreed(net.state, said, 1) == {}, "their round has begun"

"""A partner's page about a job: whole in one file, true to the log, and readable by everybody."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from federated.budget.terms import Spent, Standing
from node.training.accounts import claim_of
from node.training.proposal import Proposal, propose
from node.training.report import rows_of, write_report
from protocol.limits import PPM
from protos.gen import records_pb2 as pb
from tests.browser import chromium
from tests.simulated import Network, Person
from tests.simulated_training import (
    add_round,
    end_of,
    enrol,
    finish,
    job,
    round_of,
    start,
    update_of,
)

STANDING = Standing(
    Spent(2_400_000, 2_700_000, 3_000_000), Spent(4_100_000, 4_500_000, 12_000_000), 1e-5, 1, 2
)
HOSTILE = "<script>alert(1)</script>&\"'"


@pytest.fixture
def net() -> Network:
    return Network(*(Person(name) for name in ("ada", "ben", "cleo")))


@pytest.fixture
def signed() -> list[pb.Update]:
    return []


Write = Callable[..., Path]


@pytest.fixture
def write(net: Network, tmp_path: Path, signed: list[pb.Update]) -> Write:
    """Trains some rounds, Ada in all but the second, and writes her page."""
    ada, ben, cleo = net.people[:3]

    def run(rounds: int, end: str = "", title: str = "Digits") -> Path:
        invited = [person.id for person in (ada, ben, cleo)]
        net.add(net.operator, "job", job(partners=invited, rounds=12, title=title))
        enrol(net, ada, ben, cleo)
        start(net)
        for number in range(1, rounds + 1):
            for person in (ada, ben, cleo):
                update = update_of(net, person)
                net.add(person, "update", update)
                if person is ada:
                    signed.append(update)
            done = round_of(net, *((ben, cleo) if number == 2 else (ada, ben, cleo)))
            done.accuracy_ppm = PPM - PPM // (number + 1)
            add_round(net, done)
        if end:
            last = end_of(epsilon_micro=net.state.jobs["train"].epsilon_micro)
            last.reason = end
            finish(net, last)
        present = net.state.jobs["train"]
        rows = rows_of(present, ada.id, signed)
        return write_report(tmp_path / "reports", present, rows, proposal(net), STANDING)

    return run


def proposal(net: Network, asked: str = "") -> Proposal:
    present = net.state.jobs["train"]
    return propose(
        net.state,
        present,
        network="lab",
        labels=tuple("0123456789"),
        asked=asked,
        data=Path("/data/ward"),
        examples=750,
        rounds=claim_of(present).rounds,
        alone_micro=4_458_000,
        standing=STANDING,
        notes=("warning: 3 images repeat others",),
    )


def test_a_question_is_asked_in_words(net: Network) -> None:
    invited = [person.id for person in net.people[:3]]
    net.add(
        net.operator, "job", job(partners=invited, rounds=1, sampling_ppm=PPM, is_question=True)
    )
    lines = proposal(net, asked="how many examples have something in 'age'").lines()
    assert any("a question in the campaign" in each and "in 'age'" in each for each in lines)
    assert any("1 round, on" in each for each in lines)
    assert any("parts of the answer" in each for each in lines)
    assert any(each.startswith("What you get: the answer") for each in lines)
    assert not any("labels apart" in each or "by what updates are worth" in each for each in lines)


class Parts(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_it_says_what_left_and_what_came_of_it(
    write: Write, net: Network, signed: list[pb.Update]
) -> None:
    page = write(4, end="too few partners").read_text()
    assert "ended after 4 of 12 rounds: <bdi>too few partners</bdi>" in page
    for update in signed:
        assert update.update.hex() in page
    rows = rows_of(net.state.jobs["train"], net.people[0].id, signed)
    assert [each.number for each in rows] == [1, 2, 3, 4]
    assert "2.400" in page and "0.300 is set aside" in page
    assert page.count("<svg") == 2


def test_an_update_that_came_to_nothing_is_told_apart(
    write: Write, net: Network, signed: list[pb.Update]
) -> None:
    """Round 2 was made without ours, and round 3 has not been made at all."""
    write(2)
    late = update_of(net, net.people[0])
    rows = rows_of(net.state.jobs["train"], net.people[0].id, [*signed, late])
    assert [each.counted for each in rows] == [True, False, False]
    assert [each.accuracy is None for each in rows] == [False, False, True]


def test_a_job_without_a_round_has_a_page(write: Write) -> None:
    page = write(0).read_text()
    assert "The command was stopped" in page
    assert "<p>No update.</p>" in page
    assert "<svg" not in page


def test_it_needs_nothing_beside_itself_and_runs_nothing(write: Write) -> None:
    path = write(2, title=HOSTILE)
    page = path.read_text()
    parts = Parts(page)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not {"script", "link", "img", "iframe", "form", "object"} & {
        tag for tag, _ in parts.tags
    }
    assert not [each for _, each in parts.tags if {"src", "href", "onerror", "onload"} & {*each}]
    assert "url(" not in page


@pytest.mark.parametrize(("width", "height", "dark"), [(1280, 900, False), (390, 844, True)])
def test_everybody_can_read_it(write: Write, width: int, height: int, dark: bool) -> None:
    path = write(8, end="the operator stopped it")
    with chromium(width, height, dark=dark) as browser:
        browser.open(path.as_uri())
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert "Privacy spent after each round" in browser.evaluate("document.body.textContent")
        assert browser.complaints == []
        assert browser.violations() == []

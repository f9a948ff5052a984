"""What an operator's words about a campaign become: records, and what they would change."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonground.takedowns import CODES, takedown_words
from coordinator.life import (
    change_record,
    changed_lines,
    close_record,
    pause_record,
    takedown_record,
)
from protocol.errors import ConfigError
from protos.gen import records_pb2 as pb
from tests.simulated import LABELS, Network, rounds

# What "digits" of tests.simulated is, as a file would say it.
FILE = f"""
title = "Digits"
labels = {list(LABELS)}
licences = ["CC-BY-4.0"]
privacy = "open"
proposal = "required"
seal_items = 1
seal_wait = "1s"
commit_window = "1s"
reveal_window = "1s"
round_items = 8192
[[parts]]
name = "image"
media_types = ["text/plain"]
bytes_max = 65_536
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "digits.toml"
    path.write_text(FILE)
    return path


def test_the_file_of_a_campaign_changes_what_may_change(net: Network, file: Path) -> None:
    assert changed_lines(net.campaign(), change_record(net.state, "digits", file)) == []
    said = 'title = "Ciphers"\nguidelines = "One\\ntwo."\nprice_ppm = 2'
    file.write_text(FILE.replace('title = "Digits"', said).replace('commit_window = "1s"', ""))
    change = change_record(net.state, "digits", file)
    assert changed_lines(net.campaign(), change) == [
        "-title: Digits",
        "-price_ppm: 1,000,000",
        "+title: Ciphers",
        "+price_ppm: 2",
        " items_max: 8,192",
        " seal_wait: 1s",
        "-commit: 1s",
        "+commit: 1d",
        " reveal: 1s",
        " draws_max: 3",
        "+guidelines: One",
        "+guidelines: two.",
    ]
    net.add(net.operator, "change", change)
    assert (net.campaign().title, net.campaign().guidelines) == ("Ciphers", "One\ntwo.")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"required"', '"none"', "whether answers are proposed"),
        ("65_536", "65_537", "the parts of an item"),
        ('"CC-BY-4.0"', '"CC0-1.0"', "the licences"),
        ('"open"', '"reviewers"', "who sees content"),
        ("'0', ", "", "the question"),
        ("round_items", "reviewers_per_item = 5\nround_items", "the reviewers of an item"),
    ],
)
def test_a_file_that_says_something_else_is_refused(
    net: Network, file: Path, old: str, new: str, said: str
) -> None:
    assert old in FILE
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"something else of {said}, which cannot be changed"):
        change_record(net.state, "digits", file)


def test_records_carry_the_serial_that_comes_next(net: Network, file: Path) -> None:
    net.add(net.operator, "pause", pause_record(net.state, "digits", True))
    net.change(rounds=rounds(commit_ms=5))
    assert change_record(net.state, "digits", file).serial == 2
    net.add(net.operator, "close-campaign", close_record(net.state, "digits"))
    with pytest.raises(ConfigError, match="there is no campaign 'letters'"):
        close_record(net.state, "letters")


def test_an_item_is_taken_down_by_all_of_its_id_and_a_reason(net: Network) -> None:
    net.submit(net.people[0], [net.item(1)])
    [(item_id, _)] = net.state.items.scan()
    for item in ("", "abcd", item_id.hex()[:-1], "x" * 64):
        with pytest.raises(ConfigError, match="is not an item's id"):
            takedown_record(net.state, item, "rights", "Why.")
    with pytest.raises(ConfigError, match="'law' is no kind of reason"):
        takedown_record(net.state, item_id.hex(), "law", "Why.")
    net.add(net.operator, "takedown", takedown_record(net.state, item_id.hex(), "rights", "Why."))


def test_every_kind_of_reason_has_words() -> None:
    assert set(CODES.values()) == set(pb.TakedownReason.values()) - {pb.TAKEDOWN_UNSPECIFIED}
    assert {takedown_words(code, "x").endswith(": x") for code in CODES.values()} == {True}

"""Drafts of campaigns: all that is wrong at once, and what a dry run says of what is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commonground.carried import PART_BYTES_MAX
from coordinator.campaigns import Draft, read_draft
from coordinator.drafts import draft_text
from coordinator.dryrun import GOLD_ANSWERS, DryRun, dry_run
from protocol.errors import ConfigError
from protocol.limits import PPM
from protocol.tasks import KINDS
from tests.fold import people
from tests.simulated import NETWORK, Network

NFC, NFD = "caf\u00e9", "cafe\u0301"
GOOD: dict[str, Any] = {"id": "a", "labels": ["no", "yes"], "guidelines": "Say which."}


def draft(**given: Any) -> Draft:
    return read_draft(NETWORK, None, GOOD | given)


def run(**given: Any) -> DryRun:
    return dry_run(draft(**given), None)


def wrong(**given: Any) -> str:
    return "\n".join(f"{text}; {what}" for text, what in run(**given).errors)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text(
        """
        id = "Not An Id"
        colour = "red"
        title = 5
        labels = ["yes"]
        licences = ["CC BY 4.0"]
        media_types = ["image/PNG"]
        item_bytes_max = 2_000_000_000
        reviewers_per_item = "three"
        privacy = "secret"
        commit_window = "a day"
        """
    )
    found = dry_run(read_draft(NETWORK, file, {}), None)
    said = "\n".join(f"{text}; {what}" for text, what in found.errors)
    for each in (
        "is not a campaign's id",
        "no field 'colour'",
        "title in",
        "a task with 1 label asks nothing",
        "Did you mean CC-BY-4.0?",
        "nodes know no media type 'image/PNG'",
        "2,000,000,000 bytes, and nodes carry 8,388,608",
        "reviewers_per_item in",
        "privacy in",
        "commit_window in",
    ):
        assert each in said, each
    assert len(found.errors) == 10, said
    assert not found.is_good


def test_every_member_of_a_list_that_is_wrong_is_named(tmp_path: Path) -> None:
    file = tmp_path / "campaign.toml"
    file.write_text(
        """
        id = "a"
        title = ""
        guidelines = "g"
        labels = ["yes", "no ", 3, "", "Yes"]
        licences = []
        media_types = ["image/PNG", "audio/wave", 7]
        """
    )
    found = dry_run(read_draft(NETWORK, file, {}), None)
    said = [text for text, _ in found.errors]
    for each in (
        "labels in",
        "label 2,",
        "label 4 is empty",
        "labels 1 and 5 look alike",
        "the title is empty",
        "there are 0 licences",
        "media_types in",
        "'image/PNG'",
        "'audio/wave'",
        "'7'",
    ):
        assert any(each in text for text in said), (each, said)
    assert len(said) == 10, said


def test_every_part_and_criterion_that_is_wrong_is_named() -> None:
    said = wrong(
        task="judge",
        labels=None,
        spec={
            "criteria": [
                {"name": "a,b", "text": "", "needs_ppm": 3},
                {"name": "good", "text": "It is.", "needs_ppm": 900_000},
                {"name": "", "text": "It is.", "needs_ppm": 900_000},
            ]
        },
        parts=["one:text/plain:0", "two:text/plain", "three:text/plain:5", "A B:text/plain:5"],
    )
    for each in (
        "the name of criterion 1",
        "the text of criterion 1",
        "'needs_ppm' of criterion 1",
        "the name of criterion 3",
        "the most bytes of part 'one' is 0",
        "the part 'two:text/plain' is malformed",
        '"A B" is not the name of a part',
    ):
        assert each in said, (each, said)
    assert said.count("\n") == 6, said


def test_what_is_wrong_is_what_opening_raises() -> None:
    with pytest.raises(ConfigError, match="nodes carry"):
        draft(item_bytes_max=PART_BYTES_MAX + 1).whole()
    assert draft(item_bytes_max=PART_BYTES_MAX).whole().parts[0].bytes_max == PART_BYTES_MAX
    several = draft(item_bytes_max=PART_BYTES_MAX + 1, privacy="shut", labels=["yes"])
    with pytest.raises(ConfigError, match="3 things are wrong") as caught:
        several.whole()
    for error in several.wrong:
        assert f"{error}; {error.advice}" in str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["yes"], "asks nothing"),
        (["yes", "yes "], "label 2"),
        (["yes", "Yes"], "labels"),
        (["one\ntwo", "three"], "label 1"),
        ([NFC, NFD], "label"),
    ],
)
def test_labels_that_nobody_tells_apart(labels: list[str], said: str) -> None:
    assert said in wrong(labels=labels)
    assert not wrong(labels=["yes", "no", NFC])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"media_types": ["image/PNG"]}, "nodes know no media type 'image/PNG'"),
        ({"media_types": ["video/mp4"]}, "nodes know no media type 'video/mp4'"),
        ({"licences": ["CC BY 4.0"]}, "Did you mean CC-BY-4.0?"),
        ({"licences": ["MIT OR Apache-2.0"]}, "an expression, not one licence"),
        ({"guidelines": "a \x1b[2J"}, "the guidelines"),
        ({"commit_window": "40d"}, "longer than"),
        ({"task": "guess"}, "no kind of task"),
        ({"id": None}, "the campaign has no id"),
    ],
)
def test_what_no_node_serves(given: dict[str, Any], said: str) -> None:
    assert said in wrong(**given)
    assert wrong() == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": [f"l{i:03}" for i in range(300)]}, "reviewers choose among 300 labels"),
        ({"guidelines": ""}, "there are no guidelines"),
        ({"reviewers_per_item": 1}, "one reviewer decides each item alone"),
        ({"privacy": "reviewers"}, "nothing of it can be exported"),
        ({"price_ppm": 2 * PPM}, "weighs 2 of what others do"),
        ({"commit_window": "1m"}, "100 items take a person"),
        ({"commit_window": "1h"}, "enough for programs"),
        ({"reveal_window": "1s"}, "the window for openings is"),
    ],
)
def test_what_is_seldom_meant_is_advice(given: dict[str, Any], said: str) -> None:
    usual = {"privacy": "open"}
    found = run(**(usual | given))
    assert found.is_good
    assert [text for text, _ in found.advice if said in text], found.advice
    assert run(**usual).advice == ()


def test_what_a_round_takes() -> None:
    found = run(round_items=120, reviewers_per_item=3)
    assert (found.round_items, found.round_answers) == (120, 360)
    assert (found.round_minutes, found.reviewer_minutes) == (30, 10)
    assert found.gold_items == GOLD_ANSWERS
    assert found.cost is None
    assert (found.exported_as, run(privacy="open").exported_as) == ((), ("Parquet", "Croissant"))


def test_what_it_costs_follows_from_the_policy_and_from_who_stands_by() -> None:
    net = Network(*people("ada", "ben", "cyn", "dov", "eve", "fay"))
    net.stand_by(*net.people)
    found = dry_run(draft(round_items=100), net.state)
    assert found.cost is not None
    assert found.cost.contributors_micro == 600 * PPM
    assert found.cost.item_micro == 6 * PPM
    assert found.cost.answer_micro == 250 * PPM // 300
    assert found.gold_items == 2 * GOLD_ANSWERS, "six people share what three answer"
    taken = dry_run(draft(id="digits"), net.state)
    assert taken.errors == (("there is a campaign 'digits' already", "choose another id"),)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_new_file_opens_as_it_is(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text(draft_text(kind, "mine"))
    found = dry_run(read_draft(NETWORK, file, {}), None)
    assert (found.errors, found.advice) == ((), ())
    body = read_draft(NETWORK, file, {}).whole()
    assert (body.id, body.task) == ("mine", kind)


def test_a_file_is_of_a_kind_that_there_is() -> None:
    with pytest.raises(ConfigError, match="no kind of task 'guess'"):
        draft_text("guess", "mine")
    with pytest.raises(ConfigError, match="is not a campaign's id"):
        draft_text("rate", 'mine"')

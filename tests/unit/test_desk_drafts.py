"""Drafts at the desk: what a form says is what the file says, and nothing else is read or written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.campaigns import read_draft
from coordinator.config import Home
from coordinator.desk.drafts import (
    DRAFT_BYTES_MAX,
    delete_draft,
    digest_of,
    list_drafts,
    load_draft,
    path_of,
    save_draft,
    to_toml,
)
from coordinator.drafts import draft_text
from protocol.errors import ConfigError, StateError

FIELDS = {
    "id": "birds",
    "title": 'A "bird"',
    "guidelines": "One line.\r\nAnd another: \\ é 鳥",
    "task": "classify",
    "labels": "crow\r\n\r\n jay ",
    "licences": "CC-BY-4.0\nCC0-1.0",
    "media_types": "image/png\nimage/jpeg",
    "reviewers_per_item": "5",
    "commit_window": "24h",
    "privacy": "open",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_form_becomes_a_file_that_opens(home: Home) -> None:
    draft = save_draft(home, FIELDS)
    assert draft.path.stat().st_mode & 0o077 == 0
    body = read_draft(bytes(32), draft.path, {}).whole()
    assert body.guidelines == "One line.\nAnd another: \\ é 鳥"
    assert list(body.licences) == ["CC-BY-4.0", "CC0-1.0"]
    assert body.reviewers_per_item == 5
    assert tomllib.loads(draft.toml)["labels"] == ["crow", "jay"]


def test_a_file_becomes_the_form_again(home: Home) -> None:
    first = save_draft(home, FIELDS)
    assert save_draft(home, first.fields, first.digest).toml == first.toml


def test_what_nobody_touched_goes_round(home: Home) -> None:
    """As a browser sends it: with other line ends, and with blanks at its ends."""
    written = draft_text("classify", "birds")
    path_of(home, "birds").parent.mkdir()
    path_of(home, "birds").write_text(written)
    draft = load_draft(home, "birds")
    sent = {name: text.replace("\n", "\r\n") for name, text in draft.fields.items()}
    again = save_draft(home, sent, draft.digest)
    assert tomllib.loads(again.toml)["guidelines"] == tomllib.loads(written)["guidelines"]
    assert again.fields["guidelines"].endswith(".\n")


def test_another_draft_of_the_name_is_not_lost(home: Home) -> None:
    assert digest_of(home, "birds") == ""
    first = save_draft(home, FIELDS)
    for replaces in ("", "0" * 64):
        with pytest.raises(StateError, match="there is a draft 'birds' already"):
            save_draft(home, FIELDS | {"title": "Other birds"}, replaces)
    assert load_draft(home, "birds").toml == first.toml
    first.path.write_bytes(b"in the middle of \xff being edited")
    with pytest.raises(StateError):
        save_draft(home, FIELDS, first.digest)
    save_draft(home, FIELDS, digest_of(home, "birds"))
    assert load_draft(home, "birds").toml == first.toml


def test_parts_say_what_items_of_one_part_would(home: Home) -> None:
    fields = {
        "id": "pairs",
        "task": "prefer",
        "spec": '{"ties": true}',
        "parts": "answer_a:text/plain:20000\nanswer_b:text/plain,text/markdown:20000",
        "labels": "left over",
        "media_types": "image/png",
    }
    body = read_draft(bytes(32), save_draft(home, fields).path, {}).whole()
    assert [part.name for part in body.parts] == ["answer_a", "answer_b"]
    path = home.path / "drafts" / "pairs.toml"
    path.write_text(
        'id = "pairs"\ntask = "prefer"\nspec = { ties = true }\n[[parts]]\nname = "answer_a"\n'
        'media_types = ["text/plain"]\nbytes_max = 5\noptional = true\n'
    )
    draft = load_draft(home, "pairs")
    assert draft.fields["parts"] == "answer_a:text/plain:5:optional"
    assert draft.fields["spec"] == '{"ties": true}'


@pytest.mark.parametrize("name", ["", "..", "../coordinator", "A", "a/b", "a.b", "a" * 200])
def test_what_is_no_id_names_no_file(home: Home, name: str) -> None:
    for work in (load_draft, delete_draft):
        with pytest.raises(ConfigError, match="made of a-z"):
            work(home, name)
    with pytest.raises(ConfigError, match="made of a-z"):
        save_draft(home, FIELDS | {"id": name})
    assert list(home.path.iterdir()) == []


def test_the_terms_of_a_question_name_no_file(home: Home) -> None:
    with pytest.raises(ConfigError, match="no JSON object"):
        save_draft(home, {"id": "x", "task": "rate", "spec": "/etc/passwd"})
    assert not digest_of(home, "x")
    save_draft(home, {"id": "x", "task": "rate", "spec": '{"steps": ["a", "b"], "tolerance": 0}'})


@pytest.mark.parametrize("said", ["three", "-1", "1.5", "1" * 40, "٣"])
def test_what_is_no_number_is_refused(said: str) -> None:
    assert to_toml({"reviewers_per_item": "3"}) == "reviewers_per_item = 3\n"
    with pytest.raises(ConfigError, match="not a whole number"):
        to_toml({"reviewers_per_item": said})


def test_a_file_that_is_no_draft_says_so(home: Home) -> None:
    draft = save_draft(home, FIELDS)
    draft.path.write_text("id = ")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_draft(home, "birds")
    draft.path.write_text(f"# {'x' * DRAFT_BYTES_MAX}\n")
    with pytest.raises(ConfigError, match="too large"):
        load_draft(home, "birds")
    assert list_drafts(home) == ["birds"]
    delete_draft(home, "birds")
    delete_draft(home, "birds")
    assert list_drafts(home) == []
    with pytest.raises(ConfigError, match="there is no draft"):
        load_draft(home, "birds")


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=4))
def test_whatever_is_typed_the_file_is_toml(title: str, labels: list[str]) -> None:
    typed = {"id": "x", "title": title, "labels": "\n".join(labels)}
    try:
        values = tomllib.loads(to_toml(typed))
    except ConfigError:
        return
    assert set(values) <= {"id", "title", "labels"}
    assert values.get("title", "") == title.replace("\r\n", "\n").strip()

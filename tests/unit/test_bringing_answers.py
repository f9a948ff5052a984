"""Answers that tables have as lists, twice, or in a form that nobody can read: none is lost silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from node.bringing.columns import parse_named
from node.bringing.sources import Asked, bring
from node.drafts import Draft
from protocol.errors import ConfigError
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.simulated import Network, campaign, part

LABELS = ("ham", "spam")


@pytest.fixture(scope="module")
def campaigns() -> dict[str, Campaign]:
    net = Network()
    tags, labels = encode_spec({"tags": ["cat", "dog"]}), encode_spec({"labels": list(LABELS)})
    for proposal, name in ((pb.PROPOSAL_OPTIONAL, ""), (pb.PROPOSAL_REQUIRED, "-required")):
        for task, spec in (("tags", tags), ("classify", labels)):
            body = campaign(
                id=task + name,
                task=task,
                spec=spec,
                parts=[part("text"), part("note", optional=True)],
                proposal=proposal,
            )
            net.add(net.operator, "campaign", body)
    return dict(net.state.campaigns.scan())


def said(asked: Asked, terms: Campaign) -> list[str]:
    """Answers, or reasons of what is left out."""
    drafts = bring(asked, terms).drafts
    return [each.words if isinstance(each, Draft) else f"! {each.reason}" for each in drafts]


def json_lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("required", ["", "-required"])
def test_lists_are_answers_of_tags(
    tmp_path: Path, campaigns: dict[str, Campaign], required: str
) -> None:
    given: tuple[Any, ...] = (
        ["cat", "dog"],
        [],
        "dog",
        {"choices": ["cat"]},
        None,
        {"name": "cat"},
        ["cat", None],
        [["cat"]],
        ["cat, dog"],
        "\ud800",
    )
    rows = [{"text": f"text {at}", "answer": each} for at, each in enumerate(given)]
    path = json_lines(tmp_path / "a.jsonl", *rows)
    (tmp_path / "a.json").write_text(json.dumps(rows))
    for each in (path, tmp_path / "a.json"):
        found = said(Asked([each]), campaigns[f"tags{required}"])
        assert found[:5] == ["cat, dog", "none", "dog", "cat", ""]
        assert "holds an object, which is no answer" in found[5]
        assert "is a list that holds more than labels" in found[6]
        assert "is a list that holds more than labels" in found[7]
        assert "has ',' in it" in found[8]
        assert "half a character" in found[9]


@pytest.mark.parametrize("required", ["", "-required"])
def test_a_list_of_labels_is_no_answer_where_one_is_right(
    tmp_path: Path, campaigns: dict[str, Campaign], required: str
) -> None:
    given: tuple[Any, ...] = (["ham"], ["ham", "spam"], [], {"name": "ham"}, "spam")
    rows = [{"text": f"text {at}", "label": each} for at, each in enumerate(given)]
    path = json_lines(tmp_path / "a.jsonl", *rows)
    assert said(Asked([path]), campaigns[f"classify{required}"]) == [
        "ham",
        '! "label" lists 2 labels, and an item has one answer',
        '! "label" lists 0 labels, and an item has one answer',
        '! "label" holds an object, which is no answer',
        "spam",
    ]


def test_a_part_that_is_a_list_leaves_its_row_out(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    rows = [{"text": "one", "note": value} for value in (["a"], {"b": 1}, "fine")]
    path = json_lines(tmp_path / "a.jsonl", *rows, {"text": ["x"], "note": ""})
    assert said(Asked([path]), campaigns["classify"]) == [
        '! "note" holds a list, and neither text nor a file',
        '! "note" holds an object, and neither text nor a file',
        "",
        '! "text" holds a list, and neither text nor a file',
    ]


@pytest.mark.parametrize("kind", ["Sequence", "List", "list"])
def test_lists_of_classes_of_hugging_face(
    tmp_path: Path, campaigns: dict[str, Campaign], kind: str
) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    one = {"names": ["cat", "dog"], "_type": "ClassLabel"}
    feature = [one] if kind == "list" else {"feature": one, "_type": kind}
    kept = {"info": {"features": {"answer": feature}}}
    table = pa.table({"text": ["a", "b", "c"], "answer": [[0, 1], [], [7]]})
    path = tmp_path / "train.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(kept)}), path)
    assert said(Asked([path]), campaigns["tags"])[:2] == ["cat, dog", "none"]
    assert said(Asked([path]), campaigns["tags"])[2] == "7"  # which the campaign refuses by name


def test_a_class_that_is_not_known_is_no_answer(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kept = {"info": {"features": {"label": {"names": LABELS, "_type": "ClassLabel"}}}}
    table = pa.table({"text": ["a", "b"], "label": [1, -1]})
    path = tmp_path / "train.parquet"
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(kept)}), path)
    assert said(Asked([path]), campaigns["classify"]) == ["spam", ""]


def test_two_columns_of_answers_are_read_where_they_say_the_same(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    rows = [{"text": f"{n}", "answer": LABELS[n % 2], "label": n % 2} for n in range(30)]
    path = json_lines(tmp_path / "a.jsonl", *rows, {"text": "x", "answer": "ham", "label": 1})
    *same, last = said(Asked([path]), campaigns["classify"])
    assert same == ["ham", "spam"] * 15
    assert last == '! its "answer" and its "label" are different answers'
    rows[3]["label"] = 0
    json_lines(path, *rows)
    with pytest.raises(ConfigError, match="both answer and label may hold"):
        bring(Asked([path]), campaigns["classify"])
    named = said(Asked([path], named=parse_named([], "answer")), campaigns["classify"])
    assert named == ["ham", "spam"] * 15


def test_two_columns_of_one_name_but_for_case_are_told(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    path = json_lines(tmp_path / "a.jsonl", {"text": "one", "Label": "ham", "label": "spam"})
    with pytest.raises(ConfigError, match='both "Label" and "label" may be') as caught:
        bring(Asked([path]), campaigns["classify"])
    assert "--answer-column" in caught.value.advice
    named = parse_named([], "Label")
    assert said(Asked([path], named=named), campaigns["classify"]) == ["ham"]
    json_lines(path, {"text": "one", "Text": "two"})
    with pytest.raises(ConfigError, match="may be the column text"):
        bring(Asked([path]), campaigns["classify"])
    [draft] = bring(Asked([path], named=parse_named(["text=Text"], "")), campaigns["tags"]).drafts
    assert isinstance(draft, Draft) and draft.parts[0].text == "two"


def test_two_columns_of_parquet_of_one_name_are_told(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    twice = pa.StructArray.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"])
    texts, labels = pa.array(["one"]), pa.array(["ham"])
    path = tmp_path / "a.parquet"
    for arrays, names, what in (
        ([texts, labels, labels], ["text", "label", "label"], 'the column "label"'),
        ([texts, labels, twice], ["text", "label", "more"], 'in "more" the field "x"'),
    ):
        pq.write_table(pa.table(arrays, names=names), path)
        with pytest.raises(ConfigError, match=f"{what} is there twice") as caught:
            bring(Asked([path]), campaigns["classify"])
        assert caught.value.advice
    pq.write_table(pa.table([texts, labels, labels], names=["text", "label", "more"]), path)
    assert said(Asked([path]), campaigns["classify"]) == ["ham"]


def test_words_with_a_dot_are_texts_unless_such_files_are_there(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nexample.org,ham\nv1.2,spam\nreadme.md,ham\n")

    def parts() -> list[tuple[str, bool]]:
        found = bring(Asked([path]), campaigns["classify"]).drafts
        return [
            (each.parts[0].text, each.parts[0].path is None)
            for each in found
            if isinstance(each, Draft)
        ]

    assert parts() == [("example.org", True), ("v1.2", True), ("readme.md", True)]
    (tmp_path / "v1.2").write_text("a file")
    assert parts() == [("", False)] * 3  # those that are not there are missed when they are read
    path.write_text("text,label\nexample.org,ham\nv1.2,spam\na text,ham\n")
    assert parts() == [("example.org", True), ("v1.2", True), ("a text", True)]
    path.write_text("text,label\none.txt,ham\nTWO.TXT,spam\n")
    assert parts() == [("", False)] * 2, "files of the part, all of which are missed"
    path.write_text("text,label\none.txt,ham\nexample.org,spam\n")
    assert parts() == [("one.txt", True), ("example.org", True)]

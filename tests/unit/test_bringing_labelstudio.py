"""What Label Studio exports is recognised and read: answers, texts, files, marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.bringing.columns import parse_named
from node.bringing.formats import Format
from node.bringing.labelstudio import local_name
from node.bringing.recognise import recognise
from node.bringing.sources import Asked, UnclearColumns, bring
from node.drafts import Draft
from protocol.rows import Campaign
from tests.bringing_lab import campaigns_of_exports, pictures, said, write


@pytest.fixture(scope="module")
def campaigns() -> dict[str, Campaign]:
    return campaigns_of_exports()


def result(kind: str, name: str = "q", **value: object) -> dict[str, Any]:
    return {"type": kind, "from_name": name, "to_name": "text", "value": value}


def task(text: str, *annotations: list[dict[str, Any]], **fields: object) -> dict[str, Any]:
    made = [{"result": each, "was_cancelled": False} for each in annotations]
    return {"id": 1, "data": {"text": text} | fields, "annotations": made, "predictions": []}


def test_choices_of_label_studio(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    ham, spam = ([result("choices", choices=[name])] for name in ("ham", "spam"))
    cancelled = task("skipped by one", ham)
    cancelled["annotations"].append({"result": spam, "was_cancelled": True})
    path = write(
        tmp_path / "export.json",
        [
            task("hello there", ham, ham),
            task("they disagree", ham, spam),
            task("nobody said"),
            task("both", [result("choices", choices=["ham", "spam"])]),
            task("a span", [result("labels", start=0, end=1, labels=["x"])]),
            cancelled,
            "no task",
        ],
    )
    assert recognise(path, frozenset()) == Format.LABEL_STUDIO
    assert said(Asked([path]), campaigns["texts"]) == {
        "export.json:1": "ham",
        "export.json:2": '! its annotations disagree: "ham", "spam"',
        "export.json:3": "",
        "export.json:4": "! 2 labels are chosen at once, and an item has one answer",
        "export.json:5": '! an annotation of the type "labels" is no answer',
        "export.json:6": "ham",
        "export.json:7": "! it is no task with data",
    }


def test_an_annotation_that_is_the_truth_decides(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    ham, spam = ([result("choices", choices=[name])] for name in ("ham", "spam"))
    decided = task("they disagree", ham, spam)
    decided["annotations"][1]["ground_truth"] = True
    refused = task("cancelled", ham, spam)
    refused["annotations"][1] |= {"ground_truth": True, "was_cancelled": True}
    path = write(tmp_path / "export.json", [decided, refused])
    assert list(said(Asked([path]), campaigns["texts"]).values()) == ["spam", "ham"]


def test_several_questions_of_label_studio(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    both = [result("choices", "kind", choices=["ham"]), result("choices", "tone", choices=["x"])]
    path = write(tmp_path / "export.json", [task("hello there", both)])
    [reason] = said(Asked([path]), campaigns["texts"]).values()
    assert "several questions, kind, tone" in reason
    named = parse_named([], "kind")
    assert said(Asked([path], named=named), campaigns["texts"]) == {"export.json:1": "ham"}


def test_ratings_of_label_studio_are_steps(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    rated = [task(f"text {n}", [result("rating", rating=n)]) for n in (1, 3, 4)]
    path = write(tmp_path / "export.json", rated)
    assert list(said(Asked([path]), campaigns["stars"]).values()) == ["poor", "good", "4"]
    write(path, [task("no number", [result("rating", rating=True)])])
    assert "is no answer" in "".join(said(Asked([path]), campaigns["stars"]).values())


def test_pairs_of_label_studio(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    chosen = [result("pairwise", selected="right")]
    pair = {"id": 1, "data": {"one": "a cat", "two": "a dog"}, "annotations": [{"result": chosen}]}
    path = write(tmp_path / "export.json", [pair])
    with pytest.raises(
        UnclearColumns, match="no column for answer_a and none for answer_b"
    ) as caught:
        bring(Asked([path]), campaigns["pairs"])
    assert "--column answer_a=one --column answer_b=two" in caught.value.advice
    named = parse_named(["answer_a=one", "answer_b=two"], "")
    [draft] = bring(Asked([path], named=named), campaigns["pairs"]).drafts
    assert isinstance(draft, Draft)
    assert ([each.text for each in draft.parts], draft.words) == (["a cat", "a dog"], "b")


def test_files_that_label_studio_served_are_found_beside_it(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pictures(tmp_path, "images/0a1b2c3d-cat.png", "dog.png", "in/x y.png")
    for served, name in (
        ("/data/upload/1/0a1b2c3d-cat.png", "images/0a1b2c3d-cat.png"),
        ("/data/upload/1/12345678-dog.png", "dog.png"),
        ("/data/local-files/?d=in/x%20y.png", "in/x y.png"),
        ("/data/local-files/?d=../secret.png", "../secret.png"),
        ("plain.png", "plain.png"),
    ):
        assert local_name(tmp_path, served) == name
    cat = [result("choices", choices=["cat"])]
    tasks = [
        {"data": {"image": served}, "annotations": [{"result": cat}]}
        for served in (
            "/data/upload/1/0a1b2c3d-cat.png",
            "/data/local-files/?d=../secret.png",
            "https://example.com/a.png",
        )
    ]
    path = write(tmp_path / "export.json", tasks)
    found = list(said(Asked([path]), campaigns["pictures"]).values())
    assert found[0] == "cat"
    assert "not a path below" in found[1]
    assert "is not fetched" in found[2]


TEXTS_LIKE_FILES = [
    "/data/local/tmp%20x failed why? because d=1",
    "/data/upload/x.txt",
    "/data/upload/1/0a1b2c3d-x.txt",
    "/data/local-files/?d=x.txt",
    "/storage-data/uploaded/?filepath=x.txt",
    "http://example.com/x.txt",
    "s3://bucket/x.txt",
    "/etc/hosts",
    "../x.txt",
    "y.txt",
    "/data/" + "d=1&" * 2_000,
]


def texts_of(path: Path, campaign: Campaign) -> list[str | Path]:
    """What each item's only part is: a text, or a file."""
    drafts = [each for each in bring(Asked([path]), campaign).drafts if isinstance(each, Draft)]
    return [part.path or part.text for draft in drafts for part in draft.parts]


@pytest.mark.parametrize("text", TEXTS_LIKE_FILES)
def test_a_text_of_label_studio_stays_as_it_is(
    tmp_path: Path, campaigns: dict[str, Campaign], text: str
) -> None:
    for others in ([], ["and some words"]):
        path = write(tmp_path / "in" / "export.json", [task(each) for each in [text, *others]])
        assert texts_of(path, campaigns["texts"]) == [text, *others]
    write(tmp_path / "in" / "x.txt", "a file that is there is no reason, beside a text")
    assert texts_of(path, campaigns["texts"]) == [text, "and some words"]


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/1/0a1b2c3d-x.txt",
        "/data/local-files/?d=x.txt",
        "/storage-data/uploaded/?filepath=upload/1/0a1b2c3d-x.txt",
        "x.txt",
    ],
)
def test_texts_of_label_studio_in_files_are_read_where_they_are_there(
    tmp_path: Path, campaigns: dict[str, Campaign], reference: str
) -> None:
    path = write(tmp_path / "export.json", [task(reference), task("/data/upload/1/gone.txt")])
    write(tmp_path / "x.txt", "the text")
    assert texts_of(path, campaigns["texts"]) == [
        tmp_path / "x.txt",
        tmp_path / "data/upload/1/gone.txt",
    ]


def test_a_part_that_may_be_text_has_files_of_label_studio(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    served = ["/data/local-files/?d=files/a%20b.png", "/data/local-files/?d=files/c.txt"]
    path = write(tmp_path / "export.json", [task(each) for each in served])
    pictures(tmp_path, "files/a b.png", "files/c.txt")
    files = [tmp_path / "files/a b.png", tmp_path / "files/c.txt"]
    assert texts_of(path, campaigns["mixed"]) == files


def test_tags_of_label_studio_are_all_that_is_chosen(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    def chosen(*names: str) -> list[dict[str, Any]]:
        return [result("choices", choices=list(names))]

    cancelled = task("skipped", [])
    cancelled["annotations"][0]["was_cancelled"] = True
    found = [
        task("two", chosen("outdoors", "cat")),
        task("one", chosen("dog")),
        task("the same in two orders", chosen("cat", "dog"), chosen("dog", "cat")),
        task("nothing chosen", []),
        task("nothing chosen, as our copies say it", chosen()),
        task("nobody said"),
        cancelled,
        task("they disagree", chosen("cat", "dog"), chosen("cat")),
        task("one says none", chosen("cat"), []),
        task("a name of two", chosen("cat, dog")),
        task("no list", [result("choices", choices="cat")]),
        task("a mark", [result("rectanglelabels", rectanglelabels=["cat"])]),
    ]
    path = write(tmp_path / "export.json", found)
    assert list(said(Asked([path]), campaigns["tagged"]).values()) == [
        "cat, outdoors",
        "dog",
        "cat, dog",
        "none",
        "none",
        "",
        "",
        '! its annotations disagree: "cat", "cat, dog"',
        '! its annotations disagree: "cat", "none"',
        '! "cat, dog" cannot be told from several tags',
        "! an annotation has no choices",
        '! an annotation of the type "rectanglelabels" is no answer',
    ]


def test_what_is_not_read_of_label_studio_is_counted(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    ham, text = (result("choices", choices=["ham"]), result("textarea", "note", text=["x"]))
    guessed = task("guessed")
    guessed["predictions"] = [{"result": [ham]}, {"result": [ham]}]
    skipped = task("skipped", [ham], [ham], [ham])
    skipped["annotations"][0]["was_cancelled"] = True
    skipped["annotations"][1]["ground_truth"] = True
    path = write(tmp_path / "export.json", [guessed, skipped, task("noted", [ham, text])])
    named = parse_named([], "q")
    assert bring(Asked([path], named=named), campaigns["texts"]).notes[1:] == (
        "not read: 2 predictions of programs",
        "not read: 1 cancelled annotation",
        "not read: 1 annotation beside a ground truth",
        'not read: 1 result of the type "textarea"',
    )
    assert 'not read: 3 results of the type "choices", "textarea"' in (
        bring(Asked([path]), campaigns["mixed"]).notes
    )
    write(path, [task("hello there", [ham])])
    assert not any("not read" in note for note in bring(Asked([path]), campaigns["texts"]).notes)

"""`campaign calibrate`: what an operator's own files would be called, without touching a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from commonground.copying import words_of
from commonhold.cli.root import build
from coordinator.copying import parse_copy_terms
from protocol.errors import ConfigError
from protocol.media import MEDIA
from protocol.review.copies import DEFAULT_COPY_TERMS
from tests import looks

FOX = "The quick brown fox jumps over the lazy dog, and nobody has ever asked the dog about it."


def calibrated(*arguments: str) -> dict[str, Any]:
    line = ["coordinator", "campaign", "calibrate", *arguments, "--json"]
    done = CliRunner().invoke(build("coordinator"), line)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    one, other = looks.series(looks.photo, 2)
    below = tmp_path / "below"
    below.mkdir()
    Image.fromarray(one).save(below / "one.png")
    Image.fromarray(other).save(tmp_path / "other.png")
    Image.fromarray(one).save(tmp_path / "one again.jpg", quality=92)
    Image.fromarray(looks.rotated(one, 6)).save(tmp_path / "one turned.png")
    (tmp_path / "fox.txt").write_text(FOX)
    (tmp_path / "FOX.txt").write_text(FOX.upper())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    (tmp_path / "nothing.txt").write_bytes(b"")
    return tmp_path


def test_pairs_are_named_the_nearest_first(samples: Path) -> None:
    found = calibrated(str(samples))
    assert found["samples"] == 6
    assert set(found["left_out"]) == {"broken.png", "nothing.txt"}
    pairs = {
        frozenset((pair["earlier"], pair["later"])): pair["verdict"] for pair in found["pairs"]
    }
    assert pairs == {
        frozenset(("one again.jpg", "below/one.png")): "copy",
        frozenset(("one turned.png", "below/one.png")): "shown",
        frozenset(("one again.jpg", "one turned.png")): "shown",
        frozenset(("FOX.txt", "fox.txt")): "shown",
    }


def test_other_thresholds_are_tried_and_shown(samples: Path, tmp_path: Path) -> None:
    found = calibrated(str(samples), "--copies", "picture:0:0", "--copies", "text:50:690")
    verdicts = {pair["later"]: pair["verdict"] for pair in found["pairs"]}
    assert verdicts == {"fox.txt": "copy"}
    campaign = tmp_path.parent / "campaign.toml"
    campaign.write_text('id = "a"\nlabels = ["x", "y"]\ncopies = ["text:50:690"]\n')
    found = calibrated(str(samples), "--campaign", str(campaign))
    assert found["terms"]["text_strict"] == 50
    steps = [
        (step["permille"], step["samples"])
        for step in found["steps"]
        if (step["medium"], step["rule"]) == ("picture", "strict")
    ]
    assert steps[0] == (0, 0)
    assert (DEFAULT_COPY_TERMS.picture_strict, 1) in steps


def test_people_read_a_table(samples: Path) -> None:
    line = ["coordinator", "campaign", "calibrate", str(samples)]
    done = CliRunner().invoke(build("coordinator"), line, env={"COLUMNS": "120"})
    assert done.exit_code == 0
    for words in (
        "6 samples. Pairs that are copies: 1; that reviewers would be shown: 3",
        "one turned.png",
        "(now)",
    ):
        assert words in done.stdout


def test_a_folder_without_samples_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        line = ["coordinator", "campaign", "calibrate", str(folder)]
        assert CliRunner().invoke(build("coordinator"), line).exit_code == 2


@pytest.mark.parametrize(
    "wrong",
    [
        *("picture", "picture:9", "video:1:2", "picture:x:1", "picture:101:1", "text:1:876"),
        *("text:1:2:3", "picture:\u0661:1", "picture:-1:1", "picture:00001:1"),
    ],
)
def test_thresholds_are_written_in_one_way(wrong: str) -> None:
    assert parse_copy_terms(["picture:9:20", "text:0:0"]).picture_likely == 20
    with pytest.raises(ConfigError, match="the threshold of copies"):
        parse_copy_terms([wrong])
    with pytest.raises(ConfigError, match="is there twice"):
        parse_copy_terms(["text:0:0", "text:0:1"])


def test_thresholds_are_read_in_words() -> None:
    words = words_of(DEFAULT_COPY_TERMS, MEDIA)
    assert words[0].startswith("pictures: a copy is within 9 ‰ of an earlier one")
    assert words[1].startswith("texts: a copy is the same as an earlier one; reviewers are shown")
    assert len(words) == 3
    assert not words_of(DEFAULT_COPY_TERMS, ["application/octet-stream"])


def test_a_table_and_its_columns_are_read_as_submitted(tmp_path: Path) -> None:
    table = tmp_path / "sms.tsv"
    table.write_text(f"ham\t{FOX}\nham\tsomething else is said here\nspam\t{FOX.upper()}\n")
    line = (str(table), "--column", "content=2", "--no-header")
    found = calibrated(*line)
    assert found["samples"] == 3
    [pair] = found["pairs"]
    assert (pair["earlier"], pair["later"]) == ("sms.tsv:1", "sms.tsv:3")
    done = CliRunner().invoke(
        build("coordinator"), ["coordinator", "campaign", "calibrate", str(table)]
    )
    assert done.exit_code == 2
    assert "no column for content" in done.output and "--column" in done.output
    folder = tmp_path / "in"
    folder.mkdir()
    table.rename(folder / "sms.tsv")
    done = CliRunner().invoke(
        build("coordinator"), ["coordinator", "campaign", "calibrate", str(folder)]
    )
    assert done.exit_code == 2
    assert "name it itself" in done.output


def test_the_parts_of_a_campaign_are_compared_by_their_columns(tmp_path: Path) -> None:
    campaign = tmp_path / "campaign.toml"
    campaign.write_text(
        'id = "pairs"\ntask = "prefer"\nparts = ["prompt:text/plain:1000", "answer_a:text/plain:1000",'
        ' "answer_b:text/plain:1000", "note:text/plain:1000:optional"]\n[spec]\nties = true\n'
    )
    table = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": f"question {n}", "answer_a": f"{FOX} {n}", "answer_b": str(n), "note": "x"}
        for n in range(2)
    ]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = calibrated(str(table), "--campaign", str(campaign))
    assert found["samples"] == 6
    pairs = {(pair["earlier"], pair["later"]) for pair in found["pairs"]}
    assert ("pairs.jsonl:1 answer_a", "pairs.jsonl:2 answer_a") in pairs


def test_texts_are_decoded_as_submitted(tmp_path: Path) -> None:
    (tmp_path / "fox.txt").write_text(FOX)
    (tmp_path / "wide.txt").write_text(FOX + " Really?", encoding="utf-16")
    (tmp_path / "old.txt").write_bytes((FOX + " Non, caf\u00e9.").encode("cp1252"))
    found = calibrated(str(tmp_path))
    assert (found["samples"], list(found["left_out"])) == (2, ["old.txt"])
    assert calibrated(str(tmp_path), "--encoding", "cp1252")["samples"] == 3
    line = ["coordinator", "campaign", "calibrate", str(tmp_path), "--encoding", "cp1525"]
    done = CliRunner().invoke(build("coordinator"), line)
    assert done.exit_code == 2 and "no encoding" in done.output

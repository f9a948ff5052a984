"""Reviewers: the safe call, the registry, and each built-in one doing its real work."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest

from commonhold.digits import (
    LABELS,
    DigitSplit,
    load_digits,
    mislabel,
    noisy,
    png_bytes,
    shifted,
    skewed,
    split_digits,
    write_folder,
)
from node.reviewers import Reviewer, ask, load_reviewer, registry, reviewer_names
from node.reviewers.command import CommandReviewer
from protocol.errors import ConfigError

PNG = "image/png"


class Scripted:
    """A plug-in that returns, or raises, what the test says."""

    name = "scripted"

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def prepare(self) -> None:
        if isinstance(self.outcome, OSError):
            raise self.outcome

    def answer(self, content: bytes, media_type: str, labels: Sequence[str]) -> int | None:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome  # type: ignore[return-value]  # that is the point of the test


@pytest.mark.parametrize("answer", [0, 2, None])
def test_a_proper_answer_or_abstention_passes_without_a_warning(
    answer: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(Scripted(answer), b"content", PNG, "abc") == answer
    assert not caplog.records


@pytest.mark.parametrize("outcome", [-1, 3, "a", 1.0, True, RuntimeError("SECRET content")])
def test_a_misbehaving_plug_in_abstains_with_a_warning_that_quotes_nothing(
    outcome: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert ask(Scripted(outcome), b"SECRET content", PNG, "abc") is None
    assert len(caplog.records) == 1
    assert "SECRET" not in caplog.text


def test_constant_always_answers_the_same() -> None:
    lazy = load_reviewer("constant:3")
    assert [ask(lazy, content, PNG, LABELS) for content in (b"", b"x")] == [3, 3]
    assert ask(lazy, b"x", PNG, LABELS[:3]) is None
    for bad in ("constant", "constant:-1", "constant:three"):
        with pytest.raises(ConfigError):
            load_reviewer(bad)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_reviewer("nobody:x")
    assert "command, constant, digits" in caught.value.advice
    assert set(registry.BUILT_IN) <= set(reviewer_names())


def made(argument: str) -> Reviewer:
    return Scripted(int(argument))


def broken(argument: str) -> Reviewer:
    return Scripted(OSError(argument))


def test_installed_plug_ins_are_found_and_their_failures_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = registry.ENTRY_POINT_GROUP
    points = EntryPoints(
        EntryPoint(name, f"{__name__}:{target}", group)
        for name, target in [("made", "made"), ("broken", "broken"), ("lost", "absent"),
                             ("object", "len"), ("constant", "made")]
    )  # fmt: skip
    monkeypatch.setattr(registry, "entry_points", points.select)
    assert ask(load_reviewer("made:2"), b"", PNG, "abc") == 2
    assert load_reviewer("constant:1").name == "constant"  # built-in names cannot be shadowed
    for bad in ("made:two", "broken:x", "lost:x", "object:x"):
        with pytest.raises(ConfigError):
            load_reviewer(bad)


def script(folder: Path, body: str) -> str:
    path = folder / "review.py"
    path.write_text("import os, sys\n" + body)
    return f"{sys.executable} {path}"


def test_a_command_reads_the_content_and_prints_a_label(tmp_path: Path) -> None:
    body = (
        "labels = os.environ['COMMONHOLD_LABELS'].split('\\n')\n"
        "assert os.environ['COMMONHOLD_MEDIA_TYPE'] == 'image/png' and 'SECRET' not in os.environ\n"
        "print(labels[len(sys.stdin.buffer.read())])\n"
    )
    reviewer = load_reviewer("command:" + script(tmp_path, body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "key")
        assert ask(reviewer, b"xx", PNG, ["zero", "one", "two"]) == 2


@pytest.mark.parametrize(
    "body",
    ["print()", "print('cow')", "print('a'); sys.exit(3)", "print('a' * 100_000)", "1 / 0"],
)
def test_a_command_that_prints_no_label_abstains(tmp_path: Path, body: str) -> None:
    assert ask(load_reviewer("command:" + script(tmp_path, body)), b"", PNG, "abc") is None


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """The child holds a pipe open: its end is read only once every writer is dead."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    reviewer = CommandReviewer(
        f"sh -c '(echo started; exec sleep 600) > {pipe} & wait'", timeout_seconds=1.0
    )
    assert ask(reviewer, b"", PNG, "abc") is None
    os.set_blocking(reader, True)
    with os.fdopen(reader, "rb") as held:
        assert held.read() == b"started\n"


def test_a_command_must_exist() -> None:
    for bad in ("command", "command:/no/such/program", "command:'"):
        with pytest.raises(ConfigError):
            load_reviewer(bad)


def deal(contributors: int, submitted_each: int) -> DigitSplit:
    return split_digits(
        7, submitted=[submitted_each] * contributors, private=[350, 350], held_back=300
    )


def test_the_split_is_disjoint_and_reproducible() -> None:
    first, again = (deal(contributors=3, submitted_each=100) for _ in range(2))
    shares = [*first.submissions, *first.private, first.held_back, first.rest]
    assert [len(share) for share in shares] == [100, 100, 100, 350, 350, 300, 3700]
    assert len({image.tobytes() for share in shares for image in share.images}) == 5000
    assert np.array_equal(first.held_back.images, again.held_back.images)
    with pytest.raises(ConfigError):
        deal(contributors=3, submitted_each=2000)


def test_skewed_parts_hold_few_classes_each() -> None:
    rest = deal(contributors=0, submitted_each=0).rest
    parts = skewed(rest, 4)
    assert sum(len(part) for part in parts) == len(rest)
    assert all(len(set(part.labels.tolist())) <= 4 for part in parts)
    assert {label for part in parts for label in part.labels.tolist()} == set(range(10))
    both = parts[0].joined(parts[1])
    assert len(both) == len(parts[0]) + len(parts[1])


def test_attacks_and_mistakes_are_what_they_say() -> None:
    digits = load_digits()
    wrong = mislabel(digits.labels, 0.1, seed=1)
    assert int((wrong != digits.labels).sum()) == 500
    assert set(wrong) <= set(range(10))
    moves = {shifted(digits.images[0], seed).tobytes() for seed in range(60)}
    assert digits.images[0].tobytes() not in moves
    assert len(moves) > 15
    assert 5 < np.std(noisy(np.full((28, 28), 128, np.uint8), 0) - 128.0) < 15


def test_digits_learns_from_a_private_folder(tmp_path: Path) -> None:
    split = deal(contributors=1, submitted_each=10)
    write_folder(tmp_path, split.private[0].images, split.private[0].labels)
    reviewer = load_reviewer(f"digits:{tmp_path}")
    answers = [ask(reviewer, png_bytes(image), PNG, LABELS) for image in split.held_back.images]
    assert np.mean(np.array(answers) == split.held_back.labels) >= 0.95
    content = png_bytes(split.held_back.images[0])
    assert ask(reviewer, content, "text/plain", LABELS) is None
    assert ask(reviewer, content, PNG, ["cat", "dog"]) is None
    assert ask(reviewer, b"not a PNG", PNG, LABELS) is None
    assert ask(reviewer, png_bytes(np.zeros((20, 28), np.uint8)), PNG, LABELS) is None


def test_digits_refuses_an_unusable_folder(tmp_path: Path) -> None:
    images = load_digits().images[:2]
    write_folder(tmp_path, images, [0, 0])
    for bad in ("digits", f"digits:{tmp_path / 'absent'}", f"digits:{tmp_path}"):
        with pytest.raises(ConfigError):
            load_reviewer(bad)
    write_folder(tmp_path, images, [0, 1])
    load_reviewer(f"digits:{tmp_path}")
    (tmp_path / "0001.png").write_bytes(b"broken")
    with pytest.raises(ConfigError, match=r"0001\.png"):
        load_reviewer(f"digits:{tmp_path}")

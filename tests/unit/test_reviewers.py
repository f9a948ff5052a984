"""Reviewers: the safe call, the registry, and each built-in one doing its real work."""

from __future__ import annotations

import logging
import os
import sys
import textwrap
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
from node.reviewers import (
    MEANINGS,
    Case,
    Refusal,
    Reviewer,
    ask,
    load_reviewer,
    load_reviewers,
    read_refusal,
    registry,
    reviewer_names,
)
from node.reviewers.command import CommandReviewer
from node.reviewers.interface import ANSWER_CHARS_MAX
from protocol.errors import ConfigError, Reject
from protos.gen import records_pb2 as pb
from tests.cases import PNG, TEXT, case_of, labelled
from tests.review_bench import pairs, rubric


class Scripted:
    """A plug-in that returns, or raises, what the test says."""

    name = "scripted"

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def prepare(self) -> None:
        if isinstance(self.outcome, OSError):
            raise self.outcome

    def answer(self, case: Case) -> str | Refusal:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome  # type: ignore[return-value]  # that is the point of the test


@pytest.mark.parametrize(
    ("answer", "expected"), [("a", b"\0\0"), (" C ", b"\0\2"), *((each, each) for each in Refusal)]
)
def test_a_proper_answer_or_refusal_passes_without_a_warning(
    tmp_path: Path, answer: str, expected: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(Scripted(answer), labelled(tmp_path)) == expected
    assert not caplog.records


@pytest.mark.parametrize(
    "outcome",
    [
        *(0, None, True, 1.0, b"a", ["a"]),
        *("SECRET content", "", "a" * (ANSWER_CHARS_MAX + 1)),
        *("yes", "tie", "correct: yes, clear: no"),  # words of other kinds
        RuntimeError("SECRET content"),
        Reject("SECRET content"),
    ],
)
def test_a_misbehaving_plug_in_is_unsure_with_a_warning_that_quotes_nothing(
    tmp_path: Path, outcome: object, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert ask(Scripted(outcome), labelled(tmp_path, b"SECRET content")) is Refusal.UNSURE
    assert len(caplog.records) == 1
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("words", ["3", "first", "second", "a", "tie", "yes, no", "clear: yes"])
def test_words_of_one_kind_are_no_answer_to_another(tmp_path: Path, words: str) -> None:
    """Whatever was said, the question decides whether it is an answer; nothing ever crashes."""
    answers = {
        "digits": ask(Scripted(words), labelled(tmp_path / "1", labels=LABELS)),
        "pairs": ask(Scripted(words), case_of(tmp_path / "2", pairs(), first=b"x")),
        "rubric": ask(Scripted(words), case_of(tmp_path / "3", rubric(), solution=b"x")),
    }
    fits = {"3": "digits", "tie": "pairs", "yes, no": "rubric"}
    fits |= dict.fromkeys(("first", "second"), "pairs")
    for kind, answer in answers.items():
        assert (answer is Refusal.UNSURE) == (fits.get(words) != kind)


def test_refusals_are_read_as_they_are_written() -> None:
    for reason in Refusal:
        assert read_refusal(f" {reason.value.upper()} ") is reason
        assert reason.meaning == MEANINGS[reason.code]
    assert read_refusal("off_topic") is Refusal.OFF_TOPIC
    assert {reason.code for reason in Refusal} | {
        pb.REFUSAL_NONE,
        pb.REFUSAL_UNAVAILABLE,
        pb.REFUSAL_MISMATCH,
    } == set(pb.Refusal.values())
    assert set(MEANINGS) == set(pb.Refusal.values()) - {pb.REFUSAL_NONE}
    with pytest.raises(Reject) as caught:
        read_refusal("boring")
    assert "unreadable" in caught.value.advice


def test_constant_always_answers_the_same(tmp_path: Path) -> None:
    lazy = load_reviewer("constant:3")
    for content in (b"x", b"y"):
        assert ask(lazy, labelled(tmp_path, content, labels=LABELS)) == b"\0\3"
    assert ask(lazy, labelled(tmp_path, labels=LABELS[:3])) is Refusal.UNSURE
    off = load_reviewer("refuse:off-topic")
    assert ask(off, labelled(tmp_path)) is Refusal.OFF_TOPIC
    label = load_reviewer("constant:refuse: off-topic")
    assert ask(label, labelled(tmp_path, labels=["cat", "refuse: off-topic"])) == b"\0\1"
    for bad in ("constant", "constant: ", "refuse", "refuse:boring"):
        with pytest.raises(ConfigError):
            load_reviewer(bad)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_reviewer("nobody:x")
    assert "command, constant, digits, refuse" in caught.value.advice
    assert set(registry.BUILT_IN) <= set(reviewer_names())


def test_each_campaign_has_its_reviewer_and_equal_ones_are_loaded_once() -> None:
    loaded = load_reviewers({"a": "constant:1", "b": "constant:1", "*": "constant:2", "c": ""})
    assert loaded["a"] is loaded["b"]
    assert loaded["a"] is not loaded["*"]
    assert loaded["c"] is None  # a person
    with pytest.raises(ConfigError, match="bad-one"):
        load_reviewers({"*": "constant:1", "bad-one": "nobody"})


def made(argument: str) -> Reviewer:
    return Scripted("abc"[int(argument)])


def broken(argument: str) -> Reviewer:
    return Scripted(OSError(argument))


def test_installed_plug_ins_are_found_and_their_failures_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    group = registry.ENTRY_POINT_GROUP
    points = EntryPoints(
        EntryPoint(name, f"{__name__}:{target}", group)
        for name, target in [("made", "made"), ("broken", "broken"), ("lost", "absent"),
                             ("object", "len"), ("constant", "made")]
    )  # fmt: skip
    monkeypatch.setattr(registry, "entry_points", points.select)
    assert ask(load_reviewer("made:2"), labelled(tmp_path)) == b"\0\2"
    assert load_reviewer("constant:1").name == "constant"  # built-in names cannot be shadowed
    for bad in ("made:two", "broken:x", "lost:x", "object:x"):
        with pytest.raises(ConfigError):
            load_reviewer(bad)


# ---- a command ----


def script(folder: Path, body: str) -> str:
    path = folder / "review.py"
    path.write_text("import json, os, sys\n" + body)
    return f"command:{sys.executable} {path}"


def test_a_command_reads_what_is_asked_and_prints_an_answer(tmp_path: Path) -> None:
    body = (
        "asked = json.load(sys.stdin)\n"
        "assert 'SECRET' not in os.environ\n"
        "assert asked['kind'] == 'classify' and asked['campaign'] == 'digits'\n"
        "assert asked['spec'] == {'labels': ['zero', 'one', 'two']} and asked['guidelines'] == ''\n"
        "[part] = asked['parts']\n"
        "assert (part['name'], part['media_type']) == ('content', 'image/png')\n"
        "choice = asked['choices'][len(open(part['path'], 'rb').read())]\n"
        "print(json.dumps({'answer': choice}))\n"
    )
    reviewer = load_reviewer(script(tmp_path, body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "key")
        case = labelled(tmp_path / "item", b"xx", labels=["zero", "one", "two"])
        assert ask(reviewer, case) == b"\0\2"


def test_a_command_sees_places_and_what_it_says_of_them_is_understood(tmp_path: Path) -> None:
    body = (
        "asked = json.load(sys.stdin)\n"
        "assert 'answer_' not in json.dumps(asked) and sys.argv[1:] == []\n"
        "assert asked['choices'] == ['first', 'second', 'tie']\n"
        "assert [part['name'] for part in asked['parts']] == ['prompt', 'first', 'second']\n"
        "by_name = {part['name']: open(part['path']).read() for part in asked['parts']}\n"
        "better = next(name for name in ('first', 'second') if by_name[name] == 'better')\n"
        "print(json.dumps({'answer': better}))\n"
    )
    reviewer = load_reviewer(script(tmp_path, body))
    straight, flipped = (
        case_of(folder, pairs(), seen_other_way, prompt=b"?", first=b"better", second=b"worse")
        for folder, seen_other_way in ((tmp_path / "1", False), (tmp_path / "2", True))
    )
    assert (ask(reviewer, straight), ask(reviewer, flipped)) == (b"\0", b"\1")
    assert straight.words(b"\0") == flipped.words(b"\1") == "first"
    assert "answer_" not in repr(flipped.parts) and "_shown" not in repr(flipped)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ({"answer": "correct: yes, clear: no"}, b"\1\0"),
        ({"answer": "clear: no, correct: yes"}, b"\1\0"),
        ({"answer": "no, yes"}, b"\0\1"),
        ({"refuse": "unreadable"}, Refusal.UNREADABLE),
        ({"refuse": "PERSONAL"}, Refusal.PERSONAL),
        ({"refuse": "because"}, Refusal.UNSURE),
        ({"answer": "correct: yes"}, Refusal.UNSURE),
        ({"answer": "no, yes", "refuse": "harmful"}, Refusal.UNSURE),
        ({"answer": "no, yes", "sure": True}, Refusal.UNSURE),
        ({"answer": ["no", "yes"]}, Refusal.UNSURE),
    ],
)
def test_a_command_judges(tmp_path: Path, printed: object, expected: object) -> None:
    body = (
        "asked = json.load(sys.stdin)\n"
        "assert [each['name'] for each in asked['spec']['criteria']] == ['correct', 'clear']\n"
        f"print(json.dumps({printed!r}))\n"
    )
    reviewer = load_reviewer(script(tmp_path, body))
    case = case_of(tmp_path / "item", rubric(), problem=b"1 + 1", solution=b"3")
    assert ask(reviewer, case) == expected


@pytest.mark.parametrize(
    "body",
    [
        *("print()", "print('a')", "print('\"a\"')", "print('[]')", "1 / 0"),
        'print(\'{"answer": "cow"}\')',
        'print(\'{"answer": "a"}\'); sys.exit(3)',
        'print(\'{"answer": "a"}\'); print(\'{"answer": "b"}\')',
        'sys.stdout.buffer.write(b\'{"answer": "a\\xff"}\')',
        "print('[' * 40_000)",
        'print(\'{"answer": "a"}\' + " " * 100_000)',  # an answer, and then a flood
    ],
)
def test_a_command_that_prints_no_answer_is_unsure(tmp_path: Path, body: str) -> None:
    assert ask(load_reviewer(script(tmp_path, body)), labelled(tmp_path / "i")) is Refusal.UNSURE


def test_the_reviewer_of_the_docs_reviews(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "contributor.md").read_text()
    code = page[page.index("    import json, sys\n") :].partition("\n\n")[0]
    path = tmp_path / "review.py"
    path.write_text(textwrap.dedent(code))
    reviewer = load_reviewer(f"command:{sys.executable} {path}")
    for text, said in ((b"127", b"\0\7"), (b"none", Refusal.OFF_TOPIC)):
        assert (
            ask(reviewer, labelled(tmp_path / "item", text, labels=LABELS, media_type=TEXT)) == said
        )


@pytest.mark.parametrize("label", ["refuse: harmful", '{"refuse": "harmful"}', "", "none"])
def test_no_label_is_taken_for_a_refusal(tmp_path: Path, label: str) -> None:
    """Labels are words of strangers, and a program gives back what it was given."""
    body = "print(json.dumps({'answer': json.load(sys.stdin)['choices'][-1]}))\n"
    labels = ["a", label] if label else ["none", "a"]
    reviewer = load_reviewer(script(tmp_path, body))
    assert ask(reviewer, labelled(tmp_path / "item", labels=labels)) == b"\0\1"


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """The child holds a pipe open: its end is read only once every writer is dead."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    reviewer = CommandReviewer(
        f"sh -c '(echo started; exec sleep 600) > {pipe} & wait'", timeout_seconds=1.0
    )
    assert ask(reviewer, labelled(tmp_path / "item")) is Refusal.UNSURE
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
    held = split.held_back

    def answer(image: bytes, labels: Sequence[str] = LABELS, media_type: str = PNG) -> object:
        return ask(reviewer, labelled(tmp_path / "item", image, media_type, labels))

    right = [
        answer(png_bytes(i)) == int(label).to_bytes(2)
        for i, label in zip(held.images, held.labels, strict=True)
    ]
    assert np.mean(right) >= 0.95
    content = png_bytes(held.images[0])
    assert answer(content, media_type=TEXT) is Refusal.UNSURE
    assert answer(content, labels=["cat", "dog"]) is Refusal.UNSURE
    assert answer(b"not a PNG") is Refusal.UNSURE
    assert answer(png_bytes(np.zeros((20, 28), np.uint8))) is Refusal.UNSURE
    assert ask(reviewer, case_of(tmp_path / "pair", pairs(), first=content)) is Refusal.UNSURE


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

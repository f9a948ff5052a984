"""What a partner is told before it signs, and that nobody joins by accident."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commonhold.cli import federated_asking
from commonhold.cli.federated_asking import agree_to
from federated.budget.signed import Restored
from federated.budget.terms import Spent, Standing
from node.training.accounts import words_of
from node.training.joining import Offer
from node.training.proposal import Proposal
from protocol.errors import ConfigError

STANDING = Standing(
    Spent(500_000, 2_900_000, 3_000_000), Spent(900_000, 4_500_000, 12_000_000), 1e-6, 0, 0
)


def proposal(**changes: object) -> Proposal:
    values: dict[str, object] = {
        "network": "lab",
        "operator": "…f9bxfUCY",
        "campaign": "Digits of the post",
        "job_id": "digits-1",
        "title": "Digits",
        "task": "images",
        "code": "commonhold 0.1.0, code 1a2b3c4d…",
        "labels": tuple("0123456789"),
        "asked": "",
        "columns": ("image", "label"),
        "rounds": 20,
        "invited": 10,
        "summed": 9,
        "cohorts": 0,
        "endpoint": "train.example:9092",
        "data": Path("/data/ward"),
        "examples": 750,
        "epsilon": 2.4,
        "alone": 3.6,
        "delta": 1e-6,
        "standing": STANDING,
        "price": 1.0,
        "worth": 0.0,
        "trainers": 0.1,
        "notes": ("warning: 3 images repeat others",),
    }
    return Proposal(**(values | changes))  # type: ignore[arg-type]


def test_everything_is_said_before_anybody_is_asked() -> None:
    words = "\n".join(proposal().lines())
    for said in (
        *("the network lab (key …f9bxfUCY)", "campaign Digits of the post", "commonhold 0.1.0"),
        *("20 rounds", "750 examples in /data/ward", "reads image, label and nothing else"),
        *(
            "to the coordinator at train.example:9092",
            "how many you have",
            "0, 1, 2, 3, 4, 5 and 4",
        ),
        *("epsilon 2.400 at delta 1e-06", "0.500 is spent", "2.900 of its 3", "0.100 is left"),
        *(
            "epsilon 3.600 at delta 1e-06",
            "7.500 is left",
            "10% of an epoch's shares",
            "warning: 3",
        ),
    ):
        assert said in words
    assert "shares its budget" not in words and "does not recognise" not in words


@pytest.mark.parametrize(
    ("invited", "said"),
    [
        (1, "which with 1 partner is anybody who is in the sum with you"),
        (2, "which with 2 partners is anybody who is in the sum with you"),
        (
            3,
            "the coordinator and any 2 partners, working together",
        ),
        (
            10,
            "the coordinator and any 3 partners, working together",
        ),
    ],
)
def test_who_could_see_an_update_is_said(invited: int, said: str) -> None:
    assert said in "\n".join(proposal(invited=invited).lines())


def test_shared_budgets_and_unknown_data_are_said() -> None:
    shared = Standing(STANDING.everybody, STANDING.alone, 1e-6, 2, 1)
    words = "\n".join(proposal(standing=shared).lines())
    assert "shares its budget with 2 other sets" in words
    assert "does not recognise, with 1 round" in words


def test_what_the_log_had_and_the_file_had_not_is_said() -> None:
    assert words_of(Restored(0, ())) == []
    lost, unknown = words_of(Restored(3, (b"\xab" * 32,)))
    assert "3 rounds that you signed were in the log and not in budget.db" in lost
    assert "the data abababab" in unknown and "set-apart" in unknown


@pytest.mark.parametrize("answer", [True, False])
def test_the_person_at_the_terminal_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bool
) -> None:
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(federated_asking, "confirm", confirm)
    assert agree_to(proposal(), yes=False) is answer
    assert asked == ["Go on?"]
    assert "Who asks:" in capsys.readouterr().err


def test_without_a_terminal_only_yes_joins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(ConfigError, match="no terminal to ask at") as refused:
        agree_to(proposal(), yes=False)
    assert "--yes" in refused.value.advice
    assert agree_to(proposal(), yes=True)
    assert capsys.readouterr().err.count("Who asks:") == 2, "it is said either way"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epsilon_max": 0.0}, "--epsilon-max is 0"),
        ({"epsilon_max": float("nan")}, "--epsilon-max is nan"),
        ({"epsilon_alone_max": -1.0}, "--epsilon-alone-max is -1"),
        ({"epsilon_max": 10_001.0}, "--epsilon-max is 10001"),
        ({"delta_max": 0.0}, "--delta-max is 0"),
        ({"delta_max": 1.0}, "--delta-max is 1"),
    ],
)
def test_a_line_that_is_none_is_refused(changes: dict[str, float], words: str) -> None:
    given = {"job_id": "j", "data": Path(), "columns": (), "epsilon_max": 3.0}
    Offer(**given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=words):
        Offer(**(given | changes))  # type: ignore[arg-type]

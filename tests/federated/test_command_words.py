"""What the commands of training say of what came out."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from commonhold.cli import federated_attack
from commonhold.cli.federated import outcome_text
from federated.answer import in_words
from federated.statistics import Figure
from federated.tasks import registry
from federated.tasks.registry import described


@pytest.mark.parametrize(
    ("figures", "shown"),
    [
        ((1_234.56789, 1_200.1, 1_269.03579), ("1,235", "1,200 to 1,269")),
        ((40.0, 39.123456, 40.876544), ("40.0", "39.1 to 40.9")),
        ((0.5, 0.4987654, 0.5012346), ("0.5000", "0.4988 to 0.5012")),
        ((7.0, 7.0, 7.0), ("7.000000", "7.000000 to 7.000000")),
        ((12_345.0, 11_000.0, 13_000.0), ("12,345", "11,000 to 13,000")),
    ],
)
def test_a_figure_and_its_interval_have_as_many_decimals(
    figures: tuple[float, float, float], shown: tuple[str, str]
) -> None:
    assert in_words(Figure("a", *figures)) == shown


@pytest.mark.parametrize(("commonest", "says"), [(0.8695, True), (0.0, False)])
def test_beside_how_right_a_model_is_stands_what_takes_none(commonest: float, says: bool) -> None:
    data: dict[str, Any] = {
        **{"job_id": "a", "outcome": "completed", "accuracy_int8": 0.87, "accuracy_fp32": 0.87},
        **{"size_ratio": 3.8, "held_back": 100, "epsilon": 3.0, "delta": 1e-5},
        **{"commonest": commonest, "artifact": "m", "card": "c"},
    }
    told = " ".join(map(str, outcome_text(data)))  # type: ignore[arg-type]
    assert ("always saying the commonest label would be right of 87.0% of these" in told) is says


@pytest.mark.parametrize(
    ("right", "trials", "says"),
    [(1, 25, "among 50 examples in 1 of 25 tries"), (1, 1, "among 50 examples in 1 of 1 try")],
)
def test_an_attack_counts_as_people_do(right: int, trials: int, says: str) -> None:
    named = SimpleNamespace(trials=trials, candidates=50, right=right, most=lambda *_: 0.1)
    nearest = SimpleNamespace(looked_at=1, members=1)
    found: Any = SimpleNamespace(
        **{"attacks": [], "nearest": nearest, "reconstruction": named, "known_ppm": 1_000_000},
        **{"epsilon": 1.0, "delta": 1e-5},
    )
    told = " ".join(map(str, federated_attack._text(found)))  # type: ignore[arg-type]
    assert says in told
    assert "of 1 example nearest to the weights 1 is a member" in told


def test_a_class_without_words_is_not_told_by_its_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclass(frozen=True)
    class Beats:
        beats: int = 32

    assert (Beats.__doc__ or "").startswith("Beats(")
    for name in ("code_version", "code_digest"):
        monkeypatch.setattr(registry, name, lambda _: b"")
    monkeypatch.setattr(registry, "find", lambda _: Beats)
    assert described("beats")["summary"] == ""
    Beats.__doc__ = "The beats of hearts.\n\nAnd more."
    assert described("beats")["summary"] == "The beats of hearts"

"""What a question ends with: the noisy sum, what it says with its intervals, and what it cost.

Everything in it follows from the noisy sum, the noise's deviation and the question: whoever has the file
computes it again. Its hash is in the log, it is signed like a model card, and the figures themselves are in
the file alone: they belong to who asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from commonground.counting import plural
from commonground.escaping import in_code, in_markdown
from federated.questions import CELLS_MAX, Question, parse
from federated.signed_card import canonical, verify
from federated.statistics import Figure, figures
from protocol.depth import load_json
from protocol.errors import ConfigError, Reject
from protocol.identity import KeyId, PersonId, name_of
from protocol.limits import PARTNERS_MAX, PPM

FORMAT: Final = "commonhold-answer-1"
ANSWER_FILE: Final = "answer.json"
MARKDOWN_FILE: Final = "answer.md"
# The longest names of as many cells as there may be.
ANSWER_BYTES_MAX: Final = 4 << 20
_DECIMALS_MAX: Final = 6  # that a figure is kept to

_POST_PROCESSING: Final = (
    "Intervals are of 95 %, each by itself, and of the noise alone: they hold for these partners' examples,"
    " and say nothing about examples that no partner has.",
    "Noise makes some counts negative; they are shown as none, so that small counts come out too large on"
    " average. `noisy_micro` has the values as they were, which are right on average.",
    "A value outside of the question's range was counted at its end, or as `outside`; an empty one as"
    " `missing`.",
    "Privacy is counted for one example. Somebody who is in several of them is protected less.",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the log says what the answer was made from."""

    network: bytes
    job_id: str
    title: str
    job_entry: int
    round_entries: Sequence[int]
    partners: Sequence[PersonId]  # whose examples are in it


@dataclass(frozen=True, slots=True)
class Cost:
    """What the answer cost each example, towards whom; epsilon and delta are one promise."""

    epsilon_micro: Mapping[str, int]  # by who could learn it
    delta: float


def compose(
    question: Question,
    noisy: NDArray[np.float64],
    deviation: float,
    origin: Origin,
    cost: Cost,
) -> bytes:
    """The answer as canonical JSON; all numbers are integers, in millionths where they are `_micro`.

    `noisy` is the sum with its noise, of that deviation in each value. Raises Reject for one that does not
    answer the question.
    """
    kept, spread = _micro(noisy), round(deviation * PPM)
    found = _figures(str(question), kept, spread)
    return canonical(
        {
            "format": FORMAT,
            "title": origin.title,
            "question": str(question),
            "words": question.words,
            "network": origin.network.hex(),
            "job": origin.job_id,
            "job_entry": origin.job_entry,
            "round_entries": list(origin.round_entries),
            "partners": [name_of(each) for each in origin.partners],
            "noisy_micro": kept,
            "deviation_micro": spread,
            "figures": [_figure(each) for each in found],
            "epsilon_micro": dict(cost.epsilon_micro),
            "delta": f"{cost.delta:g}",
            "how_to_read": list(_POST_PROCESSING),
        }
    )


def verify_answer(signed: bytes) -> tuple[KeyId, bytes]:
    """Which key signed an answer, and the answer. Raises Reject unless it is as its operator wrote it."""
    return verify(
        signed, format_=FORMAT, bytes_max=ANSWER_BYTES_MAX, brackets_max=CELLS_MAX + PARTNERS_MAX
    )


def recompute(answer: bytes) -> None:
    """Raises Reject unless the figures of an answer are what its noisy sum says."""
    try:
        its: dict[str, Any] = load_json(answer)
        found = _figures(its["question"], its["noisy_micro"], its["deviation_micro"])
        pairs = list(zip(map(_figure, found), its["figures"], strict=True))
        wrong = [one["name"] for one, other in pairs if not _same(one, other)]
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise Reject("this is no answer", "get it from the coordinator again") from error
    if wrong:
        raise Reject(f"the answer's {wrong[0]!r} does not follow from its noisy sum")


def _figures(question: str, noisy_micro: Sequence[int], deviation_micro: int) -> list[Figure]:
    """From what the file holds, so that everybody computes with the same numbers."""
    return figures(parse(question), np.array(noisy_micro, np.float64) / PPM, deviation_micro / PPM)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Two computers solve the same equations to a millionth, or to nine digits."""
    return one["name"] == other["name"] and all(
        abs(one[each] - other[each]) <= max(1, abs(one[each]) // 10**9)
        for each in ("value_micro", "low_micro", "high_micro")
    )


def to_markdown(answer: bytes) -> str:
    """The answer for people."""
    its: dict[str, Any] = load_json(answer)
    rows = [
        "| " + " | ".join([in_markdown(each.name), *in_words(each)]) + " |"
        for each in figures_of(answer)
    ]
    costs = [
        f"- Towards {in_markdown(who)}: epsilon {epsilon / PPM:.3f} at delta {its['delta']}"
        for who, epsilon in its["epsilon_micro"].items()
    ]
    return "\n".join(
        [
            f"# {in_markdown(its['title'])}",
            "",
            f"Asked: {in_markdown(its['words'])} ({in_code(its['question'])}), of"
            f" {plural(len(its['partners']), 'partner')}.",
            "",
            "| What | Answer | With 95 % confidence |",
            "| --- | --- | --- |",
            *rows,
            "",
            "## What it cost each example",
            "",
            *costs,
            "",
            "## Where it comes from",
            "",
            f"- Job {in_code(its['job'])}, entry {its['job_entry']} of the log of network"
            f" {in_code(its['network'])}; its rounds are entries"
            f" {', '.join(map(str, its['round_entries']))}",
            *(f"- Partner {in_code(each)}" for each in its["partners"]),
            "",
            "## How to read it",
            "",
            *(f"- {each}" for each in its["how_to_read"]),
            "",
        ]
    )


def figures_of(answer: bytes) -> list[Figure]:
    """What an answer says, as numbers."""
    return [
        Figure(each["name"], *(each[f"{end}_micro"] / PPM for end in ("value", "low", "high")))
        for each in load_json(answer)["figures"]
    ]


def _micro(values: NDArray[np.float64]) -> list[int]:
    if not np.isfinite(values).all():
        raise Reject("the answer holds values that are not finite")
    return [round(each * PPM) for each in values.tolist()]


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value_micro": round(figure.value * PPM),
        "low_micro": round(figure.low * PPM),
        "high_micro": round(figure.high * PPM),
    }


def in_words(figure: Figure) -> tuple[str, str]:
    """A figure and its interval, both to as many decimals as the interval's width gives a meaning: two of its
    digits."""
    width = figure.high - figure.low
    known = 1 - math.floor(math.log10(width)) if width > 0 else _DECIMALS_MAX
    decimals = min(max(known, 0), _DECIMALS_MAX)
    shown, least, most = (
        f"{each:,.{decimals}f}" for each in (figure.value, figure.low, figure.high)
    )
    return shown, f"{least} to {most}"

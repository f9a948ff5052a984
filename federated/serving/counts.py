"""What a served model has done, as Prometheus reads it; and how far that is from its card's baseline.

Counts alone: no input, no label of one example, and nobody's address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from protocol.limits import PPM

# Upper ends of the times that are told apart, in seconds.
_BUCKETS: Final = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)
# Of fewer answers the shares say nothing.
DRIFT_MIN: Final = 200


class Counts:
    """Of one process; for its event loop alone."""

    def __init__(self, labels: Sequence[str], shares_ppm: Sequence[int]) -> None:
        """`shares_ppm`: what part of the held-back examples the model gave each label; may be empty."""
        self._labels, self._shares = tuple(labels), tuple(shares_ppm)
        self._requests: Counter[int] = Counter()  # by status
        self._said: Counter[str] = Counter()
        self._seconds: Counter[float] = Counter()
        self._spent = 0.0
        self._examples = 0

    def count(self, status: int, seconds: float = 0.0, examples: int = 0) -> None:
        """One request, and what it took."""
        self._requests[status] += 1
        if examples:
            self._examples += examples
            self._spent += seconds
            self._seconds[next((each for each in _BUCKETS if seconds <= each), float("inf"))] += 1

    def say(self, labels: Sequence[str]) -> None:
        """The labels that were given."""
        self._said.update(labels)

    @property
    def drift(self) -> float | None:
        """0..1: half of the summed differences between the labels given here and to held-back examples.

        None of too few.
        """
        total = self._said.total()
        if total < DRIFT_MIN or not self._shares:
            return None
        here = (self._said[label] / total for label in self._labels)
        return sum(abs(a - b / PPM) for a, b in zip(here, self._shares, strict=True)) / 2

    def text(self) -> str:
        """In Prometheus' exposition format."""
        lines = _metric("requests_total", "counter", "Requests by the status of their answer.")
        lines += [
            _line("requests_total", n, status=str(s)) for s, n in sorted(self._requests.items())
        ]
        lines += _metric("examples_total", "counter", "Examples that were answered.")
        lines.append(_line("examples_total", self._examples))
        lines += _metric("predictions_total", "counter", "Answers by label.")
        lines += [_line("predictions_total", self._said[each], label=each) for each in self._labels]
        lines += _metric("seconds", "histogram", "What a request took to compute.")
        below = 0
        for bound in (*_BUCKETS, float("inf")):
            below += self._seconds[bound]
            end = "+Inf" if bound == float("inf") else f"{bound:g}"
            lines.append(_line("seconds_bucket", below, le=end))
        lines += [_line("seconds_sum", round(self._spent, 6)), _line("seconds_count", below)]
        if (drift := self.drift) is not None:
            lines += _metric(
                "drift", "gauge", "Distance of the labels given from the card's, 0 to 1."
            )
            lines.append(_line("drift", round(drift, 6)))
        return "\n".join([*lines, ""])


def _metric(name: str, kind: str, words: str) -> list[str]:
    return [f"# HELP commonhold_model_{name} {words}", f"# TYPE commonhold_model_{name} {kind}"]


def _line(name: str, value: float, **labels: str) -> str:
    inside = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels.items())
    return (
        f"commonhold_model_{name}{{{inside}}} {value}"
        if inside
        else f"commonhold_model_{name} {value}"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

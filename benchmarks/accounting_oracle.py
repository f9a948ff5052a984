"""Epsilons by Google's dp-accounting: the oracle of `benchmarks.privacy_oracle`.

    python benchmarks/accounting_oracle.py < settings > epsilons

A line of JSON for each setting: noise, sampling, rounds, bin, deltas; and one for each back: for every delta
what it rounds up to, and what it rounds down to. It runs in an environment of its own (`make accounting`),
where nothing of this project is installed.
"""

from __future__ import annotations

import json
import sys

from dp_accounting.pld import privacy_loss_distribution as losses


def main() -> None:
    """Answers one line after the other."""
    for line in sys.stdin:
        noise, sampling, rounds, bin_, deltas = json.loads(line)
        sides = []
        for is_above in (True, False):
            one = losses.from_gaussian_mechanism(
                noise,
                value_discretization_interval=bin_,
                sampling_prob=sampling,
                pessimistic_estimate=is_above,
                use_connect_dots=is_above,
            )
            composed = one.self_compose(rounds)
            sides.append([float(composed.get_epsilon_for_delta(delta)) for delta in deltas])
        print(json.dumps(sides), flush=True)


if __name__ == "__main__":
    main()

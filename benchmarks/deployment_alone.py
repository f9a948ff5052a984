"""The rounds of benchmarks.deployment in one process: the same apps over a grid without sockets, and a log
without a disk.

    python -m benchmarks.deployment_alone ROUNDS PARTNERS IMAGES

runs in the environment for training, and prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from federated.privacy import noise_multiplier_for
from protocol.limits import PPM
from tests.federated_lab import DELTA, EPSILON, Lab, Log


def main() -> None:
    """Entry point."""
    rounds, partners, images = map(int, sys.argv[1:])
    noise = noise_multiplier_for(EPSILON, DELTA, 1.0, rounds)
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(
            Path(folder) / "lab",
            partners=partners,
            rounds=rounds,
            noise_micro=round(noise * PPM),
            expected_examples=partners * images,
        )
        begun = time.perf_counter()
        ready = [lab.enrol(person, images=images) for person in lab.people]
        prepared, used = time.perf_counter(), time.process_time()
        log: Log = lab.run(ready)
        done, used = time.perf_counter(), time.process_time() - used
        lab.close()
    figures = {
        "prepare_seconds": round(prepared - begun, 2),
        "rounds_seconds": round(done - prepared, 2),
        "cpu_seconds_a_round": round(used / rounds, 3),
        "rounds": len(log.kept),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

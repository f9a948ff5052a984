"""What a replay costs whoever comes later: CPU and memory an item, and the seal of a full round.

    python -m benchmarks.replay [ITEMS] [REVIEWERS]

One process writes the log of a network whose campaign of text goes from round to round, each of as many items
as a round may have, three answers an item, an epoch closed after each; another reads and applies it entry by
entry. Seconds and bytes are those of the second one alone: of this process, over what it had before.

cpu_ms_an_item: user and system time. kib_an_item: what the process holds more at the end than at the start.
seal_cpu_s: the longest of the records that begin a round.
"""

from __future__ import annotations

import gc
import json
import pickle
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from protocol.limits import BATCH_ITEMS_MAX
from protocol.state import State
from protocol.transition import apply

ITEMS: Final = 100_000
REVIEWERS: Final = 100
AUTHORS: Final = 20
ACCURACY: Final = 0.9
SUBMISSION_ITEMS: Final = 1_024


def write_log(path: Path, items: int, reviewers: int) -> None:
    """A log in a file: (entry, leaves) one after the other."""
    from tests.simulated import Network, Person

    rng = random.Random(1)

    def judge(truth: int) -> int:
        return truth if rng.random() < ACCURACY else rng.randrange(10)

    people = [Person(f"reviewer {i}", judge) for i in range(reviewers)]
    authors = [Person(f"author {i}", judge) for i in range(AUTHORS)]
    net, left, turn = Network(*authors, *people), items, 0
    with path.open("wb") as file:
        while left or net.state.queues.has("digits"):
            room = BATCH_ITEMS_MAX
            while left and room:
                count = min(SUBMISSION_ITEMS, left, room)
                leaves = [net.item(rng.randrange(10)) for _ in range(count)]
                net.submit(authors[turn % AUTHORS], leaves)
                left, room, turn = left - count, room - count, turn + 1
            net.stand_by(*people)
            net.seal()
            net.run_round(*people)
            net.close()
            for entry in net.log:
                pickle.dump((entry.raw, entry.leaves), file)
            net.log.clear()
            net.changes.clear()


def _entries(path: Path) -> Iterator[tuple[bytes, tuple[Any, ...]]]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except EOFError:
                return


def _resident_kib() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def replay(path: Path) -> dict[str, object]:
    """Applies the log of a file, and says what that cost."""
    state, seal_s, leaves = State(), 0.0, 0
    before_kib, began = _resident_kib(), time.process_time()
    for raw, batch in _entries(path):
        at = time.process_time()
        if apply(state, raw, batch).kind == "seal":
            seal_s = max(seal_s, time.process_time() - at)
        leaves += len(batch)
    spent, items = time.process_time() - began, len(state.items)
    return {
        "items": items,
        "entries": state.size,
        "leaves": leaves,
        "cpu_s": round(spent, 2),
        "cpu_ms_an_item": round(1_000 * spent / items, 3),
        "kib_an_item": round((_resident_kib() - before_kib) / items, 2),
        "seal_cpu_s": round(seal_s, 2),
    }


def run(items: int = ITEMS, reviewers: int = REVIEWERS) -> dict[str, object]:
    """Both processes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        here = [sys.executable, "-m", "benchmarks.replay"]
        subprocess.run([*here, "write", str(path), str(items), str(reviewers)], check=True)
        done = subprocess.run([*here, "read", str(path)], check=True, stdout=subprocess.PIPE)
    figures: dict[str, object] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Prints the table; `write` and `read` are its two halves."""
    match sys.argv[1:]:
        case ["write", path, items, reviewers]:
            write_log(Path(path), int(items), int(reviewers))
        case ["read", path]:
            print(json.dumps(replay(Path(path))))
        case numbers:
            for name, figure in run(*map(int, numbers)).items():
                print(f"{name:24}{figure}")


if __name__ == "__main__":
    main()

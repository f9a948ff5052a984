"""Whether damaged files are refused in our own words, and what looking at a file costs.

    python -m benchmarks.media [--mutations 100000] [--each | --only image/jpeg] [--seed 1] [--json]

Needs the extra `demo`. Every file goes through the decoder's own process, as submitted ones do. `deaths`
counts the files that it died of, which are refused; `not_ours` those of which something else came than a
refusal, the first with its traceback; `memory_mib` is the most that the decoder ever held. `--each`: so many
of each media type.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.report import of_each, show
from node.intake import check_fingerprint, look_beside, prepare_content
from node.media.worker import DECODER
from protocol.errors import Reject
from tests.mutated import mutations, seeds

BYTES_MAX = 1 << 20
_OF_DEATHS = "it cannot be decoded: its decoder"


def measure(count: int, seed: int, only: str = "") -> dict[str, Any]:
    """What became of `count` damaged files; `only`: of one media type."""
    fates: Counter[str] = Counter()
    memory_mib = 0
    started = time.perf_counter()
    for media_type, data in islice(mutations(seed, only), count):
        try:
            made = prepare_content(data, media_type, [media_type], BYTES_MAX)
            check_fingerprint(made.content, media_type, made.fingerprint)
            look_beside(data, media_type)
            fates["taken"] += 1
        except Reject as error:
            fates["deaths" if _OF_DEATHS in str(error) else "refused"] += 1
        except Exception as error:
            fates["not_ours"] += 1
            if fates["not_ours"] == 1:
                error.add_note(f"{media_type}: {data!r}")
                traceback.print_exc()
        if sum(fates.values()) % 1_000 == 0:
            memory_mib = max(memory_mib, _peak_mib())
    seconds = time.perf_counter() - started
    return {
        "files": count,
        "taken": fates["taken"],
        "refused": fates["refused"],
        "deaths": fates["deaths"],
        "not_ours": fates["not_ours"],
        "memory_mib": max(memory_mib, _peak_mib()),
        "ms_each": round(1_000 * seconds / count, 3),
    }


def _peak_mib() -> int:
    """The most memory that the present process has held, where the system tells."""
    path = Path(f"/proc/{DECODER.process_id}/status")
    if not path.exists():
        return 0
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(lines["VmHWM"].split()[0]) // 1_024


def run() -> dict[str, Any]:
    """What `python -m benchmarks media` shows."""
    return measure(10_000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=10_000)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", default="", help="a media type")
    which.add_argument("--each", action="store_true", help="all of them, one after the other")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.each:
        options = ("--mutations", str(arguments.mutations), "--seed", str(arguments.seed))
        found = of_each("benchmarks.media", seeds(), *options)
    else:
        found = measure(arguments.mutations, arguments.seed, arguments.only)
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)
    told = found.values() if arguments.each else [found]
    sys.exit(1 if any(each.get("deaths", 1) or each.get("not_ours", 1) for each in told) else 0)


if __name__ == "__main__":
    main()

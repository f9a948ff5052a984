"""What an export costs, and that its memory does not grow with the dataset.

    python -m benchmarks.dataset

Content is on disk already: fetching it is `benchmarks.transfer`. Memory is the growth of the process's
largest resident set (VmHWM, Linux) while the dataset is written, and while a buyer checks it.
"""

from __future__ import annotations

import io
import random
import tempfile
import time
import wave
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.report import show
from commonground.dataset.check import check_dataset
from protocol.log.merkle import hash_leaf
from tests.dataset_lab import VERIFIER, DatasetLab
from tests.simulated import campaign, part

KIB: Final = 1024
MIB: Final = 1024 * KIB
# (items, bytes each): many small ones, then the same size of item for a dataset four times as large.
SIZES: Final = ((4_096, KIB), (2_048, 64 * KIB), (8_192, 64 * KIB))
_STATUS: Final = Path("/proc/self/status")
_CLEAR_REFS: Final = Path("/proc/self/clear_refs")
_RESET_PEAK: Final = "5"

T = TypeVar("T")


def run() -> dict[str, object]:
    """Figures for each size, from a process of its own: memory once taken is not given back."""
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        figures = pool.map(_measure, *zip(*SIZES, strict=True))
        named = (f"{items:,} items of {size // KIB:,} KiB" for items, size in SIZES)
        return dict(zip(named, figures, strict=True))


def _measure(items: int, size: int) -> dict[str, object]:
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        sounds = campaign(id="sounds", parts=[part("sound", "audio/wav", bytes_max=MIB)])
        lab = DatasetLab(Path(folder), sounds)
        leaves = []
        for _ in range(items):
            leaves.append(lab.item("3", {"sound": _recording(rng, size)}))
            lab.fetch(hash_leaf(leaves[-1]))
            lab.kept.clear()
        lab.accept(ada=leaves)
        (path, manifest), seconds, peak = watched(lab.export)
        _, check_seconds, check_peak = watched(
            lambda: check_dataset(path, VERIFIER, lambda *_: None)
        )
        proofs = sum(manifest.files[name].bytes for name in ("log.jsonl", "items.jsonl"))
        return {
            "export, items/s": items / seconds,
            "export, MiB/s": items * size / MIB / seconds,
            "export, peak MiB above before": peak,
            "check, items/s": items / check_seconds,
            "check, peak MiB above before": check_peak,
            "proofs, bytes an item": proofs / items,
        }


def _recording(rng: random.Random, size: int) -> bytes:
    """Noise, which nothing compresses."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(rng.randbytes(size))
    return out.getvalue()


def watched(work: Callable[[], T]) -> tuple[T, float, float]:
    """What work gives, its seconds, and by how much the largest resident set grew, in MiB."""
    _CLEAR_REFS.write_text(_RESET_PEAK)
    before, start = _peak_mib(), time.perf_counter()
    result = work()
    return result, time.perf_counter() - start, _peak_mib() - before


def _peak_mib() -> float:
    line = next(each for each in _STATUS.read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / KIB


if __name__ == "__main__":
    show(run())

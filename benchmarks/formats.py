"""What a copy of a dataset in each format costs, and that its memory does not grow with the rows.

    python -m benchmarks.formats

The rows are in Parquet already, with five answers each. What is written is hashed and not kept, as where a
copy is checked: the disk is left out. Memory is the growth of the process's largest resident set (VmHWM,
Linux).
"""

from __future__ import annotations

import io
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.dataset import watched
from benchmarks.report import show
from commonground.dataset.decided import Decided, Given, Round
from commonground.dataset.formats.registry import FORMATS
from commonground.dataset.formats.sink import Nowhere
from commonground.dataset.formats.table import Table
from commonground.dataset.layout import DATA, FileEntry, Manifest
from commonground.dataset.parquet import ParquetFiles
from commonground.dataset.rows import Columns
from commonground.files import sha256_file
from protocol.identity import PersonId
from protocol.rows import Campaign, Consent, Description, Part
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.simulated import campaign, part

ROWS: Final = (10_000, 100_000)
ANSWERS: Final = 5
_LABELS: Final = encode_spec({"labels": ["ham", "spam"]})
_TEXTS: Final = campaign(id="texts", spec=_LABELS, parts=[part("text", "text/plain")])
_PICTURES: Final = campaign(id="shots", spec=_LABELS, parts=[part("image", "image/png")])
_PICTURED: Final = ("coco", "yolo", "hugging-face")


def run() -> dict[str, object]:
    """Figures for each format and number of rows, from a process of its own."""
    named = [(name, rows) for name in FORMATS for rows in ROWS]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        figures = pool.map(_measure, *zip(*named, strict=True))
        return dict(zip((f"{name}, {rows:,} rows" for name, rows in named), figures, strict=True))


def _measure(name: str, rows: int) -> dict[str, object]:
    body = _PICTURES if name in _PICTURED else _TEXTS
    with tempfile.TemporaryDirectory() as folder:
        table = _dataset(Path(folder), Campaign.of(body), rows)
        nowhere = Nowhere()
        _, seconds, peak = watched(lambda: FORMATS[name].write(table, nowhere))
        written = sum(each.bytes for each in nowhere.files.values())
        return {
            "rows/s": rows / seconds,
            "MiB written": written / 2**20,
            "peak MiB above before": peak,
        }


def _dataset(folder: Path, terms: Campaign, rows: int) -> Table:
    columns = Columns.of(terms)
    files = ParquetFiles(folder, columns)
    for number in range(rows):
        decided, contents = _item(terms, number)
        files.add(columns.row(decided, contents), sum(map(len, contents.values())))
    paths = files.finish()
    manifest = Manifest(
        network="",
        network_name="",
        campaign=terms.id,
        task=terms.task,
        parts=[each.name for each in terms.parts],
        columns=columns.names,
        snapshot="",
        scope=["train"],
        items=rows,
        missing=[],
        split=None,
        rows={"train": rows},
        checkpoint="",
        files={f"{DATA}/{path.name}": FileEntry(*sha256_file(path)) for path in paths},
    )
    return Table(terms, folder, manifest, has_answers=True)


def _item(terms: Campaign, number: int) -> tuple[Decided, dict[str, bytes]]:
    [kept] = terms.parts
    content = f"message {number} ".encode() * 12
    if kept.media_types == ("image/png",):
        out = io.BytesIO()
        Image.fromarray(np.full((8, 8), number % 251, np.uint8)).save(out, "PNG")
        content = out.getvalue()
    described = Description(
        (Part(kept.name, b"", len(content), kept.media_types[0], ""),),
        b"",
        "CC-BY-4.0",
        Consent(train=True),
        pb.ORIGIN_HUMAN,
        "",
        False,
        (),
        "",
    )
    answer = (number % 2).to_bytes(2)
    given = tuple(
        Given(PersonId(bytes([who]) * 32), answer, 0, Round(1, 0, 1_000)) for who in range(ANSWERS)
    )
    belief = (980_000, 20_000) if number % 2 == 0 else (20_000, 980_000)
    item_id, author = number.to_bytes(32), PersonId(bytes([number % 200]) * 32)
    decided = Decided(
        item_id, described, author, number, answer, belief, 980_000, 1, ANSWERS, 0, given
    )
    return decided, {kept.name: content}


if __name__ == "__main__":
    show(run())

"""Whether damaged tables and exports are read or refused in our own words, and how much memory that takes.

    python -m benchmarks.bringing [--mutations 100000] [--each | --only coco] [--seed 1] [--json]

Needs the extra `demo`. Every file is written, recognised and read to its last item, as `node submit` does.
`not_ours` counts those of which something else was raised than an error of ours, the first with its
traceback and the number that brings it back; `memory_mib` is what they took at the most, beyond what there
was. `--each`: so many of each format, in a process of its own, so that whatever ends one is seen, too.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.report import of_each, show
from node.bringing.sources import Asked, bring
from node.drafts import Draft
from protocol.errors import CommonholdError
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.mutated import mutated
from tests.simulated import Network, campaign, part

BOXES: Final = "application/vnd.commonhold.boxes+json"
_PICTURE: Final = b"\x89PNG\r\n\x1a\n"  # is not decoded here


def _parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two"], "label": ["ham", "spam"]}), out)
    return out.getvalue()


def _coco() -> bytes:
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 6}
    marks = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]},
        {
            "image_id": 1,
            "category_id": 2,
            "bbox": [1, 1, 2, 2],
            "segmentation": [[1, 1, 2, 2, 1, 2]],
        },
    ]
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    return json.dumps({"images": [image], "annotations": marks, "categories": categories}).encode()


def _tasks() -> bytes:
    answer = {"from_name": "a", "type": "choices", "value": {"choices": ["ham"]}}
    return json.dumps([{"data": {"text": "one"}, "annotations": [{"result": [answer]}]}]).encode()


# Kind -> the campaign, and files, of which any is damaged but those that are pictures.
EXPORTS: Final[Mapping[str, tuple[str, dict[str, bytes]]]] = {
    "csv": ("texts", {"a.csv": b'text,label\r\n"one, 1",ham\r\ntwo,spam\r\n'}),
    "tsv": ("texts", {"a.tsv": b"label\ttext\nham\tone\nspam\ttwo\n"}),
    "utf16": ("texts", {"a.csv": "text;label\none;ham\n".encode("utf-16")}),
    "jsonl": ("texts", {"a.jsonl": b'{"text": "one", "label": "ham"}\n{"text": "tw\\u00f6"}\n'}),
    "parquet": ("texts", {"a.parquet": _parquet()}),
    "labelstudio": ("texts", {"a.json": _tasks()}),
    "coco": ("boxed", {"a.json": _coco(), "a.png": _PICTURE}),
    "yolo": (
        "boxed",
        {
            "images/a.png": _PICTURE,
            "labels/a.txt": b"0 0.5 0.5 0.25 0.25\n1 0 0 1 0 1 1\n",
            "data.yaml": b"names:\n  0: cat\n  1: dog\n",
        },
    ),
    "huggingface": (
        "pictures",
        {"train/a.png": _PICTURE, "train/metadata.csv": b"file_name,label\na.png,cat\n"},
    ),
}


def campaigns() -> dict[str, Campaign]:
    """What each export is brought to."""
    net = Network()
    criterion = {"name": "holds", "text": "Does every box hold?", "needs_ppm": 900_000}
    for body in (
        campaign(
            id="texts",
            spec=encode_spec({"labels": ["ham", "spam"]}),
            parts=[part("text", "text/plain")],
        ),
        campaign(
            id="pictures",
            spec=encode_spec({"labels": ["cat", "dog"]}),
            parts=[part("image", "image/png")],
        ),
        campaign(
            id="boxed",
            task="judge",
            spec=encode_spec({"criteria": [criterion]}),
            parts=[part("picture", "image/png"), part("boxes", BOXES)],
            proposal=pb.PROPOSAL_NOT_TAKEN,
        ),
    ):
        net.add(net.operator, "campaign", body)
    return dict(net.state.campaigns.scan())


def measure(count: int, seed: int, only: str = "") -> dict[str, Any]:
    """What became of `count` damaged exports; `only`: of one kind."""
    rng, takes = Random(seed), campaigns()
    fates: Counter[str] = Counter()
    before, started = _peak_mib(), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(count):
            kind = only or rng.choice(list(EXPORTS))
            name, files = EXPORTS[kind]
            path = _write(Path(scratch) / kind, files, rng)
            try:
                drafts = list(bring(Asked([path]), takes[name]).drafts)
            except CommonholdError:
                fates["refused"] += 1
            except Exception as error:
                fates["not_ours"] += 1
                if fates["not_ours"] == 1:
                    error.add_note(f"damaged file {number} of seed {seed}, {kind}")
                    traceback.print_exc()
            else:
                fates["items"] += sum(isinstance(each, Draft) for each in drafts)
                fates["left_out"] += sum(not isinstance(each, Draft) for each in drafts)
    return {
        "files": count,
        "refused": fates["refused"],
        "items": fates["items"],
        "left_out": fates["left_out"],
        "not_ours": fates["not_ours"],
        "memory_mib": _peak_mib() - before,
        "ms_each": round(1_000 * (time.perf_counter() - started) / count, 3),
    }


def _write(folder: Path, files: Mapping[str, bytes], rng: Random) -> Path:
    """The export with one file damaged; what to name is the folder, or its only table."""
    hurt = rng.choice([name for name, data in files.items() if data != _PICTURE])
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(data, rng) if name == hurt else data)
    return folder if any("/" in name for name in files) else folder / hurt


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024


def run() -> dict[str, Any]:
    """What `python -m benchmarks bringing` shows."""
    return measure(5_000, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=5_000)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", default="", choices=["", *EXPORTS])
    which.add_argument("--each", action="store_true", help="all of them, one after the other")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.each:
        options = ("--mutations", str(arguments.mutations), "--seed", str(arguments.seed))
        found = of_each("benchmarks.bringing", EXPORTS, *options)
    else:
        found = measure(arguments.mutations, arguments.seed, arguments.only)
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found)
    told = found.values() if arguments.each else [found]
    sys.exit(1 if any(each.get("not_ours", 1) for each in told) else 0)


if __name__ == "__main__":
    main()

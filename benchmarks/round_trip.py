"""Whether anything is lost between a format and itself: in, through a campaign, out, and in again.

    python -m benchmarks.round_trip [--oracle PYTHON] [--items N] [--json]

Of each format a folder is made as its own tools make it. Its items are read as a contributor's node does,
submitted, reviewed and exported, and copied into the same format. Then two things are compared with the
beginning: what a node reads in the copy, and what the format's own tools read in it, in an environment with
benchmarks/requirements-formats.txt whose Python is given (`make round-trip` makes one).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import datasets
import numpy as np
from PIL import Image

from benchmarks.report import show
from commonground.dataset.check import check_dataset
from commonground.dataset.formats.copies import write_copy
from commonground.dataset.layout import DATA
from node.bringing.sources import Asked, bring
from node.drafts import Draft, PartSource
from protocol.media import BOXES
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.dataset_lab import VERIFIER, DatasetLab
from tests.simulated import campaign, part

ITEMS: Final = 200
BATCH_ITEMS: Final = 100  # in one submission
ORACLES: Final = Path(__file__).with_name("oracles.py")
DEFAULT_ORACLE: Final = Path(".tools/formats/bin/python")

LABELS: Final = ["ham", "spam", "neither, or both", "Größe 10 %", "con"]
# What formats trip over, beside ordinary words.
HARD: Final = (
    *("=1+1", '"quoted", with commas;', "two\nlines", "a\ttab", " blanks ", "e\u0301 and \u00e9"),
    *("NA", "007", "null", "[1, 2]", "{}", "\U0001f642", "\u0633\u0644\u0627\u0645", "\\n", "''"),
    *("/data/upload/x.txt", "/data/local-files/?d=a%20b.txt", "/data/local/tmp%20x failed? d=1"),
    *("http://example.com/x.txt", "s3://bucket/x.txt", "/etc/hosts", "../x.txt", "x.txt"),
)
TAGS: Final = ["cat", "dog", "Größe 10 %"]
_PARQUET: Final = "train-00000-of-00001.parquet"
_TEXTS: Final = campaign(
    id="texts", spec=encode_spec({"labels": LABELS}), parts=[part("text", "text/plain")]
)
_TAGGED: Final = campaign(
    id="tagged",
    task="tags",
    spec=encode_spec({"tags": TAGS}),
    parts=[part("text", "text/plain")],
)
_PICTURES: Final = campaign(
    id="shots", spec=encode_spec({"labels": LABELS}), parts=[part("image", "image/png")]
)
_JUDGED: Final = {"criteria": [{"name": "ok", "text": "Is it?", "needs_ppm": 900_000}]}
_BOXED: Final = campaign(
    id="boxed",
    task="judge",
    spec=encode_spec(_JUDGED),
    parts=[part("image", "image/png"), part("boxes", BOXES.name)],
    proposal=pb.PROPOSAL_NOT_TAKEN,
)

Make = Callable[[Path, int], None]


@dataclass(frozen=True, slots=True)
class Case:
    """A format, as `make` writes it. `source`: what is named to submit, and `copy` of what is exported;
    `oracle`: of ORACLES."""

    name: str
    format: str
    campaign: pb.Campaign
    make: Make
    source: str = "."
    copy: str = "."
    oracle: str = ""


def _text(number: int) -> str:
    return HARD[number] if number < len(HARD) else f"message {number}: {number**5} words"


def _label(number: int) -> str:
    return LABELS[number % len(LABELS)]


def _picture(number: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (40, 64), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _csv(folder: Path, items: int) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    lines = [f"{quoted(_text(n))},{quoted(_label(n))}\r\n" for n in range(items)]
    _write(folder / "train.csv", "".join(["text,answer\r\n", *lines]))


def _json_lines(folder: Path, items: int) -> None:
    lines = (json.dumps({"text": _text(n), "answer": _label(n)}) for n in range(items))
    _write(folder / "train.jsonl", "\n".join([*lines, ""]))


def _label_studio(folder: Path, items: int) -> None:
    choices = "".join(f'<Choice value="{label}"/>' for label in LABELS)
    control = f'<Choices name="kind" toName="t">{choices}</Choices>'
    _write(folder / "config.xml", f'<View><Text name="t" value="$text"/>{control}</View>')
    tasks = []
    for n in range(items):
        value = {"choices": [_label(n)]}
        result = {"from_name": "kind", "to_name": "t", "type": "choices", "value": value}
        given = [{"result": [result], "was_cancelled": False}] * 2
        tasks.append({"id": n, "data": {"text": _text(n)}, "annotations": given})
    _write(folder / "tasks.json", json.dumps(tasks))


def _label_studio_tags(folder: Path, items: int) -> None:
    choices = "".join(f'<Choice value="{tag}"/>' for tag in TAGS)
    control = f'<Choices name="kind" toName="t" choice="multiple">{choices}</Choices>'
    _write(folder / "config.xml", f'<View><Text name="t" value="$text"/>{control}</View>')
    tasks = []
    for n in range(items):
        chosen = [tag for place, tag in enumerate(TAGS) if n >> place & 1]
        result = {"from_name": "kind", "to_name": "t", "type": "choices"}
        given = {"result": [result | {"value": {"choices": chosen}}] if chosen else []}
        tasks.append({"id": n, "data": {"text": _text(n)}, "annotations": [given]})
    _write(folder / "tasks.json", json.dumps(tasks))


def _label_studio_boxes(folder: Path, items: int) -> None:
    labels = "".join(f'<Label value="{label}"/>' for label in LABELS)
    controls = (
        f'<{kind} name="{kind}" toName="i">{labels}</{kind}>'
        for kind in ("RectangleLabels", "PolygonLabels")
    )
    shown = '<Image name="i" value="$image"/>'
    _write(folder / "config.xml", f"<View>{shown}{''.join(controls)}</View>")
    tasks = []
    for n in range(items):
        _write(folder / "images" / f"{n:06}.png", _picture(n))
        data = {"image": f"/data/upload/1/0a1b2c3d-{n:06}.png"}
        given = [{"result": [_region(n, at) for at in range(n % 4)], "was_cancelled": False}]
        tasks.append({"id": n, "data": data, "annotations": given})
    _write(folder / "tasks.json", json.dumps(tasks))


def _region(number: int, at: int) -> dict[str, Any]:
    """A rectangle, one that is turned, or a polygon, in percent of a picture of 64 by 40 pixels."""
    rng = random.Random(f"{number} {at}")
    place: dict[str, Any] = {"x": rng.uniform(20, 40), "y": rng.uniform(20, 40)}
    place |= {"width": 25, "height": rng.uniform(10, 20), "rotation": 30 * (at == 1)}
    if at == 2:
        place = {"points": [[10, 10], [rng.uniform(20, 90), 12.5], [50, 90]], "closed": True}
    kind = "polygonlabels" if at == 2 else "rectanglelabels"
    return {
        "id": f"{number}-{at}",
        "from_name": "PolygonLabels" if at == 2 else "RectangleLabels",
        "to_name": "i",
        "type": kind,
        "original_width": 64,
        "original_height": 40,
        "image_rotation": 0,
        "value": place | {kind: [_label(number + at)]},
    }


def _coco(folder: Path, items: int, boxes: bool) -> None:
    images: list[Any] = []
    annotations: list[Any] = []
    for n in range(items):
        name = f"{n:06}.png"
        _write(folder / "images" / "train" / name, _picture(n))
        images.append({"id": n + 1, "file_name": name, "width": 64, "height": 40})
        for each in _marks(n) if boxes else [{}]:
            category = 1 + (n + len(annotations)) % len(LABELS) if boxes else 1 + n % len(LABELS)
            own = {"id": len(annotations) + 1, "image_id": n + 1, "category_id": category}
            annotations.append(own | each)
    categories = [{"id": n, "name": name} for n, name in enumerate(LABELS, 1)]
    found = {"images": images, "annotations": annotations, "categories": categories}
    kind = "instances" if boxes else "labels"
    _write(folder / "annotations" / f"{kind}_train.json", json.dumps(found))


def _marks(number: int) -> list[dict[str, Any]]:
    """Up to three objects: whole pixels, parts of pixels, and an outline."""
    rng = random.Random(number)
    left, top = rng.randint(0, 20), rng.randint(0, 10)
    fine = [rng.randint(0, 2000) / 100, rng.randint(0, 1000) / 100, 7.25, 12.5]
    outline = [[left, top, left + 9, top, left + 9, top + 9.5]]
    found: list[dict[str, Any]] = [
        {"bbox": [left, top, 11, 13], "area": 143, "segmentation": [], "iscrowd": 0},
        {"bbox": fine, "area": 90.625, "segmentation": [], "iscrowd": 0},
        {"bbox": [left, top, 9, 9.5], "area": 42.75, "segmentation": outline, "iscrowd": 0},
    ]
    return found[: number % 4]


def _yolo_labels(folder: Path, items: int) -> None:
    for n in range(items):  # as people name folders: no label that needs spelling
        name = LABELS[n % 3]
        _write(folder / "train" / name / f"{n:06}.png", _picture(n))


def _yolo_boxes(folder: Path, items: int) -> None:
    names = "\n".join(f"  {n}: {json.dumps(each)}" for n, each in enumerate(sorted(LABELS)))
    _write(folder / "data.yaml", f"names:\n{names}\ntrain: images/train\n")
    for n in range(items):
        rng = random.Random(n)
        lines = []
        for at in range(n % 4):
            numbers = (rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), 0.25, rng.uniform(0.1, 0.5))
            label = (n + at) % len(LABELS)
            lines.append(" ".join([str(label), *(f"{each:.6f}" for each in numbers)]) + "\n")
        _write(folder / "images" / "train" / f"{n:06}.png", _picture(n))
        _write(folder / "labels" / "train" / f"{n:06}.txt", "".join(lines))


def _hugging_face(folder: Path, items: int) -> None:
    lines = []
    for n in range(items):
        name = f"{n:06}.png"
        _write(folder / "train" / name, _picture(n))
        lines.append(json.dumps({"file_name": name, "answer": _label(n)}) + "\n")
    _write(folder / "train" / "metadata.jsonl", "".join(lines))


_TASKS: Final = ("tasks.json", "tasks.json")  # what is named to submit, and is in the copy
CASES: Final = (
    Case("csv to parquet", "", _TEXTS, _csv, "train.csv", _PARQUET, "duckdb"),
    Case("csv", "csv", _TEXTS, _csv, "train.csv", "train.csv", "duckdb"),
    Case("jsonl", "jsonl", _TEXTS, _json_lines, "train.jsonl", "train.jsonl", "duckdb"),
    Case("label-studio", "label-studio", _TEXTS, _label_studio, *_TASKS),
    Case("label-studio tags", "label-studio", _TAGGED, _label_studio_tags, *_TASKS),
    Case("label-studio boxes", "label-studio", _BOXED, _label_studio_boxes, *_TASKS),
    Case("coco labels", "coco", _PICTURES, lambda folder, n: _coco(folder, n, boxes=False)),
    Case("coco boxes", "coco", _BOXED, lambda folder, n: _coco(folder, n, boxes=True)),
    Case("yolo labels", "yolo", _PICTURES, _yolo_labels),
    Case("yolo boxes", "yolo", _BOXED, _yolo_boxes),
    Case("hugging-face", "hugging-face", _PICTURES, _hugging_face),
)


def run(items: int = ITEMS, oracle: Path | None = None) -> dict[str, object]:
    """For each format: items that a node reads, and its own tools; how many of them are lost or others."""
    if oracle is None and DEFAULT_ORACLE.exists():
        oracle = DEFAULT_ORACLE
    return {case.name: measure(case, items, oracle) for case in CASES}


def measure(case: Case, items: int, oracle: Path | None) -> dict[str, object]:
    """The figures of one format."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        case.make(source, items)
        terms = Campaign.of(case.campaign)
        brought = _drafts(source / case.source, terms)
        copy = _through(case, terms, Path(folder) / "network", brought)
        again = _drafts(copy / case.copy, terms)
        figures: dict[str, object] = {
            "items": items,
            "read": len(brought),
            "lost": _lost(_told(brought), _told(again)),
        }
        if case.name == "hugging-face":
            return figures | {"lost, by datasets": _lost(_by_datasets(source), _by_datasets(copy))}
        if oracle is not None:
            told = (_by_oracle(oracle, case.oracle or case.name, each) for each in (source, copy))
            before, after = told
            figures |= {
                "read, by its tools": len(before),
                "lost, by its tools": _lost(before, after),
            }
        return figures


def _drafts(path: Path, terms: Campaign) -> list[Draft]:
    """The items that a node reads."""
    return [each for each in bring(Asked([path]), terms).drafts if isinstance(each, Draft)]


def _through(case: Case, terms: Campaign, home: Path, drafts: list[Draft]) -> Path:
    """Submits, reviews, exports, copies and checks; gives the copy's folder."""
    home.mkdir()
    lab = DatasetLab(home, case.campaign)
    for start in range(0, len(drafts), BATCH_ITEMS):
        batch = drafts[start : start + BATCH_ITEMS]
        leaves = [
            lab.item(draft.words or "yes", {part.name: _content(part) for part in draft.parts})
            for draft in batch
        ]
        lab.submit(ada=leaves)
    lab.accept()
    lab.fetch()
    path, _ = lab.export()
    copy = path / DATA
    if case.format:
        copy = write_copy(path, terms, case.format, has_answers=True)
    check_dataset(path, VERIFIER, lambda *_: None)
    return copy


def _content(part: PartSource) -> bytes:
    return part.path.read_bytes() if part.path is not None else part.data or part.text.encode()


def _told(drafts: list[Draft]) -> Counter[str]:
    """Items by what they hold: content, and answer. Boxes by what they say: JSON has many spellings."""
    return Counter(
        json.dumps([*(_part_told(part) for part in draft.parts), draft.words]) for draft in drafts
    )


def _part_told(part: PartSource) -> object:
    if part.name == "boxes":
        return json.loads(_content(part))
    return hashlib.sha256(_content(part)).hexdigest()


def _by_datasets(folder: Path) -> Counter[str]:
    with tempfile.TemporaryDirectory() as cache:
        loaded = datasets.load_dataset(str(folder), split="train", cache_dir=cache)
        raw = loaded.cast_column("image", datasets.Image(decode=False))
        return Counter(
            hashlib.sha256(
                row["image"]["bytes"] or Path(row["image"]["path"]).read_bytes()
            ).hexdigest()
            + row["answer"]
            for row in raw
        )


def _by_oracle(python: Path, name: str, folder: Path) -> Counter[str]:
    command = [str(python.absolute()), str(ORACLES), name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-2_000:]}")
    return Counter(map(json.dumps, json.loads(done.stdout.splitlines()[-1])))


def _lost(before: Counter[str], after: Counter[str]) -> int:
    """How many are on one side alone."""
    return ((before - after) + (after - before)).total()


def main() -> None:
    """Prints the figures; ends with JSON on request."""
    options = argparse.ArgumentParser()
    options.add_argument("--oracle", type=Path)
    options.add_argument("--items", type=int, default=ITEMS)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    figures = run(chosen.items, chosen.oracle)
    show(figures)
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()

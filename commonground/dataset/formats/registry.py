"""The formats that a dataset can be copied into: the one list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from commonground.dataset.formats import (
    coco,
    comma_separated,
    hugging_face,
    json_lines,
    label_studio,
    yolo,
)
from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Outline, Table


@dataclass(frozen=True, slots=True)
class Format:
    """A format. `check` raises ConfigError for items that it does not take; `load`: how it is opened."""

    name: str  # on the command line, and of the folder
    words: str
    load: str
    write: Callable[[Table, Sink], None]
    check: Callable[[Outline], object] = lambda _: None


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        each.name: each
        for each in (
            Format(
                "jsonl",
                "JSON Lines: an object for each row",
                "pandas.read_json('train.jsonl', lines=True)",
                json_lines.write,
            ),
            Format(
                "csv",
                "CSV (RFC 4180), UTF-8; every text as it was, formulas included",
                "pandas.read_csv('train.csv', dtype_backend='numpy_nullable')",
                comma_separated.write,
            ),
            Format(
                "label-studio",
                "Label Studio: tasks.json to import, config.xml as its labelling setup",
                "Settings, Labeling Interface: config.xml; this folder as the local storage's; then import",
                label_studio.write,
            ),
            Format(
                "coco",
                "COCO: pictures, with categories of each as a whole",
                "pycocotools.coco.COCO('annotations/labels_train.json')",
                coco.write,
                coco.check,
            ),
            Format(
                "yolo",
                "YOLO for classification: a folder for each label",
                "yolo classify train data=.",
                yolo.write,
                yolo.check,
            ),
            Format(
                "hugging-face",
                "A folder of pictures or recordings as Hugging Face has it",
                "datasets.load_dataset('.')",
                hugging_face.write,
                hugging_face.check,
            ),
        )
    }
)

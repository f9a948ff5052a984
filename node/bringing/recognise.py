"""What somebody named, by its name and by what is in it. Who knows better says so with `--format`."""

from __future__ import annotations

import os
from pathlib import Path

from commonground.tables import form_of, read_json
from node.bringing import coco, huggingface, labelstudio, yolo
from node.bringing.formats import Format
from protocol.media import CSV, JSON


def recognise(path: Path, items: frozenset[str]) -> Format:
    """`items` are the media types that are items themselves: files of these are no tables.

    Raises ConfigError for a file that cannot be read.
    """
    if os.path.isdir(path):
        return _of_folder(path, takes_tables=CSV.name in items)
    form = form_of(path)
    if form is not None and CSV.name not in items:
        return Format(form)
    if path.suffix.lower() == ".json" and JSON.name not in items:
        return _of_json(path)
    return Format.FILES


def _of_json(path: Path) -> Format:
    found = read_json(path)
    if coco.is_coco(found):
        return Format.COCO
    return Format.LABEL_STUDIO if labelstudio.is_tasks(found) else Format.JSON


def _of_folder(folder: Path, *, takes_tables: bool) -> Format:
    if huggingface.is_dataset(folder, takes_tables=takes_tables):
        return Format.HUGGING_FACE
    if coco.files_in(folder):
        return Format.COCO
    is_yolo = yolo.classes(folder) or yolo.has_boxes(folder)
    return Format.YOLO if is_yolo else Format.FILES

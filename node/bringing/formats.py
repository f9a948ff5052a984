"""What may be named to submit. A module of its own, as pages of help need it, and nothing else."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What `--format` may say."""

    FILES = "files"
    CSV = "csv"
    TSV = "tsv"
    JSON_LINES = "jsonl"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"
    LABEL_STUDIO = "label-studio"
    COCO = "coco"
    YOLO = "yolo"
    HUGGING_FACE = "hugging-face"

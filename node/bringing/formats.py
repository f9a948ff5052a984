"""What may be named to submit."""

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

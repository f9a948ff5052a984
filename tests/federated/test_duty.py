"""What a member's machine keeps: in a copy of the file as well, and nowhere once it is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from federated.duty import Duty
from protocol.errors import StoreError

SET = bytes(range(32))
SEEDS = [b"a" * 32, b"b" * 32]


def test_a_copy_of_the_file_has_the_keys_of_a_job_that_runs(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Duty.open(tmp_path / "duty.db") as duty:
        key, ephemerals = duty.key("train"), duty.ephemerals("train", 1, SEEDS, 3)
        copy.touch(0o600)
        copy.write_bytes((tmp_path / "duty.db").read_bytes())
        assert duty.key("train") == key
    with Duty.open(copy) as again:
        assert again.key("train") == key
        assert again.ephemerals("train", 1, SEEDS, 3) == ephemerals


def test_every_box_has_a_key_of_its_own(tmp_path: Path) -> None:
    with Duty.open(tmp_path / "duty.db") as duty:
        asked = [
            ("train", 1, SEEDS),
            ("train", 2, SEEDS),
            ("train", 1, SEEDS[::-1]),
            ("b", 1, SEEDS),
        ]
        keys = [
            each for job, round_, seeds in asked for each in duty.ephemerals(job, round_, seeds, 3)
        ]
    assert len({*keys}) == 12


def test_what_is_forgotten_is_in_no_file(tmp_path: Path) -> None:
    with Duty.open(tmp_path / "duty.db") as duty:
        key = duty.key("train")
        duty.bind("train", 1, SET)
        assert key in _files(tmp_path)
        duty.forget("train")
        assert key not in _files(tmp_path)
        assert SET in _files(tmp_path), "one set a round, for ever"


def _files(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir())


def test_no_set_is_written_down_where_nobody_will_find_it(tmp_path: Path) -> None:
    """After a restart another set of the same round would be opened."""
    path = tmp_path / "duty.db"
    with Duty.open(path) as duty:
        duty.bind("train", 1, SET)
        path.unlink()
        with pytest.raises(StoreError, match="was deleted, moved or replaced"):
            duty.bind("train", 2, SET)

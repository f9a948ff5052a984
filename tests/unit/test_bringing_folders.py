"""What a folder holds, where not all of it may be looked at."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from node.bringing.folders import File, find_files
from node.drafts import LeftOut
from protocol.errors import ConfigError

NOBODY = 65_534


@contextmanager
def as_nobody() -> Iterator[None]:
    """The superuser may enter every folder: as somebody who may not, for the block."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter, unlike those that pytest makes."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_nobody_may_enter_is_left_out_and_the_rest_is_taken(folder: Path) -> None:
    (folder / "a.txt").write_text("a")
    (folder / "locked").mkdir(0o000)
    with as_nobody():
        found = list(find_files([folder]))
    assert found == [
        File("a.txt", folder / "a.txt"),
        LeftOut("locked/", "cannot be read: Permission denied"),
    ]


def test_what_lies_in_such_a_folder_is_no_missing_file(folder: Path) -> None:
    (folder / "locked").mkdir(0o000)
    with as_nobody(), pytest.raises(ConfigError, match=r"a\.txt cannot be read: Permission denied"):
        list(find_files([folder / "locked" / "a.txt"]))
    with pytest.raises(ConfigError, match=r"cannot be read: File name too long"):
        list(find_files([folder / ("a" * 300)]))
    with pytest.raises(ConfigError, match=r"there is no file"):
        list(find_files([folder / "a.txt"]))

"""commonground/files.py: whole, private and durable, or not there at all."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from commonground import files
from commonground.files import (
    PUBLIC_MODE,
    open_file,
    private_directory,
    replace_file,
    replacing,
    write_new,
    writing,
)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reached the disk, in order: files, directories and names."""
    seen: list[str] = []
    fsync, replace, link = os.fsync, os.replace, os.link

    def record_sync(descriptor: int) -> None:
        kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        fsync(descriptor)
        seen.append(kind)

    def record_replace(source: Path, target: Path) -> None:
        replace(source, target)
        seen.append("name")

    def record_link(source: Path, target: Path) -> None:
        link(source, target)
        seen.append("name")

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_replace)
    monkeypatch.setattr(os, "link", record_link)
    return seen


def test_a_file_is_on_disk_before_its_name_and_the_name_before_we_go_on(
    tmp_path: Path, synced: list[str]
) -> None:
    replace_file(tmp_path / "a", b"first")
    replace_file(tmp_path / "a", "zweites, mit ß")
    write_new(tmp_path / "b", b"secret")
    assert synced == ["file", "name", "directory"] * 3
    assert (tmp_path / "a").read_text() == "zweites, mit ß"
    assert (tmp_path / "b").read_bytes() == b"secret"


def test_only_the_owner_can_read_a_file_even_while_it_is_written(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as file:
        file.write(b"half")
        file.flush()
        assert [mode_of(each) for each in tmp_path.iterdir()] == [0o600]
    (tmp_path / "b").touch(mode=0o644)
    replace_file(tmp_path / "b", b"")
    write_new(tmp_path / "c", b"")
    assert [mode_of(tmp_path / each) for each in "abc"] == [0o600] * 3


def test_what_is_given_away_can_be_read(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        replace_file(tmp_path / "card", b"", PUBLIC_MODE)
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "card") == 0o644


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"old"


def test_an_interrupted_block_leaves_nothing(tmp_path: Path) -> None:
    for write in (writing, replacing):
        with pytest.raises(KeyboardInterrupt), write(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_takes_nobodys_place(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_new(path, b"first")
    with pytest.raises(FileExistsError):
        write_new(path, b"second")
    with pytest.raises(FileExistsError), writing(path):
        raise AssertionError("it is there")
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
    assert path.read_bytes() == b"first"


def test_a_link_in_the_way_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"untouched")
    (tmp_path / "a").symlink_to(other)
    replace_file(tmp_path / "a", b"ours")
    assert other.read_bytes() == b"untouched"
    assert not (tmp_path / "a").is_symlink()


def test_two_writers_do_not_share_a_part(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as one, replacing(tmp_path / "a") as other:
        one.write(b"one")
        other.write(b"other")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_directory_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    private_directory(tmp_path / "home")
    private_directory(tmp_path / "deep" / "home")
    (tmp_path / "open").mkdir(mode=0o755)
    private_directory(tmp_path / "open" / "home")
    deep = [tmp_path / "deep", tmp_path / "deep" / "home", tmp_path / "open" / "home"]
    assert {mode_of(each) for each in [tmp_path / "home", *deep]} == {0o700}
    assert mode_of(tmp_path / "open") == 0o755, "what was there stays as it is"


def test_a_hash_is_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_CHUNK_BYTES", 2)
    (tmp_path / "a").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4
    assert files.sha256_file(tmp_path / "a") == (digest, 3)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would keep whoever opens it waiting for ever, and a device may have no end."""
    (tmp_path / "a.txt").write_bytes(b"text")
    with open_file(tmp_path / "a.txt") as file:
        assert file.read() == b"text"
    (tmp_path / "link").symlink_to("a.txt")
    with open_file(tmp_path / "link") as file:
        assert file.read() == b"text"
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for place in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero"), Path("/dev/tty")):
            with pytest.raises(OSError, match=r"it is no file|No such device"):
                open_file(place)
    with pytest.raises(
        OSError, match="save it to a file first"
    ):  # of /dev/stdin, and <(…) of a shell
        open_file(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "none")

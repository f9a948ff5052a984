"""The blob store: names that commit, modes that hide, crashes that leave nothing behind."""

from __future__ import annotations

import io
import os
import resource
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.blobs import CHUNK_BYTES, BlobRef, BlobStore, commit_content
from protocol.errors import Reject, StoreError
from protocol.log.commitments import content_commitment

SALT = bytes(range(32))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]


@given(st.binary(max_size=300))
def test_streaming_and_whole_commitments_agree(content: bytes) -> None:
    found = commit_content(SALT, io.BytesIO(content))
    assert found == (content_commitment(SALT, content), len(content))


def test_a_stream_of_several_chunks_commits_to_all_of_them() -> None:
    content = os.urandom(2 * CHUNK_BYTES + 7)
    assert commit_content(SALT, io.BytesIO(content))[0] == content_commitment(SALT, content)


def test_put_from_bytes_and_from_a_path_are_the_same_blob(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    with BlobStore(tmp_path / "store") as store:
        ref = store.put(b"content", SALT)
        assert store.put(source, SALT) == ref == BlobRef(content_commitment(SALT, b"content"), 7)
        assert store.find(ref.commitment) == ref
        stream = store.open(ref.commitment)
        assert stream is not None
        with stream:
            assert stream.read() == b"content"
        assert len(_files(tmp_path / "store")) == 1


def test_another_salt_is_another_blob(tmp_path: Path) -> None:
    with BlobStore(tmp_path) as store:
        assert store.put(b"content", SALT) != store.put(b"content", bytes(32))


def test_files_are_private_even_in_a_directory_that_was_open(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir(mode=0o755)
    with BlobStore(root) as store:
        path = store.path_of(store.put(b"content", SALT).commitment)
    assert _mode(path) == 0o600
    assert _mode(path.parent) == _mode(root) == 0o700


def test_content_at_the_limit_is_stored_and_one_byte_more_is_not(tmp_path: Path) -> None:
    with BlobStore(tmp_path, size_max=4) as store:
        assert store.put(b"1234", SALT).length == 4
        with pytest.raises(Reject, match="longer than 4"):
            store.put(b"12345", SALT)
    assert len(_files(tmp_path)) == 1


@pytest.mark.parametrize("length", [0, 31, 33])
def test_salts_and_commitments_have_32_bytes(tmp_path: Path, length: int) -> None:
    with BlobStore(tmp_path) as store:
        with pytest.raises(Reject):
            store.put(b"content", bytes(length))
        with pytest.raises(Reject):
            store.open(bytes(length))


def test_delete_removes_once(tmp_path: Path) -> None:
    with BlobStore(tmp_path) as store:
        ref = store.put(b"content", SALT)
        assert store.delete(ref.commitment)
        assert not store.delete(ref.commitment)
        assert store.open(ref.commitment) is None
        assert store.find(ref.commitment) is None
    assert _files(tmp_path) == []


def test_verify_sees_damage(tmp_path: Path) -> None:
    with BlobStore(tmp_path) as store:
        ref = store.put(b"content", SALT)
        assert store.verify(ref.commitment, SALT)
        assert not store.verify(bytes(32), SALT)
        store.path_of(ref.commitment).write_bytes(b"c0ntent")
        assert not store.verify(ref.commitment, SALT)


def test_parts_of_a_crash_are_swept_when_nobody_else_has_the_store_open(tmp_path: Path) -> None:
    with BlobStore(tmp_path) as store:
        ref = store.put(b"content", SALT)
        fetched = store.path_of(ref.commitment)
        left = [fetched.with_name(f"{fetched.name}.0.part"), tmp_path / "in" / "1.part"]
        for part in left:
            part.write_bytes(b"half")
        with BlobStore(tmp_path):  # a second process while the first one runs: it may be writing
            assert all(part.exists() for part in left)
    with BlobStore(tmp_path) as store:
        assert not any(part.exists() for part in left)
        assert store.find(ref.commitment) == ref


def test_a_disk_that_takes_only_a_part_of_the_last_write_is_noticed(tmp_path: Path) -> None:
    """A limit on the file's size cuts a write short as a full disk does: without an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with BlobStore(tmp_path) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_BYTES * 3 // 2, before[1]))
        try:
            with pytest.raises(StoreError, match="File too large"):
                store.put(bytes(2 * CHUNK_BYTES), SALT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _files(tmp_path) == []


def test_a_source_that_cannot_be_read_is_our_own_error(tmp_path: Path) -> None:
    with BlobStore(tmp_path / "store") as store, pytest.raises(StoreError):
        store.put(tmp_path / "missing", SALT)
    assert _files(tmp_path / "store") == []

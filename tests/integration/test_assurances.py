"""A real coordinator answers to heads that it signed, and stops when it is shown more than it has."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from nacl.signing import SigningKey

from coordinator.backup import require_complete
from coordinator.config import Home
from coordinator.heads import PLACE_BYTES, KeptHead
from coordinator.keys import load_keys
from protocol.errors import Misbehaviour, StateError, StoreError
from protocol.log.assurance import check_assurance
from protocol.log.note import Verifier, open_checkpoint, sign_checkpoint
from protos.gen import api_pb2
from tests.helpers import Person
from tests.live_coordinator import Live, found_network, live


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(found_network(tmp_path / "net")) as running:
        await running.join(*(Person(f"person {n}") for n in range(4)))
        yield running
        assert not running.fatal


async def ask(net: Live, held: bytes) -> api_pb2.FollowResponse:
    stream = net.stub.Follow(api_pb2.FollowRequest(start=0, held=held))
    response: api_pb2.FollowResponse = await stream.read()
    stream.cancel()
    return response


async def head_of(net: Live) -> bytes:
    return bytes((await ask(net, b"")).checkpoint)


def forged(net: Live, size: int, key: SigningKey | None = None) -> bytes:
    """A head of another history, by the log's own key or another one."""
    signer = key or net.keys.log_keys[0]
    verifier = Verifier(net.keys.log_verifier.name, bytes(signer.verify_key))
    return sign_checkpoint(verifier, size, bytes(32), lambda text: signer.sign(text).signature)


async def test_the_first_message_comes_at_once_and_assures(net: Live) -> None:
    verifier = net.keys.log_verifier
    early = await head_of(net)
    await net.join(Person("one more"))
    answer = await ask(net, early)
    assert not answer.entries
    held, present = (open_checkpoint(note, verifier) for note in (early, answer.checkpoint))
    assert (held.size, present.size) == (5, 6)
    check_assurance(held, present, list(answer.proof))
    kept = KeptHead(net.home.head_path).read(verifier)
    assert kept is not None
    assert kept.size == 6


@pytest.mark.parametrize("held", [b"junk", b"x" * 9_000])
async def test_junk_is_no_head(net: Live, held: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(net, held)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_head_that_it_did_not_sign_is_not_answered_and_stops_nobody(net: Live) -> None:
    for size in (3, 5, 99):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(net, forged(net, size, SigningKey(b"\5" * 32)))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    await net.join(Person("one more"))


@pytest.mark.parametrize("size", [3, 5, 99])
async def test_a_head_that_it_signed_and_does_not_extend_stops_it(net: Live, size: int) -> None:
    verifier, held = net.keys.log_verifier, forged(net, size)
    answer = await ask(net, held)
    with pytest.raises(Misbehaviour):
        check_assurance(
            open_checkpoint(held, verifier),
            open_checkpoint(answer.checkpoint, verifier),
            list(answer.proof),
        )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.join(Person("one more"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE, "nothing is lost by waiting"
    assert "somebody" in (caught.value.details() or "")
    assert net.home.head_path.read_bytes() == held, "the next start refuses, too"
    again = await ask(net, held)
    assert again.checkpoint == answer.checkpoint, "everybody gets the same answer"


async def test_a_start_refuses_what_was_shown_and_is_not_there(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    old = Home(tmp_path / "old")
    shutil.copytree(home.path, old.path)
    async with live(home) as net:
        await net.join(Person("ada"), Person("ben"))
    for head in (home.head_path.read_bytes(), b"junk"):
        old.head_path.write_bytes(head)
        with pytest.raises(StoreError) as caught:
            async with live(old):
                pass
        assert "coordinator restore --from" in caught.value.advice
    old.head_path.unlink()
    async with live(old):
        assert old.head_path.stat().st_mode & 0o077 == 0


async def test_a_backup_does_not_serve(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    home.backup_path.touch()
    with pytest.raises(StateError, match="is a backup") as caught:
        async with live(home):
            pass
    assert "restore --from" in caught.value.advice
    home.backup_path.unlink()
    require_complete(home)


async def test_no_receipt_goes_out_before_its_head_is_kept(
    net: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("coordinator.heads.os.pwrite", disk_full)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await net.join(Person("one more"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    await asyncio.sleep(0)
    [failure] = net.fatal
    assert "head" in str(failure.__cause__ or failure)
    net.fatal.clear()
    monkeypatch.undo()
    keys = load_keys(net.home)
    kept = KeptHead(net.home.head_path).read(keys.log_verifier)
    assert kept is not None
    assert kept.size == 5


async def test_a_write_that_a_crash_tears_leaves_the_head_before(net: Live) -> None:
    verifier, sizes = net.keys.log_verifier, []
    for name in ("one more", "and one", "and another"):
        await net.join(Person(name))
        whole = net.home.head_path.read_bytes()
        newest = max(range(2), key=lambda at: _size_at(whole, at, verifier))
        torn = bytearray(whole)
        torn[newest * PLACE_BYTES + 20] ^= 0xFF
        other = KeptHead(net.home.path / "torn")
        (net.home.path / "torn").write_bytes(torn)
        found = other.read(verifier)
        sizes.append(0 if found is None else found.size)
    assert sizes == [5, 6, 7]


def _size_at(whole: bytes, place: int, verifier: Verifier) -> int:
    note = whole[place * PLACE_BYTES :][:PLACE_BYTES].rstrip(b"\0")
    return open_checkpoint(note, verifier).size if note else -1

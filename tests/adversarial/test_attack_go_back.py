"""A log that goes back, in every way that it can be told: the node alarms, and the file says what it
proves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from commonground.client import CoordinatorClient
from commonground.receipts import Lie
from commonhold.audit.alarm import Finding, check_alarm
from node.alarmfile import AlarmFile, parse_alarm_file
from node.alarms import AlarmFiles
from node.copy import StoredLog, write_copy
from node.follower import Follower
from node.keys import generate_keys
from node.outbox import flush
from node.registration import registration
from node.store import Store
from protocol.errors import ConfigError, Misbehaviour, Unreachable
from protocol.log.assurance import check_assurance, extension_of
from protocol.log.link import NetworkLink
from protocol.log.merkle import hash_leaf
from protocol.log.note import Verifier, open_checkpoint, sign_checkpoint
from protos.gen import api_pb2 as api
from tests.scripted_coordinator import ScriptedCoordinator, make_keys, serving
from tests.simulated import campaign

Tell = Callable[[ScriptedCoordinator], None]


class World:
    """A node that has five entries of a log which then does something else."""

    def __init__(self, log: ScriptedCoordinator, link: NetworkLink, store: Store, folder: Path):
        self.log, self.link, self.store, self.folder = log, link, store, folder
        self.keys = generate_keys()
        self.follower = Follower(store, link)
        self.client = CoordinatorClient(link, lambda: self.follower.verifier)

    async def follow(self) -> None:
        await self.follower.catch_up(self.client)

    def grow(self, *names: str) -> None:
        for name in names:
            self.log.operate("campaign", campaign(id=name))

    def go_back(self, size: int) -> None:
        entries = self.log.log[:size]
        self.log.log, self.log.tree = [], type(self.log.tree)()
        for envelope, leaves in entries:
            self.log.add(envelope, leaves)

    async def lie(self) -> Lie:
        """What the node finds out by asking once."""
        with pytest.raises(Lie) as caught:
            await self.follow()
        [alarm] = self.store.alarms()
        assert alarm.kind == caught.value.kind
        return caught.value

    def file(self) -> AlarmFile:
        [path] = AlarmFiles(
            self.store, self.folder / "alarms", self.link, self.keys
        ).write_missing()
        assert path.stat().st_mode & 0o077 == 0
        return parse_alarm_file(path.read_bytes())

    def check(self, file: AlarmFile, verifier: Verifier | None = None) -> Finding:
        key = verifier or self.link.log_verifier
        return check_alarm(file, self.link.network, key, self.folder / "alarms")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    log = ScriptedCoordinator(make_keys(tmp_path / "coordinator"))
    async with serving(log) as link:
        with Store(tmp_path / "node.db") as store:
            made = World(log, link, store, tmp_path)
            made.grow("aa", "bb", "cc")
            await made.follow()
            assert made.follower.size == 5
            yield made
            await made.client.close()


async def test_a_log_that_only_grows_is_followed(world: World) -> None:
    world.grow("dd")
    await world.follow()
    await world.follow()
    assert world.follower.size == 6
    assert world.store.alarms() == []


@pytest.mark.parametrize("after", [(), ("xx",), ("xx", "yy", "zz")])
async def test_a_log_that_went_back_signs_its_own_contradiction(
    world: World, after: tuple[str, ...]
) -> None:
    world.go_back(3)
    world.grow(*after)
    assert (await world.lie()).kind == "went-back"
    file = world.file()
    assert world.check(file).proven
    # Nothing else convinces: another key, other evidence, the evidence of an honest log.
    stranger = Verifier(world.link.log_verifier.name, bytes(SigningKey(bytes(32)).verify_key))
    with pytest.raises(Misbehaviour):
        world.check(file, stranger)
    held, note, *proof = file.evidence
    for parts in ((note, held, *proof), (held, held), (held,), (held, note, bytes(32), *proof)):
        with pytest.raises(Misbehaviour):
            world.check(replace(file, evidence=parts))


async def test_an_honest_answer_to_another_head_proves_nothing(world: World) -> None:
    """A node cannot make an alarm of what an honest log signed."""
    held = world.log.note(3)
    answer = world.log.assurance(held)
    file = AlarmFile("went-back", "", str(world.link), 0, (held, answer.checkpoint, *answer.proof))
    with pytest.raises(Misbehaviour, match="extends"):
        world.check(file)
    larger = world.log.note(4)
    with pytest.raises(Misbehaviour, match="shown"):
        world.check(replace(file, evidence=(larger, answer.checkpoint, *answer.proof)))


def _unbound(log: ScriptedCoordinator) -> None:
    log.on_assurance = lambda _: api.FollowResponse(checkpoint=log.note())


def _silent_about_ours(log: ScriptedCoordinator) -> None:
    log.on_assurance = lambda _: log.assurance(log.note(2))


@pytest.mark.parametrize("tell", [_unbound, _silent_about_ours])
async def test_a_log_that_does_not_answer_to_our_head_is_told_off_by_our_word(
    world: World, tell: Tell
) -> None:
    world.go_back(3)
    tell(world.log)
    assert (await world.lie()).kind == "checkpoint"
    assert not world.check(world.file()).proven


async def test_a_log_that_says_nothing_is_no_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.follower.ASSURANCE_SECONDS", 0.1)

    stranger = SigningKey(b"\7" * 32)
    verifier = Verifier(world.link.log_verifier.name, bytes(stranger.verify_key))

    def by_a_stranger(_: api.FollowResponse) -> api.FollowResponse:
        note = sign_checkpoint(verifier, 9, bytes(32), lambda text: stranger.sign(text).signature)
        return api.FollowResponse(checkpoint=note)

    world.log.on_assurance = by_a_stranger
    with pytest.raises(Unreachable, match="does not say where"):
        await world.follow()


async def test_the_head_of_a_receipt_binds_the_log_before_its_entries_come(world: World) -> None:
    world.store.enqueue(registration(world.keys, world.link.network))
    await flush(world.client, world.store, follower=world.follower)
    highest = world.store.highest_head()
    assert highest is not None
    assert (highest.size, world.follower.size) == (6, 5)
    world.go_back(5)  # all that the stream ever showed
    assert (await world.lie()).kind == "went-back"
    assert world.check(world.file()).proven


async def test_a_receipt_that_the_log_breaks_is_proven(world: World) -> None:
    world.store.enqueue(registration(world.keys, world.link.network))
    await flush(world.client, world.store)  # by a command that follows nothing
    world.go_back(5)
    world.grow("xx", "yy")
    assert (await world.lie()).kind == "broken-receipt"
    file = world.file()
    assert world.check(file).proven
    envelope, receipt, note, _, *proof = file.evidence
    honest = (envelope, receipt, note, hash_leaf(envelope), *proof)
    with pytest.raises(Misbehaviour):
        world.check(replace(file, evidence=honest))


async def test_another_root_at_our_size_is_two_histories(world: World) -> None:
    world.log.on_assurance = lambda _: api.FollowResponse(
        checkpoint=world.log.note(
            5,
            bytes(32),
            extension_of(open_checkpoint(world.log.note(5), world.link.log_verifier), []),
        )
    )
    assert (await world.lie()).kind == "went-back"
    assert world.check(world.file()).proven


async def test_a_broken_rule_is_proven_by_the_copy_beside_the_file(world: World) -> None:
    world.grow("aa")  # a campaign of this name is open
    assert (await world.lie()).kind == "rule"
    file = world.file()
    found = world.check(file)
    assert found.proven
    assert "entry 5" in found.proves
    copy = world.folder / "alarms" / file.copy
    [entries] = [path for path in (copy / "tile" / "entries").rglob("*") if path.is_file()]
    changed = bytearray(entries.read_bytes())
    changed[-1] ^= 1
    entries.write_bytes(changed)
    with pytest.raises(Misbehaviour):
        world.check(file)
    with pytest.raises(Misbehaviour):
        world.check(replace(file, copy="../alarms"))


async def test_an_honest_copy_makes_no_alarm(world: World) -> None:
    (world.folder / "alarms").mkdir()
    write_copy(StoredLog(world.store, world.link.log_verifier), world.folder / "alarms" / "it.log")
    file = AlarmFile("rule", "", str(world.link), 0, (world.log.note(),), copy="it.log")
    with pytest.raises(Misbehaviour, match="keeps the rules"):
        world.check(file)


async def test_an_alarm_that_was_changed_is_not_its_nodes(world: World) -> None:
    world.go_back(3)
    await world.lie()
    world.file()
    [path] = (world.folder / "alarms").glob("*.json")
    text = path.read_text()
    with pytest.raises(ConfigError, match="not signed"):
        parse_alarm_file(text.replace("went back", "was bad").encode())
    for junk in (b"", b"[]", b"{}", b'{"alarm": 1, "by": "", "signature": ""}', b"[" * 100_000):
        with pytest.raises(ConfigError):
            parse_alarm_file(junk)


def test_an_assurance_is_about_one_head_and_one_proof(tmp_path: Path) -> None:
    log = ScriptedCoordinator(make_keys(tmp_path / "coordinator"))
    for name in ("aa", "bb", "cc", "dd", "ee"):
        log.operate("campaign", campaign(id=name))
    verifier = log.keys.log_verifier
    held = open_checkpoint(log.note(3), verifier)
    answer = log.assurance(log.note(3))
    present = open_checkpoint(answer.checkpoint, verifier)
    check_assurance(held, present, list(answer.proof))
    assert answer.proof

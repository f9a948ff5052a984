"""What was saved of a log is never overwritten by another history, and what contradicts it is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commonhold.audit.alarm import check_alarm
from commonhold.audit.saving import kept_head
from commonhold.cli import verify_log
from node.alarmfile import parse_alarm_file
from protocol.errors import ConfigError, Misbehaviour
from protocol.log.commitments import network_id
from protocol.log.note import Verifier
from tests.simulated import LOG_KEY, Network, Person, campaign
from tests.unit.test_audit import publish

VERIFIER = Verifier("log.simulated", bytes(LOG_KEY.verify_key))


def logged(folder: Path, *names: str) -> Path:
    """The public files of a log with campaigns of these names."""
    net = Network(Person("ada"))
    for name in names:
        body = campaign(id=name)
        body.network = net.state.network
        net.add(net.operator, "campaign", body)
    publish(net, folder)
    return folder


def verify(where: Path, save: Path | None = None, since: Path | None = None) -> None:
    verify_log.check(str(where), str(VERIFIER), save=save, since=since, rpc_url="", as_json=True)


def files(folder: Path) -> dict[str, bytes]:
    found = (each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): each.read_bytes() for each in found}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    verify(logged(tmp_path / "log", "aa", "bb", "cc"), save=tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copy_is_complete_and_grows_with_its_log(tmp_path: Path, copy: Path) -> None:
    verify(copy)
    before = kept_head(copy)
    longer = logged(tmp_path / "longer", "aa", "bb", "cc", "dd")
    verify(longer, save=copy, since=tmp_path / "log")
    assert kept_head(copy) == kept_head(longer) != before
    verify(copy)
    verify(longer, save=copy)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy", "log", "longer"]


@pytest.mark.parametrize(
    ("names", "proven"),
    [
        (("aa",), False),  # fewer entries: an old head proves nothing by itself
        (("xx",), True),  # fewer, and others
        (("aa", "xx", "cc"), True),
        (("aa", "xx", "cc", "dd"), True),
    ],
)
def test_a_log_that_went_back_overwrites_nothing(
    tmp_path: Path, copy: Path, names: tuple[str, ...], *, proven: bool
) -> None:
    before = files(copy)
    other = logged(tmp_path / "other", *names)
    with pytest.raises(Misbehaviour, match="went back") as caught:
        verify(other, save=copy)
    assert files(copy) == before
    verify(tmp_path / "copy-1-rejected")  # what was read, whole: it is evidence
    assert "copy-1-rejected" in caught.value.advice
    alarm = tmp_path / "copy-1-alarm.json"
    assert alarm.exists() is proven
    if proven:
        file = parse_alarm_file(alarm.read_bytes())
        network = network_id(VERIFIER.public_key)
        assert check_alarm(file, network, VERIFIER, tmp_path).proven
    with pytest.raises(Misbehaviour, match="went back"):
        verify(other, save=copy)
    assert (tmp_path / "copy-2-rejected").is_dir(), "nor is evidence overwritten"


def test_a_checkpoint_that_one_kept_will_do(tmp_path: Path, copy: Path) -> None:
    note = tmp_path / "note"
    note.write_bytes(kept_head(copy))
    verify(logged(tmp_path / "longer", "aa", "bb", "cc", "dd"), since=note)
    with pytest.raises(Misbehaviour, match="two histories"):
        verify(logged(tmp_path / "other", "aa", "bb", "xx", "dd"), since=note)
    assert json.loads((tmp_path / "note-1-alarm.json").read_text())["alarm"]["kind"] == "split-view"
    for junk in ("nothing", "log/tile"):
        with pytest.raises(ConfigError):
            verify(tmp_path / "log", since=tmp_path / junk)
    note.write_bytes(b"junk")
    with pytest.raises(ConfigError, match="no head"):
        verify(tmp_path / "log", since=note)


def test_the_copy_of_another_log_is_left_alone(tmp_path: Path, copy: Path) -> None:
    (copy / "verifier").write_text(f"{Verifier('another', VERIFIER.public_key)}\n")
    before = files(copy)
    with pytest.raises(ConfigError, match="another log"):
        verify(tmp_path / "log", save=copy)
    assert files(copy) == before


def test_a_log_that_does_not_hold_is_kept_beside(tmp_path: Path, copy: Path) -> None:
    other = logged(tmp_path / "other", "aa", "bb", "cc", "dd")
    bundle = next(path for path in (other / "tile" / "entries").rglob("*") if path.is_file())
    changed = bytearray(bundle.read_bytes())
    changed[-1] ^= 1
    bundle.write_bytes(changed)
    before = files(copy)
    with pytest.raises(Misbehaviour, match="log entry"):
        verify(other, save=copy)
    assert files(copy) == before
    assert (tmp_path / "copy-1-rejected").is_dir()

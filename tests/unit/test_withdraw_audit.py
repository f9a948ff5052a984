"""The auditor believes an erased leaf with its withdrawal, and not without; also in a log that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from commonhold.audit.replay import Report, audit
from commonhold.audit.saving import SavingLog
from commonhold.audit.source import FolderLog, LogSource
from protocol.errors import Misbehaviour
from protocol.log.batch import erase
from protocol.log.merkle import hash_leaf
from protocol.log.note import Verifier
from protocol.rows import ItemId
from protos.gen import records_pb2 as pb
from tests.fold import same
from tests.simulated import LOG_KEY, NETWORK, Network
from tests.unit.test_audit import publish

VERIFIER = Verifier("log.simulated", bytes(LOG_KEY.verify_key))


def check(source: LogSource) -> Report:
    return audit(source, VERIFIER, lambda *_: None)


@pytest.fixture
def submitted(net: Network) -> list[ItemId]:
    leaves = [net.item(truth) for truth in range(4)]
    net.submit(net.people[0], leaves)
    net.run_epoch(*net.people[1:])
    return [hash_leaf(leaf) for leaf in leaves]


def withdraw(net: Network, *item_ids: ItemId) -> None:
    net.add(net.people[0], "withdraw", pb.Withdraw(network=NETWORK, item_ids=item_ids))


def erase_in_log(net: Network, *item_ids: ItemId) -> None:
    for item_id in item_ids:
        entry = net.log[net.state.items[item_id].submitted_at]
        entry.leaves = tuple(erase(entry.leaves, {item_id}))  # type: ignore[arg-type]


class GrowingLog:
    """A log that is read while it grows: the checkpoint of before, all else as it is now."""

    def __init__(self, before: Path, now: Path) -> None:
        self._before, self._now = FolderLog(before), FolderLog(now)
        self._folder, self.checkpoints = now, 0

    def read(self, path: str) -> bytes:
        if path == "checkpoint":
            self.checkpoints += 1
            return (self._before if self.checkpoints == 1 else self._now).read(path)
        return (self._now if (self._folder / path).exists() else self._before).read(path)


def test_a_log_with_erased_leaves_holds(
    net: Network, submitted: list[ItemId], tmp_path: Path
) -> None:
    withdraw(net, submitted[1], submitted[2])
    publish(net, tmp_path / "whole")
    erase_in_log(net, submitted[1], submitted[2])
    publish(net, tmp_path / "erased")
    whole, erased = check(FolderLog(tmp_path / "whole")), check(FolderLog(tmp_path / "erased"))
    assert (whole.erased, erased.erased) == (0, 2)
    assert same(whole.state, net.state) and same(erased.state, net.state)


def test_an_erased_leaf_that_nobody_withdrew_is_refused(
    net: Network, submitted: list[ItemId], tmp_path: Path
) -> None:
    withdraw(net, submitted[1])
    erase_in_log(net, submitted[1], submitted[2])
    publish(net, tmp_path)
    with pytest.raises(Misbehaviour, match=f"{submitted[2].hex()} was erased"):
        check(FolderLog(tmp_path))


def test_a_withdrawal_beyond_the_checkpoint_is_read_too(
    net: Network, submitted: list[ItemId], tmp_path: Path
) -> None:
    publish(net, tmp_path / "before")
    size = len(net.log)
    withdraw(net, submitted[1])
    erase_in_log(net, submitted[1])
    publish(net, tmp_path / "now")
    log = GrowingLog(tmp_path / "before", tmp_path / "now")
    report = check(SavingLog(log, tmp_path / "copy"))
    assert (report.checkpoint.size, log.checkpoints) == (size + 1, 2)
    assert same(report.state, net.state)
    assert same(check(FolderLog(tmp_path / "copy")).state, net.state), "the copy is whole"


def test_a_log_that_grows_without_explaining_is_refused(
    net: Network, submitted: list[ItemId], tmp_path: Path
) -> None:
    publish(net, tmp_path / "before")
    withdraw(net, submitted[1])
    erase_in_log(net, submitted[1], submitted[2])
    publish(net, tmp_path / "now")
    with pytest.raises(Misbehaviour, match="did not withdraw"):
        check(GrowingLog(tmp_path / "before", tmp_path / "now"))


def test_another_history_beyond_the_checkpoint_is_refused(
    net: Network, submitted: list[ItemId], tmp_path: Path
) -> None:
    publish(net, tmp_path / "before")
    withdraw(net, submitted[1])
    erase_in_log(net, submitted[1])
    net.log[2], net.log[3] = net.log[3], net.log[2]
    publish(net, tmp_path / "now")
    with pytest.raises(Misbehaviour, match=r"log entry|root"):
        check(GrowingLog(tmp_path / "before", tmp_path / "now"))

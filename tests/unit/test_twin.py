"""A machine's key signs in one place: a copy beside its original does not start, one elsewhere is noticed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from commonground.addresses import now_ms
from commonhold.cli.node_report import status, status_text
from node.config import NodeConfig, NodeDirectory
from node.follower import Follower
from node.keys import generate_keys, save_keys
from node.rows import Outgoing
from node.store import Store
from node.twin import NOTED_MS, TwinWatch, require_only_one, twin_warning
from protocol.errors import StateError
from tests.fold import people
from tests.simulated import Network
from tests.simulated_log import LINK, feed

NOW_MS = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        yield opened


@pytest.fixture
def net() -> Network:
    return Network(*people("ada", "ben", "cyn"))


@pytest.mark.parametrize("name", ["first", os.fsdecode(b"f\xe9rst")])  # the latter is no UTF-8
def test_a_copy_is_not_started_beside_its_original(tmp_path: Path, name: str) -> None:
    first, second = NodeDirectory(tmp_path / name), NodeDirectory(tmp_path / "second")
    first.create()
    save_keys(first.keys, generate_keys())
    with Store(first.database) as store:
        require_only_one(first, store)
        require_only_one(first, store)  # again, as at each start
    shutil.copytree(first.root, second.root)
    with Store(second.database) as store:
        with pytest.raises(StateError, match=rf"is a copy of .*{name}, and both sign"):
            require_only_one(second, store)
        (tmp_path / "link").symlink_to(second.root)
        shutil.rmtree(first.root)
        first.root.symlink_to(second.root)  # the same directory by another path is no copy
        require_only_one(second, store)
        first.root.unlink()
        second.root.rename(first.root)
    with Store(first.database) as store:
        require_only_one(first, store)  # moved back
    second.create()
    save_keys(second.keys, generate_keys())
    shutil.copy(first.database, second.database)
    with Store(second.database) as store:
        require_only_one(second, store)  # other keys sign another name


def test_what_this_directory_never_queued_was_made_elsewhere(
    store: Store, net: Network, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(store, LINK)
    ada, ben = net.people[:2]
    TwinWatch(store, follower, ada.key, lambda: NOW_MS)
    net.submit(ada, [net.item(1)])
    feed(follower, net)
    assert twin_warning(store, NOW_MS) == "", "it was there before we looked"
    net.submit(ben, [net.item(2)])
    feed(follower, net)
    assert twin_warning(store, NOW_MS) == "", "of others"
    net.submit(ada, [net.item(3)])
    entry = net.log[-1]
    store.enqueue(Outgoing("submission", entry.raw, tuple(entry.leaves)))
    feed(follower, net)
    assert twin_warning(store, NOW_MS) == "", "from here"
    net.submit(ada, [net.item(4)])
    feed(follower, net)
    told = twin_warning(store, NOW_MS)
    assert f"entry {len(net.log) - 1} of the log, a submission" in told
    assert "somebody else signs with this machine's key" in caplog.text
    assert twin_warning(store, NOW_MS + NOTED_MS + 1) == ""


def test_status_tells_of_it(tmp_path: Path, store: Store, net: Network) -> None:
    ada, follower = net.people[0], Follower(store, LINK)
    for name, value in (("person", ada.id), ("key", ada.key), ("payout_address", ada.address)):
        store.set_meta(name, value)
    feed(follower, net)

    def said() -> str:
        home, config = NodeDirectory(tmp_path), NodeConfig(LINK)
        return "\n".join(status_text(status(home, config, store, follower, "up")))

    assert "KEY:" not in said()
    store.set_meta("twin", json.dumps(["commit", 7, now_ms()]).encode())
    assert said().startswith(
        "KEY: somebody else signs with this machine's key: entry 7 of the log, a commit"
    )

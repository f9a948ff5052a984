"""A backup is taken while the server works, and holds what no copy of the log has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator import tables
from coordinator.backup import backup
from coordinator.config import Home
from coordinator.heads import KeptHead
from coordinator.keys import load_keys
from coordinator.ledger import Ledger
from coordinator.recovery import fsck
from protocol.errors import ConfigError
from tests.helpers import Person, answer_of
from tests.live_coordinator import found_network, live


def sealed_in(url: str) -> dict[bytes, bytes]:
    with Ledger.open(url, readonly=True) as ledger, ledger._engine.connect() as tx:
        rows = tx.execute(sa.select(tables.sealed.c.key, tables.sealed.c.value))
        return dict(rows.tuples().all())


async def test_a_backup_of_a_server_that_works_holds_gold_and_proposals(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    async with live(home) as net:
        await net.open_campaign()
        ada = Person("ada")
        await net.join(ada)
        request = net.submission(ada, [1, 2, 3])
        await net.append(request)
        await net.import_gold({request.openings[0].item_id: answer_of(1)})
        before = sealed_in(home.ledger_url(home.load()))
        assert any(key.startswith(b"known/") for key in before)
        assert any(key.startswith(b"proposals/") for key in before)

        joining = asyncio.create_task(net.join(*(Person(f"person {n}") for n in range(60))))
        made = [
            await asyncio.to_thread(backup, home, tmp_path / f"saved-{n}", None, n)
            for n in range(3)
        ]
        await joining
        assert not net.fatal
    keys = load_keys(home)
    for each in made:
        url = f"sqlite:///{each.path}/ledger.db"
        with Ledger.open(url, readonly=True) as ledger:
            assert fsck(ledger, keys.log_verifier).root == each.root
        assert sealed_in(url) == before
        kept = KeptHead(Home(each.path).head_path).read(keys.log_verifier)
        assert kept is not None
        assert (kept.size, kept.root) == (each.size, each.root)


def test_a_backup_makes_the_folders_that_lead_to_it(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    backup(home, tmp_path / "saved" / "deep" / "first", tmp_path / "keys" / "first", 1)
    made = [tmp_path / "saved", tmp_path / "saved" / "deep", tmp_path / "keys"]
    assert [each.stat().st_mode & 0o777 for each in made] == [0o700] * 3


def test_a_backup_overwrites_nothing_and_goes_nowhere_else(tmp_path: Path) -> None:
    home = found_network(tmp_path / "net")
    backup(home, tmp_path / "saved", None, 1)
    for target, keys in (
        (tmp_path / "saved", None),
        (tmp_path / "net" / "coordinator.toml" / "saved", None),
        (tmp_path / "more", tmp_path / "more" / "keys"),
        (tmp_path / "other", tmp_path / "saved"),
    ):
        with pytest.raises(ConfigError):
            backup(home, target, keys, 1)
    assert not (tmp_path / "more").exists()

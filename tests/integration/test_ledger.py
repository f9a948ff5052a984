"""The ledger and the sequencer on real SQLite files, and on PostgreSQL where one is given.

Set COMMONHOLD_TEST_POSTGRES to the URL of an empty database to run the same tests there.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa
from nacl.signing import SigningKey

from commonground.status import Busy
from coordinator import sequencer as sequencer_module
from coordinator.database import check_durable, create_store, open_engine
from coordinator.ledger import (
    COMMIT_STEPS,
    FatalStoreError,
    Ledger,
    Staged,
    StoredEntry,
)
from coordinator.sequencer import Sequenced, Sequencer
from coordinator.tables import PAGE_ROWS
from protocol.errors import ConfigError, Reject, StateError, StoreError
from protocol.log.batch import BUNDLE_BYTES_MAX, batch_root, encode_bundle
from protocol.log.merkle import MerkleTree, hash_leaf, verify_inclusion
from protocol.log.note import Verifier, open_checkpoint, sign_checkpoint
from protocol.log.tiles import ENTRY_BYTES_MAX

KEY = SigningKey(bytes(range(32)))
LOG = Verifier("log.example/test", bytes(KEY.verify_key))
POSTGRES = os.environ.get("COMMONHOLD_TEST_POSTGRES", "")
TABLES = ("entries", "batches", "sealed", "checkpoint", "meta")


def sign(size: int, root: bytes) -> bytes:
    return sign_checkpoint(LOG, size, root, lambda text: KEY.sign(text).signature)


def commit(ledger: Ledger, *staged: Staged) -> None:
    tree = ledger.load_tree(LOG)
    size = tree.size
    for each in staged:
        tree.append(each.leaf_hash)
    ledger.commit(staged, sign(tree.size, tree.root()), size)


def batched(*leaves: bytes) -> Staged:
    root = batch_root(leaves)
    return Staged(b"record over " + root, bundle=encode_bundle(leaves), root=root)


def never(error: FatalStoreError) -> None:
    raise AssertionError("no commit was meant to fail") from error


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
        return
    yield POSTGRES
    engine = open_engine(POSTGRES)
    with engine.begin() as tx:
        tx.execute(sa.text(f"DROP TABLE {', '.join(TABLES)}"))
    engine.dispose()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger.create(url, LOG.name) as ledger:
        yield ledger


class TestLedger:
    def test_a_new_ledger_is_empty(self, ledger: Ledger) -> None:
        assert (ledger.origin, ledger.size, ledger.checkpoint()) == (LOG.name, 0, b"")
        assert list(ledger.entries(0, 10)) == []
        assert ledger.load_tree(LOG).size == 0

    def test_what_was_committed_is_there_after_reopening(self, ledger: Ledger, url: str) -> None:
        batch = batched(b"salt+one", b"salt+two")
        commit(ledger, Staged(b"first", sealed={b"gold/1": b"opening"}), batch)
        commit(ledger, Staged(b"third"))
        checkpoint = ledger.checkpoint()
        ledger.close()
        with Ledger.open(url) as reopened:
            assert reopened.checkpoint() == checkpoint
            assert list(reopened.entries(0, 99)) == [
                StoredEntry(0, b"first", None),
                StoredEntry(1, batch.envelope, batch.bundle),
                StoredEntry(2, b"third", None),
            ]
            assert [entry.index for entry in reopened.entries(1, 2)] == [1]
            assert reopened.sealed([b"gold/1", b"gold/2"]) == {b"gold/1": b"opening"}
            assert open_checkpoint(checkpoint, LOG).root == reopened.load_tree(LOG).root()

    def test_sealed_rows_are_kept_beside_no_entry(self, ledger: Ledger, url: str) -> None:
        many = {b"known/%d" % number: b"answer" for number in range(600)}
        ledger.keep(many)
        ledger.keep({b"known/7": b"a better one"})
        commit(ledger, Staged(b"first", sealed={b"gold/1": b"opening"}))
        ledger.keep({})
        ledger.close()
        with Ledger.open(url) as reopened:
            found = reopened.sealed([*many, b"gold/1"])
            assert found == many | {b"known/7": b"a better one", b"gold/1": b"opening"}

    def test_entries_are_found_by_leaf_hash(self, ledger: Ledger) -> None:
        commit(ledger, Staged(b"first"), Staged(b"twice"), Staged(b"twice"))
        assert ledger.find(hash_leaf(b"twice")) == 1
        assert ledger.find(hash_leaf(b"never")) is None

    def test_entries_come_page_by_page(self, ledger: Ledger) -> None:
        count = 2 * PAGE_ROWS + 1
        commit(ledger, *(Staged(index.to_bytes(4, "big")) for index in range(count)))
        indices = [entry.index for entry in ledger.entries(1, count + 5)]
        assert indices == list(range(1, count))

    def test_a_batch_that_is_held_is_kept_as_it_is(self, ledger: Ledger) -> None:
        batch = batched(b"salt+one")
        assert batch.root is not None
        again = Staged(b"another record", bundle=b"erased meanwhile", root=batch.root)
        commit(ledger, batch, again)
        commit(ledger, again)
        assert [entry.bundle for entry in ledger.entries(0, 3)] == [batch.bundle] * 3
        assert ledger.bundle(batch.root) == batch.bundle
        assert ledger.bundle(bytes(32)) is None

    def test_a_second_writer_is_refused_and_readers_are_not(self, ledger: Ledger, url: str) -> None:
        with pytest.raises(StoreError, match="another process has the ledger open for writing"):
            Ledger.open(url)
        with Ledger.open(url, readonly=True) as reader:
            commit(ledger, Staged(b"seen by the reader"))
            assert reader.size == 1
            with pytest.raises(StateError, match="open for reading"):
                commit(reader, Staged(b"refused"))
        ledger.close()
        with Ledger.open(url) as next_writer:
            commit(next_writer, Staged(b"second"))

    def test_the_lock_holds_across_processes(self, ledger: Ledger, url: str) -> None:
        program = "import sys; from coordinator.ledger import Ledger; Ledger.open(sys.argv[1])"
        child = subprocess.run(
            [sys.executable, "-c", program, url], capture_output=True, text=True, check=False
        )
        assert child.returncode == 1
        assert "another process has the ledger open for writing" in child.stderr
        assert ledger.size == 0

    def test_a_ledger_is_created_once(self, ledger: Ledger, url: str) -> None:
        commit(ledger, Staged(b"first"))
        with pytest.raises(StoreError, match="cannot create the ledger"):
            Ledger.create(url, LOG.name)
        assert ledger.size == 1

    def test_the_head_must_be_the_one_we_built_on(self, ledger: Ledger, url: str) -> None:
        commit(ledger, Staged(b"first"))
        # Another writer that got around the lock: same size, another history.
        engine = open_engine(url)
        with engine.begin() as tx:
            tx.execute(sa.text("UPDATE checkpoint SET body = :body"), {"body": b"other"})
        engine.dispose()
        with pytest.raises(FatalStoreError) as caught:
            ledger.commit([Staged(b"second")], b"checkpoint", 1)
        assert "not the one that this process wrote" in str(caught.value.__cause__)
        assert list(ledger.entries(0, 9)) == [StoredEntry(0, b"first", None)]

    def test_a_wrong_expected_size_is_fatal_and_writes_nothing(self, ledger: Ledger) -> None:
        with pytest.raises(FatalStoreError, match="unknown"):
            ledger.commit([Staged(b"first")], b"checkpoint", 1)
        with pytest.raises(FatalStoreError, match="an earlier commit failed"):
            ledger.commit([Staged(b"first")], b"checkpoint", 0)
        assert (ledger.size, list(ledger.entries(0, 9))) == (0, [])

    def test_a_ledger_of_another_format_is_refused(self, ledger: Ledger, url: str) -> None:
        ledger.close()
        engine = open_engine(url)
        with engine.begin() as tx:
            tx.execute(sa.text("UPDATE meta SET value = '1' WHERE key = 'format'"))
        engine.dispose()
        with pytest.raises(StoreError, match="has format 1, this program 2"):
            Ledger.open(url)

    def test_an_error_does_not_show_what_is_sealed(self, ledger: Ledger) -> None:
        commit(ledger, Staged(b"first", sealed={b"gold/1": b"SECRET"}))
        with pytest.raises(FatalStoreError) as caught:
            commit(ledger, Staged(b"second", sealed={b"gold/1": b"SECRET"}))
        assert "SECRET" not in f"{caught.value} {caught.value.__cause__!r}"

    def test_loading_holds_the_entries_against_the_checkpoint(
        self, ledger: Ledger, url: str
    ) -> None:
        commit(ledger, *(Staged(bytes((index,))) for index in range(5)))
        with pytest.raises(StoreError, match="is not ours"):
            ledger.load_tree(Verifier("log.example/other", LOG.public_key))
        engine = open_engine(url)
        with engine.begin() as tx:
            tx.execute(
                sa.text("UPDATE entries SET leaf_hash = :hash WHERE envelope = :envelope"),
                {"hash": bytes(32), "envelope": b"\3"},
            )
        with pytest.raises(StoreError, match="not over its entries"):
            ledger.load_tree(LOG)
        with engine.begin() as tx:
            tx.execute(sa.text("DELETE FROM entries WHERE envelope = :e"), {"e": b"\3"})
        with pytest.raises(StoreError, match="no entry 3"):
            ledger.load_tree(LOG)
        with engine.begin() as tx:
            tx.execute(sa.text("DELETE FROM entries WHERE envelope = :e"), {"e": b"\4"})
        engine.dispose()
        with pytest.raises(StoreError, match="holds 3 entries, its head says 5"):
            ledger.load_tree(LOG)

    @pytest.mark.parametrize("step", COMMIT_STEPS)
    def test_a_failed_commit_is_fatal_whatever_the_disk_holds(self, url: str, step: str) -> None:
        persists = step == "committed"  # an error after the fact: failed, but persisted
        Ledger.create(url, LOG.name).close()

        def fail(reached: str) -> None:
            if reached == step:
                raise OSError("input/output error")

        with Ledger.open(url, at_step=fail) as ledger:
            with pytest.raises(FatalStoreError):
                commit(ledger, batched(b"salt+one"))
            with pytest.raises(FatalStoreError):  # and it stays closed: the double fault
                commit(ledger, batched(b"salt+one"))
        with Ledger.open(url) as reloaded:
            assert reloaded.load_tree(LOG).size == len(list(reloaded.entries(0, 9))) == persists
            commit(reloaded, Staged(b"life goes on"))
            assert reloaded.size == 1 + persists


class TestStaged:
    def test_limits(self) -> None:
        assert Staged(bytes(ENTRY_BYTES_MAX)).total_bytes == ENTRY_BYTES_MAX
        assert Staged(b"e", bytes(BUNDLE_BYTES_MAX), bytes(32)).bundle is not None
        for arguments in (
            (b"",),
            (bytes(ENTRY_BYTES_MAX + 1),),
            (b"e", b"bundle", None),
            (b"e", None, bytes(32)),
            (b"e", b"bundle", bytes(31)),
            (b"e", bytes(BUNDLE_BYTES_MAX + 1), bytes(32)),
        ):
            with pytest.raises(Reject):
                Staged(*arguments)


class TestSqliteFile:
    def test_files_are_private(self, tmp_path: Path) -> None:
        with Ledger.create(f"sqlite:///{tmp_path}/ledger.db", LOG.name) as ledger:
            commit(ledger, Staged(b"first"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == dict.fromkeys(
            ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"), 0o600
        )

    def test_a_file_that_others_may_read_is_refused(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/ledger.db"
        Ledger.create(url, LOG.name).close()
        (tmp_path / "ledger.db").chmod(0o640)
        with pytest.raises(StoreError, match="others may access") as caught:
            Ledger.open(url)
        assert caught.value.advice.startswith("Run: chmod 600")

    def test_a_way_through_a_link_is_the_same_ledger(self, tmp_path: Path) -> None:
        with Ledger.create(f"sqlite:///{tmp_path}/ledger.db", LOG.name):
            (tmp_path / "elsewhere").mkdir()
            (tmp_path / "elsewhere" / "linked.db").symlink_to(tmp_path / "ledger.db")
            with pytest.raises(StoreError, match="open for writing") as caught:
                Ledger.open(f"sqlite:///{tmp_path}/elsewhere/linked.db")
        assert f"process {os.getpid()}" in caught.value.advice

    def test_every_connection_writes_through(self, tmp_path: Path) -> None:
        with Ledger.create(f"sqlite:///{tmp_path}/ledger.db", LOG.name) as ledger:
            with ledger._engine.connect() as one, ledger._engine.connect() as other:
                for tx in (one, other):
                    assert tx.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
                    assert tx.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            with ledger._engine.connect() as tx:
                definitions = tx.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type='table'")
                assert all(sql.rstrip().endswith("STRICT") for sql in definitions.scalars())

    def test_a_missing_or_foreign_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="there is no ledger at"):
            Ledger.open(f"sqlite:///{tmp_path}/none.db")
        assert not (tmp_path / "none.db").exists()
        (tmp_path / "foreign.db").write_bytes(b"not a database")
        (tmp_path / "foreign.db").chmod(0o600)
        with pytest.raises(StoreError, match="no readable ledger"):
            Ledger.open(f"sqlite:///{tmp_path}/foreign.db")
        with pytest.raises(StoreError, match="cannot create"):
            Ledger.create(f"sqlite:///{tmp_path}/no/such/directory.db", LOG.name)

    def test_a_database_that_would_lose_commits_is_refused(self) -> None:
        connection = sqlite3.connect(":memory:")  # which has no write-ahead log
        with pytest.raises(StoreError, match="would lose commits: PRAGMA journal_mode"):
            check_durable(connection.cursor(), "sqlite")
        connection.close()

    @pytest.mark.parametrize(("raised", "told"), [(KeyboardInterrupt, False), (SystemError, True)])
    def test_an_interrupt_while_a_connection_is_taken_back_is_no_fault(
        self,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        raised: type[BaseException],
        told: bool,
    ) -> None:
        url = f"sqlite:///{tmp_path / 'ledger.db'}"
        create_store(url)
        engine = open_engine(url)

        @sa.event.listens_for(engine, "reset")
        def strike(*_: object) -> None:
            raise raised

        connection = engine.connect()
        with pytest.raises(KeyboardInterrupt) if not told else nullcontext():
            connection.close()
        assert ("Exception during reset" in caplog.text) is told

    @pytest.mark.parametrize(
        "url",
        ["", "nonsense", "sqlite://", "sqlite:///:memory:", "sqlite:///x?mode=ro", "mysql:///x"],
    )
    def test_an_unusable_url_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigError):
            Ledger.open(url)


class TestSequencer:
    async def test_everybody_gets_a_receipt_that_verifies(self, ledger: Ledger) -> None:
        async with Sequencer(ledger, MerkleTree(), sign, never) as sequencer:
            envelopes = [b"entry %d" % index for index in range(300)]
            results = [
                sequencer.submit(Staged(envelope), index=index)
                for index, envelope in enumerate(envelopes)
            ]
            receipts = await asyncio.gather(*results)
            for index, (envelope, receipt) in enumerate(zip(envelopes, receipts, strict=True)):
                assert receipt.index == index
                check_receipt(envelope, receipt)
            assert sequencer.head == ledger.head()
            check_receipt(envelopes[0], sequencer.receipt(0))
            assert sequencer.receipt(0).size == 300
            with pytest.raises(StateError, match="not in the log"):
                sequencer.receipt(300)
        assert [entry.envelope for entry in ledger.entries(0, 300)] == envelopes

    async def test_what_waits_together_is_committed_together(self, ledger: Ledger) -> None:
        signed: list[int] = []

        def sign_and_count(size: int, root: bytes) -> bytes:
            signed.append(size)
            return sign(size, root)

        async with Sequencer(ledger, MerkleTree(), sign_and_count, never) as sequencer:
            first = sequencer.submit(Staged(b"first"), index=0)
            await asyncio.gather(first, *submit_many(sequencer, 1, 50))
        assert signed in ([1, 51], [51])

    async def test_a_commit_is_bounded_by_count_and_bytes(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sequencer_module, "COMMIT_ENTRIES_MAX", 4)
        monkeypatch.setattr(sequencer_module, "COMMIT_BYTES_MAX", 100)
        sizes = [200, 60, 40, 1, 1, 1, 1, 1, 90]
        async with Sequencer(ledger, MerkleTree(), sign, never) as sequencer:
            results = [
                sequencer.submit(Staged(bytes(size)), index=index)
                for index, size in enumerate(sizes)
            ]
            receipts = await asyncio.gather(*results)
        assert [receipt.size for receipt in receipts] == [1, 3, 3, 7, 7, 7, 7, 9, 9]

    @pytest.mark.parametrize(("limit", "value"), [("ENTRIES", 3), ("BYTES", 30)])
    async def test_a_full_queue_is_busy_and_recovers(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
    ) -> None:
        monkeypatch.setattr(sequencer_module, f"QUEUE_{limit}_MAX", value)
        staged = Staged(b"ten bytes.")
        async with Sequencer(ledger, MerkleTree(), sign, never) as sequencer:
            results = [sequencer.submit(staged, index=index) for index in range(3)]
            assert sequencer.queued == 3
            for refused in (
                lambda: sequencer.submit(staged, index=3),
                lambda: sequencer.ensure_room(staged),
            ):
                with pytest.raises(Busy):
                    refused()
            await asyncio.gather(*results)
            sequencer.ensure_room(staged)
            assert (await sequencer.submit(staged, index=3)).index == 3

    async def test_leaving_drains_and_then_refuses(self, ledger: Ledger) -> None:
        async with Sequencer(ledger, MerkleTree(), sign, never) as sequencer:
            result = sequencer.submit(Staged(b"last"), index=0)
        assert (await result).size == ledger.size == 1
        with pytest.raises(StateError, match="closing"):
            sequencer.submit(Staged(b"late"), index=1)

    async def test_a_client_that_left_does_not_take_its_entry_along(self, ledger: Ledger) -> None:
        async with Sequencer(ledger, MerkleTree(), sign, never) as sequencer:
            gone = sequencer.submit(Staged(b"gone"), index=0)
            stays = sequencer.submit(Staged(b"stays"), index=1)
            gone.cancel()
            assert (await stays).index == 1
        assert ledger.find(hash_leaf(b"gone")) == 0

    @pytest.mark.parametrize("step", COMMIT_STEPS)
    async def test_a_failed_commit_reaches_every_waiter_and_stops_everything(
        self, url: str, step: str
    ) -> None:
        Ledger.create(url, LOG.name).close()

        def fail(reached: str) -> None:
            if reached == step:
                raise OSError("input/output error")

        fatal: list[FatalStoreError] = []
        with Ledger.open(url, at_step=fail) as ledger:
            async with Sequencer(ledger, MerkleTree(), sign, fatal.append) as sequencer:
                *results, gone = submit_many(sequencer, 0, 3)
                gone.cancel()
                outcomes = await asyncio.gather(*results, return_exceptions=True)
                assert outcomes == fatal * 2
                assert len(fatal) == 1
                with pytest.raises(FatalStoreError):
                    sequencer.submit(Staged(b"late"), index=3)
                assert sequencer.head.size == 0  # nothing uncommitted was ever shown
        # The restart: whatever is there is whole, and the log goes on from it.
        with Ledger.open(url) as ledger:
            tree = ledger.load_tree(LOG)
            assert tree.size == (3 if step == "committed" else 0)
            async with Sequencer(ledger, tree, sign, never) as sequencer:
                (receipt,) = await asyncio.gather(*submit_many(sequencer, tree.size, 1))
                check_receipt(b"entry %d" % receipt.index, receipt)

    async def test_a_signer_that_fails_is_fatal_too(self, ledger: Ledger) -> None:
        def refuse(size: int, root: bytes) -> bytes:
            raise PermissionError("the key is locked")

        fatal: list[FatalStoreError] = []
        async with Sequencer(ledger, MerkleTree(), refuse, fatal.append) as sequencer:
            with pytest.raises(FatalStoreError, match="PermissionError"):
                await sequencer.submit(Staged(b"first"), index=0)
        assert len(fatal) == 1
        assert ledger.size == 0

    @pytest.mark.parametrize("index", [0, 2])
    async def test_a_state_that_disagrees_about_the_index_is_fatal(
        self, ledger: Ledger, index: int
    ) -> None:
        fatal: list[FatalStoreError] = []
        async with Sequencer(ledger, MerkleTree(), sign, fatal.append) as sequencer:
            assert sequencer.next_index == 0
            await sequencer.submit(Staged(b"first"), index=0)
            with pytest.raises(FatalStoreError, match=f"the state is at {index}, the log at 1"):
                sequencer.submit(Staged(b"second"), index=index)
            with pytest.raises(FatalStoreError):
                sequencer.submit(Staged(b"second"), index=1)
        assert len(fatal) == 1
        assert ledger.size == 1

    async def test_a_tree_that_somebody_else_grew_is_fatal(self, ledger: Ledger) -> None:
        tree, fatal = MerkleTree(), list[FatalStoreError]()
        async with Sequencer(ledger, tree, sign, fatal.append) as sequencer:
            tree.append(hash_leaf(b"from elsewhere"))
            with pytest.raises(FatalStoreError) as caught:
                await sequencer.submit(Staged(b"first"), index=0)
        assert "out of order" in str(caught.value.__cause__)
        assert ledger.size == 0

    async def test_a_tree_of_another_size_is_refused(self, ledger: Ledger) -> None:
        with pytest.raises(StateError, match="the tree has 1 leaves, the ledger 0"):
            Sequencer(ledger, MerkleTree([bytes(32)]), sign, never)


def submit_many(sequencer: Sequencer, start: int, count: int) -> list[asyncio.Future[Sequenced]]:
    return [
        sequencer.submit(Staged(b"entry %d" % index), index=index)
        for index in range(start, start + count)
    ]


def check_receipt(envelope: bytes, receipt: Sequenced) -> None:
    checkpoint = open_checkpoint(receipt.checkpoint, LOG)
    assert checkpoint.size == receipt.size
    verify_inclusion(
        hash_leaf(envelope), receipt.index, receipt.size, receipt.proof, checkpoint.root
    )

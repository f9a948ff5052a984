"""node.db: whole transactions, two processes, secrets that outlive a kill, tables any tool can read."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node import schema
from node.rows import (
    CheckpointRow,
    ClaimRow,
    ItemRow,
    LogRow,
    OutboxState,
    Outgoing,
    PartRow,
    TaskRow,
    TaskStatus,
)
from node.store import ALARMS_MAX, Store
from protocol.errors import StoreError
from protos.gen import api_pb2 as api

SUBMISSION = Outgoing(
    "submission", b"envelope", (b"leaf",), (api.Opening(item_id=b"i", salt=b"s", answer=b"2"),)
)
PARTS = (
    PartRow("question", b"c1", b"s1", 5, "text/plain"),
    PartRow("answer", b"c2", b"s2", 7, "image/png", "3.png"),
)
ITEM = ItemRow(b"i", SUBMISSION.digest, "3.png", "digits", b"sha", PARTS, b"2", b"ps")
TASK = TaskRow("digits", 1, 0, b"i", b"author")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def test_the_file_is_private_durable_and_plain_sqlite(store: Store, path: Path) -> None:
    store.set_meta("a", b"b")
    for each in path.parent.iterdir():
        assert each.stat().st_mode & 0o777 == 0o600, each.name
    with store.transaction():
        assert store._rows("PRAGMA synchronous") == [{"synchronous": 2}], "FULL"
        assert store._rows("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT value FROM meta WHERE key = 'a'").fetchone() == (b"b",)


def test_a_transaction_is_whole_or_nothing_and_nests(store: Store) -> None:
    def interrupted() -> None:
        with store.transaction():
            store.set_meta("a", b"1")
            with store.transaction():
                store.enqueue(SUBMISSION)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert store.meta("a") is None
    assert store.next_queued() is None
    with store.transaction():
        store.set_meta("a", b"1")
    assert store.meta("a") == b"1"


def test_a_submission_and_its_salts_are_stored_together(store: Store) -> None:
    store.enqueue_submission(SUBMISSION, [ITEM])
    row = store.next_queued()
    assert row is not None
    assert row.outgoing == SUBMISSION
    assert store.item(b"i") == ITEM
    assert ITEM.size == 12
    assert ITEM.part("answer") == PARTS[1]
    assert ITEM.part("image") is None
    again = replace(SUBMISSION, envelope=b"another")
    with pytest.raises(StoreError):
        store.enqueue_submission(again, [replace(ITEM, submission=again.digest)])
    assert store.outbox_row(again.digest) is None, "neither half is stored"


def test_the_outbox_keeps_its_order_and_knows_an_envelope_again(store: Store) -> None:
    first, second = Outgoing("register", b"1"), Outgoing("standby", b"2")
    assert store.enqueue(first)
    assert store.enqueue(second)
    assert not store.enqueue(first)
    store.mark_attempt(first.digest, "no answer", 5)
    row = store.next_queued()
    assert row is not None
    assert (row.outgoing, row.attempts, row.next_attempt_ms) == (first, 1, 5)
    store.mark_sent(first.digest, 3, b"receipt")
    store.mark_refused(second.digest, "too late")
    assert store.next_queued() is None
    assert store.outbox_counts() == {OutboxState.SENT: 1, OutboxState.REFUSED: 1}
    assert [row.last_error for row in store.refused()] == ["too late"]


def test_items_come_in_pages_with_their_own_parts_and_go_with_them(store: Store) -> None:
    made = [
        replace(ITEM, item_id=bytes([n // 256, n % 256]), content_sha256=b"%d" % n)
        for n in range(1_200)
    ]
    made = [replace(each, parts=PARTS[: 1 + n % 2]) for n, each in enumerate(made)]
    store.enqueue_submission(SUBMISSION, made)
    assert list(store.items()) == made
    store.forget_items([each.item_id for each in made[1:]])
    assert list(store.items()) == made[:1]
    assert store._rows("SELECT count(*) AS n FROM parts") == [{"n": 1}]


def test_refused_items_may_be_submitted_again_and_others_not(store: Store) -> None:
    store.enqueue_submission(SUBMISSION, [ITEM])
    assert store.has_content("digits", b"sha")
    assert not store.has_content("letters", b"sha")
    store.mark_refused(SUBMISSION.digest, "no")
    assert not store.has_content("digits", b"sha")
    again = replace(SUBMISSION, envelope=b"again")
    store.enqueue_submission(again, [replace(ITEM, item_id=b"j", submission=again.digest)])
    assert store.item_counts() == {"queued": 1, "refused": 1}


def test_what_the_log_said_of_an_item_is_not_taken_back_by_a_late_receipt(store: Store) -> None:
    store.enqueue_submission(SUBMISSION, [ITEM])
    store.set_item_statuses({b"i": "accepted", b"unknown": "rejected"})
    store.mark_sent(SUBMISSION.digest, 1)
    assert store.item_counts() == {"accepted": 1}


def test_the_log_grows_without_gaps_and_two_writers_must_agree(store: Store) -> None:
    rows = [LogRow(i, f"e{i}".encode(), b"") for i in range(3)]
    assert store.append_log(rows[:2], CheckpointRow(2, b"two", 0)) is None
    assert store.append_log(rows[1:], CheckpointRow(3, b"three", 0)) is None, "overlap is fine"
    assert store.entries(0, 9) == rows
    assert store.append_log([LogRow(2, b"other", b""), LogRow(3, b"e3", b"")]) == 2
    assert store.log_size() == 3, "a contradiction stores nothing"
    with pytest.raises(StoreError, match="cannot follow"):
        store.append_log([LogRow(9, b"e9", b"")])
    assert store.checkpoint() == CheckpointRow(3, b"three", 0)


def test_an_answer_can_be_changed_until_it_is_committed(store: Store) -> None:
    store.add_tasks([TASK, replace(TASK, position=1, item_id=b"j")])
    assert not store.set_committed(TASK, b"n"), "nothing was answered"
    assert store.set_answer(TASK, b"3")
    assert store.set_answer(TASK, b"4", program="chat 1 tiny")
    [told] = [t for t in store.tasks("digits", 1) if t.position == 0]
    assert told.program == "chat 1 tiny"
    assert store.set_answer(TASK, b"4")
    assert store.set_committed(TASK, b"nonce")
    assert not store.set_answer(TASK, b"5")
    assert not store.set_committed(TASK, b"other"), "the nonce behind a sent root stays"
    store.add_tasks([TASK])
    task = store.task("digits", 1, b"i")
    assert task is not None
    assert (task.status, task.answer, task.nonce) == (TaskStatus.COMMITTED, b"4", b"nonce")
    assert task.program == "", "a person said it again"
    assert store.set_revealed(TASK)
    assert not store.set_failed(TASK, "late")
    assert [t.item_id for t in store.tasks("digits", 1, TaskStatus.TODO)] == [b"j"]


def test_rounds_of_two_campaigns_are_apart(store: Store) -> None:
    other = replace(TASK, campaign_id="letters", item_id=b"k")
    store.add_tasks([TASK, other, replace(TASK, round=2, item_id=b"l")])
    store.set_answer(TASK, None, refusal=1)
    assert [(t.answer, t.refusal) for t in store.tasks("digits", 1)] == [(None, 1)]
    assert [t.item_id for t in store.tasks("letters", 1)] == [b"k"]
    assert [t.item_id for t in store.tasks_with(TaskStatus.TODO)] == [b"l", b"k"]
    assert store.task("letters", 1, b"i") is None


def test_claims_and_alarms(store: Store) -> None:
    claim = ClaimRow(b"account", b"asset", 10**30, 1, b"tx", "sent")
    store.save_claim(claim)
    store.save_claim(replace(claim, status="confirmed"))
    assert store.claims() == [replace(claim, status="confirmed")]
    for number in [0, 0, *range(ALARMS_MAX + 5)]:
        store.raise_alarm("rule", "it lied", [b"note", str(number).encode()], 1)
    assert len(store.alarms()) == ALARMS_MAX
    assert store.alarms()[0].evidence == (b"note", b"0")
    assert store.acknowledge_alarms() == ALARMS_MAX
    assert store.alarms() == []
    assert len(store.alarms(open_only=False)) == ALARMS_MAX


def test_no_row_shows_its_secrets() -> None:
    rows = (
        ITEM,
        SUBMISSION,
        replace(TASK, nonce=b"SECRET"),
    )
    secret = (replace(PARTS[0], salt=b"SECRET"),)
    shown = repr(rows) + repr(replace(ITEM, parts=secret, proposal_salt=b"SECRET"))
    assert "SECRET" not in shown
    assert "salt" not in shown


def test_two_processes_write_at_once(store: Store, path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from node.store import Store\n"
        "from node.rows import Outgoing\n"
        "with Store(Path(sys.argv[1])) as s:\n"
        "    for i in range(40): s.enqueue(Outgoing('standby', f'{sys.argv[2]}-{i}'.encode()))\n"
    )
    others = [subprocess.Popen([sys.executable, "-c", script, str(path), str(n)]) for n in range(2)]
    threads = [
        threading.Thread(
            target=lambda n=n: [
                store.enqueue(Outgoing("x", f"t{n}-{i}".encode())) for i in range(20)
            ]
        )
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait() for other in others] == [0, 0]
    assert store.outbox_counts() == {OutboxState.QUEUED: 2 * 40 + 2 * 20}


def test_what_was_stored_survives_a_kill_and_what_was_not_leaves_no_trace(path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from node.store import Store\n"
        "s = Store(Path(sys.argv[1])); s.set_meta('c', b'v')\n"
        "with s.transaction():\n"
        "    s.set_meta('d', b'w'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -9
    with Store(path) as store:
        assert store.meta("c") == b"v"
        assert store.meta("d") is None


def test_a_migration_happens_once_and_whole(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    schema.migrate(connection)
    broken = (*schema.MIGRATIONS, "CREATE TABLE more (a); INSERT INTO nowhere VALUES (';');")
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, broken)
    known = len(schema.MIGRATIONS)
    assert connection.execute("PRAGMA user_version").fetchone() == (known,)
    assert not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchone()
    schema.migrate(connection, (*schema.MIGRATIONS, "CREATE TABLE more (a);"))
    assert connection.execute("PRAGMA user_version").fetchone() == (known + 1,)
    connection.close()
    with pytest.raises(StoreError, match=f"schema {known + 1}"):
        Store(path)


def test_what_sqlite_undoes_by_itself_is_not_undone_again(path: Path) -> None:
    """As on a full disk, where the error has to be the one that says so."""
    connection = sqlite3.connect(path, isolation_level=None)
    undone = (
        "CREATE TABLE m (a UNIQUE); INSERT INTO m VALUES (1); INSERT OR ROLLBACK INTO m VALUES (1);"
    )
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        schema.migrate(connection, (undone,))
    connection.close()


def test_a_directory_that_cannot_be_written_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open"):
        Store(tmp_path / "missing" / "node.db")
    (tmp_path / "node.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="cannot open"):
        Store(tmp_path / "node.db")
    assert os.listdir(tmp_path) == ["node.db"]

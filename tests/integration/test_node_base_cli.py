"""The contributor's commands, as processes, against a real coordinator."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
from pathlib import Path

import pytest

from node.config import NodeDirectory, load_config
from node.keys import load_keys
from node.store import Store
from protocol.identity import name_of
from tests.contributor_lab import TERMS, Contributor, Operator


@pytest.fixture
def ada(tmp_path: Path) -> Contributor:
    return Contributor(tmp_path / "ada")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "operator")


async def test_from_nothing_to_a_logged_submission(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        made = (await ada.run("init", "--link", link, "--json")).json
        assert made["network"] == "digits for all"
        for name in ("keys.json", "node.toml", "node.db"):
            assert (ada.home / name).stat().st_mode & 0o777 == 0o600

        offered = (await ada.run("campaigns", "--json")).json["campaigns"]
        assert [each["id"] for each in offered] == ["digits", "pairs"]
        assert (offered[0]["proposal"], offered[1]["proposal"]) == ("required", "none")
        assert [each["name"] for each in offered[1]["parts"]] == ["prompt", "answer_a", "answer_b"]
        text = (await ada.run("campaigns")).out
        assert "Which label fits?" in text
        assert "pairs  Which [bold]one[/]? (prefer)" in text, "letter by letter"
        assert "0 items wait for round 1" in text

        done = (await ada.submit("--json")).json
        assert (done["items"], done["skipped"], done["changed"]) == (4, [], [])
        assert done["batches"] == [{"entry": 4, "state": "sent", "items": 4}]
        again = (await ada.submit("--json")).json
        assert (again["items"], again["skipped"], len(again["there"])) == (0, [], 4)

        shown = (await ada.run("status", "--json")).json
        assert shown["peer_id"] == made["peer_id"]
        assert shown["person"] == made["person"]
        assert shown["payout_address"] == made["payout_address"]
        assert (shown["registered"], shown["connection"]) == (True, "reached")
        assert (shown["items"], shown["outbox"]) == ({"submitted": 4}, {"sent": 2})
        assert "4 submitted" in (await ada.run("status", "--offline")).out
        assert "Nothing earned yet" in (await ada.run("statement")).out

    keys = load_keys(NodeDirectory(ada.home).keys, lambda: b"")
    assert keys.peer_id == made["peer_id"]
    everything = json.dumps([made, shown])
    assert keys.seed.hex() not in everything
    assert keys.payout_secret.hex() not in everything
    assert name_of(keys.person) == made["person"]


async def test_a_table_of_items_of_several_parts(operator: Operator, ada: Contributor) -> None:
    table = ada.pictures / "items.jsonl"
    (ada.pictures / "prompt.txt").write_text("What is it?")
    table.write_text(
        '{"prompt": "prompt.txt", "answer_a_text": "a cat", "answer_b_text": "a dog"}\n'
        '{"prompt": "prompt.txt", "answer_a_text": "a cat", "answer_b": "absent.txt"}\n'
    )
    terms = ("--campaign", "pairs", *TERMS[2:], "--table", str(table))
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link)
        done = await ada.run("submit", *terms)
        assert "1 item submitted in 1 batch" in done.out
        assert "left out: items.jsonl:2: cannot read" in done.out.replace("\n", " ")
        shown = (await ada.run("status", "--json")).json
        assert shown["items"] == {"submitted": 1}
        offered = (await ada.run("campaigns", "--json")).json["campaigns"]
        assert [each["waiting"] for each in offered] == [0, 1]
        both = await ada.run("submit", str(ada.pictures), *terms, code=2)
        assert "both files and a table" in both.err
        table.write_text('{"prompt": "prompt.txt", "answer_a_text": "a"}\n')
        missing = await ada.run("submit", *terms, code=2)
        assert "has no column for answer_b" in missing.err.replace("\n", " ")
        table.write_text('{"prompt": "absent.txt", "answer_a_text": "a", "answer_b_text": "b"}\n')
        nothing = await ada.run("submit", *terms, code=9)
        assert "left out: items.jsonl:1: cannot read" in nothing.out
        assert "nothing was submitted: 1 file or row left out" in nothing.err


async def test_what_to_review_is_kept_in_the_settings(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        choice = ("--campaign", "digits", "--kind", "classify", "--reviewer", "digits=constant:3")
        await ada.run("init", "--link", link, *choice, "--reviewer", "constant:4")
    config = load_config(NodeDirectory(ada.home))
    assert (config.review_campaigns, config.review_kinds) == (("digits",), ("classify",))
    assert config.reviewers == {"digits": "constant:3", "*": "constant:4"}


@pytest.mark.parametrize(
    ("reviewer", "said"),
    [
        ("comand:x", 'no reviewer is called "comand"|Known are: chat, command, constant, digits'),
        ("digits=comand:x", "no reviewer is called"),
        ("chat:http://127.0.0.1:8080/v1", "the name of the model is empty"),
        ("chat:https://models.example.org/v1#m", "content would leave it|allow_remote = true"),
        ("refuse:boring", "there is no reason 'boring'"),
    ],
)
async def test_a_reviewer_that_there_is_not_is_refused_before_anything_is_made(
    operator: Operator, ada: Contributor, reviewer: str, said: str
) -> None:
    async with operator.serving() as link:
        refused = await ada.run("init", "--link", link, "--reviewer", reviewer, code=2)
        for words in said.split("|"):
            assert words in " ".join(refused.err.split())
        assert not ada.home.exists()
        await ada.run("init", "--link", link, "--reviewer", "chat:http://127.0.0.1:8080/v1#m")


async def test_an_epoch_that_paid_nobody_is_an_epoch(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await ada.run("init", "--link", link)
        assert "none has closed so far" in (await ada.run("statement")).out
        refused = await ada.run("statement", "--epoch", "1", code=5)
        assert "epoch 1 is not closed" in refused.err
        await asyncio.to_thread(operator.close_epoch, 1)
        await ada.run("campaigns")
        assert "1 closed so far" in (await ada.run("statement")).out
        assert "You earned nothing in epoch 1." in (await ada.run("statement", "--epoch", "1")).out
        found = (await ada.run("statement", "--items", "--json")).json
        assert (found["lines"], found["balances"], found["items"]) == ([], [], [])
        assert (await ada.run("status", "--json")).json["epoch"] == 2


async def test_without_a_coordinator_the_work_is_kept_and_sent_later(
    operator: Operator, ada: Contributor
) -> None:
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link)
        await ada.run("campaigns")
    kept = await ada.submit(code=3)
    assert "the work is kept" in kept.err.replace("\n", " ")
    shown = (await ada.run("status", "--json")).json
    assert "does not answer" in shown["connection"]
    assert shown["outbox"] == {"queued": 1, "sent": 1}
    async with operator.serving():
        assert "2 sent" in (await ada.run("send")).out
        assert (await ada.run("status", "--json")).json["items"] == {"submitted": 4}


async def test_joining_while_the_coordinator_is_away(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await operator.open_campaigns(link)
    joined = await ada.run("init", "--link", link)
    assert "registration is kept" in joined.err
    await ada.submit(code=3)
    async with operator.serving():
        assert (await ada.submit("--json")).json["items"] == 4
        assert (await ada.run("status", "--json")).json["registered"]


async def test_a_running_daemon_is_left_to_send(operator: Operator, ada: Contributor) -> None:
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link)
        await ada.run("campaigns")
        with (ada.home / "node.lock").open("wb") as lock, Store(ada.home / "node.db") as store:
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = asyncio.create_task(ada.submit("--json"))
            while (row := store.next_queued()) is None:
                await asyncio.sleep(0.02)
            assert row.outgoing.kind == "submission"
            store.mark_sent(row.outgoing.digest, 4, b"")
            assert (await waiting).json["batches"] == [{"entry": 4, "state": "sent", "items": 4}]
            shown = (await ada.run("status", "--json")).json
            assert shown["running"] and shown["connection"].startswith("reached")
    with (ada.home / "node.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shown = (await ada.run("status", "--json")).json
        assert shown["running"] and "does not answer" in shown["connection"]
    with sqlite3.connect(ada.home / "node.db") as plain:
        assert plain.execute("SELECT count(*) FROM items").fetchone() == (4,)


async def test_keys_behind_a_passphrase(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_text("correct horse\n")
    wrong.write_text("wrong horse\n")
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link, "--passphrase-file", str(secret))
        refused = await ada.submit(code=2)
        assert "--passphrase-file" in refused.err
        refused = await ada.submit("--passphrase-file", str(wrong), code=2)
        assert "does not open" in refused.err
        await ada.submit("--passphrase-file", str(secret))


async def test_wrong_use_says_what_to_do(operator: Operator, ada: Contributor) -> None:
    assert "node init" in (await ada.run("status", code=2)).err
    assert "link" in (await ada.run("init", "--link", "http://example.com", code=2)).err
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link)
        assert "already" in (await ada.run("init", "--link", link, code=2)).err
        unknown = await ada.run("submit", str(ada.pictures), *TERMS, "--label", "X", code=2)
        assert 'there is no label "X"' in unknown.err.replace("\n", " ")
        assert "say one of: 0, 1, 2" in unknown.err.replace("\n", " ")
        both = await ada.submit("--label", "3", code=2)
        assert "--labels FILE, or --label LABEL" in both.err


async def test_an_alarm_stops_a_node_until_its_owner_goes_on(
    operator: Operator, ada: Contributor
) -> None:
    async with operator.serving() as link:
        await operator.open_campaigns(link)
        await ada.run("init", "--link", link)
        with Store(ada.home / "node.db") as store:
            store.raise_alarm("split-view", "two histories", [b"note"], 1)
        assert "two histories" in (await ada.submit(code=1)).err
        assert "ALARM: two histories" in (await ada.run("status")).out
        assert (await ada.run("alarms", "--json")).json["alarms"][0]["evidence"] == ["6e6f7465"]
        await ada.run("alarms", "--acknowledge")
        assert (await ada.run("status", "--offline", "--json")).json["alarms"] == []

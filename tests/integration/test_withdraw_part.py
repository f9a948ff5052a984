"""A coordinator, an author and reviewers as real processes: a part that is taken back is nowhere afterwards.

Every byte of every file in every home is searched, with all processes running. All else stays.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commonhold.cli.output import EXIT_REFUSED, EXIT_USAGE
from commonhold.demo.stage import Stage
from coordinator.operator import Operator
from node.follower import Follower
from protocol.lifecycle import ItemStatus
from protocol.log.link import parse_link
from protocol.log.merkle import hash_leaf
from protocol.log.strict import parse_leaf
from protos.gen import records_pb2 as pb
from tests.integration.test_withdraw_everywhere import is_gone, kill, wait_accepted, withdraw
from tests.node_lab import Lab, Node, digit, standing_by, until, wait_for
from tests.simulated import part
from tests.traces import found_in

pytestmark = pytest.mark.timeout(240)

ITEMS = 3


def note_of(number: int) -> str:
    """Words that nothing else in any home has."""
    return " ".join(f"{number:03}{word}{number * 7919:09}" for word in ("wren", "heron", "stork"))


def write_table(folder: Path) -> Path:
    """Pictures with a note each."""
    table = folder / "birds.jsonl"
    rows = []
    for number in range(ITEMS):
        (folder / f"{number}.png").write_bytes(digit(number))
        rows.append({"image": f"{number}.png", "note_text": note_of(number), "answer": "3"})
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return table


def traces_of_notes(node: Node) -> dict[bytes, dict[str, bytes]]:
    """By item, what its author's home has of its note now."""
    found = {}
    with node.store() as store:
        for row in store.items():
            submission = store.outbox_row(row.submission)
            note = row.part("note")
            assert submission is not None and note is not None
            leaves = {hash_leaf(leaf): leaf for leaf in submission.outgoing.leaves}
            [named] = parse_leaf(pb.Item, leaves[row.item_id]).optional
            leaf = leaves[named.hash]
            [file] = node.home.blobs.glob(f"*/{note.commitment.hex()}")
            content = file.read_bytes()
            found[row.item_id] = {
                "content": content,
                "salt": note.salt,
                "leaf": leaf,
                "commitment": note.commitment,
                "hash of the content": row.content_sha256,
            }
    return found


def has_leaf(home: Path, traces: dict[str, bytes]) -> bool | None:
    return "leaf" in found_in(home, traces) or None


def test_a_part_is_erased_everywhere_and_nothing_else(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found(accept_ppm=510_000)
        with Operator(lab.home) as operator:
            parts = [part("image", "image/png"), part("note", optional=True)]
            lab.open_campaign(operator, reviewers=2, parts=parts)
            author = lab.node("author", stand_by=False)
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("ben", "cyn")]
            running = {each.name: lab.start(each) for each in (author, *reviewers)}
            stage.wait_ready(*running.values())
            wait_for(operator, lambda s: standing_by(s, *reviewers), "stand-bys")
            terms = ("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human")
            agreed = ("--consent", "train", "--consent", "redistribute")
            home = ("--dir", str(author.home.root))
            stage.run(
                "node", "submit", "--table", str(write_table(tmp_path)), *terms, *agreed, *home
            )
            wait_for(operator, lambda s: len(s.items) == ITEMS, "the submission")
            notes = traces_of_notes(author)
            wait_accepted(operator, *notes)
            first = export(lab)
            gone, kept, _ = notes
            homes = [lab.home.path, *(each.home.root for each in (author, *reviewers))]
            for place in homes:
                until(partial(has_leaf, place, notes[gone]), "the log")
            assert {"content", "salt"} <= set(found_in(lab.home.path, notes[gone])), (
                "it was exported"
            )

            # One reviewer is away: its home has to be erased when it comes back.
            kill(stage, running["cyn"])
            done = withdraw(author, gone.hex()[:12], "--part", "note", "--yes")
            assert done.returncode == 0, done.stderr
            assert "The note of 1 item is withdrawn" in done.stdout
            until(lambda: is_gone(notes[gone], *homes[:3]), "the note to be erased")
            stage.wait_ready(lab.start(reviewers[1]))
            until(lambda: is_gone(notes[gone], *homes), "the reviewer who was away")
            for place in homes:
                assert "leaf" in found_in(place, notes[kept])
            assert set(found_in(author.home.root, notes[kept])) == set(notes[kept])

            _refusals(author, gone, kept)
            second = export(lab)
            assert (second["items"], second["snapshot"] == first["snapshot"]) == (ITEMS, False)
            held = stage.run("verify", second["path"], "--key", lab.link)
            assert held["items"] == ITEMS
            lines = (Path(second["path"]) / "items.jsonl").read_text().splitlines()
            without = {line["id"]: line.get("without") for line in map(json.loads, lines)}
            assert without == {each.hex(): [1] if each == gone else None for each in notes}
            assert is_gone(notes[gone], *homes), "an export brings nothing back"
            operator.refresh()
            item = operator.state.items[gone]
            assert (item.status, item.taken_back) == (ItemStatus.ACCEPTED, ("note",))
            _audit(lab, operator, notes[gone])


def export(lab: Lab) -> dict[str, Any]:
    scope = ("--scope", "train", "--scope", "redistribute")
    home = ("--dir", str(lab.home.path))
    return lab.stage.run("coordinator", "export", "--campaign", "digits", *scope, *home)


def _refusals(author: Node, gone: bytes, kept: bytes) -> None:
    for arguments, code, said in (
        ((gone.hex(), "--part", "note"), EXIT_REFUSED, "withdrawn already"),
        ((kept.hex(), "--part", "image"), EXIT_USAGE, "requires the part 'image'"),
        ((kept.hex(), "--part", "sound"), EXIT_USAGE, "have no part 'sound'"),
    ):
        refused = withdraw(author, *arguments, "--yes")
        told = " ".join(refused.stderr.split())
        assert (refused.returncode, said in told) == (code, True), told


def _audit(lab: Lab, operator: Operator, note: dict[str, bytes]) -> None:
    """From outside nothing is missing: the log explains what is not there."""
    checked = lab.stage.run("coordinator", "fsck", "--dir", str(lab.home.path))
    assert checked["erased"] == 1
    copy = lab.folder / "copy"
    audited = lab.stage.run("verify", lab.link, "--save", str(copy))
    assert (audited["erased"], audited["items"]) == (1, {"accepted": ITEMS})
    late = lab.node("late", stand_by=False)
    lab.stage.run("node", "campaigns", "--dir", str(late.home.root))
    operator.refresh()
    with late.store() as store:
        assert store.alarms() == []
        follower = Follower(store, parse_link(late.link))
        follower.replay()
    assert list(follower.state.rows()) == list(operator.state.rows())
    assert found_in(late.home.root, note) == found_in(copy, note) == {}

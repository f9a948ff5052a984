"""A person's folder, or a table of another program, through the real command line into a real log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from node.config import NodeDirectory
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.contributor_lab import TERMS, Contributor, Operator
from tests.simulated import campaign, part, rounds

TEXTS = ("--campaign", "texts", *TERMS[2:])


@pytest.fixture
def ada(tmp_path: Path) -> Contributor:
    return Contributor(tmp_path / "ada")


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "operator")


def texts(proposal: pb.ProposalTerms = pb.PROPOSAL_REQUIRED) -> pb.Campaign:
    """Short texts, sealed an hour after the first."""
    return campaign(
        id="texts",
        spec=encode_spec({"labels": ["ham", "spam"]}),
        parts=[part("text")],
        proposal=proposal,
        rounds=rounds(seal_items=1_000, seal_wait_ms=3_600_000),
    )


def stored(home: Path) -> tuple[set[str], list[str]]:
    """Names of contents on disk, and the contents that items name."""
    blobs = NodeDirectory(home).blobs
    files = {path.name for path in blobs.rglob("*") if path.is_file() and path.name[0] != "."}
    with sqlite3.connect(home / "node.db") as plain:
        rows = plain.execute("SELECT lower(hex(commitment)) FROM parts").fetchall()
    return files, [name for (name,) in rows]


async def test_a_folder_with_folders_and_a_table_of_answers(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", ".hidden"):
        (folder / name).write_text(f"the text {name}")
    (folder / "out.txt").symlink_to(ada.labels)
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("a name in Latin-1")
    table = tmp_path / "labels.tsv"
    table.write_text("label\tfile\tnote\nham\ta.txt\t\nspam\tsub/b.txt\tx\nham\tnot_there.txt\t\n")
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts(pb.PROPOSAL_OPTIONAL))
        await ada.run("init", "--link", link)
        what = (str(folder), *TEXTS, "--labels", str(table))
        await ada.run("campaigns")
        dry = (await ada.run("submit", *what, "--dry-run", "--json")).json
        assert (dry["items"], dry["answers"]) == (3, {"ham": 1, "spam": 1, "": 1})
        assert not NodeDirectory(ada.home).blobs.exists()
        assert stored(ada.home) == (set(), [])
        shown = await ada.run("submit", *what, "--dry-run")
        assert "3 items would be submitted" in shown.out

        done = (await ada.run("submit", *what, "--strict", "--json", code=10)).json
        assert done["items"] == 3
        assert {each["file"] for each in done["skipped"]} == {".hidden", "out.txt", "not_there.txt"}
        again = await ada.run("submit", *what)
        assert "0 items submitted" in again.out
        assert "submitted before: 3" in again.out
        assert "left out: out.txt: a link that leads out of the folder" in again.out
    files, named = stored(ada.home)
    assert files == set(named)
    assert len(named) == 3


async def test_a_table_without_names_is_explained(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    table = tmp_path / "sms.tsv"
    table.write_text('ham\tOk lar, "Joking" wif u\nspam\tFree entry\nham\t"HEY" there\n')
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts())
        await ada.run("init", "--link", link)
        asked = await ada.run("submit", str(table), *TEXTS, code=2)
        said = " ".join(asked.err.split())
        assert "has no column for text" in said
        options = "--column text=2 --answer-column 1 --no-header"
        assert options in said
        done = (await ada.run("submit", str(table), *TEXTS, *options.split(), "--json")).json
        assert (done["items"], done["skipped"]) == (3, [])
        table.write_bytes("text,label\ncaf\u00e9 now,ham\n".encode("cp1252"))
        bad = await ada.run("submit", "--table", str(table), *TEXTS, "--format", "csv", code=2)
        assert "line 2: byte 0xE9" in " ".join(bad.err.split())
        named = ("--format", "csv", "--encoding", "cp1252", "--json")
        done = (await ada.run("submit", "--table", str(table), *TEXTS, *named)).json
        assert done["items"] == 1


@pytest.mark.parametrize("contents", [1, 40, 119])
async def test_killed_half_way_nothing_is_lost_doubled_or_orphaned(
    operator: Operator, ada: Contributor, tmp_path: Path, contents: int
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(120):
        (folder / f"{number}.txt").write_text(f"text number {number}")
    what = (str(folder), *TEXTS, "--label", "ham")
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts())
        await ada.run("init", "--link", link)
        await ada.run("campaigns")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from commonhold.cli import main; main()", "node", "submit"),
            *what,
            env=os.environ | {"COMMONHOLD_NODE": str(ada.home)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        blobs = NodeDirectory(ada.home).blobs
        while process.returncode is None and len(list(blobs.glob("??/*"))) < contents:
            await asyncio.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        done = (await ada.run("submit", *what, "--json")).json
        assert done["items"] + len(done["there"]) == 120
        shown = (await ada.run("status", "--json")).json
        assert shown["items"] == {"submitted": 120}
    files, named = stored(ada.home)
    assert files == set(named)
    assert len(named) == 120


async def test_on_a_full_disk_nothing_stays_and_run_again_everything_is_there(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    """The disk takes no file as large as one of the texts."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"{number}" + " word" * (2 + 6_500 * number))
    what = (str(folder), *TEXTS, "--label", "ham")
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts())
        await ada.run("init", "--link", link)
        await ada.run("campaigns")
        # The third text has 65,011 bytes. The command limits itself: between fork and exec, gRPC's
        # threads of this process may end the other one.
        program = (
            "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60 << 10, 60 << 10));"
            " from commonhold.cli import main; main()"
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, "node", "submit"),
            *what,
            env=os.environ | {"COMMONHOLD_NODE": str(ada.home)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 6, said
        assert b"cannot store the content: File too large" in said
        assert stored(ada.home) == (set(), [])
        assert (await ada.run("submit", *what, "--json")).json["items"] == 3
    files, named = stored(ada.home)
    assert files == set(named)
    assert len(named) == 3


async def test_somebody_at_a_terminal_is_shown_what_columns_may_mean(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    table = tmp_path / "messages.csv"
    table.write_text("class,message\nham,Ok lar\nspam,Free entry\n")
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts())
        await ada.run("init", "--link", link)
        for typed, code, items in (("n", 2, 0), ("y", 0, 2)):
            person, terminal = os.openpty()
            os.write(person, f"{typed}\n".encode())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", "from commonhold.cli import main; main()", "node"),
                *("submit", str(table), *TEXTS),
                env=os.environ | {"COMMONHOLD_NODE": str(ada.home)},
                stdin=terminal,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, said = (each.decode() for each in await process.communicate())
            os.close(person)
            os.close(terminal)
            assert process.returncode == code, said
            assert "messages.csv may mean" in said
            assert "text = message" in said and "answer = class" in said
            assert ("2 items submitted" in out) == bool(items)


async def test_what_label_studio_exports_is_submitted(
    operator: Operator, ada: Contributor, tmp_path: Path
) -> None:
    path = tmp_path / "export.json"
    path.write_text(
        json.dumps(
            [
                {
                    "id": number,
                    "data": {"text": f"message number {number}"},
                    "annotations": [
                        {"result": [{"type": "choices", "value": {"choices": [label]}}]}
                    ],
                }
                for number, label in enumerate(["ham", "spam", "ham"])
            ]
        )
    )
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts())
        await ada.run("init", "--link", link)
        dry = (await ada.run("submit", str(path), *TEXTS, "--dry-run", "--json")).json
        assert (dry["items"], dry["answers"]) == (3, {"ham": 2, "spam": 1})
        assert (await ada.run("submit", str(path), *TEXTS, "--json")).json["items"] == 3

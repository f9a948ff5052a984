"""Personal data in what somebody submits, through the real command line into a real log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.blobs import BlobStore
from node.config import NodeDirectory
from node.store import Store
from protocol.log.strict import parse_leaf
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.contributor_lab import TERMS, Contributor, Operator
from tests.simulated import campaign, part, rounds

TEXTS = ("--campaign", "texts", *TERMS[2:])
ROWS = (
    "label\ttext\nham\twrite to jo@example.org, or call +44 20 7946 0958\n"
    "spam\tnobody is named here\nham\tmy card is 4111 1111 1111 1111\n"
)


def texts() -> pb.Campaign:
    return campaign(
        id="texts",
        spec=encode_spec({"labels": ["ham", "spam"]}),
        parts=[part("text")],
        proposal=pb.PROPOSAL_REQUIRED,
        rounds=rounds(seal_items=1_000, seal_wait_ms=3_600_000),
    )


def contents(home: Path) -> list[str]:
    directory = NodeDirectory(home)
    found: list[str] = []
    with Store(directory.database) as store, BlobStore(directory.blobs) as blobs:
        for item in store.items():
            for row in item.parts:
                file = blobs.open(row.commitment)
                assert file is not None
                with file:
                    found.append(file.read().decode())
    return sorted(found)


def flags(home: Path) -> list[bool]:
    """What the log says of each item, in the order in which they were submitted."""
    with Store(NodeDirectory(home).database) as store:
        row = store.last_outgoing("submission")
        assert row is not None
        return [parse_leaf(pb.Item, leaf).personal_data for leaf in row.outgoing.leaves]


async def test_personal_data_stops_is_redacted_left_out_or_flagged(tmp_path: Path) -> None:
    table = tmp_path / "rows.tsv"
    table.write_text(ROWS)
    operator = Operator(tmp_path / "operator")
    async with operator.serving() as link:
        await operator.open_campaigns(link, texts())

        async def contributor(name: str) -> Contributor:
            one = Contributor(tmp_path / name)
            await one.run("init", "--link", link)
            await one.run("campaigns")
            return one

        what = (str(table), *TEXTS)
        ada = await contributor("ada")
        stopped = await ada.run("submit", *what, code=11)
        assert "jo@example.org" not in stopped.out + stopped.err
        assert "rows.tsv:2" in stopped.err and "jo…rg" in stopped.err
        assert "names, postal addresses" in stopped.err and "--personal-data redact" in stopped.err
        assert contents(ada.home) == []
        told = (await ada.run("submit", *what, "--json", code=11)).json
        assert [(each["item"], each["kind"]) for each in told["personal_data"]] == [
            ("rows.tsv:2", "e-mail"),
            ("rows.tsv:2", "phone"),
            ("rows.tsv:4", "payment card"),
        ]
        dry = (await ada.run("submit", *what, "--dry-run", "--json", code=11)).json
        assert (dry["items"], len(dry["personal_data"])) == (3, 3)
        done = (await ada.run("submit", *what, "--personal-data", "redact", "--json")).json
        assert done["items"] == 3
        assert contents(ada.home) == [
            "my card is [PAYMENT CARD]",
            "nobody is named here",
            "write to [E-MAIL], or call [PHONE]",
        ]
        assert flags(ada.home) == [False] * 3

        bob = await contributor("bob")
        left = (await bob.run("submit", *what, "--personal-data", "leave-out", "--json")).json
        assert (left["items"], [each["file"] for each in left["skipped"]]) == (
            1,
            ["rows.tsv:2", "rows.tsv:4"],
        )

        cy = await contributor("cy")
        assert (await cy.run("submit", *what, "--personal-data", "keep", "--json")).json[
            "items"
        ] == 3
        assert flags(cy.home) == [True, False, True]
        refused = await cy.run(
            "submit", *what, "--transformation", "by jo@example.org", "--json", code=2
        )
        assert "public log" in refused.err


@pytest.mark.parametrize(
    ("text", "code"), [("write to jo@example.org", 11), ("nobody is named", 0)]
)
async def test_files_are_looked_at_without_a_network(tmp_path: Path, text: str, code: int) -> None:
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.bin").write_bytes(b"\0\1")
    told = (
        await Contributor(tmp_path / "none").run("scan", str(tmp_path), "--json", code=code)
    ).json
    assert [each["where"] for each in told["personal_data"]] == (["1:10"] if code else [])
    assert told["not_read"] == [] and told["partly_looked_at"] == 1


async def test_what_could_not_be_looked_at_is_no_pass(tmp_path: Path) -> None:
    someone, pipe = Contributor(tmp_path / "none"), tmp_path / "data" / "pipe"
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    told = (await someone.run("scan", str(pipe), "--json", code=9)).json
    assert [each["file"] for each in told["not_read"]] == ["pipe"]
    (pipe.parent / "a.txt").write_text("nobody is named")
    told = (await someone.run("scan", str(pipe.parent), "--json", code=10)).json
    assert told["looked_at"] == 1

"""A dataset from beginning to end, with real processes: nodes, coordinator, export, sale, withdrawal."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from commonground.dataset import layout
from commonground.p2p import Denial, DialRule, Grant, OpenBlob
from commonground.p2p.host import PeerHost
from commonhold.demo.stage import Server, Stage
from coordinator.operator import Operator
from protocol.errors import Reject
from protocol.identity import name_of
from protocol.lifecycle import ItemStatus
from protocol.state import State
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.node_lab import Lab, Node, standing_by, until, wait_for
from tests.simulated import part

pytestmark = pytest.mark.timeout(400)  # some fifteen commands, each a process

ITEMS = 3


@dataclass
class Scene:
    """Three accepted items of one author, whose daemon runs."""

    lab: Lab
    author: Node
    daemon: Server
    state: State

    def run(self, *arguments: str, code: int = 0) -> Any:
        """`commonhold coordinator …`: its JSON, or what it said where it fails."""
        return command(
            "coordinator", *arguments, "--dir", str(self.lab.home.path), "--json", code=code
        )


def command(*arguments: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "commonhold", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if code == 0 else " ".join(done.stderr.split())


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found(accept_ppm=510_000)
        with Operator(lab.home) as operator:
            lab.open_campaign(operator, reviewers=2)
            author = lab.node("author", stand_by=False)
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("quick", "slow")]
            daemons = [lab.start(each) for each in (author, *reviewers)]
            consents = ("train", "redistribute", "commercial")
            files = list(map(str, lab.write_digits(ITEMS, "3")))
            terms = ("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human")
            agreed = [word for each in consents for word in ("--consent", each)]
            home = ("--dir", str(author.home.root))
            stage.wait_ready(*daemons)
            wait_for(operator, lambda s: standing_by(s, *reviewers), "stand-bys")
            stage.run("node", "submit", *files, *terms, *agreed, "--label", "3", *home)
            state = wait_for(operator, all_accepted, "the verdict")
            operator.close_epoch(1)
        for each in daemons[1:]:
            stage.stop(each)
        yield Scene(lab, author, daemons[0], state)


def all_accepted(state: State) -> bool:
    statuses = [item.status for _, item in state.items.scan()]
    return statuses == [ItemStatus.ACCEPTED] * ITEMS


class Stranger:
    """Has a key of its own and nothing else."""

    async def open(self, item_id: bytes, part: str) -> OpenBlob | None:
        return None

    async def authorise(self, item_id: bytes, part: str, peer: bytes) -> Grant | Denial:
        return Denial("nothing here")

    async def accept(self, author: bytes, data: bytes) -> bool:
        return True

    async def ask(self, scene: Scene, folder: Path) -> None:
        host = PeerHost(
            b"\x33" * 32,
            authorise=self.authorise,
            source=self,
            validate_checkpoint=self.accept,
            dialling=DialRule("127.0.0.1"),
        )
        item_id, item = next(scene.state.items.scan())
        [part] = item.described().parts
        await host.start()
        try:
            await host.fetch(
                scene.daemon.ready["peer_id"],
                scene.daemon.ready["addresses"],
                item_id,
                part.name,
                sink_path=folder / "stolen",
                size_max=65_536,
                commitment=part.commitment,
            )
        finally:
            await host.stop()


def test_a_dataset_is_exported_checked_sold_and_withdrawn(scene: Scene, tmp_path: Path) -> None:
    lab, export = scene.lab, ("export", "--campaign", "digits")
    # The author is away: nothing can be had, and the list says so.
    lab.stage.stop(scene.daemon)
    said = scene.run(*export, code=5)
    assert f"{ITEMS} of {ITEMS} items could not be fetched" in said
    assert f"{name_of(scene.author.keys.person)}: {ITEMS} items, its contributor's" in said

    scene.daemon = lab.start(scene.author)
    lab.stage.wait_ready(scene.daemon)
    with pytest.raises(Reject, match="refuses the item"):
        asyncio.run(Stranger().ask(scene, tmp_path))
    made = scene.run(*export)
    folder = Path(made["path"])
    assert (made["items"], made["missing"]) == (ITEMS, [])
    assert folder.name == made["snapshot"][:12]
    frame = pd.read_parquet(folder / "data")
    contents = {bytes(cell["bytes"]) for cell in frame["image"]}
    assert contents == {path.read_bytes() for path in tmp_path.glob("?.png")}
    assert set(frame["author"]) == {name_of(scene.author.keys.person)}
    assert scene.run(*export) == made  # again is harmless: the snapshot and the dataset are there

    held = command("verify", str(folder), "--key", lab.link, "--json")
    assert (held["ok"], held["items"], held["contributors"]) == (True, ITEMS, 1)

    copied = scene.run(*export, "--format", "csv", "--format", "yolo", "--answers", "verdict")
    assert copied["snapshot"] == made["snapshot"] and set(copied["copies"]) == {"csv", "yolo"}
    assert "given_by" not in (folder / "csv" / "train.csv").read_text().splitlines()[0]
    held = command("verify", str(folder), "--key", lab.link, "--json")
    assert held["copies"] == ["csv", "yolo"]
    assert "add up to 90" in scene.run(*export, "--split", "80/10/0", code=2)
    split = scene.run(
        *export, "--split", "34/33/33"
    )  # another split: written again, without copies
    assert split["rows"] == {"train": 1, "validation": 1, "test": 1}
    held = command("verify", str(folder), "--key", lab.link, "--json")
    assert (held["copies"], held["split"]["shares"]) == ([], [34, 33, 33])
    assert scene.run(*export, "--format", "jsonl")["rows"] == {"train": ITEMS}

    sale = ("licence", "--snapshot", made["snapshot"][:12], "--licensee", "Northwind")
    terms = ("--terms", "CC-BY-4.0", "--asset", "eth")
    sold = scene.run(*sale, *terms, "--id", "northwind-1", "--price", "700")
    assert "northwind-1" in sold["pay"] and "0x" + b"northwind-1".hex() in sold["pay"]
    assert "already" in scene.run(*sale, *terms, "--id", "northwind-1", "--price", "9", code=4)
    [listed] = scene.run("licences")["licences"]
    assert (listed["id"], listed["price"], listed["paid"]) == ("northwind-1", "700", "0")

    withdrawn = frame["item_id"][0]
    home = ("--dir", str(scene.author.home.root))
    done = command("node", "withdraw", withdrawn, *home, "--yes", "--json")
    [cost] = done["shares"]
    assert "as many of your next accepted items in it earn nothing" in cost
    until(lambda: emptied(folder), "the dataset to be swept")
    content = lab.home.content_path
    until(lambda: None if list(content.glob(f"{withdrawn}*")) else True, "its content to go")
    assert "was withdrawn" in command("verify", str(folder), "--key", lab.link, code=5)
    said = scene.run(*sale, *terms, "--id", "northwind-2", "--price", "7", code=4)
    assert "1 items or parts of snapshot" in said and "export a new one" in said

    later = scene.run(*export)
    assert (later["items"], later["snapshot"] == made["snapshot"]) == (ITEMS - 1, False)
    assert withdrawn not in set(pd.read_parquet(Path(later["path"]) / "data")["item_id"])
    [listed] = scene.run("licences")["licences"]
    assert listed["withdrawn"] == 1


def emptied(folder: Path) -> bool | None:
    names = [each.name for each in folder.iterdir()]
    return True if names == [layout.WITHDRAWN] else None


def test_a_withdrawal_while_the_server_is_down_is_swept_at_its_start(scene: Scene) -> None:
    lab = scene.lab
    made = scene.run("export", "--campaign", "digits")
    folder = Path(made["path"])
    saved = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    item_id = next(scene.state.items.scan())[0].hex()
    home = ("--dir", str(scene.author.home.root))
    command("node", "withdraw", item_id, *home, "--yes", "--json")
    until(lambda: emptied(folder), "the dataset to be swept")
    # As after a restored backup: the files are there again, and the log knows better.
    lab.stage.stop(lab.server)
    (folder / layout.WITHDRAWN).unlink()
    for name, raw in saved.items():
        (folder / name).write_bytes(raw)
    lab.serve(lab.home)
    until(lambda: emptied(folder), "the dataset to be swept at start")


def _likes_course(folder: Path) -> Path:
    """A program that prefers whatever says "of course", wherever it stands."""
    path = folder / "likes.py"
    path.write_text(
        "import json, sys\n"
        "for part in json.load(sys.stdin)['parts']:\n"
        "    if 'of course' in open(part['path']).read():\n"
        "        print(json.dumps({'answer': part['name']}))\n"
    )
    return path


def test_pairs_of_several_parts_are_exported_with_their_sources(tmp_path: Path) -> None:
    """From a table of texts to rows that trainers of preferences read; one part of one item is missing."""
    table = tmp_path / "pairs.jsonl"
    rows = [
        {
            "prompt_text": f"Say {number}.",
            "answer_a_text": f"The number {number}, of course.",
            "answer_b_text": f"Not {number}.",
            "answer_a_source": "model-x",
            "answer_b_source": "model-y",
        }
        for number in range(ITEMS)
    ]
    rows[0]["context_text"] = "Only here."
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = [part("prompt"), part("answer_a"), part("answer_b"), part("context", optional=True)]
    with Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found(accept_ppm=510_000)
        with Operator(lab.home) as operator:
            changes = {"task": "prefer", "proposal": pb.PROPOSAL_NOT_TAKEN, "parts": parts}
            spec = encode_spec({"ties": True})
            lab.open_campaign(operator, reviewers=2, id="pairs", spec=spec, **changes)
            author = lab.node("author", stand_by=False)
            likes = f"command:{sys.executable} {_likes_course(tmp_path)}"
            reviewers = [lab.node(name, reviewer=likes) for name in ("quick", "slow")]
            daemons = [lab.start(each) for each in (author, *reviewers)]
            stage.wait_ready(*daemons)
            wait_for(operator, lambda s: standing_by(s, *reviewers, campaign_id="pairs"), "them")
            terms = ("--campaign", "pairs", "--licence", "CC-BY-4.0", "--origin", "synthetic")
            agreed = ("--consent", "train", "--consent", "redistribute", "--generator", "models")
            home = ("--dir", str(author.home.root))
            stage.run("node", "submit", "--table", str(table), *terms, *agreed, *home)
            wait_for(operator, all_accepted, "the verdict")
        made = command(
            *("coordinator", "export", "--campaign", "pairs", "--dir", str(lab.home.path)),
            *("--scope", "train", "--scope", "redistribute", "--json"),
        )
        assert (made["items"], made["missing"]) == (ITEMS, [])
        folder = Path(made["path"])
        held = command("verify", str(folder), "--key", lab.link, "--json")
        whole = command("verify", lab.link, "--json")
    assert (held["task"], held["items"]) == ("prefer", ITEMS)
    assert held["parts"] == ["prompt", "answer_a", "answer_b", "context"]
    frame = pd.read_parquet(folder / "data").sort_values("prompt").reset_index()
    for row, told in zip(rows, frame.to_dict("records"), strict=True):
        assert told["prompt"] == row["prompt_text"]
        assert (told["chosen"], told["rejected"]) == (row["answer_a_text"], row["answer_b_text"])
        assert (told["answer_a_source"], told["answer_b_source"]) == ("model-x", "model-y")
        assert (
            told["context"] == row["context_text"]
            if "context_text" in row
            else pd.isna(told["context"])
        )
    ranking = json.loads((folder / layout.RANKING).read_text())
    assert [each["source"] for each in ranking["sources"]] == ["model-x", "model-y"]
    assert ranking["votes"] == ITEMS * 2
    assert whole["campaigns"]["pairs"]["items"] == {"accepted": ITEMS}
    assert whole["campaigns"]["pairs"]["answers"] == ITEMS * 2

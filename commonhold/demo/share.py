"""Datasets: accepted items exported with their proofs, licensed, paid for; and one taken back."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonhold.demo.cast import CAMPAIGN
from commonhold.demo.onchain import BUYER
from commonhold.demo.scene import LICENCE, Scene
from commonhold.demo.stage import DemoError, Server
from commonhold.demo.traces import traces
from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain
from protocol.identity import name_of
from protocol.log.batch import decode_bundle
from protocol.log.merkle import hash_leaf
from protocol.log.strict import parse_leaf
from protocol.money.settlement import ETHER, Address
from protos.gen import records_pb2 as pb

LICENCE_ID: Final = "northwind-2026"
STABLE_REVENUE: Final = 25_000_000_000  # 25,000 of the stablecoin stand-in, which has 6 decimals
ETHER_REVENUE: Final = 3 * 10**18 + 7  # not a round number: nothing may be lost to rounding
PART: Final = "content"  # of a digit
_SLICE: Final = 48  # bytes of content, from its middle, that name it beyond doubt


@dataclass(frozen=True, slots=True)
class Exported:
    """A dataset on the operator's disk."""

    snapshot: str  # hex
    folder: Path
    authors: Mapping[str, int]  # name -> items
    item_ids: frozenset[str]
    loads: bool
    croissant_valid: bool


def begin_export(scene: Scene) -> Server:
    """Content is fetched over libp2p from those who have it, beside whatever comes next."""
    words = ("export", "--campaign", CAMPAIGN, "--dir", scene.coordinator)
    return scene.stage.start("coordinator", *words)


def export(scene: Scene, title: str, begun: Server | None = None) -> Exported:
    """A dataset, loaded as a buyer would."""
    with scene.display.step(title) as step:
        made = scene.stage.finish(begun or begin_export(scene))
        step.say(f"{made['items']} items; checking it as a buyer would")
        # A buyer's copies are not the network's to erase: they are kept elsewhere.
        rows = _load(Path(made["path"]), scene.stage.folder / "buyer")
        exported = Exported(
            made["snapshot"],
            Path(made["path"]),
            Counter(rows["author"]),
            frozenset(rows["item_id"]),
            loads=len(rows["item_id"]) == made["items"] > 0,
            croissant_valid=_croissant_holds(Path(made["path"])),
        )
        step.say(f"{made['items']} items of {len(exported.authors)} people, with proofs")
    return exported


def _load(folder: Path, cache: Path) -> dict[str, list[str]]:
    """Item ids and authors, read with pandas and with Hugging Face datasets, which must agree."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    import datasets
    import pandas

    datasets.disable_progress_bars()
    files = sorted(str(file) for file in (folder / "data").glob("*.parquet"))
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(cache))
    frame = pandas.concat([pandas.read_parquet(file) for file in files])
    columns = {name: list(loaded[name]) for name in ("item_id", "author")}
    if any(list(frame[name]) != column for name, column in columns.items()):
        raise DemoError("pandas and datasets read different rows")
    if loaded[0][PART].size != (28, 28):
        raise DemoError("the dataset's first image is not a digit")
    return columns


def _croissant_holds(folder: Path) -> bool:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    return not dataset.metadata.ctx.issues.errors


def sell(scene: Scene, exported: Exported) -> Address:
    """A licence in the log, and a buyer who pays for it; gives the stablecoin's address."""
    with scene.display.step("a licence is sold; its buyer pays, and somebody gives ether") as step:
        stable = scene.stable
        scene.wait_until(
            lambda: scene.tail.catch_up().deployment is not None, "there are contracts to pay"
        )
        buyer = OperatorChain(scene.rpc_url, dev_keys()[BUYER].to_bytes(), scene.deployment())
        scene.operate(
            *("licence", "--snapshot", exported.snapshot, "--id", LICENCE_ID),
            *("--licensee", "Northwind Robotics", "--terms", LICENCE),
            *("--asset", f"0x{stable.hex()}", "--price", str(STABLE_REVENUE)),
        )
        buyer.deposit(stable, STABLE_REVENUE, LICENCE_ID.encode())
        buyer.deposit(ETHER, ETHER_REVENUE, b"with thanks")
        scene.operate("revenue", "import")
        step.say(f"{STABLE_REVENUE / 1e6:,.0f} of a stablecoin for the licence, 3 ether for all")
    return stable


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An item taken back, and whether nothing is left of it."""

    item_id: str
    erased: bool


def withdraw(scene: Scene, exported: Exported) -> Withdrawn:
    """Ada takes one accepted item back; then every file of everybody is searched for it."""
    # Of an image that rex submitted again, rex's copy is another item, and his to withdraw.
    copied = {_digest(file) for player in scene.cast.players.values() for file in player.copies}
    item_id = next(
        item.hex()
        for item, digest in scene.query(
            "ada", "select item_id, content_sha256 from items where campaign_id = ?", CAMPAIGN
        )
        if item.hex() in exported.item_ids and digest not in copied
    )
    needles = _needles(scene, bytes.fromhex(item_id))
    homes = [Path(scene.coordinator), scene.stage.folder / "nodes"]
    with scene.display.step("ada withdraws an item") as step:
        before = traces(homes, needles)
        scene.stage.run("node", "withdraw", item_id, "--dir", scene.node("ada"), "--yes")
        try:
            scene.wait_until(lambda: not traces(homes, needles), "every copy is deleted")
        except DemoError:
            step.say(f"still in {len(traces(homes, needles))} files")
            return Withdrawn(item_id, erased=False)
        step.say(f"its picture, salt and description were in {len(before)} files and are in none")
    return Withdrawn(item_id, erased=len(before) > 1)


def _needles(scene: Scene, item_id: bytes) -> list[bytes]:
    """Bytes that only this item has: of its content, its content's salt, its fingerprint."""
    [(salt, digest)] = scene.query(
        "ada",
        "select salt, content_sha256 from items join parts using (item_id) where item_id = ?",
        item_id,
    )
    content = _content(scene, digest)
    middle = len(content) // 2
    leaf = next(
        leaf
        for (bundle,) in scene.query("ada", "select bundle from entries")
        for leaf in decode_bundle(bundle)
        if isinstance(leaf, bytes) and hash_leaf(leaf) == item_id
    )
    [part] = parse_leaf(pb.Item, leaf).parts
    return [content[middle : middle + _SLICE], salt, part.fingerprint]


def _content(scene: Scene, digest: bytes) -> bytes:
    files = (file for player in scene.cast.players.values() for file in player.truth)
    return next(file for file in files if _digest(file) == digest).read_bytes()


def _digest(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


def royalties_match(lines: list[tuple[int, pb.RewardLine]], exported: Exported) -> bool:
    """Whether the licence's royalties were split by the items that each author has in the dataset.

    Counted from the dataset that the buyer got, not from the log.
    """
    paid: dict[str, int] = {}
    for _, line in lines:
        if line.licence_id == LICENCE_ID:
            name = name_of(line.person)
            paid[name] = paid.get(name, 0) + int(line.amount)
    pool, items = sum(paid.values()), sum(exported.authors.values())
    return (
        pool > 0
        and set(paid) <= set(exported.authors)
        and all(
            abs(paid.get(name, 0) - pool * count / items) < 1
            for name, count in exported.authors.items()
        )
    )


def dataset_figures(exported: Exported) -> dict[str, Any]:
    """What the summary says of the dataset."""
    return {
        "items": len(exported.item_ids),
        "loads_with_datasets": exported.loads,
        "croissant_valid": exported.croissant_valid,
    }

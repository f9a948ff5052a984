"""Withdrawn items: swept from disk, left out of later datasets, and never licensed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from commonground.dataset import layout
from coordinator.dataset import sweep
from protocol.errors import Misbehaviour
from protos.gen import records_pb2 as pb
from tests.dataset_lab import DatasetLab, filled
from tests.simulated import NETWORK


@pytest.fixture
def lab(tmp_path: Path) -> DatasetLab:
    made = DatasetLab(tmp_path)
    made.accept(ada=[made.item(3), made.item(1)], ben=[made.item(4)])
    made.fetch()
    return made


def files(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


def test_nothing_is_deleted_while_nobody_withdraws(lab: DatasetLab) -> None:
    path, _ = lab.export()
    before = files(lab.folder)
    assert sweep.sweep(lab.home, lab.net.state) == []
    assert files(lab.folder) == before
    assert (path / layout.MANIFEST).exists()


def test_content_salts_and_every_dataset_with_the_item_go(lab: DatasetLab) -> None:
    path, _ = lab.export()
    narrow, _ = lab.export("train")  # another snapshot of the same items
    item_id = lab.items[0]
    [(salt, content)] = lab.kept[item_id].values()
    for name in (path.name, narrow.name):
        part = lab.home.datasets_path / f".{name}.part"
        part.mkdir()
        (part / "half").write_bytes(content)
    lab.content.incoming(item_id, "image").write_bytes(content)
    lab.withdraw(lab.authors[0], item_id)
    assert sorted(sweep.sweep(lab.home, lab.net.state)) == sorted([path.name, narrow.name])
    for folder in (path, narrow):
        assert files(folder) == {layout.WITHDRAWN}
        assert "1 item or part of it was withdrawn" in (folder / layout.WITHDRAWN).read_text()
    assert {each.name for each in lab.home.datasets_path.iterdir()} == {path.name, narrow.name}
    kept = b"".join(
        each.read_bytes()
        for root in (lab.home.datasets_path, lab.home.content_path)
        for each in root.rglob("*")
        if each.is_file()
    )
    assert content not in kept and salt not in kept
    assert lab.content.has(lab.items[1], "image")  # the others' content stays
    assert sweep.sweep(lab.home, lab.net.state) == []  # twice is harmless


def test_every_part_of_an_item_goes(tmp_path: Path) -> None:
    lab = filled(tmp_path, "preferred")
    path, _ = lab.export()
    gone, kept = lab.items[0], lab.items[1]
    lab.content.incoming(gone, "context").write_bytes(b"a transfer that was cut off")
    lab.withdraw(lab.authors[0], gone)
    assert sweep.sweep(lab.home, lab.net.state) == [path.name]
    assert not list(lab.home.content_path.glob(f"{gone.hex()}*"))
    assert (
        set(lab.kept[gone]) == set(lab.kept[kept]) == {"prompt", "answer_a", "answer_b", "context"}
    )
    assert all(lab.content.has(kept, part) for part in lab.kept[kept])
    later, manifest = lab.export()
    assert (later != path, manifest.items) == (True, 2)


def test_a_part_that_is_taken_back_goes_alone(tmp_path: Path) -> None:
    lab = filled(tmp_path, "preferred")
    path, _ = lab.export()
    gone, kept = lab.items[0], lab.items[1]
    before = sweep.withdrawals(lab.net.state)
    lab.content.incoming(gone, "context").write_bytes(b"a transfer that was cut off")
    lab.withdraw(lab.authors[0], gone, part="context")
    assert sweep.withdrawals(lab.net.state) > before
    assert sweep.sweep(lab.home, lab.net.state) == [path.name]
    assert not list(lab.home.content_path.glob(f"{gone.hex()}.context*"))
    assert all(lab.content.has(gone, part) for part in ("prompt", "answer_a", "answer_b"))
    assert lab.content.has(kept, "context")
    later, manifest = lab.export()
    assert (later != path, manifest.items) == (True, 3)
    again, _ = lab.export()
    assert again == later, "nothing was taken back since"


def test_a_sweep_that_was_killed_is_finished_by_the_next(lab: DatasetLab) -> None:
    path, _ = lab.export()
    lab.withdraw(lab.authors[0], lab.items[0])
    (path / layout.WITHDRAWN).write_text("written, then killed")
    assert sweep.sweep(lab.home, lab.net.state) == [path.name]
    assert files(path) == {layout.WITHDRAWN}


def test_a_folder_that_is_not_a_dataset_of_ours_is_left_alone(lab: DatasetLab) -> None:
    lab.export()
    lab.withdraw(lab.authors[0], lab.items[0])
    other = lab.home.datasets_path / "notes"
    other.mkdir()
    (other / "mine.txt").write_text("keep")
    (lab.home.content_path / "readme").write_text("keep")
    sweep.sweep(lab.home, lab.net.state)
    assert (other / "mine.txt").exists() and (lab.home.content_path / "readme").exists()


def test_a_later_dataset_leaves_the_item_out(lab: DatasetLab) -> None:
    path, _ = lab.export()
    item_id = lab.items[0]
    lab.withdraw(lab.authors[0], item_id)
    sweep.sweep(lab.home, lab.net.state)
    later, manifest = lab.export()
    assert later != path
    assert manifest.items == 2
    assert item_id.hex() not in (later / layout.ITEMS).read_text().replace(manifest.checkpoint, "")


def test_the_old_snapshot_can_no_longer_be_licensed(lab: DatasetLab) -> None:
    lab.export()
    [(digest, _)] = lab.net.state.snapshots.scan()
    fields: dict[str, Any] = {
        "network": NETWORK,
        "snapshot": digest,
        "licensee": "Northwind",
        "terms": "CC-BY-4.0",
        "asset": bytes(20),
        "price": "5",
    }
    lab.net.add(lab.net.operator, "licence", pb.Licence(id="before", **fields))
    lab.withdraw(lab.authors[0], lab.items[0])
    with pytest.raises(Misbehaviour, match=r"1 items or parts of snapshot .* were withdrawn"):
        lab.net.add(lab.net.operator, "licence", pb.Licence(id="after", **fields))

"""A job's snapshot as a yardstick: read from the exported dataset, without what is withdrawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commonground.dataset.parquet import ParquetFiles
from commonground.dataset.rows import BYTES, IMAGE, LABEL, Columns
from commonhold.digits import png_bytes
from coordinator.config import Home
from coordinator.dataset.snapshots import folder_name
from coordinator.training.snapshot import Measure, load_yardstick
from federated.tasks.registry import made
from federated.tasks.task import initial_weights
from protocol.errors import ConfigError
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.rows import Campaign, Item
from protocol.state import State
from tests.simulated import campaign, part

LABELS = tuple("0123456789")
TASK = made("images", {"dims": 0}, LABELS)
DIGEST = bytes(range(32))
COLUMNS = Columns.of(Campaign.of(campaign(parts=[part("image", "image/png")])))
BLANKS = {"string": "", "int64": 0, "float64": 0.0, "bool": False, BYTES: b""}


def export(home: Home, images: list[bytes], labels: list[int]) -> list[bytes]:
    """A dataset's Parquet file as `commonhold coordinator export` writes it; gives the items' ids."""
    folder = home.path / "datasets" / folder_name(DIGEST)
    folder.mkdir(parents=True)
    files = ParquetFiles(folder, COLUMNS)
    ids = [bytes([number]) * 32 for number in range(len(images))]
    for item_id, image, label in zip(ids, images, labels, strict=True):
        row = {c.name: [] if c.repeated else BLANKS.get(c.type) for c in COLUMNS}
        row |= {"item_id": item_id.hex(), LABEL: label, IMAGE: {"bytes": image, "path": "x.png"}}
        files.add(row, len(image))
    files.finish()
    return ids


def digits(count: int, side: int = 28) -> list[bytes]:
    rng = np.random.default_rng(1)
    return [png_bytes(rng.integers(0, 255, (side, side), dtype=np.uint8)) for _ in range(count)]


def put(state: State, item_id: bytes, status: ItemStatus) -> None:
    state.items.put(item_id, Item(PersonId(b"a"), "digits", 1, 0, None, status=status))


def export_texts(home: Home, *parts: str) -> None:
    """The same of texts: one item, whose parts say their names."""
    columns = Columns.of(Campaign.of(campaign(parts=[part(each, "text/plain") for each in parts])))
    folder = home.path / "datasets" / folder_name(DIGEST)
    folder.mkdir(parents=True)
    files = ParquetFiles(folder, columns)
    row = {c.name: [] if c.repeated else BLANKS.get(c.type) for c in columns}
    files.add(row | {"item_id": bytes(32).hex(), LABEL: 7} | {each: each for each in parts}, 1)
    files.finish()


def test_a_text_is_found_by_its_name_or_as_the_only_one(tmp_path: Path) -> None:
    """What the operator's campaign and the partners call it are two things."""
    one, two = Home(tmp_path / "one"), Home(tmp_path / "two")
    export_texts(one, "content")
    export_texts(two, "note", "answer")
    found = load_yardstick(one, DIGEST, made("text", {}, LABELS))
    assert ([*found.table["text"]], found.parts) == (["content"], ("content",))
    found = load_yardstick(two, DIGEST, made("text", {"column": "note"}, LABELS))
    assert ([*found.table["note"]], found.parts) == (["note"], ("note",))
    with pytest.raises(ConfigError, match=r"its own are note, answer$") as refused:
        load_yardstick(two, DIGEST, made("text", {}, LABELS))
    assert "--option" in refused.value.advice


def test_only_what_authors_gave_is_a_text(tmp_path: Path) -> None:
    """A dataset's other columns say what reviewers answered, and who gave what."""
    export_texts(Home(tmp_path), "content", "note")
    with pytest.raises(ConfigError, match=r"its own are content, note$"):
        load_yardstick(Home(tmp_path), DIGEST, made("text", {"column": "author"}, LABELS))


def test_a_withdrawn_item_is_measured_with_no_more(tmp_path: Path) -> None:
    ids = export(Home(tmp_path), digits(4), [0, 0, 0, 7])
    yardstick = load_yardstick(Home(tmp_path), DIGEST, TASK)
    zeros = initial_weights(TASK, "images")  # says 0 of everything
    state = State()
    measure = Measure(TASK, yardstick, lambda: state)
    for item_id in ids:
        put(state, item_id, ItemStatus.ACCEPTED)
    assert measure.accuracy_ppm(zeros) == 750_000
    put(state, ids[3], ItemStatus.WITHDRAWN)
    assert measure.accuracy_ppm(zeros) == 1_000_000
    for item_id in ids[:3]:
        put(state, item_id, ItemStatus.WITHDRAWN)
    assert measure.accuracy_ppm(zeros) == 0


def test_a_snapshot_that_is_not_exported_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not exported here"):
        load_yardstick(Home(tmp_path), DIGEST, TASK)


def test_a_snapshot_of_something_else_is_refused(tmp_path: Path) -> None:
    export(Home(tmp_path), [b"no picture"], [0])
    with pytest.raises(ConfigError, match="something else than the job's columns: image"):
        load_yardstick(Home(tmp_path), DIGEST, TASK)


def test_pictures_of_another_size_are_scaled_to_the_jobs(tmp_path: Path) -> None:
    export(Home(tmp_path), digits(2, side=20), [0, 1])
    assert load_yardstick(Home(tmp_path), DIGEST, TASK).table["image"].shape == (2, 28, 28, 1)

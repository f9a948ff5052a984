"""Folders of Hugging Face are recognised and read: beside a table, shards, Arrow."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from commonground.tables import Form, Table
from node.bringing.formats import Format
from node.bringing.recognise import recognise
from node.bringing.sources import Asked, bring
from node.drafts import Draft
from protocol.errors import ConfigError
from protocol.rows import Campaign
from tests.bringing_lab import PNG, campaigns_of_exports, pictures, said, write


@pytest.fixture(scope="module")
def campaigns() -> dict[str, Campaign]:
    return campaigns_of_exports()


def test_pictures_beside_a_table_that_names_them(
    tmp_path: Path, campaigns: dict[str, Campaign]
) -> None:
    pictures(tmp_path, "train/a.png", "train/b.png", "test/c.png")
    write(tmp_path / "train" / "metadata.csv", "file_name,label,x\na.png,cat,1\nlost.png,dog,2\n")
    write(tmp_path / "test" / "metadata.jsonl", '{"file_name": "c.png", "label": "dog"}\n')
    write(tmp_path / "README.md", "# Cats and dogs")
    assert recognise(tmp_path, frozenset()) == Format.HUGGING_FACE
    brought = bring(Asked([tmp_path]), campaigns["pictures"])
    assert brought.notes == ('the column "x" is not read',)
    assert said(Asked([tmp_path]), campaigns["pictures"]) == {
        "test/metadata.jsonl:1": "dog",
        "train/metadata.csv:2": "cat",
        "train/metadata.csv:3": "dog",  # whose file is missed when it is read
        "README.md": "! it describes the dataset, and is no row of it",
        "train/b.png": "! no row of the dataset names it",
    }


def test_shards_of_parquet(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    kept = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    for shard, label in enumerate((1, 0)):
        rows = {"image": [{"bytes": PNG + bytes([shard]), "path": "a.png"}], "label": [label]}
        path = tmp_path / "data" / f"train-0000{shard}-of-00002.parquet"
        path.parent.mkdir(exist_ok=True)
        table = pa.table(rows).replace_schema_metadata({"huggingface": json.dumps(kept)})
        pq.write_table(table, path)
    drafts = list(bring(Asked([tmp_path]), campaigns["pictures"]).drafts)
    found = [(each.words, each.parts[0].data) for each in drafts if isinstance(each, Draft)]
    assert found == [("dog", PNG + b"\0"), ("cat", PNG + b"\1")]
    assert [each.name for each in drafts] == [
        f"data/train-0000{shard}-of-00002.parquet:1" for shard in range(2)
    ]


def test_shards_of_text(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    write(tmp_path / "data" / "train-00000-of-00001.csv", "text,label\nhello there,ham\n")
    write(tmp_path / "data" / "test.jsonl", '{"text": "buy now", "label": "spam"}\n')
    write(tmp_path / "README.md", "# Texts")
    assert recognise(tmp_path, frozenset({"text/plain"})) == Format.HUGGING_FACE
    assert said(Asked([tmp_path]), campaigns["texts"]) == {
        "data/test.jsonl:1": "spam",
        "data/train-00000-of-00001.csv:2": "ham",
        "README.md": "! it describes the dataset, and is no row of it",
    }
    assert recognise(tmp_path, frozenset({"text/csv"})) == Format.FILES
    write(tmp_path / "data" / "a.txt", "a text of its own")
    assert recognise(tmp_path, frozenset({"text/plain"})) == Format.FILES
    found = said(Asked([tmp_path], format=Format.HUGGING_FACE), campaigns["texts"])
    assert found["data/a.txt"] == "! no row of the dataset names it"
    write(tmp_path / "train" / "labels.csv", "file,label\na.txt,ham\n")
    assert recognise(tmp_path / "train", frozenset({"text/plain"})) == Format.FILES


def saved(folder: Path, files: bool = False) -> None:
    """As `save_to_disk` writes two classes and a picture."""
    pa, ipc = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.ipc")
    kept = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    pictures = [{"bytes": PNG + bytes([n]), "path": None} for n in range(40)]
    rows = pa.table({"image": pictures, "label": [n % 2 for n in range(40)]})
    rows = rows.replace_schema_metadata({"huggingface": json.dumps(kept)})
    folder.mkdir()
    for name in ("data-00000-of-00001.arrow", "cache-1.arrow"):
        make = ipc.new_file if files else ipc.new_stream
        with make(folder / name, rows.schema) as writer:
            writer.write_table(rows)
    write(folder / "state.json", {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
    write(folder / "dataset_info.json", {"features": {}})


@pytest.mark.parametrize("files", [False, True])
def test_arrow_of_save_to_disk(tmp_path: Path, campaigns: dict[str, Campaign], files: bool) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    saved(folder / "train", files)
    write(folder / "dataset_dict.json", {"splits": ["train"]})
    assert recognise(folder, frozenset()) == Format.HUGGING_FACE
    drafts = list(bring(Asked([folder]), campaigns["pictures"]).drafts)
    items = [each for each in drafts if isinstance(each, Draft)]
    assert [each.words for each in items] == ["cat", "dog"] * 20
    assert items[3].parts[0].data == PNG + b"\3"
    assert items[3].name == "train/data-00000-of-00001.arrow:4"
    reasons = said(Asked([folder]), campaigns["pictures"])
    assert reasons["train/cache-1.arrow"] == "! no row of the dataset names it"
    path = folder / "train" / "data-00000-of-00001.arrow"
    assert len(said(Asked([path]), campaigns["pictures"])) == 40


def test_damaged_arrow_is_read_or_refused(tmp_path: Path, campaigns: dict[str, Campaign]) -> None:
    saved(tmp_path / "train")
    path, chance, refused = tmp_path / "train" / "data-00000-of-00001.arrow", random.Random(1), 0
    good = path.read_bytes()
    for _ in range(200):
        bad = bytearray(good)
        bad[chance.randrange(min(len(bad), 2_000))] ^= chance.randrange(1, 256)
        path.write_bytes(bad[: chance.randrange(len(bad) // 2, len(bad) * 2)])
        try:
            list(Table(path, Form.ARROW).rows())
        except ConfigError:
            refused += 1
    assert refused > 50
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="as Arrow"):
        bring(Asked([path]), campaigns["pictures"])
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match="no table of a dataset"):
        bring(Asked([tmp_path / "none"], format=Format.HUGGING_FACE), campaigns["pictures"])

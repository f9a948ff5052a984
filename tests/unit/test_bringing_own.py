"""What we write, a node reads again as it was, and asks nobody what the columns mean."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from commonground.dataset import layout
from commonground.dataset.formats.copies import write_copy
from node.bringing.sources import Asked, bring
from node.drafts import Draft
from protocol.rows import Campaign
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.dataset_lab import KINDS, DatasetLab, filled
from tests.simulated import Truth, campaign, part

OWN = {
    "parquet": "data/train-00000-of-00001.parquet",
    "folder": ".",
    "jsonl": "jsonl/train.jsonl",
    "csv": "csv/train.csv",
    "label-studio": "label-studio/tasks.json",
    "coco": "coco",
    "yolo": "yolo",
    "hugging-face": "hugging-face",
}


def answers(path: Path, terms: pb.Campaign) -> Counter[str]:
    found = list(bring(Asked([path]), Campaign.of(terms)).drafts)
    return Counter(each.words for each in found if isinstance(each, Draft))


def expected(folder: Path) -> Counter[str]:
    files = (folder / layout.DATA).iterdir()
    tables = [pd.read_parquet(each) for each in files]
    column = "item_answer" if "item_answer" in tables[0] else "answer"
    return Counter(answer for table in tables for answer in table[column])


@pytest.mark.parametrize(
    ("campaign_id", "name"),
    [
        *(("pictures", name) for name in OWN),
        *(("rated", name) for name in ("parquet", "folder", "jsonl", "csv", "label-studio")),
    ],
)
def test_a_dataset_and_its_copies_come_back(tmp_path: Path, campaign_id: str, name: str) -> None:
    lab = filled(tmp_path, campaign_id)
    folder, _ = lab.export()
    if name not in ("parquet", "folder"):
        write_copy(folder, Campaign.of(lab.campaign), name, has_answers=True)
    assert answers(folder / OWN[name], KINDS[campaign_id]) == expected(folder)


@pytest.mark.parametrize("name", ["parquet", "jsonl", "csv"])
def test_tags_and_a_part_that_is_called_answer_come_back(tmp_path: Path, name: str) -> None:
    cases: tuple[tuple[pb.Campaign, tuple[Truth, ...]], ...] = (
        (campaign(id="texts", parts=[part("answer")]), (3, 1, 4)),
        (
            campaign(
                id="tags", task="tags", spec=encode_spec({"tags": ["a", "b"]}), parts=[part("text")]
            ),
            ("a, b", "none", "b"),
        ),
    )
    for terms, truths in cases:
        lab = DatasetLab(tmp_path / terms.id, terms)
        names = [each.name for each in terms.parts]
        lab.accept(
            ada=[
                lab.item(truth, {names[0]: f"text {at} {truth}".encode()})
                for at, truth in enumerate(truths)
            ]
        )
        lab.fetch()
        folder, _ = lab.export()
        if name != "parquet":
            write_copy(folder, Campaign.of(lab.campaign), name, has_answers=True)
        found = answers(folder / OWN[name], terms)
        assert found == expected(folder) and found.total() == len(truths)

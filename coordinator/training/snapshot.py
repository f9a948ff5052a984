"""The job's snapshot as a yardstick: how a round's model does on data that reviewers accepted.

It is read from the exported dataset. An item that its author withdraws while the job runs, or whose picture,
or that the operator takes down, is dropped from the next round on.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from commonground.dataset.layout import DATA
from commonground.dataset.rows import LABEL
from coordinator.config import Home
from coordinator.dataset.snapshots import folder_name
from coordinator.operator import Operator
from federated.features import SIDE
from federated.model import Labelled, Weights, accuracy
from protocol.errors import ConfigError
from protocol.lifecycle import GONE
from protocol.limits import PPM
from protocol.rows import ItemId
from protocol.state import State

_ITEM_ID = "item_id"


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """The items of a snapshot, decoded."""

    item_ids: tuple[ItemId, ...]  # (n,)
    images: NDArray[np.uint8]  # (n, 28, 28)
    labels: NDArray[np.int64]  # (n,)
    part: str  # that the images are

    def accuracy_ppm(self, state: State, weights: Weights) -> int:
        """Of the items whose picture is not withdrawn or taken down; 0 when none is left."""
        items = [state.items[each] for each in self.item_ids]
        kept = np.array(
            [each.status not in GONE and self.part not in each.taken_back for each in items],
            bool,
        )
        if not kept.any():
            return 0
        examples = Labelled(self.images[kept], self.labels[kept])
        return round(accuracy(weights, examples) * PPM)


def load_yardstick(home: Home, digest: bytes) -> Yardstick:
    """Reads the exported dataset of a snapshot. Raises ConfigError when it is not there, or not digits."""
    import pyarrow.parquet as pq  # of the extra `dataset`

    from commonground.dataset.parquet import picture_columns

    folder = home.path / "datasets" / folder_name(digest) / DATA
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise ConfigError(
            f"the snapshot {folder_name(digest)} is not exported here",
            "run `commonhold coordinator export`, or open the job without --snapshot",
        )
    ids: list[ItemId] = []
    part = ""
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for file in files:
        table = pq.read_table(file)
        pictures = picture_columns(table.schema)  # whatever the campaign calls the part
        if len(pictures) != 1 or LABEL not in table.column_names:
            raise _no_images()
        [part] = pictures
        for row in table.select([_ITEM_ID, LABEL, part]).to_pylist():
            if row[part] is None:
                continue  # never given, or taken back before the snapshot
            ids.append(bytes.fromhex(row[_ITEM_ID]))
            labels.append(row[LABEL])
            images.append(_decoded(row[part]["bytes"]))
    if not images:
        raise _no_images()
    return Yardstick(tuple(ids), np.stack(images), np.array(labels, np.int64), part)


def measure_on(operator: Operator, snapshot: bytes) -> Callable[[Weights], int]:
    """Gives a model's accuracy on a snapshot in parts per million; 0 where the job has none, or where
    somebody has withdrawn from it by now and its export is deleted."""
    if not snapshot or operator.state.snapshots[snapshot].withdrawn:
        return lambda _: 0
    yardstick = load_yardstick(operator.home, snapshot)
    return lambda weights: yardstick.accuracy_ppm(operator.state, weights)


def _decoded(content: bytes) -> NDArray[np.uint8]:
    """(28, 28) grey. Reviewers have seen the picture, and its size was bounded when it came in."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size != (SIDE, SIDE):
                raise _no_images()
            return np.array(image.convert("L"), np.uint8)
    except OSError as error:
        raise _no_images() from error


def _no_images() -> ConfigError:
    return ConfigError(
        f"the snapshot holds something else than PNG images of {SIDE} x {SIDE} pixels",
        "open the job without --snapshot",
    )

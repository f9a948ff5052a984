"""An item as a row of the dataset. Every value but the content follows from the log.

The writer fills rows from the state, the checker from the proofs beside them: both use `row_of`, so
that a row which the log does not bear out is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from protocol.identity import Identity, peer_id_of
from protocol.limits import PPM
from protocol.state import ItemId
from protos.gen import records_pb2 as pb

IMAGE: Final = "image"  # column of content that is a picture, as {bytes, path}
CONTENT: Final = "content"  # column of any other content, as bytes
LABEL: Final = "label"

ORIGINS: Final = {
    pb.ORIGIN_HUMAN: "human",
    pb.ORIGIN_SENSOR: "sensor",
    pb.ORIGIN_AGENT: "agent",
    pb.ORIGIN_SYNTHETIC: "synthetic",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside the content; `type` is its Arrow type's name."""

    name: str
    type: str
    description: str
    repeated: bool = False


COLUMNS: Final = (
    Column("item_id", "string", "Name of the item: the hash of its description in the log."),
    Column(LABEL, "int64", "Index of the label that reviewers agreed on."),
    Column("label_name", "string", "That label."),
    Column("posterior", "float64", "Probability of that label, given all answers."),
    Column("media_type", "string", "MIME type of the content."),
    Column("licence", "string", "SPDX identifier of the licence that the contributor gave."),
    Column("consent_train", "bool", "The contributor agreed to training."),
    Column("consent_redistribute", "bool", "The contributor agreed to redistribution."),
    Column("consent_commercial", "bool", "The contributor agreed to commercial use."),
    Column("origin", "string", "How the item was made: human, sensor, agent or synthetic."),
    Column("generator", "string", "Model or tool that made it, if one did."),
    Column("derived_from", "string", "Items that it was derived from.", repeated=True),
    Column("transformation", "string", "How it was derived from them."),
    Column("personal_data", "bool", "The contributor says that it holds personal data."),
    Column("contributor", "string", "Peer id of the contributor: to whom it is attributed."),
    Column("submitted_at", "int64", "Log index of its submission."),
    Column("decided_in", "int64", "Epoch of the verdict."),
)


@dataclass(frozen=True, slots=True)
class Decided:
    """An accepted item, as the log has it."""

    item_id: ItemId
    item: pb.Item
    author: Identity
    submitted_at: int  # log index
    label: int
    posterior_ppm: int
    decided_in: int  # epoch


def content_column(media_types: Iterable[str]) -> str:
    """Pictures get a column that loaders decode; a campaign that mixes media gets bytes."""
    return IMAGE if all(each.startswith("image/") for each in media_types) else CONTENT


def row_of(decided: Decided, labels: Sequence[str]) -> dict[str, Any]:
    """The values of COLUMNS."""
    item = decided.item
    return {
        "item_id": decided.item_id.hex(),
        LABEL: decided.label,
        "label_name": labels[decided.label],
        "posterior": decided.posterior_ppm / PPM,
        "media_type": item.media_type,
        "licence": item.licence,
        "consent_train": item.consent.train,
        "consent_redistribute": item.consent.redistribute,
        "consent_commercial": item.consent.commercial,
        "origin": ORIGINS[item.origin],
        "generator": item.generator,
        "derived_from": [each.hex() for each in item.derived_from],
        "transformation": item.transformation,
        "personal_data": item.personal_data,
        "contributor": peer_id_of(decided.author),
        "submitted_at": decided.submitted_at,
        "decided_in": decided.decided_in,
    }


def content_value(column: str, item_id: ItemId, media_type: str, content: bytes) -> Any:
    """What the content column holds. The path names the picture; its bytes are in the row."""
    if column == CONTENT:
        return content
    return {"bytes": content, "path": f"{item_id.hex()}.{media_type.partition('/')[2]}"}

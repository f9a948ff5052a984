"""Boxes that another tool's export holds, as the part of an item that takes them (`node.media.shapes`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from node.planning import only_part
from protocol.errors import ConfigError
from protocol.media import BOXES, MEDIA, Shown
from protocol.rows import Campaign


def picture_part(campaign: Campaign) -> str:
    """The part that a picture is, whether or not another one has its boxes. Raises ConfigError."""
    if boxes_part(campaign) is None:
        return only_part(campaign)
    pictures = [
        part.name
        for part in campaign.parts
        if any(MEDIA[name].shown is Shown.PICTURE for name in part.media_types)
    ]
    if len(pictures) != 1:
        raise ConfigError(
            f"{campaign.id} has {len(pictures)} parts that may be the picture",
            "describe its items in a table, with a column for each part: --table FILE",
        )
    return pictures[0]


def boxes_part(campaign: Campaign) -> str | None:
    """The part that takes boxes, where there is one."""
    return next((part.name for part in campaign.parts if BOXES.name in part.media_types), None)


def boxes_text(objects: Sequence[dict[str, Any]], size: tuple[Any, Any] | None = None) -> str:
    """Of a picture of `size` pixels, or, without, in fractions of it. What is odd is refused later, as of
    any other content."""
    unit: dict[str, Any] = {"unit": "fraction"}
    if size is not None:
        unit = {"unit": "pixel", "width": size[0], "height": size[1]}
    return json.dumps(unit | {"objects": list(objects)}, ensure_ascii=False, separators=(",", ":"))

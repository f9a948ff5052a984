"""Items as a reviewer's program is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from node.reviewers import Case, ShownPart
from protocol.rows import Campaign
from protocol.tasks.question import question_of
from protocol.tasks.shown import AS_NAMED
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests import simulated

PNG, TEXT = "image/png", "text/plain"


def put(folder: Path, content: bytes, name: str = "content") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def labelled(
    folder: Path,
    content: bytes = b"content",
    media_type: str = PNG,
    labels: Sequence[str] = "abc",
) -> Case:
    """An item of one part, and a question with these labels about it."""
    record = simulated.campaign(spec=encode_spec({"labels": list(labels)}))
    part = ShownPart("content", media_type, put(folder, content))
    return Case(Campaign.of(record), (part,), AS_NAMED)


def case_of(folder: Path, record: pb.Campaign, flipped: bool = False, **contents: bytes) -> Case:
    """An item of another campaign; parts are called as they are shown, in the order given."""
    parts = (ShownPart(name, TEXT, put(folder, text, name)) for name, text in contents.items())
    question = question_of(Campaign.of(record))
    return Case(Campaign.of(record), tuple(parts), question.kind.shown(question.spec, flipped))

"""What is checked of content before anybody looks at it, and what a plug-in may do to us."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from node.examine import MISMATCH, UNSURE, Examiner, Opinion, Wanted
from node.intake import PNG, TEXT, fingerprint_content
from node.reviewers import load_reviewer
from node.rows import TaskRow
from protos.gen import records_pb2 as pb
from tests.node_lab import digit

CONTENT = digit(1)
LABELS = ("zero", "one", "two")


def wanted(media_type: str = PNG, fingerprint: bytes | None = None) -> Wanted:
    own = fingerprint_content(CONTENT, PNG)
    record = pb.Item(
        size=len(CONTENT),
        media_type=media_type,
        fingerprint=own if fingerprint is None else fingerprint,
    )
    return Wanted(TaskRow(1, 1, 0, bytes(32), bytes(32), "digits"), record, LABELS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "content"
    made.write_bytes(CONTENT)
    return made


@pytest.mark.parametrize(
    ("item", "opinion"),
    [
        (wanted(), Opinion(1)),
        (wanted(fingerprint=b""), Opinion(1)),  # a campaign whose content is not published
        (wanted(TEXT, fingerprint=b""), MISMATCH),
        (wanted(TEXT), MISMATCH),
        (wanted(fingerprint=fingerprint_content(digit(2), PNG)), MISMATCH),
        (wanted(fingerprint=b"\1nonsense"), MISMATCH),
    ],
)
async def test_content_is_held_against_its_record(
    path: Path, item: Wanted, opinion: Opinion
) -> None:
    assert await Examiner(load_reviewer("constant:1")).examine(path, item) == opinion


async def test_without_a_plug_in_a_person_decides(path: Path) -> None:
    assert await Examiner(None).examine(path, wanted()) is None
    assert await Examiner(None).examine(path, wanted(TEXT)) == MISMATCH


async def test_missing_content_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await Examiner(None).examine(tmp_path / "gone", wanted())


class Stuck:
    """A plug-in that answers only when it is let go, and remembers how many asked at once."""

    name = "stuck"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.inside = self.most = 0

    def prepare(self) -> None:
        return

    def answer(self, content: bytes, media_type: str, labels: Sequence[str]) -> int | None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.go.wait()
        self.inside -= 1
        return None


async def test_a_plug_in_is_asked_one_item_at_a_time(path: Path) -> None:
    plugin = Stuck()
    examiner = Examiner(plugin)
    asked = [asyncio.create_task(examiner.examine(path, wanted())) for _ in range(3)]
    await asyncio.sleep(0)
    plugin.go.set()
    assert await asyncio.gather(*asked) == [UNSURE] * 3
    assert plugin.most == 1


async def test_whoever_waits_for_a_stuck_plug_in_can_stop(path: Path) -> None:
    plugin = Stuck()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Examiner(plugin).examine(path, wanted()), 0.2)
    plugin.go.set()

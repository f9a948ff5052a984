"""What is checked of content before anybody looks at it, and what a plug-in may do to us."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from node.examine import MISMATCH, Examiner, Opinion, Wanted
from node.intake import fingerprint_content
from node.media.worker import Decoder
from node.reviewers import Case, Refusal, Reviewer, load_reviewer
from node.rows import TaskRow
from protocol.errors import StateError
from protocol.rows import Campaign, Consent, Description, Part
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests import simulated
from tests.media_files import photo, saved
from tests.review_bench import PNG, TEXT, digit, put

CONTENT = digit(1)
LABELS = ["zero", "one", "two"]
WORDS = b"What is it?"
ONE = Opinion(b"\0\1", program="constant")
TWO = Opinion(b"\0\2", program="constant")
STUCK = Opinion(None, pb.REFUSAL_UNSURE, "stuck")


def wanted(
    media_type: str = PNG,
    fingerprint: bytes | None = None,
    *,
    task: TaskRow | None = None,
    text: bytes | None = None,
    campaign_id: str = "digits",
    **terms: object,
) -> Wanted:
    """A picture, and a text beside it if `text` is what its record describes."""
    own = fingerprint_content(CONTENT, PNG)
    described = [("content", media_type, len(CONTENT), own if fingerprint is None else fingerprint)]
    if text is not None:
        described.append(("words", TEXT, len(text), fingerprint_content(text, TEXT)))
    campaign = Campaign.of(
        simulated.campaign(
            id=campaign_id,
            spec=encode_spec({"labels": LABELS}),
            parts=[simulated.part(name, kind) for name, kind, _, _ in described],
            **terms,
        )
    )
    return Wanted(
        task or TaskRow(campaign_id, 1, 0, bytes(32), bytes(32)),
        campaign,
        description(*(Part(name, bytes(32), size, kind, "") for name, kind, size, _ in described)),
        {name: claimed for name, _, _, claimed in described},
        (),
        flipped=False,
    )


def description(*parts: Part) -> Description:
    return Description(
        parts, b"", "CC-BY-4.0", Consent(train=True), pb.ORIGIN_HUMAN, "", False, (), ""
    )


def plugins(each: str = "constant:one") -> Mapping[str, Reviewer]:
    return {"*": load_reviewer(each)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put({"content": CONTENT, "words": WORDS}, tmp_path / bytes(32).hex())
    return tmp_path


@pytest.mark.parametrize(
    ("item", "opinion"),
    [
        (wanted(), ONE),
        (wanted(text=WORDS), ONE),
        (wanted(fingerprint=b""), ONE),  # a campaign whose content is not published
        (wanted(TEXT, fingerprint=b""), MISMATCH),
        (wanted(TEXT), MISMATCH),
        (wanted("audio/wav", fingerprint=b""), MISMATCH),
        (wanted(fingerprint=fingerprint_content(digit(2), PNG)), MISMATCH),
        (wanted(fingerprint=b"\1nonsense"), MISMATCH),
        (wanted(text=b"What was it?"), MISMATCH),  # one part of two
    ],
)
async def test_content_is_held_against_its_record(
    folder: Path, item: Wanted, opinion: Opinion
) -> None:
    assert await Examiner(plugins()).examine(folder, item) == opinion


async def test_a_picture_that_carries_more_than_its_pixels_is_not_what_was_asked_for(
    tmp_path: Path,
) -> None:
    """Whoever made it did not let a node clean it; what is beside the pixels nobody reviews."""
    bare = saved(photo(), "JPEG")
    claimed = fingerprint_content(bare, "image/jpeg")
    item = wanted("image/jpeg", claimed)
    for content, opinion in ((bare, ONE), (bare + b"hidden", MISMATCH)):
        put({"content": content}, tmp_path / bytes(32).hex())
        assert await Examiner(plugins()).examine(tmp_path, item) == opinion


async def test_a_decoder_that_does_not_start_rejects_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.intake.DECODER", closed := Decoder())
    closed.close()
    with pytest.raises(StateError, match="the decoder was closed"):
        await Examiner(plugins()).examine(folder, wanted())


async def test_a_refusal_is_an_opinion(folder: Path) -> None:
    examiner = Examiner(plugins("refuse:harmful"))
    assert await examiner.examine(folder, wanted()) == Opinion(None, pb.REFUSAL_HARMFUL, "refuse")


async def test_without_a_plug_in_a_person_decides(folder: Path) -> None:
    assert await Examiner({}).examine(folder, wanted()) is None
    assert await Examiner({}).examine(folder, wanted(TEXT)) == MISMATCH


async def test_each_campaign_asks_its_own_plug_in(folder: Path) -> None:
    examiner = Examiner(
        {"*": load_reviewer("constant:one"), "mine": load_reviewer("constant:two"), "hand": None}
    )
    asked = [examiner.examine(folder, wanted(campaign_id=c)) for c in ("other", "mine", "hand")]
    assert await asyncio.gather(*asked) == [ONE, TWO, None]


async def test_missing_content_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await Examiner({}).examine(tmp_path, wanted())


class Stuck:
    """A plug-in that answers only when it is let go, and remembers how many asked at once."""

    name = "stuck"

    def __init__(self, at_once: int | None = None) -> None:
        self.go = threading.Event()
        self.inside = self.most = 0
        self._lock = threading.Lock()
        if at_once is not None:
            self.at_once = at_once

    def prepare(self) -> None:
        return

    def answer(self, case: Case) -> str | Refusal:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.go.wait()
        with self._lock:
            self.inside -= 1
        return Refusal.UNSURE


class Sender(Stuck):
    """A plug-in whose model is on another machine."""

    name, version, model = "sender", "2.1", "large"
    sends_content = True

    def __init__(self) -> None:
        super().__init__()
        self.go.set()


@pytest.mark.parametrize(
    ("automation", "privacy", "local", "sender"),
    [
        (pb.AUTOMATION_LOCAL, pb.PRIVACY_OPEN, True, False),
        (pb.AUTOMATION_ANYWHERE, pb.PRIVACY_OPEN, True, True),
        (pb.AUTOMATION_NONE, pb.PRIVACY_OPEN, False, False),
        (pb.AUTOMATION_LOCAL, pb.PRIVACY_REVIEWERS, True, False),
        (pb.AUTOMATION_NONE, pb.PRIVACY_REVIEWERS, False, False),
        # No log holds such a campaign; a node that met one would not send its content either.
        (pb.AUTOMATION_ANYWHERE, pb.PRIVACY_REVIEWERS, True, False),
    ],
)
async def test_a_program_is_asked_only_where_the_campaign_lets_it(
    folder: Path, automation: pb.Automation, privacy: pb.Privacy, local: bool, sender: bool
) -> None:
    item, elsewhere = wanted(automation=automation, privacy=privacy), Sender()
    assert await Examiner(plugins()).examine(folder, item) == (ONE if local else None)
    said = await Examiner({"*": elsewhere}).examine(folder, item)
    assert said == (Opinion(None, pb.REFUSAL_UNSURE, "sender 2.1 large") if sender else None)
    assert bool(elsewhere.most) == sender


@pytest.mark.parametrize(("at_once", "most"), [(None, 1), (2, 2), (0, 1)])
async def test_a_plug_in_is_asked_as_many_items_at_once_as_it_says(
    folder: Path, at_once: int | None, most: int
) -> None:
    plugin = Stuck(at_once)
    examiner = Examiner({"*": plugin})
    asked = [asyncio.create_task(examiner.examine(folder, wanted())) for _ in range(3)]
    async with asyncio.timeout(5):
        while plugin.inside < most:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    plugin.go.set()
    assert await asyncio.gather(*asked) == [STUCK] * 3
    assert plugin.most == most


async def test_whoever_waits_for_a_stuck_plug_in_can_stop(folder: Path) -> None:
    plugin = Stuck()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Examiner({"*": plugin}).examine(folder, wanted()), 0.2)
    plugin.go.set()


async def test_a_stuck_plug_in_of_one_campaign_holds_up_no_other(folder: Path) -> None:
    plugin = Stuck()
    examiner = Examiner({"slow": plugin, "*": load_reviewer("constant:one")})
    slow = asyncio.create_task(examiner.examine(folder, wanted(campaign_id="slow")))
    while not plugin.inside:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        assert await examiner.examine(folder, wanted()) == ONE
    plugin.go.set()
    assert await slow == STUCK

"""A reviewer's desk with something of every kind, and its page, for tests that look at it."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw

from node.follower import Follower
from node.reviewpage.desk import Desk
from node.reviewpage.server import Served, Way, serving
from node.reviewpage.session import load
from node.store import Store
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests import simulated
from tests.media_files import recording
from tests.review_bench import LIKELY, NOTE, Bench, drawn, lay_out_originals
from tests.simulated_log import LINK

WINDOW_MS = 48 * 3_600_000
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202egnp.exe"
PERSIAN = (
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u06a9\u0645\u06cc"
    " \u0622\u0628 \u0628\u0646\u0648\u0634\u0645."
)


def fruit(seed: int, width: int = 480, height: int = 360) -> bytes:
    """A coloured picture, another one for each seed."""
    image = Image.new("RGB", (2 * width, 2 * height), (236 - seed % 40, 232, 220))
    draw = ImageDraw.Draw(image)
    x, y, r = (
        240 + seed * 74 % (2 * width - 480),
        180 + seed * 106 % (2 * height - 360),
        100 + seed * 26 % 80,
    )
    colour = ((200, 40, 40), (240, 190, 40), (90, 160, 60))[seed % 3]
    draw.line((x, y - r + 8, x + 16, y - r - 48), fill=(90, 60, 40), width=12)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    draw.ellipse((x - r // 2, y - r // 2, x - r // 4, y - r // 5), fill=(255, 255, 255))
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def campaign(
    id_: str, task: str, spec: object, *parts: pb.PartTerms, **more: object
) -> pb.Campaign:
    """A campaign that a person answers in, with a window of two days."""
    return simulated.campaign(
        id=id_,
        task=task,
        spec=encode_spec(spec),  # type: ignore[arg-type]
        parts=list(parts),
        proposal=pb.PROPOSAL_NOT_TAKEN,
        rounds=simulated.rounds(commit_ms=WINDOW_MS),
        **more,
    )


def fruits() -> pb.Campaign:
    return campaign(
        "fruits", "classify", {"labels": ["apple", "lemon", "lime"]},
        simulated.part("photo", "image/png"), title="Fruits in a bowl",
        guidelines="Say which fruit lies in the middle.\n\nRed is an apple, yellow a lemon, green a lime."
        "\nExamples: a red one with a green spot is an apple; a cut one counts as what it was.",
    )  # fmt: skip


def pairs() -> pb.Campaign:
    return campaign(
        "pairs", "prefer", {"ties": True},
        *(simulated.part(name) for name in ("prompt", "answer_a", "answer_b")),
        title="Which answer helps more?", guidelines="Judge what is said, not how long it is.",
    )  # fmt: skip


def rubric() -> pb.Campaign:
    criteria = [
        {"name": name, "text": text, "needs_ppm": 900_000}
        for name, text in (
            ("correct", "It does what was asked, for every input."),
            ("clear", "Somebody new to the project understands it at once."),
            ("tested", "A test would fail without it."),
        )
    ]
    return campaign(
        "patches", "judge", {"criteria": criteria},
        simulated.part("before", "text/x-python"), simulated.part("after", "text/x-python"),
        title="Small patches", guidelines="Look at the difference first.",
    )  # fmt: skip


def calls() -> pb.Campaign:
    return campaign(
        "calls", "tags", {"tags": ["speech", "music", "noise", "silence"]},
        simulated.part("recording", "audio/wav"), title="What is heard?",
    )  # fmt: skip


def notes() -> pb.Campaign:
    return campaign(
        "notes", "classify", {"labels": ["yes", "no"]},
        simulated.part("note"), title="Is the note polite?",
    )  # fmt: skip


def reports() -> pb.Campaign:
    return campaign(
        "reports", "classify", {"labels": ["flood", "drought", "other"]},
        simulated.part("report"), title="What happened?", guidelines="Take what is told first.",
    )  # fmt: skip


def sheets() -> pb.Campaign:
    return campaign(
        "sheets", "classify", {"labels": ["plausible", "not"]},
        simulated.part("sheet", "text/csv"), title="Can these figures be right?",
    )  # fmt: skip


SHEET: bytes = (
    'town,people,"of which, children",said\r\n'
    'Köln,1084831,165000,"the ""largest"" of the state"\r\n'
    f'Shiraz,1565572,{HOSTILE},"{PERSIAN}\nand more"\r\n'
    ",,,\r\n"
).encode()
NOTES = (
    b"Thank you for coming all the way to the harbour yesterday.",
    b"Close that window, it is freezing in here!",
    b"Could somebody please bring six chairs and a kettle?",
    b"Your invoice was wrong again. Fix it.",
    b"We would be delighted if Grandmother joined us on Sunday.",
)
PATCH: Mapping[str, bytes] = {
    "before": b"""def mean(numbers):
    total = 0
    for each in numbers:
        total += each
    return total / len(numbers)
""".replace(b"\n", b"\r\n"),  # written on Windows
    "after": b"""def mean(numbers):
    if not numbers:
        return 0.0
    return sum(numbers) / len(numbers)
""",
}


def pair(number: int) -> Mapping[str, bytes]:
    """A prompt with two answers."""
    return {
        "prompt": f"Why is the sky blue? ({number})".encode(),
        "answer_a": b"Air scatters short waves more than long ones, so blue reaches us from everywhere.",
        "answer_b": f"{PERSIAN}\n\nBecause it mirrors the sea.".encode(),
    }


def everything() -> tuple[
    Sequence[pb.Campaign], Mapping[str, Sequence[Mapping[str, bytes] | bytes]]
]:
    """A campaign of each form, and items."""
    return (fruits(), pairs(), rubric(), calls(), notes(), reports(), sheets()), {
        "fruits": [fruit(seed) for seed in range(30)],
        "pairs": [pair(number) for number in range(3)],
        "patches": [PATCH],
        "calls": [recording("audio/wav", seed, 3.0) for seed in range(2)],
        "notes": [*NOTES, HOSTILE.encode(), PERSIAN.encode()],
        "reports": [NOTE, LIKELY],
        "sheets": [SHEET],
    }  # fmt: skip


@dataclass
class ReviewWorld:
    """One reviewer whose items are all here; `open` serves the page."""

    folder: Path
    only: Sequence[str] = ()  # campaigns; empty: all
    bench: Bench = field(init=False)

    def __post_init__(self) -> None:
        campaigns, items = everything()
        wanted = self.only or list(items)
        self.bench = drawn(
            self.folder,
            *(each for each in campaigns if each.id in wanted),
            **{name: items[name] for name in wanted},
        )
        if "reports" in wanted:
            lay_out_originals(self.bench, "reports")

    @property
    def store(self) -> Store:
        return self.bench.db

    def desk(self, by_person: Callable[[str], bool] = lambda _: True) -> Desk:
        follower = Follower(self.store, LINK)
        follower.replay()
        return Desk(self.store, follower, by_person)

    @property
    def session(self) -> Path:
        return self.folder / "review.json"

    @asynccontextmanager
    async def serve(self, phone: str = "", port: int = 0) -> AsyncIterator[Served]:
        """Serves the page, on `phone`, too."""
        way = Way(self.session, self.folder / "phone.pem", port, phone)
        async with serving(self.desk(), load(self.session), way) as served:
            yield served

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serves the page; gives the address that opens it."""
        async with self.serve() as served:
            yield served.url

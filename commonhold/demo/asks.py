"""What the demo's other three campaigns ask, who submits to them, and how their reviewers err.

The same eight nodes review everything that they choose to. In these campaigns each has a reviewer of its own
(opinion.py), which is right but for what is said here; so the demo knows how good people are, and shows that
the network finds it out.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonhold.demo import opinion, pairs, scans, worked
from commonhold.demo.cast import LAZY, NAMES
from commonhold.digits import Share
from protocol.tasks.spec import encode_spec

PAIRS: Final = "pairs"
SCANS: Final = "scans"
WORKED: Final = "worked"

GOLD_SHARE_OF_FEW: Final = 0.4  # of the first half of a campaign's items
ITEMS_EACH: Final = 30  # of each of a campaign's two authors
# Scans are reviewed in two rounds at least: the first begins when the second author has submitted.
SCANS_OF: Final = {"ben": 20, "cyn": 40}
SCANS_ROUND_ITEMS: Final = 30

# How people err, as settings of opinion.py; "" is everybody else. Where somebody is not sure, they guess.
_ERRORS: Final[Mapping[str, Mapping[str, str]]] = {
    PAIRS: {"": "errs=0.1", "mel": "flips=1", "rex": "errs=0.3"},
    SCANS: {
        "": "spread=0.2",
        "dov": "bias=0.8 spread=0.2",
        "sly": "bias=-0.8 spread=0.2",
        "mel": "spread=1.2",
    },
    WORKED: {"": "errs=0.04", "mel": "errs=0.9", "rex": "errs=0.3"},
}
_LAZY_ANSWERS: Final = {PAIRS: "first", SCANS: "grainy", WORKED: "yes, yes, yes"}
# Who does not review everything: campaigns by name.
CHOSEN: Final[Mapping[str, Sequence[str]]] = {"rex": ("digits", PAIRS, WORKED)}


@dataclass(frozen=True, slots=True)
class Pile:
    """What one author submits to one campaign: words of `node submit`, and the true answers by the item's
    name."""

    author: str
    words: tuple[str, ...]
    truth: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A campaign: the words of `campaign create` that are its own, and its piles. The operator knows the
    answers of some of the first pile."""

    id: str
    kind: str
    words: tuple[str, ...]
    piles: tuple[Pile, Pile]
    round_items: int  # which begin a round, and are the most of one; more than the first pile has


def make_asks(folder: Path, digits: Mapping[str, Share], seed: int) -> list[Ask]:
    """Writes what is submitted. `digits`: images of an author that may be shown, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.json").write_text(json.dumps(pairs.facts()), encoding="utf-8")
    return [_pairs(folder, seed), _scans(folder, digits, seed), _worked(folder, seed)]


def _pairs(folder: Path, seed: int) -> Ask:
    made = pairs.make_pairs(2 * ITEMS_EACH, seed)
    rows = [
        {
            "prompt_text": item.prompt,
            "answer_a_text": item.answers[0],
            "answer_b_text": item.answers[1],
            "answer_a_source": item.sources[0],
            "answer_b_source": item.sources[1],
            "answer": item.better,
        }
        for item in made
    ]
    truth = [item.better for item in made]
    words = (
        *("--title", "Which answer is better?", "--guidelines", pairs.GUIDELINES),
        *("--task", "prefer", "--spec", _spec({"ties": False})),
        *("--part", "prompt:text/plain:500", "--part", "answer_a:text/plain:500"),
        *("--part", "answer_b:text/plain:500", "--proposal", "optional", "--reviewers", "3"),
    )
    return Ask(
        PAIRS, "prefer", words, _tables(folder / PAIRS, ("ada", "dov"), rows, truth), len(made)
    )


def _scans(folder: Path, digits: Mapping[str, Share], seed: int) -> Ask:
    piles = []
    for name, count in SCANS_OF.items():
        place, own = folder / SCANS / name, digits[name]
        last = Share(own.images[-count:], own.labels[-count:])
        made = scans.write_scans(place, last, seed)
        truth = {scan.file.name: scan.step for scan in made}
        piles.append(Pile(name, (str(place), "--origin", "sensor"), truth))
    words = (
        *("--title", "How noisy is the picture?", "--guidelines", scans.GUIDELINES),
        *("--task", "rate", "--spec", _spec({"steps": list(scans.STEPS), "tolerance": 0})),
        *("--part", "picture:image/png:65536", "--proposal", "none", "--reviewers", "4"),
    )
    return Ask(SCANS, "rate", words, (piles[0], piles[1]), SCANS_ROUND_ITEMS)


def _worked(folder: Path, seed: int) -> Ask:
    made = worked.make_worked(2 * ITEMS_EACH, seed)
    rows = [{"task_text": item.task, "solution_text": item.solution} for item in made]
    truth = [item.words for item in made]
    words = (
        *("--title", "Is this worked example right?", "--guidelines", worked.GUIDELINES),
        *("--task", "judge", "--spec", _spec({"criteria": list(worked.CRITERIA)})),
        *("--part", "task:text/plain:500", "--part", "solution:text/plain:2000"),
        *("--reviewers", "4"),
    )
    return Ask(
        WORKED, "judge", words, _tables(folder / WORKED, ("dov", "ada"), rows, truth), len(made)
    )


def _spec(terms: Mapping[str, object]) -> str:
    return encode_spec(terms).decode()


def _tables(
    folder: Path,
    authors: tuple[str, str],
    rows: Sequence[Mapping[str, str]],
    truth: Sequence[str],
) -> tuple[Pile, Pile]:
    """Half of the rows each, as JSON Lines; a row's item is called after its line."""
    folder.mkdir(parents=True, exist_ok=True)
    piles = []
    for half, author in enumerate(authors):
        part = slice(half * ITEMS_EACH, (half + 1) * ITEMS_EACH)
        file = folder / f"{author}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows[part]), encoding="utf-8")
        known = {f"{file.name}:{line}": said for line, said in enumerate(truth[part], start=1)}
        piles.append(Pile(author, ("--table", str(file), "--origin", "human"), known))
    return piles[0], piles[1]


def reviewers(folder: Path) -> dict[str, dict[str, str]]:
    """Each person's reviewers by campaign, as `node init --reviewer` takes them."""
    return {
        name: {campaign: _reviewer(folder, campaign, name) for campaign in _ERRORS}
        for name in NAMES
    }


def _reviewer(folder: Path, campaign: str, name: str) -> str:
    if name == LAZY:
        return f"constant:{_LAZY_ANSWERS[campaign]}"
    errors = _ERRORS[campaign]
    settings = [f"facts={folder / 'facts.json'}", *errors.get(name, errors[""]).split()]
    script = [sys.executable, "-I", "-S", opinion.__file__, f"{name}-{campaign}", *settings]
    return f"command:{shlex.join(script)}"

"""`commonhold demo --people`: a small network in which somebody reviews in a browser, to feel how that is.

A contributor, kim, has submitted pictures, pairs of answers and recordings; everything else waits for whoever
opens the page. Three campaigns, one reviewer for each item, so that a verdict follows each answer.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonhold.demo import pairs
from commonhold.demo.display import Display
from commonhold.demo.scenery import (
    MELODIES,
    MELODY_GUIDELINES,
    SKIES,
    SKY_GUIDELINES,
    write_melodies,
    write_skies,
)
from commonhold.demo.stage import Stage
from protocol.log.link import parse_link

ITEMS_EACH: Final = 24
LICENCE: Final = "CC-BY-4.0"
_LOOPBACK: Final = "/ip4/127.0.0.1/tcp/0"
_AUTHOR: Final = "kim"
_REVIEWER: Final = "you"


@dataclass(frozen=True, slots=True)
class Opened:
    """What stays open: addresses for whoever started it."""

    review_page: str
    own_page: str
    dashboard: str


def open_for_people(stage: Stage, display: Display, seed: int) -> Opened:
    """Founds the network, submits, and waits until the page has something to show."""
    home = str(stage.folder / "coordinator")
    with display.step("a coordinator and three campaigns"):
        stage.run(
            *("coordinator", "init", "--dir", home, "--name", "people", "--host", "127.0.0.1"),
            *("--port", "0", "--http-port", "0", "--admission", "open"),
        )
        coordinator = stage.serve("coordinator", "coordinator", "serve", "--dir", home)
        stage.wait_ready(coordinator)
        stage.run_all([_campaign(home, name, words) for name, words in _CAMPAIGNS.items()])
    link = coordinator.ready["link"]
    with display.step("two nodes: kim's, and yours"):
        nodes = {name: str(stage.folder / "nodes" / name) for name in (_AUTHOR, _REVIEWER)}
        stage.run_all(
            [
                ("node", "init", "--dir", node, "--link", link, "--listen", _LOOPBACK)
                for node in nodes.values()
            ]
        )
        running = [stage.serve(name, "node", "start", "--dir", nodes[name]) for name in nodes]
        stage.wait_ready(*running)
    with display.step(f"kim submits {ITEMS_EACH} pictures, pairs and recordings each"):
        stage.run_all(
            [_submission(nodes[_AUTHOR], *each) for each in _written(stage.folder / "kim", seed)]
        )
    with display.step("your node fetches what you were drawn for"):
        page = stage.serve("review", "node", "review", "--web", "--dir", nodes[_REVIEWER])
        stage.wait_ready(page)
    return Opened(page.ready["page"], running[1].ready["page"], parse_link(link).http_url)


def _campaign(home: str, name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *("coordinator", "campaign", "create", "--dir", home, "--id", name, *words),
        *("--licence", LICENCE, "--privacy", "open", "--reviewers", "1"),
        *("--seal-items", str(ITEMS_EACH), "--seal-wait", "5s", "--commit-window", "24h"),
    )


def _labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for label in labels for word in ("--label", label))


_CAMPAIGNS: Final = {
    "skies": (
        *("--title", "Day, dusk or night", "--guidelines", SKY_GUIDELINES, *_labels(SKIES)),
        *("--media-type", "image/png", "--item-bytes-max", "500000"),
    ),
    "answers": (
        *("--title", "Which answer is better", "--guidelines", pairs.GUIDELINES),
        *("--task", "prefer", "--spec", '{"ties": true}'),
        *(
            word
            for part in ("prompt", "answer_a", "answer_b")
            for word in ("--part", f"{part}:text/plain:2000")
        ),
    ),
    "melodies": (
        *("--title", "Up or down", "--guidelines", MELODY_GUIDELINES, *_labels(MELODIES)),
        *("--media-type", "audio/wav", "--item-bytes-max", "500000"),
    ),
}


def _written(folder: Path, seed: int) -> list[tuple[str, tuple[str, ...]]]:
    """What kim has: by campaign, as the words that submit it."""
    found = []
    for name, write, end in (("skies", write_skies, "png"), ("melodies", write_melodies, "wav")):
        answers = write(folder / name, ITEMS_EACH, seed)
        table = folder / f"{name}.csv"
        rows = [[f"{number:03d}.{end}", answer] for number, answer in enumerate(answers)]
        _write_table(table, [["file", "label"], *rows])
        found.append((name, (str(folder / name), "--labels", str(table))))
    made = pairs.make_pairs(ITEMS_EACH, seed)
    rows = [[each.prompt, *each.answers, each.better] for each in made]
    _write_table(folder / "answers.csv", [["prompt", "answer_a", "answer_b", "answer"], *rows])
    return [*found, ("answers", (str(folder / "answers.csv"),))]


def _write_table(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _submission(node: str, campaign: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *("node", "submit", "--dir", node, "--campaign", campaign, *words, "--origin", "synthetic"),
        *("--generator", "commonhold demo", "--licence", LICENCE),
        *("--consent", "train", "--consent", "redistribute", "--consent", "commercial"),
    )

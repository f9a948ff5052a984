"""Submissions, receipts and review: from private folders to verdicts that anybody can recompute."""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from pathlib import Path

import httpx

from commonhold.demo.cast import COPIER, DISGUISER, GOLD_SHARE, NAMES
from commonhold.demo.measure import KnownItem
from commonhold.demo.scene import CAMPAIGN, LICENCE, Scene
from commonhold.demo.stage import DemoError
from commonhold.demo.stranger import is_refused


def submit(scene: Scene) -> None:
    """Everybody's own digits; then the copies, which can only come later."""
    players, show = scene.cast.players, scene.display
    with show.step("everybody submits") as step:
        _submit_all(scene, [(name, players[name].folders[0]) for name in NAMES])
        step.say("mel mislabels 40 % of them")
    with show.step("rex resubmits others' images; sly shifts or blurs them first") as step:
        _submit_all(scene, [(name, players[name].folders[1]) for name in (COPIER, DISGUISER)])
        _learn_item_ids(scene)
        step.say(f"{len(scene.known)} items in the log")


def _submit_all(scene: Scene, what: list[tuple[str, Path]]) -> None:
    scene.stage.run_all(
        [
            (
                *("node", "submit", str(folder), "--dir", scene.node(name)),
                *("--campaign", CAMPAIGN, "--licence", LICENCE, "--origin", "human"),
                *("--labels", str(folder / "labels.csv"), "--consent", "train"),
                *("--consent", "redistribute", "--consent", "commercial"),
            )
            for name, folder in what
        ]
    )


def _learn_item_ids(scene: Scene) -> None:
    """Which item is which image."""
    for name, player in scene.cast.players.items():
        images = {hashlib.sha256(file.read_bytes()).digest(): file for file in player.truth}
        for item_id, digest in scene.query(name, "select item_id, content_sha256 from items"):
            image = images[digest]
            scene.known[item_id] = KnownItem(int(player.truth[image]), image in player.copies)


def check_receipts(scene: Scene) -> None:
    """Each node proved its own entries against the signed checkpoint when it got the receipt."""
    with scene.display.step("receipts with inclusion proofs") as step:
        outbox = Counter(
            state for name in NAMES for (state,) in scene.query(name, "select state from outbox")
        )
        if set(outbox) != {"sent"}:  # a node counts a record as sent once its receipt proves
            raise DemoError(f"some records have no receipt: {dict(outbox)}")
        checkpoint = httpx.get(f"{scene.http_url}/checkpoint").text.splitlines()
        step.say(f"{outbox['sent']} checked; the log has {checkpoint[1]} entries")


def review(scene: Scene) -> None:
    """Gold, draw, commit, reveal, verdicts; the epoch closes."""
    show = scene.display
    with show.step("the operator's experts know some answers (gold)") as step:
        step.say(f"{_import_gold(scene)} salted hashes in the log before the draw")
    with show.step("a stranger asks ada's node for an item") as step:
        ada = scene.nodes["ada"].ready
        item_id = next(iter(scene.known))
        if not is_refused(ada["peer_id"], ada["addresses"], item_id, scene.stage.folder):
            raise DemoError("a node gave content to somebody without an assignment")
        step.say("refused")
    with show.step("three reviewers an item, by a seed that nobody chose") as step:
        scene.close_epoch(step)
    with show.step("verdicts, reputations, rewards") as step:
        status = scene.operate("status")
        step.say(
            f"{status['accepted']} of {status['items']} items accepted, "
            f"{status['minted_micro'] / 1e6:,.2f} shares minted"
        )


def _import_gold(scene: Scene) -> int:
    fresh = sorted(item_id for item_id, item in scene.known.items() if not item.is_copy)
    chosen = random.Random(scene.seed).sample(fresh, round(GOLD_SHARE * len(fresh)))  # noqa: S311
    file = scene.stage.folder / "gold.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("item_id", "label"))
        writer.writerows((item_id.hex(), scene.known[item_id].truth) for item_id in chosen)
    scene.operate("gold", "import", str(file))
    return len(chosen)

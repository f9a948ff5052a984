"""Submissions, receipts and review: from private folders to verdicts that anybody can recompute."""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx

from commonhold.demo.asks import GOLD_SHARE_OF_FEW, Ask, Pile
from commonhold.demo.cast import CAMPAIGN, COPIER, DISGUISER, GOLD_SHARE, NAMES
from commonhold.demo.measure import KnownItem
from commonhold.demo.scene import LICENCE, Scene
from commonhold.demo.stage import DemoError
from commonhold.demo.stranger import is_refused
from protocol.rows import ItemId

REVIEW_S: Final = 240.0  # on busy cores
_WAIT: Final = "2s"


def submit(scene: Scene) -> None:
    """Everybody's own things; then, while these wait, gold; then the rest, with which rounds begin."""
    players, show = scene.cast.players, scene.display
    with show.step("everybody submits digits; others pairs, scans and worked examples") as step:
        _submit_all(
            scene,
            [_digits(scene, name, players[name].folders[0]) for name in NAMES]
            + [_pile(scene, ask, ask.piles[0]) for ask in scene.asks],
        )
        _learn_item_ids(scene)
        step.say("mel mislabels 40 % of the digits")
    with show.step("the operator's experts know some answers (gold)") as step:
        step.say(f"{_import_gold(scene)} answers, salted and hashed in the log before any draw")
    with show.step("rex resubmits others' images; sly shifts or blurs them first") as step:
        _submit_all(
            scene,
            [_digits(scene, name, players[name].folders[1]) for name in (COPIER, DISGUISER)]
            + [_pile(scene, ask, ask.piles[1]) for ask in scene.asks],
        )
        _learn_item_ids(scene)
        step.say(f"{len(scene.known)} items in the log")
    with show.step("the operator: no more is coming, so nothing waits for it") as step:
        scene.stage.run_all([_hurry(scene, campaign) for campaign in scene.campaigns])
        step.say(f"an item that a round leaves undecided waits {_WAIT} for the next")


def _hurry(scene: Scene, campaign: str) -> tuple[str, ...]:
    words = ("coordinator", "campaign", "change", campaign, "--seal-wait", _WAIT, "--yes")
    return (*words, "--dir", scene.coordinator)


def _digits(scene: Scene, name: str, folder: Path) -> tuple[str, ...]:
    labels = ("--labels", str(folder / "labels.csv"), "--origin", "human")
    return _submission(scene, name, CAMPAIGN, (str(folder), *labels))


def _pile(scene: Scene, ask: Ask, pile: Pile) -> tuple[str, ...]:
    return _submission(scene, pile.author, ask.id, pile.words)


def _submission(scene: Scene, name: str, campaign: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return (
        *("node", "submit", "--dir", scene.node(name), "--campaign", campaign, *words),
        *("--licence", LICENCE, "--consent", "train"),
        *("--consent", "redistribute", "--consent", "commercial"),
    )


def _submit_all(scene: Scene, commands: Sequence[tuple[str, ...]]) -> None:
    scene.stage.run_all(commands)


def _learn_item_ids(scene: Scene) -> None:
    """Which item is which image, or line of a table."""
    sql = "select item_id, content_sha256, name from items where campaign_id = ?"
    for name, player in scene.cast.players.items():
        images = {hashlib.sha256(file.read_bytes()).digest(): file for file in player.truth}
        for item_id, digest, _ in scene.query(name, sql, CAMPAIGN):
            image = images[digest]
            scene.known[item_id] = KnownItem(CAMPAIGN, player.truth[image], image in player.copies)
    for ask in scene.asks:
        for pile in ask.piles:
            for item_id, _, item in scene.query(pile.author, sql, ask.id):
                scene.known[item_id] = KnownItem(ask.id, pile.truth[item])


def check_receipts(scene: Scene) -> None:
    """Each node proved its own entries against the signed checkpoint when it got the receipt. Review has
    begun meanwhile: what that queues is on its way."""
    with scene.display.step("receipts with inclusion proofs") as step:
        outbox = Counter(
            state
            for name in NAMES
            for (state,) in scene.query(
                name, "select state from outbox where kind in ('register', 'submission')"
            )
        )
        if set(outbox) != {"sent"}:  # a node counts a record as sent once its receipt proves
            raise DemoError(f"some records have no receipt: {dict(outbox)}")
        checkpoint = httpx.get(f"{scene.http_url}/checkpoint", trust_env=False).text.splitlines()
        step.say(f"{outbox['sent']} checked; the log has {checkpoint[1]} entries")


def review(scene: Scene) -> None:
    """Draw, commit, reveal, verdicts, of all campaigns at once; what was undecided is drawn again, and the
    epoch closes when nothing waits. Closed earlier, it would leave a few items a whole epoch's pool."""
    show = scene.display
    with show.step("a stranger asks ada's node for an item") as step:
        ada = scene.nodes["ada"].ready
        [(item_id,)] = scene.query("ada", "select item_id from items limit 1")
        if not is_refused(ada["peer_id"], ada["addresses"], item_id, scene.stage.folder):
            raise DemoError("a node gave content to somebody without an assignment")
        step.say("refused")
    with show.step("four campaigns in rounds of their own, by seeds that nobody chose") as step:
        scene.wait_for_log(
            lambda _: all(map(scene.tail.rests, scene.campaigns)), "nothing waits", step, REVIEW_S
        )
    with show.step("the epoch closes: verdicts, reputations, rewards") as step:
        scene.operate("epoch", "close")
        status = scene.operate("status")
        step.say(
            f"{status['accepted']} of {status['items']} items accepted, "
            f"{status['minted_micro'] / 1e6:,.2f} shares minted"
        )


def _import_gold(scene: Scene) -> int:
    """Of what is in the log so far, the same share of each campaign's."""
    chosen = random.Random(scene.seed)  # noqa: S311
    gold = list[ItemId]()
    for campaign in scene.campaigns:
        items = sorted(i for i, item in scene.known.items() if item.campaign == campaign)
        share = GOLD_SHARE if campaign == CAMPAIGN else GOLD_SHARE_OF_FEW
        gold += chosen.sample(items, round(share * len(items)))
    file = scene.stage.folder / "gold.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("item_id", "answer"))
        writer.writerows((item_id.hex(), scene.known[item_id].truth) for item_id in gold)
    scene.operate("gold", "import", str(file))
    return len(gold)

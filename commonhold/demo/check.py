"""The last act: everything is verified from outside, over HTTP; then with one byte changed."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

from commonhold.audit.replay import Report, audit
from commonhold.audit.source import FolderLog
from commonhold.demo.history import History, read_history
from commonhold.demo.scene import Scene
from protocol.log.link import parse_link


@dataclass(frozen=True, slots=True)
class Checked:
    """What an auditor found."""

    report: Report
    history: History
    ok: bool
    tamper_detected: bool


def verify(scene: Scene) -> Checked:
    """Replays log, verdicts and payouts; and finds the entry in which a byte was changed."""
    show, stage = scene.display, scene.stage
    copy = stage.folder / "log-copy"
    with show.step("replaying log, verdicts and payouts over HTTP") as step:
        verified = stage.run("verify", scene.link, "--save", str(copy), "--rpc-url", scene.rpc_url)
        step.say(f"{verified['size']} entries hold, and the chain agrees")
    verifier = parse_link(scene.link).log_verifier
    report = audit(FolderLog(copy), verifier, lambda *_: None)
    history = read_history(FolderLog(copy), report.checkpoint.size)
    with show.step("one byte of a copied log changed") as step:
        entry = _tamper(copy, scene.seed)
        message = stage.fails("verify", str(copy), "--key", str(verifier))
        found = re.search(r"log entry (\d+)", message)
        step.say(message.strip().splitlines()[0].removeprefix("error: "))
    return Checked(
        report, history, bool(verified["ok"]), found is not None and int(found[1]) == entry
    )


def _tamper(copy: Path, seed: int) -> int:
    """Changes one byte in the middle of some entry's payload; gives the entry's index."""
    entries = sorted((copy / "tile" / "entries").rglob("*"))
    file = next(path for path in entries if path.is_file())
    data = bytearray(file.read_bytes())
    wanted, at = random.Random(seed).randrange(10, 40), 0  # noqa: S311
    for _ in range(wanted):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    length = int.from_bytes(data[at : at + 2], "big")
    data[at + 2 + length // 2] ^= 1
    file.write_bytes(data)
    return wanted

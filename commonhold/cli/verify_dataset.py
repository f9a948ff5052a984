"""`commonhold verify DATASET`: what a buyer can check without the network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from commonground.counting import plural
from commonground.dataset.check import DatasetReport, check_dataset
from commonground.dataset.check import is_dataset as is_dataset_folder
from commonhold.cli.output import emit, progress
from protocol.errors import ConfigError, Reject
from protocol.log.link import SCHEME, parse_link
from protocol.log.note import Verifier


def is_dataset(where: str) -> bool:
    """Whether the argument of `verify` is the folder of a dataset."""
    return "://" not in where and is_dataset_folder(Path(where))


def parse_key(key: str) -> Verifier:
    """A verifier key, or the one in a network link. Raises ConfigError."""
    if key.startswith(f"{SCHEME}:"):
        return parse_link(key).log_verifier
    try:
        return Verifier.parse(key)
    except (Reject, ValueError) as error:
        raise ConfigError(
            f"the verifier key is malformed: {error}",
            "copy the whole line that /verifier shows, or give the network link",
        ) from error


def check(folder: Path, key: str, as_json: bool) -> None:
    """Checks a dataset and prints what holds."""
    if not key:
        raise ConfigError(
            "a dataset is checked with the log's key, and must not bring it itself",
            "pass --key: the verifier key of the network's log, or its link",
        )
    with progress(as_json) as bar:
        task = bar.add_task("reading the dataset", total=None)
        report = check_dataset(
            folder,
            parse_key(key),
            lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
    emit(_summary(report), as_json, lambda: _text(report))


def _summary(report: DatasetReport) -> dict[str, object]:
    return {
        "ok": True,
        **{key: value for key, value in asdict(report.manifest).items() if key != "files"},
        "size": report.checkpoint.size,
        "root": report.checkpoint.root,
        "contributors": report.contributors,
        "copies": list(report.copies),
    }


def _text(report: DatasetReport) -> list[str]:
    manifest = report.manifest
    missing = f"; missing of the snapshot: {len(manifest.missing):,}" if manifest.missing else ""
    return [
        f"{manifest.network_name}, {manifest.campaign} ({manifest.task}): all"
        f" {plural(manifest.items, 'item')} of {plural(report.contributors, 'contributor')} hold{missing}",
        f"snapshot {manifest.snapshot}, for {', '.join(manifest.scope)}",
        f"{len(manifest.columns)} columns, of which content: {', '.join(manifest.parts)}",
        *([f"copies that hold: {', '.join(report.copies)}"] if report.copies else []),
        f"proved against the log of {plural(report.checkpoint.size, 'entry', 'entries')}, "
        f"root {report.checkpoint.root.hex()}",
        "not checked: whether somebody has withdrawn since; the network's dashboard says so",
    ]

"""`commonhold verify LOG`: the whole log, and with an endpoint what is settled on chain."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rich.table import Table

from commonhold.audit.onchain import audit_chain
from commonhold.audit.replay import Report, audit
from commonhold.audit.source import FolderLog, HttpLog, LogSource, SavingLog
from commonhold.cli import verify_dataset
from commonhold.cli.output import emit, err, micro, progress, table
from protocol.identity import short
from protocol.log.link import SCHEME, parse_link
from protocol.log.note import Verifier
from protocol.state import SHARES


def check(where: str, key: str, save: Path | None, rpc_url: str, as_json: bool) -> None:
    """Checks a log and prints what holds."""
    source, verifier = _open(where, key)
    if save is not None:
        source = SavingLog(source, save)
        save.mkdir(parents=True, exist_ok=True)
        (save / "verifier").write_text(f"{verifier}\n")
    with progress(as_json) as bar:
        task = bar.add_task("reading the log", total=None)
        report = audit(
            source,
            verifier,
            lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
    settled = audit_chain(report.state, rpc_url) if rpc_url else None
    emit(_summary(report) | {"settled_on_chain": settled}, as_json, lambda: _text(report, settled))


def _open(where: str, key: str) -> tuple[LogSource, Verifier]:
    if where.startswith(f"{SCHEME}:"):
        link = parse_link(where)
        return HttpLog(link.http_url), link.log_verifier
    source: LogSource = (
        HttpLog(where) if where.startswith(("http://", "https://")) else FolderLog(Path(where))
    )
    if not key:
        key = source.read("verifier").decode(errors="replace").strip()
        err.print(
            f"[yellow]note:[/] the key {key[:40]}… came with the log; --key or a link is safer"
        )
    return source, verify_dataset.parse_key(key)


def _summary(report: Report) -> dict[str, Any]:
    state = report.state
    return {
        "ok": True,
        "network": state.name,
        "size": report.checkpoint.size,
        "root": report.checkpoint.root,
        "records": dict(report.kinds),
        "items": dict(Counter(item.status.name.lower() for item in state.items.values())),
        "erased": report.erased,
        "epochs_closed": state.closed_epoch,
        "shares_minted_micro": state.minted_micro,
        "revenue": {asset.hex(): str(amount) for asset, amount in state.received.items()},
        "settled_epoch": state.published_epoch,
        "settlement_root": state.proposal.root if state.proposal else b"",
    }


def _text(report: Report, settled: int | None) -> Table:
    state = report.state
    shares = {who: n for (who, asset), n in state.earned.items() if asset == SHARES and n}
    title = (
        f"{state.name}: all {report.checkpoint.size:,} entries hold, signatures, draws, verdicts and "
        f"payouts recomputed\nroot {report.checkpoint.root.hex()}\n{state.closed_epoch} epochs closed, "
        f"{micro(state.minted_micro)} shares minted"
        + (
            f"\nitems erased, each withdrawn by its author: {report.erased:,}"
            if report.erased
            else ""
        )
        + (
            f"\nepoch {settled} is in force on chain, with the log's root and totals"
            if settled
            else ""
        )
    )
    rows: list[list[object]] = [
        [short(who), micro(amount), f"{100 * amount / max(1, state.minted_micro):.2f} %"]
        for who, amount in sorted(shares.items(), key=lambda pair: -pair[1])
    ]
    return table(title, ["identity", "shares", "part"], rows)

"""`commonhold verify LOG`: the whole log, and with an endpoint what is settled on chain."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import RenderableType
from rich.table import Table

from commonground.counting import plural
from commonhold.audit.onchain import audit_chain, reader_of
from commonhold.audit.replay import Report, audit
from commonhold.audit.saving import NotingLog, kept_head, require_extends, saving
from commonhold.audit.source import FolderLog, HttpLog, LogSource
from commonhold.cli import verify_dataset
from commonhold.cli.output import (
    EXIT_CHECK_FAILED,
    EXIT_UNCHECKED,
    complain,
    emit,
    micro,
    note,
    progress,
    table,
)
from commonhold.cli.past_report import past_data, past_text
from contracts.watch import Look, Outcome
from protocol.identity import PersonId, name_of, short
from protocol.log.link import SCHEME, parse_link
from protocol.log.note import Verifier
from protocol.log.tiles import CHECKPOINT_PATH
from protocol.state import SHARES, State

# Owners name their programs as they like; what is rarer is summed up.
PROGRAMS_SHOWN: Final = 10


def check(
    where: str, key: str, *, save: Path | None, since: Path | None, rpc_url: str, as_json: bool
) -> None:
    """Checks a log, and the chain if it is told where; prints what holds, and complains of what does not.

    Raises typer.Exit with EXIT_CHECK_FAILED where the chain differs, EXIT_UNCHECKED where it could not be
    compared.
    """
    began_s, reader = time.time(), reader_of(rpc_url) if rpc_url else None
    source, verifier = _open(where, key)
    earlier = save if save is not None and (save / CHECKPOINT_PATH).exists() else None
    heads = [(each, kept_head(each)) for each in (since, earlier) if each is not None]
    is_link = where.startswith(f"{SCHEME}:")
    link = str(parse_link(where).without_invitation() if is_link else verifier)
    copy = nullcontext(source) if save is None else saving(source, save, verifier)
    with copy as read, progress(as_json) as bar:
        task = bar.add_task("reading the log", total=None)
        noting = NotingLog(read)
        report = audit(
            noting,
            verifier,
            lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
        for path, head in heads:
            require_extends(report, noting.note, verifier, head, where=path, link=link)
    look = None
    if reader is not None:
        look = audit_chain(report.chain.said(report.state), reader, began_s)
    emit(_summary(report) | _chain_summary(look), as_json, lambda: _text(report, look))
    if look is not None:
        _conclude(look)


def _open(where: str, key: str) -> tuple[LogSource, Verifier]:
    if where.startswith(f"{SCHEME}:"):
        link = parse_link(where)
        return HttpLog(link.http_url), link.log_verifier
    source: LogSource = (
        HttpLog(where) if where.startswith(("http://", "https://")) else FolderLog(Path(where))
    )
    if not key:
        key = source.read("verifier").decode(errors="replace").strip()
        note(f"the key {key[:40]}… came with the log; --key or a link is safer")
    return source, verify_dataset.parse_key(key)


def _summary(report: Report) -> dict[str, Any]:
    state, items = report.state, report.items()
    root = state.roots.get(state.settled_epoch)
    return {
        "ok": True,
        "network": state.name,
        "size": report.checkpoint.size,
        "root": report.checkpoint.root,
        "records": dict(report.kinds),
        "campaigns": _campaigns(report),
        "programs": dict(report.programs()),
        "items": dict(sum(items.values(), start=Counter[str]())),
        "erased": report.erased,
        "persons": _persons(state),
        "keys": len(state.keys),
        "rules": [asdict(each) for each in report.rules],
        "log_keys": [asdict(each) for each in report.log_keys],
        "operator_keys": [asdict(each) for each in report.operator_keys],
        "epochs_closed": state.closed_epoch,
        "epochs_empty": [epoch.number for epoch in report.epochs if epoch.is_empty],
        "shares_minted_micro": state.minted_micro,
        "shares_micro": {name_of(who): amount for who, amount in _shares(report).items()},
        "revenue": {asset.hex(): str(amount) for asset, amount in state.received.scan()},
        "past": past_data(state),
        "settled_epoch": state.settled_epoch,
        "settlement_root": root.payload.root if root is not None else b"",
    }


def _chain_summary(look: Look | None) -> dict[str, Any]:
    """`ok` is what was asked for: without an endpoint the log alone."""
    if look is None:
        return {"chain": {"outcome": "not looked at"}, "settled_on_chain": None}
    agrees = look.outcome is Outcome.AGREES
    return {
        "ok": agrees,
        "chain": {
            "outcome": look.outcome.name.lower().replace("_", " "),
            "findings": [{"kind": f.kind.name.lower(), "what": str(f)} for f in look.findings],
            "unchecked": look.unchecked,
        },
        "settled_on_chain": look.epoch if agrees else None,
    }


def _conclude(look: Look) -> None:
    """Says on standard error what is wrong with the chain, and ends with the code for it."""
    for found in look.findings:
        complain(f"the chain and the log do not agree: {found}", found.kind.advice)
    if look.unchecked:
        complain(f"NOT CHECKED: {look.unchecked}", look.advice)
    if look.outcome is not Outcome.AGREES:
        differs = look.outcome is Outcome.DIFFERS
        raise typer.Exit(EXIT_CHECK_FAILED if differs else EXIT_UNCHECKED)


def _persons(state: State) -> int:
    """Who has a key: the members, and the operator."""
    return len({person for _, person in state.keys.scan()})


def _campaigns(report: Report) -> dict[str, Any]:
    """What came of each campaign, by its id."""
    state, items = report.state, report.items()
    answers, refusals = report.given()
    return {
        name: {
            "task": campaign.task,
            "items": dict(items[name]),
            "round": state.round_of(name).number,
            "phase": state.round_of(name).phase.name.lower(),
            "rounds_decided": report.rounds[name],
            "answers": answers[name],
            "refusals": dict(refusals.get(name, {})),
            "status": campaign.status.name.lower(),
            "revision": campaign.revision,
        }
        for name, campaign in state.campaigns.scan()
    }


def _text(report: Report, look: Look | None) -> list[RenderableType]:
    tables = [_campaign_table(report), _share_table(report)]
    return [*_findings(report, look), "", *tables]


def _findings(report: Report, look: Look | None) -> list[str]:
    state = report.state
    empty = sum(epoch.is_empty for epoch in report.epochs)
    rules = ", ".join(f"{each.what} from entry {each.entry}" for each in report.rules)
    size = report.checkpoint.size
    whole = "its one entry holds" if size == 1 else f"all {size:,} entries hold"
    lines = [
        f"{state.name}: {whole}, signatures, draws, verdicts and payouts recomputed",
        f"root {report.checkpoint.root.hex()}",
        f"{plural(_persons(state), 'person')} with {plural(len(state.keys), 'key')}; "
        f"rules of version {rules}",
        f"{plural(state.closed_epoch, 'epoch')} closed"
        + (f", {empty} of them empty" if empty else "")
        + f"; {micro(state.minted_micro)} shares minted",
    ]
    for whose, keys in (("log", report.log_keys), ("operator", report.operator_keys)):
        lines += [
            f"the {whose}'s key is another one from entry {each.entry} on: {each.what}"
            for each in keys[1:]
        ]
    if report.erased:
        lines.append(f"descriptions erased, each withdrawn by its author: {report.erased:,}")
    if programs := report.programs():
        lines.append(_program_words(programs, len(report.answers)))
    lines += past_text(past_data(state))
    lines.append(_chain_words(look))
    return lines


def _program_words(programs: Counter[str], answers: int) -> str:
    """Which programs answered in their owners' place."""
    listed = [f"{name} ({count:,})" for name, count in programs.most_common(PROGRAMS_SHOWN)]
    if len(programs) > PROGRAMS_SHOWN:
        listed.append(f"and {len(programs) - PROGRAMS_SHOWN:,} more")
    return f"programs gave {programs.total():,} of {plural(answers, 'answer')}: {', '.join(listed)}"


def _chain_words(look: Look | None) -> str:
    if look is None:
        return "the chain was not looked at: --rpc-url names an endpoint of it"
    if look.outcome is not Outcome.AGREES:
        return "the chain: see below"
    in_force = f"epoch {look.epoch} is in force" if look.epoch else "nothing is in force yet"
    return (
        f"the chain agrees: {in_force}, the contracts are those that this software ships, and every event "
        "is as the log says"
    )


def _campaign_table(report: Report) -> Table:
    rows: list[list[object]] = []
    for name, found in _campaigns(report).items():
        items = Counter[str](found["items"])
        shown = [items.pop(status, 0) for status in ("accepted", "rejected")]
        counts = [*shown, items.total(), found["answers"]]
        rows.append([name, found["task"], found["rounds_decided"], *counts])
    # No more: 80 characters have to do. --json tells the others and the refusals apart.
    columns = ["campaign", "task", "rounds", "accepted", "rejected", "others", "answers"]
    return table("Campaigns", columns, rows)


def _shares(report: Report) -> dict[PersonId, int]:
    """What each person ever earned of the network, in micro-shares."""
    earned = report.state.earned.scan()
    return {who: amount for (who, asset), amount in earned if asset == SHARES and amount}


def _share_table(report: Report) -> Table:
    minted = max(1, report.state.minted_micro)
    rows: list[list[object]] = [
        [short(who), micro(amount), f"{100 * amount / minted:.2f} %"]
        for who, amount in sorted(_shares(report).items(), key=lambda pair: -pair[1])
    ]
    return table("Shares", ["person", "shares", "part"], rows)

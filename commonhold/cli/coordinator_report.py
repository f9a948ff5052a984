"""How a network and the result of an epoch look to the operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import RenderableType
from rich.table import Table

from commonground.counting import plural
from commonhold.cli.output import micro, table
from coordinator.heads import RESTORE_ADVICE
from coordinator.overview import CampaignRow, Overview, RootRow, moment
from coordinator.policies import OPEN_WARNING
from coordinator.tally import ClosedEpoch
from coordinator.terms import WITNESSES_SAFE, few_witnesses
from coordinator.witnesses import ProposedSet, Witnesses
from protocol.identity import name_of, short
from protos.gen import records_pb2 as pb

if TYPE_CHECKING:
    from coordinator.settle import Settled

REASONS: Final[dict[int, tuple[str, str]]] = {
    pb.WAITING_IN_REVIEW: ("in-review", "in a round that is under way"),
    pb.WAITING_FOR_SEAL: ("for-seal", "for the next round"),
    pb.WAITING_FOR_REVIEWERS: ("for-reviewers", "and nobody who may review stands by"),
    pb.WAITING_PAUSED: ("paused", "and the campaign is paused"),
}
"""By pb.WaitingReason: a word for scripts, and the end of a sentence."""


def line_data(line: pb.RewardLine) -> dict[str, Any]:
    """One reward line, for scripts."""
    return {
        "person": name_of(line.person),
        "role": pb.Role.Name(line.role).removeprefix("ROLE_").lower(),
        "campaign": line.campaign_id,
        "asset": line.asset.hex() or "shares",
        "amount": line.amount,
        "accepted": line.evidence.accepted,
        "rejected": line.evidence.rejected,
        "answers": line.evidence.answers,
        "programs": line.evidence.programs,
    }


def waiting_data(closed: ClosedEpoch) -> list[dict[str, Any]]:
    """What a close left, for scripts."""
    return [
        {"campaign": campaign_id, "items": items, "reason": REASONS[reason][0]}
        for campaign_id, items, reason in closed.waiting
    ]


def close_report(closed: ClosedEpoch, lines: Sequence[pb.RewardLine]) -> list[RenderableType]:
    """What an epoch paid, and what it left for a later one."""
    title = f"Epoch {closed.number} is closed (log entry {closed.index})"
    paid: RenderableType = f"{title}; nobody earned anything"
    if lines:
        paid = _line_table(title, lines)
    return [paid, *_left(closed.waiting)]


def _left(waiting: Iterable[tuple[str, int, int]]) -> list[str]:
    return [
        f"{campaign_id}: {items:,} {'item waits' if items == 1 else 'items wait'}"
        f" {REASONS[reason][1]}"
        for campaign_id, items, reason in waiting
    ]


def _line_table(title: str, lines: Sequence[pb.RewardLine]) -> Table:
    columns = ["who", "role", "campaign", "asset", "amount", "accepted", "rejected", "answers"]
    rows: list[list[object]] = []
    for line in lines:
        data = line_data(line)
        amount = micro(int(line.amount)) if data["asset"] == "shares" else line.amount
        rows.append([short(line.person), *list(data.values())[1:4], amount])
        rows[-1] += [data["accepted"], data["rejected"], data["answers"]]
    return table(title, columns, rows)


def status_report(
    view: Overview, link: str, missing: str = "", *, running: bool
) -> list[RenderableType]:
    """The network at a glance."""
    counts: list[list[object]] = [
        ["epoch", view.epoch],
        ["log entries", view.entries],
        ["joining", "open to everybody" if view.is_open else "by invitation"],
        ["members", f"{view.members:,} ({view.standing_by:,} stand by to review)"],
        [
            "items",
            f"{view.items:,} ({view.waiting:,} wait, {view.in_review:,} in review, "
            f"{view.accepted:,} accepted)",
        ],
        ["shares minted", micro(view.minted_micro)],
        ["settled epoch", view.settled_epoch or "none"],
        *_on_chain(view),
        ["witnesses", _witnesses(view.witnesses)],
        ["rules", f"version {view.rules}"],
        ["server", "running" if running else "not running"],
    ]
    shown: list[RenderableType] = [table(view.name, ["", ""], counts)]
    if view.campaigns:
        shown.append(campaign_table(view.campaigns))
    if view.is_open:
        shown.append(f"note: {OPEN_WARNING}")
    if missing:
        shown.insert(0, f"MISSING: {missing}; {RESTORE_ADVICE}")
    return [*shown, f"link: {link}"]


def _on_chain(view: Overview) -> list[list[object]]:
    """Who signs for money, and what waits there."""
    if not view.signers:
        return []
    signers = f"{view.signers}, of whom {view.signers_needed} have to sign"
    if view.signers < WITNESSES_SAFE:
        signers += f"; {few_witnesses(view.signers)}"
    if view.next_signers:
        signers += f"; others may take over {view.next_signers}"
    rows: list[list[object]] = [["who signs for money", signers]]
    return rows + [["root that waits", _root(root)] for root in view.roots]


def _root(root: RootRow) -> str:
    said = f"epoch {root.epoch}: {root.status}"
    if root.challenger:
        said += f", challenged by 0x{root.challenger} with evidence {root.evidence}"
    return said if root.is_ours else f"{said}; it is NOT the log's root"


def _witnesses(view: Witnesses) -> str:
    """Who tosses the coin; whom rounds wait for, by the command that says it."""
    said = f"{len(view.witnesses):,}; {_determine(view.threshold)}"
    waits = sum(each.tossed < each.threshold for each in view.owed)
    if waits:
        said += f"; {waits:,} {'round waits' if waits == 1 else 'rounds wait'} for their tosses"
    if view.proposed is not None:
        said += f"; set {view.proposed.nonce} is {view.proposed.phase}"
    return said


def witnesses_report(view: Witnesses) -> list[RenderableType]:
    """Who tosses, whom a round waits for, and how far the next set is. Names are whole: they are
    arguments."""
    present: list[list[object]] = [
        [each.person, each.given, each.missed] for each in view.witnesses
    ]
    witnesses = plural(len(view.witnesses), "witness", "witnesses")
    title = f"Set {view.nonce}, of {witnesses}: {_determine(view.threshold)}"
    shown: list[RenderableType] = [table(title, ["witness", "tossed", "missed"], present)]
    shown += [
        f"{each.campaign}: round {each.round} has {each.tossed} of {each.threshold} tosses; missing: "
        + ", ".join(each.missing)
        for each in view.owed
    ]
    if view.proposed is not None:
        shown += _proposed(view.proposed)
    return shown


def _proposed(view: ProposedSet) -> list[RenderableType]:
    rows: list[list[object]] = [
        [
            each.person,
            "wrong" if each.struck else "yes" if each.dealt else "",
            "yes" if each.confirmed else "",
        ]
        for each in view.witnesses
    ]
    title = f"Set {view.nonce}, {view.phase}: it takes {view.threshold} deals"
    shown: list[RenderableType] = [table(title, ["witness", "dealt", "confirmed"], rows)]
    if view.assents < view.assents_needed:
        shown.append(
            f"{view.assents} of {view.assents_needed} assents; missing: "
            + ", ".join(view.missing_assents)
            + ". They run `commonhold node assent`."
        )
    return shown


def campaign_table(rows: Sequence[CampaignRow]) -> Table:
    """Campaigns: where their rounds are, and how their items fare. Fits a terminal of 80 columns."""
    columns = ["id", "now", "wait", "stand by", "accepted", "rejected"]
    shown: list[list[object]] = [
        [row.id, _now(row), row.waiting, row.standing_by, row.accepted, row.rejected]
        for row in rows
    ]
    return table("Campaigns", columns, shown)


def _now(row: CampaignRow) -> str:
    if row.progress is None and row.status != "open":
        return row.status
    if row.progress is None:
        return f"after round {row.round}" if row.round else "not begun"
    doing = {"sealed": "tosses", "committing": "answers", "revealing": "openings"}
    return f"round {row.round}: {row.progress.done} of {row.progress.expected} {doing[row.phase]}"


def settled_report(settled: Settled, closed: int) -> list[str]:
    """What is in force after a settlement, and what waits for what."""
    lines = [
        f"epoch {settled.epoch} is in force; its members may claim"
        if settled.epoch
        else "no epoch is in force yet"
    ]
    for root in settled.waiting:
        until = "lapses" if root.status == "frozen" else "may come into force"
        lines.append(f"epoch {root.epoch} is {root.status}; it {until} {moment(root.due_s)}")
    if closed > settled.posted:
        lines.append(f"closed epochs that are not posted: {closed - settled.posted}")
    if settled.epoch < closed:
        lines.append("run `commonhold coordinator settle` again to go on")
    return lines


def _determine(threshold: int) -> str:
    return "any one determines a draw" if threshold == 1 else f"any {threshold:,} determine a draw"

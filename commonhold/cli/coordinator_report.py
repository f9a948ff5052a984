"""How the progress and the result of an epoch look to the operator."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from commonhold.cli.output import micro, table
from protocol.identity import peer_id_of, short
from protocol.state import State
from protos.gen import records_pb2 as pb


def phase_progress(state: State) -> tuple[int, int, str]:
    """Who has answered, who should, and what for."""
    round_, phase = state.epoch.round, state.epoch.phase.name.lower()
    what = f"epoch {state.epoch.number}, round {round_.number}: {phase}"
    waiting = sum(
        bool(member.standby) and who not in round_.beacons for who, member in state.members.items()
    )
    match phase:
        case "beacon":
            return len(round_.beacons), len(round_.beacons) + waiting, what
        case "committing":
            return len(round_.commits), len(round_.tasks), what
        case "revealing":
            return len(round_.revealed), len(round_.commits), what
        case _:
            return 0, 1, what


def line_data(line: pb.RewardLine) -> dict[str, Any]:
    """One reward line, for scripts."""
    return {
        "identity": peer_id_of(line.identity),
        "role": pb.Role.Name(line.role).removeprefix("ROLE_").lower(),
        "campaign": line.campaign_id,
        "asset": line.asset.hex() or "shares",
        "amount": line.amount,
        "accepted": line.evidence.accepted,
        "rejected": line.evidence.rejected,
        "answers": line.evidence.answers,
    }


def line_table(epoch: int, lines: list[pb.RewardLine]) -> Table:
    """All reward lines of an epoch, for people."""
    columns = ["who", "role", "campaign", "asset", "amount", "accepted", "rejected", "answers"]
    rows: list[list[object]] = []
    for line in lines:
        data = line_data(line)
        amount = micro(int(line.amount)) if data["asset"] == "shares" else line.amount
        rows.append([short(line.identity), *list(data.values())[1:4], amount])
        rows[-1] += [data["accepted"], data["rejected"], data["answers"]]
    return table(f"Epoch {epoch} is closed", columns, rows)

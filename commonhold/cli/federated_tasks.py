"""`commonhold federated tasks`: what is installed here to be trained, with its options."""

from __future__ import annotations

from typing import Any

from commonhold.cli.output import JsonFlag, Printed, emit, guarded, table
from commonhold.cli.training import go_on_in_training


@guarded
def tasks(as_json: JsonFlag = False) -> None:
    """Show the tasks that this machine can train: their options with defaults, release and code."""
    go_on_in_training()
    from federated.tasks.registry import described, known

    found = [described(name) for name in sorted(known())]
    emit({"tasks": found}, as_json, lambda: _text(found))


def _text(found: list[dict[str, Any]]) -> Printed:
    rows: list[list[object]] = [
        [
            each["name"],
            each["summary"],
            ", ".join(f"{name}={value}" for name, value in each["options"].items()),
            each["version"],
            each["code"][:16],
        ]
        for each in found
    ]
    return table("Tasks", ["task", "learns", "options", "release", "code"], rows)

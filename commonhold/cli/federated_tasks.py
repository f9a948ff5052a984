"""`commonhold federated tasks`: what is installed here to be trained, with its options."""

from __future__ import annotations

from typing import Any

from commonhold.cli.output import JsonFlag, Printed, emit, guarded, table
from commonhold.cli.training import go_on_in_training
from protocol.errors import ConfigError


@guarded
def tasks(as_json: JsonFlag = False) -> None:
    """Show the tasks that this machine can train: their options with defaults, release and code."""
    go_on_in_training()
    from federated.tasks.registry import described, known

    found, broken = [], []
    for name in sorted(known()):
        try:
            found.append(described(name))
        except ConfigError as error:  # what one package did wrong hides no other task
            broken.append({"name": name, "reason": str(error), "advice": error.advice})
    emit({"tasks": found, "broken": broken}, as_json, lambda: _text(found, broken))


def _text(found: list[dict[str, Any]], broken: list[dict[str, str]]) -> Printed:
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
    return [
        table("Tasks", ["task", "learns", "options", "release", "code"], rows),
        *(f"warning: {each['reason']}; {each['advice']}" for each in broken),
    ]

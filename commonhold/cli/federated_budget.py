"""`commonhold federated budget`, and what an owner decides about it: `raise-limit`, `set-apart`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from commonhold.cli.options import DirOption, PassphraseOption
from commonhold.cli.output import (
    EXIT_INTERRUPTED,
    JsonFlag,
    Printed,
    confirm,
    emit,
    guarded,
    moment,
    say,
    table,
)
from commonhold.cli.training import go_on_in_training
from protocol.errors import ConfigError, StateError
from protocol.limits import PPM

if TYPE_CHECKING:
    from rich.console import RenderableType

    from federated.budget import Budget, Standing
    from federated.budget.reading import DataSet
    from federated.budget.terms import Limit

DataArgument = Annotated[
    str, typer.Argument(help="First digits of the data's name, as `federated budget` shows it.")
]
ReasonOption = Annotated[str, typer.Option(help="Why; it stays in budget.db, beside the decision.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without being asked.")]
DATA_DIGITS: Final = 8


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold federated`."""
    app.command()(budget)
    app.command("raise-limit")(raise_limit)
    app.command("set-apart")(set_apart)


@dataclass(frozen=True, slots=True)
class Line:
    """One set of data that shares its budget with no other, or several that share one."""

    data: tuple[str, ...]  # names, hexadecimal
    examples: int
    standing: Standing


@guarded
def budget(
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what this machine's data has spent, what is set aside, and what is left, towards whom.

    Compares budget.db with the log first: rounds that this person signed and the file does not have are
    counted again, and jobs that are over give back what they had set aside.
    """
    go_on_in_training()
    from federated.budget.reading import read_decisions, read_reserved

    with _opened(directory, passphrase_path) as (opened, path, said):
        lines, unknown = _lines(opened, path)
        data: dict[str, Any] = {
            "budgets": [asdict(each) for each in lines],
            "unknown": [each.commitment.hex() for each in unknown],
            "reserved": read_reserved(path),
            "decisions": [asdict(each) for each in read_decisions(path)],
            "notes": said,
        }
    emit(data, as_json, lambda: _text(lines, data))


def _text(lines: list[Line], data: dict[str, Any]) -> Printed:
    if not lines and not data["unknown"]:
        return "this machine has trained on no private data"
    columns = ["data", "examples", "towards", "spent", "set aside", "limit", "left", "delta"]
    rows: list[list[object]] = []
    for line in lines:
        names = ", ".join(each[:DATA_DIGITS] for each in line.data)
        for whom, each in (
            ("everybody who sees the models", line.standing.everybody),
            ("whoever sees an update alone", line.standing.alone),
        ):
            numbers = (each.spent, each.reserved - each.spent, each.limit, each.left)
            shown = [f"{number / PPM:.3f}" for number in numbers]
            rows.append([names, f"{line.examples:,}", whom, *shown, f"{line.standing.delta:g}"])
    printed: list[RenderableType] = [table("Privacy budgets of this machine's data", columns, rows)]
    if data["reserved"]:
        printed.append(f"set aside for: {', '.join(data['reserved'])}")
    if data["unknown"]:
        names = ", ".join(each[:DATA_DIGITS] for each in data["unknown"])
        printed.append(
            f"not recognised, and so counted against all data: {names}. If it shares no example with any"
            " other: `commonhold federated set-apart NAME`"
        )
    printed += [
        f"{moment(each['time'])}, {each['commitment'].hex()[:DATA_DIGITS]}: {each['what']}"
        + (f" ({each['reason']})" if each["reason"] else "")
        for each in data["decisions"]
    ]
    return [*data["notes"], *printed]


@guarded
def raise_limit(
    *,
    data: DataArgument,
    epsilon_max: Annotated[
        float, typer.Option(help="The new limit, over all jobs, spent included.")
    ],
    epsilon_alone_max: Annotated[
        float | None,
        typer.Option(help="The same towards whoever sees an update alone. Default: as it is."),
    ] = None,
    delta_max: Annotated[
        float | None,
        typer.Option(help="The largest delta that a job may state. Default: as it is."),
    ] = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Allow more than before for some data, and all that shares examples with it. What was spent stays spent.

    The decision, its time and its reason are kept in budget.db, and nowhere else.
    """
    go_on_in_training()
    limit = _limit(epsilon_max, epsilon_alone_max, delta_max)
    with _opened(directory, passphrase_path) as (opened, path, said):
        chosen = _named(path, data, known=True)
        standing = opened.standing(chosen.commitment)
        say(said)
        _ask(
            f"This data may cost epsilon {standing.everybody.limit / PPM:g} now, and"
            f" {standing.everybody.spent / PPM:.3f} is spent. With {epsilon_max:g}, whoever sees the"
            f" models may learn e^{epsilon_max:g} times as surely that somebody is in it as without.",
            f"Raise the limit of {chosen.commitment.hex()[:DATA_DIGITS]} to {epsilon_max:g}?",
            yes=yes,
        )
        before, after = opened.raise_limit(chosen.commitment, limit, reason)
    emit(
        {"data": chosen.commitment.hex(), "before": asdict(before), "after": asdict(after)},
        as_json,
        lambda: (
            f"limited to epsilon {after.epsilon_micro / PPM:g} towards everybody and"
            f" {after.alone_micro / PPM:g} towards whoever sees an update alone, at delta"
            f" {after.delta:g}"
        ),
    )


@guarded
def set_apart(
    *,
    data: DataArgument,
    epsilon_max: Annotated[float, typer.Option(help="Its own limit, over all jobs.")],
    reason: ReasonOption = "",
    yes: YesOption = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say that data which this machine does not recognise shares no example with any other.

    Until then its rounds, which only the log knows, count against all data of this machine.
    """
    go_on_in_training()
    limit = _limit(epsilon_max)
    with _opened(directory, passphrase_path) as (opened, path, said):
        chosen = _named(path, data, known=False)
        say(said)
        _ask(
            "Its rounds will count against no other data. If it has an example in common with some of"
            " yours, that example has cost more than your limit, and no machine will tell you.",
            f"Is {chosen.commitment.hex()[:DATA_DIGITS]} other data than all else here?",
            yes=yes,
        )
        opened.set_apart(chosen.commitment, limit, reason)
    emit({"data": chosen.commitment.hex()}, as_json, lambda: "it has a budget of its own now")


def _limit(epsilon: float, alone: float | None = None, delta: float | None = None) -> Limit:
    """As `join` takes one, within the same bounds. Raises ConfigError."""
    from node.training.joining import Offer

    return Offer("", Path(), (), epsilon, alone, delta).limit


def _opened(
    directory: Path | None, passphrase: Path | None
) -> AbstractContextManager[tuple[Budget, Path, list[str]]]:
    from commonhold.cli.federated_accounts import opened_budget

    return opened_budget(directory, passphrase)


def _lines(opened: Budget, path: Path) -> tuple[list[Line], list[DataSet]]:
    """Budgets, and the data that only the log knows."""
    from federated.budget.reading import read_data

    families: dict[int, list[DataSet]] = {}
    for each in read_data(path):
        families.setdefault(each.family, []).append(each)
    unknown = families.pop(0, [])
    lines = [
        Line(
            tuple(each.commitment.hex() for each in members),
            sum(each.examples for each in members),
            opened.standing(members[0].commitment),
        )
        for members in families.values()
    ]
    return lines, unknown


def _named(path: Path, digits: str, *, known: bool) -> DataSet:
    """The one set of data whose name begins so. Raises ConfigError and StateError."""
    from federated.budget.reading import read_data

    found = [
        each
        for each in read_data(path)
        if each.commitment.hex().startswith(digits.lower()) and bool(each.family) is known
    ]
    if not digits or len(found) > 1:
        raise ConfigError(f"{digits!r} names {len(found)} sets of data", "give more digits")
    if not found:
        what = "data with a limit" if known else "data that only the log knows"
        raise StateError(
            f"there is no {what} named {digits!r}",
            "name it as `commonhold federated budget` shows it, by its first digits: a path is no name",
        )
    return found[0]


def _ask(words: str, question: str, *, yes: bool) -> None:
    say(words)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(
            "this is its owner's decision, and there is no terminal to ask at",
            "add --yes if you mean it",
        )
    if not confirm(question):
        raise typer.Exit(EXIT_INTERRUPTED)

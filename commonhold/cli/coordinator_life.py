"""The commands of `commonhold coordinator` for the life of a campaign: `campaign new`, `check`, `change`,
`close`; and `takedown`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commonground.counting import plural
from commonground.escaping import in_shell
from commonhold.cli.coordinator_campaign import CampaignArgument, campaign_app
from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, guarded, micro, require_agreed, say
from coordinator.config import Home
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from coordinator.dryrun import DryRun

YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DraftArgument = Annotated[Path, typer.Argument(help="The campaign's TOML file.")]


def register(app: typer.Typer) -> None:
    """Adds `takedown` to `commonhold coordinator`; the others belong to `campaign`."""
    app.command()(takedown)


@campaign_app.command("new")
@guarded
def campaign_new(
    kind: Annotated[
        str, typer.Argument(help="Kind of question: classify, rate, prefer, judge, tags.")
    ],
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("campaign.toml"),
    campaign_id: Annotated[
        str, typer.Option("--id", help="Short name: a-z, 0-9, -.")
    ] = "my-campaign",
) -> None:
    """Write the file of a campaign to edit, with a word on each field."""
    from commonground.files import write_new
    from coordinator.drafts import draft_text

    try:
        write_new(file, draft_text(kind, campaign_id).encode())
    except FileExistsError:
        raise ConfigError(f"{file} is there already", "name another file") from None
    except OSError as error:
        raise ConfigError(
            f"cannot write {file}: {error.strerror}", "name another file, in a folder that is there"
        ) from error
    say(
        f"{file} is written: edit it, then `commonhold coordinator campaign check {in_shell(file)}`,"
        " with --dir where your coordinator is not in ./coordinator: it says what the campaign would"
        " cost, too"
    )


@campaign_app.command("check")
@guarded
def campaign_check(
    file: DraftArgument, directory: HomeOption = None, as_json: JsonFlag = False
) -> None:
    """Say what a campaign would be, and open nothing: all that is wrong, what it costs, what it needs.

    Ends with 2 if it could not be opened. Where there is no coordinator, costs are left out.
    """
    from coordinator.campaigns import read_draft
    from coordinator.dryrun import dry_run
    from coordinator.operator import Operator

    home = Home.at(directory)
    if directory is None and not home.config_path.exists():
        found = dry_run(read_draft(b"", file, {}), None)
    else:
        with Operator(home) as operator:
            found = dry_run(read_draft(operator.state.network, file, {}), operator.state)
    emit(asdict(found) | {"good": found.is_good}, as_json, lambda: _told(found))
    if not found.is_good:
        raise typer.Exit(2)


def _wrong(errors: Sequence[tuple[str, str]]) -> Iterator[str]:
    """A line for each; the same advice is given once."""
    given = {""}
    for text, what in errors:
        yield f"wrong: {text}" if what in given else f"wrong: {_with(text, what)}"
        given.add(what)


def _with(text: str, advice: str) -> str:
    """Two sentences, however the second was meant to begin."""
    return f"{text}. {advice[:1].upper()}{advice[1:]}"


def _told(found: DryRun) -> list[str]:
    if found.errors:
        return [*_wrong(found.errors), f"{found.id} cannot be opened"]
    lines = [
        f"{found.id} can be opened",
        f"a full round: {plural(found.round_items, 'item')}, {plural(found.round_answers, 'answer')}, about"
        f" {plural(found.round_minutes, 'minute')} of review, {found.reviewer_minutes:,} of each reviewer",
        f"gold: {plural(found.gold_items, 'item')} a round whose answer you know; an undecided item takes"
        f" up to {plural(found.rounds_max, 'round')}",
        f"export: {', '.join(found.exported_as)}" if found.exported_as else "export: not possible",
    ]
    if found.cost is not None:
        lines.append(
            f"cost: an epoch gives authors {micro(found.cost.contributors_micro)} shares and reviewers"
            f" {micro(found.cost.reviewers_micro)}; with one full round in it,"
            f" {micro(found.cost.item_micro)} an item and {micro(found.cost.answer_micro)} an answer"
        )
    return [*lines, *(f"advice: {_with(text, what)}" for text, what in found.advice)]


@campaign_app.command("change")
@guarded
def campaign_change(
    campaign: CampaignArgument,
    file: Annotated[
        Path | None, typer.Argument(help="The campaign's TOML file, edited; or options say what.")
    ] = None,
    *,
    title: Annotated[str | None, typer.Option(help="The line that people read.")] = None,
    guidelines: Annotated[
        str | None, typer.Option(help="What to submit, and how reviewers judge it.")
    ] = None,
    price_ppm: Annotated[
        int | None, typer.Option(help="What work here is worth, in millionths of the usual.")
    ] = None,
    round_items: Annotated[
        int | None, typer.Option(help="How many items a round has at most.")
    ] = None,
    seal_items: Annotated[
        int | None, typer.Option(help="A round begins as soon as so many items wait.")
    ] = None,
    seal_wait: Annotated[
        str | None,
        typer.Option(help="A round also begins when the oldest item has waited so long."),
    ] = None,
    commit_window: Annotated[
        str | None, typer.Option(help="How long reviewers have to answer.")
    ] = None,
    reveal_window: Annotated[
        str | None, typer.Option(help="How long their nodes have to open the answers.")
    ] = None,
    yes: YesOption = False,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Change title, guidelines, price or windows, for what is submitted and sealed from then on.

    What was submitted before keeps its guidelines and its price, and a round its windows. All else in a
    file has to be as the campaign was opened; what no option names stays as it is.
    """
    from coordinator.campaigns import require_campaign
    from coordinator.change import change_of, terms_of
    from coordinator.life import change_record, changed_lines
    from coordinator.operator import Operator

    options = {
        "title": title,
        "guidelines": guidelines,
        "price_ppm": price_ppm,
        "round_items": round_items,
        "seal_items": seal_items,
        "seal_wait": seal_wait,
        "commit_window": commit_window,
        "reveal_window": reveal_window,
    }
    said = {name: str(value) for name, value in options.items() if value is not None}
    if (file is None) == (not said):
        raise ConfigError(
            "both a file and options say what to change" if said else "nothing says what to change",
            "name the campaign's file, edited, or give options such as --seal-wait 5m",
        )
    with Operator(Home.at(directory)) as operator:
        present = require_campaign(operator.state, campaign)
        if file is not None:
            body = change_record(operator.state, campaign, file)
        else:
            fields = terms_of(present) | said
            body = change_of(operator.state, campaign, fields, present.serial).record
        lines = changed_lines(present, body)
        if not as_json:
            say(lines or ["nothing changes"])
        if lines and not yes:
            require_agreed(f"Change {campaign}? It is logged.", "a change is logged for ever")
        receipt = operator.append("change", body)
        revision = operator.state.campaigns[campaign].revision
    emit(
        {"id": campaign, "revision": revision, "changed": lines, "index": receipt.index},
        as_json,
        lambda: f"{campaign} is changed, for what comes from now on (log entry {receipt.index})",
    )


@campaign_app.command("close")
@guarded
def campaign_close(
    campaign: CampaignArgument,
    yes: YesOption = False,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Close a campaign for ever: it takes nothing more, and what waits for a round stays undecided.

    A round that is under way ends. What was accepted stays, and can be exported. What its author contested
    still gets a round, and for an epoch more can be contested: keep `serve` running as long.
    """
    from coordinator.life import close_record, left_undecided
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        body = close_record(operator.state, campaign)
        waiting = left_undecided(operator.state, campaign)
        left = plural(waiting, "item waits and stays", "items wait and stay")
        question = f"Close {campaign} for ever? {left} undecided."
        if not yes:
            require_agreed(question, "a campaign is closed for ever")
        receipt = operator.append("close-campaign", body)
    emit(
        {"id": campaign, "undecided": waiting, "index": receipt.index},
        as_json,
        lambda: f"{campaign} is closed (log entry {receipt.index})",
    )


@guarded
def takedown(
    item: Annotated[str, typer.Argument(help="The item's id, all of its digits.")],
    *,
    reason: Annotated[
        str, typer.Option(help="Why, in a sentence: everybody reads it for ever. No personal data.")
    ],
    code: Annotated[
        str,
        typer.Option(help="Kind of reason: rights, personal, unlawful, harmful, defect, other."),
    ] = "other",
    yes: YesOption = False,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take an item out: nobody serves, shows, exports or trains on it from then on.

    Every dataset that holds it is deleted here. Its author keeps what it earned, and is told the reason.
    """
    from coordinator.life import takedown_record
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        body = takedown_record(operator.state, item, code, reason)
        if not yes:
            question = f"Take {item[:12]} down? It cannot be undone."
            require_agreed(question, "a takedown cannot be undone")
        receipt = operator.append("takedown", body)
    emit(
        {"item": item, "code": code, "index": receipt.index},
        as_json,
        lambda: f"{item[:12]} is taken down (log entry {receipt.index})",
    )

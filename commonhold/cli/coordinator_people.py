"""The commands of `commonhold coordinator` for who takes part: `invite` and `people`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commonhold.cli.options import HomeOption, InviteCountOption, InviteEpochsOption
from commonhold.cli.output import JsonFlag, emit, guarded, table
from coordinator.config import Home
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from coordinator.inviting import MemberRow
    from protocol.identity import PersonId


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold coordinator`."""
    app.command()(invite)
    app.command()(people)


@guarded
def invite(
    *,
    count: InviteCountOption = 1,
    epochs: InviteEpochsOption = None,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Invite newcomers: prints one link for each, to hand over in private.

    Nothing is logged until somebody joins; the log then says that you invited them, and it counts against
    your budget for that epoch.
    """
    from commonhold.cli.invitations import EPOCHS_DEFAULT, Inviter, emit_links, make_links
    from coordinator.operator import Operator
    from protocol.log.link import parse_link
    from protocol.rules.admission import invitation_budget

    home = Home.at(directory)
    with Operator(home) as operator:
        link = operator.link if home.server_path.exists() else configured_link(home)
        state, keys = operator.state, operator.keys
    if not link:
        raise ConfigError(
            "a link needs ports, and `serve` has not chosen them yet",
            "start it with `commonhold coordinator serve`, then invite",
        )
    span = epochs or EPOCHS_DEFAULT
    budget = invitation_budget(state, state.operator)
    inviter = Inviter(keys.record_key, keys.sign_record, budget)
    links = make_links(parse_link(link), state, inviter, count, span)
    emit_links(links, state, span, budget, as_json)


@guarded
def people(
    *,
    page: Annotated[int, typer.Option(min=1, help="Which page of them.")] = 1,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show who is a member, who invited whom, and how much standing each has."""
    from coordinator.inviting import members_page
    from coordinator.operator import Operator
    from protocol.identity import name_of, short
    from protocol.limits import PPM

    with Operator(Home.at(directory)) as operator:
        state = operator.state
        found = members_page(state, page)
    rows: list[dict[str, Any]] = [
        {
            "person": name_of(each.person),
            "joined_at": each.joined,
            "invited_by": name_of(each.invited_by) if each.invited_by else None,
            "bonded": each.bonded,
            "lacks_bond": each.lacks_bond,
            "invited": each.invited,
            "standing_micro": each.standing_micro,
        }
        for each in found.rows
    ]
    emit(
        {"people": rows, "page": found.number, "total": found.total},
        as_json,
        lambda: table(
            f"Members, page {found.number} ({found.total:,} in all)",
            ["who", "joined at entry", "answers for them", "has invited", "standing"],
            [
                [
                    short(each.person),
                    each.joined,
                    _who_answers(each, state.operator),
                    each.invited,
                    f"{each.standing_micro / PPM:,.1f}",
                ]
                for each in found.rows
            ],
        ),
    )


def _who_answers(row: MemberRow, operator: PersonId) -> str:
    """Who invited a member, and whether a bond stands for them."""
    from protocol.identity import short

    inviter = "the operator" if row.invited_by == operator else short(row.invited_by)
    named = [inviter] if row.invited_by else []
    bond = ["a bond that is too small" if row.lacks_bond else "a bond"] if row.bonded else []
    return " and ".join(named + bond) or "nobody"


def configured_link(home: Home) -> str:
    """The link of the settings; empty while a port is left to chance."""
    from coordinator.keys import load_keys
    from coordinator.server import network_link

    config = home.load()
    if not (config.grpc_port and config.http_port):
        return ""
    return str(network_link(config, load_keys(home), config.grpc_port, config.http_port))

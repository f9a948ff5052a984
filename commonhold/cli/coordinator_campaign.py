"""The commands of `commonhold coordinator` for what a network asks and by which rules: `campaign`, `policy`,
`upgrade`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli.coordinator_calibrate import campaign_calibrate
from commonhold.cli.options import (
    AdmissionOption,
    BondOption,
    HomeOption,
    InviteStandingOption,
    ItemsPerStandingOption,
    MemberInvitationsOption,
    ModelGraceOption,
    NewcomerItemsOption,
    OperatorInvitationsOption,
    SilenceSlashOption,
    SilenceTossesOption,
)
from commonhold.cli.output import JsonFlag, emit, guarded, note
from coordinator.config import Home

campaign_app = typer.Typer(no_args_is_help=True, help="What the network asks contributors for.")
policy_app = typer.Typer(no_args_is_help=True, help="How the network rewards.")

CampaignArgument = Annotated[str, typer.Argument(help="The campaign's id.")]


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold coordinator`."""
    campaign_app.command("calibrate")(campaign_calibrate)
    app.add_typer(campaign_app, name="campaign")
    app.add_typer(policy_app, name="policy")
    app.command()(upgrade)


@campaign_app.command("create")
@guarded
def campaign_create(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(help="TOML file with the same fields; what an option says wins over it."),
    ] = None,
    directory: HomeOption = None,
    campaign_id: Annotated[
        str | None,
        typer.Option("--id", help="The name that commands and paths use: a-z, 0-9 and -."),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="The line that people read. Default: the id.")
    ] = None,
    guidelines: Annotated[
        str | None,
        typer.Option(help="What contributors are to submit, and how reviewers judge it."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="The kind of question: classify, rate, prefer, judge or tags. Default: classify."
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="An answer that reviewers may choose in a classify task; repeat for each."
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(
            help="What any other kind of task asks: a JSON object, or a file that holds one."
        ),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            help="A part that each item has, as NAME:TYPES:BYTES (answer:text/plain:4000; several media types"
            " with commas between them; :optional behind it where it may be left out); repeat for each."
        ),
    ] = None,
    media_type: Annotated[
        list[str] | None,
        typer.Option(
            help="A media type that items of one part may have; repeat for each. Default: image/png."
        ),
    ] = None,
    item_bytes_max: Annotated[
        int | None,
        typer.Option(
            help="How many bytes an item of one part may have. Default: 8 MiB, all that nodes carry."
        ),
    ] = None,
    proposal: Annotated[
        str | None,
        typer.Option(
            help="Whether the author proposes an answer: required, optional or none."
            " Default: required, where the kind takes proposals."
        ),
    ] = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(
            help="A licence that a contributor may choose, as its SPDX identifier; repeat for each. Default:"
            " CC-BY-4.0."
        ),
    ] = None,
    reviewers: Annotated[
        int | None, typer.Option(help="How many people review an item. Default: 3.")
    ] = None,
    privacy: Annotated[
        str | None,
        typer.Option(
            help="Who gets to see content: open (everybody who exports), or reviewers (those drawn"
            " for it alone)."
            " Default: reviewers."
        ),
    ] = None,
    withdrawal: Annotated[
        str | None,
        typer.Option(
            help="What an author who withdraws an item does with the shares it earned: repays or keeps them."
            " Default: repays."
        ),
    ] = None,
    automation: Annotated[
        str | None,
        typer.Option(
            help="Which programs may review: local (those on reviewers' machines), anywhere or none. Default:"
            " local."
        ),
    ] = None,
    seal_items: Annotated[
        int | None, typer.Option(help="A round begins as soon as so many items wait. Default: 100.")
    ] = None,
    seal_wait: Annotated[
        str | None,
        typer.Option(
            help="A round also begins when the oldest item has waited so long. Default: 10m."
        ),
    ] = None,
    commit_window: Annotated[
        str | None, typer.Option(help="How long reviewers have to answer. Default: 24h.")
    ] = None,
    reveal_window: Annotated[
        str | None, typer.Option(help="How long their nodes have to open the answers. Default: 1h.")
    ] = None,
    round_items: Annotated[
        int | None, typer.Option(help="How many items a round has at most. Default: 1,000.")
    ] = None,
    derivative_permille: Annotated[
        int | None,
        typer.Option(
            help="How many thousandths of the price a derivative of an earlier item earns. Default: 500."
        ),
    ] = None,
    draws_max: Annotated[
        int | None,
        typer.Option(help="How many rounds an item gets that stays undecided. Default: 3."),
    ] = None,
    copies: Annotated[
        list[str] | None,
        typer.Option(
            help="How near a copy is, MEDIUM:STRICT:LIKELY in per mille (picture:9:13); repeat."
            " `campaign calibrate` shows what that does to your own files."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Open a campaign. What it asks for is for ever; `campaign check` says before what it would be."""
    from coordinator.campaigns import read_draft
    from coordinator.operator import Operator

    given = {
        "id": campaign_id,
        "title": title,
        "guidelines": guidelines,
        "task": task,
        "labels": label,
        "spec": spec,
        "parts": part,
        "media_types": media_type,
        "item_bytes_max": item_bytes_max,
        "proposal": proposal,
        "licences": licence,
        "reviewers_per_item": reviewers,
        "privacy": privacy,
        "withdrawal": withdrawal,
        "automation": automation,
        "seal_items": seal_items,
        "seal_wait": seal_wait,
        "commit_window": commit_window,
        "reveal_window": reveal_window,
        "round_items": round_items,
        "derivative_permille": derivative_permille,
        "draws_max": draws_max,
        "copies": copies,
    }
    with Operator(Home.at(directory)) as operator:
        body = read_draft(operator.state.network, file, given).whole()
        receipt = operator.append("campaign", body)
    emit(
        {"id": body.id, "index": receipt.index},
        as_json,
        lambda: f"campaign {body.id} is open (log entry {receipt.index})",
    )


@campaign_app.command("pause")
@guarded
def campaign_pause(
    campaign: CampaignArgument, directory: HomeOption = None, as_json: JsonFlag = False
) -> None:
    """Take no submissions and begin no round; one that is under way ends."""
    _pause(directory, campaign, paused=True, as_json=as_json)


@campaign_app.command("resume")
@guarded
def campaign_resume(
    campaign: CampaignArgument, directory: HomeOption = None, as_json: JsonFlag = False
) -> None:
    """Go on with a campaign that was paused."""
    _pause(directory, campaign, paused=False, as_json=as_json)


def _pause(directory: Path | None, campaign: str, *, paused: bool, as_json: bool) -> None:
    from coordinator.life import pause_record
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        receipt = operator.append("pause", pause_record(operator.state, campaign, paused))
    emit(
        {"id": campaign, "paused": paused, "index": receipt.index},
        as_json,
        lambda: f"{campaign} {'is paused' if paused else 'goes on'} (log entry {receipt.index})",
    )


@campaign_app.command("list")
@guarded
def campaign_list(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """List the campaigns, where their rounds are, and how their items fare."""
    from commonhold.cli.coordinator_report import campaign_table
    from coordinator.operator import Operator
    from coordinator.overview import overview

    with Operator(Home.at(directory)) as operator:
        rows = overview(operator.state).campaigns
    emit({"campaigns": [asdict(row) for row in rows]}, as_json, lambda: campaign_table(rows))


@policy_app.command("set")
@guarded
def policy_set(
    *,
    directory: HomeOption = None,
    emission: Annotated[int | None, typer.Option(min=1, help="Shares minted per epoch.")] = None,
    contributors: Annotated[float | None, typer.Option(help="Their part of it, %.")] = None,
    reviewers: Annotated[float | None, typer.Option(help="Their part of it, %.")] = None,
    trainers: Annotated[
        float | None, typer.Option(help="Their part, %; the treasury has the rest.")
    ] = None,
    royalty: Annotated[
        float | None, typer.Option(help="Part of a licence's revenue that goes to its authors, %.")
    ] = None,
    accept: Annotated[float | None, typer.Option(help="Certainty that decides an item, %.")] = None,
    admission: AdmissionOption = None,
    operator_invitations: OperatorInvitationsOption = None,
    member_invitations: MemberInvitationsOption = None,
    invite_standing: InviteStandingOption = None,
    newcomer_items: NewcomerItemsOption = None,
    items_per_standing: ItemsPerStandingOption = None,
    bond: BondOption = None,
    silence_tosses: SilenceTossesOption = None,
    silence_slash: SilenceSlashOption = None,
    model_grace: ModelGraceOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Change what is given, from the next epoch on; the present one keeps the policy that it began with.

    Once a root is in force the holders of shares decide: a holder proposes it (`commonhold node propose
    policy`, with the same options), and `settle` logs what they decided.
    """
    from coordinator.deciding import NO_VOTE_YET, log_policy, require_vote
    from coordinator.operator import Operator
    from coordinator.policies import changed_policy, policy_data, read_terms
    from protocol.rules.network import holders_decide

    terms = read_terms(
        emission=emission,
        contributors=contributors,
        reviewers=reviewers,
        trainers=trainers,
        royalty=royalty,
        accept=accept,
        admission=admission,
        operator_invitations=operator_invitations,
        member_invitations=member_invitations,
        invite_standing=invite_standing,
        newcomer_items=newcomer_items,
        items_per_standing=items_per_standing,
        bond=bond,
        silence_tosses=silence_tosses,
        silence_slash=silence_slash,
        model_grace=model_grace,
    )
    with Operator(Home.at(directory)) as operator:
        state = operator.state
        policy = changed_policy(state, terms)
        require_vote(state, policy)
        epoch, voted = state.epoch, holders_decide(state)
        receipt = log_policy(operator, policy)
    if not voted:
        note(NO_VOTE_YET)
    data = {"from_epoch": epoch + 1, "policy": policy_data(policy), "voted": voted}
    emit(
        data | {"index": receipt.index},
        as_json,
        lambda: f"from epoch {epoch + 1} on (log entry {receipt.index})",
    )


@guarded
def upgrade(
    *,
    epoch: Annotated[
        int | None,
        typer.Option(min=1, max=2**32, help="The first that it governs; the next one."),
    ] = None,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Go over to the next version of the rules, at the end of an epoch.

    Every node needs software that knows that version by then. Once a root is in force the holders of shares
    decide first: `commonhold node propose rules`.
    """
    from coordinator.deciding import require_vote_on_rules
    from coordinator.operator import Operator
    from protos.gen import records_pb2 as pb

    with Operator(Home.at(directory)) as operator:
        state = operator.state
        first = state.epoch + 1 if epoch is None else epoch
        require_vote_on_rules(state, state.rules + 1)
        body = pb.Upgrade(
            network=state.network, version=state.rules + 1, epoch=first, serial=state.upgrades
        )
        receipt = operator.append("upgrade", body)
    emit(
        {"version": body.version, "epoch": first, "index": receipt.index},
        as_json,
        lambda: f"version {body.version} governs from epoch {first} on (log entry {receipt.index})",
    )

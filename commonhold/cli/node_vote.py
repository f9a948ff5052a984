"""The commands of `commonhold node` for holders of shares: `propose`, `proposals`, `vote`, `enact`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from commonhold.cli.options import (
    AdmissionOption,
    BondOption,
    DirOption,
    InviteStandingOption,
    ItemsPerStandingOption,
    MemberInvitationsOption,
    ModelGraceOption,
    NewcomerItemsOption,
    OperatorInvitationsOption,
    PassphraseOption,
    SilenceSlashOption,
    SilenceTossesOption,
)
from commonhold.cli.output import JsonFlag, guarded
from protocol.limits import ASSET_AMOUNT_MAX

propose_app = typer.Typer(
    no_args_is_help=True, help="Propose something that the holders of shares decide."
)

WhyOption = Annotated[str, typer.Option("--why", help="A line for those who are to vote.")]
IdArgument = Annotated[
    str, typer.Argument(help="First digits of the proposal's id, as `proposals` shows.")
]
SlashArgument = Annotated[
    int,
    typer.Argument(
        min=0, max=2**32, help="Its number, as `coordinator slash` and `node status` show."
    ),
]
WaitOption = Annotated[
    float, typer.Option("--wait", min=0, max=86_400, help="Seconds to wait for its time to come.")
]


class Choice(StrEnum):
    """A vote."""

    YES = "yes"
    NO = "no"
    ABSTAIN = "abstain"


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold node`."""
    app.add_typer(propose_app, name="propose")
    app.command()(proposals)
    app.command()(vote)
    app.command()(enact)


@propose_app.command()
@guarded
def policy(
    *,
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
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose another policy; what is not said stays as it is.

    An emission beyond what the contracts mint proposes to raise that, too.
    """
    from commonhold.cli import node_votes
    from coordinator.policies import read_terms

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
    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose_policy(terms, why, asked)


@propose_app.command()
@guarded
def rules(
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose to go over to the next version of the rules."""
    from commonhold.cli import node_votes

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose_rules(why, asked)


@propose_app.command()
@guarded
def cancel(
    epoch: Annotated[int, typer.Argument(min=1, max=2**32, help="Whose root waits on chain.")],
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose to undo a root that waits, and all behind it: the witnesses stand by it, and it is wrong."""
    from commonhold.cli import node_votes
    from contracts.governor import Act

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose(Act("settlement", "cancel", (epoch,)), why, asked)


@propose_app.command("list-asset")
@guarded
def list_asset(
    asset: Annotated[str, typer.Argument(help="Address of an ERC-20 token.")],
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose that the vault takes a token."""
    from commonhold.cli import node_votes

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose_asset("listAsset", asset, why, asked)


@propose_app.command("unlist-asset")
@guarded
def unlist_asset(
    asset: Annotated[str, typer.Argument(help="Address of an ERC-20 token.")],
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose that the vault takes a token no longer. What came in of it stays owed."""
    from commonhold.cli import node_votes

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose_asset("unlistAsset", asset, why, asked)


@propose_app.command()
@guarded
def veto(
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose to drop the witnesses who wait to take over."""
    from commonhold.cli import node_votes
    from contracts.governor import Act

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose(Act("witness_set", "veto"), why, asked)


@propose_app.command()
@guarded
def confirm(
    slash: SlashArgument,
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose to take a bond in spite of the appeal against it."""
    from commonhold.cli import node_votes
    from contracts.governor import Act

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose(Act("stake", "confirm", (slash,)), why, asked)


@propose_app.command()
@guarded
def overturn(
    slash: SlashArgument,
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose to drop a slash, appealed against or not."""
    from commonhold.cli import node_votes
    from contracts.governor import Act

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose(Act("stake", "overturn", (slash,)), why, asked)


@propose_app.command("witness-bond")
@guarded
def witness_bond(
    wei: Annotated[
        int, typer.Argument(min=1, max=ASSET_AMOUNT_MAX, help="The least, in the smallest unit.")
    ],
    why: WhyOption = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose another least bond of a witness who can freeze a wrong root."""
    from commonhold.cli import node_votes
    from contracts.governor import Act

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.propose(Act("stake", "setMinimum", (wei,)), why, asked)


@guarded
def proposals(
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List what was proposed: what it does, how the votes stand, and until when."""
    from commonhold.cli import node_votes

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.proposals(asked)


@guarded
def vote(
    proposal: IdArgument,
    choice: Annotated[Choice, typer.Argument(help="Your vote.")],
    *,
    wait: WaitOption = 0,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Vote with your shares, once on each proposal.

    Shares vote where they were delegated before the vote began. Where yours are delegated to nobody,
    this delegates them to you first, for this vote if it has not begun, and for all that follow.
    """
    from commonhold.cli import node_votes

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.vote(proposal, choice.value, wait, asked)


@guarded
def enact(
    proposal: IdArgument,
    *,
    wait: WaitOption = 0,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Carry out what was decided: hand it to the timelock, and do it once that has waited. Anybody may."""
    from commonhold.cli import node_votes

    asked = node_votes.Asked(directory, passphrase_path, as_json)
    node_votes.enact(proposal, wait, asked)

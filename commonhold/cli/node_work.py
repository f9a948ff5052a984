"""The commands of `commonhold node` that do its work: `start`, `review`, `page`, `withdraw`, `contest` …"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from commonhold.cli import node_money
from commonhold.cli.background import BackgroundOption, detach
from commonhold.cli.node_contesting import contest
from commonhold.cli.options import (
    DirOption,
    ListenOption,
    PassphraseOption,
    ReviewCampaignsOption,
    ReviewersOption,
    ReviewKindsOption,
)
from commonhold.cli.output import JsonFlag, emit, guarded, start_logging
from protocol.errors import ConfigError

review_app = typer.Typer(help="Answer the items that you were drawn to review.")


class LogLevel(StrEnum):
    """How much a daemon says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RefusalReason(StrEnum):
    """As in node/reviewers, which takes long to import; a test compares them."""

    UNSURE = "unsure"
    UNREADABLE = "unreadable"
    OFF_TOPIC = "off-topic"
    PERSONAL = "personal"
    HARMFUL = "harmful"


class CopyRelation(StrEnum):
    """As in node/reviewers, likewise."""

    COPY = "copy"
    DERIVATIVE = "derivative"
    INDEPENDENT = "independent"
    UNSURE = "unsure"


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold node`."""
    app.command()(start)
    app.add_typer(review_app, name="review")
    node_money.register(app)
    app.command()(page)
    app.command()(withdraw)
    app.command()(contest)
    app.command()(assent)
    app.command()(move)


# ---- start ----


@guarded
def start(
    context: typer.Context,
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    link: Annotated[
        str,
        typer.Option(
            help="Join this network first, if there is no node here yet; - reads the link from input."
        ),
    ] = "",
    listen: ListenOption = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets name and addresses, as JSON, when ready.")
    ] = None,
    campaign: ReviewCampaignsOption = None,
    kind: ReviewKindsOption = None,
    reviewer: ReviewersOption = None,
    auto_claim: Annotated[
        bool, typer.Option("--auto-claim", help="Claim on chain whatever is settled.")
    ] = False,
    log_level: Annotated[LogLevel, typer.Option(help="How much to say.")] = LogLevel.INFO,
    background: BackgroundOption = False,
) -> None:
    """Run the node: serve your items to reviewers, review, watch the log. Until interrupted.

    With --link this is all that a newcomer needs: `node init` with ordinary settings, and then the node runs.
    What is said here of campaigns, kinds, reviewers and where to listen counts for this run, in the place of
    what node.toml says.
    """
    import asyncio
    import logging
    from dataclasses import replace

    from commonhold.cli import node_setup
    from commonhold.cli.node_home import open_home, open_keys
    from commonhold.cli.node_page import spending_of
    from commonhold.cli.node_people import read_link
    from node.config import DEFAULT_LISTEN, read_reviewers
    from node.daemon import Daemon, Options, run_until_signal

    if link:
        node_setup.join_first(read_link(link), directory, passphrase_path, listen or DEFAULT_LISTEN)
    home, config = open_home(directory)
    config = replace(
        config,
        listen=tuple(listen or config.listen),
        review_campaigns=tuple(campaign or config.review_campaigns),
        review_kinds=tuple(kind or config.review_kinds),
        reviewers=read_reviewers(reviewer) if reviewer else config.reviewers,
    )
    if auto_claim and not config.rpc_url:
        raise ConfigError("--auto-claim needs a chain", "set rpc_url in node.toml to an endpoint")
    if background:
        detach(context, home.log, done={"link"})
        return
    keys = open_keys(home, passphrase_path)
    start_logging(
        log_level.value.upper(), "%(asctime)s level=%(levelname)s part=%(name)s %(message)s"
    )
    for library in ("libp2p", "trio", "asyncio", "web3", "urllib3", "multiaddr"):
        logging.getLogger(library).setLevel(logging.ERROR)  # their chatter is no news of this node
    options = Options(auto_claim, ready_file, spending_of(home))
    asyncio.run(run_until_signal(Daemon(home, config, keys, options)))


# ---- review ----


@review_app.command(name="list")
@guarded
def list_tasks(directory: DirOption = None, as_json: JsonFlag = False) -> None:
    """List the items that you may still answer, in all campaigns."""
    from commonhold.cli import node_desk

    node_desk.list_tasks(directory, as_json)


@review_app.command()
@guarded
def answer(
    item: Annotated[str, typer.Argument(help="First digits of the item's id, as `list` shows.")],
    words: Annotated[
        str, typer.Argument(help="The answer, or the number of a choice, as `show` prints them.")
    ],
    *,
    relation: Annotated[
        CopyRelation | None,
        typer.Option(help="What it is to the earlier item that it resembles, where it does."),
    ] = None,
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer one item; until the commit you may change it."""
    from commonhold.cli import node_desk

    node_desk.answer(item, words, relation and relation.value, directory, as_json)


@review_app.command()
@guarded
def refuse(
    item: Annotated[str, typer.Argument(help="First digits of the item's id, as `list` shows.")],
    reason: Annotated[RefusalReason, typer.Argument(help="Why you give no answer.")],
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Give no answer, and say why. To be unsure costs nothing; a guess does."""
    from commonhold.cli import node_desk

    node_desk.refuse(item, reason.value, directory, as_json)


@review_app.command()
@guarded
def show(
    item: Annotated[str, typer.Argument(help="First digits of the item's id, as `list` shows.")],
    directory: DirOption = None,
) -> None:
    """Show an item, what is asked of it, and what you may answer."""
    from commonhold.cli import node_desk

    node_desk.show(item, directory)


@review_app.callback(invoke_without_command=True)
@guarded
def review(
    context: typer.Context,
    *,
    web: Annotated[
        bool, typer.Option("--web", help="In a browser on this machine, until interrupted.")
    ] = False,
    phone: Annotated[
        bool,
        typer.Option(
            "--phone", help="With --web: also on one phone in the local network, by a code."
        ),
    ] = False,
    address: Annotated[
        str,
        typer.Option(
            help="With --phone: this machine's address or name there. Default: found out."
        ),
    ] = "",
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65_535, help="With --web: the port. Default: as last time, or a free one."
        ),
    ] = 0,
    start_node: Annotated[
        bool,
        typer.Option(
            "--start-node",
            help="With --web: run your node, too, where it does not run; it ends with the page.",
        ),
    ] = False,
    link: Annotated[
        str,
        typer.Option(
            help="With --web: join this network first, if there is no node here yet; - reads the link"
            " from input."
        ),
    ] = "",
    ready_file: Annotated[
        Path | None,
        typer.Option(help="With --web: file that gets the page's address, as JSON, when ready."),
    ] = None,
    background: BackgroundOption = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
) -> None:
    """Go through the items one by one: in this terminal, or with --web in a browser.

    The browser's page keeps every answer at once, and seals none before you confirm it. Its address is all
    that it takes to open it, until the next start: treat it like a password. With --link and --start-node
    that is all that somebody needs who only wants to review.
    """
    if context.invoked_subcommand is not None:
        # The directory may stand before the command, too.
        context.default_map = {context.invoked_subcommand: {"directory": directory}}
        return
    if not web and (phone or address or port or start_node or link or ready_file or background):
        raise ConfigError("that is of the page in a browser", "say --web as well")
    if web:
        from commonhold.cli import node_review_page, node_setup
        from commonhold.cli.node_home import open_home
        from commonhold.cli.node_people import read_link

        if link:
            node_setup.join_first(read_link(link), directory, passphrase_path)
        if background:
            detach(context, open_home(directory)[0].review_log, done={"link"})
            return
        options = node_review_page.Options(phone, address, port, ready_file)
        node_review_page.serve(directory, options, start_node, passphrase_path)
        return
    from commonhold.cli import node_desk

    node_desk.review(directory)


# ---- page, withdraw ----


@guarded
def page(directory: DirOption = None, as_json: JsonFlag = False) -> None:
    """Print the address of your own page: what you gave, what you earned, and why.

    The running node serves it to this machine alone. The address is all that it takes to open the page
    until the node stops: treat it like a password.
    """
    from commonhold.cli.node_page import address

    url = address(directory)
    emit({"page": url}, as_json, lambda: url)


@guarded
def withdraw(
    items: Annotated[
        list[str] | None,
        typer.Argument(help="Item ids, or as many first digits as tell them apart."),
    ] = None,
    *,
    all_of: Annotated[
        str, typer.Option(help="Withdraw all that you submitted to this campaign.")
    ] = "",
    part: Annotated[
        str,
        typer.Option(
            help="Withdraw only this part of each; one that their campaign does not require."
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take back your consent: the content, the salts and the description of an item are erased.

    By you, by the coordinator, by every honest node. The log keeps the item's id, which says nothing any
    more, and what was decided about it. Your own files elsewhere on this machine are not touched. Copies
    that others made outside the network cannot be recalled. Without an answer from the coordinator the
    withdrawal is kept and sent later, and nothing is erased before the log has it.

    With --part only that part of each item goes; the item stays what it is, with the shares that it earned.
    """
    from commonhold.cli import node_withdraw

    node_withdraw.withdraw(
        items or [],
        all_of=all_of,
        part=part,
        yes=yes,
        directory=directory,
        passphrase_path=passphrase_path,
        as_json=as_json,
    )


@guarded
def assent(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """As a witness, agree to the witnesses that are proposed to follow. It shows them, and asks.

    Whoever tosses the coin decides with the others, and cannot foresee, what reviewers are drawn; assent to
    people who do not act together. Dealing and tossing, a running node does by itself.
    """
    from commonhold.cli import node_assent

    node_assent.assent(
        yes=yes, directory=directory, passphrase_path=passphrase_path, as_json=as_json
    )


@guarded
def move(
    *,
    rpc_url: Annotated[
        str,
        typer.Option(
            help="JSON-RPC endpoint of the chain to go to. Default: rpc_url, on the same chain."
        ),
    ] = "",
    agree: Annotated[bool, typer.Option("--agree", help="Say yes, as a witness on chain.")] = False,
    leave_behind: Annotated[
        bool, typer.Option("--leave-behind", help="Agree to leave money in the old vault.")
    ] = False,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show where the network is asked to move, and look at the contracts there; as a witness, agree.

    More than two thirds of the witnesses on chain move the network to other contracts, on its chain or
    another. Shares go along. What is in force where it settles now stays to be claimed there; the rest of
    what came in stays behind. Your node agrees to nothing by itself.
    """
    from commonhold.cli import node_move

    node_move.move(
        rpc_url,
        agree=agree,
        leave_behind=leave_behind,
        directory=directory,
        passphrase_path=passphrase_path,
        as_json=as_json,
    )

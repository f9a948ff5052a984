"""`commonhold coordinator`: found a network, serve it, close its epochs, settle."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from commonground.counting import plural
from commonground.escaping import in_shell
from commonhold.cli import (
    coordinator_backup,
    coordinator_campaign,
    coordinator_data,
    coordinator_desk,
    coordinator_keys,
    coordinator_life,
    coordinator_move,
    coordinator_people,
    coordinator_slash,
    coordinator_witnesses,
)
from commonhold.cli.background import BackgroundOption, detach
from commonhold.cli.coordinator_people import configured_link
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
from commonhold.cli.output import JsonFlag, emit, guarded, note, progress, say, start_logging
from coordinator.config import Config, Home, default_listen
from protocol.errors import ConfigError, StoreError
from protocol.limits import ASSET_AMOUNT_MAX

CHAIN_KEY_BYTES: Final = 32

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Operate a network: found it, open campaigns, close epochs, settle.",
)
gold_app = typer.Typer(no_args_is_help=True, help="Items whose answer you know, to test reviewers.")
epoch_app = typer.Typer(no_args_is_help=True, help="The rhythm of reward.")
revenue_app = typer.Typer(no_args_is_help=True, help="Money that comes in for the network.")
coordinator_campaign.register(app)
coordinator_life.register(app)
app.add_typer(gold_app, name="gold")
app.add_typer(epoch_app, name="epoch")
app.add_typer(revenue_app, name="revenue")
coordinator_backup.register(app)
coordinator_data.register(app)
coordinator_desk.register(app)
coordinator_keys.register(app)
coordinator_people.register(app)
coordinator_witnesses.register(app)
coordinator_slash.register(app)
coordinator_move.register(app)

TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds to wait; what has begun goes on after.")
]


@app.command()
@guarded
def init(
    *,
    name: Annotated[str, typer.Option(help="What the network is called; part of its link.")],
    directory: HomeOption = None,
    host: Annotated[str, typer.Option(help="Name or address where nodes find you.")] = "localhost",
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes any free one.")] = 7600,
    http_port: Annotated[int, typer.Option(help="Port of the dashboard and the log.")] = 7680,
    http_url: Annotated[str, typer.Option(help="Public URL of that port, behind a proxy.")] = "",
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the chain to settle on.")
    ] = "http://127.0.0.1:8545",
    chain_key_file: Annotated[
        Path | None, typer.Option(help="File with the hexadecimal key of a funded account.")
    ] = None,
    emission: Annotated[int, typer.Option(min=1, help="Shares minted per epoch.")] = 1_000,
    contributors: Annotated[float, typer.Option(help="Their part of the emission, %.")] = 60,
    reviewers: Annotated[float, typer.Option(help="Their part of the emission, %.")] = 25,
    trainers: Annotated[float, typer.Option(help="Their part; the treasury has the rest.")] = 10,
    royalty: Annotated[
        float, typer.Option(help="Part of a licence's revenue that goes to its authors, %.")
    ] = 50,
    accept: Annotated[float, typer.Option(help="Certainty that decides an item, %.")] = 90,
    tokens: Annotated[
        list[str] | None,
        typer.Option("--token", help="ERC-20 that the vault takes from the start; repeat it."),
    ] = None,
    tryout: Annotated[
        bool, typer.Option("--tryout", help="Settle within seconds: for a chain of your own only.")
    ] = False,
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
    """Found a network: keys, settings, and the first entry of its log.

    The policy is written into the log; `policy set` changes it at the end of an epoch.
    """
    from coordinator.founding import DEFAULT_POLICY, found
    from coordinator.policies import OPEN_WARNING, policy_data, read_terms, require_whole
    from coordinator.terms import Terms
    from coordinator.terms import tryout as tryout_terms
    from protos.gen import records_pb2 as pb

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
    policy = pb.Policy(**(policy_data(DEFAULT_POLICY) | terms))
    require_whole(policy)
    config = Config(
        name=name,
        host=host,
        listen=default_listen(host),
        grpc_port=port,
        http_port=http_port,
        http_url=http_url,
        rpc_url=rpc_url,
        settlement=(tryout_terms if tryout else Terms)(tokens=list(tokens or ())),
    )
    home = Home.at(directory)
    keys = found(home, config, policy, _read_chain_key(chain_key_file))
    link = configured_link(home)
    if policy.admission == pb.ADMISSION_OPEN:
        note(OPEN_WARNING)
    emit(
        {
            "dir": str(home.path),
            "link": link,
            "network": keys.network,
            "account": f"0x{keys.account.hex()}",
        },
        as_json,
        lambda: [
            f"{name} is founded in {home.path}. Back up its *.key files.",
            "root.key is who you are, and no work needs it: move it to a safe place offline.",
            f"your account on chain, which pays for settling: 0x{keys.account.hex()}",
            f"next: commonhold coordinator serve --dir {in_shell(home.path)}",
            f"link: {link or 'printed by serve, since a port is chosen then'}",
        ],
    )


@app.command()
@guarded
def serve(
    context: typer.Context,
    *,
    directory: HomeOption = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets ports and link, as JSON, when ready.")
    ] = None,
    close_every: Annotated[
        str | None,
        typer.Option(help="Close an epoch so often (24h). Default: by `epoch close` only."),
    ] = None,
    background: BackgroundOption = False,
    verbose: Annotated[bool, typer.Option(help="Log what the server does.")] = False,
) -> None:
    """Run the coordinator until interrupted. Rounds run by themselves. One line says that it is ready."""
    import asyncio

    from commonground.durations import parse_duration
    from coordinator.server import Address
    from coordinator.server import serve as run

    if close_every:
        parse_duration(close_every, "--close-every")
    home = Home.at(directory)
    home.load()
    if background:
        detach(context, home.log_path)
        return
    level = logging.INFO if verbose else logging.WARNING
    start_logging(level, "%(asctime)s %(levelname)s %(name)s: %(message)s")

    def ready(address: Address) -> None:
        say(f"ready: API on port {address.grpc_port}, dashboard on port {address.http_port}")

    asyncio.run(run(home, ready_file, ready, close_every))


@app.command()
@guarded
def status(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """Show the link, the counts, and where each campaign is; works while the server is down, too."""
    from commonhold.cli.coordinator_report import status_report
    from coordinator.operator import Operator
    from coordinator.overview import overview

    home = Home.at(directory)
    with Operator(home) as operator:
        view = overview(operator.state, operator.tally)
        missing = operator.missing()
        running = home.server_path.exists()
        link = operator.link if running else configured_link(home)
    emit(
        {**asdict(view), "link": link, "running": running, "missing": missing},
        as_json,
        lambda: status_report(view, link, missing, running=running),
    )


@app.command()
@guarded
def settle(
    directory: HomeOption = None,
    timeout: TimeoutOption = 600,
    as_json: JsonFlag = False,
) -> None:
    """Settle the closed epochs on chain. Run it again after any failure, and while something waits: no step
    is done twice.

    Without contracts it deploys them first, with the delays of [settlement] in coordinator.toml, which
    nobody can change afterwards.
    """
    from commonhold.cli.coordinator_report import settled_report
    from coordinator.operator import Operator
    from coordinator.settle import open_chain
    from coordinator.settle import settle as run

    with Operator(Home.at(directory)) as operator:
        settled = run(operator, open_chain(operator, say), say, timeout)
        closed = operator.state.closed_epoch
    emit(
        {"settled": asdict(settled), "closed_epoch": closed},
        as_json,
        lambda: settled_report(settled, closed),
    )


@app.command()
@guarded
def fsck(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """Derive everything again from the ledger: hashes, batches, signatures, every rule, the root.

    It also has to hold all that was ever shown to others; see `restore`.
    """
    from coordinator.heads import RESTORE_ADVICE, KeptHead, missing_entries
    from coordinator.keys import load_keys
    from coordinator.ledger import Ledger
    from coordinator.recovery import fsck as check

    home = Home.at(directory)
    config = home.load()
    verifier = load_keys(home).log_verifier
    with Ledger.open(home.ledger_url(config), readonly=True) as ledger, progress(as_json) as bar:
        task = bar.add_task("checking entries", total=ledger.size)
        report = check(ledger, verifier, lambda at, _: bar.update(task, completed=at))
        if lost := missing_entries(KeptHead(home.head_path), ledger, verifier):
            raise StoreError(lost, RESTORE_ADVICE)
    emit(
        asdict(report),
        as_json,
        lambda: (
            f"{plural(report.entries, 'entry', 'entries')} and"
            f" {plural(report.leaves, 'leaf', 'leaves')} hold,"
            f" {report.erased:,} of them "
            f"erased; root {report.root.hex()}"
        ),
    )


@gold_app.command("import")
@guarded
def gold_import(
    file: Annotated[Path, typer.Argument(help="Table with the columns item_id and answer.")],
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what the answers of some waiting items are, in words.

    The coordinator keeps them sealed. The log gets salted hashes when an item's round begins; the
    round's verdict opens them.
    """
    from coordinator.gold import keep_those_waiting, read_answers
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        answers = read_answers(file, operator.state)
        kept = keep_those_waiting(operator, answers)
    late = len(answers) - kept
    emit(
        {"answers": kept, "late": late},
        as_json,
        lambda: (
            f"{plural(kept, 'answer is', 'answers are')} kept"
            + (f"; {late:,} came too late: what they are of waits no more" if late else "")
        ),
    )


@epoch_app.command("close")
@guarded
def epoch_close(
    epoch: Annotated[
        int | None,
        typer.Option(min=1, max=2**32, help="Which one; the present one if it is not said."),
    ] = None,
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """End the epoch: pay for what was decided since the last one, and say what waits and why.

    It waits for no round; what is under review is paid by a later close. With --epoch it may be repeated:
    an epoch is closed once, and shown again.
    """
    from commonhold.cli.coordinator_report import close_report, line_data, waiting_data
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        number = operator.state.epoch if epoch is None else epoch
        operator.close_epoch(number)
        closed, lines = operator.tally.close_of(number), operator.reward_lines(number)
    emit(
        {
            "epoch": number,
            "index": closed.index,
            "lines": [line_data(line) for line in lines],
            "waiting": waiting_data(closed),
        },
        as_json,
        lambda: close_report(closed, lines),
    )


@revenue_app.command("deposit")
@guarded
def revenue_deposit(
    amount: Annotated[
        int, typer.Argument(min=1, max=ASSET_AMOUNT_MAX, help="In the asset's smallest unit (wei).")
    ],
    asset: Annotated[str, typer.Option(help="eth, or a token's 0x address.")] = "eth",
    memo: Annotated[str, typer.Option(help="A reference, at most 32 bytes.")] = "",
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Pay revenue in from the operator's own account, and log it."""
    from coordinator.licences import parse_asset
    from coordinator.operator import Operator
    from coordinator.settle import deposit_revenue, open_chain

    address = parse_asset(asset)
    with Operator(Home.at(directory)) as operator:
        chain = open_chain(operator, say)
        tx_hash = deposit_revenue(operator, chain, address, amount, memo.encode(), report=say)
    emit({"tx_hash": tx_hash}, as_json, lambda: f"paid in, transaction 0x{tx_hash.hex()}")


@revenue_app.command("import")
@guarded
def revenue_import(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """Log what the chain says, above all what others paid into the vault; do it before the epoch closes that
    shares it."""
    from coordinator.operator import Operator
    from coordinator.reading import read_chain
    from coordinator.settle import open_chain
    from protocol.rules.chain import next_block

    with Operator(Home.at(directory)) as operator:
        read = read_chain(operator, open_chain(operator, say), say)
        block = next_block(operator.state) - 1
    emit(
        {"imported": read.deposits, "bonds": read.bonds, "block": block},
        as_json,
        lambda: (
            f"the log has read the chain up to block {block:,}: {plural(read.deposits, 'new deposit')},"
            f" {plural(read.bonds, 'new bond')}"
        ),
    )


def _read_chain_key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        secret = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "name a file with --chain-key-file"
        ) from error
    except ValueError:
        secret = b""
    if len(secret) != CHAIN_KEY_BYTES:
        raise ConfigError(
            f"{path} does not hold the key of an account",
            f"write it there as {2 * CHAIN_KEY_BYTES} hexadecimal digits; `commonhold chain dev` prints some",
        )
    return secret

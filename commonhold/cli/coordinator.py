"""`commonhold coordinator`: found a network, serve it, and lead it through its epochs."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from commonhold.cli import coordinator_data
from commonhold.cli.options import HomeOption
from commonhold.cli.output import JsonFlag, emit, err, guarded, micro, progress, table
from coordinator.config import Config, Deadlines, Home, default_listen
from protocol.errors import ConfigError, Ignore, StateError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Operate a network: found it, open campaigns, close epochs, settle.",
)
campaign_app = typer.Typer(no_args_is_help=True, help="What the network asks contributors for.")
gold_app = typer.Typer(no_args_is_help=True, help="Items whose answer you know, to test reviewers.")
epoch_app = typer.Typer(no_args_is_help=True, help="The rhythm of review and reward.")
revenue_app = typer.Typer(no_args_is_help=True, help="Money that comes in for the network.")
app.add_typer(campaign_app, name="campaign")
app.add_typer(gold_app, name="gold")
app.add_typer(epoch_app, name="epoch")
app.add_typer(revenue_app, name="revenue")
coordinator_data.register(app)

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
    rounds: Annotated[int, typer.Option(help="Draws that an undecided item gets.")] = 3,
    quorum: Annotated[int, typer.Option(min=1, help="Witnesses that a settlement needs.")] = 1,
    beacon_seconds: Annotated[int, typer.Option(help="Wait for reviewers who stand by.")] = 600,
    commit_seconds: Annotated[int, typer.Option(help="Wait for their answers.")] = 86_400,
    reveal_seconds: Annotated[int, typer.Option(help="Wait for their openings.")] = 3_600,
    as_json: JsonFlag = False,
) -> None:
    """Found a network: keys, settings, and the first entry of its log.

    The policy is written into the log and cannot be changed later.
    """
    from coordinator.founding import DEFAULT_POLICY, found
    from protos.gen import records_pb2 as pb

    policy = pb.Policy()
    policy.CopyFrom(DEFAULT_POLICY)
    policy.epoch_emission_micro = emission * 1_000_000
    policy.contributors_ppm, policy.reviewers_ppm = _ppm(contributors), _ppm(reviewers)
    policy.trainers_ppm, policy.accept_ppm = _ppm(trainers), _ppm(accept)
    policy.royalty_ppm = _ppm(royalty)
    policy.rounds_max, policy.witness_quorum = rounds, quorum
    config = Config(
        name=name,
        host=host,
        listen=default_listen(host),
        grpc_port=port,
        http_port=http_port,
        http_url=http_url,
        rpc_url=rpc_url,
        deadlines=Deadlines(beacon_seconds, commit_seconds, reveal_seconds),
    )
    home = Home.at(directory)
    keys = found(home, config, policy, _read_chain_key(chain_key_file))
    link = _configured_link(home)
    emit(
        {"dir": str(home.path), "link": link, "network": keys.network},
        as_json,
        lambda: (
            f"{name} is founded in {home.path}. Back up its *.key files.\n"
            f"next: commonhold coordinator serve --dir {home.path}\n"
            f"link: {link or 'printed by serve, since a port is chosen then'}"
        ),
    )


@app.command()
@guarded
def serve(
    directory: HomeOption = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets ports and link, as JSON, when ready.")
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Log what the server does.")] = False,
) -> None:
    """Run the coordinator until interrupted. One line says that it is ready."""
    import asyncio

    from coordinator.server import Address
    from coordinator.server import serve as run

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    def ready(address: Address) -> None:
        err.print(f"ready: API on port {address.grpc_port}, dashboard on port {address.http_port}")

    asyncio.run(run(Home.at(directory), ready_file, ready))


@app.command()
@guarded
def status(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """Show the link, the epoch and the counts; works while the server is down, too."""
    from coordinator.operator import Operator
    from coordinator.overview import overview

    home = Home.at(directory)
    with Operator(home) as operator:
        view = overview(operator.state)
        running = home.server_path.exists()
        link = operator.link if running else _configured_link(home)
    counts: list[list[object]] = [
        ["epoch", f"{view.epoch}, {view.phase}, round {view.round}"],
        ["log entries", f"{view.entries:,}"],
        ["members", f"{view.members:,} ({view.standing_by:,} stand by)"],
        ["items", f"{view.items:,} ({view.pending:,} wait, {view.accepted:,} accepted)"],
        ["shares minted", micro(view.minted_micro)],
        ["settled epoch", view.settled_epoch or "none"],
        ["server", "running" if running else "not running"],
    ]
    emit(
        {**asdict(view), "link": link, "running": running},
        as_json,
        lambda: Group(table(view.name, ["", ""], counts), f"link: {link}"),
    )


@app.command()
@guarded
def settle(
    directory: HomeOption = None,
    timeout: TimeoutOption = 600,
    as_json: JsonFlag = False,
) -> None:
    """Settle the last closed epoch on chain. Run it again after any failure: no step is done twice."""
    from coordinator.operator import Operator
    from coordinator.settle import open_chain
    from coordinator.settle import settle as run

    with Operator(Home.at(directory)) as operator:
        settled = run(operator, open_chain(operator), err.print, timeout)
    emit(
        {"settled": asdict(settled) if settled else None},
        as_json,
        lambda: (
            f"epoch {settled.epoch} is settled in block {settled.block}; its members may claim"
            if settled
            else "nothing to settle"
        ),
    )


@app.command()
@guarded
def fsck(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """Derive everything again from the ledger: hashes, batches, signatures, every rule, the root."""
    from coordinator.keys import load_keys
    from coordinator.ledger import Ledger
    from coordinator.recovery import fsck as check

    home = Home.at(directory)
    config = home.load()
    verifier = load_keys(home, config).log_verifier
    with Ledger.open(home.ledger_url(config), readonly=True) as ledger, progress(as_json) as bar:
        task = bar.add_task("checking entries", total=ledger.size)
        report = check(ledger, verifier, lambda at, _: bar.update(task, completed=at))
    emit(
        asdict(report),
        as_json,
        lambda: (
            f"{report.entries:,} entries and {report.leaves:,} leaves hold, {report.erased:,} of them "
            f"erased; root {report.root.hex()}"
        ),
    )


@campaign_app.command("create")
@guarded
def campaign_create(
    *,
    file: Annotated[
        Path | None, typer.Argument(help="TOML file with the fields below; options win.")
    ] = None,
    directory: HomeOption = None,
    campaign_id: Annotated[
        str | None, typer.Option("--id", help="Short name: a-z, 0-9, -.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="One line for people.")] = None,
    guidelines: Annotated[str | None, typer.Option(help="What to submit and how to judge.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="A possible answer; repeat.")] = None,
    licence: Annotated[list[str] | None, typer.Option(help="SPDX id taken; repeat.")] = None,
    media_type: Annotated[list[str] | None, typer.Option(help="MIME type taken; repeat.")] = None,
    reviewers: Annotated[int | None, typer.Option(help="Reviewers per item.")] = None,
    item_bytes_max: Annotated[int | None, typer.Option(help="Largest item, in bytes.")] = None,
    privacy: Annotated[str | None, typer.Option(help="open or reviewers.")] = None,
    withdrawal: Annotated[
        str | None, typer.Option(help="Shares earned with items withdrawn later: repays or keeps.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Open a campaign. It says once and for all what it asks for."""
    from coordinator.campaigns import build_campaign
    from coordinator.operator import Operator

    given = {
        "id": campaign_id,
        "title": title,
        "guidelines": guidelines,
        "labels": label,
        "licences": licence,
        "media_types": media_type,
        "reviewers_per_item": reviewers,
        "item_bytes_max": item_bytes_max,
        "privacy": privacy,
        "withdrawal": withdrawal,
    }
    with Operator(Home.at(directory)) as operator:
        body = build_campaign(operator.state.network, file, given)
        receipt = operator.append("campaign", body)
    emit(
        {"id": body.id, "index": receipt.index},
        as_json,
        lambda: f"campaign {body.id} is open (log entry {receipt.index})",
    )


@campaign_app.command("list")
@guarded
def campaign_list(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """List the campaigns and how their items fare."""
    from coordinator.operator import Operator
    from coordinator.overview import overview

    with Operator(Home.at(directory)) as operator:
        rows = overview(operator.state).campaigns
    columns = ["id", "title", "labels", "licences", "submitted", "accepted", "rejected"]
    emit(
        {"campaigns": [asdict(row) for row in rows]},
        as_json,
        lambda: table("Campaigns", columns, [list(asdict(row).values()) for row in rows]),
    )


@gold_app.command("import")
@guarded
def gold_import(
    file: Annotated[Path, typer.Argument(help="CSV with the columns item_id,label.")],
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Commit to known answers of submitted items, before the epoch's first draw.

    The log gets salted hashes only; the answers are opened by the verdict.
    """
    from coordinator.gold import commit_gold, read_answers
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        answers = read_answers(file, operator.state)
        index = commit_gold(operator, answers)
    emit(
        {"answers": len(answers), "index": index},
        as_json,
        lambda: f"committed to {len(answers)} answers (log entry {index})",
    )


@epoch_app.command("close")
@guarded
def epoch_close(
    directory: HomeOption = None,
    timeout: TimeoutOption = 86_400,
    as_json: JsonFlag = False,
) -> None:
    """End the epoch: review what is pending, decide, and reward. Prints the reward lines.

    Interrupting it stops only the watching; the server goes on, and running it again watches on.
    """
    from commonhold.cli.coordinator_report import line_data, line_table
    from coordinator.operator import Operator

    with Operator(Home.at(directory)) as operator:
        epoch = operator.state.epoch.number
        try:
            operator.close_epoch(epoch)
        except Ignore:
            operator.refresh()  # asked for before: watch on
        _watch_close(operator.updates(timeout), epoch, quiet=as_json)
        lines = operator.reward_lines(epoch)
    emit(
        {"epoch": epoch, "lines": [line_data(line) for line in lines]},
        as_json,
        lambda: line_table(epoch, lines),
    )


@revenue_app.command("deposit")
@guarded
def revenue_deposit(
    amount: Annotated[int, typer.Argument(min=1, help="In the asset's smallest unit (wei).")],
    asset: Annotated[str, typer.Option(help="Token address; ether by default.")] = "0x" + "00" * 20,
    memo: Annotated[str, typer.Option(help="A reference, at most 32 bytes.")] = "",
    directory: HomeOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Pay revenue in from the operator's own account, and log it."""
    from coordinator.operator import Operator
    from coordinator.settle import deposit_revenue, open_chain

    try:
        address = bytes.fromhex(asset.removeprefix("0x"))
    except ValueError:
        raise ConfigError(f"{asset!r} is not an address") from None
    with Operator(Home.at(directory)) as operator:
        chain = open_chain(operator)
        tx_hash = deposit_revenue(operator, chain, address, amount, memo.encode(), report=err.print)
    emit({"tx_hash": tx_hash}, as_json, lambda: f"paid in, transaction 0x{tx_hash.hex()}")


@revenue_app.command("import")
@guarded
def revenue_import(directory: HomeOption = None, as_json: JsonFlag = False) -> None:
    """Log the deposits that others paid into the contract; do it before the epoch closes that shares them."""
    from coordinator.operator import Operator
    from coordinator.settle import import_revenue, open_chain

    with Operator(Home.at(directory)) as operator:
        imported = import_revenue(operator, open_chain(operator), err.print)
    emit({"imported": imported}, as_json, lambda: f"{imported} new deposits are in the log")


def _watch_close(updates: Any, epoch: int, *, quiet: bool) -> None:
    from commonhold.cli.coordinator_report import phase_progress

    with progress(quiet) as bar:
        task = bar.add_task("", total=None)
        for state in updates:
            if state.closed_epoch >= epoch:
                return
            done, total, what = phase_progress(state)
            bar.update(task, description=what, completed=done, total=total)
    raise StateError(
        f"epoch {epoch} is still under review",
        "run `commonhold coordinator epoch close` again to watch on",
    )


def _ppm(percent: float) -> int:
    return round(percent * 10_000)


def _read_chain_key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        secret = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    except (OSError, ValueError):
        raise ConfigError(f"{path} does not hold a hexadecimal key") from None
    if len(secret) != 32:
        raise ConfigError(f"the key in {path} does not have 32 bytes")
    return secret


def _configured_link(home: Home) -> str:
    """The link of the settings; empty while a port is left to chance."""
    from coordinator.keys import load_keys
    from coordinator.server import network_link

    config = home.load()
    if not (config.grpc_port and config.http_port):
        return ""
    return str(network_link(config, load_keys(home, config), config.grpc_port, config.http_port))

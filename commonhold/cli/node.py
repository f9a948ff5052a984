"""`commonhold node`: what a contributor types. The daemon's commands are in node_work.py."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group

from commonhold.cli import node_page, node_report, node_withdraw, node_work
from commonhold.cli.node_home import (
    DirOption,
    PassphraseOption,
    ask_passphrase,
    is_running,
    open_home,
    open_keys,
    open_store,
)
from commonhold.cli.node_sending import catch_up, deliver
from commonhold.cli.output import JsonFlag, emit, err, guarded, out, progress
from node.blobs import BlobStore
from node.config import DEFAULT_LISTEN, NodeConfig, NodeDirectory, locate, write_config
from node.follower import Follower, require_trust
from node.intake import read_labels
from node.keys import (
    NodeKeys,
    generate_keys,
    load_keys,
    passphrase_file,
    read_passphrase,
    save_keys,
)
from node.registration import registration
from node.store import Store
from node.submission import Submitted, Submitter, Terms, expand
from protocol.errors import ConfigError, Reject, Unreachable
from protocol.limits import HASH_BYTES
from protocol.log.link import parse_link
from protos.gen import records_pb2 as pb

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Contribute: submit data, review, see what you earned, claim it.",
)


class Origin(StrEnum):
    """How an item was made."""

    HUMAN = "human"
    SENSOR = "sensor"
    AGENT = "agent"
    SYNTHETIC = "synthetic"


_ORIGINS: Final = {
    Origin.HUMAN: pb.ORIGIN_HUMAN,
    Origin.SENSOR: pb.ORIGIN_SENSOR,
    Origin.AGENT: pb.ORIGIN_AGENT,
    Origin.SYNTHETIC: pb.ORIGIN_SYNTHETIC,
}


class ConsentTo(StrEnum):
    """What the network may do with an item."""

    TRAIN = "train"
    REDISTRIBUTE = "redistribute"
    COMMERCIAL = "commercial"


@app.command()
@guarded
def init(
    *,
    link: Annotated[
        str, typer.Option(help="The network link that the operator gave you, in quotes.")
    ],
    directory: DirOption = None,
    rpc_url: Annotated[
        str, typer.Option(help="JSON-RPC endpoint of the chain that pays, for claims.")
    ] = "",
    reviewer: Annotated[
        str,
        typer.Option(
            help="Plug-in that reviews for you. Default: you do, `commonhold node review`."
        ),
    ] = "",
    stand_by: Annotated[bool, typer.Option(help="Offer to review.")] = True,
    listen: Annotated[
        list[str] | None,
        typer.Option(help="libp2p address to listen on; repeat. Default: any, on a free port."),
    ] = None,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Ask for a passphrase for the keys.")
    ] = False,
    passphrase_path: Annotated[
        Path | None,
        typer.Option("--passphrase-file", help="Seal the keys with this file's passphrase."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a node: keys, settings, and your registration with the network.

    The keys are your name and your money: keep a copy of keys.json in a safe place. Nobody can
    restore them for you.
    """
    config = NodeConfig(
        parse_link(link),
        listen=tuple(listen) if listen else DEFAULT_LISTEN,
        rpc_url=rpc_url,
        reviewer=reviewer,
        stand_by=stand_by,
    )
    home = locate(directory)
    if home.config.exists():
        raise ConfigError(
            f"there is a node in {home.root} already", "use another directory with --dir"
        )
    home.create()
    keys = _make_keys(home, passphrase_file(passphrase_path), encrypt)
    with open_store(home) as store:
        store.enqueue(registration(keys, config.link.network))
        node_report.remember_names(store, keys)
        write_config(home, config)  # last: its presence says that the node is whole
        try:
            asyncio.run(deliver(home, config, store))
        except Unreachable as error:
            err.print(f"{error}\nYour registration is kept and sent with your first submission.")
    emit(
        {
            "peer_id": keys.peer_id,
            "payout_address": "0x" + keys.payout_address.hex(),
            "directory": str(home.root),
            "network": config.link.name,
        },
        as_json,
        lambda: (
            f"Your name in {config.link.name}: {keys.peer_id}\n"
            f"You are paid at:  0x{keys.payout_address.hex()}\n"
            f"Keep a copy of:   {home.keys}"
        ),
    )


def _make_keys(home: NodeDirectory, file: Path | None, encrypt: bool) -> NodeKeys:
    """New keys, or those of an `init` that was interrupted before it wrote the settings."""

    def passphrase() -> bytes:
        return read_passphrase(file) if file else ask_passphrase(confirm=not home.keys.exists())

    if not home.keys.exists():
        save_keys(home.keys, generate_keys(), passphrase() if file or encrypt else None)
    return load_keys(home.keys, passphrase)


@app.command()
@guarded
def submit(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    *,
    campaign: Annotated[str, typer.Option(help="See `commonhold node campaigns`.")],
    licence: Annotated[
        str, typer.Option(help="SPDX identifier that the campaign takes, as CC-BY-4.0.")
    ],
    consent: Annotated[
        list[ConsentTo], typer.Option(help="What the network may do with it; repeat for each.")
    ],
    origin: Annotated[Origin, typer.Option(help="How the items were made.")],
    labels: Annotated[
        Path | None, typer.Option(help="Table of labels: CSV with the header file,label.")
    ] = None,
    label: Annotated[str, typer.Option(help="One label for all files, instead of a table.")] = "",
    generator: Annotated[
        str, typer.Option(help="Model or tool, for agent and synthetic items.")
    ] = "",
    personal_data: Annotated[bool, typer.Option(help="The items show or name people.")] = False,
    derived_from: Annotated[
        list[str] | None,
        typer.Option(help="Item id (hex) that these derive from; repeat for each."),
    ] = None,
    transformation: Annotated[str, typer.Option(help="How they were derived.")] = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Submit files to a campaign.

    Files are copied into the node's directory and stay there; only their commitments and fingerprints
    go into the public log. Whoever is drawn to review a file fetches it from your node, which must be
    running then: `commonhold node start`. Files that you submitted before are left out.
    """
    terms = Terms(
        licence=licence,
        consent=pb.Consent(**{each.value: True for each in consent}),
        origin=_ORIGINS[origin],
        generator=generator,
        personal_data=personal_data,
        derived_from=tuple(_item_id(each) for each in derived_from or ()),
        transformation=transformation,
    )
    if bool(labels) == bool(label):
        raise ConfigError("give either --labels FILE or --label LABEL")
    home, config = open_home(directory)
    keys = open_keys(home, passphrase_path)
    with open_store(home) as store, BlobStore(home.blobs) as blobs:
        require_trust(store)
        follower = Follower(store, config.link)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        if keys.identity not in follower.state.members:
            store.enqueue(registration(keys, config.link.network))
        submitter = Submitter(store, blobs, keys, follower.state, campaign)
        files = expand(paths)
        with progress(as_json) as bar:
            task = bar.add_task("preparing", total=len(files))
            given = read_labels(labels) if labels else label
            done = submitter.submit(files, given, terms, lambda: bar.advance(task))
        asyncio.run(deliver(home, config, store, quiet=as_json))
        _report_submitted(store, done, as_json)


def _item_id(text: str) -> bytes:
    try:
        item_id = bytes.fromhex(text)
    except ValueError:
        item_id = b""
    if len(item_id) != HASH_BYTES:
        raise ConfigError(f"{text!r} is not an item id", "an item id has 64 hexadecimal digits")
    return item_id


def _report_submitted(store: Store, done: Submitted, as_json: bool) -> None:
    rows = [row for digest in done.batches if (row := store.outbox_row(digest)) is not None]
    refused = [row for row in rows if row.state == "refused"]
    if refused:
        raise Reject(
            f"the network refused {len(refused)} of {len(rows)} batches: {refused[0].last_error}",
            "correct what it says and run the command again; accepted batches are left out",
        )
    skipped = [{"file": each.path.name, "reason": each.reason} for each in done.skipped]
    data: dict[str, Any] = {
        "items": done.items,
        "skipped": skipped,
        "batches": [{"entry": row.receipt_index, "state": row.state} for row in rows],
    }
    lines = [f"{done.items} items submitted in {len(rows)} batches"]
    lines += [f"left out: {each['file']}: {each['reason']}" for each in skipped]
    emit(data, as_json, lambda: "\n".join(lines))


@app.command()
@guarded
def send(directory: DirOption = None, as_json: JsonFlag = False) -> None:
    """Send what is queued, now. A running node does this by itself."""
    home, config = open_home(directory)
    with open_store(home) as store:
        asyncio.run(deliver(home, config, store, quiet=as_json))
        counts = store.outbox_counts()
    emit({"outbox": counts}, as_json, lambda: node_report.counts_text(counts) or "nothing to send")


@app.command()
@guarded
def status(
    directory: DirOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nobody; show what is known here.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show who you are, how far your items are, what waits to be sent, and what you earned."""
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        connection = "not asked"
        if not offline and not store.alarms():
            connection = asyncio.run(_connection(home, config, follower))
        data = node_report.status(home, config, store, follower, connection)
    emit(data, as_json, lambda: node_report.status_text(data))


async def _connection(home: NodeDirectory, config: NodeConfig, follower: Follower) -> str:
    if is_running(home):
        return "the running node keeps it"
    try:
        await catch_up(home, config, follower, tolerant=False)
    except Unreachable as error:
        return str(error)
    return "reached"


@app.command()
@guarded
def statement(
    epoch: Annotated[int | None, typer.Option(min=1, help="One epoch only.")] = None,
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Explain each amount that you earned; --json adds the proof of each line.

    Every line is in the public log: anybody can recompute it with `commonhold verify`.
    """
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        data = node_report.statement(store, follower.state, epoch)
    emit(data, as_json, lambda: Group(*node_report.statement_tables(data)))


@app.command()
@guarded
def campaigns(directory: DirOption = None, as_json: JsonFlag = False) -> None:
    """List what the network asks for: labels, licences, media types, prices."""
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        if not store.alarms():
            asyncio.run(catch_up(home, config, follower))
        data = node_report.campaigns(follower.state)
    emit(data, as_json, lambda: node_report.campaigns_table(data))


@app.command()
@guarded
def alarms(
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Go on with this network, at your own risk.")
    ] = False,
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show evidence that the operator lied. A node with an alarm sends and signs nothing."""
    home, _ = open_home(directory)
    with open_store(home) as store:
        found = store.alarms()
        if acknowledge:
            store.acknowledge_alarms()
    data = {
        "alarms": [
            {
                "kind": a.kind,
                "message": a.message,
                "raised_ms": a.raised_ms,
                "evidence": list(a.evidence),
            }
            for a in found
        ]
    }
    emit(data, as_json, lambda: "\n".join(f"{a.kind}: {a.message}" for a in found) or "no alarms")
    if acknowledge and found and not as_json:
        out.print(f"{len(found)} acknowledged; the node goes on.")


node_work.register(app)
node_page.register(app)
node_withdraw.register(app)

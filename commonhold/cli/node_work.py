"""The commands of `commonhold node` that do a node's work: `start`, `review`, `claim`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.panel import Panel
from rich.text import Text

from commonhold.cli.node_home import (
    DirOption,
    PassphraseOption,
    asset_name,
    is_running,
    open_home,
    open_keys,
    open_store,
)
from commonhold.cli.node_page import spending_of
from commonhold.cli.node_sending import catch_up
from commonhold.cli.output import JsonFlag, emit, err, guarded, micro, out, progress, table
from commonhold.cli.picture import half_blocks
from node.answering import ANSWER_SECONDS, FETCH_SECONDS, Deadlines
from node.claims import Claimed, Claimer, SettlementWatch
from node.follower import Follower
from node.intake import MAX_CONTENT_BYTES, PNG, read_image, sniff_media_type
from node.review import round_key
from node.rows import TaskRow, TaskStatus
from node.store import Store
from node.wallet import Wallet
from protocol.errors import ConfigError, Reject, StateError
from protocol.lifecycle import EpochPhase
from protocol.limits import ADDRESS_BYTES
from protocol.money.settlement import ETHER
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

review_app = typer.Typer(help="Answer the items that you were drawn to review.")

# As many digits of an item id as `list` shows; two of one round that share them are told apart by more.
ITEM_DIGITS: Final = 12
_UNSURE: Final = ":u"
_QUIT: Final = ":q"
_OPEN: Final = (TaskStatus.TODO, TaskStatus.FETCHED, TaskStatus.ANSWERED)


class LogLevel(StrEnum):
    """How much a daemon says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def register(app: typer.Typer) -> None:
    """Adds these commands to `commonhold node`."""
    app.command()(start)
    app.add_typer(review_app, name="review")
    app.command()(claim)


# ---- start ----


@guarded
def start(
    *,
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="File that gets name and addresses, as JSON, when ready.")
    ] = None,
    fetch_seconds: Annotated[
        float, typer.Option(min=1, help="How long contributors have to serve what you review.")
    ] = FETCH_SECONDS,
    answer_seconds: Annotated[
        float, typer.Option(min=1, help="How long you have to answer; then you abstain.")
    ] = ANSWER_SECONDS,
    auto_claim: Annotated[
        bool, typer.Option("--auto-claim", help="Claim on chain whatever is settled.")
    ] = False,
    log_level: Annotated[LogLevel, typer.Option(help="How much to say.")] = LogLevel.INFO,
) -> None:
    """Run the node: serve your items to reviewers, review, watch the log. Until interrupted."""
    from node.daemon import Daemon, Options, run_until_signal

    home, config = open_home(directory)
    if auto_claim and not config.rpc_url:
        raise ConfigError("--auto-claim needs a chain", "set rpc_url in node.toml to an endpoint")
    keys = open_keys(home, passphrase_path)
    logging.basicConfig(
        level=log_level.value.upper(),
        format="%(asctime)s level=%(levelname)s part=%(name)s %(message)s",
    )
    for library in ("libp2p", "trio", "asyncio", "web3", "urllib3", "multiaddr"):
        logging.getLogger(library).setLevel(logging.ERROR)  # their chatter is no news of this node
    options = Options(
        Deadlines(fetch_seconds, answer_seconds), auto_claim, ready_file, spending_of(home)
    )
    asyncio.run(run_until_signal(Daemon(home, config, keys, options)))


# ---- review ----


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies before a reviewer now."""

    store: Store
    state: State
    tasks: list[TaskRow]

    def labels(self, task: TaskRow) -> list[str]:
        """The labels to choose from."""
        return list(self.state.campaigns[task.campaign_id].labels)

    def find(self, digits: str) -> TaskRow:
        """The task whose item id begins with these hexadecimal digits."""
        found = [task for task in self.tasks if task.item_id.hex().startswith(digits.lower())]
        if len(found) != 1 or not digits:
            raise ConfigError(
                f"{'no item' if not found else 'more than one item'} begins with {digits!r}",
                "see `commonhold node review list`",
            )
        return found[0]

    def answer(self, task: TaskRow, label: int | None) -> None:
        """Records an answer; the running node commits to it when all are there."""
        abstention = pb.ABSTENTION_UNSURE if label is None else pb.ABSTENTION_NONE
        if not self.store.set_answer(task, label, abstention):
            raise StateError("the answers of this round are committed and cannot be changed")


@contextmanager
def _desk(directory: Path | None) -> Iterator[Desk]:
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        state = follower.state
        tasks: list[TaskRow] = []
        if state.epoch.phase is EpochPhase.COMMITTING:
            key = round_key(state)
            tasks = [t for t in store.tasks(key.epoch, key.round) if t.status in _OPEN]
        if not is_running(home):
            err.print("the node is not running: start it with `commonhold node start`")
        yield Desk(store, state, tasks)


@review_app.command(name="list")
@guarded
def list_tasks(directory: DirOption = None, as_json: JsonFlag = False) -> None:
    """List the items of this round that you may still answer."""
    with _desk(directory) as desk:
        rows = [_task_data(desk, task) for task in desk.tasks]
    columns = ["item", "campaign", "status", "answer"]
    emit(
        {"tasks": rows},
        as_json,
        lambda: (
            table("To review", columns, [[r["item"][:ITEM_DIGITS], *_cells(r)] for r in rows])
            if rows
            else "nothing to review now"
        ),
    )


def _cells(row: dict[str, Any]) -> list[object]:
    return [row["campaign"], row["status"], row["answer"] or ""]


def _task_data(desk: Desk, task: TaskRow) -> dict[str, Any]:
    answered = task.status is TaskStatus.ANSWERED
    given = "abstained" if task.label is None else desk.labels(task)[task.label]
    return {
        "item": task.item_id.hex(),
        "campaign": task.campaign_id,
        "status": task.status.value,
        "content": task.content_path,
        "labels": desk.labels(task),
        "answer": given if answered else None,
    }


@review_app.command()
@guarded
def answer(
    item: Annotated[str, typer.Argument(help="First digits of the item's id, as `list` shows.")],
    label: Annotated[str, typer.Argument(help="One of the campaign's labels.")],
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Answer one item; until the commit you may change it."""
    with _desk(directory) as desk:
        task = desk.find(item)
        desk.answer(task, _label_index(desk.labels(task), label))
    emit({"item": task.item_id, "label": label}, as_json, lambda: f"answered {label}")


def _label_index(labels: list[str], label: str) -> int:
    if label not in labels:
        raise ConfigError(f"there is no label {label!r}", f"labels are: {', '.join(labels)}")
    return labels.index(label)


@review_app.command()
@guarded
def abstain(
    item: Annotated[str, typer.Argument(help="First digits of the item's id, as `list` shows.")],
    directory: DirOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say that you cannot tell. It costs nothing; a guess does."""
    with _desk(directory) as desk:
        task = desk.find(item)
        desk.answer(task, None)
    emit({"item": task.item_id, "label": None}, as_json, lambda: "abstained")


@review_app.callback(invoke_without_command=True)
@guarded
def review(context: typer.Context, directory: DirOption = None) -> None:
    """Go through the items one by one, in this terminal."""
    if context.invoked_subcommand is not None:
        return
    with _desk(directory) as desk:
        waiting = [task for task in desk.tasks if task.status is TaskStatus.FETCHED]
        missing = sum(task.status is TaskStatus.TODO for task in desk.tasks)
        if not waiting:
            raise StateError(
                "nothing to review now",
                f"{missing} items are still on their way" if missing else "wait for a draw",
            )
        given = _go_through(desk, waiting)
    out.print(f"{given} of {len(waiting)} answered")


def _go_through(desk: Desk, waiting: list[TaskRow]) -> int:
    """Shows each item and asks; gives the number of answers."""
    guidelines = {t.campaign_id: desk.state.campaigns[t.campaign_id].guidelines for t in waiting}
    for campaign_id, text in guidelines.items():
        out.print(Panel(Text(text or "no guidelines"), title=campaign_id, title_align="left"))
    given = 0
    for number, task in enumerate(waiting, start=1):
        out.print(_shown(Path(task.content_path)))
        choice = _ask(f"{number}/{len(waiting)}", desk.labels(task))
        if choice == _QUIT:
            break
        if choice:
            unsure = choice == _UNSURE
            desk.answer(task, None if unsure else desk.labels(task).index(choice))
            given += 1
    return given


def _ask(place: str, labels: list[str]) -> str:
    """A label, `:u`, `:q`, or nothing to skip; asks again for anything else."""
    offered = ", ".join(labels)
    while True:
        question = f"[{place}] {offered} ({_UNSURE} unsure, Enter to skip, {_QUIT} to stop)"
        choice: str = typer.prompt(question, default="", show_default=False, err=True).strip()
        if choice in ("", _UNSURE, _QUIT, *labels):
            return choice
        err.print(f"{choice!r} is none of them")


def _shown(path: Path) -> Text:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONTENT_BYTES)
        if sniff_media_type(content) == PNG:
            return half_blocks(read_image(content), out.width - 1, out.color_system is not None)
        return Text(content.decode())  # printable: `sniff_media_type` let it pass
    except OSError as error:
        return Text(f"(cannot read {path}: {error.strerror})")
    except Reject as error:
        return Text(f"(cannot be shown: {error}; the file is {path})")


# ---- claim ----


@guarded
def claim(
    asset: Annotated[
        str, typer.Option(help="shares, ether, or a token's address. Default: everything.")
    ] = "",
    directory: DirOption = None,
    passphrase_path: PassphraseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Claim on chain what settled epochs pay you. Gas is paid by your payout address."""
    home, config = open_home(directory)
    wallet = Wallet(open_keys(home, passphrase_path).payout_key)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        settlements = SettlementWatch(follower)
        follower.replay()
        asyncio.run(catch_up(home, config, follower))
        claimer = Claimer(store, wallet, config.rpc_url, follower, settlements)
        names = _asset_names(follower.state)
        leaves = claimer.due(_parse_asset(asset, names))
        with progress(as_json) as bar:
            task = bar.add_task("claiming", total=len(leaves))
            advance: Callable[[Claimed], None] = lambda _: bar.advance(task)  # noqa: E731
            done = claimer.claim_all(leaves, advance)
    rows = [_claim_data(each, names) for each in done]
    columns = ["asset", "paid", "transaction"]
    emit(
        {"claims": rows},
        as_json,
        lambda: table(
            "Claimed", columns, [[r["name"], _amount(r), r["transaction"]] for r in rows]
        ),
    )


def _asset_names(state: State) -> dict[bytes, str]:
    """Names of assets by their address on chain."""
    names = {bytes(ETHER): asset_name(ETHER)}
    if state.deployment is not None:
        names[state.deployment.share_token] = asset_name(SHARES)
    return names


def _parse_asset(text: str, names: dict[bytes, str]) -> bytes | None:
    if not text:
        return None
    for address, name in names.items():
        if name == text:
            return address
    try:
        address = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != ADDRESS_BYTES:
        raise ConfigError(
            f"{text!r} is not an asset", "write shares, ether, or the address of a token"
        )
    return address


def _claim_data(each: Claimed, names: dict[bytes, str]) -> dict[str, Any]:
    return {
        "asset": "0x" + each.leaf.asset.hex(),
        "name": names.get(each.leaf.asset, asset_name(each.leaf.asset)),
        "paid": str(each.tx.paid),
        "cumulative": str(each.leaf.cumulative),
        "epoch": each.epoch,
        "transaction": "0x" + each.tx.tx_hash.hex(),
        "gas": each.tx.gas,
    }


def _amount(row: dict[str, Any]) -> str:
    return micro(int(row["paid"])) if row["name"] == asset_name(SHARES) else str(row["paid"])

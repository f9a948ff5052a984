"""`commonhold node review --web`: the review page, served until it is interrupted."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from commonground.files import replace_file
from commonground.locks import alone
from commonhold.cli.node_home import is_running, open_home, open_store
from commonhold.cli.node_running import node_running
from commonhold.cli.output import say, show
from node.config import NodeConfig, NodeDirectory
from node.follower import Follower
from node.reviewpage.desk import Desk
from node.reviewpage.pairing import Offer
from node.reviewpage.server import Way, local_address, serving
from node.reviewpage.session import load
from node.store import Store
from protocol.errors import StateError


@dataclass(frozen=True, slots=True)
class Options:
    """What the command says."""

    phone: bool = False
    address: str = ""
    port: int = 0
    ready_file: Path | None = None


def serve(
    directory: Path | None, options: Options, start_node: bool, passphrase_path: Path | None
) -> None:
    """Serves the page over the node's store; `start_node`: and runs the node where it does not run.

    Raises LocalError.
    """
    home, config = open_home(directory)
    with ExitStack() as stack:
        if start_node:
            stack.enter_context(node_running(home, passphrase_path))
        stack.enter_context(alone(home.review_lock, _open_already))
        store = stack.enter_context(open_store(home))
        asyncio.run(_serve(home, config, store, options))


def _open_already(process: str) -> StateError:
    return StateError(
        f"your review page is open already (process {process})",
        f"use that one, or stop it first: kill {process}",
    )


async def _serve(home: NodeDirectory, config: NodeConfig, store: Store, options: Options) -> None:
    follower = Follower(store, config.link)
    follower.replay()
    desk = Desk(store, follower, by_person=lambda campaign: not config.reviewer_for(campaign))
    session = load(home.review_session)
    phone = (options.address or local_address()) if options.phone else ""
    way = Way(home.review_session, home.review_certificate, options.port, phone)
    async with serving(desk, session, way) as served:
        if not is_running(home):
            say(
                "the node is not running: what you seal is committed once it is"
                " (`commonhold node start`, or --start-node here)"
            )
        if served.before:
            say(
                f"the page was at port {served.before} before: answers that a browser kept there,"
                f" since your node was away, come when the page is there again (--port {served.before})"
            )
        show(served.url)
        if served.pairing is not None:
            if served.phone_before:
                say(
                    f"another program has port {served.phone_before}, where the phone's page was: answers"
                    " that its browser kept there come when you start this again and that port is free"
                )
            show(*_told(served.pairing.offer()))
        if options.ready_file is not None:
            replace_file(options.ready_file, json.dumps({"page": served.url}))
        await _until_interrupted()


def _told(offer: Offer) -> list[str]:
    return [
        f"on the phone, in the same network: {offer.url}",
        f"its browser must show this SHA-256 fingerprint of the certificate: {offer.fingerprint}",
        f"the code, for one phone and five minutes: {offer.code[:4]} {offer.code[4:]}",
    ]


async def _until_interrupted() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()

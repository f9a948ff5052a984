"""A network all of whose texts are hostile, as an operator's older log or a coordinator that lies may hold.

Today's rules refuse most of it, so they are made to look away while it is written and read: what shows a
text does not rely on them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, Final

import pytest

from commonhold.cli.node_report import remember_names
from coordinator.config import Home
from node.config import NodeConfig, NodeDirectory, write_config
from node.keys import save_keys
from node.rows import Outgoing
from protocol import text
from protocol.limits import PPM
from protocol.log.merkle import hash_leaf
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.chain_says import pay
from tests.own_page import World
from tests.review_bench import drawn
from tests.showcase import served, showcase
from tests.simulated import Network, campaign, part, rounds
from tests.simulated_log import LINK, keys_of
from tests.unit.test_node_work import close

HOSTILE: Final = (
    "[/x] [link=https://example.org]go[/link] :warning: \x1b]0;t\x07\x1b[2J\x9b2J \u202etxt\u2066 a\u200bb"
    " <script>alert(1)</script> <img src=x onerror=alert(2)> \"' {{ 7*7 }} {% x %} %s =cmd|'/c'!A1 `x` end\r"
    "\nFORGED: all is well\x00."
)
LONG: Final = HOSTILE * 40  # beyond 10,000 characters
LABELS: Final = (HOSTILE, "[/]", "[neg]", LONG, *"abcdef")
CAMPAIGN: Final = "[neg] [bold]<b>\x1b[2J\n\u202e.."
# As a file's name may be: any bytes but / and NUL.
FILE: Final = os.fsdecode(b"\xff[bold]x\x1b]0;t\x07 \xe2\x80\xae\nFORGED <b>.png")
# The same where bytes are replaced that are no text.
FILE_SHOWN: Final = FILE.encode(errors="replace").decode()

_ROOMS: Final = ("protocol", "commonground", "coordinator", "node")
_TRAINING: Final = ("coordinator.training", "node.training")
_LAX: Final[dict[str, Callable[..., Any]]] = {
    "check_name": lambda *_, **__: None,
    "check_text": lambda *_, **__: None,
    "check_distinct": lambda *_, **__: None,
    "is_id": lambda *_, **__: True,
}


def look_away(patch: pytest.MonkeyPatch) -> None:
    """Has every module that checks texts take them all; imported first, so that none keeps this for ever."""
    for room in _ROOMS:
        for each in walk_packages(import_module(room).__path__, f"{room}."):
            if not each.name.startswith(_TRAINING):
                import_module(each.name)
    for module in list(sys.modules.values()):
        if module is text or module.__name__.partition(".")[0] not in _ROOMS:
            continue
        for name, lax in _LAX.items():
            if getattr(module, name, None) is getattr(text, name):
                patch.setattr(module, name, lax)
    whole = Network.genesis
    patch.setattr(Network, "genesis", lambda net, policy: whole(net, policy, name=HOSTILE))


def asked(id_: str = CAMPAIGN, **terms: Any) -> pb.Campaign:
    """A campaign whose every text is hostile."""
    return campaign(
        id=id_,
        title=HOSTILE,
        guidelines=LONG,
        spec=encode_spec({"labels": list(LABELS)}),
        parts=[part("words")],
        proposal=pb.PROPOSAL_OPTIONAL,
        rounds=rounds(commit_ms=60_000),
        **terms,
    )


def _decide(net: Network, leaves: Sequence[bytes]) -> None:
    """Has items of the hostile campaign reviewed."""
    net.submit(net.people[0], leaves, CAMPAIGN)
    net.run_rounds(*net.people[1:], c=CAMPAIGN)
    net.close()


def operated(folder: Path) -> Home:
    """The directory of its operator."""
    net = showcase(title=HOSTILE, guidelines=LONG, source=HOSTILE, job=HOSTILE, licensee=HOSTILE)
    net.add(net.operator, "campaign", asked())
    _decide(net, [net.item(label, c=CAMPAIGN) for label in (0, 1, 2, 3, 0, 1)])
    net.take_down(
        max(i for i, item in net.state.items.scan() if item.campaign_id == CAMPAIGN), words=LONG
    )
    snapshot = net.snapshot(campaign_id=CAMPAIGN)
    net.license(snapshot, id=f"{CAMPAIGN}-1", licensee=LONG, terms=HOSTILE)
    pay(net, 7 * PPM, "[/x]\x1b]0;t\x07\n\u202e<b>")
    home = served(net, folder)
    settings = home.config_path.read_text()
    assert '"test network"' in settings
    home.config_path.write_text(settings.replace('"test network"', json.dumps(HOSTILE)))
    return home


def member(folder: Path) -> World:
    """What a member's page is made of."""
    world = World(folder)
    net = world.net
    net.add(net.operator, "campaign", asked())
    world.follow()
    world.give_parts(CAMPAIGN, HOSTILE, {"words": LONG.encode()}, said="[neg]", table=FILE_SHOWN)
    net.run_rounds(*net.people[1:], c=CAMPAIGN)
    net.close()
    [first, *_] = (i for i, item in net.state.items.scan() if item.campaign_id == CAMPAIGN)
    net.take_down(first, words=HOSTILE)
    world.give([1, 2], name=FILE_SHOWN)
    world.train(1, title=HOSTILE)
    world.review()
    for number, reason in enumerate((HOSTILE, LONG)):
        outgoing = Outgoing("register", hash_leaf(bytes([number])))
        world.store.enqueue(outgoing)
        world.store.mark_refused(outgoing.digest, reason)
    return world


def joined(folder: Path) -> NodeDirectory:
    """The directory of such a member's node."""
    world, home = member(folder), NodeDirectory(folder)
    keys = keys_of(world.ada)
    save_keys(home.keys, keys)
    remember_names(world.store, keys)
    write_config(home, NodeConfig(replace(LINK, name=HOSTILE)))
    world.close()
    return home


def reviewing(folder: Path) -> NodeDirectory:
    """The directory of a node whose owner was drawn in a hostile campaign, for hostile items."""
    bench = drawn(folder, asked(), **{CAMPAIGN: [b"some words", b"others"]})
    for path in (folder / "review").rglob("*.*"):
        path.write_text(LONG)  # which a fetch would refuse
    return NodeDirectory(close(bench))

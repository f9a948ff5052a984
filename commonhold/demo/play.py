"""The seven acts of the demo. Everything is done by commands that a user has; only the digits' true
labels, the funding of accounts and the measuring are the demo's own.
"""

from __future__ import annotations

import csv
import hashlib
import random
import re
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx

from commonhold.audit.replay import Report, audit
from commonhold.audit.source import FolderLog
from commonhold.demo.cast import COPIER, DISGUISER, GOLD_SHARE, NAMES, Player, cast_players
from commonhold.demo.display import Display, Step
from commonhold.demo.measure import KnownItem, measure
from commonhold.demo.onchain import ChainView, asset_of, deployment_of
from commonhold.demo.stage import DemoError, Server, Stage
from commonhold.demo.stranger import is_refused
from commonhold.demo.tail import read_tail
from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain
from protocol.identity import Identity, identity_of
from protocol.link import parse_link
from protocol.settlement import ETHER, Address, Deployment
from protocol.state import SHARES, ItemId

CAMPAIGN: Final = "digits"
LICENCE: Final = "CC-BY-4.0"
STABLE_REVENUE: Final = 25_000_000_000  # 25,000 of the stablecoin stand-in, which has 6 decimals
ETHER_REVENUE: Final = 3 * 10**18 + 7  # not a round number: nothing may be lost to rounding
QUORUM: Final = 3
SHARE_TOKEN: Final = Address(SHARES)  # stands for the token until its contract is deployed
_LOOPBACK: Final = "/ip4/127.0.0.1/tcp/0"
_WAIT_S: Final = 60.0
_POLL_S: Final = 0.2


@dataclass
class Play:
    """The state of a running demo."""

    stage: Stage
    display: Display
    seed: int
    players: dict[str, Player] = field(default_factory=dict)
    identities: dict[str, Identity] = field(default_factory=dict)
    payouts: dict[str, Address] = field(default_factory=dict)
    nodes: dict[str, Server] = field(default_factory=dict)
    link: str = ""
    http_url: str = ""
    rpc_url: str = ""
    known: dict[ItemId, KnownItem] = field(default_factory=dict)
    paid: dict[str, dict[str, int]] = field(default_factory=dict)
    stable: Address = ETHER
    matches: bool = False

    def run(self) -> dict[str, Any]:
        """Plays all acts and gives the summary."""
        self.found_network()
        self.submit()
        self.check_receipts()
        self.review()
        self.display.act(6, "Settlement: shares and revenue, claimed on chain")
        self.settle("epoch 1", SHARE_TOKEN)
        self.share_revenue()
        verified = self.verify()
        return verified | {"seconds": round(time.monotonic() - self.display.start, 1)}

    # ---- 1 ----

    def found_network(self) -> None:
        """Chain, coordinator, campaign, eight nodes."""
        show, stage = self.display, self.stage
        show.act(1, "A network: identities, payout addresses, a campaign")
        with show.step("dealing real handwritten digits") as step:
            self.players = cast_players(stage.folder / "digits", self.seed)
            step.say(f"{sum(len(p.truth) for p in self.players.values())} images to submit")
        with show.step("an embedded EVM and a coordinator") as step:
            self._start_servers()
            step.say(f"log and status page at {self.http_url}")
        with show.step(f"{len(NAMES)} nodes: keys, registration signed by both keys") as step:
            self._start_nodes()
            step.say(", ".join(NAMES))

    def _start_servers(self) -> None:
        stage = self.stage
        chain = stage.serve("chain", "chain", "dev", "--port", "0")
        stage.wait_ready(chain)
        self.rpc_url = chain.ready["url"]
        key = stage.folder / "operator-chain.key"
        key.touch(mode=0o600)
        key.write_text(dev_keys()[0].to_hex())
        stage.run(
            *("coordinator", "init", "--name", "demo", "--dir", self._coordinator),
            *("--host", "127.0.0.1", "--port", "0", "--http-port", "0"),
            *("--rpc-url", self.rpc_url, "--chain-key-file", str(key), "--quorum", str(QUORUM)),
            *("--beacon-seconds", "30", "--commit-seconds", "120", "--reveal-seconds", "60"),
        )
        coordinator = stage.serve("coordinator", "coordinator", "serve", "--dir", self._coordinator)
        stage.wait_ready(coordinator)
        self.link = coordinator.ready["link"]
        self.http_url = parse_link(self.link).http_url
        labels = [word for digit in range(10) for word in ("--label", str(digit))]
        stage.run(
            *("coordinator", "campaign", "create", "--dir", self._coordinator, "--id", CAMPAIGN),
            *("--title", "Handwritten digits", "--guidelines", "Which digit is it?", *labels),
            *("--licence", LICENCE, "--media-type", "image/png", "--reviewers", "3"),
            *("--item-bytes-max", "65536", "--privacy", "open"),
        )

    def _start_nodes(self) -> None:
        stage = self.stage
        made = stage.run_all(
            [
                (
                    *("node", "init", "--dir", self._node(name), "--link", self.link),
                    *("--rpc-url", self.rpc_url, "--reviewer", self.players[name].reviewer),
                    *("--listen", _LOOPBACK),
                )
                for name in NAMES
            ]
        )
        self.identities = {
            name: identity_of(node["peer_id"]) for name, node in zip(NAMES, made, strict=True)
        }
        for name in NAMES:
            self.nodes[name] = stage.serve(
                name, "node", "start", "--dir", self._node(name), "--auto-claim"
            )
        stage.wait_ready(*self.nodes.values())
        self._await(lambda status: status["standing_by"] == len(NAMES), "all nodes stand by")
        for name, node in zip(NAMES, made, strict=True):
            self.payouts[name] = Address(bytes.fromhex(node["payout_address"][2:]))
            self._chain.fund(self.payouts[name])

    # ---- 2 ----

    def submit(self) -> None:
        """Everybody's own digits; then the copies, which can only come later."""
        show = self.display
        show.act(2, "Signed submissions of real digits")
        with show.step("everybody submits") as step:
            self._submit_all([(name, self.players[name].folders[0]) for name in NAMES])
            step.say("mel mislabels 40 % of them")
        with show.step("rex resubmits others' images; sly shifts or blurs them first") as step:
            self._submit_all(
                [(name, self.players[name].folders[1]) for name in (COPIER, DISGUISER)]
            )
            self._learn_item_ids()
            step.say(f"{len(self.known)} items in the log")

    def _submit_all(self, what: list[tuple[str, Path]]) -> None:
        self.stage.run_all(
            [
                (
                    *("node", "submit", str(folder), "--dir", self._node(name)),
                    *("--campaign", CAMPAIGN, "--licence", LICENCE, "--origin", "human"),
                    *("--labels", str(folder / "labels.csv"), "--consent", "train"),
                    *("--consent", "redistribute", "--consent", "commercial"),
                )
                for name, folder in what
            ]
        )

    def _learn_item_ids(self) -> None:
        """Which item is which image."""
        for name, player in self.players.items():
            images = {hashlib.sha256(file.read_bytes()).digest(): file for file in player.truth}
            for item_id, digest in self._query(name, "select item_id, content_sha256 from items"):
                image = images[digest]
                self.known[item_id] = KnownItem(int(player.truth[image]), image in player.copies)

    # ---- 3 ----

    def check_receipts(self) -> None:
        """Each node proved its own entries against the signed checkpoint when it got the receipt."""
        self.display.act(3, "The log: entries, checkpoints, receipts that the nodes checked")
        with self.display.step("receipts with inclusion proofs") as step:
            outbox = Counter(
                state
                for name in NAMES
                for (state,) in self._query(name, "select state from outbox")
            )
            if set(outbox) != {"sent"}:  # a node counts a record as sent once its receipt proves
                raise DemoError(f"some records have no receipt: {dict(outbox)}")
            checkpoint = httpx.get(f"{self.http_url}/checkpoint").text.splitlines()
            step.say(f"{outbox['sent']} checked; the log has {checkpoint[1]} entries")

    # ---- 4 and 5 ----

    def review(self) -> None:
        """Gold, draw, commit, reveal, verdicts; the epoch closes."""
        show = self.display
        show.act(4, "Review: draw, content over libp2p to those drawn, commit, reveal")
        with show.step("the operator's experts know some answers (gold)") as step:
            step.say(f"{self._import_gold()} salted hashes in the log before the draw")
        with show.step("a stranger asks ada's node for an item") as step:
            ada = self.nodes["ada"].ready
            item_id = next(iter(self.known))
            if not is_refused(ada["peer_id"], ada["addresses"], item_id, self.stage.folder):
                raise DemoError("a node gave content to somebody without an assignment")
            step.say("refused")
        with show.step("three reviewers an item, by a seed that nobody chose") as step:
            self._close_epoch(step)
        show.act(5, "Verdicts, reputations, rewards")
        with show.step("what the log now says") as step:
            status = self.stage.run("coordinator", "status", "--dir", self._coordinator)
            step.say(
                f"{status['accepted']} of {status['items']} items accepted, "
                f"{status['minted_micro'] / 1e6:,.2f} shares minted"
            )

    def _import_gold(self) -> int:
        fresh = sorted(item_id for item_id, item in self.known.items() if not item.is_copy)
        chosen = random.Random(self.seed).sample(fresh, round(GOLD_SHARE * len(fresh)))  # noqa: S311
        file = self.stage.folder / "gold.csv"
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(("item_id", "label"))
            writer.writerows((item_id.hex(), self.known[item_id].truth) for item_id in chosen)
        self.stage.run("coordinator", "gold", "import", str(file), "--dir", self._coordinator)
        return len(chosen)

    def _close_epoch(self, step: Step) -> None:
        """Closes the epoch, and tells from the public log how far its review is."""
        before = read_tail(self.http_url)
        with self.stage.running("coordinator", "epoch", "close", "--dir", self._coordinator) as run:
            while run.process.poll() is None:
                step.say(str(read_tail(self.http_url).since(before)))
                time.sleep(_POLL_S)
        step.say(str(read_tail(self.http_url).since(before)))

    # ---- 6 ----

    def settle(self, what: str, *assets: Address) -> None:
        """Root on chain with the witnesses' signatures; every node checks and claims."""
        show = self.display
        with show.step(f"{what}: root on chain, signed by witnesses who recomputed it") as step:
            settled = self.stage.run("coordinator", "settle", "--dir", self._coordinator)["settled"]
            step.say(f"{settled['root'][:12]}… is in force")
        with show.step(
            "every node checks its leaf against its own recomputation, and claims"
        ) as step:
            self._await_claims(assets, step)

    def _await_claims(self, assets: tuple[Address, ...], step: Step) -> None:
        deployment = self._deployment()
        wanted = [deployment.share_token if a == SHARE_TOKEN else a for a in assets]
        deadline = time.monotonic() + _WAIT_S
        waiting = set(NAMES)
        while waiting:
            waiting = {
                name
                for name in waiting
                if not all(self._chain.paid(deployment, a, self.payouts[name]) for a in wanted)
            }
            step.say(f"{len(NAMES) - len(waiting)} of {len(NAMES)} have")
            if time.monotonic() > deadline:
                raise DemoError(f"{', '.join(sorted(waiting))} did not claim in {_WAIT_S:.0f} s")
            time.sleep(_POLL_S)

    def _balances_match(self) -> bool:
        deployment = self._deployment()
        equal = True
        statements = self.stage.run_all(
            [("node", "statement", "--dir", self._node(name)) for name in NAMES]
        )
        for name, statement in zip(NAMES, statements, strict=True):
            for balance in statement["balances"]:
                asset = asset_of(balance["asset"], deployment)
                on_chain = self._chain.paid(deployment, asset, self.payouts[name])
                equal &= on_chain == int(balance["earned"])
                self.paid.setdefault(name, {})[asset.hex()] = on_chain
        return equal

    def share_revenue(self) -> None:
        """A buyer pays; the next epoch shares it out, and its settlement pays it."""
        with self.display.step("a buyer deposits a stablecoin and ether") as step:
            buyer = OperatorChain(self.rpc_url, dev_keys()[2].to_bytes(), self._deployment())
            self.stable = buyer.deploy_test_stable()
            buyer.deposit(self.stable, STABLE_REVENUE, b"dataset licence 1")
            buyer.deposit(ETHER, ETHER_REVENUE, b"dataset licence 1")
            self.stage.run("coordinator", "revenue", "import", "--dir", self._coordinator)
            step.say(f"{STABLE_REVENUE / 1e6:,.0f} of the one, 3 of the other")
        with self.display.step("epoch 2 closes") as step:
            self._close_epoch(step)
        self.settle("epoch 2", self.stable, ETHER)
        with self.display.step("on-chain balances against the nodes' own statements") as step:
            self.matches = self._balances_match()
            step.say("equal, to the unit" if self.matches else "[red]they differ[/]")

    # ---- 7 ----

    def verify(self) -> dict[str, Any]:
        """From outside, over HTTP; then with one byte changed."""
        show, stage = self.display, self.stage
        show.act(7, "Verification from outside")
        copy = stage.folder / "log-copy"
        with show.step("replaying log, verdicts and payouts over HTTP") as step:
            verified = stage.run(
                "verify", self.link, "--save", str(copy), "--rpc-url", self.rpc_url
            )
            step.say(f"{verified['size']} entries hold, and the chain agrees")
        verifier = parse_link(self.link).log_verifier
        report: Report = audit(FolderLog(copy), verifier, lambda *_: None)
        with show.step("one byte of a copied log changed") as step:
            entry = self._tamper(copy)
            message = stage.fails("verify", str(copy), "--key", str(verifier))
            found = re.search(r"log entry (\d+)", message)
            detected = found is not None and int(found[1]) == entry
            step.say(message.strip().splitlines()[0].removeprefix("error: "))
        summary = measure(report, self.known, self.identities)
        stable, ether = self.stable.hex(), ETHER.hex()
        return summary | {
            "onchain_matches_statements": self.matches,
            "revenue_paid_micro": sum(paid.get(stable, 0) for paid in self.paid.values()),
            "revenue_paid_wei": sum(paid.get(ether, 0) for paid in self.paid.values()),
            "verify_ok": bool(verified["ok"]),
            "tamper_detected": detected,
        }

    def _tamper(self, copy: Path) -> int:
        """Changes one byte in the middle of some entry's payload; gives the entry's index."""
        entries = sorted((copy / "tile" / "entries").rglob("*"))
        file = next(path for path in entries if path.is_file())
        data = bytearray(file.read_bytes())
        wanted, at = random.Random(self.seed).randrange(10, 40), 0  # noqa: S311
        for _ in range(wanted):
            at += 2 + int.from_bytes(data[at : at + 2], "big")
        length = int.from_bytes(data[at : at + 2], "big")
        data[at + 2 + length // 2] ^= 1
        file.write_bytes(data)
        return wanted

    # ---- shared ----

    @cached_property
    def _chain(self) -> ChainView:
        return ChainView(self.rpc_url)

    @property
    def _coordinator(self) -> str:
        return str(self.stage.folder / "coordinator")

    def _node(self, name: str) -> str:
        return str(self.stage.folder / "nodes" / name)

    def _deployment(self) -> Deployment:
        return deployment_of(self.stage.run("coordinator", "status", "--dir", self._coordinator))

    def _query(self, name: str, sql: str) -> list[Any]:
        """Asks a node's own database, as its owner could with any SQLite tool."""
        uri = f"file:{self._node(name)}/node.db?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            return database.execute(sql).fetchall()

    def _await(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not holds(self.stage.run("coordinator", "status", "--dir", self._coordinator)):
            if time.monotonic() > deadline:
                raise DemoError(f"waited {_WAIT_S:.0f} s in vain until {what}")
            time.sleep(_POLL_S)

"""A network moves to another chain by its witnesses' decision: real nodes, two development chains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from commonhold.cli.node_report import remember_names
from commonhold.demo.stage import Stage
from contracts import DEVELOPMENT_CHAIN_ID, DEVELOPMENT_CHAIN_IDS
from contracts.devchain import dev_keys
from contracts.signed import Signed
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from coordinator.terms import Founding, tryout
from node.wallet import Wallet
from protocol.identity import name_of
from protocol.lifecycle import ItemStatus
from protocol.money.moving import carried_shares, left_behind
from protocol.money.onchain import OnChain
from protocol.money.payload import Payload, hash_payload, post_digest
from protocol.money.settlement import CONTRACTS, ETHER, RETIRED
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb
from tests.adversarial.settled_network import ether_of
from tests.contract_chains import devchain
from tests.contract_lab import GAS_WEI, ask_chain
from tests.node_lab import Lab, Node, standing_by, until, wait_for

pytestmark = pytest.mark.timeout(300)
SECRET = dev_keys()[0].to_bytes()
THERE = DEVELOPMENT_CHAIN_IDS[1]
PAID_WEI = 10**15
DELAY_S = 60
LIKES = "constant:3"


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    with devchain(tmp_path) as (old, _), devchain(tmp_path, THERE) as (new, _):
        yield old, new


@dataclass
class Moving:
    """Four witnesses with nodes; two epochs, with shares and ether, are in force on the old chain."""

    stage: Stage
    folder: Path
    old: str
    new: str

    def __post_init__(self) -> None:
        self.lab = Lab(self.stage, self.folder)
        terms = tryout(delay=f"{DELAY_S}s", unbond_delay="300s")
        self.lab.found_on_chain(self.old, SECRET, terms, accept_ppm=510_000)
        self.at = ("--dir", str(self.lab.home.path))
        self.operator = Operator(self.lab.home)
        self.lab.open_campaign(self.operator, reviewers=2)
        self.nodes = [
            self.lab.node(name, reviewer, stand_by=bool(reviewer), rpc_url=self.old)
            for name, reviewer in (("ann", ""), ("ben", LIKES), ("cyn", LIKES), ("dov", ""))
        ]
        for node in self.nodes:
            with node.store() as store:
                remember_names(store, node.keys)
        self.start()
        people = [name_of(node.keys.person) for node in self.nodes]
        self.stage.run("coordinator", "witnesses", *people, *self.at)
        wait_for(self.operator, lambda s: s.coin_nonce == 1, "the coin of the four")
        self.earn()
        self.settle(self.old)
        self.stage.run("coordinator", "revenue", "deposit", str(PAID_WEI), *self.at)
        self.operator.close_epoch(2)
        self.settle(self.old)

    def start(self) -> None:
        self.daemons = [self.lab.start(node) for node in self.nodes]
        self.stage.wait_ready(*self.daemons)

    @property
    def state(self) -> State:
        self.operator.refresh()
        return self.operator.state

    def earn(self) -> None:
        """An epoch in which items are accepted."""
        wait_for(self.operator, lambda s: standing_by(s, *self.nodes[1:3]), "stand-bys")
        terms = ("--campaign", "digits", "--licence", "CC-BY-4.0", "--origin", "human")
        consent = ("--consent", "train", "--consent", "redistribute")
        files = map(str, self.lab.write_digits(2, "3"))
        self.stage.run(
            "node", "submit", *files, *terms, *consent, "--label", "3", *where(self.nodes[0])
        )
        wait_for(
            self.operator,
            lambda s: [item.status for _, item in s.items.scan()] == [ItemStatus.ACCEPTED] * 2,
            "the verdict",
        )
        self.operator.close_epoch(1)

    def settle(self, url: str) -> dict[str, Any]:
        """Until all that is closed is in force."""
        for _ in range(2):
            done = self.stage.run("coordinator", "settle", *self.at, "--timeout", "30")
            pass_delay(url)
        return dict(done["settled"])

    def move(self, *options: str) -> dict[str, Any]:
        """The operator asks, or waits on."""
        where_to = ("--rpc-url", self.new, "--timeout", "1")
        return dict(self.stage.run("coordinator", "move", *self.at, *where_to, *options))

    def agree(self, node: Node) -> tuple[str, ...]:
        return ("node", "move", "--agree", "--rpc-url", self.new, *where(node))

    def follow(self) -> None:
        """Everybody names an endpoint of the new chain, and starts anew."""
        for server in (*self.daemons, self.lab.server):
            self.stage.stop(server)
        paths = [self.lab.home.path / "coordinator.toml", *(n.home.config for n in self.nodes)]
        for path in paths:
            text = path.read_text().replace(self.old, self.new)
            path.write_text(text.replace('old_rpc_url = ""', f'old_rpc_url = "{self.old}"'))
        self.lab.server = self.lab.serve(self.lab.home)
        link = self.lab.server.ready["link"]
        for node in self.nodes:
            node.home.config.write_text(node.home.config.read_text().replace(self.lab.link, link))
        self.lab.link = link
        self.start()
        self.operator = Operator(self.lab.home)


def where(node: Node) -> tuple[str, str]:
    return ("--dir", str(node.home.root))


def wallet_of(node: Node) -> Wallet:
    return Wallet(node.keys.payout_secret)


def pass_delay(url: str) -> None:
    ask_chain(url, "evm_increaseTime", DELAY_S)
    ask_chain(url, "evm_mine")


def wrong_move(lab: Moving) -> pb.Move:
    """The operator's contracts would mint more with their first root than everybody has earned."""
    state = lab.state
    carried = carried_shares(state)
    view, chain = state.onchain, OperatorChain(lab.new, SECRET)
    founding = Founding(
        view.witnesses, view.emission_micro, view.emission_micro, state.closed_epoch, carried + 1
    )
    to = chain.deploy(tryout(delay=f"{DELAY_S}s", unbond_delay="300s"), founding)
    return pb.Move(
        network=state.network,
        chain_id=to.chain_id,
        block=to.block,
        finality=to.finality,
        epoch=state.closed_epoch,
        carried=str(carried),
        left=[pb.AssetTotal(asset=a, amount=str(n)) for a, n in left_behind(state)],
        witness_nonce=view.nonce,
        deadline=int(time.time()) + 3_600,
        **{name: getattr(to, name) for name in CONTRACTS},
    )


def post_wrong(chain: OperatorChain, liars: list[Node], view: OnChain, last: Payload) -> None:
    """A root for the epoch after the last one, by signatures."""
    assert chain.deployment is not None
    lie = Payload(last.epoch + 1, b"\7" * 32, last.totals)
    deadline = chain.head()[1] + 3_600
    digest = post_digest(chain.deployment, hash_payload(lie), view.attempt, view.nonce, deadline)
    wallets = sorted((wallet_of(node) for node in liars), key=lambda wallet: wallet.address)
    signatures = [wallet.sign_digest(digest) for wallet in wallets]
    chain.post(lie, last, Signed(digest, view.nonce, view.witnesses, signatures, deadline))


def test_a_network_moves_to_another_chain_and_keeps_what_it_promised(
    tmp_path: Path, urls: tuple[str, str]
) -> None:
    old, new = urls
    with Stage(tmp_path) as stage:
        lab = Moving(stage, tmp_path, old, new)
        ann, *others = lab.nodes
        before = lab.state.deployment
        assert before is not None
        chain = OperatorChain(old, SECRET, before)
        owed = lab.state.earned[ann.keys.person, ETHER]
        minted, last = lab.state.minted_micro, lab.state.payloads[2]
        assert owed > 0 and minted > 0

        chain.fund([wallet_of(ann).address], 2 * 10**17)
        stage.run("node", "bond", str(10**17), *where(ann))

        # Nothing is left behind without a word.
        stage.run("coordinator", "revenue", "deposit", "7", *lab.at)
        where_to = ("coordinator", "move", *lab.at, "--rpc-url", new)
        assert "it would stay there: 7 of" in said_no(stage, *where_to)

        # Contracts with another carried: no node agrees to them, and the operator alone moves nothing.
        lab.operator.append("move", wrong_move(lab))
        assert "a value in the code is not" in said_no(stage, *lab.agree(ann))
        asked = lab.move("--anew", "--leave-behind")
        assert (asked["moved"], asked["agreed"], asked["quorum"]) == (False, 0, 3)

        # The owners look, and agree, one by one.
        status = stage.run("node", "status", *where(ann))["move"]["asked"]
        assert (status["chain_id"], status["mine"]) == (THERE, "not given")
        assert "the move leaves behind, for nobody: 7 of ether" in said_no(stage, *lab.agree(ann))
        for node in (ann, others[0]):
            assert stage.run(*lab.agree(node), "--leave-behind")["looked"]["findings"] == []
        assert (lab.move()["agreed"], lab.state.deployment) == (2, before)
        stage.run(*lab.agree(others[1]), "--leave-behind")
        moved = lab.move()
        assert (moved["moved"], moved["start"]) == (True, 2)
        assert list(moved["left"].values()) == ["7"]
        assert int(moved["carried_micro"]) == minted
        after = lab.state.deployment
        assert after is not None and after.chain_id == THERE

        view = lab.state.past[0].view
        # The next epoch is settled there, with the shares of all before it.
        lab.follow()
        lab.operator.close_epoch(3)
        assert lab.settle(new)["epoch"] == 3
        assert lab.state.minted_micro >= minted
        there = OperatorChain(new, SECRET, after)
        for each in (chain, there):
            each.fund([wallet_of(ann).address], GAS_WEI)
        old_wei = wallet_of(ann).chain(old, before).balance(ETHER)
        shares, cold = lab.state.earned[ann.keys.person, SHARES], b"\xc0" * 20
        for options, claimed in (
            # A chain that is away keeps back no other claim.
            (("--old-rpc-url", new), ("shares", shares)),
            (("--to", f"0x{cold.hex()}"), ("ether", owed)),
        ):
            claims = stage.run("node", "claim", *options, *where(ann))["claims"]
            assert [(row["name"], int(row["paid"])) for row in claims] == [claimed]
        assert wallet_of(ann).chain(new, after).balance(after.share_token) == shares
        assert old_wei > wallet_of(ann).chain(old, before).balance(ETHER), "it paid the gas alone"
        assert ether_of(old, cold) == owed

        # A quorum of those who signed there lies, and one honest node looks still.
        post_wrong(chain, lab.nodes[1:], view, last)
        until(lambda: chain.waiting(3).status == "frozen" or None, "the objection")

        # Nobody can put another root in the old one's place, ever.
        retire = ("coordinator", "retire", *lab.at, "--rpc-url", old, "--timeout", "20")
        assert stage.run(*retire)["stage"] == "waits"
        pass_delay(old)
        assert stage.run(*retire)["stage"] == stage.run(*retire)["stage"] == "retired"
        assert chain.has_witnesses((RETIRED,))
        checked = stage.run("verify", lab.lab.link, "--rpc-url", new)
        assert checked["chain"]["outcome"] == "agrees"
        assert [each["chain_id"] for each in checked["past"]] == [DEVELOPMENT_CHAIN_ID]
        assert stage.run("node", "status", *where(ann))["move"]["past"][0]["epoch"] == 2
        page = httpx.get(f"http://127.0.0.1:{lab.lab.server.ready['http_port']}/revenue").text
        assert "Contracts that the network has left" in page
        assert before.settlement.hex() in page


def said_no(stage: Stage, *arguments: str) -> str:
    """What a command says that ends with another code than zero."""
    command = stage.start(*arguments)
    command.process.communicate(timeout=30)
    assert command.process.returncode != 0
    return (stage.folder / "logs" / "commands.log").read_text()

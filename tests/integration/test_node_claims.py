"""From a proposed settlement to money: attest, publish, claim. The chain and the contracts are real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner

from commonhold.audit.onchain import audit_chain
from commonhold.cli.node import app
from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain
from node.attest import attestation_due, keep_attesting
from node.claims import Claimer, SettlementWatch, unclaimed
from node.config import NodeConfig, NodeDirectory, write_config
from node.follower import Follower
from node.keys import generate_keys, save_keys
from node.rows import ClaimRow, OutboxState
from node.store import Store
from node.wallet import Wallet
from protocol.errors import ConfigError, Misbehaviour, StateError, Unreachable
from protocol.money.accounts import cumulative_leaves
from protocol.money.settlement import Deployment, address, build_tree, sum_totals
from protos.gen import records_pb2 as pb
from tests.contract_chains import devchain
from tests.simulated import NETWORK, Network, Person, policy
from tests.simulated_log import LINK, feed, keys_of

T = TypeVar("T")

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def rpc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield url


@dataclass
class Settling:
    """A closed epoch in which `ann` earned, and her node."""

    net: Network
    ann: Person
    wallet: Wallet
    chain: OperatorChain
    deployment: Deployment
    store: Store
    follower: Follower
    watch: SettlementWatch
    rpc_url: str

    def claimer(self, rpc_url: str | None = None) -> Claimer:
        url = self.rpc_url if rpc_url is None else rpc_url
        return Claimer(self.store, self.wallet, url, self.follower, self.watch)

    def log(self, who: Person, kind: str, body: object) -> None:
        self.net.add(who, kind, body)  # type: ignore[arg-type]
        feed(self.follower, self.net)

    def propose(self) -> None:
        leaves = cumulative_leaves(self.net.state)
        totals = [pb.AssetTotal(asset=a, amount=str(n)) for a, n in sum_totals(leaves).items()]
        root = build_tree(leaves).root
        body = pb.Settlement(network=NETWORK, epoch=1, root=root, totals=totals, leaves=len(leaves))
        self.log(self.net.operator, "settlement", body)

    def publish(self) -> None:
        due = attestation_due(self.follower.state, self.ann.id, self.wallet)
        assert due is not None
        self.log(self.ann, "attest", due)
        proposal = self.net.state.settlement
        assert proposal is not None
        totals = {address(asset): amount for asset, amount in proposal.totals}
        self.chain.publish(1, proposal.root, totals, [due.signature])
        body = pb.Published(network=NETWORK, epoch=1, root=proposal.root, tx_hash=bytes(32))
        self.log(self.net.operator, "published", body)


@pytest.fixture
def settling(rpc_url: str, tmp_path: Path) -> Iterator[Settling]:
    ann, reviewers = Person("ann"), [Person(f"reviewer {n}") for n in range(3)]
    net = Network(ann, *reviewers, policy=policy(witness_quorum=1))
    net.submit(ann, [net.item(n % 10) for n in range(4)])
    net.run_epoch(*reviewers)
    wallet = Wallet(ann.wallet.to_bytes())
    chain = OperatorChain(rpc_url, dev_keys()[0].to_bytes())
    deployment = chain.deploy([wallet.address], 1)
    chain.fund([wallet.address], 10**17)
    body = pb.Deployment(
        network=NETWORK,
        chain_id=deployment.chain_id,
        settlement=deployment.settlement,
        share_token=deployment.share_token,
    )
    with Store(tmp_path / "node.db") as store:
        follower = Follower(store, LINK)
        watch = SettlementWatch(follower)
        made = Settling(net, ann, wallet, chain, deployment, store, follower, watch, rpc_url)
        made.log(net.operator, "deployment", body)
        yield made


def test_what_was_earned_is_claimed_once(settling: Settling) -> None:
    earned = settling.net.state.earned[settling.ann.id, b""]
    settling.propose()
    settling.publish()
    claimer = settling.claimer()
    [done] = claimer.claim_all(claimer.due())
    share = settling.deployment.share_token
    assert done.tx.paid == earned > 0
    assert settling.wallet.balance(settling.rpc_url, settling.deployment, share) == earned
    with pytest.raises(StateError, match="nothing to claim"):
        claimer.due()


def test_a_claim_made_elsewhere_is_found_on_the_chain(settling: Settling, tmp_path: Path) -> None:
    settling.propose()
    settling.publish()
    first = settling.claimer()
    leaves = first.due()
    first.claim_all(leaves)
    with Store(tmp_path / "lost.db") as forgetful:  # a restored backup knows of no claim
        settling.store = forgetful
        again = settling.claimer()
        with pytest.raises(StateError, match="nothing to claim"):
            again.claim_all(again.due())


def test_an_unreachable_chain_loses_nothing(settling: Settling) -> None:
    settling.propose()
    settling.publish()
    away = settling.claimer(NOBODY)
    with pytest.raises(Unreachable):
        away.claim_all(away.due())
    claimer = settling.claimer()
    assert len(claimer.claim_all(claimer.due())) == 1


def test_whoever_joins_after_the_proposal_does_not_change_what_it_pays(settling: Settling) -> None:
    settling.propose()
    late = Person("late")
    settling.log(late, "register", settling.net.registration(late))
    moved = settling.net.registration(settling.ann, serial=2, wallet=late)
    proposed = settling.watch
    settling.publish()
    settling.log(settling.ann, "register", moved)  # now her leaves would be another's
    assert proposed.published is not None
    assert proposed.published.tree.root == settling.chain.published().root
    claimer = settling.claimer()
    assert len(claimer.claim_all(claimer.due())) == 1


def test_before_publication_there_is_nothing_to_claim(settling: Settling) -> None:
    settling.propose()
    with pytest.raises(StateError, match="no settlement is published"):
        settling.claimer().due()
    with pytest.raises(ConfigError, match="no chain"):
        settling.claimer("").due()


def test_who_attests_and_when(settling: Settling) -> None:
    state, ann, wallet = settling.follower.state, settling.ann.id, settling.wallet
    assert attestation_due(state, ann, wallet) is None  # nothing is proposed
    settling.propose()
    due = attestation_due(state, ann, wallet)
    assert due is not None
    assert due == attestation_due(state, ann, wallet)  # the same record however often
    stranger = generate_keys()
    assert attestation_due(state, stranger.person, wallet) is None
    assert attestation_due(state, ann, Wallet(stranger.payout_secret)) is None
    settling.log(settling.ann, "attest", due)
    assert attestation_due(state, ann, wallet) is None


def test_only_the_difference_is_due(settling: Settling) -> None:
    settling.propose()
    settling.publish()
    settled = settling.watch.published
    assert settled is not None
    [leaf] = unclaimed(settled, settling.wallet.address, [])
    row = ClaimRow(leaf.asset, leaf.cumulative - 1, 1, bytes(32), "confirmed")
    assert unclaimed(settled, settling.wallet.address, [row]) == [leaf]
    row = replace(row, cumulative=leaf.cumulative)
    assert unclaimed(settled, settling.wallet.address, [row]) == []


def test_the_command_claims_and_then_says_that_nothing_is_left(
    settling: Settling, tmp_path: Path
) -> None:
    earned = settling.net.state.earned[settling.ann.id, b""]
    settling.propose()
    settling.publish()
    home = NodeDirectory(tmp_path)
    save_keys(home.keys, keys_of(settling.ann))
    write_config(home, NodeConfig(LINK, rpc_url=settling.rpc_url))
    command = ["claim", "--dir", str(tmp_path), "--json"]
    other = CliRunner().invoke(app, [*command, "--asset", "ether"])
    assert other.exit_code == EXIT_STATE
    done = CliRunner().invoke(app, [*command, "--asset", "shares"])
    assert done.exit_code == 0, done.stderr
    [claim] = json.loads(done.stdout)["claims"]
    assert (claim["name"], claim["paid"], claim["epoch"]) == ("shares", str(earned), 1)
    again = CliRunner().invoke(app, command)
    assert again.exit_code == EXIT_STATE
    assert "nothing to claim" in again.stderr
    assert CliRunner().invoke(app, [*command, "--asset", "gold"]).exit_code == EXIT_USAGE


async def test_a_daemon_attests_once_and_claims_by_itself(settling: Settling) -> None:
    keys = keys_of(settling.ann)
    parts = [
        asyncio.create_task(keep_attesting(keys, settling.store, settling.follower)),
        asyncio.create_task(settling.claimer().run()),
    ]
    settling.propose()
    queued = await until_some(settling.store.next_queued)
    assert queued.outgoing.kind == "attest"
    settling.log(Person("late"), "register", settling.net.registration(Person("late")))
    assert settling.store.outbox_counts() == {OutboxState.QUEUED: 1}
    settling.publish()
    [claim] = await until_some(settling.store.claims)
    assert claim.cumulative == settling.net.state.earned[settling.ann.id, b""]
    for part in parts:
        part.cancel()


async def until_some(look: Callable[[], T | None]) -> T:
    """Looks until there is something; the suite's timeout bounds it."""
    while not (found := look()):
        await asyncio.sleep(0.02)
    return found


def test_an_auditor_compares_the_chain_with_the_log(settling: Settling) -> None:
    state = settling.net.state
    assert audit_chain(state, settling.rpc_url) == 0, "nothing is published yet"
    settling.propose()
    settling.publish()
    assert audit_chain(state, settling.rpc_url) == 1
    proposal = state.settlement
    assert proposal is not None
    share = settling.deployment.share_token
    for lie, message in (
        (replace(proposal, root=bytes(32)), "the chain's root is"),
        (
            replace(proposal, totals=((share, dict(proposal.totals)[share] - 1),)),
            "the chain's supply",
        ),
    ):
        state.settlement = lie
        with pytest.raises(Misbehaviour, match=message):
            audit_chain(state, settling.rpc_url)
    with pytest.raises(Unreachable):
        audit_chain(state, NOBODY)

"""From a proposed settlement to money: attest, post, object, claim. The chain and the contracts are real."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner

from commonhold.cli.bond_report import bond_data, bond_text
from commonhold.cli.node import app
from commonhold.cli.output import EXIT_STATE, EXIT_USAGE
from contracts.client import ContractRefused
from contracts.signed import Signed
from coordinator.slashing import open_slashes, proven_faults
from node.attest import attestations_due, keep_attesting, remember
from node.chain import NodeChain
from node.claims import Claimer, SettlementWatch, leaf_of, unclaimed
from node.config import NodeConfig, NodeDirectory, write_config
from node.follower import Follower
from node.keys import generate_keys, save_keys
from node.objection import PATIENCE_LOOKS, Objector, evidence_of, own_payload
from node.rows import AlarmKind, ClaimRow, OutboxState
from node.store import Store
from node.wallet import Posting, Wallet
from protocol.coin.witnesses import Diligence
from protocol.errors import ConfigError, StateError, Unreachable
from protocol.lifecycle import RootStatus
from protocol.money.payload import NOTHING, Payload, bond_id, hash_payload, slash_digest
from protocol.money.settlement import Deployment, Leaf
from protocol.rules.admission import bond_of
from protos.gen import records_pb2 as pb
from tests.chain_says import settlement
from tests.contract_chains import devchain
from tests.contract_lab import DELAY_S, GAS_WEI, HOUR_S, SLASH_DELAY_S, ChainLab
from tests.simulated import Network, Person
from tests.simulated_log import LINK, feed, keys_of

T = TypeVar("T")

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def rpc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield url


@dataclass
class Settling:
    """A closed epoch in which `ann` earned, who is the only witness on chain; and her node."""

    net: Network
    ann: Person
    wallet: Wallet
    lab: ChainLab
    store: Store
    follower: Follower
    watch: SettlementWatch

    @property
    def deployment(self) -> Deployment:
        return self.lab.deployment

    def claimer(self, rpc_url: str | None = None) -> Claimer:
        url = self.lab.url if rpc_url is None else rpc_url
        return Claimer(self.store, self.wallet, url, self.follower, self.watch)

    def objector(self) -> Objector:
        return Objector(self.follower, self.wallet, self.ann.id, self.lab.url)

    def log(self, who: Person, kind: str, body: object, *leaves: object) -> None:
        self.net.add(who, kind, body, *leaves)  # type: ignore[arg-type]
        feed(self.follower, self.net)

    def read(self) -> None:
        """The log reads the chain."""
        self.log(self.net.operator, "chain", *self.lab.log_chain(self.net))

    def propose(self) -> None:
        self.log(self.net.operator, "settlement", settlement(self.net))

    def due(self, wallet: Wallet | None = None) -> pb.Attest | None:
        state, now_s = self.follower.state, time.time()
        found = attestations_due(state, self.ann.id, wallet or self.wallet, now_s)
        return next((answer for _, _, answer in found), None)

    def post(self) -> None:
        due = self.due()
        assert due is not None
        ask = self.net.state.asks["settlement"]
        self.log(self.ann, "attest", due)
        signed = Signed(due.digest, 0, self.lab.listed, [due.signature], ask.deadline_s)
        self.lab.chain.post(self.net.state.payloads[1], NOTHING, signed)

    def settle(self) -> None:
        self.post()
        self.lab.pass_time(DELAY_S)
        self.lab.chain.enact(self.net.state.payloads[1])
        self.read()


@contextmanager
def settled_by_ann(rpc_url: str, folder: Path, wrong: int = 0) -> Iterator[Settling]:
    """An epoch that ann and three reviewers have earned in, and contracts of their network; `wrong`: how many
    more of her items have a label that is not theirs."""
    ann, reviewers = Person("ann"), [Person(f"reviewer {n}") for n in range(3)]
    net = Network(ann, *reviewers)
    net.submit(
        ann, [net.item(n % 10) for n in range(4)] + [net.item(n, label=9) for n in range(wrong)]
    )
    net.run_epoch(*reviewers)
    wallet = Wallet(ann.wallet.to_bytes())
    lab = ChainLab(rpc_url, witnesses=[wallet])
    lab.chain.fund([wallet.address], GAS_WEI)
    with Store(folder / "node.db") as store:
        follower = Follower(store, LINK)
        made = Settling(net, ann, wallet, lab, store, follower, SettlementWatch(follower, ann.id))
        made.log(net.operator, "deployment", lab.log_deployment())
        made.read()
        yield made


@pytest.fixture
def settling(rpc_url: str, tmp_path: Path) -> Iterator[Settling]:
    with settled_by_ann(rpc_url, tmp_path) as made:
        yield made


def test_what_was_earned_is_claimed_once(settling: Settling) -> None:
    earned = settling.net.state.earned[settling.ann.id, b""]
    settling.propose()
    settling.settle()
    claimer = settling.claimer()
    done = claimer.claim(*claimer.due())
    share = settling.deployment.share_token
    assert done.tx.paid == ((share, earned),)
    chain = settling.wallet.chain(settling.lab.url, settling.deployment)
    assert chain.balance(share) == earned > 0
    with pytest.raises(StateError, match="nothing to claim"):
        claimer.due()


def test_a_claim_made_elsewhere_is_found_on_the_chain(settling: Settling, tmp_path: Path) -> None:
    settling.propose()
    settling.settle()
    first = settling.claimer()
    first.claim(*first.due())
    with Store(tmp_path / "lost.db") as forgetful:  # a restored backup knows of no claim
        settling.store = forgetful
        again = settling.claimer()
        with pytest.raises(StateError, match="nothing to claim"):
            again.claim(*again.due())


def test_an_unreachable_chain_loses_nothing(settling: Settling) -> None:
    settling.propose()
    settling.settle()
    away = settling.claimer(NOBODY)
    with pytest.raises(Unreachable):
        away.claim(*away.due())
    claimer = settling.claimer()
    assert len(claimer.claim(*claimer.due()).tx.paid) == 1


def test_whoever_joins_after_the_proposal_does_not_change_what_it_pays(settling: Settling) -> None:
    settling.propose()
    late = Person("late")
    settling.log(late, "register", settling.net.registration(late))
    moved = settling.net.registration(settling.ann, serial=2, wallet=late)
    settling.settle()
    settling.log(settling.ann, "register", moved)  # now her leaves would be another's
    assert settling.watch.in_force is not None
    assert settling.watch.in_force.tree.root == settling.lab.chain.root()
    claimer = settling.claimer()
    assert len(claimer.claim(*claimer.due()).tx.paid) == 1


def test_before_it_is_in_force_there_is_nothing_to_claim(settling: Settling) -> None:
    settling.propose()
    settling.post()
    settling.read()
    with pytest.raises(StateError, match="no settlement is in force"):
        settling.claimer().due()
    with pytest.raises(ConfigError, match="no chain"):
        settling.claimer("").due()


def test_who_attests_and_when(settling: Settling) -> None:
    assert settling.due() is None  # nothing is proposed
    settling.propose()
    due = settling.due()
    assert due is not None
    assert due == settling.due()  # the same record however often
    state, stranger = settling.follower.state, generate_keys()
    assert not list(attestations_due(state, stranger.person, settling.wallet, time.time()))
    assert settling.due(Wallet(stranger.payout_secret)) is None
    deadline = state.asks["settlement"].deadline_s
    for now_s, answers in (
        (deadline, 0),
        (deadline - 1, 1),
        (deadline - 3_660, 1),
        (deadline - 3_661, 0),
    ):
        found = attestations_due(state, settling.ann.id, settling.wallet, now_s)
        assert len(list(found)) == answers, "for an hour, and not when it is over"
    settling.log(settling.ann, "attest", due)
    assert settling.due() is None


def test_another_payload_for_an_epoch_and_attempt_is_never_signed(settling: Settling) -> None:
    settling.propose()
    state = settling.follower.state
    ask = state.asks["settlement"]
    assert remember(settling.store, state, ask)
    assert remember(settling.store, state, ask)
    state.payloads.put(1, replace(state.payloads[1], root=bytes(32)))  # another log is shown
    assert not remember(settling.store, state, ask)
    assert remember(settling.store, state, replace(ask, attempt=1))


def test_only_the_difference_is_due(settling: Settling) -> None:
    settling.propose()
    settling.settle()
    settled = settling.watch.in_force
    assert settled is not None
    leaf = leaf_of(settled, settling.wallet.address)
    assert leaf is not None
    [(asset, amount)] = leaf.amounts
    row = ClaimRow(settling.wallet.address, asset, amount - 1, 1, bytes(32), "confirmed")
    assert unclaimed(settled, settling.wallet.address, [row]) == [asset]
    row = replace(row, cumulative=amount)
    assert unclaimed(settled, settling.wallet.address, [row]) == []
    row = replace(row, tx_hash=b"")  # the chain's word alone, which may be wrong or taken back
    assert unclaimed(settled, settling.wallet.address, [row]) == [asset]


def test_the_command_claims_and_then_says_that_nothing_is_left(
    settling: Settling, tmp_path: Path
) -> None:
    earned = settling.net.state.earned[settling.ann.id, b""]
    settling.propose()
    settling.settle()
    home = NodeDirectory(tmp_path)
    save_keys(home.keys, keys_of(settling.ann))
    write_config(home, NodeConfig(LINK, rpc_url=settling.lab.url))
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


def test_who_earned_nothing_is_told_why(rpc_url: str, tmp_path: Path) -> None:
    with settled_by_ann(rpc_url, tmp_path, wrong=4) as settling:
        settling.propose()
        settling.settle()
        with pytest.raises(
            StateError, match=r"you earned nothing up to epoch 1 \(4 of 8 items"
        ) as told:
            settling.claimer().due()
        assert "4 rejected in digits = 0.0 % of the contributors' pool: what is rejected" in str(
            told.value
        )
        assert "node statement --items" in told.value.advice


async def test_a_daemon_attests_once_and_claims_by_itself(settling: Settling) -> None:
    keys = keys_of(settling.ann)
    parts = [
        asyncio.create_task(keep_attesting(keys, settling.store, settling.follower)),
        asyncio.create_task(settling.claimer().run()),
    ]
    settling.propose()
    earner = settling.wallet.address
    queued = await until_some(settling.store.next_queued)
    assert queued.outgoing.kind == "attest"
    settling.log(Person("late"), "register", settling.net.registration(Person("late")))
    assert settling.store.outbox_counts() == {OutboxState.QUEUED: 1}
    settling.settle()
    moved = settling.net.registration(settling.ann, serial=2, wallet=Person("elsewhere"))
    settling.log(settling.ann, "register", moved)
    [claim] = await until_some(settling.store.claims)
    assert claim.cumulative == settling.net.state.earned[settling.ann.id, b""]
    assert claim.account == earner, "where she was paid when it was promised"
    for part in parts:
        part.cancel()


async def until_some(look: Callable[[], T | None]) -> T:
    """Looks until there is something; the suite's timeout bounds it."""
    while not (found := look()):
        await asyncio.sleep(0.02)
    return found


def lie(settling: Settling) -> Payload:
    """The witness's key signs another root than the log's, and somebody posts it."""
    thief = Leaf(settling.deployment.vault, ((settling.deployment.share_token, 7),))
    payload, _ = settling.lab.post([thief])
    return payload


def bond(settling: Settling) -> None:
    chain = settling.wallet.chain(settling.lab.url, settling.deployment)
    chain.bond(settling.ann.id, chain.bond_minimum())


def test_a_bonded_witness_freezes_a_root_that_is_not_the_logs(settling: Settling) -> None:
    settling.propose()
    bond(settling)
    wrong = lie(settling)
    objector = settling.objector()
    [posting] = objector.look()
    assert posting.payload == hash_payload(wrong)
    assert settling.lab.chain.waiting(1).status == "frozen"
    assert objector.look() == [], "once"
    settling.read()
    root = settling.net.state.roots[1]
    assert (root.status, root.challenger) == (RootStatus.FROZEN, settling.wallet.address)
    state = settling.net.state
    own = own_payload(state, posting.epoch)
    assert root.evidence == evidence_of(state.network, own, posting)


def test_a_root_that_is_the_logs_is_left_alone(settling: Settling) -> None:
    settling.propose()
    bond(settling)
    settling.post()
    assert [settling.objector().look() for _ in range(PATIENCE_LOOKS + 1)] == [[]] * 4


def test_a_root_that_the_log_never_proposed_is_wrong_after_a_while(settling: Settling) -> None:
    bond(settling)
    lie(settling)
    objector = settling.objector()
    looks = [len(objector.look()) for _ in range(PATIENCE_LOOKS + 1)]
    assert looks == [0] * (PATIENCE_LOOKS - 1) + [1, 0]


def test_roots_are_asked_for_once_a_block(
    settling: Settling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain that is quiet is asked for its latest block alone; what comes then is seen."""
    asked, waiting = [], NodeChain.waiting

    def counted(chain: NodeChain) -> list[Posting]:
        asked.append(chain)
        return waiting(chain)

    monkeypatch.setattr(NodeChain, "waiting", counted)
    settling.propose()
    bond(settling)
    objector = settling.objector()
    assert [objector.look() for _ in range(3)] == [[]] * 3
    assert len(asked) == 1
    lie(settling)
    assert len(objector.look()) == 1
    assert len(asked) == 2
    assert [objector.look() for _ in range(2)] == [[]] * 2  # a root waits, frozen by what we sent
    assert len(asked) == 3


def test_who_signed_two_roots_is_shown_on_chain_and_loses_the_bond(settling: Settling) -> None:
    """No bond is needed to show it; what the log has read of the wrong root leaves the proof where it is."""
    bond(settling)
    settling.propose()
    due = settling.due()
    assert due is not None
    settling.log(settling.ann, "attest", due)
    wrong = lie(settling)
    settling.read()
    assert settling.net.state.roots[1].payload == wrong
    [posting] = settling.objector().look()
    assert posting.payload == hash_payload(wrong)
    assert settling.lab.chain.epochs() == (0, 0), "the root is undone"
    settling.read()
    state = settling.net.state
    assert (state.onchain.posted, state.onchain.attempt) == (0, 1)
    [(_, slash)] = state.slashes.scan()
    vouches = state.bonds[slash.bond]
    assert (vouches.person, slash.amount) == (settling.ann.id, vouches.active)
    assert "settlement" not in state.asks, "and the next attempt asks anew"


def test_one_signature_in_the_log_is_no_contradiction(settling: Settling) -> None:
    """The witness answered nothing that the log asks: then it stays an objection."""
    settling.propose()
    bond(settling)
    lie(settling)
    assert len(settling.objector().look()) == 1
    assert settling.lab.chain.waiting(1).status == "frozen"


def test_without_a_bond_it_says_so(settling: Settling, caplog: pytest.LogCaptureFixture) -> None:
    settling.propose()
    lie(settling)
    assert settling.objector().look() == []
    assert "without a bond" in caplog.text
    assert settling.lab.chain.waiting(1).status == "waiting"


def command_of(settling: Settling, folder: Path) -> Callable[..., tuple[int, str]]:
    """Runs `commonhold node` as ann: the exit code, and what it said."""
    home = NodeDirectory(folder)
    save_keys(home.keys, keys_of(settling.ann))
    write_config(home, NodeConfig(LINK, rpc_url=settling.lab.url))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*words, "--dir", str(folder), "--json"])
        return done.exit_code, done.stdout or done.stderr

    return run


def test_a_silence_that_the_log_proves_costs_a_part_of_the_bond(settling: Settling) -> None:
    bond(settling)
    settling.read()
    for each in (settling.net.state, settling.follower.state):
        each.policy = replace(each.policy, silence_tosses=10, silence_ppm=50_000)
        each.diligence.put(settling.ann.id, Diligence(3, 10, 10))
    state = settling.net.state
    [proven] = proven_faults(state)
    body = pb.Slash(
        network=state.network,
        bond=proven.bond,
        fault=pb.FAULT_SILENCE,
        evidence=proven.evidence,
        amount=str(proven.amount),
        deadline=state.onchain.time_s + HOUR_S // 6,  # other tests have moved the chain's clock
    )
    settling.log(settling.net.operator, "slash", body)
    due = settling.due()
    assert due is not None, (
        "its own replay proves it, so its node signs: it is the witness on chain"
    )
    signed = Signed(due.digest, 0, settling.lab.listed, [due.signature], body.deadline)
    settling.lab.chain.propose_slash(proven.bond, proven.amount, proven.evidence, signed)
    settling.read()
    [(number, slash)] = state.slashes.scan()
    assert (slash.amount, slash.evidence) == (proven.amount, proven.evidence)
    assert proven_faults(state)[0].slash == number, "and is not proposed again"
    settling.lab.pass_time(SLASH_DELAY_S)
    settling.lab.chain.execute_slash(number)
    settling.read()
    held = bond_of(state, settling.ann.id)
    assert (held.slashed, held.active) == (proven.amount, proven.amount * 19)
    assert open_slashes(state) == []


def test_a_slash_is_appealed_against_by_command(settling: Settling, tmp_path: Path) -> None:
    run = command_of(settling, tmp_path)
    assert run("appeal") == (EXIT_STATE, run("appeal")[1]), "nothing to appeal against"
    bond(settling)
    settling.read()
    deadline, what = settling.lab.deadline, bond_id(settling.ann.id, settling.wallet.address)
    digest = slash_digest(settling.deployment, what, 7, bytes(32), nonce=0, deadline=deadline)
    signed = settling.lab.signed(digest, deadline)
    settling.lab.chain.propose_slash(what, 7, bytes(32), signed)
    settling.read()
    data = bond_data(settling.net.state, settling.ann.id, settling.wallet.address)
    assert "ACCUSED     slash 0 asks for 7 of it: `commonhold node appeal`" in bond_text(data)
    code, said = run("appeal")
    assert code == 0, said
    assert json.loads(said)["appealed"] == [0]
    settling.read()
    [still] = open_slashes(settling.net.state)
    assert still.appealed
    settling.lab.pass_time(SLASH_DELAY_S)
    with pytest.raises(ContractRefused, match="WrongVerdict"):
        settling.lab.chain.execute_slash(still.number)


def test_a_bond_is_made_and_taken_back_by_command(settling: Settling, tmp_path: Path) -> None:
    run = command_of(settling, tmp_path)

    assert run("unbond") == (EXIT_STATE, run("unbond")[1])
    code, said = run("bond", str(10**17))
    assert (code, json.loads(said)["bonded_wei"]) == (0, str(10**17))
    assert settling.objector().look() == []
    code, said = run("unbond")
    assert code == 0, said
    code, said = run("unbond")
    assert (code, "is leaving; it comes back from" in said) == (EXIT_STATE, True)
    for nothing in ("5", "9" * 60):
        assert run("unbond", nothing)[0] != 0
    assert run("bond", "9" * 60)[0] == EXIT_USAGE, "more than any contract counts"
    settling.lab.pass_time(201)
    assert run("unbond")[0] == 0
    assert run("unbond")[0] == EXIT_STATE, "nothing is left"


def test_a_witness_is_paid_where_its_key_signs(settling: Settling, tmp_path: Path) -> None:
    run = command_of(settling, tmp_path)
    code, said = run("payee", "0x" + "5a" * 20)
    assert (code, "you are a witness" in said) == (EXIT_STATE, True)
    code, said = run("payee", f"0x{settling.wallet.address.hex()}")
    assert (code, json.loads(said)["registered"]) == (0, True), "where she is paid already"


def test_a_bond_waits_while_the_chain_does_not_agree(settling: Settling, tmp_path: Path) -> None:
    run = command_of(settling, tmp_path)
    settling.store.raise_alarm(AlarmKind.CHAIN, "no contract", (b"NO_CONTRACT", b"Stake"), 1)
    code, said = run("bond", str(10**17))
    assert (code, "nothing was sent" in said) == (EXIT_STATE, True)
    assert run("alarms", "--acknowledge")[0] == 0
    code, said = run("bond", str(10**17))
    assert (code, json.loads(said)["bonded_wei"]) == (0, str(10**17))

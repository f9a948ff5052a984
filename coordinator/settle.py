"""Settlement: from closed epochs to claims on chain. Run it again after any failure.

    deploy      the contracts, once; logged as `deployment`
    join        the treasury's account, bound to the operator; logged as `register`
    read        what final blocks hold of the contracts, deposits above all; logged as `chain`
    witnesses   those on chain follow those who toss the coin; asked for by `witness-change`
    post        each closed epoch's root, once its witnesses have signed it; asked for by `settlement`
    stand by    a root that was challenged and is the log's; asked for by `uphold`
    enact       each root that has waited
    decisions   what the holders of shares decided on; logged as `policy`
    claim       what the treasury has earned

The chain says which steps are done, the log says what is to be done, and no step is done twice. One
exception: a crash between the first contract and the record of all leaves contracts that nobody knows of
and nothing was paid into; the next run deploys others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from commonground.counting import plural
from contracts.endpoint import Endpoint
from contracts.inspection import differences
from contracts.reader import ChainReader
from contracts.spending import WEI_PER_GWEI, Spending, ether
from coordinator.asking import ask
from coordinator.chain import OperatorChain, Waiting
from coordinator.deciding import follow_decision
from coordinator.operator import Operator
from coordinator.reading import read_chain
from coordinator.terms import WITNESSES_SAFE, Founding, few_witnesses
from protocol.errors import ConfigError, StateError
from protocol.money.accounts import promised_leaves
from protocol.money.payload import NOTHING, Payload, hash_payload
from protocol.money.settlement import CONTRACTS, ETHER, Deployment, address, build_tree
from protocol.rules.settling import compute_payload, witnesses_to_be
from protos.gen import records_pb2 as pb

Report = Callable[[str], None]

# How often the clock is looked at while a root waits or a block becomes final.
POLL_S: Final = 0.5


@dataclass(slots=True)
class Budget:
    """Time for one run. Raises ConfigError unless it is a number of seconds."""

    seconds: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.seconds) or self.seconds <= 0:
            raise ConfigError(f"--timeout is {self.seconds}", "give seconds, above zero")
        self._end = time.monotonic() + self.seconds

    @property
    def left_s(self) -> float:
        """Seconds that are left, zero at least."""
        return max(0.0, self._end - time.monotonic())

    def wait(self, until_s: float, now: Callable[[], float] = time.time) -> bool:
        """Waits for a moment of a clock, if it comes in time; whether it has."""
        while (missing := until_s - now()) > 0:
            if missing > self.left_s:
                return False
            time.sleep(min(missing, POLL_S))
        return True


@dataclass(frozen=True, slots=True)
class Settled:
    """What is in force after a run, and what still waits."""

    epoch: int  # in force; 0: none
    root: bytes  # NOTHING_EARNED before the first
    posted: int  # the last epoch that is posted
    imported: int  # deposits that this run found
    waiting: tuple[Waiting, ...] = ()


def open_chain(
    operator: Operator,
    report: Report = lambda _: None,
    *,
    rpc_url: str = "",
    deployment: Deployment | None = None,
) -> OperatorChain:
    """The chain of the settings, with the contracts of the log; or another one, with others. Raises
    Unreachable, ConfigError."""
    config = operator.config
    spending = Spending(
        config.max_fee_gwei * WEI_PER_GWEI,
        operator.home.path / "chain",
        lambda tx_hash: report(f"sent transaction 0x{tx_hash.hex()}"),
    )
    secret = operator.keys.chain_secret
    return OperatorChain(
        rpc_url or config.rpc_url, secret, deployment or operator.state.deployment, spending
    )


def settle(operator: Operator, chain: OperatorChain, report: Report, seconds_max: float) -> Settled:
    """Does what is left to do for all closed epochs, as far as it can be done in `seconds_max`.

    Raises:
        ConfigError: the time is no time, or the settings cannot be.
        StateError: no epoch has closed, or the witnesses did not answer in time.
        Unreachable: the chain or the coordinator does not answer; run it again.
    """
    budget = Budget(seconds_max)
    if operator.state.closed_epoch == 0:
        raise StateError("no epoch has been closed", "run `commonhold coordinator epoch close`")
    operator.join()
    _deploy(operator, chain, report)
    run = _Run(operator, chain, report, budget)
    run.read()
    run.follow_witnesses()
    run.post_all()
    while run.enact_all():
        run.post_all()
    follow_decision(operator, chain, report)
    run.claim_treasury()
    return run.settled()


def deposit_revenue(
    operator: Operator,
    chain: OperatorChain,
    asset: bytes,
    amount: int,
    memo: bytes,
    *,
    report: Report = lambda _: None,
) -> bytes:
    """Pays in from the operator's account and logs the deposit once it is final; gives the transaction's
    hash.

    Crash in between: the next settlement finds the deposit on chain. Raises StateError on a chain that does
    not agree with the log.
    """
    if (deployment := operator.state.deployment) is not None:
        reader = ChainReader(Endpoint(operator.config.rpc_url))
        for found in differences(reader, deployment, operator.state.onchain):
            raise StateError(
                f"the chain does not agree with the log: {found}",
                f"nothing was paid in; {found.kind.advice}",
            )
    tx_hash = chain.deposit(address(asset), amount, memo)
    read_chain(operator, chain, report)
    return tx_hash


def _deploy(operator: Operator, chain: OperatorChain, report: Report) -> None:
    if operator.state.deployment is not None:
        return
    state, witnesses = operator.state, witnesses_to_be(operator.state)
    if len(witnesses) < WITNESSES_SAFE:
        report(few_witnesses(len(witnesses)))
    report(f"deploying the contracts; witnesses: {len(witnesses)}")
    emission, terms = max(1, state.policy.epoch_emission_micro), operator.config.settlement
    founding = Founding(witnesses, emission, emission * terms.emission_factor)
    made = chain.deploy(terms, founding, report)
    body = pb.Deployment(
        network=state.network,
        chain_id=made.chain_id,
        block=made.block,
        finality=made.finality,
        **{name: getattr(made, name) for name in CONTRACTS},
    )
    operator.append("deployment", body)
    chain.forget_deploying()


@dataclass(slots=True)
class _Run:
    """One run over contracts that are there."""

    operator: Operator
    chain: OperatorChain
    report: Report
    budget: Budget
    imported: int = 0

    @property
    def state(self) -> Any:
        """As of now: it is another object's to replace."""
        return self.operator.state

    def now(self) -> float:
        """The chain's time, which blocks tell; between them time goes on."""
        return max(time.time(), self.chain.head()[1])

    def read(self) -> None:
        """Brings the log up to the chain's final blocks."""
        self.imported += read_chain(self.operator, self.chain, self.report).deposits

    def follow_witnesses(self) -> None:
        """Those who toss the coin become the witnesses on chain, at a proposal's own pace."""
        due_s = self.chain.change_due_s()
        wanted, view = witnesses_to_be(self.state), self.state.onchain
        if due_s and view.waiting == wanted:
            if not self.budget.wait(due_s, self.now):
                self.report(f"the next witnesses take over {_moment(due_s)}; run this again then")
                return
            self._final(self.chain.activate_witnesses().block)
            self.report(f"{plural(len(wanted), 'witness is', 'witnesses are')} in force on chain")
        elif wanted and wanted != view.witnesses and view.witnesses and not due_s:
            self.report(
                f"asking {plural(len(view.witnesses), 'witness', 'witnesses')} to make room for {len(wanted)}"
            )
            body = pb.WitnessChange(
                network=self.state.network, proposal=view.proposals + 1, witnesses=wanted
            )
            signed = ask(self.operator, "witness-change", body, self.report, self.budget.left_s)
            if self._final(self.chain.propose_witnesses(wanted, signed).block):
                self.follow_witnesses()

    def post_all(self) -> None:
        """Each closed epoch, in order."""
        while (epoch := self.state.onchain.posted + 1) <= self.state.closed_epoch:
            if self.chain.epochs()[1] >= epoch:
                self.report(f"the root of epoch {epoch} is posted, and not final yet")
                if not self._await_read(lambda e=epoch: self.state.onchain.posted >= e):  # type: ignore[misc]
                    return
                continue
            payload = self._payload(epoch)
            self.report(f"asking the witnesses to sign epoch {epoch}")
            body = pb.Settlement(
                network=self.state.network,
                epoch=epoch,
                attempt=self.state.onchain.attempt,
                root=payload.root,
                totals=[pb.AssetTotal(asset=a, amount=str(n)) for a, n in payload.totals],
                leaves=0
                if epoch <= self.state.proposed_epoch
                else compute_payload(self.state, epoch)[1],
            )
            signed = ask(self.operator, "settlement", body, self.report, self.budget.left_s)
            last = self.state.payloads.get(epoch - 1, NOTHING)
            sent = self.chain.post(payload, last, signed)
            self.report(f"posted epoch {epoch}, transaction 0x{sent.tx_hash.hex()}")
            if not self._final(sent.block):
                return

    def enact_all(self) -> bool:
        """Each root that waits, in order; what is frozen holds back those behind it. Whether roots were
        undone meanwhile, and are to be proposed anew."""
        before = self.state.onchain.attempt
        while True:
            epoch, posted = self.chain.epochs()
            if epoch >= posted:
                break
            found = self.chain.waiting(epoch + 1)
            if not (self._stand_by(found) if found.status == "frozen" else self._enact(found)):
                break
        self.read()
        return bool(self.state.onchain.attempt > before)

    def _enact(self, root: Waiting) -> bool:
        payload = self.state.payloads.get(root.epoch)
        if payload is None or hash_payload(payload) != root.payload:
            self.report(
                f"WARNING: the root of epoch {root.epoch} on chain is NOT the log's. Any witness"
                f" with a bond can freeze it until {_moment(root.due_s)}; then anybody can put it in force"
            )
            return False
        if not self.budget.wait(root.due_s, self.now):
            self.report(
                f"epoch {root.epoch} waits: anybody bonded may object until {_moment(root.due_s)};"
                " run `commonhold coordinator settle` again then"
            )
            return False
        sent = self.chain.enact(payload)
        self.report(f"epoch {root.epoch} is in force in block {sent.block}")
        return True

    def _stand_by(self, root: Waiting) -> bool:
        """A root that somebody challenged: its witnesses stand by it if it is the log's, else it lapses."""
        self.read()
        known = self.state.roots.get(root.epoch)
        if known is None or known.challenger is None:
            self.report(f"epoch {root.epoch} is frozen; by whom, the next final block says")
            return False
        self.report(
            f"epoch {root.epoch} is FROZEN by witness 0x{known.challenger.hex()},"
            f" with evidence {known.evidence.hex()}"
        )
        if known.payload == self.state.payloads.get(root.epoch) and self.now() < root.due_s:
            body = pb.Uphold(network=self.state.network, epoch=root.epoch)
            signed = ask(self.operator, "uphold", body, self.report, self.budget.left_s)
            self._final(self.chain.uphold(root.epoch, signed).block)
            self.report(f"the witnesses stand by epoch {root.epoch}")
            return True
        if not self.budget.wait(root.due_s, self.now):
            self.report(f"it lapses {_moment(root.due_s)}; run this again then")
            return False
        self.report(f"epoch {root.epoch} lapses, and all behind it; they are proposed anew")
        return self._final(self.chain.lapse(root.epoch).block)

    def claim_treasury(self) -> None:
        """Claims what is in force for the operator's account, but not ether alone that its own gas would eat;
        what was claimed before is left alone."""
        tree = build_tree(promised_leaves(self.state))
        index = tree.index_of(self.chain.address)
        if self.chain.root() != tree.root or index is None:
            return  # a later root waits already; the settlement that enacts it claims
        leaf, proof = tree.leaves[index], tree.proof(index)
        owed = {asset: amount - self.chain.claimed(asset) for asset, amount in leaf.amounts}
        due = {asset: amount for asset, amount in owed.items() if amount > 0}
        if not due:
            return
        if set(due) == {ETHER} and (cost := self.chain.claim_cost_wei(leaf, proof)) >= due[ETHER]:
            self.report(
                f"the treasury is owed {ether(due[ETHER])}, and claiming it takes {ether(cost)} now:"
                " it waits for more, or for cheaper gas"
            )
            return
        sent = self.chain.claim_for(leaf, proof)
        self.report(f"the treasury has claimed, transaction 0x{sent.tx_hash.hex()}")
        self.read()

    def settled(self) -> Settled:
        """What there is now."""
        epoch, posted = self.chain.epochs()
        in_force = epoch if epoch > self.state.deployment.start else 0
        waiting = tuple(self.chain.waiting(each) for each in range(epoch + 1, posted + 1))
        return Settled(in_force, self.chain.root(), posted, self.imported, waiting)

    def _payload(self, epoch: int) -> Payload:
        """What was proposed once stands: witnesses may have signed it."""
        known: Payload | None = self.state.payloads.get(epoch)
        return known if known is not None else compute_payload(self.state, epoch)[0]

    def _final(self, block: int) -> bool:
        """Waits until a block is final, and logs it; whether it is."""
        if self._await_read(lambda: self.chain.final_block() >= block):
            return True
        finality = self.state.deployment.finality
        self.report(
            f"block {block} is final after {finality} more; run `commonhold coordinator settle` again then"
        )
        return False

    def _await_read(self, condition: Callable[[], bool]) -> bool:
        """Reads the chain until a condition holds, for as long as there is time; whether it does."""
        while True:
            self.read()
            if condition():
                self.read()
                return True
            if not self.budget.wait(time.time() + POLL_S):
                return False


def _moment(time_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_s))

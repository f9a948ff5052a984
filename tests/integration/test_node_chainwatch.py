"""A node looks at the chain by itself, tells its owner, and signs for money only what it has compared."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from contracts.watch import Outcome
from coordinator.chain import OperatorChain
from node.attest import keep_attesting
from node.chainwatch import (
    ALARMS_MAX,
    ChainWatcher,
    chain_words,
    noted_look,
    require_agreement,
)
from node.follower import Follower
from node.rows import AlarmKind
from node.store import Store
from node.trust import lies, require_trust
from protocol.errors import ConfigError, StateError
from protocol.money.eip712 import keccak256
from protocol.money.settlement import Address
from tests.contract_chains import devchain
from tests.contract_lab import OPERATOR, ChainLab, ask_chain
from tests.simulated_log import LINK, feed, keys_of
from tests.watch_lab import WatchLab

NOBODY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainLab]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield ChainLab(url)


@dataclass
class Watching:
    """A node that follows a network, and looks at its chain."""

    lab: WatchLab
    store: Store
    follower: Follower
    watcher: ChainWatcher
    now_ms: int = 4 * 10**12  # later than anything on chain

    def again(self, url: str | None = None) -> ChainWatcher:
        """The node after a restart; with another endpoint if one is given."""
        self.follower = Follower(self.store, LINK)
        url = url or self.lab.lab.url
        self.watcher = ChainWatcher(self.store, self.follower, url, lambda: self.now_ms)
        self.follower.replay()
        feed(self.follower, self.lab.net)
        return self.watcher

    def look(self) -> Outcome:
        feed(self.follower, self.lab.net)
        look = asyncio.run(self.watcher.look())
        assert look is not None
        return look.outcome


@pytest.fixture
def watching(deployed: ChainLab, tmp_path: Path) -> Iterator[Watching]:
    before = ask_chain(deployed.url, "evm_snapshot")
    chain = copy.copy(deployed)
    chain.chain = OperatorChain(chain.url, OPERATOR, chain.deployment)
    with Store(tmp_path / "node.db") as store:
        follower = Follower(store, LINK)
        made = Watching(WatchLab(chain), store, follower, ChainWatcher(store, follower, NOBODY))
        made.again()
        yield made
    ask_chain(deployed.url, "evm_revert", before)


def test_what_agrees_is_said_and_not_compared_again(watching: Watching) -> None:
    watching.lab.deposit()
    watching.lab.read()
    assert watching.look() is Outcome.AGREES
    last = watching.lab.state.onchain.last
    noted = noted_look(watching.store)
    assert noted is not None and (noted.compared, noted.read) == (last, last)
    assert "agrees with the log" in chain_words(watching.store, "http://any")
    assert watching.watcher.doubt() == ""
    watcher = watching.again()
    assert watcher.doubt() == "", "a restart forgets nothing"


def test_what_differs_is_an_alarm_that_does_not_stop_the_node(watching: Watching) -> None:
    watching.lab.deposit()
    watching.lab.read(lambda logs: logs.clear())
    assert watching.look() is Outcome.DIFFERS
    [alarm] = watching.store.alarms()
    assert alarm.kind == AlarmKind.CHAIN
    assert "the chain has it, and the log does not" in alarm.message and "Next: " in alarm.message
    require_trust(watching.store)  # the log proves no lie
    assert "alarms" in watching.watcher.doubt()
    assert "does not agree" in chain_words(watching.store, "http://any")
    watching.look()
    watching.again()
    watching.look()
    assert len(watching.store.alarms()) == 1, "one alarm, however often it is seen"
    watching.store.acknowledge_alarms()
    watching.look()
    assert watching.store.alarms() == [] and watching.watcher.doubt() == ""


def test_a_wrong_root_is_an_alarm_that_hinders_no_signature(watching: Watching) -> None:
    payload = watching.lab.earn()
    watching.lab.post(replace(payload, root=keccak256(payload.root)))
    assert watching.look() is Outcome.DIFFERS
    assert [alarm.kind for alarm in watching.store.alarms()] == [AlarmKind.ROOT]
    assert watching.watcher.doubt() == ""


def test_alarms_about_the_chain_leave_room_for_others(watching: Watching) -> None:
    for _ in range(ALARMS_MAX + 3):
        watching.lab.deposit(1)
    watching.lab.read(lambda logs: logs.clear())
    watching.look()
    assert len(watching.store.alarms()) == ALARMS_MAX
    watching.store.raise_alarm("split-view", "two histories", (b"a",), 1)
    assert [alarm.kind for alarm in lies(watching.store)] == ["split-view"]


def test_what_could_not_be_compared_is_said_with_the_time(watching: Watching) -> None:
    watching.again(NOBODY)
    assert watching.look() is Outcome.NOT_CHECKED
    began = watching.now_ms
    watching.now_ms += 3_600_000
    watching.look()
    noted = noted_look(watching.store)
    assert noted is not None and noted.unchecked_since_ms == began
    assert "NOT CHECKED since" in chain_words(watching.store, NOBODY)
    assert "is not compared yet" in watching.watcher.doubt()
    watching.again()
    assert watching.look() is Outcome.AGREES
    assert watching.watcher.doubt() == ""


def test_without_an_endpoint_it_says_what_to_do(watching: Watching) -> None:
    assert "rpc_url" in chain_words(watching.store, "")


async def test_a_witness_signs_what_it_has_compared(watching: Watching) -> None:
    """It holds its signature back while its endpoint is away, and gives it once the chain was compared."""
    net = watching.lab.net
    person = net.people[0]
    keys = replace(keys_of(person), payout_key=person.wallet.to_bytes())
    held = ["block 7 of the chain is not compared yet"]
    asked = asyncio.Event()

    def doubt() -> str:
        asked.set()
        return held[0] if held else ""

    payload = watching.lab.earn()
    feed(watching.follower, net)
    ask = net.state.asks["settlement"]
    assert ask.number == payload.epoch
    view = watching.follower.state.onchain
    witnesses = (*view.witnesses, Address(person.address))
    watching.follower.state.onchain = replace(view, witnesses=witnesses)
    signing = asyncio.create_task(
        keep_attesting(keys, watching.store, watching.follower, doubt, lambda: ask.deadline_s - 9)
    )
    await asyncio.wait_for(asked.wait(), 10)
    assert watching.store.outbox_counts() == {}
    held.clear()
    while not watching.store.outbox_counts():
        await asyncio.sleep(0.02)
    signing.cancel()


def test_no_money_goes_to_a_chain_that_is_not_the_logs(watching: Watching) -> None:
    feed(watching.follower, watching.lab.net)
    state, store, url = watching.follower.state, watching.store, watching.lab.lab.url
    own, view = state.deployment, state.onchain
    assert own is not None
    require_agreement(store, state, url)

    state.onchain = replace(view, last_hash=bytes(32))  # as on a chain that was started anew
    with pytest.raises(StateError, match="is not the one that the log has read"):
        require_agreement(store, state, url)
    state.onchain = replace(view, last=10**6)
    with pytest.raises(StateError, match="no block 1,000,000"):
        require_agreement(store, state, url)
    state.onchain = view
    state.deployment = replace(own, chain_id=1)
    with pytest.raises(ConfigError, match="settles on chain 1"):
        require_agreement(store, state, url)
    assert store.alarms() == [], "these are no alarms"

    state.deployment = replace(own, stake=Address(b"\x5a" * 20))
    with pytest.raises(StateError, match="does not agree with the log: ") as caught:
        require_agreement(store, state, url)
    assert "nothing was sent" in caught.value.advice
    assert {alarm.kind for alarm in store.alarms()} == {AlarmKind.CHAIN}
    assert any("there is no contract" in alarm.message for alarm in store.alarms())
    state.deployment = own
    with pytest.raises(StateError, match="see `commonhold node alarms`"):
        require_agreement(store, state, url)
    store.acknowledge_alarms()
    require_agreement(store, state, url)
    state.deployment = replace(own, stake=Address(b"\x5a" * 20))
    require_agreement(store, state, url)  # the owner has seen it, and goes on

"""The log's key and its successors: who a follower believes, and from when on."""

from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from commonground.client import CoordinatorClient
from commonground.receipts import Lie, UnknownKey
from node.follower import Follower
from node.keys import NodeKeys, generate_keys
from node.outbox import flush
from node.registration import registration
from node.store import Store
from protocol.log.link import NetworkLink
from protocol.log.note import Verifier, sign_checkpoint
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb
from tests.following_lab import same
from tests.scripted_coordinator import ScriptedCoordinator
from tests.simulated import Person, campaign, successor


class Rotating:
    """A log whose key is replaced now and then."""

    def __init__(self, coordinator: ScriptedCoordinator) -> None:
        self.coordinator, self.key = coordinator, coordinator.keys.log_keys[0]
        self.announced = self.key  # the log's key by what it says of itself

    def announce(self, key: SigningKey, by: Person | None = None) -> None:
        """Logs the successor; the key before still signs, until `self.key` is set."""
        network = self.coordinator.keys.network
        body = successor(pb.KEY_ROLE_LOG, key, self.announced, network)
        self.announced = key
        sealed = by.seal("successor", body) if by else self.coordinator.sealed("successor", body)
        self.coordinator.add(sealed)

    def page(self, start: int, stop: int | None = None) -> api.FollowResponse:
        """What the log has from `start` on, signed by the present key alone."""
        tree, name = self.coordinator.tree, self.coordinator.keys.log_verifier.name
        verifier = Verifier(name, bytes(self.key.verify_key))
        note = sign_checkpoint(
            verifier, tree.size, tree.root(), lambda text: self.key.sign(text).signature
        )
        return self.coordinator.page(start, stop, note)


SECOND, THIRD = SigningKey(b"\2" * 32), SigningKey(b"\3" * 32)


async def test_the_logs_next_key_is_believed_once_it_is_announced_and_the_old_one_no_more(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    follower.take(log.page(0))
    log.announce(SECOND)
    follower.take(log.page(2))  # the old key signs for the entry that replaces it
    assert follower.verifier.public_key == bytes(SECOND.verify_key)
    log.key = SECOND
    coordinator.operate("campaign", campaign(id="letters"))
    follower.take(log.page(3))
    again = Follower(store, link)
    again.replay()
    assert same(again.state, follower.state)
    log.key = coordinator.keys.log_keys[0]
    coordinator.operate("campaign", campaign(id="words"))
    with pytest.raises(Lie, match="bad checkpoint"):
        follower.take(log.page(4))


async def test_whoever_comes_late_learns_the_key_from_the_log_itself(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log = Rotating(coordinator)
    log.announce(SECOND)
    log.announce(THIRD)
    log.key = THIRD
    late = Follower(store, link)
    assert not late.take(log.page(0, 2))  # nothing so far says that the key is the log's
    assert late.size == 0, "and nothing is believed"
    late = Follower(store, link)  # after a restart, too
    late.replay()
    assert late.take(log.page(2))
    again = Follower(store, link)
    again.replay()
    assert again.size == 4
    assert again.verifier.public_key == bytes(THIRD.verify_key)


async def test_a_key_that_nothing_announces_to_the_end_is_not_the_logs(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log = Rotating(coordinator)
    log.key = SECOND
    late = Follower(store, link)
    assert not late.take(log.page(0, 1))
    with pytest.raises(Lie, match="bad checkpoint"):
        late.take(log.page(1))
    assert late.size == 0


async def test_nobody_shows_a_newcomer_a_log_that_its_first_key_did_not_hand_over(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log = Rotating(coordinator)
    log.announced = SECOND  # as if it had been followed already
    log.announce(SECOND)
    log.key = SECOND
    with pytest.raises(Lie, match="did not hand over"):
        Follower(store, link).take(log.page(0))


async def test_a_key_that_served_between_two_others_signs_no_more(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    log.announce(SECOND)
    log.announce(THIRD)
    log.key = THIRD
    follower.take(log.page(0))
    coordinator.operate("campaign", campaign(id="letters"))
    log.key = SECOND
    with pytest.raises(Lie, match="bad checkpoint"):
        follower.take(log.page(4))


async def test_nobody_but_the_operator_announces_a_key(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    follower.take(log.page(0))
    log.announce(SECOND, by=Person("mallory"))
    log.key = SECOND
    with pytest.raises(Lie, match="breaks a rule"):
        follower.take(log.page(2))
    assert follower.verifier == link.log_verifier


async def test_receipts_are_checked_by_the_key_that_the_log_has_as_far_as_it_was_followed(
    coordinator: ScriptedCoordinator, link: NetworkLink, store: Store, keys: NodeKeys
) -> None:
    log, follower = Rotating(coordinator), Follower(store, link)
    coordinator.on_receipt = lambda receipt: api.Receipt(
        index=receipt.index, proof=receipt.proof, checkpoint=log.page(0, 0).checkpoint
    )
    log.announce(SECOND)
    log.key = SECOND  # alone: the first one was taken away
    store.enqueue(registration(keys, link.network))
    async with CoordinatorClient(link, lambda: follower.verifier) as client:
        with pytest.raises(UnknownKey, match="has not read of yet"):
            await flush(client, store)
        assert store.alarms() == [], "it proves nothing"
        follower.take(log.page(0))
        assert (await flush(client, store)).sent == 1
        log.key = coordinator.keys.log_keys[0]
        with pytest.raises(UnknownKey):  # whoever has only the key that was replaced
            await client.append(registration(generate_keys(), link.network).envelope)

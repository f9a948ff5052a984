"""Attacks by way of withdrawing: on the epoch, and on what others have in the log."""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.errors import Misbehaviour
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM
from protocol.log.batch import erase
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.review.fingerprints import fingerprint_exact
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import people
from tests.simulated import LABELS, NETWORK, Network

# As long as a nonce, so that one field is both.
LONG_TYPE = "application/x-thirty-two-letters"


def test_withdrawing_gold_does_not_stop_the_epoch(net: Network) -> None:
    """A verdict opens all gold that was committed to, that of withdrawn items too."""
    author, *reviewers = net.people
    leaves = [net.item(truth) for truth in range(4)]
    net.submit(author, leaves)
    golden, *others = list(net.truth)
    net.stand_by(*reviewers)
    net.commit_gold([golden, others[0]])
    net.add(author, "withdraw", pb.Withdraw(network=NETWORK, item_ids=[golden]))
    net.phase(pb.PHASE_BEACON)
    net.run_rounds(*reviewers)
    net.close()
    assert net.state.closed_epoch == 1
    assert net.state.items[golden].status is ItemStatus.WITHDRAWN
    assert all(net.state.items[i].status is ItemStatus.ACCEPTED for i in others)


def test_no_leaf_is_an_answer_and_an_item() -> None:
    """Or its author could withdraw the item, and with it the bundle of the reveal, from every replay."""
    net = Network(*people("ada", "ben", "cyn", "dov"))
    campaign = pb.Campaign(
        network=NETWORK,
        id="long",
        media_types=[LONG_TYPE],
        labels=LABELS,
        licences=["CC-BY-4.0"],
        reviewers_per_item=3,
        price_ppm=PPM,
        item_bytes_max=65_536,
        privacy=pb.PRIVACY_OPEN,
        withdrawal=pb.WITHDRAWAL_REPAYS,
    )
    net.add(net.operator, "campaign", campaign)
    author, *reviewers = net.people
    net.submit(author, [net.item(3)])
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*reviewers)
    net.draw()
    attacker = reviewers[0]
    [item_id] = net.state.epoch.round.tasks[attacker.identity]
    answer = pb.Answer(item_id=item_id, reviewer=attacker.identity, nonce=LONG_TYPE.encode())
    item = pb.Item(
        content_commitment=item_id,
        size=1,
        media_type=LONG_TYPE,
        label_commitment=bytes(32),
        fingerprint=fingerprint_exact(b"x"),
        licence="CC-BY-4.0",
        consent=pb.Consent(train=True, redistribute=True),
        origin=pb.ORIGIN_HUMAN,
    )
    both = answer.SerializeToString() + item.SerializeToString()
    assert pb.Item.FromString(both).size == pb.Item.FromString(item.SerializeToString()).size
    assert pb.Answer.FromString(both).reviewer == attacker.identity
    plain = pb.Answer(item_id=item_id, reviewer=attacker.identity, nonce=bytes(32), label=3)
    for leaf, may in ((both, False), (plain.SerializeToString(), True)):
        trial = Network(*people("ada", "ben", "cyn", "dov"))
        trial.state, trial.log = net.replay(), list(net.log)
        trial.commit(attacker, [leaf])
        trial.phase(pb.PHASE_REVEALING)
        if may:
            trial.reveal(attacker, [leaf])
        else:
            with pytest.raises(Misbehaviour, match="fields that no answer has"):
                trial.reveal(attacker, [leaf])


@pytest.mark.parametrize("kind", ["reveal", "verdict", "draw", "phase"])
def test_only_leaves_of_submissions_may_be_erased(net: Network, kind: str) -> None:
    author, *reviewers = net.people
    copies = [net.item(3, content=b"the same" * 8) for _ in range(2)]
    net.submit(author, [net.item(3), *copies])
    net.run_epoch(*reviewers)
    at = next(i for i, e in enumerate(net.log) if e.leaves and _kind(e.raw) == kind)
    state = State()
    for entry in net.log[:at]:
        transition.apply(state, entry.raw, entry.leaves)
    with pytest.raises(Misbehaviour, match="never erased"):
        transition.apply(
            state, net.log[at].raw, erase(net.log[at].leaves, {hash_leaf(net.log[at].leaves[0])})
        )
    transition.apply(state, net.log[at].raw, net.log[at].leaves)


def _kind(raw: bytes) -> str:
    return parse_envelope(raw).kind


def test_the_ids_of_erased_items_cannot_be_taken_again(net: Network) -> None:
    author, other = net.people[:2]
    leaf = net.item(3)
    net.submit(author, [leaf])
    net.add(author, "withdraw", pb.Withdraw(network=NETWORK, item_ids=[hash_leaf(leaf)]))
    with pytest.raises(Misbehaviour, match="submitted already"):
        net.submit(other, [leaf])

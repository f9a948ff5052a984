"""Steps that many tests of the fold begin with, on tests.simulated."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from protocol.errors import Misbehaviour
from protocol.money.accounts import cumulative_leaves
from protocol.money.settlement import build_tree, sum_totals
from protocol.review import verdicts
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person, batch


def people(*names: str) -> list[Person]:
    return [Person(name) for name in names]


def refuses(match: str) -> pytest.RaisesExc[Misbehaviour]:
    return pytest.raises(Misbehaviour, match=match)


def submitted(net: Network, count: int = 6) -> None:
    """`count` items by the first person, everybody else standing by, the round sealed."""
    net.submit(net.people[0], [net.item(i % 10) for i in range(count)])
    net.stand_by(*net.people[1:])
    net.phase(pb.PHASE_BEACON)


def drawn(net: Network, count: int = 6) -> None:
    submitted(net, count)
    net.open_beacons(*net.people[1:])
    net.draw()


def accurate(rng: random.Random, accuracy: float) -> Callable[[int], int]:
    return lambda truth: truth if rng.random() < accuracy else rng.randrange(10)


def off_by(shift: int) -> Callable[[int], int]:
    return lambda truth: (truth + shift) % 10


def published_verdicts(net: Network) -> list[pb.ItemVerdict]:
    drawn(net)
    net.review(*net.people)
    return verdicts.compute_verdicts(net.state, net.openings, {})


def add_verdict(net: Network, published: list[pb.ItemVerdict]) -> None:
    leaves = [verdict.SerializeToString() for verdict in published]
    body = pb.Verdict(network=NETWORK, epoch=1, round=1, verdicts=batch(leaves))
    net.add(net.operator, "verdict", body, leaves)


def deploy(net: Network) -> None:
    body = pb.Deployment(
        network=NETWORK, chain_id=1, settlement=b"\x01" * 20, share_token=b"\x02" * 20
    )
    net.add(net.operator, "deployment", body)


def revenue(**changes: object) -> pb.Revenue:
    values: dict[str, object] = {"asset": b"\x05" * 20, "amount": "5", "tx_hash": bytes(32)}
    return pb.Revenue(network=NETWORK, **(values | changes))  # type: ignore[arg-type]


def settlement(net: Network, epoch: int = 1) -> pb.Settlement:
    leaves = cumulative_leaves(net.state)
    totals = [pb.AssetTotal(asset=a, amount=str(n)) for a, n in sum_totals(leaves).items()]
    return pb.Settlement(
        network=NETWORK,
        epoch=epoch,
        root=build_tree(leaves).root,
        totals=totals,
        leaves=len(leaves),
    )

"""Notes of which some resemble others: steps that tests of flags and of contests begin with."""

from __future__ import annotations

from protocol.lifecycle import ItemStatus
from protocol.log.merkle import hash_leaf
from protocol.review.fingerprints import fingerprint_text
from protocol.rows import Item, ItemId
from protos.gen import records_pb2 as pb
from tests.fold import last_lines, people
from tests.simulated import Network, Person, campaign, policy

C = "notes"
TEXT = (
    "the river rose in the night and by the morning two of the old bridges had gone"
    " so people crossed by boat to reach the market"
)
ALIKE = TEXT.replace("bridges", "ferries")
OTHER = "a wholly different note about the price of bread and the baker who sells it on sundays"
COPY, DERIVATIVE = pb.RELATION_COPY, pb.RELATION_DERIVATIVE
INDEPENDENT, UNSEEN = pb.RELATION_INDEPENDENT, pb.RELATION_UNSEEN


def network(**changes: int) -> Network:
    """Ada and Ben submit notes; the others review. `changes` are of the policy."""
    everybody = people("Ada", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gus", "Hal")
    made = Network(*everybody, policy=policy(**changes))
    made.add(made.operator, "campaign", campaign(id=C))
    return made


def submit(net: Network, who: int, text: str = TEXT) -> ItemId:
    """An item that is this text."""
    leaf = net.item(1, fingerprint=fingerprint_text(text.encode()), c=C)
    net.submit(net.people[who], [leaf], C)
    return hash_leaf(leaf)


def judge(net: Network, *relations: pb.Relation) -> tuple[Person, ...]:
    """Has the reviewers call likely copies so, in turn; gives them."""
    reviewers = net.people[2:]
    for at, person in enumerate(reviewers):
        person.relation = relations[at % len(relations)]
    return reviewers


def run(net: Network, *relations: pb.Relation) -> None:
    """A round from its seal to its verdict."""
    reviewers = judge(net, *relations)
    net.stand_by(*reviewers, c=C)
    net.seal(c=C)
    net.run_round(*reviewers, c=C)


def item(net: Network, item_id: ItemId) -> Item:
    return net.state.items[item_id]


def line_of(net: Network, person: Person) -> pb.RewardLine:
    """A contributor's line of the last close."""
    lines = last_lines(net, pb.ROLE_CONTRIBUTOR)
    return next(line for line in lines if line.person == person.id)


def pair(net: Network, *relations: pb.Relation) -> tuple[ItemId, ItemId]:
    """An original that is accepted, and then one that resembles it, of which the panel says so."""
    original = submit(net, 0)
    run(net, INDEPENDENT)
    likely = submit(net, 1, ALIKE)
    run(net, *relations)
    return original, likely


def set_aside(net: Network) -> tuple[ItemId, ItemId]:
    """An original that is accepted, and a strict match of it."""
    original = submit(net, 0)
    run(net, INDEPENDENT)
    copy = submit(net, 1)
    net.stand_by(*net.people[2:], c=C)
    net.seal(c=C)
    net.draw(C)
    assert item(net, copy).status is ItemStatus.DUPLICATE
    return original, copy


def contested(net: Network, first: pb.Relation) -> ItemId:
    """An item of which a panel said so, in an epoch that has closed, and that is contested."""
    _, likely = pair(net, first)
    net.close()
    net.contest(net.people[1], likely)
    return likely

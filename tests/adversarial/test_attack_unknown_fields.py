"""Records that say more than their schema: an item under two ids, a policy that two readers read differently.

A record is exactly the canonical encoding of its fields, and a limit is compared as a number.
"""

from __future__ import annotations

import pytest

from protocol import transition
from protocol.errors import Reject
from protocol.limits import ASSET_AMOUNT_MAX
from protocol.log.merkle import hash_leaf
from protocol.log.strict import parse_amount
from protocol.state import State
from tests.fold import refuses
from tests.simulated import Network, Person, campaign, policy

UNKNOWN = b"\xa2\x06\x03abc"  # field 100, three bytes
REFUSAL = "holds fields that nobody here knows"
AUTHOR = Person("author")


@pytest.fixture
def net() -> Network:
    return Network(AUTHOR)


def test_one_description_is_one_item(net: Network) -> None:
    leaf = net.item(1)
    net.openings[hash_leaf(leaf + UNKNOWN)] = net.openings[hash_leaf(leaf)]
    with refuses(REFUSAL):
        net.submit(AUTHOR, [leaf + UNKNOWN])
    net.submit(AUTHOR, [leaf])
    assert [item for item, _ in net.state.items.scan()] == [hash_leaf(leaf)]


def test_a_campaign_says_what_its_schema_says(net: Network) -> None:
    good, spoiled = campaign(id="other"), campaign(id="other")
    spoiled.MergeFromString(UNKNOWN)
    with refuses(REFUSAL):
        net.add(net.operator, "campaign", spoiled)
    net.add(net.operator, "campaign", good)
    assert "other" in net.state.campaigns


def test_a_network_is_founded_on_what_everybody_reads(net: Network) -> None:
    genesis = net.genesis(policy())
    good = net.operator.seal("genesis", genesis)
    genesis.MergeFromString(UNKNOWN)
    with refuses(REFUSAL):
        transition.apply(State(), net.operator.seal("genesis", genesis), [])
    transition.apply(State(), good, [])


def test_an_amount_is_compared_as_a_number() -> None:
    assert parse_amount(str(ASSET_AMOUNT_MAX), "amount") == ASSET_AMOUNT_MAX
    for above in (ASSET_AMOUNT_MAX + 1, int("9" * len(str(ASSET_AMOUNT_MAX)))):
        with pytest.raises(Reject):
            parse_amount(str(above), "amount")

"""The fold: from the first root in force on, the holders of shares decide on the policy and on new rules."""

from __future__ import annotations

from protocol.limits import PPM
from protocol.money import events
from protocol.money.ballot import policy_hash, policy_text, read_policy, rules_hash
from protos.gen import records_pb2 as pb
from tests.chain_says import EMISSION, block_hash, deploy, says, settle
from tests.fold import closed, refuses, same
from tests.simulated import NETWORK, Network, policy

REVIEWERS = 300_000


def change(net: Network, **changes: int) -> pb.PolicyChange:
    state = net.state
    body = pb.PolicyChange(network=NETWORK, epoch=state.epoch, policy=policy(**changes))
    body.serial = state.policies
    return body


def decide(net: Network, **changes: int) -> None:
    says(net, events.PolicyDecided(policy_hash(policy(**changes))))


def settled(net: Network) -> None:
    """A root is in force: others than the operator hold shares."""
    deploy(net)
    closed(net)
    settle(net, 1)


def test_before_anybody_holds_shares_the_operator_sets_the_policy(net: Network) -> None:
    deploy(net)
    net.change_policy(reviewers_ppm=REVIEWERS)
    closed(net)
    assert net.state.policy.reviewers_ppm == REVIEWERS
    net.add(
        *(net.operator, "upgrade"),
        pb.Upgrade(network=NETWORK, version=2, epoch=net.state.epoch + 1),
    )


def test_from_then_on_only_what_the_board_says(net: Network) -> None:
    settled(net)
    with refuses("the holders of shares decide on this policy"):
        net.add(net.operator, "policy", change(net, reviewers_ppm=REVIEWERS))
    decide(net, reviewers_ppm=REVIEWERS + 1)
    with refuses("the log holds no such decision"):
        net.add(net.operator, "policy", change(net, reviewers_ppm=REVIEWERS))
    net.add(net.operator, "policy", change(net, reviewers_ppm=REVIEWERS + 1))
    closed(net)
    assert net.state.policy.reviewers_ppm == REVIEWERS + 1
    assert same(net.replay(), net.state)


def test_a_decision_counts_once_and_none_before_the_one_that_was_followed(net: Network) -> None:
    settled(net)
    decide(net, reviewers_ppm=1)
    decide(net, reviewers_ppm=2)
    net.add(net.operator, "policy", change(net, reviewers_ppm=2))
    for old in (1, 2):
        with refuses("has followed this decision, or a later one"):
            net.add(net.operator, "policy", change(net, reviewers_ppm=old))
    decide(net, reviewers_ppm=1)
    net.add(net.operator, "policy", change(net, reviewers_ppm=1))


def test_a_decision_that_a_reorganisation_took_away_is_none(net: Network) -> None:
    settled(net)
    decide(net, reviewers_ppm=REVIEWERS)
    first = max(each for each, _ in net.state.ranges.scan())
    rewind = pb.Rewind(network=NETWORK, first=first, serial=net.state.rewinds)
    net.add(net.operator, "rewind", rewind)
    assert block_hash(first) != block_hash(first, 1)
    with refuses("the log holds no such decision"):
        net.add(net.operator, "policy", change(net, reviewers_ppm=REVIEWERS))


def test_after_a_reorganisation_a_decision_may_stand_in_a_lower_block(net: Network) -> None:
    """The one that was followed never was; one from before that still counts once."""
    settled(net)
    decide(net, reviewers_ppm=1)
    net.add(net.operator, "policy", change(net, reviewers_ppm=1))
    decide(net, reviewers_ppm=2)
    net.add(net.operator, "policy", change(net, reviewers_ppm=2))
    followed = net.state.policy_block
    rewind = pb.Rewind(
        network=NETWORK,
        first=max(each for each, _ in net.state.ranges.scan()),
        serial=net.state.rewinds,
    )
    net.add(net.operator, "rewind", rewind)
    with refuses("has followed this decision, or a later one"):
        net.add(net.operator, "policy", change(net, reviewers_ppm=1))
    decide(net, reviewers_ppm=3)
    assert net.state.decided[policy_hash(policy(reviewers_ppm=3))] <= followed
    net.add(net.operator, "policy", change(net, reviewers_ppm=3))
    assert same(net.replay(), net.state)


def test_a_vote_cannot_mint_more_than_the_contracts_do(net: Network) -> None:
    settled(net)
    more = EMISSION + PPM
    decide(net, epoch_emission_micro=more)
    with refuses("the contracts mint"):
        net.add(net.operator, "policy", change(net, epoch_emission_micro=more))
    says(net, events.EmissionChanged(more))
    net.add(net.operator, "policy", change(net, epoch_emission_micro=more))


def test_new_rules_are_decided_too(net: Network) -> None:
    settled(net)
    body = pb.Upgrade(network=NETWORK, version=2, epoch=net.state.epoch + 2)
    says(net, events.PolicyDecided(rules_hash(3)))
    with refuses("the holders of shares decide on new rules"):
        net.add(net.operator, "upgrade", body)
    says(net, events.PolicyDecided(rules_hash(2)))
    net.add(net.operator, "upgrade", body)
    later = pb.Upgrade(network=NETWORK, version=2, epoch=body.epoch + 1, serial=1)
    net.add(net.operator, "upgrade", later)  # when, is the operator's to say


def test_a_proposal_carries_the_policy_that_its_hash_names() -> None:
    one, other = policy(reviewers_ppm=1), policy(reviewers_ppm=2)
    words = f"We pay too little.\n{policy_text(other)}\n{policy_text(one)}\n"
    assert read_policy(words, policy_hash(one)) == one
    assert read_policy(words, policy_hash(policy())) is None
    for junk in ("", "policy: 0x", "policy: 0xzz", f"{policy_text(one)}00", " " + policy_text(one)):
        assert read_policy(junk, policy_hash(one)) is None

"""The fold: the network itself: its founding, policy, rules and keys, and who is who."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from google.protobuf.message import Message
from nacl.signing import SigningKey

from protocol import transition
from protocol.errors import Outdated
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.limits import AMOUNT_MICRO_MAX, KEYS_PER_PERSON_MAX, PPM
from protocol.log import commitments
from protocol.log.envelope import seal
from protocol.log.strict import LEAF_TYPES, canonical
from protocol.money.accounts import conserves
from protocol.rules import table
from protocol.rules.people import delegation_message
from protocol.rules.record import require
from protocol.rules.table import RULES, AnyRecord
from protocol.state import State
from protos.gen import records_pb2 as pb
from tests.fold import (
    changed,
    closed,
    drawn,
    drawn_people,
    ids,
    items,
    off_by,
    people,
    published_verdicts,
    refuses,
    same,
    shares_of,
    statuses,
)
from tests.simulated import (
    LOG_KEY,
    NETWORK,
    Network,
    Person,
    batch,
    campaign,
    policy,
    successor,
)


def found(net: Network, genesis: pb.Genesis, by: Person | None = None) -> State:
    """Another log that begins with this."""
    state = State()
    transition.apply(state, (by or net.operator).seal("genesis", genesis), ())
    return state


# ---- founding ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": bytes(32)}, "not that of its log"),
        ({"network": b"short"}, "the network id has 5 bytes"),
        ({"log_key": b""}, "names the key that signs the log"),
        ({"log_key": bytes(32)}, "not that of its log"),
        ({"name": ""}, "the network's name"),
        ({"name": "x" * 65}, "the network's name"),
        ({"name": "a\u200bb"}, "the network's name"),
        ({"name": " digits"}, "the network's name"),
        ({"delegation": pb.Delegation()}, "a root key has 32 bytes"),
        ({"delegation": Person("mallory").delegation()}, "did not delegate the key"),
    ],
)
def test_a_network_is_founded_by_whom_its_genesis_names(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = net.genesis(policy())
    with refuses(message):
        found(net, changed(good, **change))
    state = found(net, changed(good, name="Ἀθῆναι 1"))
    assert (state.name, state.operator, state.log_key) == (
        "Ἀθῆναι 1",
        net.operator.id,
        bytes(LOG_KEY.verify_key),
    )


@pytest.mark.parametrize("version", [2, 99])
def test_an_old_software_is_told_to_be_replaced(net: Network, version: int) -> None:
    says = f"goes by version {version} of the rules, and this software knows 1"
    with pytest.raises(Outdated, match=says) as caught:
        found(net, net.genesis(policy(), rules=version))
    assert caught.value.advice == "install a newer version of commonhold"


@pytest.mark.parametrize("version", [0, 2, 99])
def test_whoever_sends_another_genesis_makes_no_software_outdated(
    net: Network, version: int
) -> None:
    """Anybody may send one, to anybody."""
    stranger = Person("stranger")
    body = net.genesis(policy(), rules=version, delegation=stranger.delegation())
    with refuses("a log has one genesis"):
        net.add(stranger, "genesis", body)
    with refuses("names no version of the rules"):
        found(net, net.genesis(policy(), rules=0))


def test_a_log_begins_with_its_genesis(net: Network) -> None:
    with refuses("a log begins with its genesis|nobody has delegated"):
        transition.apply(State(), net.operator.seal("campaign", campaign()), ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch_emission_micro": 0}, "mints 0 millionths"),
        ({"epoch_emission_micro": AMOUNT_MICRO_MAX + 1}, "mints 9223372036854775808 millionths"),
        ({"contributors_ppm": 700_001}, "get 100.0001 % of the emission together"),
        ({"accept_ppm": PPM // 2}, "at a certainty of 50 %"),
        ({"accept_ppm": PPM}, "at a certainty of 100 %"),
        ({"accept_ppm": 0}, "at a certainty of 0 %"),
        ({"rejection_penalty_ppm": PPM + 1}, "the penalty for a rejected item is 100.0001 %"),
        ({"reputation_decay_ppm": PPM + 1}, "leaves of a reputation is 100.0001 %"),
        ({"revenue_treasury_ppm": PPM + 1}, "the treasury's part of the revenue is"),
        ({"royalty_ppm": PPM + 1}, "the authors' part of a licence's revenue is"),
    ],
)
def test_a_policy_makes_sense(net: Network, change: dict[str, int], message: str) -> None:
    with refuses(message):
        found(net, net.genesis(policy(**change)))
    with refuses(message):
        net.change_policy(**change)
    everything = {
        "rejection_penalty_ppm": PPM,
        "reputation_decay_ppm": PPM,
        "revenue_treasury_ppm": PPM,
        "royalty_ppm": PPM,
        "epoch_emission_micro": AMOUNT_MICRO_MAX,
        "contributors_ppm": 700_000,
    }
    for accept_ppm in (PPM // 2 + 1, PPM - 1):
        net.change_policy(**everything, accept_ppm=accept_ppm)


# ---- strictness ----


def _deep(message: Message, path: str) -> Message:
    for name in path.split(".") if path else ():
        message = getattr(message, name)
        if not isinstance(message, Message):
            message = message[0]
    return message


UNKNOWN = b"\xfa\x3f\x01x"  # field 1023, which nobody knows


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("genesis", ""),
        ("genesis", "policy"),
        ("genesis", "delegation"),
        ("campaign", ""),
        ("campaign", "parts"),
        ("campaign", "rounds"),
    ],
)
def test_a_record_holds_no_unknown_field_at_any_depth(net: Network, kind: str, path: str) -> None:
    good: pb.Genesis | pb.Campaign = net.genesis(policy())
    if kind == "campaign":
        good = campaign(id="letters")
    spoiled = changed(good)
    _deep(spoiled, path).MergeFromString(UNKNOWN)
    assert spoiled.SerializeToString() != good.SerializeToString()
    state = State() if kind == "genesis" else net.state
    with refuses("holds fields that nobody here knows"):
        transition.apply(state, net.operator.seal(kind, spoiled), ())
    transition.apply(state, net.operator.seal(kind, good), ())


@pytest.mark.parametrize("path", ["", "parts", "consent"])
def test_an_item_holds_no_unknown_field_at_any_depth(net: Network, path: str) -> None:
    leaf = net.item(1)
    item = pb.Item.FromString(leaf[1:])
    _deep(item, path).MergeFromString(UNKNOWN)
    with refuses("holds fields that nobody here knows"):
        net.submit(net.people[0], [leaf[:1] + item.SerializeToString()])
    net.submit(net.people[0], [leaf])


def test_an_answer_and_a_verdict_hold_no_unknown_field(net: Network) -> None:
    drawn(net)
    first = drawn_people(net)[0]
    leaves = net.answers(first)
    net.commit(first, [leaves[0] + UNKNOWN, *leaves[1:]])
    for person in drawn_people(net)[1:]:
        net.commit(person, net.answers(person))
    net.end_commits()
    with refuses("holds fields that nobody here knows"):
        net.reveal(first, [leaves[0] + UNKNOWN, *leaves[1:]])
    other = Network(*people("ada", "ben", "cyn", "dov", "eve"))
    published = published_verdicts(other)
    published[0].MergeFromString(UNKNOWN)
    with refuses("holds fields that nobody here knows"):
        other.add_verdict(published)


@pytest.mark.parametrize("number", [0, *LEAF_TYPES.values(), 255])
def test_a_leaf_is_of_its_own_type_and_no_other(net: Network, number: int) -> None:
    leaf = net.item(1)
    shown = bytes([number]) + leaf[1:]
    if number == LEAF_TYPES["Item"]:
        net.submit(net.people[0], [shown])
        return
    is_part = number == LEAF_TYPES["Part"]
    with refuses("the Part is not" if is_part else "carries no leaves of this type"):
        net.submit(net.people[0], [shown])
    with refuses("carries no leaves of this type"):
        net.submit(net.people[0], [b""])


def test_a_number_has_one_spelling(net: Network) -> None:
    """Protobuf reads a padded varint, a default spelt out and fields in any order as the same."""
    good = canonical(pb.Pause(network=NETWORK, campaign_id="digits", paused=True))
    assert good.endswith(b"\x18\x01")
    for payload in (
        good[:-1] + b"\x81\x00",  # padded
        good + b"\x18\x01",  # repeated
        good + b"\x20\x00",  # a default spelt out
        good[-2:] + good[:-2],  # another order
        good + b"\x18\x00\x18\x01",  # the last one counts
    ):
        assert pb.Pause.FromString(payload).paused
        raw = seal(
            "pause", payload, net.operator.key, lambda m: net.operator.signing_key.sign(m).signature
        )
        with refuses("not in its one canonical encoding"):
            net.add_raw(raw)
    net.pause()


# ---- policy ----


def test_a_policy_is_frozen_for_its_epoch(net: Network) -> None:
    before = net.state.policy
    net.change_policy(
        epoch_emission_micro=7 * PPM, contributors_ppm=PPM, reviewers_ppm=0, trainers_ppm=0
    )
    assert net.state.policy == before
    closed(net)
    assert net.state.minted_micro == 950 * PPM, "the epoch was paid as it began"
    assert net.state.policy.epoch_emission_micro == 7 * PPM
    closed(net)
    assert net.state.minted_micro == 957 * PPM
    assert conserves(net.state)
    assert same(net.replay(), net.state)


def test_the_last_policy_of_an_epoch_counts_and_no_old_one_again(net: Network) -> None:
    net.change_policy(accept_ppm=600_000)
    first = net.log[-1]
    net.change_policy(accept_ppm=700_000)
    with refuses("the operator said something else since"):
        net.add_raw(first.raw)
    body = pb.PolicyChange(network=NETWORK, epoch=2, policy=policy(), serial=2)
    with refuses("this is epoch 1"):
        net.add(net.operator, "policy", body)
    with refuses("its serial is 2"):
        net.add(net.operator, "policy", changed(body, epoch=1, serial=3))
    with refuses("only the network's operator"):
        net.add(net.people[0], "policy", changed(body, epoch=1))
    net.close()
    assert net.state.policy.accept_ppm == 700_000
    assert net.state.policy_to_come is None
    net.close()
    assert net.state.policy.accept_ppm == 700_000


# ---- rules ----


def second_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2: a campaign's title is written in capitals."""

    def validate(state: State, record: AnyRecord) -> None:
        RULES[1]["campaign"].validate(state, record)
        require(record.body.title.isupper(), "from version 2 on a title is written in capitals")

    changed_rule = replace(RULES[1]["campaign"], validate=validate)
    both = {1: RULES[1], 2: RULES[1] | {"campaign": changed_rule}}  # type: ignore[operator]
    monkeypatch.setattr(table, "RULES", MappingProxyType(both))


def upgrade(net: Network, **changes: object) -> None:
    body = pb.Upgrade(network=NETWORK, version=2, epoch=3, serial=net.state.upgrades)
    net.add(net.operator, "upgrade", changed(body, **changes))


def test_a_network_crosses_to_the_next_rules_at_the_stated_epoch(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_rules(monkeypatch)
    upgrade(net)
    net.add(net.operator, "campaign", campaign(id="one", title="small"))
    net.close()
    assert (net.state.epoch, net.state.rules) == (2, 1)
    net.add(net.operator, "campaign", campaign(id="two", title="small"))
    net.close()
    assert (net.state.epoch, net.state.rules, net.state.upgrade) == (3, 2, None)
    with refuses("written in capitals"):
        net.add(net.operator, "campaign", campaign(id="three", title="small"))
    net.add(net.operator, "campaign", campaign(id="three", title="CAPITALS"))
    net.submit(net.people[0], [net.item(1)])
    net.run_epoch(*net.people[1:])
    assert statuses(net) == [ItemStatus.ACCEPTED]
    assert same(net.replay(), net.state), "each entry by the rules of its time"


def test_an_old_software_goes_with_the_log_as_far_as_its_rules(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as newer:
        second_rules(newer)
        upgrade(net)
        for _ in range(2):
            net.close()
        crossed = len(net.log)
        net.add(net.operator, "campaign", campaign(id="three", title="CAPITALS"))
    state = State()
    for entry in net.log[:crossed]:
        transition.apply(state, entry.raw, entry.leaves)
    with pytest.raises(Outdated, match="version 2 of the rules, and this software knows 1") as at:
        transition.apply(state, net.log[crossed].raw, ())
    assert at.value.advice == "install a newer version of commonhold"
    assert f"log entry {crossed}" in str(at.value)


def test_an_upgrade_is_announced_and_one_version_at_a_time(net: Network) -> None:
    for change, message in (
        ({"version": 1}, "the rules are version 1; the next follows"),
        ({"version": 3}, "the rules are version 1; the next follows"),
        ({"epoch": 1}, "epoch 1 keeps the rules that it began with"),
        ({"epoch": 0}, "epoch 1 keeps the rules that it began with"),
        ({"serial": 1}, "its serial is 0"),
    ):
        with refuses(message):
            upgrade(net, **change)
    upgrade(net, epoch=2)
    first = net.log[-1]
    upgrade(net, epoch=9)
    assert net.state.upgrade == (2, 9), "a later record moves it"
    with refuses("the operator said something else since"):
        net.add_raw(first.raw)
    net.close()
    assert net.state.rules == 1


# ---- keys ----


def test_another_key_follows_the_operators(net: Network) -> None:
    old, new = net.operator, net.operator.device("second key")
    new.signing_key = SigningKey(b"\x09" * 32)
    body = successor(pb.KEY_ROLE_OPERATOR, new.signing_key)
    with refuses("did not sign its consent"):
        net.add(
            old, "successor", changed(body, signature=net.people[0].signing_key.sign(b"").signature)
        )
    with refuses("hands over by signing the record"):
        net.add(old, "successor", successor(pb.KEY_ROLE_OPERATOR, new.signing_key, LOG_KEY))
    with refuses("the operator's already"):
        net.add(old, "successor", successor(pb.KEY_ROLE_OPERATOR, old.signing_key))
    with refuses("the key is somebody else's"):
        ada = net.people[0].signing_key
        net.add(old, "successor", successor(pb.KEY_ROLE_OPERATOR, ada))
    with refuses("only the network's operator"):
        net.add(net.people[0], "successor", body)
    with refuses("a key has 32 bytes"):
        net.add(old, "successor", changed(body, key=b"short"))
    with refuses("follows the operator's key or the log's"):
        net.add(old, "successor", successor(pb.KEY_ROLE_UNSPECIFIED, new.signing_key))
    net.add(old, "successor", body)
    with refuses("only the network's operator"):
        net.add(old, "campaign", campaign(id="letters"))
    with refuses("only the network's operator"):
        net.add_raw(net.log[-1].raw)
    net.add(new, "campaign", campaign(id="letters"))
    assert net.state.operator == old.id, "the same person, and the treasury is theirs"
    net.operator = new
    closed(net)
    assert shares_of(net, old) > 0
    assert same(net.replay(), net.state)
    net.add(new, "successor", successor(pb.KEY_ROLE_OPERATOR, old.signing_key))
    assert net.state.operator_key == old.key, "a key of the same person may come back"


def test_another_key_follows_the_logs_and_none_comes_back(net: Network) -> None:
    new = SigningKey(b"\x0a" * 32)
    with refuses("did not hand over"):
        net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, new))
    with refuses("did not hand over"):
        net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, new, new))
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, new, LOG_KEY))
    assert net.state.log_keys == (bytes(LOG_KEY.verify_key), bytes(new.verify_key))
    assert net.state.log_key == bytes(new.verify_key)
    assert net.state.network == commitments.network_id(bytes(LOG_KEY.verify_key))
    for key in (LOG_KEY, new):
        with refuses("has signed this log before"):
            net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, key, new))
    third = SigningKey(b"\x0b" * 32)
    with refuses("did not hand over"):
        net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, third, LOG_KEY))
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, third, new))
    assert same(net.replay(), net.state)


def test_a_consent_to_follow_in_one_role_is_none_to_follow_in_the_other(net: Network) -> None:
    body = successor(pb.KEY_ROLE_LOG, SigningKey(b"\x0b" * 32), LOG_KEY)
    with refuses("did not sign its consent"):
        net.add(net.operator, "successor", changed(body, role=pb.KEY_ROLE_OPERATOR))


def test_a_key_is_for_one_thing(net: Network) -> None:
    """A root key rests in a drawer, and a log's key is in no node."""
    ada, second = net.people[0], net.operator.device("second key")
    second.signing_key = SigningKey(b"\x09" * 32)
    for key, message in (
        (net.operator.root, "this is somebody's root key already"),
        (LOG_KEY, "this is a key that signs the log already"),
    ):
        with refuses(message):
            net.add(net.operator, "successor", successor(pb.KEY_ROLE_OPERATOR, key))
        thief = ada.device("with a key of another use")
        thief.signing_key = key
        with refuses(message):
            net.add(thief, "delegate", pb.Delegate(network=NETWORK, delegation=thief.delegation()))
    for key, message in (
        (ada.root, "this is somebody's root key already"),
        (ada.signing_key, "this is a key that signs records already"),
        (net.operator.signing_key, "this is a key that signs records already"),
    ):
        with refuses(message):
            net.add(net.operator, "successor", successor(pb.KEY_ROLE_LOG, key, LOG_KEY))
    for key, message in (
        (ada.signing_key, "this is a key that signs records already"),
        (LOG_KEY, "this is a key that signs the log already"),
    ):
        twin = Person("twin")
        twin.root = key
        with refuses(message):
            net.add(twin, "register", net.registration(twin))
    net.add(net.operator, "successor", successor(pb.KEY_ROLE_OPERATOR, second.signing_key))
    net.add(second, "successor", successor(pb.KEY_ROLE_LOG, SigningKey(b"\x0a" * 32), LOG_KEY))
    net.add(Person("twin"), "register", net.registration(Person("twin")))


def test_a_network_is_founded_with_three_keys(net: Network) -> None:
    root, key = bytes(net.operator.root.verify_key), net.operator.key
    for log_key in (root, key):
        network = commitments.network_id(log_key)
        message = delegation_message(network, key)
        delegation = pb.Delegation(
            root_key=root, signature=net.operator.root.sign(message).signature
        )
        body = net.genesis(policy(), network=network, log_key=log_key, delegation=delegation)
        with refuses("are three keys"):
            found(net, body)
    found(net, net.genesis(policy()))


@pytest.mark.parametrize(
    ("taken", "like"), [("cat1", "catl"), ("o0", "0o"), ("barn", "bam"), ("one", "one")]
)
def test_no_two_campaigns_have_ids_that_look_alike(net: Network, taken: str, like: str) -> None:
    net.add(net.operator, "campaign", campaign(id=taken))
    with refuses("there is a campaign|looks like the campaign"):
        net.add(net.operator, "campaign", campaign(id=like))
    net.add(net.operator, "campaign", campaign(id="cat2"))
    assert same(net.replay(), net.state)


# ---- who is who ----


def test_another_key_of_the_same_person_acts_as_that_person(net: Network) -> None:
    ada, *reviewers = net.people
    laptop = ada.device("laptop")
    laptop.signing_key = SigningKey(b"\x0c" * 32)
    leaf = net.item(1)
    with refuses("nobody has delegated the key that signed this record"):
        net.submit(laptop, [leaf])
    net.delegate(laptop)
    net.submit(laptop, [leaf])
    net.submit(ada, [net.item(2)])
    assert {item.author for item in items(net)} == {ada.id}
    net.run_epoch(*reviewers)
    net.withdraw(ada, ids(net)[:1])  # what the laptop submitted
    assert statuses(net)[0] is ItemStatus.WITHDRAWN
    assert shares_of(net, ada) == 600 * PPM
    assert dict(net.state.keys_of.scan(ada.id)).keys() == {(ada.id, ada.key), (ada.id, laptop.key)}
    assert same(net.replay(gone=ids(net)[:1]), net.state)


def test_nobody_reviews_their_own_with_another_key(net: Network) -> None:
    ada, *reviewers = net.people
    laptop = ada.device("laptop")
    laptop.signing_key = SigningKey(b"\x0c" * 32)
    net.delegate(laptop)
    net.submit(ada, [net.item(1)])
    net.stand_by(laptop, *reviewers)
    net.seal()
    net.draw()
    assert ("digits", ada.id) not in net.state.tasks


def test_a_key_is_delegated_once_and_by_one_person(net: Network) -> None:
    ada, ben = net.people[:2]
    laptop, stolen = ada.device("laptop"), ben.device("laptop")
    laptop.signing_key = stolen.signing_key = SigningKey(b"\x0d" * 32)
    with refuses("has not registered"):
        net.delegate(Person("stranger"))
    net.delegate(laptop)
    with refuses("signs for this person already"):
        net.delegate(laptop)
    with refuses("signs for somebody else"):
        net.delegate(stolen)
    with refuses("signs for somebody else"):
        body = net.registration(ben, serial=2, wallet=Person("another"))
        body.delegation.CopyFrom(stolen.delegation())
        net.add(stolen, "register", body)
    other_network = changed(
        pb.Delegate(network=NETWORK),
        delegation=pb.Delegation(
            root_key=bytes(ben.root.verify_key),
            signature=ben.root.sign(b"commonhold/v1/delegation\0" + bytes(32) + ben.key).signature,
        ),
    )
    with refuses("did not delegate the key"):
        net.add(ben, "delegate", other_network)
    own_root = ben.device("root itself")
    own_root.signing_key = ben.root
    with refuses("the root key itself signs no records"):
        net.delegate(own_root)


def test_a_person_has_so_many_keys_and_no_more(net: Network) -> None:
    ada = net.people[0]
    assert KEYS_PER_PERSON_MAX == 16

    def device(number: int) -> Person:
        made = ada.device(f"device {number}")
        made.signing_key = SigningKey(bytes([number]) * 32)
        return made

    for number in range(100, 100 + KEYS_PER_PERSON_MAX - 1):
        net.delegate(device(number))
    one_more = device(200)
    with refuses("at most 16 keys"):
        net.delegate(one_more)
    with refuses("at most 16 keys"):
        body = net.registration(ada, serial=2, wallet=Person("another"))
        body.delegation.CopyFrom(one_more.delegation())
        net.add(one_more, "register", body)
    net.add(ada, "register", net.registration(ada, serial=2, wallet=Person("another")))


def test_a_person_is_no_key(net: Network) -> None:
    ada = net.people[0]
    assert net.state.keys[ada.key] == ada.id != PersonId(ada.key)
    with refuses("a payout address has 20 bytes"):
        net.add(ada, "register", changed(net.registration(ada, 2), payout_address=bytes(19)))
    with refuses("a root key has 32 bytes"):
        spoiled = changed(net.registration(ada, 2), delegation=pb.Delegation(root_key=b"x"))
        net.add(ada, "register", spoiled)


# ---- batches ----


def test_the_leaves_of_a_record_are_those_that_it_commits_to(net: Network) -> None:
    ada, leaf = net.people[0], net.item(1)
    body = pb.Submission(network=NETWORK, campaign_id="digits", items=batch([leaf]))
    with refuses("a submission has 1 to 8192 items"):
        net.submit(ada, [])
    with refuses("at most 32768 leaves, not 32769"):
        net.add(ada, "submission", body, [leaf] * 32_769)
    with refuses("a submission has 1 to 8192 items"):
        net.submit(ada, [leaf] * 8_193)
    with refuses("a standby carries no leaves"):
        net.add(ada, "standby", net.standby(ada), [leaf])
    net.add(ada, "submission", body, [leaf])


def test_beliefs_are_only_of_persons_who_exist() -> None:
    net = Network(*people("ada", "ben", "cyn", "dov"))
    net.people[3].judge = off_by(1)
    closed(net)
    assert {person for (person, _, _), _ in net.state.beliefs.scan()} <= {
        person for person, _ in net.state.members.scan()
    }

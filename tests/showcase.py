"""A network with something on every page: epochs, revenue, a licence, training, a withdrawal.

It is a simulated one, so every record passed the rules; its log is then put into an operator's directory,
where a real coordinator serves it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coordinator.config import Home
from coordinator.keys import load_keys
from coordinator.ledger import Ledger, Staged
from protocol.limits import PPM
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf, root_of
from protocol.log.note import sign_checkpoint
from protocol.money.settlement import Address, publication_digest
from protocol.rules.dataset import compute_snapshot
from protocol.transition import shown_batch
from protos.gen import records_pb2 as pb
from tests.fold import deploy, settlement
from tests.live_coordinator import found_network
from tests.simulated import LOG_KEY, NETWORK, Network, Person, batch, campaign, policy
from tests.simulated_training import enrol, finish, model_of, open_job, round_of, update

ROUNDS: Final = 12
TOKEN: Final = b"\x05" * 20
LICENSEE: Final = "Northwind Robotics"
_NAMES: Final = ("ada", "ben", "cyn", "dan", "eva", "fay", "gus", "hal", "ivy", "jon")
_CONSENT: Final = pb.Consent(train=True, redistribute=True, commercial=True)


def showcase(**texts: str) -> Network:
    """The network. `texts` replace the title and guidelines of a campaign, the title of a job and the
    licensee, whoever of them is named."""
    # One is careless, one abstains, so that verdicts and reputations differ.
    judges = {"ivy": lambda truth: (truth + 1) % 10, "jon": lambda _: None}
    people = [Person(name, judges.get(name, lambda truth: truth)) for name in _NAMES]
    net = Network(*people, policy=policy(rounds_max=2, trainers_ppm=100_000))
    net.add(
        net.operator,
        "campaign",
        campaign(
            id="street-signs",
            title=texts.get("title", "Street signs at night"),
            guidelines=texts.get("guidelines", "One sign, readable. Label it with what it asks."),
        ),
    )
    deploy(net)
    for epoch in range(1, 5):
        _review(net, epoch)
        if epoch == 2:
            _sell(net, texts.get("licensee", LICENSEE))
            _train(net, texts.get("job", "Read digits on every phone"))
    _settle(net, 4)
    _withdraw(net)
    _export(net)
    net.add(net.operator, "revenue", _deposit(7, 3 * 10**18, bytes(20), "a gift <b>to</b> all"))
    _begin(net)
    return net


def served(net: Network, path: Path) -> Home:
    """An operator's directory that holds the network's log."""
    home = found_network(path)
    for name, key in (("operator.key", net.operator.key), ("log.key", LOG_KEY)):
        (home.path / name).write_text(bytes(key).hex())
    for old in path.glob("ledger.db*"):
        old.unlink()
    config = home.load()
    keys = load_keys(home, config)
    staged = []
    for entry in net.log:
        batch = shown_batch(parse_envelope(entry.raw))
        beside = (encode_bundle(entry.leaves), batch.root) if batch else (None, None)
        staged.append(Staged(entry.raw, *beside))
    root = root_of([entry.raw for entry in net.log])
    checkpoint = sign_checkpoint(keys.log_verifier, len(staged), root, keys.sign_log)
    with Ledger.create(home.ledger_url(config), keys.log_verifier.name) as ledger:
        ledger.commit(staged, checkpoint, 0)
    return home


def item_for_sale(net: Network, truth: int, label: int) -> bytes:
    """The leaf of an item whose author consents to everything."""
    described = net.item(truth, label)
    item = pb.Item.FromString(described)
    item.consent.CopyFrom(_CONSENT)
    leaf = item.SerializeToString()
    net.openings[hash_leaf(leaf)] = net.openings.pop(hash_leaf(described))
    net.truth[hash_leaf(leaf)] = net.truth.pop(hash_leaf(described))
    return leaf


def _review(net: Network, epoch: int) -> None:
    for place, person in enumerate(net.people[:7]):
        labels = [(truth, truth if (truth + place) % 9 else 3) for truth in range(2 + epoch * 2)]
        net.submit(person, [item_for_sale(net, truth, label) for truth, label in labels])
    copied = net.item(1, content=b"the same picture")
    net.submit(net.people[0], [copied])
    net.submit(net.people[8], [net.item(1, content=b"the same picture")])
    net.run_epoch(*net.people[2:])


def _export(net: Network) -> bytes:
    """Takes a snapshot; gives its digest."""
    items = compute_snapshot(net.state, "digits", _CONSENT)
    body = pb.Snapshot(network=NETWORK, campaign_id="digits", scope=_CONSENT, items=batch(items))
    net.add(net.operator, "snapshot", body, items)
    return list(net.state.snapshots)[-1]


def _sell(net: Network, licensee: str) -> None:
    licence = pb.Licence(
        network=NETWORK,
        id="northwind-2026",
        snapshot=_export(net),
        licensee=licensee,
        terms="CC-BY-4.0",
        asset=TOKEN,
        price=str(12_000 * PPM),
    )
    net.add(net.operator, "licence", licence)
    net.add(net.operator, "revenue", _deposit(1, 12_000 * PPM, TOKEN, "northwind-2026"))
    net.add(net.operator, "revenue", _deposit(2, 10**18 // 4, bytes(20), ""))


def _train(net: Network, title: str) -> None:
    [digest] = net.state.snapshots
    partners = net.people[:3]
    terms = {"rounds": ROUNDS, "quorum": 2, "snapshot": digest, "title": title}
    open_job(net, *partners, **terms)
    enrol(net, *partners)
    for number in range(ROUNDS):
        update(net, *partners)
        done = round_of(net, *partners)
        done.accuracy_ppm = int(PPM * (0.95 - 0.6 * 0.75**number))
        net.add(net.operator, "training-round", done)
    model = model_of(net)
    model.accuracy_fp32_ppm, model.accuracy_int8_ppm = 941_000, 938_500
    model.energy_millijoules = 48_200
    finish(net, model)
    open_job(
        net, *partners, id="train-again", title="The same, with more privacy", epsilon_micro=PPM
    )
    enrol(net, *partners[:2], job_id="train-again")
    update(net, partners[0], job_id="train-again")


def _settle(net: Network, epoch: int) -> None:
    net.add(net.operator, "settlement", settlement(net, epoch))
    proposal = net.state.proposal
    assert proposal is not None
    contract = Address(b"\x01" * 20)
    digest = publication_digest(1, contract, proposal.epoch, proposal.root, proposal.totals)
    for person in net.people[:2]:
        body = pb.Attest(
            network=NETWORK,
            epoch=epoch,
            root=proposal.root,
            signature=person.sign_digest(digest),
        )
        net.add(person, "attest", body)
    published = pb.Published(
        network=NETWORK, epoch=epoch, root=proposal.root, tx_hash=b"\x07" * 32, block=1_234
    )
    net.add(net.operator, "published", published)


def _withdraw(net: Network) -> None:
    author = net.people[1]
    own = [i for i, item in net.state.items.items() if item.author == author.identity]
    net.add(author, "withdraw", pb.Withdraw(network=NETWORK, item_ids=own[:2]))


def _begin(net: Network) -> None:
    """An epoch in the middle of its review."""
    net.submit(net.people[0], [net.item(truth) for truth in range(10)])
    reviewers = net.people[2:7]
    net.stand_by(*reviewers)
    net.phase(pb.PHASE_BEACON)
    net.open_beacons(*reviewers)
    net.draw()
    drawn = [person for person in reviewers if person.identity in net.state.epoch.round.tasks]
    for person in drawn[:2]:
        net.commit(person, net.answers(person))


def _deposit(number: int, units: int, asset: bytes, memo: str) -> pb.Revenue:
    return pb.Revenue(
        network=NETWORK,
        asset=asset,
        amount=str(units),
        tx_hash=bytes([number]) * 32,
        log_index=number,
        memo=memo,
    )

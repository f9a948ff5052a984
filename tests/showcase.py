"""A network with something on every page: campaigns of every kind in different phases, epochs, revenue, a
licence, training, a withdrawal.

It is a simulated one, so every record passed the rules; its log is then put into an operator's directory,
where a real coordinator serves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import Message

from coordinator.config import Home
from coordinator.keys import load_keys, log_verifier
from coordinator.ledger import Ledger, Staged
from protocol.limits import PPM
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf, root_of
from protocol.log.strict import encode_leaf, parse_leaf
from protocol.money import events
from protocol.money.ballot import policy_hash
from protocol.money.settlement import Address
from protocol.rules.settling import witnesses_to_be
from protocol.tasks.spec import encode_spec
from protocol.transition import shown_batch
from protos.gen import records_pb2 as pb
from tests.chain_says import TOKEN, attest, deploy, pay, posted, says, settle, settlement
from tests.fold import ids
from tests.live_coordinator import found_network
from tests.simulated import (
    LOG_KEY,
    NETWORK,
    Network,
    Person,
    campaign,
    part,
    policy,
    rounds,
)
from tests.simulated_training import add_round, enrol, finish, model_of, open_job, round_of, update

ROUNDS: Final = 12  # of training
EPOCHS: Final = 4
LICENSEE: Final = "Northwind Robotics"
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
BEGAN_MS: Final = 1_760_000_000_000  # long ago: no clock of a machine is behind it
MODELS: Final = ("aurora-7b", "birch-3b", "cedar-1b")
STEPS: Final = ("poor", "fair", "good", "great")
CRITERIA: Final = ("complete", "verbatim", "no names")
_NAMES: Final = ("ada", "ben", "cyn", "dan", "eva", "fay", "gus", "hal", "ivy", "jon")
# What somebody careless says instead.
_MISTAKEN: Final = {
    "a": "b",
    "b": "a",
    "poor": "fair",
    "fair": "good",
    "good": "fair",
    "great": "good",
}


class Showcase(Network):
    """Every campaign has windows that people could keep."""

    def add(self, person: Person, kind: str, body: Message, leaves: Sequence[bytes] = ()) -> None:
        if isinstance(body, pb.Campaign):
            windows = {"commit_ms": 12 * HOUR_MS}
            terms = rounds(seal_items=8, seal_wait_ms=6 * HOUR_MS, reveal_ms=2 * HOUR_MS, **windows)
            body.rounds.CopyFrom(terms)
        super().add(person, kind, body, leaves)


def careless(truth: Any) -> Any:
    """The next label, the other answer, a step off; rubrics all met."""
    if isinstance(truth, int):
        return (truth + 1) % 10
    return _MISTAKEN.get(truth, "yes, yes, yes")


def showcase(began_ms: int = BEGAN_MS, /, **texts: str) -> Network:
    """The network. `texts` replace the title and guidelines of a campaign, the name of a source, the title
    of a job and the licensee, whoever of them is named."""
    # One is careless, one abstains, so that verdicts and reputations differ; for one a program answers.
    judges = {"ivy": careless, "jon": lambda _: None}
    programs = {"eva": "chat 0.1.0 small-model"}
    people = [
        Person(name, judges.get(name, lambda truth: truth), programs.get(name, ""))
        for name in _NAMES
    ]
    net = Showcase(*people, policy=policy(trainers_ppm=100_000))
    net.clock_ms = began_ms
    _open_campaigns(net, texts)
    net.delegate(people[0].device("laptop"))
    deploy(net)
    for epoch in range(1, EPOCHS + 1):
        _review(net, epoch)
        if epoch < 3:  # a set of its own, and then others with its assent
            net.change_witnesses(*people[epoch : epoch + 5])
        if epoch == 2:
            _compare(net, texts.get("source", MODELS[0]))
            _sell(net, texts.get("licensee", LICENSEE))
            _train(net, texts.get("job", "Read digits on every phone"))
        if epoch == 3:
            _rate_and_judge(net)
        net.clock_ms += 20 * HOUR_MS
        net.close()
    _settle(net, EPOCHS)
    net.withdraw(people[1], [i for i in ids(net) if net.state.items[i].author == people[1].id][:2])
    net.snapshot()
    pay(net, 3 * 10**18, "a gift <b>to</b> all")
    says(net, events.PolicyDecided(policy_hash(policy(trainers_ppm=50_000))))
    net.change_policy(trainers_ppm=50_000)
    _begin(net)
    return net


def served(net: Network, path: Path) -> Home:
    """An operator's directory that holds the network's log."""
    home = found_network(path)
    delegation = net.operator.delegation()
    secrets = {
        "root.key": bytes(net.operator.root),
        "operator.key": bytes(net.operator.signing_key),
        "log.key": bytes(LOG_KEY),
        "operator.delegation": delegation.root_key + delegation.signature,
    }
    (home.path / "log.verifier").write_text(
        str(log_verifier("simulated", bytes(LOG_KEY.verify_key)))
    )
    for name, content in secrets.items():
        (home.path / name).write_text(content.hex())
    for old in path.glob("ledger.db*"):
        old.unlink()
    config = home.load()
    keys = load_keys(home)
    staged = []
    for entry in net.log:
        batch = shown_batch(parse_envelope(entry.raw))
        beside = (encode_bundle(entry.leaves), batch.root) if batch else (None, None)
        staged.append(Staged(entry.raw, *beside))
    root = root_of([entry.raw for entry in net.log])
    checkpoint = keys.sign_checkpoint(len(staged), root, net.state.log_keys)
    with Ledger.create(home.ledger_url(config), keys.log_verifier.name) as ledger:
        ledger.commit(staged, checkpoint, 0)
    return home


# ---- campaigns ----


def four_kinds() -> list[pb.Campaign]:
    """What else there is to ask than for a label: one campaign of each kind."""
    answers = [part(name, bytes_max=16_384) for name in ("prompt", "answer_a", "answer_b")]
    criteria = [
        {
            "name": CRITERIA[0],
            "text": "Nothing that can be heard is left out.",
            "needs_ppm": 900_000,
        },
        {
            "name": CRITERIA[1],
            "text": "It says what was said, word for word.",
            "needs_ppm": 800_000,
        },
        {"name": CRITERIA[2], "text": "No name of a person is in it.", "needs_ppm": 950_000},
    ]
    terms: dict[str, Any] = {"proposal": pb.PROPOSAL_NOT_TAKEN, "privacy": pb.PRIVACY_REVIEWERS}
    return [
        campaign(
            id="answers",
            title="Which answer helps more?",
            task="prefer",
            spec=encode_spec({"ties": True}),
            parts=answers,
            **terms,
        ),
        campaign(
            id="essays",
            title="Essays of learners",
            task="rate",
            spec=encode_spec({"steps": list(STEPS), "tolerance": 1}),
            parts=[part("essay", "text/plain", "text/markdown")],
            **terms | {"proposal": pb.PROPOSAL_OPTIONAL},
        ),
        campaign(
            id="transcripts",
            title="Transcripts of recordings",
            task="judge",
            spec=encode_spec({"criteria": criteria}),
            parts=[
                part("recording", "audio/wav", bytes_max=8 << 20),
                part("transcript"),
                part("notes", optional=True),
            ],
            **terms,
        ),
    ]


def _open_campaigns(net: Network, texts: dict[str, str]) -> None:
    signs = campaign(
        id="street-signs",
        title=texts.get("title", "Street signs at night"),
        guidelines=texts.get("guidelines", "One sign, readable. Label it with what it asks."),
    )
    for body in (signs, *four_kinds()):
        net.add(net.operator, "campaign", body)


def pair(net: Network, truth: str, left: str, right: str) -> bytes:
    """The leaf of two answers by two sources, of which one is better."""
    described = net.item(truth, c="answers")
    item = parse_leaf(pb.Item, described)
    item.parts[1].source, item.parts[2].source = left, right
    leaf = encode_leaf(item)
    net.truth[hash_leaf(leaf)] = net.truth.pop(hash_leaf(described))
    return leaf


def _review(net: Network, epoch: int) -> None:
    for place, person in enumerate(net.people[:7]):
        labels = [(truth, truth if (truth + place) % 9 else 3) for truth in range(2 + epoch * 2)]
        net.submit(person, [net.item(truth, label) for truth, label in labels])
    for person in (net.people[0], net.people[8]):
        net.submit(person, [net.item(1, content=b"the same picture")])
    net.run_rounds(*net.people[2:], gold=[i for i in ids(net)[-12:] if i in _waiting(net)])


def _waiting(net: Network) -> set[bytes]:
    return {item_id for _, item_id in net.state.waiting.scan()}


def _compare(net: Network, best: str) -> None:
    """The first of the models writes better answers than the second, and that than the third."""
    models = (best, *MODELS[1:])
    pairs = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1), (0, 1), (1, 2), (0, 2), (1, 0)]
    leaves = []
    for place, (left, right) in enumerate(pairs * 2):
        upset = place % 7 == 5
        truth = "tie" if place == 8 else "a" if (left < right) is not upset else "b"
        leaves.append(pair(net, truth, models[left], models[right]))
    net.submit(net.people[0], leaves, "answers")
    net.run_rounds(*net.people[1:8], c="answers")


def _rate_and_judge(net: Network) -> None:
    ratings = ["poor", "fair", "good", "good", "good", "great", "great", "fair", "good"]
    net.submit(net.people[1], [net.item(each, c="essays") for each in ratings], "essays")
    net.run_rounds(*net.people[2:9], c="essays")
    rubrics = ["yes, yes, yes"] * 6 + ["yes, no, yes", "no, no, yes", "yes, yes, no"]
    leaves = [net.item(each, c="transcripts") for each in rubrics]
    unreadable = net.item(None, c="transcripts")
    net.submit(net.people[2], [*leaves, unreadable], "transcripts")
    reviewers = net.people[3:9]
    net.stand_by(*reviewers, c="transcripts")
    net.seal(c="transcripts")
    net.draw(c="transcripts")
    _refuse(net, "transcripts", hash_leaf(unreadable))
    net.verdict("transcripts")
    net.submit(net.people[1], [net.item("yes, yes, yes", c="transcripts")], "transcripts")


def _refuse(net: Network, c: str, unreadable: bytes) -> None:
    """All who are drawn answer, but say of one item that they cannot make it out."""
    drawn = [person for person in net.people if (c, person.id) in net.state.tasks]
    said: dict[str, list[bytes]] = {}
    for person in drawn:
        said[person.name] = []
        for leaf in net.answers(person, c):
            is_it = parse_leaf(pb.Answer, leaf).item_id == unreadable
            said[person.name] += net.refuse([leaf], pb.REFUSAL_UNREADABLE) if is_it else [leaf]
    for person in drawn:
        net.commit(person, said[person.name], c)
    net.end_commits(c)
    for person in drawn:
        net.reveal(person, said[person.name], c)


# ---- money, training ----


def _sell(net: Network, licensee: str) -> None:
    price, asset = str(12_000 * PPM), TOKEN
    net.license(net.snapshot(), id="northwind-2026", licensee=licensee, asset=asset, price=price)
    pay(net, 12_000 * PPM, "northwind-2026", TOKEN)
    pay(net, 10**18 // 4)


def _train(net: Network, title: str) -> None:
    [digest] = [digest for digest, _ in net.state.snapshots.scan()]
    partners = net.people[:3]
    open_job(net, *partners, rounds=ROUNDS, quorum=2, snapshot=digest, title=title)
    enrol(net, *partners)
    for number in range(ROUNDS):
        update(net, *partners)
        done = round_of(net, *partners)
        done.accuracy_ppm = int(PPM * (0.95 - 0.6 * 0.75**number))
        add_round(net, done)
    model = model_of(net)
    model.accuracy_fp32_ppm, model.accuracy_int8_ppm = 941_000, 938_500
    model.energy_millijoules = 48_200
    finish(net, model)
    more = {"title": "The same, with more privacy", "epsilon_micro": PPM}
    open_job(net, *partners, id="train-again", **more)
    enrol(net, *partners[:2], job_id="train-again")
    update(net, partners[0], job_id="train-again")


def _settle(net: Network, epochs: int) -> None:
    """All epochs but the last are in force; that one is challenged. Others are to sign from now on."""
    for epoch in range(1, epochs):
        settle(net, epoch)
    net.add(net.operator, "settlement", settlement(net, epochs))
    attest(net, "settlement", net.operator)
    objector = Address(net.people[3].address)
    says(net, posted(net.state.payloads[epochs]), events.Challenged(epochs, objector, b"\x0e" * 32))
    view = net.state.onchain
    asked: dict[str, Any] = {"network": NETWORK, "witness_nonce": view.nonce, "deadline": 2**32}
    net.add(net.operator, "uphold", pb.Uphold(**asked, epoch=epochs))
    change = pb.WitnessChange(**asked, proposal=1, witnesses=witnesses_to_be(net.state))
    net.add(net.operator, "witness-change", change)


# ---- what is under way ----


def _begin(net: Network) -> None:
    """Rounds in different phases: digits are answered, answers opened, essays drawn, transcripts wait for
    reviewers, and street signs are paused."""
    net.pause(c="street-signs")
    _stand_down(net, "transcripts")
    _compare_more(net)
    net.submit(net.people[1], [net.item(each, c="essays") for each in STEPS * 2], "essays")
    _stand_by(net, "essays", net.people[2:6])
    net.seal(c="essays")
    net.toss(*net.people[2:4], c="essays")
    net.clock_ms += 5 * MINUTE_MS
    net.submit(net.people[0], [net.item(truth) for truth in range(10)])
    reviewers = net.people[2:7]
    _stand_by(net, "digits", reviewers)
    net.seal()
    net.draw()
    drawn = [person for person in net.people if ("digits", person.id) in net.state.tasks]
    for person in drawn[:2]:
        net.commit(person, net.answers(person))


def _compare_more(net: Network) -> None:
    leaves = [pair(net, "a", MODELS[1], MODELS[2]) for _ in range(8)]
    net.submit(net.people[0], leaves, "answers")
    _stand_by(net, "answers", net.people[1:5])
    net.seal(c="answers")
    net.draw(c="answers")
    drawn = [person for person in net.people if ("answers", person.id) in net.state.tasks]
    said = {person.name: net.answers(person, "answers") for person in drawn}
    for person in drawn:
        net.commit(person, said[person.name], "answers")
    net.end_commits("answers")
    net.reveal(drawn[0], said[drawn[0].name], "answers")


def _stand_by(net: Network, c: str, people: Sequence[Person]) -> None:
    net.stand_by(*(p for p in people if (c, p.id) not in net.state.standbys), c=c)


def _stand_down(net: Network, c: str) -> None:
    for person in net.people:
        if (c, person.id) in net.state.standbys:
            net.stand_down(person, c)

"""The fold: models are licensed, their trainers and authors are paid, and a withdrawal reaches them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.identity import PersonId
from protocol.limits import MODEL_GRACE_EPOCHS_MAX, PPM
from protocol.money.accounts import conserves
from protocol.money.earnings import compute_lines
from protocol.money.revenue import owners_of
from protocol.rules import licences
from protocol.rules.licences import last_epoch_of_sale
from protos.gen import records_pb2 as pb
from tests.chain_says import deploy, pay
from tests.fold import changed, ids, last_lines, refuses, same
from tests.likely import COPY, DERIVATIVE, INDEPENDENT, C, network, pair, run
from tests.simulated import EVERY_USE, Network, Person, policy
from tests.simulated_training import end_of, enrol, finish, model_of, open_job, train

ETHER = bytes(20)
GRACE = 2
TO_TRAIN = pb.Consent(train=True)


def made(net: Network, *partners: Person, job_id: str = "train", snapshot: bytes = b"") -> None:
    """A job of these partners that ran to its end: the first two in both rounds, the others in the last."""
    campaign = {"campaign_id": net.state.snapshots[snapshot].campaign_id} if snapshot else {}
    open_job(net, *partners, id=job_id, snapshot=snapshot, **campaign)
    enrol(net, *partners, job_id=job_id)
    train(net, *partners[:2], job_id=job_id)
    train(net, *partners, job_id=job_id)
    finish(net, model_of(net, job_id))


def license_model(net: Network, job_id: str = "train", **changes: object) -> None:
    net.license(b"", job_id=job_id, **changes)


@pytest.fixture
def net() -> Network:
    """Ada has three items in a snapshot, ben one; cyn, dov and eve trained on it, eve in one round of two."""
    people = [Person(name) for name in ("ada", "ben", "cyn", "dov", "eve")]
    net = Network(*people, policy=policy(model_grace_epochs=GRACE))
    ada, ben, cyn, dov, eve = people
    net.submit(ada, [net.item(i) for i in range(3)])
    net.submit(ben, [net.item(4)])
    net.run_epoch(cyn, dov, eve)
    made(net, cyn, dov, eve, snapshot=net.snapshot())
    deploy(net)
    net.close()
    return net


def royalties(net: Network) -> dict[tuple[int, bytes], int]:
    """What a licence brought to whom, of the last close."""
    lines = [line for line in last_lines(net) if line.licence_id]
    assert all(line.asset == ETHER for line in lines)
    return {(line.role, line.person): int(line.amount) for line in lines}


def test_a_models_revenue_is_its_trainers_and_its_authors(net: Network) -> None:
    ada, ben, cyn, dov, eve = net.people
    license_model(net)
    pay(net, 10_000, "acme-2026", ETHER)
    net.close()
    # A tenth for the treasury, half of the rest for the holders; of 4,500 a quarter for authors.
    assert royalties(net) == {
        (pb.ROLE_CONTRIBUTOR, ada.id): 844,
        (pb.ROLE_CONTRIBUTOR, ben.id): 281,
        (pb.ROLE_TRAINER, cyn.id): 1_350,
        (pb.ROLE_TRAINER, dov.id): 1_350,
        (pb.ROLE_TRAINER, eve.id): 675,
    }
    lines = {(line.role, line.person): line for line in last_lines(net) if line.licence_id}
    author, trainer = lines[pb.ROLE_CONTRIBUTOR, ada.id], lines[pb.ROLE_TRAINER, eve.id]
    assert (author.campaign_id, author.job_id) == ("digits", "train")
    assert (author.evidence.licensed_permille, trainer.evidence.updates) == (3_000, 1)
    assert not trainer.evidence.worth_ppm, "it weighs as one"
    assert (trainer.job_id, trainer.licence_id) == ("train", "acme-2026")
    assert conserves(net.state)
    assert same(net.replay(), net.state)


def test_a_model_without_a_snapshot_is_its_trainers(net: Network) -> None:
    ada, ben, *_ = net.people
    made(net, ada, ben, job_id="alone")
    license_model(net, "alone")
    pay(net, 1_000, "acme-2026", ETHER)
    net.close()
    assert royalties(net) == {(pb.ROLE_TRAINER, who.id): 225 for who in (ada, ben)}


def test_authors_whose_items_are_worth_nothing_leave_it_to_trainers(net: Network) -> None:
    _, _, cyn, dov, eve = net.people
    owners = owners_of(net.state, b"", "train")
    nothing = [(who, 0) for who, _ in owners.authors]
    bare = replace(owners, authors=tuple(nothing))
    assert (bare.cut(1_000), owners.cut(1_000)) == ((0, 1_000), (250, 750))
    assert {who for who, _ in owners.trainers} == {each.id for each in (cyn, dov, eve)}


def test_a_close_that_gives_a_models_revenue_to_others_is_refused(net: Network) -> None:
    license_model(net)
    pay(net, 10_000, "acme-2026", ETHER)
    own = compute_lines(net.state)
    place = next(
        i for i, line in enumerate(own) if line.licence_id and line.role == pb.ROLE_TRAINER
    )
    for field, value, message in (
        ("person", net.operator.id, "not the one that follows"),
        ("job_id", "another", "not the one that follows"),
        ("amount", "1", "the amounts do not follow"),
    ):
        with refuses(message):
            wrong = changed(own[place], **{field: value})
            net.add_close([*own[:place], wrong, *own[place + 1 :]])
    net.add_close(own)


def test_a_round_that_was_rolled_back_brings_its_trainers_nothing(net: Network) -> None:
    _, _, cyn, dov, eve = net.people
    job = net.state.jobs["train"]
    first, second = job.rounds
    rolled = replace(second, base_model=second.model)
    net.state.jobs.put("train", replace(job, rounds=(first, rolled)))
    owners = owners_of(net.state, b"", "train")
    assert dict(owners.trainers) == {cyn.id: PPM, dov.id: PPM}
    by_worth = replace(second, weights_ppm=(PPM // 2, PPM, 3 * PPM // 2))
    net.state.jobs.put("train", replace(job, rounds=(rolled, by_worth)))
    owners = owners_of(net.state, b"", "train")
    assert sorted(dict(owners.trainers).values()) == [PPM // 2, PPM, 3 * PPM // 2]
    assert owners.updates == dict.fromkeys((cyn.id, dov.id, eve.id), 1)
    net.state.jobs.put("train", replace(job, rounds=(rolled,)))
    assert owners_of(net.state, b"", "train").cut(1_000) == (1_000, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"job_id": "no-such"}, "there is no job 'no-such'"),
        ({"job_id": ""}, "for a snapshot or for a job's model"),
        ({"snapshot": bytes(32)}, "for a snapshot or for a job's model"),
        ({"price": "0"}, "the price is nothing"),
    ],
)
def test_a_licence_names_one_model(net: Network, change: dict[str, object], message: str) -> None:
    with refuses(message):
        net.license(**({"snapshot": b"", "job_id": "train"} | change))  # type: ignore[arg-type]
    license_model(net)


def test_only_a_job_that_ran_to_its_end_has_a_model_to_sell(net: Network) -> None:
    ada, ben, *_ = net.people
    open_job(net, ada, ben, id="second")
    with refuses("'second' has made no model"):
        license_model(net, "second")
    finish(net, end_of("second"))
    with refuses("'second' has made no model"):
        license_model(net, "second")


def test_a_model_of_items_that_are_not_for_commerce_is_not_sold(net: Network) -> None:
    _, _, cyn, dov, *_ = net.people
    made(net, cyn, dov, job_id="free", snapshot=net.snapshot(TO_TRAIN))
    with refuses("did not all consent to commercial use"):
        license_model(net, "free")
    license_model(net)


def test_a_sale_has_no_more_owners_than_a_close_pays(
    net: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licences, "OPERATOR_LEAVES_MAX", 4 * 4)
    with refuses("too many owners"):
        license_model(net)
    monkeypatch.setattr(licences, "OPERATOR_LEAVES_MAX", 4 * 5)
    license_model(net)


# ---- a withdrawal reaches models ----


@pytest.mark.parametrize("how", ["withdraw", "takedown"])
def test_what_goes_from_a_snapshot_marks_its_models(net: Network, how: str) -> None:
    job = net.state.jobs["train"]
    assert last_epoch_of_sale(net.state, job) is None
    gone = ids(net)[0]
    if how == "withdraw":
        net.withdraw(net.people[0], [gone])
    else:
        net.take_down(gone)
    epoch = net.state.epoch
    assert last_epoch_of_sale(net.state, job) == epoch + GRACE
    for number in range(GRACE + 1):  # the one in which it happened, and the policy's
        license_model(net, id=f"in-{number}")
        net.close()
    assert net.state.epoch == epoch + GRACE + 1
    with refuses(f"could be licensed until epoch {epoch + GRACE}"):
        license_model(net, id="too-late")
    # What was sold before still brings its owners what it brings.
    pay(net, 10_000, "in-0", ETHER)
    net.close()
    assert royalties(net)[pb.ROLE_CONTRIBUTOR, net.people[0].id] == 844
    assert same(net.replay(gone={gone} if how == "withdraw" else set()), net.state)


def test_the_grace_counts_from_what_went_first(net: Network) -> None:
    first, second, *_ = ids(net)
    net.withdraw(net.people[0], [first])
    last = last_epoch_of_sale(net.state, net.state.jobs["train"])
    net.close()
    net.withdraw(net.people[0], [second])
    assert last_epoch_of_sale(net.state, net.state.jobs["train"]) == last


def test_a_model_that_is_trained_again_is_without_it_and_sold(net: Network) -> None:
    _, _, cyn, dov, *_ = net.people
    (old,) = (digest for digest, _ in net.state.snapshots.scan())
    gone = ids(net)[0]
    net.withdraw(net.people[0], [gone])
    with refuses("were withdrawn or taken down"):
        open_job(net, cyn, dov, id="again", snapshot=old)
    new = net.snapshot()
    assert gone not in net.state.snapshots[new].items
    made(net, cyn, dov, job_id="again", snapshot=new)
    for _ in range(GRACE + 1):
        net.close()
    license_model(net, "again")


@pytest.mark.parametrize(("panel", "reached"), [(COPY, 1), (INDEPENDENT, 0), (DERIVATIVE, 0)])
def test_a_contest_that_takes_an_item_out_reaches_models(panel: pb.Relation, reached: int) -> None:
    """Its author contests that it is a derivative; a second panel calls it a copy, or not."""
    net = network()
    _, likely = pair(net, DERIVATIVE)
    net.close()
    digest = net.snapshot(EVERY_USE, campaign_id=C)
    net.contest(net.people[1], likely)
    assert net.state.snapshots[digest].spoilt_in == 0, "nothing is decided yet"
    run(net, panel)
    snapshot = net.state.snapshots[digest]
    assert (snapshot.refused, snapshot.withdrawn) == (reached, 0)
    assert (snapshot.spoilt_in > 0) == bool(reached)
    people: list[PersonId] = [each.id for each in net.people[:2]]
    job = {"id": "train", "campaign_id": C, "snapshot": digest}
    if reached:
        with refuses("contested, and are accepted no more"):
            open_job(net, *net.people[:2], **job)
    else:
        open_job(net, *net.people[:2], **job)
        assert list(net.state.jobs["train"].terms.partners) == people
    assert same(net.replay(), net.state)


def test_a_policy_bounds_the_grace() -> None:
    Network(policy=policy(model_grace_epochs=MODEL_GRACE_EPOCHS_MAX))
    with refuses("are licensed for 53 epochs after a withdrawal"):
        Network(policy=policy(model_grace_epochs=MODEL_GRACE_EPOCHS_MAX + 1))

"""The fold: training jobs, who joins them and what they sign, each rejection beside its acceptance."""

from __future__ import annotations

import pytest

from protocol.limits import (
    DELTA_PPB_MAX,
    PARAMETERS_MAX,
    PARTNERS_MAX,
    PPM,
    TRAINING_ROUNDS_MAX,
)
from protos.gen import records_pb2 as pb
from tests.fold import changed, ids, refuses
from tests.simulated import EVERY_USE, Network, Person, campaign
from tests.simulated_training import (
    add_round,
    enrol,
    enrolment,
    finish,
    job,
    model_of,
    open_job,
    round_of,
    start,
    train,
    update,
    update_of,
)


@pytest.fixture
def joined(net: Network) -> Network:
    """A job of two rounds and a quorum of two, which three partners have joined."""
    open_job(net, *net.people[:4])
    enrol(net, *net.people[:3])
    return net


# ---- the job ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "No Name"}, "is not a job's id"),
        ({"title": "x" * 16_385}, "the title has 16385 characters"),
        ({"campaign_id": "no-such"}, "there is no campaign"),
        ({"snapshot": bytes(32)}, "the log holds no snapshot"),
        ({"task": ""}, "the job's task is empty"),
        ({"task_options": ""}, "options take 0 characters"),
        ({"task_options": "x" * 16_385}, "options take 16385 characters"),
        ({"task_options": "{\n}"}, "other characters than printable ASCII"),
        ({"task_options": '{"a":"\u00e9"}'}, "other characters than printable ASCII"),
        ({"task_code": b""}, "the hash of the task's code"),
        ({"task_version": ""}, "the task's version is empty"),
        ({"initial_model": b"short"}, "the initial model's hash"),
        ({"columns": []}, "names the columns"),
        ({"columns": ["x", "x"]}, "a column is named twice"),
        ({"columns": [""]}, "a column's name is empty"),
        ({"model_licence": ""}, "the licence of the job's model is empty"),
        ({"weight_bits": 2}, "at weights of 2 bits"),
        ({"quorum": 0}, "needs the updates of 0 of 3 partners"),
        ({"quorum": 4}, "needs the updates of 4 of 3 partners"),
        ({"rounds": 0}, "a job of 0 rounds"),
        ({"rounds": TRAINING_ROUNDS_MAX + 1}, "a job of 1025 rounds"),
        ({"spare_rounds": TRAINING_ROUNDS_MAX - 1}, "a job of 2 rounds, and 1023 spare ones"),
        ({"sampling_ppm": 0}, "chance to be in a round is 0 parts"),
        ({"sampling_ppm": PPM + 1}, "chance to be in a round is 1000001 parts"),
        ({"clip_micro": 0}, "clipped to nothing"),
        ({"noise_micro": 0}, "a job adds noise"),
        ({"learning_rate_micro": 0}, "the learning rate"),
        ({"momentum_ppm": PPM}, "the momentum is one or more"),
        ({"epsilon_micro": 0}, "epsilon is 0 millionths"),
        ({"epsilon_micro": 100 * PPM + 1}, "epsilon is 100000001 millionths"),
        ({"delta_ppb": 0}, "delta is 0 billionths"),
        ({"delta_ppb": DELTA_PPB_MAX + 1}, "delta is 100001 billionths"),
        ({"noise_parties": 0}, "0 partners are to make the noise of a sum of 2 updates"),
        ({"noise_parties": 2}, "2 partners are to make the noise of a sum of 2 updates"),
        ({"upload_step": 0}, "cut to steps of nothing"),
        ({"upload_bits": 1}, "values have 1 bits"),
        ({"upload_bits": 33}, "values have 33 bits"),
        ({"upload_values": 0}, "an update has 0 values for 10 parameters"),
        ({"upload_values": 11}, "an update has 11 values for 10 parameters"),
        ({"parameters": PARAMETERS_MAX + 1}, "for 100000001 parameters"),
        ({"expected_examples": 0}, "expects no examples"),
        ({"price_ppm": 0}, "the price is 0 parts per million"),
        ({"price_ppm": 1000 * PPM + 1}, "the price is 1000000001 parts"),
        ({"round_seconds": 0}, "a round waits for 0 seconds"),
        ({"round_seconds": 86_401}, "a round waits for 86401 seconds"),
        ({"endpoint": ""}, "says where it trains"),
        ({"tls_certificate": b""}, "names its certificate"),
    ],
)
def test_a_job_says_all_that_decides_its_privacy(
    net: Network, change: dict[str, object], message: str
) -> None:
    good = job(partners=[person.id for person in net.people[:3]])
    with refuses(message):
        net.add(net.operator, "job", changed(good, **change))
    net.add(net.operator, "job", good)
    with refuses("there is a job 'train' already"):
        net.add(net.operator, "job", changed(good, title="again"))


def test_a_job_invites_members_each_once(net: Network) -> None:
    ada, ben, *_ = net.people
    with refuses("has not registered"):
        open_job(net, ada, Person("stranger"))
    with refuses("invited twice"):
        open_job(net, ada, ben, ada)
    with refuses("a job that invites 0 partners"):
        open_job(net)
    with refuses(f"a job that invites {PARTNERS_MAX + 1} partners"):
        open_job(net, *[ada] * (PARTNERS_MAX + 1))
    with refuses("only the network's operator"):
        net.add(ada, "job", job(partners=[ada.id, ben.id]))
    open_job(net, ada, ben)


def test_a_job_uses_a_snapshot_that_may_train(net: Network) -> None:
    ada, ben, *reviewers = net.people
    net.submit(ada, [net.item(1), net.item(2)])
    net.run_epoch(*reviewers)
    net.add(net.operator, "campaign", campaign(id="letters"))
    sold, whole = net.snapshot(pb.Consent(redistribute=True)), net.snapshot(EVERY_USE)
    with refuses("scope is not training"):
        open_job(net, ada, ben, snapshot=sold)
    with refuses("of another campaign"):
        open_job(net, ada, ben, snapshot=whole, campaign_id="letters")
    open_job(net, ada, ben, snapshot=whole)
    net.withdraw(ada, ids(net)[:1])
    with refuses("were withdrawn"):
        open_job(net, ada, ben, snapshot=whole, id="later")
    open_job(net, ada, ben, snapshot=net.snapshot(EVERY_USE), id="later")


# ---- who joins ----


def test_one_joins_by_invitation_and_once(net: Network) -> None:
    ada, ben, cyn, *_ = net.people
    with refuses("there is no job"):
        enrol(net, ada)
    open_job(net, ada, ben)
    with refuses("not invited"):
        enrol(net, cyn)
    enrol(net, ada)
    other = enrolment(ada)
    other.data_commitment = bytes(32)
    with refuses("has joined already"):
        net.add(ada, "enrol", other)
    enrol(net, ben)
    joined = {person for (_, person), _ in net.state.partners.scan("train")}
    assert joined == {ada.id, ben.id}


def test_an_enrolment_names_data_and_key(net: Network) -> None:
    ada, ben, *_ = net.people
    open_job(net, ada, ben)
    for field, value, message in (
        ("data_commitment", b"", "the data commitment"),
        ("transport_key", b"", "names the key"),
        ("transport_key", bytes(1025), "names the key"),
        ("sealing_key", bytes(31), "the key that seeds are sealed to"),
    ):
        body = enrolment(ada)
        setattr(body, field, value)
        with refuses(message):
            net.add(ada, "enrol", body)
    enrol(net, ada)
    borrowed = enrolment(ben)
    borrowed.transport_key = enrolment(ada).transport_key
    with refuses("another partner's machine"):
        net.add(ben, "enrol", borrowed)
    borrowed = enrolment(ben)
    borrowed.sealing_key = enrolment(ada).sealing_key
    with refuses("another partner's seeds are sealed to this key"):
        net.add(ben, "enrol", borrowed)
    enrol(net, ben)


def test_nobody_joins_after_the_start(joined: Network) -> None:
    ada, ben, _, dov, _ = joined.people
    enrol(joined, dov)
    train(joined, ada, ben)
    open_job(joined, ada, ben, dov, id="another")
    enrol(joined, ada, job_id="another")
    with refuses("1 partners have joined; a round needs 2"):
        start(joined, job_id="another")
    enrol(joined, ben, job_id="another")
    start(joined, job_id="another")
    with refuses("has begun, and it cannot begin now"):
        start(joined, job_id="another")
    with refuses("has begun, and nobody can join it now"):
        enrol(joined, dov, job_id="another")


# ---- updates ----


def test_a_partner_signs_one_update_in_each_round(joined: Network) -> None:
    ada, ben, cyn, dov, eve = joined.people
    first = update_of(joined, ada)
    with refuses("has not begun, and no round of it can run now"):
        joined.add(ada, "update", first)
    start(joined)
    with refuses("has not joined"):
        joined.add(eve, "update", first)
    with refuses("has not joined"):
        joined.add(dov, "update", first)  # invited, and has not come
    joined.add(ada, "update", first)
    with refuses("has an update in this round already"):
        update(joined, ada)
    late = update_of(joined, cyn)
    update(joined, ben)
    add_round(joined, round_of(joined, ada, ben))
    with refuses("round 1 of the job is over"):
        joined.add(cyn, "update", late)
    update(joined, cyn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"round": 2}, "has not begun"),
        ({"round": 0}, "is over"),
        ({"base_model": bytes([1] * 32)}, "starts from another model"),
        ({"update": b""}, "the update's hash"),
        ({"seeds": b""}, "the seeds' hash"),
        ({"data_commitment": bytes(32)}, "from other data than the partner joined with"),
        ({"delta_ppb": 20_000}, "at another delta"),
        ({"epsilon_micro": 0}, "costs privacy"),
        ({"job_id": "no-such"}, "there is no job"),
    ],
)
def test_an_update_is_of_its_round_its_model_and_its_data(
    joined: Network, change: dict[str, object], message: str
) -> None:
    start(joined)
    ada, good = joined.people[0], update_of(joined, joined.people[0])
    spoiled = pb.Update()
    spoiled.CopyFrom(good)
    for name, value in change.items():
        setattr(spoiled, name, value)
    with refuses(message):
        joined.add(ada, "update", spoiled)
    joined.add(ada, "update", good)


def test_a_partners_epsilon_never_shrinks(joined: Network) -> None:
    ada, ben, *_ = joined.people
    start(joined)
    spent = update_of(joined, ada)
    spent.epsilon_micro = 2 * PPM
    joined.add(ada, "update", spent)
    update(joined, ben)
    add_round(joined, round_of(joined, ada, ben))
    reset = update_of(joined, ada)
    reset.epsilon_micro = 2 * PPM - 1
    with refuses("what was spent stays spent"):
        joined.add(ada, "update", reset)
    reset.epsilon_micro = 2 * PPM
    joined.add(ada, "update", reset)


def test_a_partners_epsilon_never_shrinks_over_jobs(joined: Network) -> None:
    """At another delta it may say less, where that delta is larger; and other data has its own."""
    ada, ben, *_ = joined.people
    start(joined)
    spent = update_of(joined, ada)
    spent.epsilon_micro = 2 * PPM
    joined.add(ada, "update", spent)
    open_job(joined, ada, ben, id="same", delta_ppb=10_000)
    open_job(joined, ada, ben, id="stricter", delta_ppb=9_999)
    open_job(joined, ada, ben, id="looser", delta_ppb=10_001)
    open_job(joined, ada, ben, id="other")
    for job_id in ("same", "stricter", "looser"):
        enrol(joined, ada, ben, job_id=job_id)
        update(joined, ben, job_id=job_id)  # others' data has spent nothing of this
    for job_id in ("same", "stricter"):
        reset = update_of(joined, ada, job_id)
        reset.epsilon_micro = 2 * PPM - 1
        with refuses("of this data: what was spent stays spent"):
            joined.add(ada, "update", reset)
        reset.epsilon_micro = 2 * PPM
        joined.add(ada, "update", reset)
    looser = update_of(joined, ada, "looser")
    looser.epsilon_micro = 1
    joined.add(ada, "update", looser)
    elsewhere = enrolment(ada, "other")
    elsewhere.data_commitment = bytes(32)
    joined.add(ada, "enrol", elsewhere)
    enrol(joined, ben, job_id="other")
    start(joined, "other")
    fresh = update_of(joined, ada, "other")
    assert fresh.epsilon_micro < 2 * PPM
    joined.add(ada, "update", fresh)


def test_another_persons_statement_binds_nobody(joined: Network) -> None:
    """Who enrols with the commitment of another cannot stop that one."""
    ada, ben, *_ = joined.people
    open_job(joined, ada, ben, id="copied", quorum=1)
    copied = enrolment(ben, "copied")
    copied.data_commitment = joined.state.partners["train", ada.id].data_commitment
    joined.add(ben, "enrol", copied)
    start(joined, "copied")
    high = update_of(joined, ben, "copied")
    high.epsilon_micro = 90 * PPM
    joined.add(ben, "update", high)
    update(joined, ada)


def test_no_update_follows_the_last_round(joined: Network) -> None:
    ada, ben, *_ = joined.people
    train(joined, ada, ben)
    train(joined, ada, ben)
    with refuses("round 3 of the job has not begun"):
        update(joined, ada)
    with refuses("round 3 of the job has not begun"):
        add_round(joined, round_of(joined, ada, ben))
    finish(joined, model_of(joined))

"""Federated training in a simulated network: what operator and partners log, without any training."""

from __future__ import annotations

import hashlib

from protocol.committee import held
from protocol.lifecycle import JobStatus
from protocol.limits import PPM
from protocol.rules.opening import opened_by
from protocol.rules.training_rounds import stated_micro
from protocol.sealing import public_of
from protos.gen import records_pb2 as pb
from tests.simulated import NETWORK, Network, Person

ROUND_EPSILON_MICRO = PPM // 10


def job(**changes: object) -> pb.Job:
    """A job of two rounds, each of two updates or more."""
    values: dict[str, object] = {
        "id": "train",
        "title": "Digits",
        "campaign_id": "digits",
        "task": "softmax",
        "task_options": "{}",
        "task_code": bytes(32),
        "task_version": "commonhold 0.1.0",
        "initial_model": bytes(32),
        "columns": ["image", "label"],
        "quorum": 2,
        "noise_parties": 1,
        "upload_step": PPM,
        "upload_bits": 16,
        "upload_values": 10,
        "parameters": 10,
        "rounds": 2,
        "sampling_ppm": PPM // 10,
        "clip_micro": PPM,
        "noise_micro": PPM,
        "learning_rate_micro": PPM,
        "epsilon_micro": 3 * PPM,
        "delta_ppb": 10_000,
        "expected_examples": 1_000,
        "price_ppm": PPM,
        "round_seconds": 60,
        "endpoint": "localhost:9092",
        "tls_certificate": b"-----BEGIN CERTIFICATE-----",
        "model_licence": "CC-BY-4.0",
    }
    return pb.Job(network=NETWORK, **(values | changes))  # type: ignore[arg-type]


def open_job(net: Network, *partners: Person, **changes: object) -> None:
    invited = [person.id for person in partners]
    net.add(net.operator, "job", job(partners=invited, **changes))


def enrolment(person: Person, job_id: str = "train") -> pb.Enrol:
    return pb.Enrol(
        network=NETWORK,
        job_id=job_id,
        data_commitment=hashlib.sha256(person.name.encode()).digest(),
        transport_key=b"-----BEGIN PUBLIC KEY-----" + person.id,
        sealing_key=public_of(sealing_of(person)),
    )


def sealing_of(person: Person) -> bytes:
    """The private key that seeds are sealed to."""
    return hashlib.sha256(b"sealing" + person.id).digest()


def enrol(net: Network, *people: Person, job_id: str = "train") -> None:
    for person in people:
        net.add(person, "enrol", enrolment(person, job_id))


def start(net: Network, job_id: str = "train") -> None:
    net.add(net.operator, "training-start", pb.TrainingStart(network=NETWORK, job_id=job_id))


def update_of(net: Network, person: Person, job_id: str = "train") -> pb.Update:
    """The update that this partner signs in the round that runs."""
    job = net.state.jobs[job_id]
    commitment = net.state.partners[job_id, person.id].data_commitment
    stated = stated_micro(net.state, person.id, commitment, job.terms.delta_ppb)
    return pb.Update(
        network=NETWORK,
        job_id=job_id,
        round=job.present,
        base_model=job.model,
        update=net.fresh(),
        data_commitment=commitment,
        epsilon_micro=max(stated, job.present * ROUND_EPSILON_MICRO),
        delta_ppb=job.terms.delta_ppb,
        seeds=net.fresh(),
    )


def update(net: Network, *people: Person, job_id: str = "train") -> None:
    """Their updates; nobody joins any more from the first one on."""
    if net.state.jobs[job_id].status is JobStatus.OPEN:
        start(net, job_id)
    for person in people:
        net.add(person, "update", update_of(net, person, job_id))


def set_of(net: Network, *people: Person, job_id: str = "train") -> pb.TrainingSet:
    """The set of these people's updates."""
    return pb.TrainingSet(
        network=NETWORK,
        job_id=job_id,
        round=net.state.jobs[job_id].present,
        partners=sorted(person.id for person in people),
    )


def fix(net: Network, *people: Person, job_id: str = "train") -> None:
    net.add(net.operator, "training-set", set_of(net, *people, job_id=job_id))


def committee(net: Network, job_id: str = "train") -> list[Person]:
    """Who opens the sum of the round that runs."""
    by_id = {person.id: person for person in net.people}
    return [by_id[member] for member in net.state.jobs[job_id].committee]


def opening_of(
    net: Network, member: Person, job_id: str = "train", said: str = "the same"
) -> pb.SumOpening:
    """What a member says of all the masks that it holds, each alone."""
    job = net.state.jobs[job_id]
    mine = held(len(job.committee), job.committee.index(member.id))
    return pb.SumOpening(
        network=NETWORK,
        job_id=job_id,
        round=job.present,
        set=job.round_set.digest if job.round_set else b"",
        sums=[
            pb.OpenedSum(masks=1 << mask, sum=hashlib.sha256(f"{said} {mask}".encode()).digest())
            for mask in mine
        ],
    )


def open_sums(net: Network, *members: Person, job_id: str = "train") -> None:
    for member in members:
        net.add(member, "opening", opening_of(net, member, job_id))


def failed_of(net: Network, *missing: Person, job_id: str = "train") -> pb.FailedRound:
    """The end of a round that came to nothing."""
    job = net.state.jobs[job_id]
    return pb.FailedRound(
        network=NETWORK,
        job_id=job_id,
        round=job.present,
        reason="too few are left",
        missing=sorted(person.id for person in missing),
        epsilon_micro=job.epsilon_micro + ROUND_EPSILON_MICRO,
    )


def round_of(net: Network, *people: Person, job_id: str = "train") -> pb.TrainingRound:
    """The round that is made of these people's updates."""
    job = net.state.jobs[job_id]
    return pb.TrainingRound(
        network=NETWORK,
        job_id=job_id,
        round=job.present,
        base_model=job.model,
        model=net.fresh(),
        partners=sorted(person.id for person in people),
        epsilon_micro=job.epsilon_micro + ROUND_EPSILON_MICRO,
        checkpoint=net.fresh(),
    )


def train(net: Network, *people: Person, job_id: str = "train") -> None:
    """One whole round."""
    update(net, *people, job_id=job_id)
    add_round(net, round_of(net, *people, job_id=job_id))


def add_round(net: Network, body: pb.TrainingRound) -> None:
    """The round, and the steps before it that are missing: its set, and its committee's openings."""
    job = net.state.jobs[body.job_id]
    if job.round_set is None:
        steps = pb.TrainingSet(
            network=NETWORK, job_id=body.job_id, round=job.present, partners=body.partners
        )
        net.add(net.operator, "training-set", steps)
    opened = opened_by(net.state, body.job_id)
    members = [each for each in committee(net, body.job_id) if each.id not in opened]
    open_sums(net, *members, job_id=body.job_id)
    net.add(net.operator, "training-round", body)


def model_of(net: Network, job_id: str = "train") -> pb.Model:
    """What a job ends with whose rounds have all run."""
    job = net.state.jobs[job_id]
    return pb.Model(
        network=NETWORK,
        job_id=job_id,
        outcome=pb.JOB_OUTCOME_COMPLETED,
        weights=job.model,
        artifact=net.fresh(),
        card=net.fresh(),
        held_back=100,
        fp32_bytes=40_000,
        int8_bytes=12_000,
        epsilon_micro=job.epsilon_micro,
    )


def end_of(job_id: str = "train", epsilon_micro: int = 0) -> pb.Model:
    """What a job ends with that cannot go on."""
    return pb.Model(
        network=NETWORK,
        job_id=job_id,
        outcome=pb.JOB_OUTCOME_ENDED,
        reason="too few partners",
        epsilon_micro=epsilon_micro,
    )


def finish(net: Network, body: pb.Model) -> None:
    net.add(net.operator, "model", body)

"""Federated training in a simulated network: what operator and partners log, without any training."""

from __future__ import annotations

import hashlib

from protocol.limits import PPM
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
    )


def enrol(net: Network, *people: Person, job_id: str = "train") -> None:
    for person in people:
        net.add(person, "enrol", enrolment(person, job_id))


def update_of(net: Network, person: Person, job_id: str = "train") -> pb.Update:
    """The update that this partner signs in the round that runs."""
    job = net.state.jobs[job_id]
    return pb.Update(
        network=NETWORK,
        job_id=job_id,
        round=len(job.rounds) + 1,
        base_model=job.model,
        update=net.fresh(),
        data_commitment=net.state.partners[job_id, person.id].data_commitment,
        epsilon_micro=(len(job.rounds) + 1) * ROUND_EPSILON_MICRO,
        delta_ppb=job.terms.delta_ppb,
    )


def update(net: Network, *people: Person, job_id: str = "train") -> None:
    for person in people:
        net.add(person, "update", update_of(net, person, job_id))


def round_of(net: Network, *people: Person, job_id: str = "train") -> pb.TrainingRound:
    """The round that is made of these people's updates."""
    job = net.state.jobs[job_id]
    return pb.TrainingRound(
        network=NETWORK,
        job_id=job_id,
        round=len(job.rounds) + 1,
        base_model=job.model,
        model=net.fresh(),
        partners=sorted(person.id for person in people),
        epsilon_micro=job.epsilon_micro + ROUND_EPSILON_MICRO,
    )


def train(net: Network, *people: Person, job_id: str = "train") -> None:
    """One whole round."""
    update(net, *people, job_id=job_id)
    add_round(net, round_of(net, *people, job_id=job_id))


def add_round(net: Network, body: pb.TrainingRound) -> None:
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

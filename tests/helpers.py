"""People and records for tests against a running coordinator; keys and signatures are real."""

from __future__ import annotations

import random
from collections.abc import Sequence

from google.protobuf.message import Message

from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protocol.money import payout
from protocol.review.fingerprints import fingerprint_exact
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.simulated import Person, batch, campaign

__all__ = [
    "Person",
    "append_request",
    "batch",
    "campaign_record",
    "make_item",
    "registration",
    "submission_request",
]


def registration(person: Person, network: bytes) -> pb.Register:
    """Binds the person's wallet to the person's identity."""
    digest = payout.binding_digest(network, person.identity)
    return pb.Register(
        network=network,
        payout_address=person.address,
        payout_signature=person.sign_digest(digest),
    )


def campaign_record(network: bytes, **changes: object) -> pb.Campaign:
    """The campaign "digits", with labels 0 to 9."""
    made = campaign(**changes)
    made.network = network
    return made


def make_item(rng: random.Random, label: int, **changes: object) -> tuple[bytes, api_pb2.Opening]:
    """An item's leaf, and the opening of its label."""
    content, salt = rng.randbytes(64), rng.randbytes(32)
    item = pb.Item(
        content_commitment=commitments.content_commitment(rng.randbytes(32), content),
        size=len(content),
        media_type="image/png",
        label_commitment=commitments.label_commitment(salt, label),
        fingerprint=fingerprint_exact(content),
        licence="CC-BY-4.0",
        consent=pb.Consent(train=True, redistribute=True),
        origin=pb.ORIGIN_HUMAN,
    )
    for name, value in changes.items():
        setattr(item, name, value)
    leaf = item.SerializeToString()
    return leaf, api_pb2.Opening(item_id=hash_leaf(leaf), salt=salt, label=label)


def append_request(
    person: Person,
    kind: str,
    body: Message,
    leaves: Sequence[bytes] = (),
    openings: Sequence[api_pb2.Opening] = (),
) -> api_pb2.AppendRequest:
    """What a client sends to have a record logged."""
    return api_pb2.AppendRequest(envelope=person.seal(kind, body), leaves=leaves, openings=openings)


def submission_request(
    person: Person,
    network: bytes,
    labels: Sequence[int],
    rng: random.Random,
    **changes: object,
) -> api_pb2.AppendRequest:
    """A submission of one fresh item for each label, to the campaign "digits"."""
    items = [make_item(rng, label, **changes) for label in labels]
    leaves = [leaf for leaf, _ in items]
    body = pb.Submission(network=network, campaign_id="digits", items=batch(leaves))
    return append_request(person, "submission", body, leaves, [opening for _, opening in items])

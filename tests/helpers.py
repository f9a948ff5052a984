"""People and records for tests against a running coordinator; keys and signatures are real."""

from __future__ import annotations

import random
from collections.abc import Sequence

from google.protobuf.message import Message

from protocol.log import commitments
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf
from protocol.money import payout
from protocol.review.fingerprints import fingerprint_text
from protocol.rules.people import delegation_message
from protos.gen import api_pb2
from protos.gen import records_pb2 as pb
from tests.simulated import Person, batch, campaign

__all__ = [
    "Person",
    "answer_of",
    "append_request",
    "batch",
    "campaign_record",
    "delegation",
    "make_item",
    "registration",
    "submission_request",
]


def answer_of(label: int) -> bytes:
    """The answer of a classify task that names the label with this index."""
    return label.to_bytes(2, "big")


def delegation(person: Person, network: bytes) -> pb.Delegation:
    """The person's root key lets the person's key sign in a network."""
    message = delegation_message(network, person.key)
    return pb.Delegation(
        root_key=bytes(person.root.verify_key), signature=person.root.sign(message).signature
    )


def registration(person: Person, network: bytes, serial: int = 1) -> pb.Register:
    """Joins, and binds the person's wallet."""
    return pb.Register(
        network=network,
        delegation=delegation(person, network),
        payout_address=person.address,
        payout_signature=person.sign_digest(payout.binding_digest(network, person.id)),
        serial=serial,
    )


def campaign_record(network: bytes, **changes: object) -> pb.Campaign:
    """The campaign "digits", with labels 0 to 9 and windows of a second."""
    made = campaign(**changes)
    made.network = network
    return made


def make_item(rng: random.Random, label: int, **changes: object) -> tuple[bytes, api_pb2.Opening]:
    """An item's leaf, and the opening of its proposal. `changes` are of the item, or of its one part."""
    content, salt = rng.randbytes(32).hex().encode(), rng.randbytes(32)
    part = pb.Part(
        name="image",
        commitment=commitments.content_commitment(rng.randbytes(32), content),
        size=len(content),
        media_type="text/plain",
        fingerprint=fingerprint_text(content),
    )
    item = pb.Item(
        proposal_commitment=commitments.proposal_commitment(salt, answer_of(label)),
        licence="CC-BY-4.0",
        consent=pb.Consent(train=True, redistribute=True),
        origin=pb.ORIGIN_HUMAN,
    )
    for name, value in changes.items():
        setattr(item if name in pb.Item.DESCRIPTOR.fields_by_name else part, name, value)
    item.parts.append(part)
    leaf = encode_leaf(item)
    return leaf, api_pb2.Opening(item_id=hash_leaf(leaf), salt=salt, answer=answer_of(label))


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
    campaign_id: str = "digits",
    **changes: object,
) -> api_pb2.AppendRequest:
    """A submission of one fresh item for each label."""
    items = [make_item(rng, label, **changes) for label in labels]
    leaves = [leaf for leaf, _ in items]
    body = pb.Submission(network=network, campaign_id=campaign_id, items=batch(leaves))
    return append_request(person, "submission", body, leaves, [opening for _, opening in items])

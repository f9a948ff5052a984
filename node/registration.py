"""Joins the network: the record that binds a payout address to an identity, signed by both."""

from __future__ import annotations

from node.keys import NodeKeys
from node.rows import Outgoing
from protocol.money.payout import binding_digest
from protos.gen import records_pb2 as pb


def registration(keys: NodeKeys, network: bytes) -> Outgoing:
    """The Register record. Both signatures are deterministic, so that queueing it twice is once."""
    record = pb.Register(
        network=network,
        payout_address=keys.payout_address,
        payout_signature=keys.sign_payout(binding_digest(network, keys.identity)),
    )
    return Outgoing("register", keys.seal("register", record))

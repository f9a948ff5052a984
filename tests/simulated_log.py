"""Feeds a simulated network's log to a real Follower, and to a coordinator's tally."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from coordinator.tally import Tally
from node.follower import Follower
from node.keys import NodeKeys
from protocol.log.assurance import extension_of
from protocol.log.batch import encode_bundle
from protocol.log.envelope import parse_envelope
from protocol.log.link import NetworkLink
from protocol.log.merkle import MerkleTree, hash_leaf
from protocol.log.note import Checkpoint, Note, Verifier, open_checkpoint
from protocol.rows import ItemId
from protocol.state import State
from protocol.transition import open_record, rules_for, validate
from protos.gen import api_pb2 as api
from tests.simulated import LOG_KEY, Entry, Network, Person

LINK = NetworkLink(
    "localhost",
    1,
    "simulated",
    bytes(32),
    Verifier("simulated", bytes(LOG_KEY.verify_key)),
    "http://localhost",
)


def keys_of(person: Person) -> NodeKeys:
    """The keys of a simulated person, as a node holds them."""
    return NodeKeys.made_of(bytes(person.signing_key), person.wallet.to_bytes(), bytes(person.root))


def tally_of(log: Sequence[Entry], gone: Collection[ItemId] = ()) -> tuple[State, Tally]:
    """The state, and what the coordinator counts; the leaves of the items `gone` are erased."""
    state, tally = State(), Tally()
    for index, entry in enumerate(log):
        envelope = parse_envelope(entry.raw)
        record = open_record(envelope, entry.erased(gone), index, rules_for(state))
        tally.process(state, envelope.kind, validate(state, envelope.kind, record))
    return state, tally


def feed(follower: Follower, net: Network) -> None:
    """Brings a replay up to the network's log."""
    if follower.tree.size < len(net.log):
        follower.take(page_of(net, follower.tree.size))


def page_of(net: Network, start: int) -> api.FollowResponse:
    """All that the log has from `start` on, and its checkpoint."""
    log = net.log
    entries = [
        api.LoggedEntry(index=i, envelope=log[i].raw, bundle=encode_bundle(log[i].leaves))
        for i in range(start, len(log))
    ]
    return api.FollowResponse(entries=entries, checkpoint=_note(tree_of(net)))


def assurance_of(net: Network, held: bytes) -> api.FollowResponse:
    """What a stream begins with, for whoever holds this head, or none."""
    tree = tree_of(net)
    if not held:
        return api.FollowResponse(checkpoint=_note(tree))
    head = open_checkpoint(held, LINK.log_verifier)
    proof = tree.consistency_proof(head.size)
    return api.FollowResponse(checkpoint=_note(tree, extension_of(head, proof)), proof=proof)


def tree_of(net: Network) -> MerkleTree:
    return MerkleTree(hash_leaf(entry.raw) for entry in net.log)


def _note(tree: MerkleTree, *extensions: str) -> bytes:
    verifier = LINK.log_verifier
    text = Checkpoint(verifier.name, tree.size, tree.root(), extensions).text
    return Note(text, ()).with_signature(verifier, lambda it: LOG_KEY.sign(it).signature).encode()

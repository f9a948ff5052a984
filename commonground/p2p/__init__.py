"""The node's peer-to-peer layer. trio and libp2p are imported in this package and nowhere else.

    limits      every limit, with its reason
    bridge      a trio program in a thread, awaited from asyncio
    penalties   who misbehaved, who goes too fast, who holds too many slots
    muxer       Yamux whose windows hold
    guards      libp2p with what it lacks: authentication, containment, admission
    dialling    whom we dial, how often, and in which networks
    wire        the blob and head messages, byte for byte
    transfer    /commonhold/blob/1: content, checked while it streams
    gossip      the checkpoint topic and /commonhold/head/1
    host        PeerHost, the one class that the rest of the node uses

The types in `api`, the limits and `host.PeerHost` are what the rest of a node may import. Whoever imports
the host waits for libp2p; the package itself does not, so that a command that connects to nobody need not.
"""

from __future__ import annotations

from commonground.p2p.api import (
    Authorise,
    BlobSource,
    Checkpoint,
    Denial,
    DialRule,
    Fetched,
    Grant,
    OpenBlob,
    PeerPolicy,
    ValidateCheckpoint,
)

__all__ = [
    "Authorise",
    "BlobSource",
    "Checkpoint",
    "Denial",
    "DialRule",
    "Fetched",
    "Grant",
    "OpenBlob",
    "PeerPolicy",
    "ValidateCheckpoint",
]

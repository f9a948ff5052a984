"""A further machine of a person: what it asks for, and what the machine with the root key answers.

    request   chr1…   of the new machine: the network, and its key
    grant     chg1…   by the root key: its public half, and its signature that this key signs for the person

Both are public, so that any way of carrying them will do. A stranger's request that is granted lets a
stranger sign; a grant is of use to nobody but the machine that asked.
"""

from __future__ import annotations

from typing import Final

import base58

from node.keys import NodeKeys
from node.rows import Outgoing
from protocol.errors import ConfigError, Reject
from protocol.identity import KeyId
from protocol.limits import HASH_BYTES, KEY_BYTES, SIGNATURE_BYTES
from protocol.rules.people import check_delegation
from protos.gen import records_pb2 as pb

_REQUEST: Final = "chr1"
_GRANT: Final = "chg1"


def make_request(network: bytes, key: KeyId) -> str:
    """What the new machine asks."""
    return _REQUEST + base58.b58encode_check(network + key).decode()


def read_request(text: str, network: bytes) -> KeyId:
    """The key that asks; raises ConfigError when it is no request, or of another network."""
    raw = _read(text, _REQUEST, HASH_BYTES + KEY_BYTES, "a request of a new machine")
    if raw[:HASH_BYTES] != network:
        raise ConfigError(
            "the new machine asks to join another network than this node's",
            "begin there with the link of this network: it is `network` in node.toml",
        )
    return KeyId(raw[HASH_BYTES:])


def make_grant(keys: NodeKeys, network: bytes, key: KeyId) -> str:
    """What the machine with the root key answers. Raises ConfigError when it has none."""
    delegation = keys.delegation(network, key)
    return _GRANT + base58.b58encode_check(delegation.root_key + delegation.signature).decode()


def read_grant(text: str, network: bytes, key: KeyId) -> pb.Delegation:
    """The delegation to this machine's key; raises ConfigError when it is none."""
    raw = _read(text, _GRANT, KEY_BYTES + SIGNATURE_BYTES, "a grant")
    delegation = pb.Delegation(root_key=raw[:KEY_BYTES], signature=raw[KEY_BYTES:])
    try:
        check_delegation(network, delegation, key)
    except Reject as error:
        raise ConfigError(
            f"the grant is for another machine, or another network: {error}",
            "`commonhold node join` prints this machine's request; have that granted",
        ) from None
    return delegation


def joined(keys: NodeKeys, network: bytes) -> Outgoing:
    """The record that says in the log that this machine signs for the person."""
    record = pb.Delegate(network=network, delegation=keys.delegation(network))
    return Outgoing("delegate", keys.seal("delegate", record))


def _read(text: str, prefix: str, size: int, what: str) -> bytes:
    try:
        raw = base58.b58decode_check(text.strip().removeprefix(prefix))
    except ValueError:
        raw = b""
    if not text.strip().startswith(prefix) or len(raw) != size:
        raise ConfigError(
            f"this is not {what} ({prefix}…), or a letter of it is wrong", "copy it whole"
        )
    return raw

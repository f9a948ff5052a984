"""The signature on a model card: who checks one needs neither torch nor the accountants behind its figures.

Signed, a card is {"card": {...}, "key": peer id, "signature": hex} in the canonical form of the card itself.
The signature covers "commonhold/v1/model-card\\0" || card, as it would a record of the log.
"""

from __future__ import annotations

import json
from typing import Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.depth import load_json
from protocol.errors import Reject
from protocol.identity import KeyId, key_of, peer_id_of
from protocol.log.envelope import Signer, signing_input

FORMAT: Final = "commonhold-model-card-2"
# Two of the largest lists of partners and rounds still fit.
CARD_BYTES_MAX: Final = 1 << 20
# They bound how deep a card can be nested; the interpreter's own limit may have been raised, by a
# library, beyond what its parser survives.
CARD_BRACKETS_MAX: Final = 2_048

_KIND: Final = "model-card"


def sign(card: bytes, key: bytes, signer: Signer) -> bytes:
    """The signed card, as it is shipped."""
    return _signed(key, card, signer(signing_input(_KIND, card)))


def _signed(key: bytes, card: bytes, signature: bytes) -> bytes:
    document = {
        "key": peer_id_of(key),
        "card": load_json(card),
        "signature": signature.hex(),
    }
    return canonical(document)


def verify(
    signed: bytes,
    *,
    format_: str = FORMAT,
    bytes_max: int = CARD_BYTES_MAX,
    brackets_max: int = CARD_BRACKETS_MAX,
) -> tuple[KeyId, bytes]:
    """Which key signed a card, and the card. Raises Reject unless every byte is as its author wrote it."""
    try:
        if len(signed) > bytes_max:
            raise ValueError("too large")
        if signed.count(b"[") + signed.count(b"{") > brackets_max:
            raise ValueError("too deep")
        document = load_json(signed)
        key, card = key_of(str(document["key"])), canonical(document["card"])
        signature = bytes.fromhex(document["signature"])
        if document["card"]["format"] != format_ or _signed(key, card, signature) != signed:
            raise ValueError("not canonical")
        VerifyKey(key).verify(signing_input(_KIND, card), signature)
    except (ValueError, KeyError, TypeError, BadSignatureError) as error:
        raise Reject(
            "this is not a model card as its author signed it", "get it from the coordinator again"
        ) from error
    return key, card


def canonical(document: object) -> bytes:
    """Sorted keys, no spaces: the only bytes that a document has."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()

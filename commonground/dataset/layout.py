"""The dataset's folder: which file is what, and the signed manifest over all of them.

data/train-….parquet      the rows; with a split also data/validation-…, data/test-…
croissant.json, README.md what they are, for programs and for people
provenance.json           the fields of the Data Provenance Standards
policy.jsonld             what may be done with it (ODRL)
log.jsonl, items.jsonl    what proves them against the log (evidence.py)
ranking.json              who wrote the better answers, where a campaign compares sources
manifest.json             which snapshot this is, and the SHA-256 of every other file
manifest.sig              the operator's signature over the manifest: an envelope of kind "dataset"
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from protocol.depth import load_json
from protocol.errors import Misbehaviour, Reject
from protocol.identity import KeyId
from protocol.log.envelope import Envelope, Signer, parse_envelope, seal, verify_signature
from protocol.rows import Consent

FORMAT: Final = "commonhold-dataset/3"
KIND: Final = "dataset"
DATA: Final = "data"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
CROISSANT: Final = "croissant.json"
CARD: Final = "README.md"
PROVENANCE: Final = "provenance.json"
POLICY: Final = "policy.jsonld"
LOG: Final = "log.jsonl"
ITEMS: Final = "items.jsonl"
RANKING: Final = "ranking.json"
REQUIRED: Final = (LOG, ITEMS, CROISSANT, CARD, PROVENANCE, POLICY)
"""What every dataset has beside its rows."""
WITHDRAWN: Final = "WITHDRAWN.txt"
SCOPE: Final = ("train", "redistribute", "commercial")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of the dataset: SHA-256 (hexadecimal) and size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """manifest.json. Digests are hexadecimal; paths are relative, with / between their parts."""

    network: str
    network_name: str
    campaign: str
    task: str  # the kind of question
    parts: list[str]  # of an item
    columns: list[str]
    snapshot: str  # digest of the snapshot record
    scope: list[str]
    items: int  # in the dataset
    missing: list[str]  # ids of the snapshot's items that are not
    split: Mapping[str, Any] | None  # splits.SplitTerms; None where all rows are for training
    rows: Mapping[str, int]  # by split
    checkpoint: str  # a signed note: the log that the proofs lead to
    files: Mapping[str, FileEntry]
    format: str = FORMAT

    def encode(self) -> bytes:
        """The file's bytes."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def parse(cls, raw: bytes) -> Manifest:
        """The manifest behind `encode`; raises Misbehaviour when it is something else."""
        try:
            data: dict[str, Any] = load_json(raw)
            files = {path: FileEntry(**entry) for path, entry in data.pop("files").items()}
            manifest = cls(**data, files=files)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Misbehaviour(f"{MANIFEST} is malformed: {error}") from None
        if manifest.format != FORMAT:
            raise Misbehaviour(f"{MANIFEST} has format {manifest.format!r}, not {FORMAT}")
        return manifest


def scope_names(scope: Consent) -> list[str]:
    """What a scope allows, in the order of SCOPE."""
    return [name for name in SCOPE if getattr(scope, name)]


def sign_manifest(raw: bytes, key: KeyId, sign: Signer) -> bytes:
    """manifest.sig for the bytes of a manifest."""
    return encode(seal(KIND, hashlib.sha256(raw).digest(), key, sign)).encode() + b"\n"


def open_signature(raw: bytes, signature: bytes) -> KeyId:
    """The key that signed the manifest's bytes; raises Misbehaviour unless somebody did."""
    try:
        envelope: Envelope = parse_envelope(decode(signature.decode().strip()))
        verify_signature(envelope)
    except (Reject, ValueError) as error:
        raise Misbehaviour(f"{SIGNATURE} is no signature: {error}") from None
    if (envelope.kind, envelope.payload) != (KIND, hashlib.sha256(raw).digest()):
        raise Misbehaviour(f"{SIGNATURE} is for another manifest")
    return envelope.key


def encode(data: bytes) -> str:
    """Bytes as they stand in JSON: base64."""
    return b64encode(data).decode()


def decode(text: object) -> bytes:
    """The bytes behind `encode`; raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("not base64")
    return b64decode(text, validate=True)

"""Records on their way into the book: drafts that the operator is about to sign, and records whose signature
and batch hold. Nothing here reads or changes the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from coordinator.keys import Keys
from coordinator.sealed import Opening
from protocol.log.batch import encode_bundle
from protocol.log.envelope import Envelope, parse_envelope, seal, verify_signature
from protocol.log.merkle import hash_leaf
from protocol.log.strict import canonical
from protocol.rules.table import Rule, rules_of
from protocol.transition import AnyRecord, open_record

# With more leaves than this a record is validated in a thread, so that others are answered meanwhile.
INLINE_LEAVES_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Draft:
    """A record that the operator is about to sign, with what it opens to himself."""

    kind: str
    body: Message
    leaves: Sequence[bytes] = ()
    openings: Sequence[Opening] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record whose signature and batch hold, by one version of the rules. Its index is not known yet."""

    envelope: Envelope
    rules: int
    rule: Rule
    record: AnyRecord
    leaves: Sequence[bytes]
    leaf_hash: bytes
    bundle: bytes | None
    root: bytes | None

    @property
    def is_heavy(self) -> bool:
        return self.rule.heavy or len(self.leaves) > INLINE_LEAVES_MAX


def prepare(raw: bytes, leaves: Sequence[bytes], version: int) -> Prepared:
    """All that can be checked of a record without the state. Runs on any thread."""
    rules = rules_of(version)
    envelope = parse_envelope(raw)
    record = open_record(envelope, leaves, 0, rules)
    verify_signature(envelope)
    rule, bundle, root = rules[envelope.kind], None, None
    if rule.batch is not None:
        bundle, root = encode_bundle(leaves), getattr(record.body, rule.batch).root
    return Prepared(envelope, version, rule, record, leaves, hash_leaf(raw), bundle, root)


def sign(draft: Draft, keys: Keys, version: int) -> Prepared:
    """The operator's record, signed and checked like anybody else's."""
    raw = seal(draft.kind, canonical(draft.body), keys.record_key, keys.sign_record)
    return prepare(raw, draft.leaves, version)

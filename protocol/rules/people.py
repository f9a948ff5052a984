"""Persons and their keys: who registers, where they are paid, which keys sign for them.

A root key delegates; nothing else is asked of it, so that it may rest in a drawer. Taking a delegation back,
and a root key that is lost, have their place here and no record yet.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Any, Final

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from protocol.errors import Ignore, Reject
from protocol.identity import NOBODY, KeyId, PersonId, person_of_root
from protocol.limits import ADDRESS_BYTES, KEY_BYTES, KEYS_PER_PERSON_MAX
from protocol.money import payout
from protocol.money.settlement import Address
from protocol.rows import Member
from protocol.rules.admission import check_admission, use_invitation
from protocol.rules.record import Record, require, require_member
from protocol.state import State
from protos.gen import records_pb2 as pb

DELEGATION_DOMAIN: Final = b"commonhold/v1/delegation\0"


class Use(Enum):
    """What a key is for. It is for one thing."""

    ROOT = "somebody's root key"
    RECORDS = "a key that signs records"
    LOG = "a key that signs the log"


def delegation_message(network: bytes, key: bytes) -> bytes:
    """What a root key signs."""
    return DELEGATION_DOMAIN + network + key


def check_delegation(network: bytes, delegation: pb.Delegation, key: KeyId) -> None:
    """Raises Reject unless the root key signed that `key` may sign for it in this network."""
    require(len(delegation.root_key) == KEY_BYTES, "a root key has 32 bytes")
    require(delegation.root_key != key, "the root key itself signs no records; delegate another")
    try:
        VerifyKey(delegation.root_key).verify(
            delegation_message(network, key), delegation.signature
        )
    except (BadSignatureError, ValueError):
        raise Reject("the root key did not delegate the key that signed this record") from None


def add_key(state: State, person: PersonId, key: KeyId, index: int) -> None:
    """From now on the key signs for the person."""
    if key not in state.keys:
        state.keys.put(key, person)
        state.keys_of.put((person, key), index)


def keys_of(state: State, person: PersonId) -> list[tuple[KeyId, int]]:
    """The keys that sign for a person, the oldest first, each with the entry that says so."""
    found = [(key, index) for (_, key), index in state.keys_of.scan(person)]
    return sorted(found, key=lambda each: each[1])


def author_of(state: State, kind: str, record: Record[Any]) -> PersonId:
    """For whom the key signs: whom its root key says, in the records that bring a delegation along, and
    otherwise whom an earlier record says. Raises Reject for a key that nobody delegated."""
    if kind in ("genesis", "register", "delegate"):
        return root_person(record.body.delegation)
    author = state.keys.get(record.key)
    if author is None:
        raise Reject(
            "nobody has delegated the key that signed this record",
            "`commonhold node init` registers a person and a key",
        )
    return author


def require_use(state: State, key: bytes, use: Use) -> None:
    """Raises Reject if the key is in another use. A root key that signed records would be on a machine, where
    it can be stolen; a log's key that somebody signs records with would be in two hands."""
    person = person_of_root(key)
    present = None
    if person == state.operator or person in state.members:
        present = Use.ROOT
    elif key in state.log_keys:
        present = Use.LOG
    elif KeyId(key) in state.keys:
        present = Use.RECORDS
    require(
        present in (None, use), f"this is {present and present.value} already", "make another key"
    )


def validate_register(state: State, record: Record[pb.Register]) -> None:
    """A payout address is bound by two signatures; binding another later is allowed."""
    body = record.body
    check_delegation(state.network, body.delegation, record.key)
    require_use(state, body.delegation.root_key, Use.ROOT)
    _require_free(state, record.author, record.key)
    address = body.payout_address
    require(len(address) == ADDRESS_BYTES, "a payout address has 20 bytes")
    member = state.members.get(record.author)
    if member is None:
        check_admission(state, body, record.author)
    else:
        if member.payout == address:
            raise Ignore("this person has registered this address already")
        require(not body.HasField("invitation"), "this person has joined already")
        require(
            body.serial > member.serial,
            f"a registration with serial {member.serial} is in the log already",
        )
    require_room(state, record.author, record.key)
    if body.payout_signature:
        payout.verify_binding(state.network, record.author, address, body.payout_signature)
    else:
        require(
            (Address(address), record.author) in state.payees,
            "the payout address has not agreed: neither did it sign, nor did it say so on chain",
            "a contract says so by Board.acceptPayee; `commonhold coordinator settle` logs it",
        )


def process_register(state: State, record: Record[pb.Register]) -> None:
    """Joins, or changes the address; whatever was earned stays with the person."""
    body = record.body
    known = state.members.get(record.author)
    if known is None:
        inviter, bonded = check_admission(state, body, record.author)
        joined = Member(body.payout_address, record.index, body.serial, inviter, bonded)
        if inviter != NOBODY:
            use_invitation(state, body.invitation.key, inviter, record.author)
    else:
        joined = replace(known, payout=body.payout_address, serial=body.serial)
    state.members.put(record.author, joined)
    add_key(state, record.author, record.key, record.index)


def validate_delegate(state: State, record: Record[pb.Delegate]) -> None:
    """Another key of a member, signed by itself and delegated by the root."""
    require_member(state, record.author)
    check_delegation(state.network, record.body.delegation, record.key)
    if state.keys.get(record.key) == record.author:
        raise Ignore("this key signs for this person already")
    _require_free(state, record.author, record.key)
    require_room(state, record.author, record.key)


def process_delegate(state: State, record: Record[pb.Delegate]) -> None:
    """The key signs for the person."""
    add_key(state, record.author, record.key, record.index)


def require_room(state: State, person: PersonId, key: KeyId) -> None:
    """The key is one of the person's, or one more that they may have. Raises Reject."""
    require(
        key in state.keys or state.keys_of.count(person) < KEYS_PER_PERSON_MAX,
        f"a person has at most {KEYS_PER_PERSON_MAX} keys",
        "let one of them do it: a key cannot be taken back yet",
    )


def _require_free(state: State, person: PersonId, key: KeyId) -> None:
    require_use(state, key, Use.RECORDS)
    require(state.keys.get(key, person) == person, "this key signs for somebody else")


def root_person(delegation: pb.Delegation) -> PersonId:
    """Whom a delegation is about."""
    return person_of_root(delegation.root_key)

"""Successors: another key in the place of the operator's, or of the log's.

    write     the new key, to a file of its own beside the one that it follows
    log       the record that names it: the key that follows agrees, and the present one hands over
    go on     the server signs with it from the next entry on; it finds the file by itself
    take away the file of the key before, when the operator thinks fit

What was done already is seen from the files and the log, so that the same call goes on after any
interruption. While the file of the key before is here, a call finds the job done; with it gone, the next
call makes a further successor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from coordinator.keys import KeyFile, Role, create_key, key_files
from coordinator.operator import Operator
from protocol.identity import KeyId
from protocol.rules.network import successor_message
from protocol.state import State
from protos.gen import records_pb2 as pb

_ROLES: Final = {Role.OPERATOR: pb.KEY_ROLE_OPERATOR, Role.LOG: pb.KEY_ROLE_LOG}


@dataclass(frozen=True, slots=True)
class Succession:
    """The key that signs now. `index`: the entry that says so, or None if an earlier call logged it."""

    file: Path
    key: bytes  # its public half
    index: int | None
    before: tuple[Path, ...]  # files of keys that served before it and are still here


def succeed(operator: Operator, role: Role) -> Succession:
    """Makes a key follow the present one of a role, or finishes what an interrupted call began.

    Raises ConfigError (files), Unreachable (the server is down: the key is kept for the next call) and
    Reject.
    """
    state, home = operator.state, operator.home
    files = key_files(home, role)
    present = next(each for each in files if each.public == _present(state, role))
    following = _first_unknown(files, state, role)
    if following is None:
        if before := _former(files, present):
            return Succession(present.path, present.public, None, before)
        following = create_key(home, role, present.number + 1)
    record = _record(state, role, following.key, present.key)
    receipt = operator.append("successor", record)
    before = _former(key_files(home, role), following)
    return Succession(following.path, following.public, receipt.index, before)


def _present(state: State, role: Role) -> bytes:
    return state.log_key if role is Role.LOG else state.operator_key


def _first_unknown(files: list[KeyFile], state: State, role: Role) -> KeyFile | None:
    """A key that was written, and that no entry names yet."""
    for each in files:
        key = KeyId(each.public)
        if key not in (state.log_keys if role is Role.LOG else state.keys):
            return each
    return None


def _former(files: list[KeyFile], present: KeyFile) -> tuple[Path, ...]:
    return tuple(each.path for each in files if each.number < present.number)


def _record(state: State, role: Role, key: SigningKey, before: SigningKey) -> pb.Successor:
    """Always the same bytes for the same keys, so that logging it twice is once."""
    public = bytes(key.verify_key)
    message = successor_message(state.network, _ROLES[role], public)
    return pb.Successor(
        network=state.network,
        role=_ROLES[role],
        key=public,
        signature=key.sign(message).signature,
        handover=before.sign(message).signature if role is Role.LOG else b"",
    )

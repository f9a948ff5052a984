"""What the log knows of the chain: rows of the state, as the logs of the contracts say them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol.identity import PersonId
from protocol.lifecycle import RootStatus
from protocol.money.payload import Payload
from protocol.money.settlement import Address, Amounts, Deployment


@dataclass(frozen=True, slots=True)
class OnChain:
    """What the contracts said last, up to and with block `last`."""

    last: int = 0  # block; 0 before the first is read
    last_hash: bytes = b""
    time_s: int = 0  # of that block

    epoch: int = 0  # whose root is in force
    posted: int = 0  # the last that was posted: those between wait
    attempt: int = 0  # how often any was undone
    emission_micro: int = 0  # what an epoch may mint at most

    nonce: int = 0  # of the witnesses in force
    witnesses: tuple[Address, ...] = ()  # ascending
    proposals: int = 0  # changes of them that were ever proposed
    waiting: tuple[Address, ...] = ()  # the set that waits
    active_at_s: int = 0  # from when it may be put in force; 0: none waits

    bond_minimum: int = 0  # with less nobody may challenge


@dataclass(frozen=True, slots=True)
class Root:
    """A root that was posted and not undone."""

    payload: Payload
    attempt: int
    status: RootStatus = RootStatus.WAITING
    challenger: Address | None = None
    evidence: bytes = b""  # hash of what the challenger shows
    due_s: int = 0  # of an upheld one: from when it may be put in force


@dataclass(frozen=True, slots=True)
class Bond:
    """What vouches for a person, and for a witness if it names one (zeros: none)."""

    person: PersonId
    bonder: Address
    witness: Address
    active: int = 0
    leaving: int = 0  # waits until `leaves_at_s`, and may still be slashed
    leaves_at_s: int = 0
    held: int = 0  # of both, what open slashes ask for


@dataclass(frozen=True, slots=True)
class Vouched:
    """What all bonds say of one person. What an open slash asks for counts still: otherwise whoever accuses
    would have punished."""

    active: int = 0
    leaving: int = 0  # counts no more
    slashed: int = 0  # ever


@dataclass(frozen=True, slots=True)
class Slash:
    """What somebody wants to take of a bond."""

    bond: bytes  # id
    amount: int
    evidence: bytes
    is_appealed: bool = False


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money that came in, as long as it waits for the close: in parts, where some was shared out before."""

    asset: bytes
    amount: int
    licence_id: str = ""  # whose revenue it is; empty = the network's


@dataclass(frozen=True, slots=True)
class Range:
    """Blocks that were read, with what it takes to forget them: a reorganisation may reach back so far.

    changes: of each table, the rows that the blocks changed as they were before.
    """

    last: int
    last_hash: bytes
    index: int  # log index of the record
    before: OnChain
    changes: tuple[tuple[str, tuple[tuple[Any, Any], ...]], ...] = ()
    deposits: tuple[Deposit, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """Where a network is to settle; `left`: what came in where it does now, and is not promised in force."""

    to: Deployment
    left: Amounts


@dataclass(frozen=True, slots=True)
class Past:
    """Contracts that the network has left: what their root in force promises is claimed there, for ever."""

    deployment: Deployment
    view: OnChain  # as it was read last
    promised: Amounts  # by the root in force
    proposed: tuple[tuple[int, bytes], ...]  # payloads after it, by their hashes: epoch, hash
    claimed: Amounts  # of that, when the network moved
    left: Amounts  # came in, and was not promised in force: it stays in the vault
    moved_at: int  # log index of the attestation that completed the quorum


@dataclass(frozen=True, slots=True)
class Ask:
    """What the log asks of the witnesses now. `number`: the epoch, or the number of the proposed change;
    `accused`: the bond and the evidence of a slash; `move`: where to, and what stays behind."""

    digest: bytes  # what each of them signs
    nonce: int
    deadline_s: int
    number: int
    attempt: int = 0
    witnesses: tuple[Address, ...] = field(default=())  # of a change: the set that is to follow
    accused: tuple[bytes, bytes] | None = None
    move: Move | None = None

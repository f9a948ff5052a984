"""What every rule is given, and the checks that many rules share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from protocol.errors import Ignore, Reject
from protocol.identity import Identity
from protocol.limits import ASSET_AMOUNT_MAX, HASH_BYTES, NAME_CHARS_MAX
from protocol.state import State
from protos.gen import records_pb2 as pb

Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Record(Generic[Body]):
    """A parsed record whose signature and batch hold; `index` is the place it has, or would get.

    Leaves are whole when a record is new. In a later replay those of a submission may be erased, since
    their author withdrew them.
    """

    index: int
    digest: bytes  # of author, kind and payload: what makes it this record and no other
    author: Identity
    body: Body
    leaves: tuple[bytes, ...] = ()  # empty bytes where one was erased
    erased: Mapping[int, bytes] = field(default_factory=dict)  # position -> leaf hash


def require(condition: bool, message: str) -> None:
    """Raises Reject with the message unless the condition holds."""
    if not condition:
        raise Reject(message)


def require_member(state: State, author: Identity) -> None:
    """Contributors' records are for those who registered."""
    if author not in state.members:
        raise Reject("this identity has not registered with the network")


def require_round(state: State, epoch: int, round_: int) -> None:
    """Late records are harmless; early ones are not."""
    here = (state.epoch.number, state.epoch.round.number)
    if (epoch, round_) < here:
        raise Ignore(f"round {epoch}.{round_} is over; the network is in {here[0]}.{here[1]}")
    require(
        (epoch, round_) == here,
        f"round {epoch}.{round_} has not begun; this is {here[0]}.{here[1]}",
    )


def require_hash(value: bytes, what: str) -> None:
    """32 bytes, or Reject."""
    require(len(value) == HASH_BYTES, f"{what} has {len(value)} bytes, not {HASH_BYTES}")


def parse_amount(text: str, what: str) -> int:
    """A canonical decimal amount in an asset's smallest unit."""
    canonical = text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
    require(canonical and len(text) <= len(str(ASSET_AMOUNT_MAX)), f"{what} is not an amount")
    return int(text)


def is_name(text: str, chars_max: int = NAME_CHARS_MAX) -> bool:
    """Whether a text may name a campaign, a licence or a job: a-z, 0-9 and -."""
    return 0 < len(text) <= chars_max and all(
        c.isascii() and (c.islower() or c.isdigit() or c == "-") for c in text
    )


def commitment_of(batch: pb.Batch) -> tuple[bytes, int]:
    """Root and count of a batch that is not shown yet."""
    require_hash(batch.root, "the batch's root")
    return batch.root, batch.count

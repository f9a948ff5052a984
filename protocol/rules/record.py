"""What every rule is given, and the checks that many rules share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from protocol.errors import Ignore, Reject
from protocol.identity import NOBODY, KeyId, PersonId
from protocol.lifecycle import CampaignStatus
from protocol.limits import HASH_BYTES
from protocol.rows import Campaign, Round
from protocol.state import State
from protocol.text import id_skeleton
from protos.gen import records_pb2 as pb

Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Record(Generic[Body]):
    """A parsed record whose signature and batch hold; `index` is the place it has, or would get.

    `leaves` are messages, each of a type that the record's kind allows, and `hashes` their leaf hashes.
    Leaves are whole when a record is new. In a later replay those of a submission may be erased, since
    their author withdrew them.
    """

    index: int
    digest: bytes  # of key, kind and payload: what makes it this record and no other
    key: KeyId
    body: Body
    leaves: tuple[Any, ...] = ()  # None where one was erased
    hashes: tuple[bytes, ...] = ()
    erased: Mapping[int, bytes] = field(default_factory=dict)  # position -> leaf hash
    author: PersonId = NOBODY  # for whom the key signs; see protocol.rules.people.author_of


def require(condition: bool, message: str, advice: str = "") -> None:
    """Raises Reject with the message unless the condition holds."""
    if not condition:
        raise Reject(message, advice)


def require_member(state: State, author: PersonId) -> None:
    """Contributors' records are for those who registered."""
    require(
        author in state.members,
        "this person has not registered with the network",
        "`commonhold node init` registers",
    )


def campaign_of(state: State, campaign_id: str) -> Campaign:
    """The campaign; raises Reject that lists some if there is none of that id."""
    campaign = state.campaigns.get(campaign_id)
    if campaign is None:
        raise Reject(
            f"there is no campaign {campaign_id!r}",
            "`commonhold node campaigns`, or `coordinator campaign list`, lists them",
        )
    return campaign


def require_not_closed(campaign: Campaign) -> None:
    """What is closed stays as it is. Raises Reject."""
    require(
        campaign.status is not CampaignStatus.CLOSED,
        f"campaign {campaign.id!r} is closed: it takes nothing more",
        "`commonhold node campaigns` lists those that are open",
    )


def require_new_id(state: State, what: str, id_: str) -> None:
    """No two campaigns, jobs or licences have ids that are the same or look alike. Raises Reject."""
    known = state.ids.get((what, id_skeleton(id_)))
    if known is None:
        return
    require(
        known != id_,
        f"there is a {what} {id_!r} already",
        f"an id names one {what} for ever: choose another one",
    )
    raise Reject(
        f"{id_!r} looks like the {what} {known!r}", "choose an id that nobody takes for it"
    )


def add_id(state: State, what: str, id_: str) -> None:
    """From now on the id is taken."""
    state.ids.put((what, id_skeleton(id_)), id_)


def require_round(state: State, campaign_id: str, number: int) -> Round:
    """The campaign's present round, if it is that one. Late records are harmless; early ones are not."""
    campaign_of(state, campaign_id)
    here = state.round_of(campaign_id)
    if number < here.number:
        raise Ignore(f"round {number} of {campaign_id} is over; it is in round {here.number}")
    require(
        number == here.number,
        f"round {number} of {campaign_id} has not begun; it is in round {here.number}",
    )
    return here


def require_next(serial: int, said: int, whose: str) -> None:
    """The record follows the last of its kind. Anybody can read an old one in the log; played again it
    changes nothing."""
    if serial < said:
        raise Ignore(f"{whose} said something else since")
    require(serial == said, f"the record skips a word of {whose}: its serial is {said}")


def require_hash(value: bytes, what: str) -> None:
    """32 bytes, or Reject."""
    require(len(value) == HASH_BYTES, f"{what} has {len(value)} bytes, not {HASH_BYTES}")


def commitment_of(batch: pb.Batch) -> tuple[bytes, int]:
    """Root and count of a batch that is not shown yet."""
    require_hash(batch.root, "the batch's root")
    return batch.root, batch.count

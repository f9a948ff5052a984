"""What travels between the server and a partner: one record each way, bytes in our own encoding.

Flower's arrays would carry the same in several objects each, and every object is a request. Whatever
comes in is parsed here and nowhere else, and believed nowhere: the log says what it has to be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flwr.app import ConfigRecord, Message, MessageType, RecordDict

from protocol.committee import Masks
from protocol.errors import Reject

OPEN: Final = "open"
"""The action of a query that asks a member to open a round's sum."""
SHOW: Final = "show"
"""Of one that asks a member for the seeds of masks that another contradicts it about."""
ANSWER: Final = "answer"
"""Of one that asks a partner to answer a complaint."""

NO_VALUES: Final = hashlib.sha256().digest()
"""What the fixed values of a model that has none are named."""

_RECORD: Final = "commonhold"


@dataclass(frozen=True, slots=True)
class Task:
    """Train one round, from this model: `base + fixed` is what the log names."""

    job_id: str
    round: int
    base: bytes  # federated.model.encode_trained
    named: bytes = NO_VALUES  # federated.model.fixed_digest
    fixed: bytes = b""  # federated.model.encode_fixed; nothing for whoever has them


@dataclass(frozen=True, slots=True)
class Wanted:
    """Instead of a reply: this machine does not have the fixed values that a task named."""

    job_id: str
    round: int
    named: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The masked update of one round, and the seeds of its masks, sealed to the round's committee."""

    job_id: str
    round: int
    hidden: bytes  # federated.ring.Ring.pack
    sealed: bytes  # protocol.shares.Sealed.encode


@dataclass(frozen=True, slots=True)
class OpenTask:
    """Open the sum of a round's set: the duties of one member."""

    job_id: str
    round: int
    shares: bytes  # of the set's partners, in order: protocol.shares.Share.encode
    duties: tuple[Masks, ...]
    shown: tuple[bool, ...]  # of which of them the sum is wanted, beside its hash in the log


@dataclass(frozen=True, slots=True)
class ShowTask:
    """Show the seeds of masks whose sum another member contradicts."""

    job_id: str
    round: int
    shares: bytes  # as in OpenTask
    masks: Masks


@dataclass(frozen=True, slots=True)
class Shown:
    """For each partner of the set, in order, the seeds of the masks in ascending order."""

    job_id: str
    round: int
    seeds: bytes


@dataclass(frozen=True, slots=True)
class AnswerTask:
    """Answer the complaint of a member, in the log."""

    job_id: str
    round: int
    member: bytes  # person


@dataclass(frozen=True, slots=True)
class Opened:
    """The sums that were wanted, in their order; none while too few members have said what they open."""

    job_id: str
    round: int
    sums: tuple[bytes, ...]  # federated.ring.Ring.pack


def require_job(task: Task | OpenTask | ShowTask | AnswerTask, job_id: str) -> None:
    """Raises Reject for a task of another job than this machine is in."""
    if task.job_id != job_id:
        raise Reject(f"this machine trains for the job {job_id!r} and no other")


def task_message(task: Task, node_id: int, ttl_seconds: float) -> Message:
    """The task, to one node; the server forgets it after `ttl_seconds`."""
    content = _fields(task, base=task.base, named=task.named, fixed=task.fixed)
    return _message(content, node_id, MessageType.TRAIN, ttl_seconds)


def open_message(task: OpenTask, node_id: int, ttl_seconds: float) -> Message:
    """The duties of one member, likewise."""
    content = {
        "shares": task.shares,
        "duties": list(task.duties),
        "shown": list(task.shown),
    }
    kind = f"{MessageType.QUERY}.{OPEN}"
    return _message(_fields(task, **content), node_id, kind, ttl_seconds)


def show_message(task: ShowTask, node_id: int, ttl_seconds: float) -> Message:
    """What is contradicted, likewise."""
    content = _fields(task, shares=task.shares, masks=task.masks)
    return _message(content, node_id, f"{MessageType.QUERY}.{SHOW}", ttl_seconds)


def answer_message(task: AnswerTask, node_id: int, ttl_seconds: float) -> Message:
    """Who complains, likewise."""
    content = _fields(task, member=task.member)
    return _message(content, node_id, f"{MessageType.QUERY}.{ANSWER}", ttl_seconds)


def reply_message(reply: Reply, task: Message) -> Message:
    """The reply to a task's message."""
    return _answer(_fields(reply, hidden=reply.hidden, sealed=reply.sealed), task)


def wanted_message(task: Task, message: Message) -> Message:
    """Asks for the task again, with its fixed values."""
    return _answer(_fields(task, wanted=task.named), message)


def opened_message(opened: Opened, task: Message) -> Message:
    """A member's answer."""
    return _answer(_fields(opened, sums=list(opened.sums)), task)


def shown_message(shown: Shown, task: Message) -> Message:
    """A member's seeds."""
    return _answer(_fields(shown, seeds=shown.seeds), task)


def answered_message(task: AnswerTask, message: Message) -> Message:
    """The answer is in the log; this says so."""
    return _answer(_fields(task, member=task.member), message)


def read_task(message: Message) -> Task:
    """The task of a message. Raises Reject when it is none."""
    match _read(message, "base", "named", "fixed"):
        case str(job_id), int(round_), bytes(base), bytes(named), bytes(fixed):
            return Task(job_id, round_, base, named, fixed)
    raise _NOTHING


def read_reply(message: Message) -> Reply | Wanted:
    """The reply of a message. Raises Reject when it is none."""
    match _read(message, "hidden", "sealed", "wanted"):
        case str(job_id), int(round_), bytes(hidden), bytes(sealed), None:
            return Reply(job_id, round_, hidden, sealed)
        case str(job_id), int(round_), None, None, bytes(named):
            return Wanted(job_id, round_, named)
    raise _NOTHING


def read_open(message: Message) -> OpenTask:
    """The duties of a message. Raises Reject when it has none."""
    match _read(message, "shares", "duties", "shown"):
        case str(job_id), int(round_), bytes(shares), list(duties), list(shown) if (
            all(type(each) is int for each in duties)
            and all(type(each) is bool for each in shown)
            and len(duties) == len(shown)
        ):
            return OpenTask(job_id, round_, shares, tuple(duties), tuple(shown))
    raise _NOTHING


def read_opened(message: Message) -> Opened:
    """The sums of a message. Raises Reject when it is no member's answer."""
    match _read(message, "sums"):
        case str(job_id), int(round_), list(sums) if all(type(each) is bytes for each in sums):
            return Opened(job_id, round_, tuple(sums))
    raise _NOTHING


def read_show(message: Message) -> ShowTask:
    """What is contradicted. Raises Reject when the message does not say it."""
    match _read(message, "shares", "masks"):
        case str(job_id), int(round_), bytes(shares), int(masks):
            return ShowTask(job_id, round_, shares, masks)
    raise _NOTHING


def read_shown(message: Message) -> Shown:
    """The seeds of a message. Raises Reject when it has none."""
    match _read(message, "seeds"):
        case str(job_id), int(round_), bytes(seeds):
            return Shown(job_id, round_, seeds)
    raise _NOTHING


def read_answer(message: Message) -> AnswerTask:
    """Who complains. Raises Reject when the message does not say it."""
    match _read(message, "member"):
        case str(job_id), int(round_), bytes(member):
            return AnswerTask(job_id, round_, member)
    raise _NOTHING


_NOTHING: Final = Reject("a training message has no round, or not its content")


_Any = Task | Reply | OpenTask | Opened | ShowTask | Shown | AnswerTask


def _fields(what: _Any, **content: Any) -> Mapping[str, Any]:
    return {"job": what.job_id, "round": what.round, **content}


def _message(
    content: Mapping[str, Any], node_id: int, message_type: str, ttl_seconds: float
) -> Message:
    record = RecordDict({_RECORD: ConfigRecord(dict(content))})
    return Message(record, node_id, message_type, ttl=ttl_seconds)


def _answer(content: Mapping[str, Any], task: Message) -> Message:
    return Message(RecordDict({_RECORD: ConfigRecord(dict(content))}), reply_to=task)


def _read(message: Message, *names: str) -> tuple[Any, ...]:
    record = message.content.config_records.get(_RECORD)
    names = ("job", "round", *names)
    return tuple(record.get(name) if record else None for name in names)

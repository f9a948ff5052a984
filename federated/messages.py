"""What travels between the server and a partner: one record each way, bytes in our own encoding.

Flower's arrays would carry the same in several objects each, and every object is a request. Whatever
comes in is parsed here and nowhere else, and believed nowhere: the log says what it has to be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from numpy.typing import NDArray

from protocol.errors import Reject

_RECORD: Final = "commonhold"
_FLOAT: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Task:
    """Train one round, from this model."""

    job_id: str
    round: int
    base: bytes  # federated.model.encode


@dataclass(frozen=True, slots=True)
class Reply:
    """The noisy update of one round."""

    job_id: str
    round: int
    vector: NDArray[np.float32]  # (parameters,)


def task_message(task: Task, node_id: int, ttl_seconds: float) -> Message:
    """The task, to one node; the server forgets it after `ttl_seconds`."""
    record = ConfigRecord({"job": task.job_id, "round": task.round, "base": task.base})
    return Message(RecordDict({_RECORD: record}), node_id, MessageType.TRAIN, ttl=ttl_seconds)


def reply_message(reply: Reply, task: Message) -> Message:
    """The reply to a task's message."""
    update = reply.vector.astype(_FLOAT).tobytes()
    record = ConfigRecord({"job": reply.job_id, "round": reply.round, "update": update})
    return Message(RecordDict({_RECORD: record}), reply_to=task)


def read_task(message: Message) -> Task:
    """The task of a message. Raises Reject when it is none."""
    return Task(*_read(message, "base"))


def read_reply(message: Message) -> Reply:
    """The reply of a message. Raises Reject when it is none."""
    job_id, round_, raw = _read(message, "update")
    if len(raw) % _FLOAT.itemsize:
        raise Reject("an update is not a vector of floats")
    return Reply(job_id, round_, np.frombuffer(raw, _FLOAT))


def _read(message: Message, content: str) -> tuple[str, int, bytes]:
    record = message.content.config_records.get(_RECORD)
    match record and (record.get("job"), record.get("round"), record.get(content)):
        case (str(job_id), int(round_), bytes(raw)):
            return job_id, round_, raw
    raise Reject("a training message has no round, or not its content")

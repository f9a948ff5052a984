"""The same apps in one process: a Grid without SuperLink, sockets and Ray, for tests.

Messages are copied on their way, as a network would: an app that changes what it got changes nobody
else's. A partner that is `silent` never answers, as one that was killed.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from federated.flower.supernode import answer

_RUN_ID = 1


def take_part() -> None:
    """Makes this process one that may make messages, as Flower does for its own."""
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, _RUN_ID, 1


@dataclass
class LocalGrid(Grid):
    """`apps` by transport key (PEM), as partners would have been admitted."""

    apps: Mapping[bytes, ClientApp]
    silent: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        take_part()
        self.connected = dict.fromkeys(self.apps, "now")  # when each did, as Flower would say
        self._keys = dict(enumerate(self.apps, start=1))
        self._replies: dict[str, Message] = {}
        self._ids = itertools.count()

    def set_run(self, run: Run) -> None:
        """There is but one."""

    @property
    def run(self) -> Run:
        """The run that all messages belong to."""
        return Run.create_empty(_RUN_ID)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message to one node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_nodes(self) -> Iterable[NodeInfo]:
        """All nodes; whether one answers, nobody knows before."""
        return [
            NodeInfo(node_id=node, public_key=key, last_activated_at=self.connected[key])
            for node, key in self._keys.items()
        ]

    def get_node_ids(self) -> Iterable[int]:
        """Their ids."""
        return list(self._keys)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Has each message answered at once; replies wait to be pulled."""
        ids = []
        for message in messages:
            node = message.metadata.dst_node_id
            message_id = f"message-{next(self._ids)}"
            message.metadata.__dict__["_message_id"] = message_id
            ids.append(message_id)
            key = self._keys[node]
            if key not in self.silent:
                context = Context(_RUN_ID, node, {}, RecordDict(), {})
                self._replies[message_id] = answer(self.apps[key], copy.deepcopy(message), context)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there, each once."""
        return [self._replies.pop(i) for i in list(message_ids) if i in self._replies]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Pushes and pulls."""
        return self.pull_messages(self.push_messages(messages))

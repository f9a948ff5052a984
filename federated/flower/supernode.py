"""A partner's SuperNode: one warm process that runs the ClientApp it is given, and nothing it is sent.

Stock, a SuperNode fetches a FAB and executes it: the coordinator's code on the partner's data. This one
has no way to ask for a FAB. A message that arrives is data for the app that is installed here.

Every wait is bounded: a call that fails is repeated for `OUTAGE_SECONDS_MAX`, then it is Unreachable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Final, TypeVar

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Context, Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.clientapp import ClientApp
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from commonground.backoff import persistent
from federated.flower.layout import REFUSED
from federated.transport import public_pem
from protocol.errors import CommonholdError, Unreachable

log = logging.getLogger(__name__)

# Rounds follow each other within a second; while nothing comes the pauses grow.
POLL_SECONDS_MIN: Final = 0.1
POLL_SECONDS_MAX: Final = 2.0
POLL_GROWTH: Final = 1.2
# A coordinator that is away longer has given the round up.
OUTAGE_SECONDS_MAX: Final = 60.0
# Flower asks how long an app computed. That tells how many examples a partner has: over twenty rounds within
# some per cent.
NO_RUNTIME: Final = 0.0
# Somebody else's words are shown to people; these many are enough.
REASON_CHARS_MAX: Final = 300

T = TypeVar("T")


class SuperNode:
    """A connection to one SuperLink. Use it as a context manager once `activate` said yes."""

    def __init__(self, endpoint: str, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        """`certificate` (PEM) is the only one that is trusted. Touches no network yet."""
        self._endpoint, self._public = endpoint, public_pem(key)
        self._client = FleetHttpClient.from_server_address(
            endpoint,
            insecure=False,
            root_certificates=certificate,
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(key, key.public_key()),
            ],
        )
        self._node = Node()
        self._heartbeat = HeartbeatSender(self._beat)

    def __enter__(self) -> SuperNode:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._heartbeat.is_running:
            self._heartbeat.stop()
        if self._node.node_id:
            try:
                self._client.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
            except httpx.HTTPError as gone:  # its server ends when the job does
                log.debug("not signed off: %s", gone)
        self._client.close()

    def activate(self) -> bool:
        """Connects; False while the operator has not admitted our key.

        Raises Unreachable when nobody answers, or somebody who is not the job's server.
        """
        request = ActivateNodeRequest(
            public_key=self._public, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL
        )
        try:
            self._node = Node(node_id=self._client.ActivateNode(request).node_id)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.PRECONDITION_FAILED:
                return False
            raise self._unreachable(error) from error
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        self._heartbeat.start()
        return True

    def run(self, app: ClientApp, is_over: Callable[[], bool]) -> None:
        """Answers messages until `is_over`, which is asked between them. Raises Unreachable.

        A CommonholdError of the app is a refusal: the server gets its words, and we go on. Any other
        error ends the process: what a defect would do next to private data, nobody knows.
        """
        pause = POLL_SECONDS_MIN
        while not is_over():
            response = self._retried(self._pull, is_over)
            if response is None:
                return
            if not response.messages_list:
                time.sleep(pause)
                pause = min(pause * POLL_GROWTH, POLL_SECONDS_MAX)
                continue
            pause = POLL_SECONDS_MIN
            head = message_from_proto(response.messages_list[0])
            self._send(self._answer(app, head, response.message_object_trees[0]), is_over)

    def _pull(self) -> PullMessagesResponse:
        return self._client.PullMessages(PullMessagesRequest(node=self._node))

    def _answer(self, app: ClientApp, head: Message, tree: ObjectTree) -> Message:
        run_id = head.metadata.run_id
        # Flower keeps these for the whole process; a Message cannot be made without.
        TaskIdentity.task_id, TaskIdentity.run_id = 1, run_id
        TaskIdentity.node_id = self._node.node_id
        message = pull_and_inflate_object_from_tree(
            tree,
            make_pull_object_fn_protobuf(self._client.PullObject, self._node, run_id),
            make_confirm_message_received_fn_protobuf(
                self._client.ConfirmMessageReceived, self._node, run_id
            ),
            return_type=Message,
            max_time=OUTAGE_SECONDS_MAX,
            # A message is announced before its content is there; Flower would wait a second.
            initial_backoff=POLL_SECONDS_MIN,
            backoff_cap=POLL_SECONDS_MAX,
        )
        message.metadata.__dict__["_message_id"] = tree.object_id
        context = Context(
            run_id=run_id,
            node_id=self._node.node_id,
            node_config={},
            state=RecordDict(),
            run_config={},
        )
        return answer(app, message, context)

    def _send(self, reply: Message, is_over: Callable[[], bool]) -> None:
        run_id = reply.metadata.run_id
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with no_object_id_recompute():
            tree, objects = get_object_tree(reply), get_all_nested_objects(reply)
            head = remove_content_from_message(reply) if reply.has_content() else reply
            request = PushMessagesRequest(
                node=self._node,
                messages_list=[message_to_proto(head)],
                message_object_trees=[tree],
                clientapp_runtime_list=[NO_RUNTIME],
            )
            accepted = self._retried(lambda: self._client.PushMessages(request), is_over)
            if accepted is None:
                return
            push = make_push_object_fn_protobuf(
                self._client.PushObject, self._node, run_id, accepted.session_id
            )
            for object_id in accepted.objects_to_push:
                self._retried(partial(push, object_id, objects[object_id].deflate()), is_over)

    def _retried(self, call: Callable[[], T], is_over: Callable[[], bool]) -> T | None:
        """Repeats a call through a short outage; None when the job ended meanwhile."""

        def is_passing(error: Exception) -> bool:
            return isinstance(error, httpx.TransportError) and not is_over()

        try:
            return persistent(seconds=OUTAGE_SECONDS_MAX)(is_passing, call)
        except (httpx.HTTPStatusError, httpx.TransportError) as error:
            if is_over():
                return None
            raise self._unreachable(error) from error

    def _beat(self) -> bool:
        request = SendNodeHeartbeatRequest(
            node=self._node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL
        )
        try:
            return bool(self._client.SendNodeHeartbeat(request).success)
        except httpx.HTTPError:
            return False  # it is sent again soon; `run` notices an outage by itself

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        said = str(error)
        if isinstance(error, httpx.HTTPStatusError):
            said = f"HTTP {error.response.status_code}"
        return Unreachable(
            f"the training server at {self._endpoint} does not answer: {said}",
            "run the command again while the job lasts; a round that was charged is not charged again",
        )


def answer(app: ClientApp, message: Message, context: Context) -> Message:
    """The app's reply; where it refuses, an error with its words."""
    try:
        return app(message, context)
    except CommonholdError as refusal:
        log.warning("refused: %s", refusal)
        reason = str(refusal)[:REASON_CHARS_MAX]
        return Message(Error(REFUSED, reason), reply_to=message)

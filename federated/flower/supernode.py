"""A partner's SuperNode: one warm process that runs the ClientApp it is given, and nothing it is sent.

Stock, a SuperNode fetches a FAB and executes it: the coordinator's code on the partner's data. This one
has no way to ask for a FAB. A message that arrives is data for the app that is installed here.

Nobody polls: a question for messages is answered when there are some (gate.py). A server that is away is
waited for, `OUTAGE_SECONDS_MAX` long; one that comes back knows nobody, and we connect again. Then the
server asks again for what it did not get.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final

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
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from google.protobuf.message import Message as ProtobufMessage
from google.protobuf.wrappers_pb2 import BytesValue

from commonground.backoff import Backoff
from federated.flower.connecting import client_to, host_of, proxy_to
from federated.flower.layout import FLEET_GIVE, FLEET_TAKE, PROCESS_HEADER, REFUSED
from federated.flower.parcel import packed, unpacked
from federated.transport import public_pem
from protocol.errors import CommonholdError, StateError, Unreachable

log = logging.getLogger(__name__)

# An hour: by then a machine has started again, or somebody has been woken who resumes the job.
OUTAGE_SECONDS_MAX: Final = 3_600.0
AWAY: Final = Backoff(first_seconds=0.25, max_seconds=2.0)
# Flower's server allows 10 s for a message and 5 minutes for clocks; below half a minute nothing is wrong.
CLOCKS_APART_SECONDS: Final = 30.0
# Flower asks how long an app computed. That tells how many examples a partner has: over twenty rounds within
# some per cent.
NO_RUNTIME: Final = 0.0
# Somebody else's words are shown to people; these many are enough.
REASON_CHARS_MAX: Final = 300


class _NotAdmitted(Exception):
    """The server does not know our key: it has just started, and the operator has not got to us."""


_PASSING: Final = (httpx.HTTPError, _NotAdmitted)


class SuperNode:
    """A connection to one SuperLink. Use it as a context manager once `activate` said yes."""

    def __init__(self, endpoint: str, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> None:
        """`certificate` (PEM) is the only one that is trusted. Touches no network yet."""
        self._endpoint, self._public = endpoint, public_pem(key)
        interceptors = (
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(key, key.public_key()),
            _ProcessName(),
        )
        self._client = client_to(endpoint, FleetHttpClient, certificate, interceptors)
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
        """Connects, in place of any process that had our key; False while the operator has not admitted it.

        Raises Unreachable when nobody answers, or somebody who is not the job's server.
        """
        try:
            return self._activate()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def run(self, app: ClientApp, is_over: Callable[[], bool]) -> None:
        """Answers messages until `is_over`, which is asked between them.

        Raises Unreachable when the server is away for too long, StateError when another process took our
        place. A CommonholdError of the app is a refusal: the server gets its words, and we go on. Any
        other error ends the process: what a defect would do next to private data, nobody knows.
        """
        failures, since = 0, time.monotonic()
        while not is_over():
            try:
                self._work(app)
            except _PASSING as error:
                self._require_passing(error, time.monotonic() - since)
                time.sleep(AWAY.delay(failures))
                failures += 1
            else:
                failures, since = 0, time.monotonic()

    def _work(self, app: ClientApp) -> None:
        """Waits for a message and answers it; connects before, where we are not connected."""
        if not self._node.node_id and not self._activate():
            raise _NotAdmitted
        taken = self._call(FLEET_TAKE, PullMessagesRequest(node=self._node))
        response, objects = unpacked(taken, PullMessagesResponse)
        if response.messages_list:
            head = message_from_proto(response.messages_list[0])
            self._send(self._answer(app, head, response.message_object_trees[0], objects))

    def _call(self, path: str, request: ProtobufMessage) -> BytesValue:
        return self._client._unary_unary(
            path=path, rpc_method=path, request=request, response_type=BytesValue
        )

    def _activate(self) -> bool:
        request = ActivateNodeRequest(
            public_key=self._public, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL
        )
        try:
            self._node = Node(node_id=self._client.ActivateNode(request).node_id)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.PRECONDITION_FAILED:
                return False
            raise
        if not self._heartbeat.is_running:
            self._heartbeat.start()
        return True

    def _require_passing(self, error: Exception, seconds: float) -> None:
        """Raises unless it is worth while to try again after this error."""
        if isinstance(error, httpx.HTTPStatusError):
            _require_ours(error)
            if clock := _clock_words(error.response):
                raise Unreachable(*clock) from error
        # Whatever was lost, a message or a reply: to whom connects anew the server sends the round again.
        self._node = Node()
        if seconds > OUTAGE_SECONDS_MAX:
            raise self._unreachable(error) from error

    def _answer(
        self, app: ClientApp, head: Message, tree: ObjectTree, objects: dict[str, bytes]
    ) -> Message:
        run_id = head.metadata.run_id
        # Flower keeps these for the whole process; a Message cannot be made without.
        TaskIdentity.task_id, TaskIdentity.run_id = 1, run_id
        TaskIdentity.node_id = self._node.node_id
        message = inflate_object_from_contents(tree.object_id, objects)
        if not isinstance(message, Message):
            raise ValueError("this is no message")
        message.metadata.__dict__["_message_id"] = tree.object_id
        context = Context(
            run_id=run_id,
            node_id=self._node.node_id,
            node_config={},
            state=RecordDict(),
            run_config={},
        )
        return answer(app, message, context)

    def _send(self, reply: Message) -> None:
        with no_object_id_recompute():
            objects = get_all_nested_objects(reply)
            tree = get_object_tree(reply)
            contents = [each.deflate() for each in objects.values()]
        reply.metadata.__dict__["_message_id"] = tree.object_id
        head = remove_content_from_message(reply) if reply.has_content() else reply
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[message_to_proto(head)],
            message_object_trees=[tree],
            clientapp_runtime_list=[NO_RUNTIME],
        )
        self._call(FLEET_GIVE, packed(request, contents))

    def _beat(self) -> bool:
        if not self._node.node_id:
            return True
        request = SendNodeHeartbeatRequest(
            node=self._node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL
        )
        try:
            return bool(self._client.SendNodeHeartbeat(request).success)
        except httpx.TransportError:
            return False  # it is sent again soon
        except httpx.HTTPStatusError:
            return True  # the server does not know us: `run` notices, and connects again

    def _unreachable(self, error: Exception) -> Unreachable:
        said = str(error)
        if isinstance(error, httpx.HTTPStatusError):
            said = f"HTTP {error.response.status_code}"
            if clock := _clock_words(error.response):
                return Unreachable(*clock)
        advice = "run the command again while the job lasts; a round that was charged is not charged again"
        if (proxy := proxy_to(self._endpoint)) is not None:
            advice = proxy.advice(host_of(self._endpoint))
        return Unreachable(
            f"the training server at {self._endpoint} does not answer: {said}", advice
        )


class _ProcessName:
    """Names this process in every request, so that the server knows the newer one of two."""

    def __init__(self) -> None:
        self._name = secrets.token_hex(16)

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers[PROCESS_HEADER] = self._name
        return call_next(context)


def answer(app: ClientApp, message: Message, context: Context) -> Message:
    """The app's reply; where it refuses, an error with its words."""
    try:
        return app(message, context)
    except CommonholdError as refusal:
        log.warning("refused: %s", refusal)
        reason = str(refusal)[:REASON_CHARS_MAX]
        return Message(Error(REFUSED, reason), reply_to=message)


def _clock_words(response: httpx.Response) -> tuple[str, str] | None:
    """What is wrong and what to do where a server refuses us because our clocks differ."""
    if response.status_code != httpx.codes.UNAUTHORIZED:
        return None
    try:
        theirs = parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None
    ahead = time.time() - theirs
    if abs(ahead) < CLOCKS_APART_SECONDS:
        return None
    way = "ahead of" if ahead > 0 else "behind"
    return (
        f"this machine's clock is {abs(ahead) / 60:.0f} minutes {way} the training server's, which takes"
        " our signatures for old ones",
        "set the clock (a time service does) and run the command again; if ours is right, tell the operator",
    )


def _require_ours(error: httpx.HTTPStatusError) -> None:
    """Raises StateError when the server says that a newer process has our key."""
    if error.response.status_code == httpx.codes.CONFLICT:
        raise StateError(
            "another process trains for this partner: it connected later, with the same transport key",
            "run a node on one machine only; if the other one is not yours, tell the operator",
        ) from error

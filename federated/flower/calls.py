"""The server's side of parcels: one call gives messages, and one takes some.

Flower's handlers are called as its own routes do, once it is known who asks, and without the dozen wrappers
of those. They answer from memory, and one after the other: whoever is told of a message gets all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.runtime_pb2 import (
    GetNodesRequest,
    PullAppMessagesRequest,
    PullAppMessagesResponse,
    PushAppMessagesRequest,
    PushAppMessagesResponse,
)
from flwr.proto.task_pb2 import Task
from flwr.server.superlink.linkstate import LinkState
from flwr.supercore.constant import TASK_TOKEN_HEADER
from flwr.supercore.dependencies.task import authenticate_task
from flwr.supercore.error import ApiErrorCode, FlowerError, http_error_translator
from flwr.supercore.inflatable.inflatable_object import (
    UnexpectedObjectContentError,
    iterate_object_tree,
)
from flwr.supercore.inflatable.inflatable_utils import validate_object_content
from flwr.superlink.dependencies.linkstate import get_linkstate
from flwr.superlink.routers.fleet.node_auth import authenticate_node
from flwr.superlink.servicer.fleet import fleet_handlers
from flwr.superlink.servicer.runtime import runtime_handlers
from google.protobuf.message import DecodeError, Message
from google.protobuf.wrappers_pb2 import BytesValue
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from federated.flower.layout import FLEET_GIVE, FLEET_TAKE, RUNTIME, RUNTIME_GIVE, RUNTIME_TAKE
from federated.flower.parcel import packed, unpacked

# Replies that are there at once go in one answer until it has so much; the next question gets the rest.
ANSWER_BYTES: Final = 16 * 1024 * 1024


class Calls:
    """An ASGI app around Flower's: answers the calls below, and leaves it all others."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        call = _CALLS.get(scope["path"]) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return

        async def answer(request: Request) -> Response:
            body = await request.body()
            try:
                return Response(call(request, body).SerializeToString())
            except (ValueError, DecodeError, UnexpectedObjectContentError) as error:
                raise FlowerError(ApiErrorCode.INVALID_PROTOBUF_PAYLOAD, str(error)) from error

        request = Request({**scope, "app": self._app, "state": {}}, receive)
        response = await http_error_translator(request, answer)
        await response(scope, receive, send)


def _fleet_take(request: Request, body: bytes) -> BytesValue:
    """The next message of a partner."""
    asked = PullMessagesRequest.FromString(body)
    state = _state_for_node(request, asked)
    found = fleet_handlers.pull_messages(asked, state, state.object_store)
    return packed(found, _taken(state, found.message_object_trees).values())


def _fleet_give(request: Request, body: bytes) -> BytesValue:
    """A partner's reply."""
    given, objects = unpacked(BytesValue.FromString(body), PushMessagesRequest)
    state = _state_for_node(request, given)
    [message], [tree] = given.messages_list, given.message_object_trees
    _require_whole([tree], objects)
    answer = fleet_handlers.push_messages(given, state)
    _store(state, message.metadata.run_id, answer.session_id, answer.objects_to_push, objects)
    return packed(answer, ())


def _runtime_take(request: Request, body: bytes) -> BytesValue:
    """Replies for the ServerApp: as many as an answer holds."""
    asked = PullAppMessagesRequest.FromString(body)
    state, task = _state_for_task(request)
    answer, objects = PullAppMessagesResponse(), dict[str, bytes]()
    for message_id in asked.message_ids:
        one = PullAppMessagesRequest(message_ids=[message_id])
        found = runtime_handlers.pull_messages(one, state, task)
        answer.MergeFrom(found)
        objects |= _taken(state, found.message_object_trees)
        if sum(map(len, objects.values())) > ANSWER_BYTES:
            break
    return packed(answer, objects.values())


def _runtime_give(request: Request, body: bytes) -> BytesValue:
    """The ServerApp's messages."""
    given, objects = unpacked(BytesValue.FromString(body), PushAppMessagesRequest)
    state, task = _state_for_task(request)
    _require_whole(given.message_object_trees, objects)
    answer: PushAppMessagesResponse = runtime_handlers.push_messages(given, state, task)
    _store(state, task.run_id, answer.session_id, answer.objects_to_push, objects)
    return packed(answer, ())


def _get_nodes(request: Request, body: bytes) -> Message:
    """Flower's own call, which the ServerApp makes each time that it looks for replies."""
    state, task = _state_for_task(request)
    return runtime_handlers.get_nodes(GetNodesRequest.FromString(body), state, task)


_CALLS: Final[Mapping[str, Callable[[Request, bytes], Message]]] = {
    FLEET_TAKE: _fleet_take,
    FLEET_GIVE: _fleet_give,
    RUNTIME_TAKE: _runtime_take,
    RUNTIME_GIVE: _runtime_give,
    RUNTIME + "get-nodes": _get_nodes,
}


def _state_for_node(request: Request, asked: Message) -> LinkState:
    """The server's state, once the signature is that of the node that is named."""
    request.state.protobuf_request = asked
    authenticate_node(request)
    return get_linkstate(request)


def _state_for_task(request: Request) -> tuple[LinkState, Task]:
    """The server's state, and the task whose token the caller has."""
    state = get_linkstate(request)
    return state, authenticate_task(request, request.headers.get(TASK_TOKEN_HEADER), state)


def _require_whole(trees: Iterable[ObjectTree], objects: Mapping[str, bytes]) -> None:
    """Raises for messages whose objects are not all in the parcel: nobody is told of half a message."""
    for tree in trees:
        if any(each.object_id not in objects for each in iterate_object_tree(tree)):
            raise ValueError("a message comes without its objects")
    for content in objects.values():
        validate_object_content(content)


def _store(
    state: LinkState,
    run_id: int,
    session_id: str,
    missing: Iterable[str],
    objects: Mapping[str, bytes],
) -> None:
    for object_id in missing:
        if not state.store_object(run_id, session_id, object_id, objects[object_id]):
            raise ValueError("an object is not stored")


def _taken(state: LinkState, trees: Iterable[ObjectTree]) -> dict[str, bytes]:
    """The objects of messages that go out now, which are deleted here."""
    store, objects = state.object_store, dict[str, bytes]()
    for tree in trees:
        for each in iterate_object_tree(tree):
            objects[each.object_id] = store.get(each.object_id) or b""
        store.delete(tree.object_id)
    return objects

"""Flower's ServerApp as a process: `python -m federated.flower.serverapp ADDRESS FOLDER PARENT < words`.

Stock, a SuperExec polls for tasks and passes their tokens in argv. Whoever started the run holds its
token already, so this process gets it through a pipe, and one process less polls. An app may wait for a
second line there: it can get ready while others still do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from queue import Queue

from flwr.app import Error, Message
from flwr.app.message import make_message, remove_content_from_message
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as HeadProto
from flwr.proto.runtime_pb2 import (
    PullAppMessagesRequest,
    PullAppMessagesResponse,
    PushAppMessagesRequest,
    PushAppMessagesResponse,
)
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.superlink.grid import HttpGrid
from flwr.superlink.runtime import run_serverapp
from google.protobuf.message import Message as ProtobufMessage
from google.protobuf.wrappers_pb2 import BytesValue

from federated.flower.layout import CERTIFICATE_FILE, RUNTIME_GIVE, RUNTIME_TAKE
from federated.flower.logs import say_less
from federated.flower.parcel import packed, unpacked
from federated.flower.parent import end_with


class ParcelGrid(HttpGrid):
    """Flower's grid, whose messages travel whole."""

    def _try_push_messages(self, run_id: int, messages: Iterable[Message]) -> list[str]:
        request, objects = PushAppMessagesRequest(), dict[str, bytes]()
        for message in messages:
            head = message_to_proto(remove_content_from_message(message))
            request.messages_list.append(head)
            request.message_object_trees.append(get_object_tree(message))
            nested = get_all_nested_objects(message)
            # What messages have in common, as the model, is there once.
            objects |= {name: nested[name].deflate() for name in nested.keys() - objects.keys()}
        answer, _ = unpacked(
            self._call(RUNTIME_GIVE, packed(request, objects.values())), PushAppMessagesResponse
        )
        return list(answer.message_ids)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there, each once."""
        taken = self._call(RUNTIME_TAKE, PullAppMessagesRequest(message_ids=message_ids))
        answer, objects = unpacked(taken, PullAppMessagesResponse)
        return [_inflated(head, objects) for head in answer.messages_list]

    def _call(self, path: str, request: ProtobufMessage) -> BytesValue:
        return self._runtime_client._unary_unary(
            path=path, rpc_method=path, request=request, response_type=BytesValue
        )


def main() -> None:
    """Entry point of the process; ends with code 0 when the app returned, 1 when it raised."""
    address, folder, parent_id = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    end_with(parent_id)
    say_less()
    # Flower's function takes no grid; the name is bound in its module.
    run_serverapp.__globals__["HttpGrid"] = ParcelGrid
    lines: Queue[str | None] = Queue()  # nobody asks Flower for our log: it is a file
    run_serverapp(
        runtime_api_address=address,
        log_queue=lines,
        token=sys.stdin.readline().strip(),
        insecure=False,
        certificates=(folder.parent / CERTIFICATE_FILE).read_bytes(),
        parent_pid=parent_id,
        runtime_dependency_install=False,
    )


def _inflated(head: HeadProto, objects: dict[str, bytes]) -> Message:
    """The reply; an error for one whose parts do not make a message: a partner made them, and not this
    process."""
    message_id, metadata = head.metadata.message_id, message_from_proto(head).metadata
    try:
        message = inflate_object_from_contents(message_id, objects, keep_object_contents=True)
        if not isinstance(message, Message):
            raise ValueError("this is no message")
    except (ValueError, KeyError, TypeError) as error:
        return make_message(metadata, error=Error(ErrorCode.MESSAGE_UNAVAILABLE, str(error)))
    message.metadata.__dict__["_message_id"] = message_id
    return message


if __name__ == "__main__":
    main()

"""Messages that travel whole: what a parcel holds, and that nobody is told of half a message."""

from __future__ import annotations

import pytest
from flwr.app import ConfigRecord
from flwr.proto.fleet_pb2 import PullMessagesRequest, PushMessagesRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import get_object_id
from google.protobuf.wrappers_pb2 import BytesValue

from federated.flower import calls
from federated.flower.parcel import packed, unpacked

HEAD = PullMessagesRequest(node=Node(node_id=7))


def test_objects_name_themselves_and_nothing_has_no_bytes() -> None:
    objects = [b"first", b"", b"third"]
    head, found = unpacked(packed(HEAD, objects), PullMessagesRequest)
    assert (head, found) == (HEAD, {get_object_id(each): each for each in objects})
    nothing = packed(PullMessagesRequest(), [])
    assert nothing.SerializeToString() == b""
    assert unpacked(nothing, PullMessagesRequest) == (PullMessagesRequest(), {})


@pytest.mark.parametrize("raw", [b"\0\0\0", b"\0\0\0\2a", b"\0\0\0\1\xff", b"\xff\xff\xff\xff"])
def test_bytes_that_are_no_parcel_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="a parcel"):
        unpacked(BytesValue(value=raw), PushMessagesRequest)


def test_a_message_without_one_of_its_objects_is_refused() -> None:
    content = ConfigRecord({"a": 1}).deflate()
    tree = ObjectTree(object_id=get_object_id(content))
    calls._require_whole([tree], {tree.object_id: content})
    with pytest.raises(ValueError, match="without its objects"):
        calls._require_whole([tree], {})

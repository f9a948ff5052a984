"""What somebody is told whom the network does not take in."""

from __future__ import annotations

import pytest

from node.registration import register_advice
from protos.gen import records_pb2 as pb
from tests.simulated import Network, policy


@pytest.mark.parametrize(
    ("admission", "first", "also"),
    [
        (pb.ADMISSION_INVITATION, "ask the operator", "for an invitation"),
        (pb.ADMISSION_BOND, "pay a bond in, once", "node register`"),
        (pb.ADMISSION_EITHER, "pay a bond in, once", "; or ask the operator"),
        (pb.ADMISSION_BOTH, "it takes both: pay a bond in, once", "; and ask the operator"),
        (pb.ADMISSION_OPEN, "`commonhold node register` asks again", ""),
    ],
)
def test_whoever_is_not_taken_in_is_told_what_this_network_asks(
    admission: pb.Admission, first: str, also: str
) -> None:
    state = Network(policy=policy(admission=admission, bond="5")).state
    said = register_advice(state)
    assert said.startswith(first) and also in said
    assert ("invitation" in said) == (admission not in (pb.ADMISSION_BOND, pb.ADMISSION_OPEN))

"""What a move asks for before it deploys anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coordinator.moving import require_settled_witnesses
from protocol.errors import StateError
from protocol.state import State


def test_witnesses_who_are_to_come_come_before_a_move() -> None:
    state, told = State(), list[str]()
    require_settled_witnesses(state, told.append, leave_behind=False)
    state.onchain = replace(state.onchain, active_at_s=1_800_000_000)
    with pytest.raises(StateError, match="a change of the witnesses waits"):
        require_settled_witnesses(state, told.append, leave_behind=False)
    assert told == []
    require_settled_witnesses(state, told.append, leave_behind=True)
    assert "cannot be retired" in told[0]

"""What of the state a verdict follows from: taken in a moment, and read while everybody else goes on.

Inference takes seconds over many answers. Meanwhile submissions are taken and other campaigns go on, so the
state changes under it; a view does not, and says in the end whether the state still holds the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.state import State

# Of the campaign alone; those of all the others are left out.
_TABLES: Final = ("tasks", "commits", "revealed", "answers", "evidence", "gold", "past_terms")
_VALUES: Final = ("network", "rules", "operator", "operator_key", "policy", "epoch")


@dataclass(frozen=True, slots=True)
class RoundView:
    """A campaign's round that waits for its verdict. `state` holds what rules read of it, and no more."""

    campaign_id: str
    state: State

    def holds_in(self, state: State) -> bool:
        """Whether a verdict on the view is one on the state: nothing that it follows from has changed."""
        c = self.campaign_id
        return (
            all(getattr(self.state, name) == getattr(state, name) for name in _VALUES)
            and self.state.campaigns[c] == state.campaigns[c]
            and self.state.rounds[c] == state.rounds.get(c)
            and all(getattr(self.state, t).same_part(getattr(state, t), c) for t in _TABLES)
        )


def round_view(state: State, campaign_id: str) -> RoundView:
    """The view of a campaign's present round; copies no row.

    The items are the state's own table: rows of items under review change with their round alone, and to
    read single rows is safe beside a thread that writes others.
    """
    view = State(size=state.size)
    for name in _VALUES:
        setattr(view, name, getattr(state, name))
    for name in _TABLES:
        setattr(view, name, getattr(state, name).part(campaign_id))
    view.campaigns.put(campaign_id, state.campaigns[campaign_id])
    view.rounds.put(campaign_id, state.rounds[campaign_id])
    view.keys.put(state.operator_key, state.operator)
    view.items = state.items
    return RoundView(campaign_id, view)

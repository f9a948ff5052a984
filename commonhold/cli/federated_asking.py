"""The question that `federated join` asks before anything is signed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from commonhold.cli.output import confirm, letters, say
from protocol.errors import ConfigError

if TYPE_CHECKING:
    from node.training.proposal import Proposal


def agree_to(proposal: Proposal, *, yes: bool) -> bool:
    """Says what joining means, and asks. Raises ConfigError where nobody can be asked, without `yes`."""
    say([letters(line) for line in proposal.lines()])
    if yes:
        return True
    if not sys.stdin.isatty():
        raise ConfigError(
            "joining a job is a decision, and there is no terminal to ask at",
            "add --yes if you have read the above and mean it",
        )
    return confirm("Go on?")

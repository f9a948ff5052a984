"""Making links with invitations, for the operator's command and a member's."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonhold.cli.output import emit, say
from protocol.errors import StateError
from protocol.identity import KeyId
from protocol.invitation import make_ticket
from protocol.limits import KEY_BYTES
from protocol.log.link import NetworkLink
from protocol.state import State
from protos.gen import records_pb2 as pb

# The present epoch, and enough after it for somebody to read their mail.
EPOCHS_DEFAULT: Final = 3


@dataclass(frozen=True, slots=True)
class Inviter:
    """Whoever invites: a key that signs, and how many may still join by it in this epoch."""

    key: KeyId
    sign: Callable[[bytes], bytes]
    budget: int


def make_links(
    link: NetworkLink, state: State, inviter: Inviter, count: int, epochs: int
) -> list[str]:
    """`count` links, each with an invitation of its own that is good in this epoch and `epochs - 1` more.

    Raises StateError where nobody needs one, and beyond the inviter's budget for this epoch.
    """
    if state.policy.admission == pb.ADMISSION_OPEN:
        raise StateError(
            "this network is open: nobody needs an invitation",
            "give them the link that `commonhold coordinator status` prints, or node.toml has as `network`",
        )
    if count > inviter.budget:
        raise StateError(
            f"{count:,} are more than may join by your invitations in this epoch:"
            f" {inviter.budget:,} still may",
            f"make fewer, or more in epoch {state.epoch + 1}; only invitations that were used count",
        )
    last = state.epoch + epochs - 1
    made = (
        make_ticket(state.network, inviter.key, inviter.sign, secrets.token_bytes(KEY_BYTES), last)
        for _ in range(count)
    )
    return [str(replace(link, invitation=each)) for each in made]


def emit_links(links: Sequence[str], state: State, epochs: int, budget: int, as_json: bool) -> None:
    """One link a line to standard output; what to know of them beside it."""
    last = state.epoch + epochs - 1
    if not as_json:
        say(
            f"Each link is good for one person, until epoch {last} closes, and as good as cash until it is"
            f" used. The log will say that you invited them. {budget:,} may still join by your"
            f" invitations in epoch {state.epoch}.",
        )
    emit(
        {"links": list(links), "good_until_epoch": last, "budget": budget},
        as_json,
        lambda: links,
    )

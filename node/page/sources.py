"""What the page reads, and nothing else of the node: no keys are in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from node.blobs import BlobStore
from node.follower import Follower
from node.page.own import OwnRecords
from node.rows import OutboxState
from node.store import Store
from protocol.identity import KeyId, PersonId
from protocol.log.link import NetworkLink
from protocol.state import NO_KEY


class Spending(Protocol):
    """What one training job has spent of one data set's privacy budget, as this machine keeps it."""

    @property
    def commitment(self) -> bytes:
        """Names the data set."""

    @property
    def job_id(self) -> str: ...
    @property
    def rounds(self) -> int: ...
    @property
    def epsilon(self) -> float:
        """Spent of the data over all jobs, after this job's last round, at `delta`."""

    @property
    def limit(self) -> float:
        """The largest epsilon that the owner allows; infinite for data that only the log knows."""

    @property
    def delta(self) -> float: ...
    @property
    def last(self) -> float:
        """When it was spent last, in seconds since 1970."""

    @property
    def is_reserved(self) -> bool:
        """Whether more rounds of the job are set aside."""


ReadSpending = Callable[[], Sequence[Spending]]


def no_spending() -> Sequence[Spending]:
    """Of a node that has never trained."""
    return ()


@dataclass(frozen=True, slots=True)
class Replay:
    """The log as far as this node trusts it."""

    follower: Follower
    own: OwnRecords
    is_connected: Callable[[], bool]  # to the coordinator, which says that it extends what we have


@dataclass(slots=True)
class Sources:
    """One node. `replay` comes and goes: while an alarm is open nobody is trusted and there is none."""

    me: PersonId
    link: NetworkLink
    store: Store
    blobs: BlobStore
    peers: Callable[[], int]  # how many we are connected to
    read_spending: ReadSpending = no_spending
    key: KeyId = NO_KEY  # that this machine signs with
    rpc_url: str = ""  # of the chain that it looks at; empty: none
    alarms: Path = Path("alarms")  # where its alarms are, as files
    arguments: str = ""  # what a command needs beside its name to mean this node: " --dir HOME"
    replay: Replay | None = None

    def version(self) -> str:
        """Another text as soon as pages may say something else. Costs no more than a look."""
        replay, queued = self.replay, self.store.outbox_counts().get(OutboxState.QUEUED, 0)
        log = f"{replay.follower.size}.{replay.is_connected():d}" if replay else ""
        return f"{log}.{len(self.store.alarms())}.{queued}.{self.peers()}"

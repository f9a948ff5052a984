"""The network's state: what a replay of the log has so far.

Only `protocol.transition.apply` changes it, one whole entry at a time. Two replays of the same log hold equal
states. A coordinator's tables, a node's tasks and an auditor's findings are all read from here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from protocol.errors import StateError
from protocol.identity import Identity
from protocol.lifecycle import EpochPhase, ItemEvent, ItemStatus, JobStatus, next_status
from protocol.money.settlement import Address, Deployment
from protocol.review.fingerprints import DuplicateIndex
from protos.gen import records_pb2 as pb

ItemId = bytes
"""The RFC 6962 leaf hash of an item: unguessable, since its commitments are salted."""

NOBODY: Final = Identity(b"")  # before the genesis

SHARES: Final = b""
"""The asset "shares of the network", before a deployment gives it a contract."""


@dataclass(slots=True)
class Member:
    """A registered identity."""

    payout: bytes  # 20-byte address
    registered_at: int  # log index
    standby: bytes = b""  # commitment to the next beacon value; empty = not standing by


@dataclass(slots=True)
class ItemState:
    """What the rules need to know of an item; the full record is the leaf."""

    author: Identity
    campaign_id: str
    submitted_at: int  # log index of its submission
    leaf: bytes  # empty once it is erased
    status: ItemStatus = ItemStatus.SUBMITTED
    draws: int = 0
    answered_by: tuple[Identity, ...] = ()  # reviewers so far, over all rounds
    duplicate_of: ItemId = b""
    label: int | None = None  # most probable, once decided; None if the content was a false one
    posterior_ppm: int = 0
    proposed_label: int | None = None  # once opened
    decided_in: int | None = None  # epoch
    snapshots: tuple[bytes, ...] = ()  # digests of those that hold it

    def step(self, event: ItemEvent) -> None:
        """Moves along the table of protocol.lifecycle."""
        self.status = next_status(self.status, event)

    @property
    def is_erased(self) -> bool:
        """Whether its description is gone; then its author has withdrawn it, or will further on."""
        return not self.leaf

    def record(self) -> pb.Item:
        """The item as its author described it; raises StateError once that is erased."""
        if self.is_erased:
            raise StateError("the item was withdrawn by its author, and its description erased")
        return pb.Item.FromString(self.leaf)


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A root that its author will have to open."""

    root: bytes
    count: int


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """One opened answer; `label` is None for an abstention."""

    item_id: ItemId
    reviewer: Identity
    label: int | None
    abstention: int  # pb.Abstention


@dataclass(slots=True)
class RoundState:
    """One draw and what follows from it."""

    number: int = 1
    items: tuple[ItemId, ...] = ()  # fixed when the round is sealed, in log order
    beacons: dict[Identity, bytes] = field(default_factory=dict)
    assignments: dict[ItemId, tuple[Identity, ...]] = field(default_factory=dict)
    tasks: dict[Identity, tuple[ItemId, ...]] = field(default_factory=dict)
    commits: dict[Identity, CommittedBatch] = field(default_factory=dict)
    revealed: set[Identity] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Deposit:
    """Money that came in and waits for the close."""

    asset: bytes
    amount: int
    licence_id: str = ""  # whose revenue it is; empty = the network's


@dataclass(slots=True)
class SnapshotState:
    """A dataset that can be licensed while none of its items is withdrawn."""

    campaign_id: str
    scope: pb.Consent
    items: tuple[ItemId, ...]
    credits: dict[Identity, int]  # accepted items by author: what a royalty is split by
    logged_at: int  # log index
    withdrawn: int = 0  # of its items, since


@dataclass(slots=True)
class LicenceState:
    """A sale."""

    record: pb.Licence
    paid: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))  # in its own asset


@dataclass(slots=True)
class JobState:
    """A federated training job."""

    record: pb.Job
    model: bytes  # SHA-256 of the model that the next round starts from
    status: JobStatus = JobStatus.OPEN
    partners: dict[Identity, pb.Enrol] = field(default_factory=dict)  # who joined
    updates: dict[Identity, pb.Update] = field(default_factory=dict)  # of the round that runs
    spent: dict[Identity, int] = field(default_factory=dict)  # epsilon in the last update, micro
    rounds: list[pb.TrainingRound] = field(default_factory=list)  # done
    result: pb.Model | None = None

    @property
    def epsilon_micro(self) -> int:
        """What the rounds so far have spent, at the job's delta."""
        return self.rounds[-1].epsilon_micro if self.rounds else 0


@dataclass(slots=True)
class EpochState:
    """What an epoch has gathered so far."""

    number: int = 1
    phase: EpochPhase = EpochPhase.SUBMITTING
    round: RoundState = field(default_factory=RoundState)
    answers: list[GivenAnswer] = field(default_factory=list)
    items: dict[ItemId, None] = field(default_factory=dict)  # drawn so far, in that order
    duplicates: list[ItemId] = field(default_factory=list)  # found in this epoch
    gold_hashes: set[bytes] = field(default_factory=set)
    gold: dict[ItemId, int] = field(default_factory=dict)  # opened by the first verdict
    deposits: list[Deposit] = field(default_factory=list)
    # Updates that went into a round of training, by (identity, job).
    trained: dict[tuple[Identity, str], int] = field(default_factory=lambda: defaultdict(int))


@dataclass(slots=True)
class Belief:
    """Beta evidence in millionths; see protocol.review.reputation."""

    right_micro: int = 0
    wrong_micro: int = 0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A settlement that waits for its witnesses."""

    epoch: int
    root: bytes
    totals: dict[Address, int]


@dataclass(slots=True)
class State:
    """Everything. Fields are grouped by the records that change them."""

    size: int = 0  # log entries applied
    logged: set[bytes] = field(default_factory=set)  # their digests
    network: bytes = b""
    name: str = ""
    operator: Identity = NOBODY
    policy: pb.Policy = field(default_factory=pb.Policy)
    campaigns: dict[str, pb.Campaign] = field(default_factory=dict)
    members: dict[Identity, Member] = field(default_factory=dict)

    items: dict[ItemId, ItemState] = field(default_factory=dict)  # in log order
    pending: list[ItemId] = field(default_factory=list)  # to be drawn, in log order
    # Erased, and not yet withdrawn: a replay is past their submission, not yet at their withdrawal.
    unexplained: set[ItemId] = field(default_factory=set)
    # Withdrawn items whose shares are to be repaid, by (author, campaign).
    repayable: dict[tuple[Identity, str], int] = field(default_factory=lambda: defaultdict(int))
    # By campaign; derived from items, so not compared.
    indexes: dict[str, DuplicateIndex[ItemId]] = field(default_factory=dict, compare=False)

    snapshots: dict[bytes, SnapshotState] = field(default_factory=dict)  # by record digest
    licences: dict[str, LicenceState] = field(default_factory=dict)
    jobs: dict[str, JobState] = field(default_factory=dict)

    epoch: EpochState = field(default_factory=EpochState)
    reputation: dict[tuple[Identity, int, str], Belief] = field(
        default_factory=lambda: defaultdict(Belief)
    )  # by (identity, role, campaign)

    earned: dict[tuple[Identity, bytes], int] = field(
        default_factory=lambda: defaultdict(int)
    )  # (identity, asset) -> cumulative
    # What settlements have promised to an address stays there: the contract remembers what an
    # address claimed, so an amount that moved with its owner could be claimed twice.
    promised: dict[tuple[bytes, bytes], int] = field(
        default_factory=lambda: defaultdict(int)
    )  # (address, asset) -> cumulative
    settled: dict[tuple[Identity, bytes], int] = field(
        default_factory=lambda: defaultdict(int)
    )  # (identity, asset) -> the part of `earned` that is in `promised`
    minted_micro: int = 0
    received: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))  # revenue ever
    deposits_seen: set[tuple[bytes, int]] = field(default_factory=set)  # (tx hash, log index)
    deployment: Deployment | None = None
    proposal: Proposal | None = None
    attestations: dict[Identity, bytes] = field(default_factory=dict)  # of the present proposal
    published_epoch: int = 0

    @property
    def closed_epoch(self) -> int:
        """The last epoch that was closed; 0 before the first."""
        return self.epoch.number - 1

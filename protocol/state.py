"""The network's state: what a replay of the log has so far.

Only `protocol.transition.apply` changes it, one whole entry at a time. Two replays of the same log hold equal
states. A coordinator's tables, a node's tasks and an auditor's findings are all read from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Final

from protocol.coin.dealing import Deal
from protocol.coin.group import Point
from protocol.coin.witnesses import Coin, Diligence, Proposal
from protocol.identity import NOBODY, KeyId, PersonId
from protocol.jobs import Complaint, Enrolment, Job, Trained, Update
from protocol.money.onchain import Ask, Bond, Deposit, OnChain, Past, Range, Root, Slash, Vouched
from protocol.money.payload import Payload
from protocol.money.settlement import Address, Deployment
from protocol.policy import Policy
from protocol.review.copies import Copies
from protocol.rows import (
    Belief,
    Campaign,
    CommittedBatch,
    Contribution,
    GivenAnswer,
    Item,
    ItemId,
    Licence,
    Member,
    Round,
    Snapshot,
    Terms,
)
from protocol.tables import Table, encode

SHARES: Final = b""
"""The asset "shares of the network", before a deployment gives it a contract."""

ITSELF: Final = ""
"""In the place of a part's name: the item, with all its parts."""

NO_POLICY: Final = Policy(*(0 for _ in fields(Policy)))  # before the genesis

NO_KEY: Final = KeyId(b"")  # likewise

NOTHING_READ: Final = OnChain()

Asset = bytes


@dataclass(slots=True)
class State:
    """Everything. Fields are grouped by the records that change them; `campaign` in a key is its id."""

    # -- the network
    size: int = 0  # log entries applied
    network: bytes = b""
    name: str = ""
    rules: int = 1  # version that governs the next entry
    upgrade: tuple[int, int] | None = None  # (version, first epoch) that is to come
    operator: PersonId = NOBODY
    operator_key: KeyId = NO_KEY
    log_keys: tuple[bytes, ...] = ()  # the first one named the network; the last one signs
    policy: Policy = NO_POLICY  # of the present epoch
    policy_to_come: Policy | None = None
    policies: int = 0  # changes ever asked for
    policy_block: int = 0  # of the chain, where the holders of shares decided on the last of them
    upgrades: int = 0  # likewise
    # Of campaigns, jobs and licences: (which of them, what the id looks like) -> the id.
    ids: Table[tuple[str, str], str] = field(default_factory=Table)

    # -- people
    members: Table[PersonId, Member] = field(default_factory=Table)
    keys: Table[KeyId, PersonId] = field(default_factory=Table)
    keys_of: Table[tuple[PersonId, KeyId], int] = field(
        default_factory=Table
    )  # log index of the delegation
    # Keys of invitations that were used, and the person who joined with each.
    invitations: Table[bytes, PersonId] = field(default_factory=Table)

    # -- the coin, by the nonce of its set of witnesses
    coin_nonce: int = 0  # of the present set
    coins: Table[int, Coin] = field(default_factory=Table)
    deals: Table[tuple[int, KeyId], Deal] = field(default_factory=Table)  # that count
    awaited: Table[tuple[int, str], int] = field(
        default_factory=Table
    )  # rounds under way, by campaign
    proposal: Proposal | None = None  # the set that is to follow
    proposals: int = 0  # ever made
    diligence: Table[PersonId, Diligence] = field(default_factory=Table)

    # -- campaigns and their rounds
    campaigns: Table[str, Campaign] = field(default_factory=Table)
    # Of each campaign that changed: its terms before, by their revision.
    past_terms: Table[tuple[str, int], Terms] = field(default_factory=Table)
    rounds: Table[str, Round] = field(default_factory=Table)
    # Who reviews, and with which machine's key.
    standbys: Table[tuple[str, PersonId], KeyId] = field(default_factory=Table)
    # How often each person has said whether to stand by.
    words: Table[tuple[str, PersonId], int] = field(default_factory=Table)
    # Of the round: who stood by when it was sealed; once it is drawn, who of them was drawn.
    candidates: Table[tuple[str, PersonId], KeyId] = field(default_factory=Table)
    tosses: Table[tuple[str, KeyId], Point] = field(default_factory=Table)  # of the round
    assignments: Table[tuple[str, ItemId], tuple[PersonId, ...]] = field(default_factory=Table)
    tasks: Table[tuple[str, PersonId], tuple[ItemId, ...]] = field(default_factory=Table)
    commits: Table[tuple[str, PersonId], CommittedBatch] = field(default_factory=Table)
    revealed: Table[tuple[str, PersonId], int] = field(default_factory=Table)  # log index

    # -- items
    items: Table[ItemId, Item] = field(default_factory=Table)
    # What waits for a seal: each author's queue, and by campaign whose queues are not empty.
    waiting: Table[tuple[tuple[str, PersonId], int], ItemId] = field(default_factory=Table)
    queues: Table[tuple[str, PersonId], int] = field(default_factory=Table)  # the first ticket
    tickets: int = 0
    accepted: Table[tuple[str, tuple[int, int]], ItemId] = field(
        default_factory=Table
    )  # by campaign, in log order
    # Erased, and not yet withdrawn: a replay is past their submission, not yet at their withdrawal. Items,
    # as ITSELF, and parts of items, by name.
    unexplained: Table[tuple[ItemId, str], int] = field(default_factory=Table)
    # What items earned that were withdrawn or are decided anew, and is to be repaid: weight, as in a line.
    repayable: Table[tuple[PersonId, str], int] = field(default_factory=Table)
    # By campaign; derived from items, so no table.
    copies: dict[str, Copies] = field(default_factory=dict)

    # -- since the last close
    epoch: int = 1
    invited: Table[PersonId, int] = field(default_factory=Table)  # invitations used, by inviter
    # Items that each has submitted, and those from before that still wait.
    submitted: Table[PersonId, int] = field(default_factory=Table)
    answers: Table[tuple[str, ItemId, PersonId], GivenAnswer] = field(default_factory=Table)
    reviewed: Table[tuple[str, PersonId], int] = field(default_factory=Table)  # answers, of those
    gold: Table[tuple[str, ItemId], bytes] = field(
        default_factory=Table
    )  # known answers, opened by a verdict
    # The latest items that were decided, by campaign and ticket: their answers tell who knows what.
    evidence: Table[tuple[str, int], ItemId] = field(default_factory=Table)
    # By the revision of the terms, too: each has its price.
    contributions: Table[tuple[PersonId, str, int], Contribution] = field(default_factory=Table)
    trained: Table[tuple[PersonId, str], Trained] = field(default_factory=Table)
    # Revenue that waits, by the log index of the record that brought it, and its place there.
    deposits: Table[tuple[int, int], Deposit] = field(default_factory=Table)

    # -- reputation, by (person, role, campaign); and what is left of old evidence by the close of an epoch,
    #    and of each that follows until the next row
    beliefs: Table[tuple[PersonId, int, str], Belief] = field(default_factory=Table)
    decay: Table[int, int] = field(default_factory=Table)

    # -- datasets and training
    snapshots: Table[bytes, Snapshot] = field(default_factory=Table)  # by record digest
    licences: Table[str, Licence] = field(default_factory=Table)
    jobs: Table[str, Job] = field(default_factory=Table)
    partners: Table[tuple[str, PersonId], Enrolment] = field(
        default_factory=Table
    )  # who joined a job
    updates: Table[tuple[str, PersonId], Update] = field(
        default_factory=Table
    )  # of the round that runs
    # What members of its committee say of its masks: (job, member, which masks) -> hash of their sum.
    openings: Table[tuple[str, PersonId, int], bytes] = field(default_factory=Table)
    complaints: Table[tuple[str, PersonId], Complaint] = field(default_factory=Table)  # by member
    # Epsilon in the last update, micro, by commitment to the data, author and delta, over all jobs.
    stated: Table[tuple[bytes, PersonId, int], int] = field(default_factory=Table)

    # -- money
    earned: Table[tuple[PersonId, Asset], int] = field(default_factory=Table)  # ever
    # Of that, what no settlement has promised, by the epoch that paid it.
    owed: Table[tuple[int, PersonId, Asset], int] = field(default_factory=Table)
    # What settlements have promised to an address stays there: the contract remembers what an
    # address claimed, so an amount that moved with its owner could be claimed twice.
    promised: Table[tuple[bytes, Asset], int] = field(
        default_factory=Table
    )  # (address, asset) -> ever
    minted_micro: int = 0
    payloads: Table[int, Payload] = field(
        default_factory=Table
    )  # of proposed settlements, by epoch
    proposed_epoch: int = 0  # the last of them
    asks: Table[str, Ask] = field(
        default_factory=Table
    )  # what witnesses are asked now, by record kind
    # Their answers: (what was signed, who signed it) -> signature.
    attestations: Table[tuple[bytes, Address], bytes] = field(default_factory=Table)
    # Revenue that was shared out and then undone by a reorganisation: as much of what comes in is not.
    overshared: Table[Asset, int] = field(default_factory=Table)
    closed_ms: int = 0  # when the last epoch was closed, by its record

    # -- the chain, as its contracts say
    deployment: Deployment | None = None  # the present one
    past: Table[int, Past] = field(default_factory=Table)  # those before, from 0
    onchain: OnChain = NOTHING_READ
    ranges: Table[int, Range] = field(default_factory=Table)  # by their first block; the latest
    rewinds: int = 0  # ever
    received: Table[Asset, int] = field(default_factory=Table)  # revenue ever
    claimed: Table[Asset, int] = field(default_factory=Table)  # ever, of what roots promise
    listed: Table[Asset, bool] = field(default_factory=Table)  # whether deposits are taken now
    roots: Table[int, Root] = field(default_factory=Table)  # by epoch: in force, or waiting
    bonds: Table[bytes, Bond] = field(default_factory=Table)  # by id
    vouched: Table[PersonId, Vouched] = field(default_factory=Table)  # all bonds of each person
    # What vouched for each person on the contracts before, until a root is in force on these.
    old_bonds: Table[PersonId, int] = field(default_factory=Table)
    slashes: Table[int, Slash] = field(default_factory=Table)  # that are open
    # Each (bond, evidence) of which a slash was ever proposed, and its number.
    accused: Table[tuple[bytes, bytes], int] = field(default_factory=Table)
    # What payees and the holders of shares said there, and in which block.
    payees: Table[tuple[Address, bytes], int] = field(default_factory=Table)
    decided: Table[bytes, int] = field(default_factory=Table)

    @property
    def closed_epoch(self) -> int:
        """The last epoch that was closed; 0 before the first."""
        return self.epoch - 1

    @property
    def settled_epoch(self) -> int:
        """The last epoch whose root is in force on chain; 0 before the first."""
        return self.onchain.epoch

    @property
    def log_key(self) -> bytes:
        """The key that signs checkpoints now."""
        return self.log_keys[-1]

    @property
    def coin(self) -> Coin:
        """The coin of the rounds that are sealed now."""
        return self.coins[self.coin_nonce]

    def round_of(self, campaign_id: str) -> Round:
        """A campaign's present or last round."""
        return self.rounds.get(campaign_id, Round())

    def campaign_under(self, campaign_id: str, revision: int) -> Campaign:
        """A campaign with the terms of one of its revisions: those that an item, or a round, goes by."""
        campaign = self.campaigns[campaign_id]
        if revision == campaign.revision:
            return campaign
        return campaign.under(self.past_terms[campaign_id, revision], revision)

    def rows(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Everything as (field, canonical key, canonical row), in one order."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, Table):
                for key, row in value.scan():
                    yield each.name, encode(key), encode(row)
            elif not isinstance(value, dict):
                yield each.name, b"", encode(value)


def waits_of(state: State, campaign_id: str) -> int:
    """How many items of a campaign wait for a seal."""
    return sum(state.waiting.count(queue) for queue, _ in state.queues.scan(campaign_id))

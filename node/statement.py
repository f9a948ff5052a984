"""Why did I get this? Every line that the log has for one identity, with the proof of each.

A line is a leaf of a `close` entry: the entry is in the log, the leaf in the entry's batch, and
`protocol.money.lines` says how its amount follows from the counts beside it. The upper part is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from node.rows import LogRow
from node.store import Store
from protocol.limits import PPM
from protocol.log.batch import check_batch, leaf_hashes, require_whole
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree
from protocol.money.accounts import on_chain_asset
from protocol.state import State
from protos.gen import records_pb2 as pb

_Pool = tuple[int, bytes, str]  # role, asset, licence


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One reward, where the log says so, and the proof from the leaf to the batch's root."""

    epoch: int
    entry_index: int
    leaf_index: int
    line: pb.RewardLine
    leaf: bytes
    proof: tuple[bytes, ...]  # RFC 6962, in the batch `root` of so many `leaves`
    root: bytes
    leaves: int
    pool: int  # what all lines of this role, asset and licence got

    @property
    def amount(self) -> int:
        """In the asset's smallest unit."""
        return int(self.line.amount)


@dataclass(frozen=True, slots=True)
class Balance:
    """Where one asset's earnings are, in its smallest unit: claimed <= published <= earned."""

    asset: bytes
    earned: int  # in closed epochs
    published: int  # of these, in epochs whose settlement is on chain
    claimed: int  # of these, by claims of this node that the chain confirmed

    @property
    def claimable(self) -> int:
        """What a claim would pay now."""
        return max(0, self.published - self.claimed)


def lines_of(entries: Iterable[LogRow], identity: bytes) -> Iterator[StatementLine]:
    """The lines of an identity in `close` entries of the log; other entries are passed over.

    Raises Reject for an entry whose leaves do not belong to it.
    """
    for entry in entries:
        envelope = parse_envelope(entry.envelope)
        if envelope.kind == "close":
            yield from _lines_in(entry, pb.Close.FromString(envelope.payload), identity)


def _lines_in(entry: LogRow, close: pb.Close, identity: bytes) -> Iterator[StatementLine]:
    leaves = require_whole(check_batch(close.lines.root, close.lines.count, entry.bundle))
    lines = [pb.RewardLine.FromString(leaf) for leaf in leaves]
    tree = MerkleTree(leaf_hashes(leaves))
    pools: dict[_Pool, int] = {}
    for line in lines:
        pools[_pool(line)] = pools.get(_pool(line), 0) + int(line.amount)
    for index, line in enumerate(lines):
        if line.identity == identity:
            yield StatementLine(
                epoch=close.epoch,
                entry_index=entry.index,
                leaf_index=index,
                line=line,
                leaf=leaves[index],
                proof=tuple(tree.inclusion_proof(index)),
                root=close.lines.root,
                leaves=len(leaves),
                pool=pools[_pool(line)],
            )


def _pool(line: pb.RewardLine) -> _Pool:
    """What a line is a part of: each licence's royalties are shared out by themselves."""
    return line.role, line.asset, line.licence_id


def explain(statement: StatementLine) -> str:
    """A line in a sentence: the counts, and what part of which pool they earned."""
    line, evidence = statement.line, statement.line.evidence
    part = statement.amount * PPM // statement.pool if statement.pool else 0
    share = f"{part / 10_000:.1f} %"
    match line.role:
        case pb.ROLE_CONTRIBUTOR if line.licence_id:
            items = f"{evidence.licensed} of your items in {line.campaign_id}"
            return (
                f"{items}, licensed as {line.licence_id} = {share} of the royalties of that licence"
            )
        case pb.ROLE_CONTRIBUTOR:
            return f"{_items(evidence)} in {line.campaign_id} = {share} of the contributors' pool"
        case pb.ROLE_REVIEWER:
            return f"{_answers(evidence)} in {line.campaign_id} = {share} of the reviewers' pool"
        case pb.ROLE_HOLDER:
            held = f"{evidence.shares_micro / PPM:,.6f} shares held"
            return f"{held} = {share} of the holders' part of the revenue"
        case pb.ROLE_TREASURY:
            return "the treasury's part, for the operator to keep for the network"
        case _:
            updates = "1 update" if evidence.updates == 1 else f"{evidence.updates} updates"
            return f"{updates} to the job {line.job_id} = {share} of the trainers' pool"


def _items(evidence: pb.Evidence) -> str:
    total = evidence.accepted + evidence.rejected + evidence.duplicates + evidence.undecided
    others = [
        f"{count} {word}"
        for count, word in (
            (evidence.rejected, "rejected"),
            (evidence.duplicates, "duplicate" if evidence.duplicates == 1 else "duplicates"),
            (evidence.undecided, "undecided"),
            (evidence.repaid, "unpaid for as many withdrawn before"),
        )
        if count
    ]
    return ", ".join([f"{evidence.accepted} of {total} items accepted", *others])


def _answers(evidence: pb.Evidence) -> str:
    parts = [f"{evidence.answers} answers"]
    if evidence.gold_answers:
        parts.append(f"{evidence.gold_right} of {evidence.gold_answers} gold items right")
    parts.append(f"agreement {evidence.agreement_ppm / 10_000:+.1f} % against chance")
    if evidence.ring_size > 1:  # 1 is somebody on their own
        parts.append(f"counted as one vote with a ring of {evidence.ring_size}")
    return ", ".join(parts)


# ---- from the node's own store ----


def read_statement(store: Store, identity: bytes, epoch: int | None = None) -> list[StatementLine]:
    """The lines of an identity in the stored log, of one epoch or of all."""
    return [
        line
        for line in lines_of(store.entries_of("close"), identity)
        if epoch is None or line.epoch == epoch
    ]


def read_balances(store: Store, state: State, lines: Iterable[StatementLine]) -> list[Balance]:
    """What became of the earnings in all `lines`, by asset."""
    claimed: dict[bytes, int] = {}
    for claim in store.claims():
        if claim.status == "confirmed":
            claimed[claim.asset] = max(claimed.get(claim.asset, 0), claim.cumulative)
    earned: dict[bytes, int] = {}
    published: dict[bytes, int] = {}
    for line in lines:
        asset = line.line.asset
        earned[asset] = earned.get(asset, 0) + line.amount
        settled = line.amount if line.epoch <= state.published_epoch else 0
        published[asset] = published.get(asset, 0) + settled
    return [
        Balance(asset, amount, published[asset], claimed.get(_on_chain(state, asset), 0))
        for asset, amount in sorted(earned.items())
    ]


def _on_chain(state: State, asset: bytes) -> bytes:
    """The name that a claim has for an asset; without a deployment there are no claims."""
    return asset if state.deployment is None else on_chain_asset(state, asset)

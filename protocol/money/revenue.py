"""Revenue: what came in, and whose it is.

    treasury   its part of everything, by policy
    royalties  of what a licence brought after that. Of a snapshot: to its authors, by their items, a
               derivative as much as it earned; nothing where no item is worth any. Of a model: to those who
               trained it, by what their updates weigh, and to the authors of the snapshot of its job
    holders    the rest, by the shares held at the end of the epoch

Every unit of every asset goes to somebody, and the parts add up exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from protocol.identity import PersonId
from protocol.limits import OPERATOR_LEAVES_MAX, PPM
from protocol.money.pools import split
from protocol.state import SHARES, State
from protos.gen import records_pb2 as pb

# Of a model's royalties, the part of the authors whose items calibrated, whitened or measured it. Trainers
# have the rest: their examples are what it learned from, round after round, and nobody else has those.
MODEL_AUTHORS_PPM: Final = 250_000


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose work a licence sells: by person, ascending, what each one's part weighs."""

    campaign_id: str  # of the snapshot; empty without one
    job_id: str  # of a model; empty for a snapshot
    authors: tuple[tuple[PersonId, int], ...]  # thousandths of items
    trainers: tuple[tuple[PersonId, int], ...]  # what updates in rounds weigh, in millionths of one
    updates: Mapping[PersonId, int]  # how many those are

    @property
    def lines(self) -> int:
        """How many lines a close may need for them."""
        return len(self.authors) + len(self.trainers)

    @property
    def any(self) -> bool:
        """Whether anybody's part weighs something."""
        return any(weight for _, weight in (*self.authors, *self.trainers))

    def cut(self, royalty: int) -> tuple[int, int]:
        """What of a royalty is the authors', and what the trainers': all of it where others have no part."""
        if not any(weight for _, weight in self.trainers):
            return royalty, 0
        if not any(weight for _, weight in self.authors):
            return 0, royalty
        authors = royalty * MODEL_AUTHORS_PPM // PPM
        return authors, royalty - authors


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in of one asset for one licence, or for the network as a whole."""

    asset: bytes
    licence_id: str  # empty = the network's
    amount: int


def revenue_lines(state: State, minted: Sequence[pb.RewardLine]) -> Iterator[pb.RewardLine]:
    """The lines of all revenue that this epoch shares out; `minted` are its lines in shares."""
    holdings = _holdings(state, minted)
    holders = sorted(holdings)
    rest: dict[bytes, list[int]] = {}  # asset -> parts of treasury and holders
    for flow in due_flows(state, minted):
        treasury = flow.amount * state.policy.revenue_treasury_ppm // PPM
        royalty = 0
        if flow.licence_id and (owners := _owners(state, flow.licence_id)).any:
            royalty = (flow.amount - treasury) * state.policy.royalty_ppm // PPM
            yield from _royalty_lines(flow, owners, royalty)
        shared = flow.amount - treasury - royalty if holders else 0
        parts = rest.setdefault(flow.asset, [0, 0])
        parts[0] += flow.amount - royalty - shared
        parts[1] += shared
    for asset, (treasury, shared) in sorted(rest.items()):
        if treasury:
            yield treasury_line(state, asset, treasury)
        amounts = split(shared, [holdings[who] for who in holders])
        for who, amount in zip(holders, amounts, strict=True):
            if amount:
                yield pb.RewardLine(
                    person=who,
                    role=pb.ROLE_HOLDER,
                    asset=asset,
                    amount=str(amount),
                    evidence=pb.Evidence(shares_micro=holdings[who]),
                )


def treasury_line(state: State, asset: bytes, amount: int) -> pb.RewardLine:
    """The treasury's part, which the operator holds."""
    return pb.RewardLine(
        person=state.operator, role=pb.ROLE_TREASURY, asset=asset, amount=str(amount)
    )


def due_flows(state: State, minted: Sequence[pb.RewardLine]) -> list[Flow]:
    """What this epoch shares out, by licence and asset.

    Anybody may deposit any token, and each costs a line for every holder. What does not fit into one
    close waits for the next, first come first served: an epoch can always be closed.
    """
    amounts: dict[tuple[str, bytes], int] = {}
    for _, deposit in state.deposits.scan():
        key = (deposit.licence_id, deposit.asset)
        amounts[key] = amounts.get(key, 0) + deposit.amount
    room = OPERATOR_LEAVES_MAX - len(minted)
    holders, assets, taken = len(_holdings(state, minted)), set[bytes](), list[Flow]()
    for (licence_id, asset), amount in amounts.items():
        lines = 0 if asset in assets else holders + 1
        lines += _owners(state, licence_id).lines if licence_id else 0
        if lines > room:
            break
        room -= lines
        assets.add(asset)
        taken.append(Flow(asset, licence_id, amount))
    return sorted(taken, key=lambda flow: (flow.licence_id, flow.asset))


def due_deposits(state: State, minted: Sequence[pb.RewardLine]) -> list[tuple[int, int]]:
    """The deposits that this epoch shares out, by their keys."""
    due = {(flow.licence_id, flow.asset) for flow in due_flows(state, minted)}
    return [key for key, each in state.deposits.scan() if (each.licence_id, each.asset) in due]


def _holdings(state: State, minted: Sequence[pb.RewardLine]) -> dict[PersonId, int]:
    """Micro-shares of everybody who holds some, with those of this epoch."""
    holdings = {who: amount for (who, asset), amount in state.earned.scan() if asset == SHARES}
    for line in minted:
        who = PersonId(line.person)
        holdings[who] = holdings.get(who, 0) + int(line.amount)
    return {who: amount for who, amount in holdings.items() if amount > 0}


def owners_of(state: State, snapshot: bytes, job_id: str) -> Owners:
    """Whose work a snapshot is, or the model of a job with the snapshot that its terms name."""
    weights, updates = Counter[PersonId](), Counter[PersonId]()
    if job_id:
        job = state.jobs[job_id]
        snapshot = job.terms.snapshot
        for round_ in job.rounds:
            if round_.model == round_.base_model:
                continue  # it was rolled back: nothing of it is in the model
            each = round_.weights_ppm or (PPM,) * len(round_.partners)
            weights.update(dict(zip(round_.partners, each, strict=True)))
            updates.update(round_.partners)
    sold = state.snapshots[snapshot] if snapshot else None
    return Owners(
        campaign_id=sold.campaign_id if sold else "",
        job_id=job_id,
        authors=sold.credits if sold else (),
        trainers=tuple(sorted(weights.items())),
        updates=updates,
    )


def _owners(state: State, licence_id: str) -> Owners:
    licence = state.licences[licence_id]
    return owners_of(state, licence.snapshot, licence.job_id)


def _royalty_lines(flow: Flow, owners: Owners, royalty: int) -> Iterator[pb.RewardLine]:
    authors, trainers = owners.cut(royalty)
    for who, worth, amount in _parts(owners.authors, authors):
        yield pb.RewardLine(
            person=who,
            role=pb.ROLE_CONTRIBUTOR,
            campaign_id=owners.campaign_id,
            job_id=owners.job_id,
            asset=flow.asset,
            amount=str(amount),
            licence_id=flow.licence_id,
            evidence=pb.Evidence(licensed_permille=worth),
        )
    for who, weight, amount in _parts(owners.trainers, trainers):
        updates = owners.updates[who]
        yield pb.RewardLine(
            person=who,
            role=pb.ROLE_TRAINER,
            job_id=owners.job_id,
            asset=flow.asset,
            amount=str(amount),
            licence_id=flow.licence_id,
            evidence=pb.Evidence(
                updates=updates, worth_ppm=0 if weight == updates * PPM else weight
            ),
        )


def _parts(
    owners: Sequence[tuple[PersonId, int]], amount: int
) -> Iterator[tuple[PersonId, int, int]]:
    """(who, weight, part of the amount) of all who get something."""
    parts = split(amount, [weight for _, weight in owners])
    for (who, weight), part in zip(owners, parts, strict=True):
        if part:
            yield who, weight, part

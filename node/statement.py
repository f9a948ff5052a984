"""Why did I get this? Every line that the log has for one person, with the proof of each.

A line is a leaf of a `close` entry: the entry is in the log, the leaf in the entry's batch, and
`protocol.money.earnings` says how its amount follows from the counts beside it. Behind the counts of a
contributor's line are items, and `explain_item` says what was decided of each. The upper part is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from commonground.counting import plural
from commonground.takedowns import takedown_words
from node.rows import ClaimRow, ItemRow, LogRow
from node.store import Store
from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.limits import PPM, WHOLE_PERMILLE
from protocol.log.batch import check_batch, leaf_hashes, require_whole
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import MerkleTree
from protocol.log.strict import parse_leaf, strict_parse
from protocol.money.accounts import on_chain_asset
from protocol.rows import Campaign, Item
from protocol.rules.drawing import count_who_may_review
from protocol.state import SHARES, State
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

CONFIRMED: Final = "confirmed"  # of a claim: the chain has it
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
    claimed: int  # of these, by claims that the chain confirmed, as far as this node has seen

    @property
    def claimable(self) -> int:
        """What a claim would pay now."""
        return max(0, self.published - self.claimed)


def lines_of(entries: Iterable[LogRow], person: PersonId) -> Iterator[StatementLine]:
    """The lines of a person in `close` entries of the log; other entries are passed over.

    Raises Reject for an entry whose leaves do not belong to it.
    """
    for entry in entries:
        envelope = parse_envelope(entry.envelope)
        if envelope.kind == "close":
            close = strict_parse(pb.Close, envelope.payload, "the close")
            yield from _lines_in(entry, close, person)


def _lines_in(entry: LogRow, close: pb.Close, person: PersonId) -> Iterator[StatementLine]:
    leaves = require_whole(check_batch(close.lines.root, close.lines.count, entry.bundle))
    lines = [parse_leaf(pb.RewardLine, leaf) for leaf in leaves]
    tree = MerkleTree(leaf_hashes(leaves))
    pools: dict[_Pool, int] = {}
    for line in lines:
        pools[_pool(line)] = pools.get(_pool(line), 0) + int(line.amount)
    for index, line in enumerate(lines):
        if line.person == person:
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
    if line.licence_id:
        return _royalty(line, share)
    match line.role:
        case pb.ROLE_CONTRIBUTOR:
            # Which guidelines and which price; most campaigns never change theirs.
            terms = f", under change {line.revision} of its terms" if line.revision else ""
            earned = f"{_items(evidence)} in {line.campaign_id}{terms}"
            earned = f"{earned} = {share} of the contributors' pool"
            return earned + _why_nothing(statement, _why_no_weight(evidence))
        case pb.ROLE_REVIEWER:
            earned = f"{_answers(evidence)} in {line.campaign_id} = {share} of the reviewers' pool"
            return earned + _why_nothing(
                statement, ": nobody else answered these items, or guesses would have told as much"
            )
        case pb.ROLE_HOLDER:
            held = f"{evidence.shares_micro / PPM:,.6f} shares held"
            return f"{held} = {share} of the holders' part of the revenue"
        case pb.ROLE_TREASURY:
            return "the treasury's part, for the operator to keep for the network"
        case _:
            earned = (
                f"{_updates(evidence)} to the job {line.job_id} = {share} of the trainers' pool"
            )
            return earned + _why_nothing(statement)


def _royalty(line: pb.RewardLine, share: str) -> str:
    """A line of what a licence brought: for a snapshot, or for a model to its trainers and authors."""
    licensed = line.evidence.licensed_permille / WHOLE_PERMILLE
    items = f"{licensed:g} of your items in {line.campaign_id}"
    if not line.job_id:
        return f"{items}, licensed as {line.licence_id} = {share} of the royalties of that licence"
    if line.role == pb.ROLE_TRAINER:
        work, whose = f"{_updates(line.evidence)} to", "trainers'"
    else:
        work, whose = f"{items}, in the snapshot behind", "authors'"
    sold = f"the model of {line.job_id}, licensed as {line.licence_id}"
    return f"{work} {sold} = {share} of its {whose} part of the royalties"


def _updates(evidence: pb.Evidence) -> str:
    updates = plural(evidence.updates, "update")
    if evidence.worth_ppm:
        updates += f", which by their worth weigh as much as {evidence.worth_ppm / PPM:.2f},"
    return updates


def _why_nothing(statement: StatementLine, without_weight: str = "") -> str:
    """Why work earned nothing; empty where it earned something. `without_weight`: why it weighed nothing, if
    the counts do not say."""
    if statement.amount:
        return ""
    if not statement.line.weight_micro:
        return without_weight
    return ": the pool was empty" if not statement.pool else ": less than the smallest unit"


def _why_no_weight(evidence: pb.Evidence) -> str:
    """Why a contributor's items weigh nothing together."""
    if not evidence.accepted:
        return ": only what is accepted earns"
    if evidence.repaid_micro:
        return ": it repays what you gave up before"
    return ": what is rejected costs, and took all that the accepted ones earned"


def _items(evidence: pb.Evidence) -> str:
    total = evidence.accepted + evidence.rejected + evidence.duplicates + evidence.undecided
    repaid = evidence.repaid_micro / PPM
    others = [
        f"{count:g} {word}"
        for count, word in (
            (evidence.derivatives, "of them paid in part, as derivatives"),
            (evidence.rejected, "rejected"),
            (evidence.duplicates, "duplicate" if evidence.duplicates == 1 else "duplicates"),
            (evidence.undecided, "undecided"),
            (repaid, "repaid (at price 1) for what you gave up before"),
        )
        if count
    ]
    return ", ".join([f"{evidence.accepted} of {plural(total, 'item')} accepted", *others])


def _answers(evidence: pb.Evidence) -> str:
    parts = [plural(evidence.answers, "answer")]
    if evidence.gold_answers:
        parts.append(f"{evidence.gold_right} of {evidence.gold_answers} gold items right")
    parts.append(f"agreement {evidence.agreement_ppm / 10_000:+.1f} % against chance")
    if evidence.programs:
        parts[0] += f" ({evidence.programs} of them given by a program)"
    if evidence.ring_size > 1:  # 1 is somebody on their own
        parts.append(f"counted as one vote with a ring of {evidence.ring_size}")
    return ", ".join(parts)


# ---- what was decided of an item ----


def explain_item(state: State, item: Item) -> str:
    """What became of an item, in words: the answer, how sure it is, and what the reviewers said."""
    if item.before is not None:
        return _explain_contest(state, item, item.before)
    match item.status:
        case ItemStatus.ACCEPTED | ItemStatus.REJECTED | ItemStatus.UNDECIDED:
            few = few_may_review(state, item) if item.waits else ""
            said = _explain_verdict(state.campaigns[item.campaign_id], item)
            return f"{said}; {few}" if few else said
        case ItemStatus.DUPLICATE:
            said = f"{_called(item)} " if item.relation else ""
            original = item.duplicate_of.hex()[:12]
            return f"{said}a copy of {original}, which came before{_final(item)}"
        case _:
            return _stage(item)


def _explain_contest(state: State, item: Item, before: Item) -> str:
    waits = item.status in (ItemStatus.SUBMITTED, ItemStatus.UNDECIDED)
    stage = _STAGES[ItemStatus.SUBMITTED if waits else item.status]
    said = f"{stage}: you contested that it is {contested_words(before)} of {item.resembles.hex()[:12]}"
    few = few_may_review(state, item) if waits else ""
    return f"{said}; {few}" if few else said


def few_may_review(state: State, item: Item) -> str:
    """That it waits for people who may review it; empty where enough stand by."""
    wanted = state.campaigns[item.campaign_id].reviewers_per_item
    there = count_who_may_review(state, item)
    if there >= wanted:
        return ""
    few = f"only {there:,} of {wanted:,}" if there else "nobody"
    return f"{few} who may review it stands by: whoever reviewed it before may not"


def _explain_verdict(campaign: Campaign, item: Item) -> str:
    question = question_of(campaign)
    kind, spec = question.kind, question.spec
    said = f" ({kind.explain(spec, item.belief_ppm)})" if item.belief_ppm else ""
    said += panel_words(item)
    if item.status is ItemStatus.UNDECIDED and item.draws:
        times = "once" if item.draws == 1 else f"{item.draws} times"
        return f"undecided after being reviewed {times}{said}"
    if item.refusal:
        return f"refused: most reviewers found it {REFUSALS[item.refusal]}{panel_words(item)}"
    if item.answer is None:
        return _STAGES[item.status]
    if item.status is ItemStatus.ACCEPTED:
        return f"accepted as {kind.words(spec, item.answer)}{said}{_paid_for(campaign, item)}"
    proposed = "" if item.proposal is None else f", you said {kind.words(spec, item.proposal)}"
    return f"rejected: it is {kind.words(spec, item.answer)}{proposed}{said}"


def _paid_for(campaign: Campaign, item: Item) -> str:
    """What part of the price an accepted item earned, and why, where it was compared with another one."""
    if item.relation == pb.RELATION_NONE:
        return ""
    original = item.resembles.hex()[:12]
    if item.relation == pb.RELATION_INDEPENDENT:
        few = f"too few reviewers called it a copy or a derivative of {original}"
        return f"; whole price: {few}{_final(item)}"
    permille = campaign.worth_permille(item.relation)
    part = "half" if 2 * permille == WHOLE_PERMILLE else f"{permille / 10:g} % of the"
    if item.relation == pb.RELATION_UNSEEN:
        unseen = f"reviewers were not shown {original}, which it resembles"
        return f"; {part} price: {unseen}{_final(item)}"
    return f"; {part} price: {_called(item)} a derivative of {original}{_final(item)}"


def _called(item: Item) -> str:
    """In a contest, who says nothing of it leaves it what it was: then it need not be reviewers' word."""
    return "it counts as" if item.contested else "reviewers called it"


def _final(item: Item) -> str:
    return "; you contested that, and this is final" if item.contested else ""


def contested_words(item: Item) -> str:
    """What an item is to an earlier one, as its author contests it: "a copy", or what earns a part only."""
    return "a copy" if item.status is ItemStatus.DUPLICATE else "a derivative"


def _stage(item: Item) -> str:
    why, stage = item.takedown, _STAGES[item.status]
    if item.status is not ItemStatus.TAKEN_DOWN or why is None:
        return stage
    return f"{stage}, since {takedown_words(why.reason, why.words)}"


def panel_words(item: Item) -> str:
    """For how many of an item's reviewers a program answered; empty where none did."""
    if not item.programs:
        return ""
    return f"; programs answered for {item.programs} of {len(item.panel)} reviewers"


# As reviewers say it; the words of records.proto.
REFUSALS: Final[Mapping[int, str]] = {
    pb.REFUSAL_MISMATCH: "not what its record says",
    pb.REFUSAL_UNREADABLE: "unreadable",
    pb.REFUSAL_OFF_TOPIC: "not what the campaign asks for",
    pb.REFUSAL_PERSONAL: "to show personal data that it does not declare",
    pb.REFUSAL_HARMFUL: "harmful",
    pb.REFUSAL_UNSURE: "impossible to tell",
    pb.REFUSAL_UNAVAILABLE: "out of reach",
}
# What a reviewer says of a likely copy, after "called it".
RELATIONS: Final[Mapping[int, str]] = {
    pb.RELATION_COPY: "a copy",
    pb.RELATION_DERIVATIVE: "a derivative",
    pb.RELATION_INDEPENDENT: "independent",
    pb.RELATION_UNSURE: "hard to tell from a copy",
    pb.RELATION_UNSEEN: "one of two, the other not being served",
}
_STAGES: Final[Mapping[ItemStatus, str]] = {
    ItemStatus.SUBMITTED: "waits for a round",
    ItemStatus.DRAWN: "is being reviewed",
    ItemStatus.COMMITTED: "is being reviewed",
    ItemStatus.REVEALED: "is being reviewed",
    ItemStatus.ACCEPTED: "accepted",
    ItemStatus.REJECTED: "rejected",
    ItemStatus.TAKEN_DOWN: "taken down by the operator",
    ItemStatus.UNDECIDED: "undecided: its campaign was closed before anybody reviewed it",
    ItemStatus.WITHDRAWN: "withdrawn",
}


# ---- from the node's own store ----


def read_statement(store: Store, person: PersonId, epoch: int | None = None) -> list[StatementLine]:
    """The lines of a person in the stored log, of one epoch or of all."""
    return [
        line
        for line in lines_of(store.entries_of("close"), person)
        if epoch is None or line.epoch == epoch
    ]


def decided_items(
    store: Store, state: State, epoch: int | None = None
) -> Iterator[tuple[ItemRow, Item]]:
    """Our items that were decided in an epoch, or in any: what is behind a contributor's counts. A strict
    match is set aside without an epoch, and is among those of any. What is contested was decided before."""
    for row in store.items():
        item = state.items.get(row.item_id)
        if item is None:
            continue
        decided = item.before or item
        is_decided = decided.decided_in is not None or decided.status is ItemStatus.DUPLICATE
        if is_decided and epoch in (None, decided.decided_in):
            yield row, item


def read_balances(store: Store, state: State, lines: Iterable[StatementLine]) -> list[Balance]:
    """What became of the earnings in all `lines`, by asset. Of what was earned before the network moved, its
    shares: the rest is claimed where it came in (node/claims.py).
    """
    claimed: dict[bytes, int] = {}
    for (_, asset), amount in claimed_by(store.claims(), len(state.past)).items():
        claimed[asset] = claimed.get(asset, 0) + amount
    earned: dict[bytes, int] = {}
    published: dict[bytes, int] = {}
    start = 0 if state.deployment is None else state.deployment.start
    for line in lines:
        asset = line.line.asset
        if asset != SHARES and line.epoch <= start:
            continue
        earned[asset] = earned.get(asset, 0) + line.amount
        is_settled = line.epoch <= state.settled_epoch > start
        settled = line.amount if is_settled else 0
        published[asset] = published.get(asset, 0) + settled
    return [
        Balance(asset, amount, published[asset], claimed.get(_on_chain(state, asset), 0))
        for asset, amount in sorted(earned.items())
    ]


def claimed_by(claims: Iterable[ClaimRow], moves: int) -> dict[tuple[bytes, bytes], int]:
    """All that was ever claimed on the contracts to which the network came by so many `moves`, by (account,
    asset), as far as this node remembers."""
    had: dict[tuple[bytes, bytes], int] = {}
    for each in claims:
        if each.status == CONFIRMED and each.moves == moves:
            place = each.account, each.asset
            had[place] = max(had.get(place, 0), each.cumulative)
    return had


def _on_chain(state: State, asset: bytes) -> bytes:
    """The name that a claim has for an asset; without a deployment there are no claims."""
    return asset if state.deployment is None else on_chain_asset(state, asset)

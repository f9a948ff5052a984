"""ranking.json: who or what wrote the better answers, for campaigns that compare sources.

Verdicts on pairs never depend on their sources; this comes after the fact, from all votes of the campaign
on pairs whose parts name two different sources, whatever was decided of them: close contests that no
verdict decided count as well. Votes on withdrawn pairs are left out, since their sources are erased.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from coordinator.ledger import Ledger, StoredEntry
from protocol.errors import StateError
from protocol.limits import PPM
from protocol.log.batch import Erased, decode_bundle
from protocol.log.envelope import Envelope, parse_envelope
from protocol.log.strict import M, parse_leaf, strict_parse
from protocol.rows import Item, ItemId
from protocol.state import State
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

FORMAT: Final = "commonhold-ranking/1"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A source. `strength`: log-odds against an average one, from `low` to `high` with 95 %."""

    source: str
    strength: float
    low: float
    high: float
    votes: int


@dataclass(frozen=True, slots=True)
class SourceRanking:
    """The sources of a campaign, best first."""

    campaign: str
    votes: int
    judges: int
    sources: tuple[Ranked, ...]

    def encode(self) -> bytes:
        """The file's bytes."""
        data = {"format": FORMAT, **asdict(self)}
        return json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class _Vote:
    left: str
    right: str
    judge: bytes
    outcome: int  # what the answer says: 0, 1, or 2 for a tie


def rank(state: State, ledger: Ledger, campaign_id: str) -> SourceRanking | None:
    """The campaign's sources; None where it does not compare any. Reads the ledger once."""
    compared = question_of(state.campaigns[campaign_id]).kind.compared_parts
    if not compared:
        return None
    votes: list[_Vote] = []
    gold: dict[ItemId, bytes] = {}
    given: list[pb.Answer] = []
    for entry in ledger.entries(0, ledger.size):
        for leaf in _leaves(entry, campaign_id):
            if isinstance(leaf, pb.Answer) and leaf.answer:
                given.append(leaf)
                votes += _votes(compared, state.items[leaf.item_id], leaf)
            elif isinstance(leaf, pb.ItemVerdict) and leaf.gold_salt:
                gold[leaf.item_id] = leaf.gold
    if not votes:
        return None
    right, wrong = Counter[bytes](), Counter[bytes]()
    for answer in given:
        if answer.item_id in gold:
            tally = right if answer.answer == gold[answer.item_id] else wrong
            tally[answer.reviewer] += 1
    return _ranked(campaign_id, votes, right, wrong)


def _leaves(entry: StoredEntry, campaign_id: str) -> Iterator[pb.Answer | pb.ItemVerdict]:
    """The answers and verdicts that an entry of the campaign holds."""
    envelope = parse_envelope(entry.envelope)
    message: type[pb.Answer] | type[pb.ItemVerdict]
    match envelope.kind:
        case "reveal":
            of_campaign, message = _parse(pb.Reveal, envelope).campaign_id, pb.Answer
        case "verdict":
            of_campaign, message = _parse(pb.Verdict, envelope).campaign_id, pb.ItemVerdict
        case _:
            return
    if of_campaign != campaign_id:
        return
    for leaf in decode_bundle(entry.bundle or b""):
        if isinstance(leaf, Erased):
            raise StateError("an answer of the log was erased", "run `commonhold coordinator fsck`")
        yield parse_leaf(message, leaf)


def _parse(message: type[M], envelope: Envelope) -> M:
    return strict_parse(message, envelope.payload, f"the {envelope.kind}")


def _votes(compared: Sequence[str], item: Item, answer: pb.Answer) -> Iterator[_Vote]:
    if item.description is None:
        return
    left, right = (item.description.part(name).source for name in compared)
    if left and right and left != right:
        yield _Vote(left, right, answer.reviewer, answer.answer[0])


def _ranked(
    campaign_id: str, votes: list[_Vote], right: Counter[bytes], wrong: Counter[bytes]
) -> SourceRanking:
    import numpy as np  # with the engine: an export of another kind waits for neither

    from protocol.truth.ranking import SOURCES_MAX, Contests, rank_sources

    counted = Counter[str](name for vote in votes for name in (vote.left, vote.right))
    # The engine holds a table of sources by sources: those with the most votes are in it.
    kept = sorted(counted, key=lambda name: (-counted[name], name))[:SOURCES_MAX]
    sources = {name: at for at, name in enumerate(sorted(kept))}
    votes = [vote for vote in votes if vote.left in sources and vote.right in sources]
    judges = sorted({vote.judge for vote in votes})
    place = {judge: at for at, judge in enumerate(judges)}
    ranking = rank_sources(
        Contests(
            left=np.array([sources[vote.left] for vote in votes], np.int64),
            right=np.array([sources[vote.right] for vote in votes], np.int64),
            judge=np.array([place[vote.judge] for vote in votes], np.int64),
            outcome=np.array([vote.outcome for vote in votes], np.int64),
            n_sources=len(sources),
            n_judges=len(judges),
        ),
        gold_right=np.array([right[judge] for judge in judges], np.int64),
        gold_wrong=np.array([wrong[judge] for judge in judges], np.int64),
    )
    names = list(sources)
    ranked = tuple(
        Ranked(
            names[at],
            int(ranking.strength_micro[at]) / PPM,
            int(ranking.low_micro[at]) / PPM,
            int(ranking.high_micro[at]) / PPM,
            counted[names[at]],
        )
        for at in ranking.order
    )
    return SourceRanking(campaign_id, len(votes), len(judges), ranked)

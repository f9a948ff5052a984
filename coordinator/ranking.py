"""Who or what wrote the better answers, for campaigns that compare sources: the one ranking, which pages show
and datasets carry.

Verdicts on pairs never depend on their sources; this comes after the fact, from all votes of the campaign
on pairs whose parts name two different sources, whatever was decided of them: close contests that no
verdict decided count as well. What judges said of gold, pairs without sources included, tells how far each
of them is to be believed. Votes on withdrawn pairs are left out, since their sources are erased.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coordinator.answers import Comparisons, Vote
from protocol.limits import PPM

if TYPE_CHECKING:
    from protocol.truth.ranking import Contests

# Anybody can name a source. Those with the most votes are ranked: a thousand take a quarter of a minute.
SOURCES_RANKED: Final = 256


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
    """The sources of a campaign, best first. `unranked`: how many more there are, with fewer votes."""

    votes: int
    judges: int
    sources: tuple[Ranked, ...]
    unranked: int


def rank(seen: Comparisons) -> SourceRanking | None:
    """Ranks a campaign's sources; None while nobody has voted. Takes a while with many: not for the loop."""
    if not seen.votes:
        return None
    import numpy as np  # with the engine: who shows or exports another kind waits for neither

    from protocol.truth.ranking import rank_sources

    counted = Counter[str]()
    for vote, number in seen.votes.items():
        counted[vote.left] += number
        counted[vote.right] += number
    kept = sorted(counted, key=lambda name: (-counted[name], name))[:SOURCES_RANKED]
    names = sorted(kept)
    among = {name: at for at, name in enumerate(names)}
    votes = Counter(
        {vote: n for vote, n in seen.votes.items() if vote.left in among and vote.right in among}
    )
    judges = sorted({vote.judge for vote in votes})
    ranking = rank_sources(
        _contests(votes, among, {judge: at for at, judge in enumerate(judges)}),
        gold_right=np.array([seen.gold_right[judge] for judge in judges], np.int64),
        gold_wrong=np.array([seen.gold_wrong[judge] for judge in judges], np.int64),
    )
    strength, low, high = (
        (each / PPM).tolist()
        for each in (ranking.strength_micro, ranking.low_micro, ranking.high_micro)
    )
    ranked = tuple(
        Ranked(names[at], strength[at], low[at], high[at], counted[names[at]])
        for at in ranking.order
    )
    return SourceRanking(votes.total(), len(judges), ranked, len(counted) - len(kept))


def _contests(votes: Counter[Vote], sources: dict[str, int], judges: dict[bytes, int]) -> Contests:
    import numpy as np

    from protocol.truth.ranking import Contests

    rows = np.array(
        [(sources[v.left], sources[v.right], judges[v.judge], v.outcome) for v in votes], np.int64
    )
    left, right, judge, outcome = np.repeat(rows, list(votes.values()), axis=0).T
    return Contests(left, right, judge, outcome, len(sources), len(judges))

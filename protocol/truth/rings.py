"""Find rings: reviewers who agree with one another more than the truth explains.

Two honest reviewers agree because both are often right. Given the posterior of an item and both
confusion matrices, how often they should agree is known; the residual is the sign of a copied or
agreed answer. Agreement alone proves nothing (good reviewers share their rare, natural mistakes),
so a suspected ring also has to be worse on gold than the others: without gold there is no ring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from protocol.truth.data import NO_RING, Answers, BoolArray, FloatArray, Gold, IntArray, group_sum
from protocol.truth.model import Prior, row_prior

RESIDUAL_Z = 3.5  # standard deviations of unexplained agreement, for a pair and for a newcomer
MIN_EXCESS = 0.05  # and at least this share of the shared items: large samples make noise "certain"
MIN_SHARED = 8  # items two reviewers share before their agreement is tested
MIN_RING = 3  # a pair may be friends; three with two links each are a ring
MIN_LINKS = 2
VETO_MARGIN = 0.05  # how much worse on gold, in accuracy, a ring must be than the others
VETO_Z = 1.645  # and how surely: one-sided 5 %
MIN_VETO_GOLD = 5  # gold items that both the ring and others answered
MAX_RINGS = 64  # largest first; each costs a pass over the answers
# 2e7 co-answers take 1.5 GB. Above that, items with the fewest answers are tested first (one that
# everybody answered is the dearest), then the earliest: infer shorter windows instead.
MAX_CO_ANSWERS = 20_000_000
PAIR_BUCKETS = 1 << 22  # 32 MB of counters; with fewer pairs than that, each has its own

# Lighter than the model's: the test must see what a reviewer does, not what the crowd does.
TEST_PRIOR = Prior(row_per_label=1.0, guess=0.25)


@dataclass(frozen=True, slots=True, eq=False)
class CoAnswers:
    """Pairs of reviewers with at least MIN_SHARED common items, and their answers there.

    left, right, shared: (n_pairs,). pair, item, agree: (n_co_answers,), `pair` indexes the former.
    Sparse: its size is the number of co-answers, never reviewers squared.
    """

    left: IntArray
    right: IntArray
    shared: FloatArray
    pair: IntArray
    item: IntArray
    agree: FloatArray


def co_answers(answers: Answers) -> CoAnswers:
    """Enumerate co-answers. Answers are sorted by item, so partners are a fixed step apart."""
    first: list[IntArray] = []
    second: list[IntArray] = []
    here = np.flatnonzero(_affordable(answers)[answers.item])
    step = 0
    # Whoever has no partner this far on has none further on: the work is the pairs found.
    while len(here):
        step += 1
        here = here[here + step < len(answers)]
        here = here[answers.item[here + step] == answers.item[here]]
        first.append(here)
        second.append(here + step)
    a = np.concatenate([np.zeros(0, np.int64), *first])
    b = np.concatenate([np.zeros(0, np.int64), *second])
    key = answers.reviewer[a] * answers.n_reviewers + answers.reviewer[b]
    # Sorting is dear, and most pairs in a crowd hardly ever meet: as many in a bucket is a must.
    bucket = key & (PAIR_BUCKETS - 1)
    keep = np.bincount(bucket, minlength=1)[bucket] >= MIN_SHARED
    a, b, key = a[keep], b[keep], key[keep]
    unique, inverse, shared = _count_keys(key, answers.n_reviewers**2)
    tested = shared >= MIN_SHARED
    renumber = np.cumsum(tested) - 1
    keep = tested[inverse]
    a, b = a[keep], b[keep]
    return CoAnswers(
        left=unique[tested] // max(answers.n_reviewers, 1),
        right=unique[tested] % max(answers.n_reviewers, 1),
        shared=shared[tested].astype(np.float64),
        pair=renumber[inverse[keep]],
        item=answers.item[a],
        agree=(answers.label[a] == answers.label[b]).astype(np.float64),
    )


def find_rings(answers: Answers, gold: Gold, posterior: FloatArray, co: CoAnswers) -> IntArray:
    """Ring of each reviewer: (n_reviewers,) ids 0.. by size, NO_RING for none.

    posterior (n_items, K) is the present belief, fitted with any earlier rings already merged.
    """
    confusion = _own_confusion(answers, posterior)
    suspects = _components(co, _unexplained(co, posterior, confusion), answers.n_reviewers)
    ring = np.full(answers.n_reviewers, NO_RING, dtype=np.int64)
    n_rings = 0
    for members in suspects:
        inside = np.zeros(answers.n_reviewers, dtype=bool)
        inside[members] = True
        inside &= ring == NO_RING  # a larger ring's followers are already its own
        if inside.sum() < MIN_RING or not _worse_on_gold(answers, gold, inside):
            continue
        inside |= _followers(answers, posterior, confusion, inside) & (ring == NO_RING)
        ring[inside] = n_rings
        n_rings += 1
    return ring


def _affordable(answers: Answers) -> BoolArray:
    """(n_items,): which items to include so that co-answers stay within MAX_CO_ANSWERS."""
    per_item = np.bincount(answers.item, minlength=answers.n_items)
    order = np.argsort(per_item, kind="stable")
    pairs = per_item * (per_item - 1) // 2
    included = np.zeros(len(per_item), dtype=bool)
    included[order] = np.cumsum(pairs[order]) <= MAX_CO_ANSWERS
    return included


def _count_keys(key: IntArray, n_keys: int) -> tuple[IntArray, IntArray, IntArray]:
    """The distinct keys in order, the place of each key among them, and how often each occurs."""
    if n_keys > PAIR_BUCKETS:
        unique, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
        return unique, inverse, counts
    counts = np.bincount(key, minlength=1)
    unique = np.flatnonzero(counts)
    return unique, (np.cumsum(counts > 0) - 1)[key], counts[unique]


def _own_confusion(answers: Answers, posterior: FloatArray) -> FloatArray:
    """(n_reviewers, given, true), each reviewer by themselves even if merged in the fit.

    Smoothed towards knowing or guessing, so that two who always give the same label are expected
    to agree, however few their answers.
    """
    n_labels = answers.n_labels
    cell = answers.reviewer * n_labels + answers.label
    shape = (answers.n_reviewers * n_labels, answers.n_items)
    votes = sp.csr_matrix((np.ones(len(answers)), (cell, answers.item)), shape=shape)
    counts = (votes @ posterior).reshape(answers.n_reviewers, n_labels, n_labels)
    common = posterior.sum(axis=0) + TEST_PRIOR.label
    counts += row_prior(counts, answers.label_counts(), common / common.sum(), TEST_PRIOR)
    result: FloatArray = counts / counts.sum(axis=1, keepdims=True)
    return result


def _unexplained(co: CoAnswers, posterior: FloatArray, confusion: FloatArray) -> BoolArray:
    """(n_pairs,) bool: agreement beyond what truth and both confusion matrices explain."""
    n_pairs, n_labels = len(co.left), posterior.shape[1]
    agreed = group_sum(co.pair, n_pairs, co.agree)
    expected = np.zeros(n_pairs)
    for k in range(n_labels):
        both = (confusion[co.left, :, k] * confusion[co.right, :, k]).sum(axis=1)
        expected += both * group_sum(co.pair, n_pairs, posterior[co.item, k])
    # The variance of a mean probability bounds that of the separate ones from above.
    variance = np.maximum(expected * (1.0 - expected / np.maximum(co.shared, 1.0)), 0.5)
    excess = agreed - expected
    return (excess > RESIDUAL_Z * np.sqrt(variance)) & (excess > MIN_EXCESS * co.shared)


def _components(co: CoAnswers, linked: BoolArray, n_reviewers: int) -> list[IntArray]:
    """Connected groups of reviewers with MIN_LINKS links each, largest first."""
    left, right = co.left[linked], co.right[linked]
    links = group_sum(np.concatenate([left, right]), n_reviewers)
    firm = (links[left] >= MIN_LINKS) & (links[right] >= MIN_LINKS)
    left, right = left[firm], right[firm]
    graph = sp.csr_matrix((np.ones(len(left)), (left, right)), shape=(n_reviewers, n_reviewers))
    _, component = sp.csgraph.connected_components(graph, directed=False)
    sizes = np.bincount(component, minlength=1)
    large = np.flatnonzero(sizes >= MIN_RING)
    large = large[np.argsort(-sizes[large], kind="stable")]
    return [np.flatnonzero(component == c) for c in large[:MAX_RINGS]]


def _worse_on_gold(answers: Answers, gold: Gold, inside: BoolArray) -> bool:
    """Whether the suspects' majority does worse than the others' on the gold that both answered."""
    member = inside[answers.reviewer]
    place = np.full(answers.n_items, -1, dtype=np.int64)
    place[gold.item] = np.arange(len(gold))
    hits, seen = [], np.ones(len(gold), dtype=bool)
    for side in (member, ~member):
        on_gold = side & (place[answers.item] >= 0)
        cell = place[answers.item[on_gold]] * answers.n_labels + answers.label[on_gold]
        tally = group_sum(cell, len(gold) * answers.n_labels).reshape(len(gold), -1)
        best = tally == tally.max(axis=1, keepdims=True)
        hits.append(best[np.arange(len(gold)), gold.label] / best.sum(axis=1))
        seen &= tally.any(axis=1)
    gap = (hits[1] - hits[0])[seen]
    if len(gap) < MIN_VETO_GOLD:
        return False
    spread = float(np.sqrt((gap**2).sum())) / len(gap)
    return bool(gap.mean() > max(VETO_MARGIN, VETO_Z * spread))


def _followers(
    answers: Answers, posterior: FloatArray, confusion: FloatArray, inside: BoolArray
) -> BoolArray:
    """(n_reviewers,) bool: outsiders who agree with the ring beyond what truth explains.

    Tested against the ring as a whole, since a member who answered little shares too few items
    with any one other member.
    """
    n_labels = answers.n_labels
    member = inside[answers.reviewer]
    cell = answers.item * n_labels + answers.label
    share = group_sum(cell[member], answers.n_items * n_labels).reshape(-1, n_labels)
    size = share.sum(axis=1)
    share /= np.maximum(size, 1.0)[:, None]
    other = np.flatnonzero(~member & (size[answers.item] > 0))
    item, reviewer = answers.item[other], answers.reviewer[other]
    expected = np.zeros(len(other))
    for k in range(n_labels):
        expected += posterior[item, k] * (confusion[reviewer, :, k] * share[item]).sum(axis=1)

    def total(values: FloatArray | None) -> FloatArray:
        return group_sum(reviewer, answers.n_reviewers, values)

    excess = total(share[item, answers.label[other]] - expected)
    spread = np.sqrt(np.maximum(total(expected * (1.0 - expected)), 0.5))
    seen = total(None)
    return (seen >= MIN_SHARED) & (excess > RESIDUAL_Z * spread) & (excess > MIN_EXCESS * seen)

"""From a fitted model to what is said about each item, and how surely.

In a fit, an answer is also part of the counts that judge it, so a lone mistaken answer explains
itself: with three answers an item and ten labels the fit is far too sure. Here each answer is
judged by the counts without itself (collapsed variational Bayes, Asuncion et al. 2009), and the
remaining overconfidence, of reviewers who err together on hard items, is measured on gold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocol.truth.data import Answers, FloatArray, Gold, group_sum
from protocol.truth.model import GRID, Fit, Model, log_odds, softmax

# Measured: the first gives most of the calibration; ten move mean accuracy by less than 0.001.
REFINE_SWEEPS = 3

# Tempering: Gamma prior with mode 1, worth about this many gold items; never sharpens.
TEMPER_STRENGTH = 10.0
MIN_TEMPER = 0.1
TEMPER_BISECTIONS = 50

COLLAPSE_Z = 1.645  # one-sided 5 %
MIN_COUNT = 1e-9  # a count less its own answer can round to just below its prior, never to zero


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """posterior (n_items, K), gold clamped; evidence (n_answers, K); log_prior (K,) or (n_items, K).

    Off gold, posterior is softmax(log_prior + sum of the evidence of the item's answers).
    """

    posterior: FloatArray
    evidence: FloatArray
    log_prior: FloatArray


def believe(model: Model, fitted: Fit) -> Belief:
    """The calibrated belief that follows from a fit.

    If a plain majority is significantly better on gold than the fit, the fit has collapsed, and
    the majority's evidence replaces it.
    """
    belief = _refine(model, fitted)
    if not len(model.gold):
        if model.caution == 1.0:
            return belief
        return _belief(model, belief.evidence * model.caution, belief.log_prior * model.caution)
    majority = _majority(model)
    gain = _gold_hits(model, majority) - _gold_hits(model, belief)
    if gain.sum() > max(COLLAPSE_Z * float(np.sqrt((gain**2).sum())), 1.0):
        belief = majority
    scale = _temperature(_gold_logits(model, belief), model.gold)
    return _belief(model, belief.evidence * scale, belief.log_prior * scale)


def _refine(model: Model, fitted: Fit) -> Belief:
    """Judge every answer by the counts without it."""
    weight = model.votes.weight[:, None]
    counts, common, posterior = fitted.counts, fitted.common, fitted.posterior
    for sweep in range(REFINE_SWEEPS):
        if sweep:
            counts, common = model.count(posterior)
        given, total = (np.maximum(n, MIN_COUNT) for n in model.without(counts, posterior))
        log_prior = np.log(common / common.sum(axis=-1, keepdims=True))
        belief = _belief(model, weight * np.log(given / total), model.by_item(log_prior))
        posterior = belief.posterior
    return belief


def _majority(model: Model) -> Belief:
    """Every reviewer trusted alike: a smoothed majority vote."""
    n_labels = model.answers.n_labels
    weight = log_odds(np.array([model.pooled_accuracy()]), n_labels) * model.votes.weight
    evidence = weight[:, None] * np.eye(n_labels)[model.answers.label]
    return _belief(model, evidence, np.full(n_labels, -np.log(n_labels)))


def _belief(model: Model, evidence: FloatArray, log_prior: FloatArray) -> Belief:
    support = _sum_evidence(model.answers, evidence)
    return Belief(model.believe(support + log_prior), evidence, log_prior)


def _sum_evidence(answers: Answers, evidence: FloatArray) -> FloatArray:
    """(n_items, K): evidence summed over the answers of each item."""
    columns = [group_sum(answers.item, answers.n_items, column) for column in evidence.T]
    return np.stack(columns, axis=1)


def _gold_logits(model: Model, belief: Belief) -> FloatArray:
    """(n_gold, K): what would be said about gold items, were they not known."""
    support = _sum_evidence(model.answers, belief.evidence) + belief.log_prior
    return support[model.gold.item]


def _gold_hits(model: Model, belief: Belief) -> FloatArray:
    """(n_gold,) 1 if the best label is the true one, split evenly between tied labels."""
    logits = _gold_logits(model, belief)
    best = logits >= logits.max(axis=1, keepdims=True) - 1.0 / GRID
    result: FloatArray = best[np.arange(len(logits)), model.gold.label] / best.sum(axis=1)
    return result


def _temperature(logits: FloatArray, gold: Gold) -> float:
    """Most probable scale of the logits in [MIN_TEMPER, 1] (temperature scaling, Guo et al. 2017).

    The log-posterior of the scale is concave, so its slope is bisected.
    """
    true = logits[np.arange(len(gold)), gold.label].sum()

    def slope(scale: float) -> float:
        expected = (softmax(scale * logits) * logits).sum()
        return float(true - expected) + TEMPER_STRENGTH * (1.0 / scale - 1.0)

    low, high = MIN_TEMPER, 1.0
    if slope(high) >= 0:
        return high
    for _ in range(TEMPER_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return low

"""Pay, and the revenue of models."""

from __future__ import annotations

from typing import Final

from rules_lost.mutant import Mutant

ATTACKS: Final = "unit/test_fold_attacks.py"
CLOSE: Final = "unit/test_fold_close.py"
ROUNDS: Final = "unit/test_fold_rounds.py"
MODELS: Final = "unit/test_fold_model_licences.py"
VERDICT: Final = "unit/test_fold_verdict.py"
WITHDRAWAL: Final = "unit/test_fold_withdrawal.py"
_CLOSE: Final = "protocol/rules/close.py"
_NETWORK: Final = "protocol/rules/network.py"
_SEALING: Final = "protocol/rules/sealing.py"
_VERDICTS: Final = "protocol/review/decisions.py"
_LICENCES: Final = "protocol/rules/licences.py"
_REVENUE: Final = "protocol/money/revenue.py"

MUTANTS: Final = (
    Mutant(
        "a close may state a weight ten times less exactly",
        _CLOSE,
        "WEIGHT_TOLERANCES_PER_ANSWER: Final = 4",
        "WEIGHT_TOLERANCES_PER_ANSWER: Final = 40",
        VERDICT,
    ),
    Mutant(
        "weight may be given to who has none",
        _CLOSE,
        "if line.role == pb.ROLE_REVIEWER and own.weight_micro:",
        "if line.role == pb.ROLE_REVIEWER:",
        ATTACKS,
    ),
    Mutant(
        "no smallest weight of a reviewer",
        "protocol/money/earnings.py",
        "weight if weight >= ANSWER_WEIGHT_MIN_MICRO * answers else 0",
        "weight",
        VERDICT,
    ),
    Mutant(
        "what is still under review is paid",
        _VERDICTS,
        "if is_due(state.items[item_id], person):",
        "if True:",
        CLOSE,
    ),
    Mutant(
        "a close of very many campaigns is too long for its entry",
        _CLOSE,
        "return waiting[:WAITING_ROWS_MAX]",
        "return waiting",
        CLOSE,
    ),
    Mutant(
        "what is withdrawn is not repaid",
        "protocol/money/pools.py",
        "weights.append(each - fined - back)",
        "weights.append(each - fined)",
        WITHDRAWAL,
    ),
    Mutant(
        "answers are paid twice",
        _CLOSE,
        "                state.answers.remove(key)\n",
        "",
        CLOSE,
    ),
    Mutant(
        "a close does not say what waits",
        _CLOSE,
        "list(record.body.waiting) == compute_waiting(state)",
        "True",
        ROUNDS,
    ),
    Mutant(
        "the time of closes runs backwards",
        _CLOSE,
        "record.body.time_ms >= state.closed_ms",
        "True",
        CLOSE,
    ),
    Mutant(
        "what no close frees stays",
        _CLOSE,
        "if not close_due(state, state.campaigns[campaign_id]):",
        "if True:",
        CLOSE,
    ),
    Mutant(
        "what is within the limits is given up",
        _CLOSE,
        "if not close_due(state, state.campaigns[campaign_id]):",
        "if False:",
        CLOSE,
    ),
    Mutant(
        "rounds that are under way need no lines",
        _SEALING,
        "if round_.phase is not RoundPhase.OPEN",
        "if False",
        CLOSE,
    ),
    Mutant(
        "evidence fades by closes that came before it",
        "protocol/review/reputation.py",
        "max(since, belief.epoch)",
        "since",
        "property/test_money_and_draws.py",
    ),
    Mutant(
        "a job trains for weights that nobody ships",
        "protocol/rules/training.py",
        "job.weight_bits in WEIGHT_BITS",
        "True",
        "unit/test_fold_training.py",
    ),
    Mutant(
        "a licence is for nothing, or for two things",
        _LICENCES,
        "bool(body.snapshot) != bool(body.job_id)",
        "True",
        MODELS,
    ),
    Mutant(
        "a model is sold that there is not",
        _LICENCES,
        "job.status is JobStatus.COMPLETED",
        "True",
        MODELS,
    ),
    Mutant(
        "a model of items that are not for commerce is sold",
        _LICENCES,
        "    _require_commercial(state.snapshots[job.terms.snapshot].scope.commercial)\n",
        "",
        MODELS,
    ),
    Mutant(
        "a withdrawal reaches no model",
        _LICENCES,
        "last is None or state.epoch <= last",
        "True",
        MODELS,
    ),
    Mutant(
        "a withdrawal gives no grace",
        _LICENCES,
        " + state.policy.model_grace_epochs",
        "",
        MODELS,
    ),
    Mutant(
        "a later withdrawal begins the grace anew",
        "protocol/rules/withdrawal.py",
        "spoilt_in=snapshot.spoilt_in or state.epoch",
        "spoilt_in=state.epoch",
        MODELS,
    ),
    Mutant(
        "an item that a panel takes out stays in models",
        "protocol/rules/verdict.py",
        "spoil_snapshots(state, item, withdrawn=0, refused=1)",
        "pass",
        MODELS,
    ),
    Mutant(
        "a contest that is won marks models",
        "protocol/rules/verdict.py",
        "        if item.status is not ItemStatus.ACCEPTED:  # what",
        "        if True:  # what",
        MODELS,
    ),
    Mutant(
        "one trains on what a panel has refused",
        "protocol/rules/dataset.py",
        "snapshot.refused == 0",
        "True",
        MODELS,
    ),
    Mutant(
        "the grace has no end",
        _NETWORK,
        "policy.model_grace_epochs <= MODEL_GRACE_EPOCHS_MAX",
        "True",
        MODELS,
    ),
    Mutant(
        "authors have no part of a model",
        _REVENUE,
        "royalty * MODEL_AUTHORS_PPM // PPM",
        "0",
        MODELS,
    ),
    Mutant(
        "authors whose items are worth nothing keep a part from trainers",
        _REVENUE,
        "        if not any(weight for _, weight in self.authors):\n            return 0, royalty\n",
        "",
        MODELS,
    ),
    Mutant(
        "trainers have no part of a model",
        _REVENUE,
        "            weights.update(dict(zip(round_.partners, each, strict=True)))\n",
        "",
        MODELS,
    ),
    Mutant(
        "a round that was rolled back is sold",
        _REVENUE,
        "round_.model == round_.base_model",
        "False",
        MODELS,
    ),
)

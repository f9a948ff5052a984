"""How items are decided, what a submission holds, and what names and texts may be."""

from __future__ import annotations

from typing import Final

from rules_lost.mutant import Mutant

ATTACKS: Final = "unit/test_fold_attacks.py"
CONTESTS: Final = (
    "unit/test_fold_contests.py unit/test_fold_contests_paid.py unit/test_fold_kept_back.py"
)
KINDS: Final = "unit/test_fold_kinds.py"
PARTS: Final = "unit/test_fold_parts.py"
PROGRAMS: Final = "unit/test_fold_programs.py"
REVIEW: Final = "unit/test_fold_review.py"
ROUNDS: Final = "unit/test_fold_rounds.py"
TAKEN: Final = "unit/test_fold_taken_parts.py"
VERDICT: Final = "unit/test_fold_verdict.py"
TASKS: Final = "unit/test_tasks_kinds.py"
TEXT: Final = "unit/test_text.py"
_ANSWERING: Final = "protocol/rules/answering.py"
_CAMPAIGNS: Final = "protocol/rules/campaigns.py"
_ITEMS: Final = "protocol/rules/items.py"
_INTAKE: Final = "protocol/rules/intake.py"
_SEALING: Final = "protocol/rules/sealing.py"
_TEXT: Final = "protocol/text.py"
_VERDICT: Final = "protocol/rules/verdict.py"
_VERDICTS: Final = "protocol/review/decisions.py"

MUTANTS: Final = (
    Mutant(
        "half of the wanted answers decide",
        _VERDICTS,
        "2 * given > campaign.reviewers_per_item",
        "2 * given >= campaign.reviewers_per_item",
        KINDS,
    ),
    Mutant(
        "half of the reviewers can refuse an item",
        _VERDICTS,
        "if 2 * sum(reasons.values()) > max(",
        "if 2 * sum(reasons.values()) >= max(",
        KINDS,
    ),
    Mutant(
        "of two reasons that are level the last of the list counts",
        _VERDICTS,
        "(-reasons[reason], reason)",
        "(-reasons[reason], -reason)",
        KINDS,
    ),
    Mutant(
        "a refusal counts as an answer",
        _VERDICTS,
        "given = sum(answer.refusal == pb.REFUSAL_NONE for answer in answers.values())",
        "given = len(answers)",
        KINDS,
    ),
    Mutant(
        "being unsure is a reason to reject",
        _VERDICTS,
        "        pb.REFUSAL_MISMATCH,\n        pb.REFUSAL_UNREADABLE,",
        "        pb.REFUSAL_UNSURE,\n        pb.REFUSAL_MISMATCH,\n        pb.REFUSAL_UNREADABLE,",
        KINDS,
    ),
    Mutant(
        "gold needs a quorum",
        _VERDICTS,
        "quorate = many or (is_gold and not item.resembles)",
        "quorate = many",
        ATTACKS,
    ),
    Mutant(
        "certainty equal to the threshold does not decide",
        "protocol/tasks/kind.py",
        "if confidence_ppm < accept_ppm:",
        "if confidence_ppm <= accept_ppm:",
        KINDS,
    ),
    Mutant(
        "a verdict may differ twice as much from what is recomputed",
        _VERDICT,
        "abs(stated - own) <= TOLERANCE_PPM",
        "abs(stated - own) <= 2 * TOLERANCE_PPM",
        VERDICT,
    ),
    Mutant(
        "reputation ignores gold",
        _VERDICT,
        "truth = state.gold.get((campaign.id, item_id), item.answer)",
        "truth = item.answer",
        REVIEW,
    ),
    Mutant(
        "who commits and stays silent is not wrong",
        _VERDICT,
        "if (campaign_id, person) not in state.revealed:",
        "if (campaign_id, person) not in state.commits:",
        REVIEW,
    ),
    Mutant(
        "programs answer where people are asked",
        _ANSWERING,
        "campaign.automation != pb.AUTOMATION_NONE",
        "True",
        PROGRAMS,
    ),
    Mutant(
        "a program may have any name",
        _ANSWERING,
        'check_name(program, "the program that gave an answer", PROGRAM_CHARS_MAX)',
        "pass",
        PROGRAMS,
    ),
    Mutant(
        "an answer may take any time",
        _ANSWERING,
        "seconds <= ANSWER_SECONDS_MAX",
        "True",
        PROGRAMS,
    ),
    Mutant(
        "what only reviewers may see is sent to programs of others",
        _CAMPAIGNS,
        "campaign.automation != pb.AUTOMATION_ANYWHERE or campaign.privacy == pb.PRIVACY_OPEN",
        "True",
        PROGRAMS,
    ),
    Mutant(
        "a verdict may hide that programs answered",
        _VERDICT,
        "(verdict.reviewers, verdict.programs) == (follows.reviewers, follows.programs)",
        "True",
        PROGRAMS,
    ),
    Mutant(
        "refusals count as what a program answered",
        "protocol/money/earnings.py",
        "if given.by_program and given.answer and",
        "if given.by_program and",
        PROGRAMS,
    ),
    Mutant(
        "some gold may stay unopened",
        _VERDICT,
        "hashes == set(state.rounds[campaign.id].gold_hashes)",
        "hashes <= set(state.rounds[campaign.id].gold_hashes)",
        VERDICT,
    ),
    Mutant(
        "an item of the round may have its gold opened beside its verdict",
        _VERDICT,
        "set(ids).isdisjoint(round_.items)",
        "True",
        ATTACKS,
    ),
    Mutant(
        "more gold than items",
        _SEALING,
        "len(hashes) <= len(found.items)",
        "True",
        ATTACKS,
    ),
    Mutant(
        "an undecided proposal may be opened",
        _VERDICT,
        '        require(sealed, "it is undecided, or a copy, so its proposal stays sealed")\n',
        "",
        ATTACKS,
    ),
    Mutant(
        "a proposal is opened a second time",
        _VERDICT,
        '        require(sealed, "its proposal is opened a second time")\n',
        "",
        CONTESTS,
    ),
    Mutant(
        "later rounds weigh twice as much evidence",
        _VERDICT,
        "> EVIDENCE_ITEMS_MAX",
        "> 2 * EVIDENCE_ITEMS_MAX",
        ROUNDS,
    ),
    Mutant(
        "two items share the leaf of a part",
        _ITEMS,
        "len(set(own)) == len(own)",
        "True",
        TAKEN,
    ),
    Mutant(
        "a part stands among the items",
        _ITEMS,
        'require(are_items, "a part stands among the items")',
        "pass",
        TAKEN,
    ),
    Mutant(
        "the leaf of a part is anywhere",
        _ITEMS,
        "require(leaf_hash == named.hash,",
        "require(True,",
        TAKEN,
    ),
    Mutant(
        "a part has another name than its item says",
        _ITEMS,
        "and part.name == named.name)",
        "and True)",
        TAKEN,
    ),
    Mutant(
        "a part that says something belongs to an erased item",
        _ITEMS,
        "not whole and (self._gap or not self._leaves)",
        "self._gap or not self._leaves",
        TAKEN,
    ),
    Mutant(
        "an erased part belongs to no item",
        _ITEMS,
        "not whole and (self._gap or not self._leaves)",
        "not whole",
        TAKEN,
    ),
    Mutant(
        "a part that can go alone is in its item's leaf",
        _INTAKE,
        "require(not terms[name].optional,",
        "require(True,",
        f"{PARTS} {TAKEN}",
    ),
    Mutant(
        "a part that is required has a leaf of its own",
        _INTAKE,
        "            terms[name].optional, f",
        "            True, f",
        f"{PARTS} {TAKEN}",
    ),
    Mutant(
        "an erased part needs no withdrawal",
        _INTAKE,
        "(ITSELF,) if leaf is None else given.erased_parts:",
        "(ITSELF,) if leaf is None else ():",
        TAKEN,
    ),
    Mutant(
        "a snapshot does not say what it is without",
        "protocol/rules/dataset.py",
        "list(leaves) == snapshot_leaves(state, listed)",
        "True",
        TAKEN,
    ),
    Mutant(
        "a snapshot does not say what its items are worth",
        "protocol/rules/dataset.py",
        "less_permille=less)",
        "less_permille=0)",
        CONTESTS,
    ),
    Mutant(
        "a withdrawn item leaves the leaves of its parts",
        "protocol/transition.py",
        "|= {item_id, *_own_leaves(before).values()}",
        "|= {item_id}",
        TAKEN,
    ),
    Mutant(
        "a capital I is told from an l",
        _TEXT,
        "(_folded, skeleton, _as_written)",
        "(_folded, skeleton)",
        TEXT,
    ),
    Mutant(
        "names of two scripts are told apart by shape alone",
        _TEXT,
        "(_folded, skeleton, _as_written)",
        "(_folded, _as_written)",
        TEXT,
    ),
    Mutant(
        "an alphabet's own letters are taken for each other",
        _TEXT,
        "not _told_apart(names[first], name)",
        "True",
        TEXT,
    ),
    Mutant(
        "a part of a pair may be called as an answer is shown",
        "protocol/tasks/prefer.py",
        "if part in PLACES:",
        "if False:",
        TASKS,
    ),
    Mutant(
        "a criterion may be called as two answers are",
        "protocol/tasks/judge.py",
        "if SEPARATOR in name or MARK in name:",
        "if False:",
        TASKS,
    ),
)

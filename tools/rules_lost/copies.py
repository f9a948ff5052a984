"""Likely copies, contests and duplicates."""

from __future__ import annotations

from typing import Final

from rules_lost.mutant import Mutant

COPIES: Final = "unit/test_copies.py"
LOOKS: Final = "unit/test_copies_looks.py"
ERASED: Final = "unit/test_fold_erasure_attacks.py"
FLAGS: Final = "unit/test_fold_flags.py"
CONTESTS: Final = (
    "unit/test_fold_contests.py unit/test_fold_contests_paid.py unit/test_fold_kept_back.py"
)
RELATIONS: Final = "unit/test_relations.py"
INTAKE: Final = "unit/test_fold_intake.py"
KINDS: Final = "unit/test_fold_kinds.py"
PARTS: Final = "unit/test_fold_parts.py"
ROUNDS: Final = "unit/test_fold_rounds.py"
TAKEN: Final = "unit/test_fold_taken_parts.py"
SIMILARITY: Final = "unit/test_similarity.py"
_ANSWERING: Final = "protocol/rules/answering.py"
_CLOSE: Final = "protocol/rules/close.py"
_CONTESTING: Final = "protocol/rules/contesting.py"
_DRAWING: Final = "protocol/rules/drawing.py"
_FLAGGING: Final = "protocol/rules/flagging.py"
_RELATIONS: Final = "protocol/review/relations.py"
_INTAKE: Final = "protocol/rules/intake.py"
_SEALING: Final = "protocol/rules/sealing.py"
_VERDICT: Final = "protocol/rules/verdict.py"
_WITHDRAWAL: Final = "protocol/rules/withdrawal.py"
_VERDICTS: Final = "protocol/review/decisions.py"

MUTANTS: Final = (
    Mutant(
        "an item is flagged as resembling a later one",
        _FLAGGING,
        "            original.place < item.place\n",
        "            original_id != item_id\n",
        FLAGS,
    ),
    Mutant(
        "what reviewers refused attracts flags",
        _FLAGGING,
        "        and item.refusal == pb.REFUSAL_NONE\n",
        "",
        FLAGS,
    ),
    Mutant(
        "one item may have any number of others flagged",
        _FLAGGING,
        "< FLAGS_PER_ORIGINAL_MAX",
        "< 1 << 30",
        FLAGS,
    ),
    Mutant(
        "the log may say what resembles what though both can be compared",
        _FLAGGING,
        "(item.is_erased or original.is_erased)",
        "True",
        FLAGS,
    ),
    Mutant(
        "half of a panel makes a copy",
        _RELATIONS,
        "        if 2 * sum(voice in voices_for_it for voice in voices) > len(voices):",
        "        if 2 * sum(voice in voices_for_it for voice in voices) >= len(voices):",
        RELATIONS,
    ),
    Mutant(
        "who did not see the original speaks for the author",
        _RELATIONS,
        "FOR_A_DERIVATIVE | {pb.RELATION_UNSEEN}",
        "FOR_A_DERIVATIVE",
        RELATIONS,
    ),
    Mutant(
        "who says nothing in a contest speaks for the author",
        _RELATIONS,
        "        said = {who: stood if each in SILENT else each for who, each in said.items()}\n",
        "        pass\n",
        RELATIONS,
    ),
    Mutant(
        "an original that was kept back attracts on",
        _FLAGGING,
        "        and not item.kept_back\n",
        "",
        CONTESTS,
    ),
    Mutant(
        "nobody notices that an original is kept back",
        _VERDICT,
        "    if was_kept_back(item, decisions.answers_to(state, item_id)):\n",
        "    if False:\n",
        CONTESTS,
    ),
    Mutant(
        "one voice calls an original kept back",
        _RELATIONS,
        "return agreed and 2 * unseen > len(answers)",
        "return agreed",
        CONTESTS,
    ),
    Mutant(
        "what is rejected calls an original kept back",
        _RELATIONS,
        "item.status is ItemStatus.ACCEPTED and item.relation",
        "item.relation",
        CONTESTS,
    ),
    Mutant(
        "a contest that nobody decides forgets that the item was kept back",
        _CONTESTING,
        "        kept_back=item.kept_back,\n",
        "",
        CONTESTS,
    ),
    Mutant(
        "what is drawn again is compared with what was kept back",
        _FLAGGING,
        'b"" if state.items[at].kept_back and item.before is None else at',
        "at",
        CONTESTS,
    ),
    Mutant(
        "each of a ring has a voice of its own",
        _RELATIONS,
        "if who not in ringed]",
        "]",
        RELATIONS,
    ),
    Mutant(
        "an original that was withdrawn still has copies",
        _RELATIONS,
        "original is None or original.status is ItemStatus.WITHDRAWN",
        "original is None",
        FLAGS,
    ),
    Mutant(
        "an answer need not say what a likely copy is",
        _ANSWERING,
        "            answer.relation != pb.RELATION_NONE,\n",
        "            True,\n",
        FLAGS,
    ),
    Mutant(
        "an answer may say something of what resembles nothing",
        _ANSWERING,
        "            answer.relation == pb.RELATION_NONE,\n",
        "            True,\n",
        FLAGS,
    ),
    Mutant(
        "a verdict may call an item anything",
        _VERDICT,
        "(verdict.relation, verdict.resembles) == (follows.relation, follows.resembles)",
        "True",
        FLAGS,
    ),
    Mutant(
        "the original's author reviews its copies",
        _DRAWING,
        "(() if original is None else (original.author,))",
        "()",
        FLAGS,
    ),
    Mutant(
        "a derivative earns the whole price",
        "protocol/rows.py",
        "self.derivative_permille if relation in EARNS_A_PART else WHOLE_PERMILLE",
        "WHOLE_PERMILLE",
        FLAGS,
    ),
    Mutant(
        "what earned a part is paid again when it is contested",
        _VERDICT,
        "        owe(state, before)\n",
        "        pass\n",
        CONTESTS,
    ),
    Mutant(
        "to contest is to be right twice",
        _VERDICT,
        "if not (accepted and earned):",
        "if True:",
        CONTESTS,
    ),
    Mutant(
        "an item that is paid in full is contested",
        _CONTESTING,
        "item.status is ItemStatus.ACCEPTED and item.relation in EARNS_A_PART",
        "item.status is ItemStatus.ACCEPTED",
        CONTESTS,
    ),
    Mutant(
        "what is taken back stays in what it was",
        _CONTESTING,
        "before=replace(item, description=None, taken_back=()),",
        "before=item,",
        CONTESTS,
    ),
    Mutant(
        "what is contested goes without what it was",
        _WITHDRAWAL,
        "        uphold(state, item_id)\n",
        "",
        CONTESTS,
    ),
    Mutant(
        "a contest that nobody decides takes what it was",
        _DRAWING,
        "    if before.before is not None:\n",
        "    if False:\n",
        CONTESTS,
    ),
    Mutant(
        "a derivative that is contested has no copies meanwhile",
        _FLAGGING,
        "item.before is not None and not item.before.earned",
        "item.before is not None",
        CONTESTS,
    ),
    Mutant(
        "a derivative that is contested is sought again",
        _FLAGGING,
        "    return found or kept_original(state, item)",
        "    return item.draws > 0 or kept_original(state, item)",
        CONTESTS,
    ),
    Mutant(
        "somebody else contests",
        _CONTESTING,
        "item is None or item.author != record.author",
        "item is None",
        CONTESTS,
    ),
    Mutant(
        "a copy is contested again and again",
        _CONTESTING,
        "    if item.contested:\n",
        "    if False:\n",
        CONTESTS,
    ),
    Mutant(
        "a contest is free",
        _CONTESTING,
        "    count_submitted(state, item.author, 1)\n",
        "",
        CONTESTS,
    ),
    Mutant(
        "the first panel is heard again",
        _CONTESTING,
        "heard=len(item.answered_by)",
        "heard=0",
        CONTESTS,
    ),
    Mutant(
        "the first panel's answers decide again",
        _VERDICTS,
        "{each: state.items[each].panel for each in items}",
        "{each: state.items[each].answered_by for each in items}",
        CONTESTS,
    ),
    Mutant(
        "of what was contested one panel is paid",
        _VERDICTS,
        "if is_due(state.items[item_id], person):",
        "if is_due(state.items[item_id], person) and person in state.items[item_id].panel:",
        CONTESTS,
    ),
    Mutant(
        "a panel that decides no contest is not paid",
        _VERDICTS,
        "if is_due(state.items[item_id], person):",
        "if is_due(state.items[item_id], person) and person in state.items[item_id].answered_by:",
        CONTESTS,
    ),
    Mutant(
        "a contest holds back the first panel's pay",
        _VERDICTS,
        " or reviewer in item.answered_by[: item.heard]",
        "",
        CONTESTS,
    ),
    Mutant(
        "who is paid during a contest is paid after it, too",
        _CLOSE,
        "            if is_due(state.items[item_id], person):\n",
        "            if state.items[item_id].decided_in is not None:\n",
        CONTESTS,
    ),
    Mutant(
        "a full close ends contests that nobody has heard",
        _CLOSE,
        "if item_id in unpaid]",
        "if state.items[item_id].answered_by]",
        CONTESTS,
    ),
    Mutant(
        "the first panel is measured by what the second one says",
        _VERDICT,
        "    for person in item.panel:\n",
        "    for person in item.answered_by:\n",
        CONTESTS,
    ),
    Mutant(
        "what is compared with a copy is not compared with its original",
        _FLAGGING,
        "while at and (further := state.items[at].duplicate_of):",
        'while at and (further := b""):',
        CONTESTS,
    ),
    Mutant(
        "a copy that is gone hides the original of its copies",
        _FLAGGING,
        "while at and (further := state.items[at].duplicate_of):",
        "while at and (further := stands(state.items[at]) and state.items[at].duplicate_of):",
        CONTESTS,
    ),
    Mutant(
        "an item that is contested has copies meanwhile",
        _SEALING,
        "stands(item) and not is_pending(self._state, item)",
        "stands(item)",
        CONTESTS,
    ),
    Mutant(
        "an erased item may count as a copy of another campaign's",
        _SEALING,
        "        and original.campaign_id == item.campaign_id\n",
        "",
        ERASED,
    ),
    Mutant(
        "an erased item may count as a copy of a later one",
        _SEALING,
        "        and original.place < item.place\n",
        "",
        ERASED,
    ),
    Mutant(
        "the log may say what is a copy though both can be compared",
        _SEALING,
        "(item.is_erased or original.is_erased)",
        "True",
        ERASED,
    ),
    Mutant(
        "an erased item may count as a copy of a copy",
        _SEALING,
        "        and original_id not in duplicates\n",
        "",
        ERASED,
    ),
    Mutant(
        "an erased item may count as a copy of what does not stand",
        _SEALING,
        "        and stands(original)\n",
        "",
        ERASED,
    ),
    Mutant(
        "what has a false fingerprint may count as an original",
        _FLAGGING,
        "        and item.refusal != pb.REFUSAL_MISMATCH\n",
        "",
        ERASED,
    ),
    Mutant(
        "a false fingerprint keeps the true content out",
        _VERDICT,
        "if verdict.refusal == pb.REFUSAL_MISMATCH:",
        "if False:",
        KINDS,
    ),
    Mutant(
        "which of two equally near originals counts",
        _SEALING,
        "return min(near)[2] if near else None",
        "return max(x for x in near if x[0] == min(near)[0])[2] if near else None",
        ERASED,
    ),
    Mutant(
        "the same content does not come before the nearest",
        _SEALING,
        "        if same:\n",
        "        if False:\n",
        ERASED,
    ),
    Mutant(
        "a later item may be the original",
        _SEALING,
        "self._state.items[other_id].place < item.place",
        "self._state.items[other_id].place != item.place",
        ROUNDS,
    ),
    Mutant(
        "the same picture with another note is another item",
        "protocol/review/copies.py",
        "for part in campaign.parts if not part.optional",
        "for part in campaign.parts",
        f"{PARTS} {TAKEN}",
    ),
    Mutant(
        "what copies are not told by may show content",
        _INTAKE,
        'part.fingerprint == b"",',
        "True,",
        f"{PARTS} {INTAKE}",
    ),
    Mutant(
        "swapped answers are another pair",
        "protocol/review/copies.py",
        "return [own] if other == own else [own, other]",
        "return [own]",
        ROUNDS,
    ),
    Mutant(
        "an item is a copy if one of its parts is",
        "protocol/review/copies.py",
        "if max(far) <= FARTHEST_PERMILLE:",
        "if True:",
        f"{PARTS} {ERASED}",
    ),
    Mutant(
        "exactly the limit is no longer a near duplicate",
        "protocol/review/scans.py",
        "if distance <= permille:",
        "if distance < permille:",
        SIMILARITY,
    ),
    Mutant(
        "exactly the limit is not near in another part",
        "protocol/review/copies.py",
        "return far if permille > 0 and far <= permille else",
        "return far if permille > 0 and far < permille else",
        COPIES,
    ),
    Mutant(
        "a threshold of 0 takes what only looks the same",
        "protocol/review/copies.py",
        "return far if permille > 0 and far <= permille else",
        "return far if far <= permille else",
        COPIES,
    ),
    Mutant(
        "reviewers are shown what is a copy without them",
        "protocol/review/copies.py",
        "for match in found if match.key not in near",
        "for match in found",
        COPIES,
    ),
    Mutant(
        "a thumbnail that is not sure sets pictures aside",
        "protocol/review/likeness.py",
        "THUMBNAILS if fingerprint[SURE] and any(",
        "THUMBNAILS if any(",
        LOOKS,
    ),
    Mutant(
        "details do not matter",
        "protocol/review/details.py",
        "return worst <= _WORST_MAX and",
        "return True or",
        LOOKS,
    ),
    Mutant(
        "a defect elsewhere is the same defect",
        "protocol/review/likeness.py",
        "abs(one - other) > _PLACES_APART_MAX",
        "abs(one - other) > 100",
        LOOKS,
    ),
)

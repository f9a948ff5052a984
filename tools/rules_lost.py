"""The rules of protocol/ that tools/mutants.py takes away, each with the tests that should notice.

A change is one piece of text for another; the text stands once in its file. Whoever moves a rule moves its
line here, and whoever adds one adds what it would be without it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """A rule, and what it is changed to. `tests`: files below tests/ that are asked first."""

    name: str
    file: str
    old: str
    new: str
    tests: str


ATTACKS: Final = "unit/test_fold_attacks.py"
CLOSE: Final = "unit/test_fold_close.py"
ERASED: Final = "unit/test_fold_erasure_attacks.py"
INTAKE: Final = "unit/test_fold_intake.py"
KINDS: Final = "unit/test_fold_kinds.py"
NETWORK: Final = "unit/test_fold_network.py"
PARTS: Final = "unit/test_fold_parts.py"
REVIEW: Final = "unit/test_fold_review.py"
ROUNDS: Final = "unit/test_fold_rounds.py"
TAKEN: Final = "unit/test_fold_taken_parts.py"
VERDICT: Final = "unit/test_fold_verdict.py"
WITHDRAWAL: Final = "unit/test_fold_withdrawal.py"
WITNESSES: Final = "unit/test_fold_witnesses.py"
COIN: Final = "unit/test_coin.py"
SIMILARITY: Final = "unit/test_similarity.py"
TASKS: Final = "unit/test_tasks_kinds.py"
TEXT: Final = "unit/test_text.py"

_ANSWERING: Final = "protocol/rules/answering.py"
_CAMPAIGNS: Final = "protocol/rules/campaigns.py"
_CLOSE: Final = "protocol/rules/close.py"
_DRAWING: Final = "protocol/rules/drawing.py"
_ITEMS: Final = "protocol/rules/items.py"
_INTAKE: Final = "protocol/rules/intake.py"
_NETWORK: Final = "protocol/rules/network.py"
_PEOPLE: Final = "protocol/rules/people.py"
_PRINTS: Final = "protocol/review/fingerprints.py"
_SEALING: Final = "protocol/rules/sealing.py"
_STRICT: Final = "protocol/log/strict.py"
_TEXT: Final = "protocol/text.py"
_VERDICT: Final = "protocol/rules/verdict.py"
_WITHDRAWAL: Final = "protocol/rules/withdrawal.py"
_WITNESSES: Final = "protocol/rules/witnesses.py"
_COIN_ROWS: Final = "protocol/coin/witnesses.py"
_DEALING: Final = "protocol/coin/dealing.py"
_PROOF: Final = "protocol/coin/proof.py"
_TOSS: Final = "protocol/coin/toss.py"
_VERDICTS: Final = "protocol/review/decisions.py"

_DECISIONS: Final = (
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
        "given = sum(answer.refusal == pb.REFUSAL_NONE for answer in answers)",
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
        "quorate = is_gold or ",
        "quorate = ",
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
        "sealed = not verdict.proposal_salt and not verdict.proposal",
        "sealed = True",
        ATTACKS,
    ),
    Mutant(
        "later rounds weigh twice as much evidence",
        _VERDICT,
        "> EVIDENCE_ITEMS_MAX",
        "> 2 * EVIDENCE_ITEMS_MAX",
        ROUNDS,
    ),
)

_LEAVES: Final = (
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
        "a withdrawn item leaves the leaves of its parts",
        "protocol/transition.py",
        "|= {item_id, *_own_leaves(before).values()}",
        "|= {item_id}",
        TAKEN,
    ),
)

_COPIES: Final = (
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
        "        and _stands(original)\n",
        "",
        ERASED,
    ),
    Mutant(
        "what has a false fingerprint may count as an original",
        _SEALING,
        "        item.refusal != pb.REFUSAL_MISMATCH\n",
        "        True\n",
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
        "if None not in distances:",
        "if True:",
        f"{PARTS} {ERASED}",
    ),
    Mutant(
        "exactly the limit is no longer a near duplicate",
        _PRINTS,
        "return distance(a, b) <= NEAR_DUPLICATE_PERMILLE",
        "return distance(a, b) < NEAR_DUPLICATE_PERMILLE",
        SIMILARITY,
    ),
    Mutant(
        "exactly the limit is not found",
        _PRINTS,
        "if each <= NEAR_DUPLICATE_PERMILLE:",
        "if each < NEAR_DUPLICATE_PERMILLE:",
        SIMILARITY,
    ),
    Mutant(
        "exactly the limit is not near in another part",
        _PRINTS,
        "return far if far <= NEAR_DUPLICATE_PERMILLE else None",
        "return far if far < NEAR_DUPLICATE_PERMILLE else None",
        SIMILARITY,
    ),
)

_COIN: Final = (
    Mutant(
        "a draw takes one toss less",
        _DRAWING,
        "len(tossed) >= coin.threshold",
        "len(tossed) >= coin.threshold - 1",
        WITNESSES,
    ),
    Mutant(
        "anybody tosses",
        _DRAWING,
        '        raise Reject("only the witnesses that the round was sealed under toss for it")',
        "        at = 1",
        WITNESSES,
    ),
    Mutant(
        "a witness tosses twice",
        _DRAWING,
        '        raise Ignore("this witness has tossed for this round")',
        "        pass",
        WITNESSES,
    ),
    Mutant(
        "a share is not checked",
        _DRAWING,
        "    check_share(Share(Point(body.point), body.proof), round_.place, coin.public[at - 1])\n",
        "",
        WITNESSES,
    ),
    Mutant(
        "tosses are taken when the round is over",
        _DRAWING,
        '        raise Ignore("this round is over")',
        "        return",
        WITNESSES,
    ),
    Mutant(
        "the seed is the operator's",
        _DRAWING,
        "require(body.seed == seed,",
        "require(True,",
        REVIEW,
    ),
    Mutant(
        "a late toss is missed",
        _DRAWING,
        "known.given + tossed, known.missed",
        "known.given, known.missed + tossed",
        WITNESSES,
    ),
    Mutant(
        "a round that ends at once blames the silent",
        _DRAWING,
        "(had_time and not tossed)",
        "(not tossed)",
        WITNESSES,
    ),
    Mutant(
        "candidates who were not drawn stay",
        _DRAWING,
        "        if key not in state.tasks:\n            state.candidates.remove(key)",
        "        pass",
        REVIEW,
    ),
    Mutant(
        "a person stands by twice with one machine",
        _DRAWING,
        "if present == (record.key if body.stands else None):",
        "if False:",
        REVIEW,
    ),
    Mutant(
        "an old word to stand by is played again",
        _DRAWING,
        '    require_next(body.serial, state.words.get(key, 0), "this person")\n',
        "",
        REVIEW,
    ),
    Mutant(
        "who stays silent stands by for ever",
        _ANSWERING,
        "    _stand_down_the_silent(state, body.campaign_id)\n",
        "",
        REVIEW,
    ),
    Mutant(
        "the silent lose the machine that stood by since",
        _ANSWERING,
        "state.standbys.get(key) == state.candidates.get(key)",
        "True",
        REVIEW,
    ),
    Mutant(
        "the place of a round leaves out its seal",
        _SEALING,
        "body.round, record.digest, nonce",
        "body.round, bytes(32), nonce",
        WITNESSES,
    ),
    Mutant(
        "a round's coin is whoever tosses now",
        _DRAWING,
        "    coin = state.coins[round_.coin]\n    at = ",
        "    coin = state.coin\n    at = ",
        WITNESSES,
    ),
    Mutant(
        "half of the witnesses determine the coin",
        _DEALING,
        "return witnesses // 2 + 1",
        "return (witnesses + 1) // 2",
        COIN,
    ),
    Mutant(
        "two thirds assent, not more",
        _COIN_ROWS,
        "2 * witnesses // 3 + 1",
        "-(-2 * witnesses // 3)",
        WITNESSES,
    ),
    Mutant(
        "a set has one witness more",
        _WITNESSES,
        "0 < len(body.keys) <= WITNESSES_MAX",
        "0 < len(body.keys) <= WITNESSES_MAX + 1",
        WITNESSES,
    ),
    Mutant(
        "the witnesses' keys come in any order",
        _WITNESSES,
        "list(body.keys) == sorted(set(body.keys))",
        "True",
        WITNESSES,
    ),
    Mutant(
        "a witness's key is any bytes",
        _WITNESSES,
        '        check_point(key, "a witness\'s key")\n',
        "",
        WITNESSES,
    ),
    Mutant(
        "one person is two witnesses",
        _WITNESSES,
        "len(people) == len(body.keys)",
        "True",
        WITNESSES,
    ),
    Mutant(
        "two witnesses are paid at one address",
        _WITNESSES,
        "len(addresses) == len(body.keys)",
        "True",
        WITNESSES,
    ),
    Mutant(
        "a set of witnesses skips a number",
        _WITNESSES,
        "body.nonce == coming",
        "True",
        WITNESSES,
    ),
    Mutant(
        "an old proposal is played again",
        _WITNESSES,
        '    require_next(body.serial, state.proposals, "the operator")\n',
        "",
        WITNESSES,
    ),
    Mutant(
        "a proposal's time runs backwards",
        _WITNESSES,
        "        time_ms >= proposal.since_ms,",
        "        True,",
        WITNESSES,
    ),
    Mutant(
        "deals of an earlier proposal stay",
        _WITNESSES,
        "        state.deals.clear(state.proposal.nonce)\n",
        "",
        WITNESSES,
    ),
    Mutant(
        "anybody assents",
        _WITNESSES,
        '        raise Reject("only the present witnesses assent to the set that follows")',
        "        pass",
        WITNESSES,
    ),
    Mutant(
        "one witness assents often",
        _WITNESSES,
        " or record.key in proposal.assents:",
        ":",
        WITNESSES,
    ),
    Mutant(
        "witnesses deal before anybody has assented",
        _WITNESSES,
        '        proposal.phase is not DealingPhase.PROPOSED, "the present',
        '        True, "the present',
        WITNESSES,
    ),
    Mutant(
        "witnesses deal when the dealing has ended",
        _WITNESSES,
        '        raise Ignore("the dealing has ended")',
        "        pass",
        WITNESSES,
    ),
    Mutant(
        "a witness deals twice",
        _WITNESSES,
        '        raise Ignore("this witness has dealt already")',
        "        pass",
        WITNESSES,
    ),
    Mutant(
        "a deal is not looked at",
        _WITNESSES,
        "    check_deal(deal_of(record.body), place, len(proposal.keys))\n",
        "",
        WITNESSES,
    ),
    Mutant(
        "the time to deal is a moment longer",
        _WITNESSES,
        ">= DEAL_MS",
        "> DEAL_MS",
        WITNESSES,
    ),
    Mutant(
        "dealing ends for those who are slow",
        _WITNESSES,
        "silent == 0 or record.body.time_ms - proposal.since_ms >= DEAL_MS",
        "True",
        WITNESSES,
    ),
    Mutant(
        "the time to complain is a moment longer",
        _WITNESSES,
        ">= COMPLAIN_MS",
        "> COMPLAIN_MS",
        WITNESSES,
    ),
    Mutant(
        "a coin begins before it was looked at",
        _WITNESSES,
        "silent == 0 or record.body.time_ms - proposal.since_ms >= COMPLAIN_MS",
        "True",
        WITNESSES,
    ),
    Mutant(
        "a coin begins that too few hold",
        _WITNESSES,
        "        confirmed >= proposal.threshold,",
        "        True,",
        WITNESSES,
    ),
    Mutant(
        "a minority deals a coin",
        _WITNESSES,
        "        deals >= proposal.threshold,",
        "        True,",
        WITNESSES,
    ),
    Mutant(
        "a complaint is believed",
        _WITNESSES,
        "    check_complaint(complaint, deal, place, at, Point(record.key))\n",
        "",
        WITNESSES,
    ),
    Mutant(
        "a wrong deal counts",
        _WITNESSES,
        "    state.deals.remove((proposal.nonce, dealer))\n",
        "",
        WITNESSES,
    ),
    Mutant(
        "a witness confirms twice",
        _WITNESSES,
        '        raise Ignore("this witness has confirmed already")',
        "        pass",
        WITNESSES,
    ),
    Mutant(
        "witnesses confirm what is still being dealt",
        _WITNESSES,
        "require(proposal.phase is DealingPhase.CHECKING,",
        "require(True,",
        WITNESSES,
    ),
    Mutant(
        "records are about any proposal",
        _WITNESSES,
        "state.proposal is None or state.proposal.id != id_",
        "state.proposal is None",
        WITNESSES,
    ),
    Mutant(
        "the coin stays with the operator's old key",
        _WITNESSES,
        "    if state.coin.keys == (before,):",
        "    if False:",
        WITNESSES,
    ),
    Mutant(
        "old coins are kept",
        _WITNESSES,
        "        if nonce != state.coin_nonce and",
        "        if False and",
        WITNESSES,
    ),
    Mutant(
        "old coins go while a round needs them",
        _WITNESSES,
        " and not state.awaited.has(nonce):",
        ":",
        WITNESSES,
    ),
    Mutant(
        "a dealer deals another's coefficient",
        _DEALING,
        "    check_known(place, deal.commitments[0], deal.knowledge[:PROOF_BYTES])\n",
        "",
        COIN,
    ),
    Mutant(
        "a dealer encrypts from another's point",
        _DEALING,
        "    check_known(place, deal.ephemeral, deal.knowledge[PROOF_BYTES:])\n",
        "",
        COIN,
    ),
    Mutant(
        "a right deal is complained about",
        _DEALING,
        "    if _open(deal, place, at, key, shared) is not None:",
        "    if False:",
        COIN,
    ),
    Mutant(
        "a share is a point of any order",
        _TOSS,
        'check_point(share.point, "the share of the coin")',
        "share.point",
        COIN,
    ),
    Mutant(
        "a proof has many encodings",
        _PROOF,
        "0 < challenge < ORDER and 0 < answer < ORDER",
        "True",
        COIN,
    ),
    Mutant(
        "a proof holds elsewhere",
        _PROOF,
        "stated = (self.place, self.public",
        "stated = (self.public",
        COIN,
    ),
)

_ROUNDS: Final = (
    Mutant(
        "the commits' window lasts a moment longer",
        _ANSWERING,
        ">= window_ms",
        "> window_ms",
        ROUNDS,
    ),
    Mutant(
        "commits end before their window",
        _ANSWERING,
        "waiting == 0 or ",
        "True or ",
        ROUNDS,
    ),
    Mutant(
        "the reveals' window lasts a moment longer",
        _VERDICT,
        ">= campaign.rounds.reveal_ms",
        "> campaign.rounds.reveal_ms",
        ROUNDS,
    ),
    Mutant(
        "the verdict waits for who never committed",
        _VERDICT,
        "sealed = state.commits.count(campaign.id)",
        "sealed = state.tasks.count(campaign.id)",
        ROUNDS,
    ),
    Mutant(
        "a campaign's time runs backwards",
        _SEALING,
        "time_ms >= round_.since_ms",
        "True",
        ROUNDS,
    ),
    Mutant(
        "two records of a campaign cannot have one time",
        _SEALING,
        "time_ms >= round_.since_ms",
        "time_ms > round_.since_ms",
        ROUNDS,
    ),
    Mutant(
        "whoever submits much is before others",
        _SEALING,
        "turns.append(queue)",
        "turns.appendleft(queue)",
        ROUNDS,
    ),
    Mutant(
        "turns go by names, and not by who came first",
        _SEALING,
        "order = sorted(first_tickets, key=lambda author: first_tickets[author])",
        "order = sorted(first_tickets)",
        f"{ROUNDS} {WITHDRAWAL}",
    ),
    Mutant(
        "one draw more than a campaign gives",
        _VERDICT,
        "item.draws >= campaign.rounds.draws_max",
        "item.draws > campaign.rounds.draws_max",
        ROUNDS,
    ),
    Mutant(
        "one more try where all have answered",
        _DRAWING,
        "if item.draws + 1 < ",
        "if item.draws < ",
        ATTACKS,
    ),
    Mutant(
        "a round that nobody came to counts as a draw",
        _DRAWING,
        "if not (item.answered_by and somebody):",
        "if not item.answered_by:",
        ROUNDS,
    ),
    Mutant(
        "what all have answered waits for ever",
        _DRAWING,
        "if not (item.answered_by and somebody):",
        "if True:",
        ATTACKS,
    ),
    Mutant(
        "what nobody answered waits in front",
        _VERDICT,
        "elif item.answered_by:",
        "elif True:",
        ROUNDS,
    ),
    Mutant(
        "twice the seats that an inference can weigh",
        _SEALING,
        "max(1, min(SEATS_MAX, question.kind.reviewers_max(question.spec) // 2))",
        "max(1, min(SEATS_MAX, question.kind.reviewers_max(question.spec)))",
        ATTACKS,
    ),
    Mutant(
        "two names with one address may review each other",
        _DRAWING,
        "return frozenset((*barred, *(who for who in same_address if who is not None)))",
        "return frozenset(barred)",
        ATTACKS,
    ),
    Mutant(
        "a reviewer may be asked twice",
        _DRAWING,
        "barred = (item.author, *item.answered_by)",
        "barred = (item.author,)",
        "unit/test_fold.py",
    ),
    Mutant(
        "a campaign may be paused in mid-round",
        _CAMPAIGNS,
        "round_.phase is RoundPhase.OPEN",
        "True",
        ROUNDS,
    ),
    Mutant(
        "a paused campaign takes submissions",
        _INTAKE,
        "not campaign.paused,",
        "True,",
        ROUNDS,
    ),
    Mutant(
        "a paused campaign is sealed",
        _SEALING,
        "require(not campaign.paused,",
        "require(True,",
        ROUNDS,
    ),
    Mutant(
        "an old word may be said again",
        "protocol/rules/record.py",
        "require(serial == said,",
        "require(True,",
        f"{ROUNDS} {REVIEW}",
    ),
    Mutant(
        "a part that the campaign requires is taken back alone",
        _WITHDRAWAL,
        "        terms.optional,\n",
        "        True,\n",
        TAKEN,
    ),
    Mutant(
        "a part is taken back twice",
        _WITHDRAWAL,
        "if name in item.taken_back:",
        "if False:",
        TAKEN,
    ),
    Mutant(
        "a part that was never there is taken back",
        _WITHDRAWAL,
        "any(part.name == name for part in item.description.parts)",
        "True",
        TAKEN,
    ),
    Mutant(
        "an item may be withdrawn once its round is sealed",
        _WITHDRAWAL,
        "        or item_id in state.round_of(item.campaign_id).items\n",
        "",
        WITHDRAWAL,
    ),
)

_MONEY: Final = (
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
        "if state.items[item_id].decided_in is not None}",
        "}",
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
        "an asset may have two totals",
        "protocol/rules/settling.py",
        "len(assets) == len(record.body.totals)",
        "True",
        "unit/test_fold_settlement.py",
    ),
    Mutant(
        "what is withdrawn is not repaid",
        "protocol/money/earnings.py",
        "counted.accepted - repaid,",
        "counted.accepted,",
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
        "a settlement may be proposed again, without its witnesses",
        "protocol/rules/settling.py",
        '        raise Ignore("this settlement is proposed already")\n',
        "        assert present\n",
        "unit/test_fold_settlement.py",
    ),
    Mutant(
        "evidence fades by closes that came before it",
        "protocol/review/reputation.py",
        "max(since, belief.epoch)",
        "since",
        "property/test_money_and_draws.py",
    ),
)

_TERMS: Final = (
    Mutant(
        "an item of exactly the largest size is refused",
        _INTAKE,
        "0 < part.size <= terms.bytes_max",
        "0 < part.size < terms.bytes_max",
        INTAKE,
    ),
    Mutant(
        "parts may be out of order",
        _INTAKE,
        "require(some == in_order,",
        "require(True,",
        PARTS,
    ),
    Mutant(
        "an open campaign needs no consent to redistribution",
        _INTAKE,
        "require(item.consent.redistribute,",
        "require(True,",
        INTAKE,
    ),
    Mutant(
        "a required proposal may be missing",
        _INTAKE,
        "elif campaign.proposal == pb.PROPOSAL_REQUIRED or size:",
        "elif size:",
        KINDS,
    ),
    Mutant(
        "a leaf of exactly the largest size is refused",
        "protocol/transition.py",
        "len(leaf) <= LEAF_BYTES_MAX",
        "len(leaf) < LEAF_BYTES_MAX",
        PARTS,
    ),
    Mutant(
        "a round may be too large for everybody's memory",
        _CAMPAIGNS,
        "most = min(ROUND_CELLS_MAX // cells, BUNDLE_BYTES_MAX // verdict_bytes)",
        "most = BUNDLE_BYTES_MAX // verdict_bytes",
        ATTACKS,
    ),
    Mutant(
        "a round may be too large for its verdict",
        _CAMPAIGNS,
        "most = min(ROUND_CELLS_MAX // cells, BUNDLE_BYTES_MAX // verdict_bytes)",
        "most = ROUND_CELLS_MAX // cells",
        ATTACKS,
    ),
    Mutant(
        "a policy may accept at one half, or at certainty",
        _NETWORK,
        "PPM // 2 < policy.accept_ppm < PPM",
        "PPM // 2 <= policy.accept_ppm <= PPM",
        NETWORK,
    ),
    Mutant(
        "a policy takes effect at once",
        _NETWORK,
        "    state.policy_to_come = row_of(Policy, record.body.policy)\n",
        "    state.policy = row_of(Policy, record.body.policy)\n",
        NETWORK,
    ),
    Mutant(
        "rules change in the epoch before",
        _CLOSE,
        "state.upgrade[1] <= state.epoch",
        "state.upgrade[1] <= state.epoch + 1",
        NETWORK,
    ),
    Mutant(
        "rules may change in the present epoch",
        _NETWORK,
        "body.epoch > state.epoch",
        "body.epoch >= state.epoch",
        NETWORK,
    ),
    Mutant(
        "a consent to follow holds in both roles",
        _NETWORK,
        "network + bytes([role]) + key",
        "network + key",
        NETWORK,
    ),
    Mutant(
        "a log's key is followed without handing over",
        _NETWORK,
        "            _is_signed(log_key, message, body.handover),\n",
        "            True,\n",
        NETWORK,
    ),
    Mutant(
        "the log's first key hands over for ever",
        _NETWORK,
        "check_succession(state.network, body, state.log_key)",
        "check_succession(state.network, body, state.log_keys[0])",
        NETWORK,
    ),
    Mutant(
        "an old registration may be played again",
        _PEOPLE,
        "body.serial > member.serial",
        "body.serial >= member.serial",
        "unit/test_fold.py",
    ),
    Mutant(
        "a key in another use signs records",
        _PEOPLE,
        "    require_use(state, key, Use.RECORDS)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a key that signs records is somebody's root key",
        _PEOPLE,
        "    require_use(state, body.delegation.root_key, Use.ROOT)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a root key follows the operator's key",
        _NETWORK,
        "        require_use(state, body.key, Use.RECORDS)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a key that signs records follows the log's",
        _NETWORK,
        "        require_use(state, body.key, Use.LOG)\n",
        "",
        NETWORK,
    ),
    Mutant(
        "a network is founded with one key for all",
        _NETWORK,
        "    require(len(keys) == 3,",
        "    require(len(keys) > 0,",
        NETWORK,
    ),
    Mutant(
        "two ids may look alike",
        "protocol/rules/record.py",
        "if known is None:",
        "if known != id_:",
        NETWORK,
    ),
    Mutant(
        "an item derives from the same item twice",
        _INTAKE,
        "len(set(item.derived_from)) == len(item.derived_from)",
        "True",
        INTAKE,
    ),
    Mutant(
        "a person has one key more",
        _PEOPLE,
        "state.keys_of.count(person) < KEYS_PER_PERSON_MAX",
        "state.keys_of.count(person) <= KEYS_PER_PERSON_MAX",
        NETWORK,
    ),
    Mutant(
        "a key may sign for two persons",
        _PEOPLE,
        'require(state.keys.get(key, person) == person, "this key',
        'require(True, "this key',
        NETWORK,
    ),
    Mutant(
        "fields that nobody knows pass",
        _STRICT,
        "    message.DiscardUnknownFields()",
        "    message.ByteSize()",
        NETWORK,
    ),
)

_NAMES: Final = (
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

MUTANTS: Final = (
    *_DECISIONS,
    *_LEAVES,
    *_COPIES,
    *_COIN,
    *_ROUNDS,
    *_MONEY,
    *_TERMS,
    *_NAMES,
)

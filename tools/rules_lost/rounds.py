"""Rounds, from the seal to the verdict, and the life of a campaign."""

from __future__ import annotations

from typing import Final

from rules_lost.mutant import Mutant

ATTACKS: Final = "unit/test_fold_attacks.py"
FLAGS: Final = "unit/test_fold_flags.py"
CONTESTS: Final = (
    "unit/test_fold_contests.py unit/test_fold_contests_paid.py unit/test_fold_kept_back.py"
)
REVIEW: Final = "unit/test_fold_review.py"
ROUNDS: Final = "unit/test_fold_rounds.py"
LIFE: Final = "unit/test_fold_life.py"
TAKEN: Final = "unit/test_fold_taken_parts.py"
TAKEDOWN: Final = "unit/test_fold_takedown.py"
WITHDRAWAL: Final = "unit/test_fold_withdrawal.py"
_ANSWERING: Final = "protocol/rules/answering.py"
_CLOSE: Final = "protocol/rules/close.py"
_CONTESTING: Final = "protocol/rules/contesting.py"
_DRAWING: Final = "protocol/rules/drawing.py"
_INTAKE: Final = "protocol/rules/intake.py"
_LIFE: Final = "protocol/rules/life.py"
_TAKEDOWN: Final = "protocol/rules/takedown.py"
_SEALING: Final = "protocol/rules/sealing.py"
_VERDICT: Final = "protocol/rules/verdict.py"
_WITHDRAWAL: Final = "protocol/rules/withdrawal.py"

MUTANTS: Final = (
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
        ">= window_ms,",
        "> window_ms,",
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
        "elif item.panel:",
        "elif True:",
        ROUNDS,
    ),
    Mutant(
        "a contest that nobody answers waits in front",
        _VERDICT,
        "elif item.panel:",
        "elif item.answered_by:",
        CONTESTS,
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
        "return (item.author, *item.answered_by, *(",
        "return (item.author, *(",
        "unit/test_fold.py",
    ),
    Mutant(
        "a paused campaign takes submissions",
        _INTAKE,
        "campaign.status is not CampaignStatus.PAUSED,",
        "True,",
        LIFE,
    ),
    Mutant(
        "a paused campaign is sealed",
        _SEALING,
        "require(campaign.status is not CampaignStatus.PAUSED,",
        "require(True,",
        LIFE,
    ),
    Mutant(
        "a closed campaign takes what it likes",
        "protocol/rules/record.py",
        "campaign.status is not CampaignStatus.CLOSED,",
        "True,",
        LIFE,
    ),
    Mutant(
        "a closed campaign takes submissions",
        _INTAKE,
        "    require_not_closed(campaign)\n",
        "",
        LIFE,
    ),
    Mutant(
        "reviewers stand by for a closed campaign",
        _DRAWING,
        "        require_not_closed(campaign)\n",
        "        pass\n",
        LIFE,
    ),
    Mutant(
        "what waits in a closed campaign waits for ever",
        _LIFE,
        "            end(state, item_id)\n",
        "            pass\n",
        LIFE,
    ),
    Mutant(
        "what is not contested waits in a closed campaign",
        _DRAWING,
        "    return not closed or item.before is not None\n",
        "    return True\n",
        LIFE,
    ),
    Mutant(
        "what stays undecided is drawn again in a closed campaign",
        _VERDICT,
        " or not goes_on(state, item):",
        ":",
        LIFE,
    ),
    Mutant(
        "who closes a campaign ends its contests",
        _DRAWING,
        "    return not closed or item.before is not None\n",
        "    return not closed\n",
        CONTESTS,
    ),
    Mutant(
        "a closed campaign takes contests for ever",
        _CONTESTING,
        "campaign.status is not CampaignStatus.CLOSED or state.epoch <= until",
        "True",
        CONTESTS,
    ),
    Mutant(
        "nobody may contest what was decided after the close",
        _CONTESTING,
        "max(campaign.closed_in, item.decided_in or 0)",
        "campaign.closed_in",
        CONTESTS,
    ),
    Mutant(
        "reviewers stand by for a closed campaign for ever",
        _CLOSE,
        "            state.standbys.clear(campaign_id)\n",
        "            pass\n",
        LIFE,
    ),
    Mutant(
        "a contest in a closed campaign finds no reviewers",
        _CONTESTING,
        "        or state.queues.has(campaign.id)\n",
        "",
        CONTESTS,
    ),
    Mutant(
        "a change is not checked as a campaign is",
        _LIFE,
        "        check()\n",
        "        pass\n",
        LIFE,
    ),
    Mutant(
        "a change makes rounds that nobody can infer",
        _LIFE,
        "    check_sizes(changed)\n",
        "",
        LIFE,
    ),
    Mutant(
        "a change moves the draws of an item",
        _LIFE,
        "changed.rounds.draws_max == campaign.rounds.draws_max,",
        "True,",
        LIFE,
    ),
    Mutant(
        "a campaign changes without end",
        _LIFE,
        "campaign.revision < REVISIONS_MAX,",
        "True,",
        LIFE,
    ),
    Mutant(
        "a change of price holds for what was submitted before",
        "protocol/money/earnings.py",
        "{each: state.campaign_under(campaign_id, each) for each in counted}",
        "{each: state.campaigns[campaign_id] for each in counted}",
        LIFE,
    ),
    Mutant(
        "a change of windows holds for the round under way: to commit",
        _ANSWERING,
        "state.campaign_under(body.campaign_id, round_.revision).rounds.commit_ms",
        "state.campaigns[body.campaign_id].rounds.commit_ms",
        LIFE,
    ),
    Mutant(
        "a change of windows holds for the round under way: to open",
        _VERDICT,
        "state.campaign_under(campaign.id, round_.revision).rounds.reveal_ms",
        "campaign.rounds.reveal_ms",
        LIFE,
    ),
    Mutant(
        "what is owed is repaid once for each revision",
        "protocol/money/pools.py",
        "penalty, owed = penalty - fined, owed - back",
        "penalty = penalty - fined",
        LIFE,
    ),
    Mutant(
        "what was rejected takes away once for each revision",
        "protocol/money/pools.py",
        "penalty, owed = penalty - fined, owed - back",
        "owed = owed - back",
        "property/test_money_and_draws.py",
    ),
    Mutant(
        "what an epoch did not earn repays",
        "protocol/money/pools.py",
        "back = min(each - fined, owed)",
        "back = min(each, owed)",
        "property/test_money_and_draws.py",
    ),
    Mutant(
        "what is given up is owed at the present price",
        _CONTESTING,
        "state.campaign_under(item.campaign_id, item.revision)",
        "state.campaigns[item.campaign_id]",
        LIFE,
    ),
    Mutant(
        "royalties count a derivative whole",
        "protocol/rules/dataset.py",
        "worth = campaign.worth_permille(item.relation)",
        "worth = 1_000",
        FLAGS,
    ),
    Mutant(
        "a royalty for items that are worth nothing is nobody's",
        "protocol/money/revenue.py",
        "_owners(state, flow.licence_id)).any:",
        "_owners(state, flow.licence_id)):",
        "property/test_revenue_properties.py",
    ),
    Mutant(
        "a takedown says nothing",
        _TAKEDOWN,
        'check_text(body.words, "why it is taken down", TAKEDOWN_CHARS_MAX)',
        "pass",
        TAKEDOWN,
    ),
    Mutant(
        "an item is taken down in mid-review",
        _TAKEDOWN,
        '    require_not_in_review(state, ItemId(body.item_id), "take it down")\n',
        "",
        TAKEDOWN,
    ),
    Mutant(
        "what was taken down may be licensed",
        _TAKEDOWN,
        "    spoil_snapshots(state, state.items[item_id])\n",
        "",
        TAKEDOWN,
    ),
    Mutant(
        "what was taken down waits for its round",
        _TAKEDOWN,
        "    leave_review(state, [item_id])\n",
        "",
        TAKEDOWN,
    ),
    Mutant(
        "who withdraws what was taken down owes nothing",
        "protocol/rows.py",
        "self.takedown.before if self.takedown else (self.before or self).status",
        "(self.before or self).status",
        TAKEDOWN,
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

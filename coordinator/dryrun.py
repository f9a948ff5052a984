"""A dry run of a campaign: what is wrong with a draft, what nodes and people will make of it, what it costs.

A campaign is for ever, so whatever keeps nodes from serving it is an error, here and when it is opened; all
of it is said at once. What only makes it slow, dear or hard to use is advice. Costs are estimates from the
figures below, which are assumptions about people, not promises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from commonground.counting import plural
from commonground.durations import duration_words
from coordinator.campaigns import Draft
from protocol.limits import PPM
from protocol.money.pools import emission_pools
from protocol.state import State
from protocol.tasks.question import Question, ask
from protos.gen import records_pb2 as pb

# How long a person looks at one item, by kind; of a kind with several questions, at each. Assumed, to be
# compared with what reviewers say.
ANSWER_SECONDS: Final = {"classify": 5, "rate": 8, "prefer": 30, "judge": 20, "tags": 4}
_ANSWER_SECONDS_ELSE: Final = 10
# Eight of ten right: whoever is right nine times of ten reaches that 93 % of the time, and whoever guesses
# between two labels 5 %.
GOLD_ANSWERS: Final = 10
# A list that a person finds a label in; beyond it people choose what they see first.
CHOICES_MANY: Final = 50
# A window for people includes a night; for programs it may be shorter.
COMMIT_MS_FOR_PEOPLE: Final = 12 * 3600 * 1000
# A node that restarts, or a laptop that sleeps for a moment, still opens its answers.
REVEAL_MS_LEAST: Final = 60 * 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a full round of accepted items costs, if an epoch has nothing else. Shares in micro."""

    contributors_micro: int  # the pool of an epoch
    reviewers_micro: int
    item_micro: int  # for its author
    answer_micro: int  # for its reviewer, on average


@dataclass(frozen=True, slots=True)
class DryRun:
    """What there is to say of a draft. Errors and advice as (what is wrong, what to do)."""

    id: str
    errors: tuple[tuple[str, str], ...]
    advice: tuple[tuple[str, str], ...] = ()
    round_items: int = 0
    round_answers: int = 0
    round_minutes: int = 0  # of all reviewers together
    reviewer_minutes: int = 0  # of each of those who stand by now, or of the fewest that it takes
    gold_items: int = 0  # that a round of that size needs
    rounds_max: int = 0  # that an undecided item may take
    exported_as: tuple[str, ...] = ()  # empty: nothing of it can be exported
    cost: Cost | None = None  # None without a network, whose policy says it

    @property
    def is_good(self) -> bool:
        """Whether it could be opened as it is."""
        return not self.errors


def dry_run(draft: Draft, state: State | None) -> DryRun:
    """Looks at a draft, in the network whose state is given; changes nothing."""
    body = draft.body
    errors = [(str(error), error.advice) for error in draft.wrong]
    if state is not None and body.id in state.campaigns:
        errors.append((f"there is a campaign {body.id!r} already", "choose another id"))
    if errors:
        return DryRun(body.id, tuple(errors))
    question = ask(body.task, body.spec)
    answers = body.rounds.items_max * body.reviewers_per_item
    seconds = answer_seconds(question)
    people = set() if state is None else {person for (_, person), _ in state.standbys.scan()}
    panel = max(body.reviewers_per_item, len(people))
    return DryRun(
        id=body.id,
        errors=(),
        advice=tuple(_advice(body, question)),
        round_items=body.rounds.items_max,
        round_answers=answers,
        round_minutes=-(-answers * seconds // 60),
        reviewer_minutes=-(-answers * seconds // (60 * panel)),
        gold_items=min(-(-GOLD_ANSWERS * panel // body.reviewers_per_item), body.rounds.items_max),
        rounds_max=body.rounds.draws_max,
        exported_as=("Parquet", "Croissant") if body.privacy == pb.PRIVACY_OPEN else (),
        cost=None if state is None else _cost(state, body),
    )


def answer_seconds(question: Question) -> int:
    """How long a person needs for one item, by the assumptions above."""
    each = ANSWER_SECONDS.get(question.kind.name, _ANSWER_SECONDS_ELSE)
    summary = question.kind.summary(question.spec)
    asked = len(summary.names) if question.kind.name in ("judge", "tags") else 1
    return each * max(1, asked)


def _cost(state: State, body: pb.Campaign) -> Cost:
    policy = state.policy
    pools = emission_pools(
        policy.epoch_emission_micro,
        policy.contributors_ppm,
        policy.reviewers_ppm,
        policy.trainers_ppm,
    )
    items = body.rounds.items_max
    return Cost(
        contributors_micro=pools.contributors,
        reviewers_micro=pools.reviewers,
        item_micro=pools.contributors // items,
        answer_micro=pools.reviewers // (items * body.reviewers_per_item),
    )


def _advice(body: pb.Campaign, question: Question) -> Iterator[tuple[str, str]]:
    """What is allowed and seldom meant."""
    yield from _on_windows(body, question)
    choices = question.kind.belief_size(question.spec)
    if choices > CHOICES_MANY and question.kind.name == "classify":
        yield (
            f"reviewers choose among {choices} labels",
            "ask in two steps, or expect that they use a few of them",
        )
    if not body.guidelines:
        yield ("there are no guidelines", "say what to submit, and how to judge what is unclear")
    if body.reviewers_per_item == 1:
        yield (
            "one reviewer decides each item alone",
            "give it 3, or import gold for every item that matters",
        )
    if body.privacy == pb.PRIVACY_REVIEWERS:
        yield (
            "nothing of it can be exported: its content goes to reviewers only",
            'say privacy = "open" if there is to be a dataset; that cannot be changed later',
        )
    if body.price_ppm != PPM:
        yield (
            f"an accepted item weighs {body.price_ppm / PPM:g} of what others do",
            "all campaigns of an epoch share one pool: a higher price takes from the others",
        )


def _on_windows(body: pb.Campaign, question: Question) -> Iterator[tuple[str, str]]:
    rounds = body.rounds
    needed_ms = rounds.seal_items * answer_seconds(question) * 1000
    if rounds.commit_ms < needed_ms:
        yield (
            f"{plural(rounds.seal_items, 'item takes', 'items take')} a person"
            f" {duration_words(needed_ms)}, and the window for"
            f" answers is {duration_words(rounds.commit_ms)}",
            "let a round begin with fewer items, or give more time",
        )
    elif rounds.commit_ms < COMMIT_MS_FOR_PEOPLE:
        yield (
            f"the window for answers is {duration_words(rounds.commit_ms)}: enough for programs",
            "give people a day",
        )
    if rounds.reveal_ms < REVEAL_MS_LEAST:
        yield (
            f"the window for openings is {duration_words(rounds.reveal_ms)}",
            "a node that restarts meanwhile loses its answers: give it a minute at least",
        )

"""What lies before the reviewer, and what they say of it: the store and the log, as one browser needs them.

Drafts are kept durably, each change under a version, so that of two browsers the later one is told. Sealing
makes answers of the drafts that its reviewer has just looked at, of all or of none.

It runs beside the daemon, which fetches and commits, over the same node.db. What the log says is read again
whenever the daemon has stored more of it.

Never in here: what others answered, the author's proposal, which items are gold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeGuard

from node.answering import Deadlines, RoundKey
from node.examine import Wanted, drafted
from node.follower import Follower
from node.review import OPEN, began_ms, is_answerable, make_wanted, open_tasks, reviewer_of
from node.reviewers import MEANINGS, Case, Refusal, Relation
from node.reviewpage.answers import read_said, say
from node.reviewpage.contents import glimpse_of
from node.rows import MARK_BYTES, Change, TaskRow, TaskStatus
from node.store import Store
from protocol.errors import Reject, StateError
from protocol.rows import Campaign
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

# An item that lies open for a day was not looked at for so long.
SPENT_MS_MAX: Final = 24 * 3_600_000
# Changes of one item of which a browser does not know whether they came.
OVER_MAX: Final = 16
_INTEGER_MAX: Final = 2**53  # what JavaScript counts to
_NO_CHANGE: Final = Reject("that is no change of an answer", "load the page again")
_LATE: Final = "look at the page: what can still be answered is there"


@dataclass(frozen=True, slots=True)
class RoundDesk:
    """One round's items: those that are here and open, and how many are not."""

    key: RoundKey
    campaign: Campaign
    wanted: tuple[Wanted, ...]  # in the order of the draw
    coming: int  # still on their way
    sealed: int  # answered for good
    ends_ms: int | None  # when the node takes drafts as they stand; None before it has begun


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a change."""

    wanted: Wanted  # as it is now
    is_kept: bool  # else another browser, or the terminal, came first


@dataclass(frozen=True, slots=True)
class Became:
    """What became of the items of a round that is over for us."""

    taken: int  # whose answers are committed
    open: int  # that had none in time


@dataclass(frozen=True, slots=True)
class Summary:
    """The drafts of a round that are whole. `token` stands for exactly them."""

    wanted: tuple[Wanted, ...]
    token: str


class Desk:
    """One reviewer's desk. `refresh` on the loop; everything else from any thread."""

    def __init__(
        self, store: Store, follower: Follower, by_person: Callable[[str], bool] = lambda _: True
    ) -> None:
        """`by_person` says of a campaign whether a person answers in it, and no plug-in."""
        self._store, self._follower, self._by_person = store, follower, by_person

    def refresh(self) -> None:
        """Takes in what the daemon has stored of the log since. Raises what `Follower.replay` does."""
        last = self._store.checkpoint()
        if last is not None and last.size > self._follower.size:
            self._follower.replay()

    def rounds(self) -> list[RoundDesk]:
        """All rounds that may be answered, in the order of their ends."""
        found: dict[RoundKey, list[Wanted]] = {}
        for each in open_tasks(self._store, self._follower.state):
            if self._by_person(each.campaign.id):
                found.setdefault(RoundKey(each.task.campaign_id, each.task.round), []).append(each)
        desks = [self._round(key, wanted) for key, wanted in found.items()]
        return sorted(desks, key=lambda desk: (desk.ends_ms or _INTEGER_MAX, desk.campaign.id))

    def round(self, key: RoundKey) -> RoundDesk | None:
        """One of them."""
        return next((desk for desk in self.rounds() if desk.key == key), None)

    def _round(self, key: RoundKey, wanted: Collection[Wanted]) -> RoundDesk:
        campaign = next(iter(wanted)).campaign
        began = began_ms(self._store, key)
        here = [each for each in wanted if each.task.status is TaskStatus.FETCHED]
        seconds = Deadlines.of(campaign.rounds).answer_seconds
        return RoundDesk(
            key,
            campaign,
            tuple(sorted(here, key=lambda each: each.task.position)),
            coming=sum(each.task.status is TaskStatus.TODO for each in wanted),
            sealed=sum(each.task.status is TaskStatus.ANSWERED for each in wanted),
            ends_ms=None if began is None else began + int(1000 * seconds),
        )

    def pulse(self) -> dict[str, list[int]]:
        """For each round how many items are here, coming and sealed, and the sum of their drafts' versions:
        whoever counts otherwise has something to learn. Costs one query."""
        made: dict[str, list[int]] = {}
        state, me = self._follower.state, reviewer_of(self._store)
        for each in self._store.task_sums():
            key = RoundKey(each.campaign_id, each.round)
            if me and self._by_person(key.campaign_id) and is_answerable(state, me, key):
                counts = made.setdefault(name_of(key), [0, 0, 0, 0])
                counts[_PLACES[each.status]] = each.count
                if each.status is TaskStatus.FETCHED:
                    counts[3] = each.versions
        return made

    def find(self, key: RoundKey, item_id: bytes) -> Wanted:
        """An item that may be answered. Raises StateError."""
        task = self._store.task(key.campaign_id, key.round, item_id)
        state, me = self._follower.state, reviewer_of(self._store)
        if (
            task is None
            or me is None
            or task.status not in OPEN
            or not is_answerable(state, me, key)
            or state.unexplained.has(item_id)
        ):
            raise StateError("this item cannot be answered any more", _LATE)
        return make_wanted(state, me, task)

    def change(self, wanted: Wanted, change: Change) -> Kept:
        """Keeps what a browser says of an item. Raises StateError when it is too late."""
        row = self._store.save_draft(wanted.task, change)
        if row.status is not TaskStatus.FETCHED:
            raise StateError("this item is sealed, or its round went on", _LATE)
        return Kept(replace(wanted, task=row), row.draft_mark == change.mark)

    def became(self, key: RoundKey) -> Became:
        """What the node knows of a round that cannot be answered any more."""
        statuses = [task.status for task in self._store.tasks(key.campaign_id, key.round)]
        taken = sum(each in _TAKEN for each in statuses)
        return Became(taken, len(statuses) - taken)

    def summary(self, key: RoundKey) -> Summary:
        """What would be sealed now."""
        return summary_of(self.round(key))

    def seal(self, key: RoundKey, token: str) -> int:
        """Makes answers of what a summary showed; gives their number. The running node commits them once
        it has all of the round. Raises StateError if anything has changed since."""
        summary = self.summary(key)
        tasks = [each.task for each in summary.wanted]
        if not tasks or summary.token != token or not self._store.seal_drafts(tasks):
            raise StateError(
                "the answers have changed since they were shown",
                "look at them again, and seal then",
            )
        return len(tasks)


_PLACES: Final = {TaskStatus.FETCHED: 0, TaskStatus.TODO: 1, TaskStatus.ANSWERED: 2}
_TAKEN: Final = (TaskStatus.COMMITTED, TaskStatus.REVEALED)


def summary_of(desk: RoundDesk | None) -> Summary:
    """The whole drafts of a round; none of one that is over."""
    whole = () if desk is None else tuple(filter(is_whole, desk.wanted))
    digest = sha256()
    for each in whole:
        digest.update(each.item_id + each.task.draft_version.to_bytes(8))
    return Summary(whole, digest.hexdigest())


def name_of(key: RoundKey) -> str:
    """A round's name in the page; no campaign's id has a slash."""
    return f"{key.campaign_id}/{key.round}"


def is_whole(wanted: Wanted) -> bool:
    """Whether its draft is an answer or a refusal."""
    return drafted(wanted, wanted.task) is not None


def case_of(wanted: Wanted) -> Case:
    """What the reviewer is shown."""
    return wanted.case_in(Path(wanted.task.content_path).parent)


def refusal_word(task: TaskRow) -> str:
    """Why its draft gives no answer; empty if it does, or says nothing."""
    return next((each.value for each in Refusal if each.code == task.draft_refusal), "")


def relation_word(task: TaskRow) -> str:
    """What its draft says that a likely copy is; empty if it does not."""
    return next((each.value for each in Relation if each.code == task.draft_relation), "")


def read_change(wanted: Wanted, body: dict[str, Any]) -> Change:
    """A browser's change. Raises Reject for anything that our scripts do not send."""
    case = case_of(wanted)
    refused, base, spent = body.get("refused"), body.get("base"), body.get("ms", 0)
    over = body.get("over", [])
    try:
        if not isinstance(over, list) or len(over) > OVER_MAX:
            raise ValueError
        mark, *earlier = (bytes.fromhex(str(each)) for each in (body.get("mark"), *over))
        refusal = Refusal(refused).code if refused else 0
    except ValueError:
        raise _NO_CHANGE from None
    if {len(mark), *map(len, earlier)} != {MARK_BYTES} or not _counts(base):
        raise _NO_CHANGE
    if not _counts(spent):
        raise _NO_CHANGE
    draft = None if refusal else read_said(case, body.get("said"))
    relation = 0 if refusal else _read_relation(wanted, case, body.get("relation"))
    return Change(draft, refusal, base, mark, tuple(earlier), min(spent, SPENT_MS_MAX), relation)


def _read_relation(wanted: Wanted, case: Case, said: object) -> int:
    """What a likely copy is; 0 where that is not asked, or not said yet."""
    if wanted.original is None:
        return 0
    if not case.original:
        return pb.RELATION_UNSEEN
    try:
        return Relation(str(said)).code if said else 0
    except ValueError:
        raise _NO_CHANGE from None


def _counts(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _INTEGER_MAX


# ---- as JSON ----


def desk_data(desk: RoundDesk) -> dict[str, Any]:
    """All that a browser needs of a round but the content."""
    question = question_of(desk.campaign)
    form = question.kind.form(question.spec)
    if desk.wanted:
        form = case_of(desk.wanted[0]).form
    # A campaign's terms may change in mid-round; each item goes by those under which it came.
    guidelines = list(dict.fromkeys(each.campaign.guidelines for each in desk.wanted))
    terms = [guidelines.index(each.campaign.guidelines) for each in desk.wanted]
    return {
        "campaign": desk.campaign.id,
        "round": desk.key.round,
        "title": desk.campaign.title or desk.campaign.id,
        "asks": question.kind.asks(question.spec)[0],
        "guidelines": guidelines,
        "form": {"style": form.style.value, "names": form.names, "notes": form.notes},
        "coming": desk.coming,
        "sealed": desk.sealed,
        "ends": desk.ends_ms,
        "items": [
            item_data(each) | {"terms": at, "glimpse": glimpse_of(case_of(each).parts)}
            for each, at in zip(desk.wanted, terms, strict=True)
        ],
    }


def item_data(wanted: Wanted) -> dict[str, Any]:
    """One item: its parts, and what its reviewer has said."""
    case, task = case_of(wanted), wanted.task
    sizes = [part.size for part in wanted.parts]
    earlier = wanted.original
    beside = None
    if earlier is not None:
        shown = zip(case.original, earlier.parts, strict=True) if case.original else ()
        beside = {
            "id": earlier.item_id.hex(),
            "parts": [[part.name, part.media_type, each.size] for part, each in shown],
        }
    return {
        "id": task.item_id.hex(),
        "place": task.position,
        "v": task.draft_version,
        "said": say(case, task.draft),
        "refused": refusal_word(task),
        "relation": relation_word(task),
        "beside": beside,  # the earlier item that a likely copy resembles
        "ms": task.spent_ms,
        "parts": [
            [part.name, part.media_type, size] for part, size in zip(case.parts, sizes, strict=True)
        ],
    }


def relations() -> Iterator[tuple[str, str]]:
    """What a likely copy may be: the word, and what it means."""
    return ((each.value, each.meaning) for each in Relation)


def reasons() -> Iterator[tuple[str, str]]:
    """Why a reviewer may give no answer: the word, and what it means."""
    return ((each.value, MEANINGS[each.code]) for each in Refusal)

"""What lies before a reviewer now, in all campaigns: items shown and answered."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.panel import Panel

from commonground.counting import plural
from commonhold.cli.node_home import is_running, open_home, open_store
from commonhold.cli.output import ask, confirm, emit, letters, out, prose, say, table
from commonhold.cli.output import show as print_out
from commonhold.cli.picture import shown_content
from node.examine import Wanted, drafted
from node.follower import Follower
from node.review import open_tasks
from node.reviewers import (
    MEANINGS,
    Case,
    Refusal,
    Relation,
    ShownPart,
    read_refusal,
    read_relation,
)
from node.rows import MARK_BYTES, Change, TaskRow, TaskStatus
from node.statement import RELATIONS
from node.store import Store
from protocol.errors import ConfigError, Reject, StateError
from protocol.tasks.question import question_of
from protos.gen import records_pb2 as pb

# As many digits of an item id as `list` shows; two of one round that share them are told apart by more.
ITEM_DIGITS: Final = 12
# A picture fills a terminal; a file, which has no width, gets what a wide one would show.
PICTURE_COLUMNS_MAX: Final = 240
_LISTED: Final = "`commonhold node review list` shows what is open"
# What begins with it is a command; an answer that does is typed with another one before it. So no label of
# a campaign, whatever it is called, is taken for a command, nor a command for a label.
COMMAND: Final = ":"
_HELP: Final = ":u = unsure, :r REASON = refuse, Enter = later, :b = back, :q = stop"


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies before a reviewer now."""

    store: Store
    tasks: list[Wanted]

    def find(self, digits: str) -> Wanted:
        """The task whose item id begins with these hexadecimal digits."""
        if not digits:
            raise ConfigError("no item is named", f"give the first digits of its id; {_LISTED}")
        found = [each for each in self.tasks if each.item_id.hex().startswith(digits.lower())]
        if len(found) > 1:
            raise ConfigError(f"more than one item begins with {digits!r}", "give more digits")
        if not found:
            raise self._not_open(digits)
        return found[0]

    def _not_open(self, digits: str) -> ConfigError | StateError:
        """Why an item cannot be answered now, by what became of it."""
        past = self.store.tasks_of_item(digits.lower())
        if not past:
            return ConfigError(f"no item that you are to review begins with {digits!r}", _LISTED)
        item, status = past[-1].item_id.hex()[:ITEM_DIGITS], past[-1].status
        if status in (TaskStatus.COMMITTED, TaskStatus.REVEALED):
            return StateError(
                f"what you said of {item} is committed already, and cannot be changed", _LISTED
            )
        return StateError(f"the round of {item} went on: it cannot be answered any more", _LISTED)

    def draft(
        self, wanted: Wanted, said: bytes | Refusal, relation: Relation | None = None
    ) -> None:
        """Keeps what is said of an item, which may be changed until it is sealed."""
        now = self.store.task(wanted.task.campaign_id, wanted.task.round, wanted.item_id)
        base = 0 if now is None else now.draft_version
        mark = secrets.token_bytes(MARK_BYTES)
        if isinstance(said, Refusal):
            change = Change(None, said.code, base, mark)
        else:
            change = Change(said, 0, base, mark, relation=_relation_code(wanted, relation))
        if self.store.save_draft(wanted.task, change).draft_mark != change.mark:
            raise StateError(
                "that comes too late: the item is sealed, or its round is over", _LISTED
            )

    def drafted(self, wanted: Sequence[Wanted]) -> list[TaskRow]:
        """The tasks among these whose drafts are whole."""
        now = [self.store.task(w.task.campaign_id, w.task.round, w.item_id) for w in wanted]
        here = zip(wanted, now, strict=True)
        return [
            task
            for each, task in here
            if task is not None
            and task.status is TaskStatus.FETCHED
            and drafted(each, task) is not None
        ]

    def give(self, wanted: Wanted, said: bytes | Refusal, relation: Relation | None = None) -> None:
        """Records an answer, with what a likely copy is, or a refusal; the running node commits when all of
        the round are there."""
        refused = isinstance(said, Refusal)
        if isinstance(said, Refusal):
            given = self.store.set_answer(wanted.task, None, said.code)
        else:
            given = self.store.set_answer(
                wanted.task, said, relation=_relation_code(wanted, relation)
            )
        if not given:
            what = "refusal" if refused else "answer"
            raise StateError(
                f"the {what} comes too late: the answers of this round are committed",
                _LISTED,
            )


def _relation_code(wanted: Wanted, relation: Relation | None) -> pb.Relation:
    """What is logged; raises ConfigError where something is said of nothing, or nothing of a likely copy."""
    item = wanted.item_id.hex()[:ITEM_DIGITS]
    if wanted.original is None:
        if relation is not None:
            raise ConfigError(f"{item} resembles no earlier item", "leave out what it is to one")
        return pb.RELATION_NONE
    if not _case(wanted).original:
        return pb.RELATION_UNSEEN  # whatever is said: there is nothing to compare with
    if relation is None:
        raise ConfigError(
            f"{item} resembles an earlier item, and nothing is said of that",
            f"`commonhold node review show {item}` shows both; add --relation: {', '.join(Relation)}",
        )
    return relation.code


@contextmanager
def _desk(directory: Path | None) -> Iterator[Desk]:
    home, config = open_home(directory)
    with open_store(home) as store:
        follower = Follower(store, config.link)
        follower.replay()
        if not is_running(home):
            say("the node is not running: start it with `commonhold node start`")
        yield Desk(store, open_tasks(store, follower.state))


def _case(wanted: Wanted) -> Case:
    """What the reviewer is shown; without its files while they are on their way."""
    return wanted.case_in(Path(wanted.task.content_path).parent)


# ---- list, show, answer, refuse ----


def list_tasks(directory: Path | None, as_json: bool) -> None:
    """Shows what may still be answered."""
    with _desk(directory) as desk:
        rows = [_task_data(each) for each in desk.tasks]
    columns = ["item", "campaign", "kind", "status", "answer"]
    emit(
        {"tasks": rows},
        as_json,
        lambda: (
            table("To review", columns, [_cells(row) for row in rows])
            if rows
            else "nothing to review now"
        ),
    )


def _cells(row: dict[str, Any]) -> list[object]:
    given = row["answer"] or (_refused(row["refusal"]) if row["refusal"] else "")
    if row["program"]:
        given += f" (by {row['program']})"
    return [row["item"][:ITEM_DIGITS], row["campaign"], row["kind"], row["status"], given]


def _task_data(wanted: Wanted) -> dict[str, Any]:
    task, case = wanted.task, _case(wanted)
    given = None if task.answer is None else case.words(task.answer)
    return {
        "item": task.item_id.hex(),
        "campaign": task.campaign_id,
        "kind": case.kind,
        "status": task.status.value,
        "parts": _parts_data(case.parts, is_here=bool(task.content_path)),
        "resembles": None
        if wanted.original is None
        else {
            "item": wanted.original.item_id.hex(),
            "parts": _parts_data(case.original, is_here=True),
        },
        "choices": case.choices,
        "answer": given,
        "relation": RELATIONS.get(task.relation),
        "refusal": MEANINGS.get(task.refusal),
        "program": task.program,
    }


def _parts_data(parts: Iterable[ShownPart], *, is_here: bool) -> list[dict[str, str | None]]:
    return [
        {
            "name": part.name,
            "media_type": part.media_type,
            "path": str(part.path) if is_here else None,
        }
        for part in parts
    ]


def show(item: str, directory: Path | None) -> None:
    """Shows the item whose id begins so."""
    with _desk(directory) as desk:
        wanted = desk.find(item)
        if not wanted.task.content_path:
            raise StateError("the item is still on its way", "try again in a moment")
        print_out(_asked(_case(wanted)), _shown(_case(wanted)), *_beside(wanted))


def answer(
    item: str, words: str, relation: str | None, directory: Path | None, as_json: bool
) -> None:
    """Answers the item whose id begins so; of a likely copy, says what it is to the earlier one, too."""
    with _desk(directory) as desk:
        wanted = desk.find(item)
        case = _case(wanted)
        try:
            given = read_answer(case, words)
            compared = None if relation is None else read_relation(relation)
        except Reject as error:
            raise ConfigError(str(error), error.advice) from error
        desk.give(wanted, given, compared)
        said = case.words(given)
    emit({"item": wanted.item_id, "answer": said}, as_json, lambda: f"answered {said}")


def refuse(item: str, reason: str, directory: Path | None, as_json: bool) -> None:
    """Gives no answer to the item whose id begins so."""
    with _desk(directory) as desk:
        wanted, refusal = desk.find(item), read_refusal(reason)
        desk.give(wanted, refusal)
    emit({"item": wanted.item_id, "refusal": refusal}, as_json, lambda: f"refused: {refusal}")


# ---- one by one ----


class Move(Enum):
    """What a reviewer does instead of saying something of an item."""

    LATER = auto()
    BACK = auto()
    STOP = auto()


def review(directory: Path | None) -> None:
    """Goes through all that has arrived, one by one, and seals what was said when that is confirmed."""
    with _desk(directory) as desk:
        waiting = [each for each in desk.tasks if each.task.status is TaskStatus.FETCHED]
        missing = sum(each.task.status is TaskStatus.TODO for each in desk.tasks)
        if not waiting:
            raise StateError(
                "nothing to review now",
                plural(missing, "item is still on its way", "items are still on their way")
                if missing
                else "wait for a draw",
            )
        _go_through(desk, waiting)
        tasks = desk.drafted(waiting)
        print_out(f"{len(tasks)} of {len(waiting)} answered")
        if not tasks:
            return
        if not confirm(f"Seal {plural(len(tasks), 'answer')}? Nobody can change what is sealed"):
            say("they are kept, and not sealed: `commonhold node review` goes on with them")
            return
        if not desk.store.seal_drafts(tasks):
            raise StateError("some were changed in another window", "look at them again")
    print_out(f"{len(tasks)} sealed")


def _go_through(desk: Desk, waiting: list[Wanted]) -> None:
    """Shows each item and asks, forwards and back."""
    at, before = 0, None
    while at < len(waiting):
        wanted = waiting[at]
        case = _case(wanted)
        if wanted.campaign != before:  # another one, or with other terms
            before = wanted.campaign
            print_out(_asked(case))
        print_out(_shown(case), *_beside(wanted))
        place = f"{at + 1}/{len(waiting)} {wanted.item_id.hex()[:ITEM_DIGITS]}"
        match _ask(place, case, _said_before(desk, wanted)):
            case Move.STOP:
                return
            case Move.BACK:
                at = max(0, at - 1)
                continue
            case (bytes() | Refusal()) as said:
                asked = case.original and not isinstance(said, Refusal)
                try:
                    desk.draft(wanted, said, _ask_relation() if asked else None)
                except StateError as late:
                    say(str(late))
        at += 1


def _said_before(desk: Desk, wanted: Wanted) -> str:
    """What the item's draft says; empty without one."""
    for task in desk.drafted([wanted]):
        if task.draft is not None:
            return _case(wanted).words(task.draft)
        return _refused(MEANINGS[task.draft_refusal])
    return ""


def _refused(reason: str) -> str:
    """Told apart from an answer: a label may be called as a reason is."""
    return f"refused: {reason}"


def _asked(case: Case) -> Panel:
    """A campaign's question and guidelines, and what may be answered."""
    lines: list[RenderableType] = []
    if case.guidelines:
        lines += [prose(case.guidelines), ""]
    question = question_of(case.campaign)
    sentence, *more = question.kind.asks(question.spec)
    lines.append(letters(sentence, "bold"))
    lines += [letters(f"  {each}") for each in more if each not in case.choices]
    lines.append(letters(_offered(case)))
    changed = f" (as changed by entry {case.campaign.logged_at})" if case.campaign.revision else ""
    title = letters(f"{case.campaign.id}: {case.campaign.title}{changed}")
    return Panel(Group(*lines), title=title, title_align="left", expand=False)


def _offered(case: Case) -> str:
    if _has_numbers(case):
        return "  ".join(f"{n} = {each}" for n, each in enumerate(case.choices, start=1))
    return ", ".join(map(_as_typed, case.choices))


def _as_typed(choice: str) -> str:
    return COMMAND + choice if choice.startswith(COMMAND) else choice


def _has_numbers(case: Case) -> bool:
    """Whether a choice may be named by its number: not where choices are numbers themselves."""
    return len(case.choices) > 1 and not any(each.strip().isdigit() for each in case.choices)


def _shown(case: Case) -> Group:
    """An item's parts, in this reviewer's order."""
    return Group(*_parts_shown(case.parts))


def _parts_shown(parts: Sequence[ShownPart]) -> list[RenderableType]:
    width, colour = min(out.width, PICTURE_COLUMNS_MAX) - 1, out.color_system is not None
    shown: list[RenderableType] = []
    for part in parts:
        if len(parts) > 1:
            shown.append(letters(f"── {part.name} ──", "bold"))
        shown.append(shown_content(part.path, part.media_type, width, colour))
    return shown


def _beside(wanted: Wanted) -> list[RenderableType]:
    """The earlier item that a likely copy resembles."""
    if wanted.original is None:
        return []
    title = letters(f"It resembles the earlier item {wanted.original.item_id.hex()[:ITEM_DIGITS]}")
    case = _case(wanted)
    if not case.original:
        return [Panel(letters("Its author did not serve it."), title=title, title_align="left")]
    meanings = [letters(f"  {each} = {each.meaning}") for each in Relation]
    shown = Group(*_parts_shown(case.original))
    return [
        Panel(shown, title=title, title_align="left"),
        letters("What is it?", "bold"),
        *meanings,
    ]


def _ask_relation() -> Relation:
    """What a likely copy is; asks again for anything else. A number names one."""
    choices = list(Relation)
    offered = "  ".join(f"{number} = {each}" for number, each in enumerate(choices, start=1))
    while True:
        typed = ask(f"[to the earlier one] {offered}", default="", show_default=False).strip()
        if typed in {str(number) for number in range(1, len(choices) + 1)}:
            return choices[int(typed) - 1]
        try:
            return read_relation(typed)
        except Reject as error:
            say(f"{error}: {error.advice}")


def _ask(place: str, case: Case, before: str) -> bytes | Refusal | Move:
    """An answer, a refusal, or where to go; asks again for anything else."""
    while True:
        offered = _offered(case)
        said = f", you said {before}" if before else ""
        question = f"[{place}{said}] {offered} ({_HELP})"
        typed = ask(question, default="", show_default=False).strip()
        try:
            return _read(case, typed)
        except Reject as error:
            say(f"{error}: {error.advice}")


def _read(case: Case, typed: str) -> bytes | Refusal | Move:
    if not typed.startswith(COMMAND):
        return read_answer(case, typed) if typed else Move.LATER
    if typed.startswith(2 * COMMAND):
        return read_answer(case, typed.removeprefix(COMMAND))
    match typed.removeprefix(COMMAND).split():
        case ["u"]:
            return Refusal.UNSURE
        case ["b"]:
            return Move.BACK
        case ["q"]:
            return Move.STOP
        case ["r", reason]:
            return read_refusal(reason)
    raise Reject(
        f"{typed!r} is not a command",
        f"{_HELP}; an answer that begins with a colon is typed with another one before it",
    )


def read_answer(case: Case, typed: str) -> bytes:
    """The answer that somebody typed: in words, or the number of a choice. Raises Reject."""
    try:
        return case.read(typed)
    except Reject:
        numbers = [str(number) for number in range(1, len(case.choices) + 1)]
        if _has_numbers(case) and typed in numbers:
            return case.read(case.choices[numbers.index(typed)])
        raise

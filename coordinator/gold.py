"""Gold from a file: items with a known answer, in words. The coordinator keeps them sealed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from commonground.lines import bad_line
from commonground.tables import Form, Table, form_of
from coordinator.sealed import waits
from protocol.errors import ConfigError, Ignore, Reject, StateError
from protocol.limits import HASH_BYTES
from protocol.rows import ItemId
from protocol.state import State
from protocol.tasks.question import question_of
from protocol.text import quoted

# Each after a round began meanwhile, of a campaign that is in the table.
_LOOKS_MAX: Final = 8
ITEM: Final = "item_id"
ANSWERS: Final = ("answer", "label")  # either, as in the tables of contributors


def read_answers(path: Path, state: State, campaign_id: str = "") -> dict[ItemId, bytes]:
    """Answers by item, from a table with the columns item_id (hex) and answer or label (as the kind of task
    takes it in words). It is read as contributors' tables are: with or without a byte order mark, apart by
    commas, semicolons or tabs, or as JSON Lines. Items are of any campaign, or all of `campaign_id`.

    Raises:
        ConfigError: names the line that is wrong, or the item of another campaign.
        StateError: names the item that nobody has submitted.
    """
    answers: dict[ItemId, bytes] = {}
    table = Table(path, form_of(path) or Form.CSV)
    # Spelt as people do, as in contributors' tables.
    columns = {name.strip().casefold(): name for name in table.columns()}
    answered = next((name for name in ANSWERS if set(columns) == {ITEM, name}), None)
    if answered is None or len(columns) < len(table.columns()):
        raise ConfigError(
            f"{path} does not have the columns {ITEM} and {' or '.join(ANSWERS)}, and no others",
            f"let its first line be {ITEM},{ANSWERS[0]}, and each other one an item and its answer",
        )
    for row in table.rows():
        if row.problem:
            raise bad_line(path, row.number, row.problem)
        where = f"{path}:{row.number}"
        named, words = (str(row.cells.get(columns[name], "")) for name in (ITEM, answered))
        item_id, answer = _parse_row(named, words, state, where, campaign_id)
        if item_id in answers:
            raise ConfigError(
                f"{where}: the item {item_id.hex()[:12]} is there twice",
                "leave the line with its right answer",
            )
        answers[item_id] = answer
    if not answers:
        raise ConfigError(f"{path} holds no answers", "add a line for each item")
    return answers


class Keeper(Protocol):
    """Whoever keeps known answers, and sees which items wait: an `Operator`."""

    @property
    def state(self) -> State:
        """As of the last look."""

    def refresh(self) -> None:
        """Looks again."""

    def import_gold(self, answers: Mapping[ItemId, bytes]) -> None:
        """Keeps them all. Raises Ignore where one of the items waits no more."""


def keep_those_waiting(keeper: Keeper, answers: Mapping[ItemId, bytes]) -> int:
    """Has the coordinator keep the answers of items that still wait; gives how many.

    A round may begin between our look and its: then we look again, and leave out what came too late by now.

    Raises:
        StateError: none of them waits; and what `Operator.import_gold` raises.
    """
    for _ in range(_LOOKS_MAX):
        waiting = those_waiting(keeper.state, answers)
        try:
            keeper.import_gold(waiting)
        except Ignore:
            keeper.refresh()
            if those_waiting(keeper.state, answers) == waiting:
                raise
        else:
            return len(waiting)
    raise StateError("rounds begin faster than answers can be imported", "try again")


def those_waiting(state: State, answers: Mapping[ItemId, bytes]) -> dict[ItemId, bytes]:
    """The answers of items that still wait for a round: all others would measure nobody.

    Raises:
        StateError: there are none.
    """
    waiting = {item_id: known for item_id, known in answers.items() if waits(state, item_id)}
    if not waiting:
        raise StateError(
            "none of these items waits for review any more",
            "import answers between an item's submission and its round",
        )
    return waiting


def _parse_row(
    said: str, answer: str, state: State, where: str, campaign_id: str
) -> tuple[ItemId, bytes]:
    try:
        item_id = bytes.fromhex(said)
    except ValueError:
        item_id = b""
    if len(item_id) != HASH_BYTES:
        raise ConfigError(
            f"{where}: {quoted(said)} is not an item's id",
            "write all of its 64 hexadecimal digits",
        )
    item = state.items.get(item_id)
    if item is None:
        raise StateError(f"{where}: nobody has submitted this item", "submit it, then import again")
    if campaign_id and item.campaign_id != campaign_id:
        raise ConfigError(
            f"{where}: this item is one of {quoted(item.campaign_id)}, and not of {quoted(campaign_id)}",
            "import it on the page of its own campaign",
        )
    question = question_of(state.campaigns[item.campaign_id])
    try:
        known = question.kind.read_words(question.spec, answer)
    except Reject as error:
        raise ConfigError(f"{where}: {error}", error.advice) from None
    # As for contributors' tables: whether another case means the same, a table does not say.
    written, said = answer.strip(), question.kind.words(question.spec, known)
    if written != said and written.casefold() == said.casefold():
        raise ConfigError(
            f"{where}: {quoted(written)} is written {quoted(said)} in this campaign",
            "write answers as the campaign does",
        )
    return item_id, known

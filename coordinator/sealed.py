"""What the operator keeps to himself until a verdict: proposed answers, and the answers of gold.

It rests in the ledger's sealed table. What a record opens is written in the transaction of the record, so
that no acknowledged record is ever without its openings:

    proposals/<log index>/<n>  openings of a submission, in rows by the items' ids: the state knows where
                               each item was submitted, and one that is settled leaves its row alone
    known/<item id>         the answer of an item, imported by the operator while the item waits
    gold/<gold hash>        its opening, once a seal has committed to it

One opening is item id (32 bytes), salt (32 bytes), length of the answer (u32, big-endian), answer. When
each row goes again is in coordinator/erasure.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from coordinator.ledger import Ledger
from coordinator.tables import Rewrite
from protocol.errors import Ignore, Reject
from protocol.limits import HASH_BYTES
from protocol.log.commitments import gold_commitment
from protocol.review.decisions import Opening as SaltAndAnswer
from protocol.rows import ItemId
from protocol.rules.intake import validate_openings
from protocol.rules.record import require
from protocol.rules.sealing import split_leaves
from protocol.rules.table import Rule
from protocol.state import State
from protocol.tasks.question import question_of
from protocol.transition import AnyRecord

# A large submission's openings lie in so many rows. Whenever one of its items is settled, a row is written
# anew: of 8,192 items, 9 KB.
PROPOSAL_ROWS: Final = 64
_LENGTH_BYTES: Final = 4
_SALT_AT: Final = HASH_BYTES
_LENGTH_AT: Final = 2 * HASH_BYTES
_ANSWER_AT: Final = _LENGTH_AT + _LENGTH_BYTES


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens the commitment to an item's proposal, or a gold hash."""

    item_id: ItemId
    salt: bytes
    answer: bytes

    def encode(self) -> bytes:
        """The bytes that rest in a row."""
        length = len(self.answer).to_bytes(_LENGTH_BYTES, "big")
        return self.item_id + self.salt + length + self.answer


def openings_in(data: bytes) -> Iterator[Opening]:
    """Those that a row holds."""
    at = 0
    while at < len(data):
        answer_at = at + _ANSWER_AT
        stop = answer_at + int.from_bytes(data[at + _LENGTH_AT : answer_at], "big")
        salt = data[at + _SALT_AT : at + _LENGTH_AT]
        yield Opening(data[at : at + _SALT_AT], salt, data[answer_at:stop])
        at = stop


# ---- rows ----


def proposals_key(index: int, item_id: ItemId) -> bytes:
    """The row of a submission's openings that has an item's."""
    return b"proposals/" + index.to_bytes(8, "big") + bytes((ord("/"), item_id[0] % PROPOSAL_ROWS))


def known_key(item_id: ItemId) -> bytes:
    """The row of an answer that the operator knows."""
    return b"known/" + item_id


def gold_key(gold_hash: bytes) -> bytes:
    """The row of an answer that a seal committed to."""
    return b"gold/" + gold_hash


def without(item_ids: Collection[ItemId]) -> Rewrite:
    """Takes the openings of some items out of a row; empty when none is left."""
    return partial(_without, item_ids)


def _without(item_ids: Collection[ItemId], row: bytes) -> bytes:
    return b"".join(each.encode() for each in openings_in(row) if each.item_id not in item_ids)


def forget(_: bytes) -> bytes:
    """What is left of a row that is erased whole."""
    return b""


# ---- what may rest beside a record ----


def validate_sealed(
    state: State, rule: Rule, record: AnyRecord, openings: Sequence[Opening]
) -> dict[bytes, bytes]:
    """The rows to seal beside a validated record; raises Reject unless its openings are whole."""
    if rule.opens is None:
        require(not openings, "this record opens nothing")
        return {}
    require(len({each.item_id for each in openings}) == len(openings), "an item is opened twice")
    return _OPENS[rule.opens](state, record, openings)


def _proposals(state: State, record: AnyRecord, openings: Sequence[Opening]) -> dict[bytes, bytes]:
    by_item = {each.item_id: (each.salt, each.answer) for each in openings}
    validate_openings(state, record, by_item)
    rows: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for each in openings:
        rows[proposals_key(record.index, each.item_id)].append(each.encode())
    return {key: b"".join(encoded) for key, encoded in rows.items()}


def _gold(state: State, record: AnyRecord, openings: Sequence[Opening]) -> dict[bytes, bytes]:
    """A round whose gold could not be opened could never be decided: check all of it now."""
    for each in openings:
        _check_known(state, each.item_id, each.answer, record.body.campaign_id)
    rows = {gold_commitment(each.item_id, each.salt, each.answer): each for each in openings}
    _, hashes = split_leaves(record.leaves)
    require(rows.keys() == set(hashes), "the openings are not those of the gold hashes")
    return {gold_key(gold_hash): each.encode() for gold_hash, each in rows.items()}


_OPENS: Final[Mapping[str, Callable[[State, Any, Sequence[Opening]], dict[bytes, bytes]]]] = {
    "proposals": _proposals,
    "gold": _gold,
}


# ---- what is read again ----


def proposals_of(ledger: Ledger, state: State, campaign_id: str) -> dict[ItemId, SaltAndAnswer]:
    """What the authors sealed for the items of a campaign's round."""
    wanted = set(state.round_of(campaign_id).items)
    keys = {proposals_key(state.items[item_id].submitted_at, item_id) for item_id in wanted}
    rows = ledger.sealed(sorted(keys))
    return {item: opened for item, opened in _opened(rows.values()) if item in wanted}


def gold_of(ledger: Ledger, state: State, campaign_id: str) -> dict[ItemId, SaltAndAnswer]:
    """What the seal of a campaign's round committed to."""
    hashes = sorted(state.round_of(campaign_id).gold_hashes)
    return dict(_opened(ledger.sealed([gold_key(each) for each in hashes]).values()))


def _opened(rows: Iterable[bytes]) -> Iterator[tuple[ItemId, SaltAndAnswer]]:
    for row in rows:
        for each in openings_in(row):
            yield each.item_id, (each.salt, each.answer)


# ---- gold that waits for its round ----


def validate_known(state: State, answers: Mapping[ItemId, bytes]) -> dict[bytes, bytes]:
    """The rows of answers that the operator imports.

    Raises:
        Reject: an item is not there, or its answer does not fit the campaign.
        Ignore: an item does not wait any more, so that its answer would measure nobody.
    """
    for item_id, answer in answers.items():
        _check_known(state, item_id, answer)
        if not waits(state, item_id):
            raise Ignore(
                f"{item_id.hex()} does not wait for review any more",
                "import answers of items that wait; leave the others out",
            )
    return {known_key(item_id): answer for item_id, answer in answers.items()}


def waits(state: State, item_id: ItemId) -> bool:
    """Whether an item waits for a round."""
    item = state.items[item_id]
    return state.waiting.get(((item.campaign_id, item.author), item.ticket)) == item_id


def known_of(ledger: Ledger, item_ids: Iterable[ItemId]) -> dict[ItemId, bytes]:
    """The imported answers of some items."""
    rows = ledger.sealed([known_key(item_id) for item_id in item_ids])
    return {key.removeprefix(known_key(b"")): answer for key, answer in rows.items()}


def _check_known(state: State, item_id: ItemId, answer: bytes, campaign_id: str = "") -> None:
    item = state.items.get(item_id)
    if item is None or item.campaign_id != (campaign_id or item.campaign_id):
        raise Reject(f"nobody submitted the item {item_id.hex()}", "submit it, then import again")
    question = question_of(state.campaigns[item.campaign_id])
    question.kind.check_answer(question.spec, answer)

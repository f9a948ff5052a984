"""Puts back what a restored ledger lacks beside its entries: no copy of a log has what was sealed with them.

Authors keep the openings of their proposals. One who sends a logged submission once more, with its
openings, brings them back (`commonhold node send --again`). They are checked as they were the first time, and
nothing is kept of an item that is settled by now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from coordinator.erasure import is_settled
from coordinator.ledger import Ledger
from coordinator.sealed import Opening, openings_in, proposals_key, validate_sealed
from protocol.log.envelope import parse_envelope
from protocol.state import State
from protocol.transition import open_record, rules_for

_KIND: Final = "submission"


def missing_rows(
    ledger: Ledger,
    state: State,
    index: int,
    *,
    raw: bytes,
    leaves: Sequence[bytes],
    openings: Sequence[Opening],
) -> dict[bytes, bytes]:
    """The sealed rows that lack some of these openings of the submission at `index`, with them.

    Raises Reject for openings that are not the record's.
    """
    envelope, rules = parse_envelope(raw), rules_for(state)
    if envelope.kind != _KIND:
        return {}
    record = open_record(envelope, leaves, index, rules)
    validate_sealed(state, rules[envelope.kind], record, openings)
    wanted: defaultdict[bytes, list[Opening]] = defaultdict(list)
    for each in openings:
        if not is_settled(state.items[each.item_id]):
            wanted[proposals_key(index, each.item_id)].append(each)
    held, missing = ledger.sealed(sorted(wanted)), dict[bytes, bytes]()
    for key, some in wanted.items():
        row = held.get(key, b"")
        known = {each.item_id for each in openings_in(row)}
        if more := b"".join(each.encode() for each in some if each.item_id not in known):
            missing[key] = row + more
    return missing

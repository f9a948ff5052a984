"""What a panel says of a likely copy: a copy, a derivative, or independent. Integers alone.

To call an item a copy takes everything from its author, to call it a derivative a part: each takes more than
half of the voices, and whoever says nothing against the author counts for him. So ties favour the author, and
the steps are in order: a voice for a copy is one for a derivative, too. An original that was not served is a
voice for a derivative: else its author's accomplice would earn whole by hiding it, and lose all if somebody
else hides his. Where that decided, the panel's word is UNSEEN: it pays as a derivative, and says nothing of
where the item comes from. Where most of the panel say so, the original was kept back, and attracts no more.

A contest turns the burden round. What was said of the item stands, and whoever cannot tell, or was not shown
the original, leaves it standing: else the same picture would earn by being contested where nobody compares.

Reviewers whom the answers show to be a ring share one voice, that of their own majority.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from protocol.identity import PersonId
from protocol.lifecycle import ItemStatus
from protocol.rows import GivenAnswer, Item
from protocol.state import State
from protos.gen import records_pb2 as pb

FOR_A_COPY: Final = frozenset({pb.RELATION_COPY})
FOR_A_DERIVATIVE: Final = FOR_A_COPY | {pb.RELATION_DERIVATIVE}
FOR_A_PART: Final = FOR_A_DERIVATIVE | {pb.RELATION_UNSEEN}
SILENT: Final = frozenset({pb.RELATION_UNSURE, pb.RELATION_UNSEEN})


def decide_relation(voices: Sequence[int]) -> pb.Relation:
    """What follows from voices (pb.Relation) that count the same; NONE from none."""
    if not voices:
        return pb.RELATION_NONE
    steps = (
        (pb.RELATION_COPY, FOR_A_COPY),
        (pb.RELATION_DERIVATIVE, FOR_A_DERIVATIVE),
        (pb.RELATION_UNSEEN, FOR_A_PART),
    )
    for relation, voices_for_it in steps:
        if 2 * sum(voice in voices_for_it for voice in voices) > len(voices):
            return relation
    return pb.RELATION_INDEPENDENT


def relation_of(
    state: State, item: Item, answers: Mapping[PersonId, GivenAnswer], ringed: Collection[PersonId]
) -> pb.Relation:
    """What a panel's answers make an item to the one that it resembles; NONE where it resembles none, or that
    one was withdrawn: then it is the first of its kind."""
    original = state.items.get(item.resembles)
    if original is None or original.status is ItemStatus.WITHDRAWN:
        return pb.RELATION_NONE
    said = {who: each.relation for who, each in answers.items() if each.relation}
    if item.before is not None:
        stood = _stood(item.before)
        said = {who: stood if each in SILENT else each for who, each in said.items()}
    elif original.status is ItemStatus.TAKEN_DOWN:
        # It went while they were asked, and nobody is to blame that they could not see it.
        said = {who: pb.RELATION_UNSURE if each in SILENT else each for who, each in said.items()}
    voices = [relation for who, relation in said.items() if who not in ringed]
    together = [relation for who, relation in said.items() if who in ringed]
    if together:
        voices.append(decide_relation(together))
    return decide_relation(voices)


def was_kept_back(item: Item, answers: Mapping[PersonId, GivenAnswer]) -> bool:
    """Whether an accepted item's panel says that it was not shown what the item resembles: it takes more than
    half of all who answered to say so themselves. To pay a part others count, too; but what frees everything
    that comes later is no word of one voice, nor of accomplices about junk."""
    unseen = sum(each.relation == pb.RELATION_UNSEEN for each in answers.values())
    agreed = item.status is ItemStatus.ACCEPTED and item.relation == pb.RELATION_UNSEEN
    return agreed and 2 * unseen > len(answers)


def _stood(before: Item) -> int:
    """What an item was to the earlier one before its author contested that."""
    is_copy = before.status is ItemStatus.DUPLICATE  # also where a fingerprint alone said so
    return pb.RELATION_COPY if is_copy else before.relation

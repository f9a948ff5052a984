"""What a dataset says of an item that resembles another one."""

from __future__ import annotations

from dataclasses import replace

from commonground.dataset.decided import Decided, kin
from commonground.dataset.rows import Columns
from commonground.dataset.splits import Member, SplitTerms, split_items
from protocol.identity import NOBODY
from protocol.rows import Campaign, Consent, Description
from protos.gen import records_pb2 as pb
from tests import simulated

NAMED, ORIGINAL = b"\1" * 32, b"\2" * 32
DESCRIBED = Description(
    (), b"", "CC-BY-4.0", Consent(train=True), pb.ORIGIN_HUMAN, "", False, (NAMED,), ""
)
PLAIN = Decided(b"\3" * 32, DESCRIBED, NOBODY, 1, b"\0\1", (), 0, 1, 3, 0, ())


def cells(decided: Decided) -> dict[str, object]:
    columns = Columns.of(Campaign.of(simulated.campaign()))
    wanted = ("resembles", "relation", "derived_from")
    return {each.name: each.value(decided, {}) for each in columns.others if each.name in wanted}


def test_a_derivative_names_its_original_in_its_lineage() -> None:
    derivative = replace(PLAIN, resembles=ORIGINAL, relation=pb.RELATION_DERIVATIVE)
    assert cells(derivative) == {
        "resembles": ORIGINAL.hex(),
        "relation": "derivative",
        "derived_from": [NAMED.hex(), ORIGINAL.hex()],
    }
    own_word = replace(derivative, resembles=NAMED)
    assert cells(own_word)["derived_from"] == [NAMED.hex()], "named once"


def test_what_is_independent_is_derived_from_nothing_more() -> None:
    independent = replace(PLAIN, resembles=ORIGINAL, relation=pb.RELATION_INDEPENDENT)
    assert cells(independent)["relation"] == "independent"
    assert cells(independent)["derived_from"] == [NAMED.hex()]
    assert cells(PLAIN) == {"resembles": "", "relation": "", "derived_from": [NAMED.hex()]}


def test_what_reviewers_were_not_shown_an_original_of_is_derived_from_nothing_more() -> None:
    unseen = replace(PLAIN, resembles=ORIGINAL, relation=pb.RELATION_UNSEEN)
    assert cells(unseen) == {
        "resembles": ORIGINAL.hex(),
        "relation": "unseen",
        "derived_from": [NAMED.hex()],
    }


def test_what_was_compared_trains_where_the_other_does_whatever_it_was_called() -> None:
    ids = [bytes([number]) * 32 for number in range(40)]
    originals, made = ids[:20], ids[20:]

    def is_together(relation: int) -> bool:
        """Whether each of twenty items is in the split of the one that it was compared with."""
        members = [Member.of(pb.Item(), each, b"", (), None) for each in originals]
        members += [
            Member.of(pb.Item(), each, b"", kin((), original, relation), None)
            for each, original in zip(made, originals, strict=True)
        ]
        found = split_items(members, SplitTerms((50, 0, 50), seed=1))
        return all(found[a] == found[b] for a, b in zip(made, originals, strict=True))

    for relation in (pb.RELATION_DERIVATIVE, pb.RELATION_INDEPENDENT, pb.RELATION_UNSEEN):
        assert is_together(relation)
    assert not is_together(pb.RELATION_NONE), "it was compared with nothing"

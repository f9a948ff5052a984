"""Split views: what contradicts our log is found and proven; what does not is left in peace."""

from __future__ import annotations

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from commonground.directory import Directory
from commonground.p2p.limits import CHECKPOINT_BYTES_MAX
from commonground.receipts import Lie
from node.follower import Follower
from node.rows import CheckpointRow
from node.splitview import (
    Finding,
    SplitView,
    compare,
    open_alarm,
    prove_split,
    seal_alarm,
    verify_split,
)
from node.store import Store
from node.witness import AHEAD_MAX, Witness, is_worth_passing_on
from protocol.errors import Ignore, Reject
from protocol.log.link import NetworkLink
from protocol.log.merkle import EMPTY_ROOT, MerkleTree, hash_leaf
from protocol.log.note import Checkpoint, Verifier, open_checkpoint, sign_checkpoint
from tests.simulated import LOG_KEY, Person
from tests.simulated_log import keys_of

VERIFIER = Verifier("simulated", bytes(LOG_KEY.verify_key))
LINK = NetworkLink("localhost", 1, "simulated", bytes(32), VERIFIER, "http://localhost")


def tree_of(*entries: str) -> MerkleTree:
    return MerkleTree(hash_leaf(entry.encode()) for entry in entries)


def note_of(tree: MerkleTree, size: int | None = None, key: SigningKey = LOG_KEY) -> bytes:
    size = tree.size if size is None else size
    return sign_checkpoint(VERIFIER, size, tree.root(size), lambda text: key.sign(text).signature)


OURS = tree_of("genesis", "a", "b", "c", "d")
THEIRS = tree_of("genesis", "a", "x", "c", "d", "e", "f")


def checkpoint(tree: MerkleTree, size: int) -> Checkpoint:
    return open_checkpoint(note_of(tree, size), VERIFIER)


@pytest.mark.parametrize(
    ("other", "size", "finding"),
    [
        (OURS, 5, Finding.AGREES),
        (OURS, 1, Finding.AGREES),
        (THEIRS, 2, Finding.AGREES),  # the histories part only later
        (THEIRS, 3, Finding.SPLIT),
        (THEIRS, 5, Finding.SPLIT),
        (THEIRS, 6, Finding.AHEAD),
    ],
)
def test_another_checkpoint_against_our_log(other: MerkleTree, size: int, finding: Finding) -> None:
    assert compare(OURS, OURS.size, checkpoint(other, size)) is finding


def test_what_our_checkpoint_does_not_cover_yet_is_ahead() -> None:
    assert compare(OURS, 4, checkpoint(OURS, 5)) is Finding.AHEAD


def test_an_empty_log_has_one_root() -> None:
    made_up = Checkpoint("simulated", 0, bytes(32))
    assert compare(OURS, OURS.size, made_up) is Finding.SPLIT
    assert compare(OURS, OURS.size, Checkpoint("simulated", 0, EMPTY_ROOT)) is Finding.AGREES


@pytest.mark.parametrize("at", [3, 4, 5])
def test_a_proven_split_convinces_a_stranger(at: int) -> None:
    split = prove_split(OURS, OURS.size, note_of(OURS), note_of(THEIRS, at), at)
    verify_split(split, VERIFIER)
    author = Person("witness")
    sealed = seal_alarm(split, author.key, lambda m: author.signing_key.sign(m).signature)
    envelope, opened = open_alarm(sealed, VERIFIER)
    assert (envelope.key, opened) == (author.key, split)
    assert len(sealed) <= CHECKPOINT_BYTES_MAX  # or it could not be gossiped


def altered(split: SplitView, **changes: object) -> SplitView:
    fields = {name: getattr(split, name) for name in split.__slots__}
    return SplitView(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"theirs": note_of(OURS, 4)},  # they agree
        {"theirs": note_of(THEIRS, 4, SigningKey(bytes(32)))},  # not signed by the log
        {"ours": note_of(OURS, 5, SigningKey(bytes(32)))},
        {"root": OURS.root(3)},
        {"proof": ()},
        {"theirs": note_of(THEIRS, 7)},  # larger than ours: nothing is proven
    ],
)
def test_an_alarm_that_proves_nothing_is_refused(changes: dict[str, object]) -> None:
    split = prove_split(OURS, OURS.size, note_of(OURS), note_of(THEIRS, 4), 4)
    verify_split(split, VERIFIER)
    with pytest.raises(Reject):
        verify_split(altered(split, **changes), VERIFIER)


# ---- the witness over a store ----


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return make_witness(tmp_path)


def make_witness(folder: Path) -> Witness:
    store = Store(folder / "node.db")
    follower = Follower(store, LINK)
    follower.tree = tree_of("genesis", "a", "b", "c", "d")
    follower.checkpoint = CheckpointRow(5, note_of(OURS), 0)
    person = Person("witness")
    nobody = Directory(LINK.network, None)  # type: ignore[arg-type]  # nobody is looked up here
    return Witness(keys_of(person), follower, store, nobody)


def test_agreement_raises_nothing(witness: Witness) -> None:
    witness.observe(note_of(OURS, 3))
    assert witness._store.alarms() == []


def test_another_history_is_stored_before_it_is_told(witness: Witness) -> None:
    with pytest.raises(Lie) as caught:
        witness.observe(note_of(THEIRS, 4))
    [alarm] = witness._store.alarms()
    assert alarm.evidence == caught.value.evidence
    assert alarm.evidence[:2] == (note_of(THEIRS, 4), note_of(OURS))


def test_what_was_ahead_is_compared_when_we_get_there(witness: Witness) -> None:
    witness.observe(note_of(THEIRS, 7))
    witness.observe(note_of(OURS, 5))
    grown = tree_of("genesis", "a", "b", "c", "d", "e", "f")
    follower = witness._follower
    follower.tree, follower.state.size = grown, 7
    follower.checkpoint = CheckpointRow(7, note_of(grown), 0)
    with pytest.raises(Lie):
        witness.recheck()


def test_what_waits_is_bounded(witness: Witness) -> None:
    long = MerkleTree(hash_leaf(b"%d" % number) for number in range(AHEAD_MAX + 20))
    for size in range(6, AHEAD_MAX + 20):
        witness.observe(note_of(long, size))
    assert len(witness._ahead) == AHEAD_MAX


def test_an_alarm_of_somebody_else_convinces_us(witness: Witness, tmp_path: Path) -> None:
    other = Person("other")
    split = prove_split(THEIRS, THEIRS.size, note_of(THEIRS), note_of(OURS, 4), 4)
    with pytest.raises(Lie):
        witness.observe(seal_alarm(split, other.key, lambda m: other.signing_key.sign(m).signature))
    assert len(witness._store.alarms()) == 1


def test_an_owner_who_acknowledged_is_not_stopped_again(witness: Witness) -> None:
    with pytest.raises(Lie):
        witness.observe(note_of(THEIRS, 4))
    witness._store.acknowledge_alarms()
    witness.observe(note_of(THEIRS, 5))
    assert witness._store.alarms() == []


def test_only_what_the_log_signed_is_passed_on() -> None:
    stranger = SigningKey(bytes(32))
    assert is_worth_passing_on(note_of(OURS), [VERIFIER])
    assert is_worth_passing_on(note_of(THEIRS), [VERIFIER])  # others must see it
    assert not is_worth_passing_on(note_of(OURS, 5, stranger), [VERIFIER])
    assert not is_worth_passing_on(b"\n\x05alarm", [VERIFIER])
    assert not is_worth_passing_on(b"", [VERIFIER])


def test_a_key_that_we_have_not_read_of_is_nobodys_fault_and_junk_is_somebodys(
    witness: Witness,
) -> None:
    later = SigningKey(b"\6" * 32)
    new = Verifier(VERIFIER.name, bytes(later.verify_key))
    theirs, ours = (_by_later(tree, new, later) for tree in (THEIRS, OURS))
    split = SplitView(theirs, ours, OURS.root(4), ())
    author = Person("witness")
    alarm = seal_alarm(split, author.key, lambda m: author.signing_key.sign(m).signature)
    for data in (_by_later(OURS, new, later), alarm):
        with pytest.raises(Ignore):
            is_worth_passing_on(data, [VERIFIER])
        with pytest.raises(Ignore):
            witness.observe(data)
    other_log = Verifier("another", new.public_key)
    for data in (_by_later(OURS, other_log, later), note_of(OURS, 5, later), b"simulated\n5\n"):
        assert not is_worth_passing_on(data, [VERIFIER])
        with pytest.raises(Reject):
            witness.observe(data)


def _by_later(tree: MerkleTree, verifier: Verifier, key: SigningKey) -> bytes:
    return sign_checkpoint(verifier, 4, tree.root(4), lambda text: key.sign(text).signature)


def test_a_key_that_was_replaced_stops_nobody_and_is_nobodys_fault(witness: Witness) -> None:
    later = SigningKey(b"\6" * 32)
    follower = witness._follower
    follower.state.log_keys = (VERIFIER.public_key, bytes(later.verify_key))
    old, new = follower.verifiers
    assert follower.verifier == new
    for data in (note_of(OURS), note_of(THEIRS)):
        assert is_worth_passing_on(data, follower.verifiers)
        with pytest.raises(Ignore):
            witness.observe(data)
    with pytest.raises(Reject):
        witness.observe(note_of(THEIRS, 5, SigningKey(bytes(32))))
    assert witness._store.alarms() == []
    split = sign_checkpoint(new, 5, THEIRS.root(5), lambda text: later.sign(text).signature)
    with pytest.raises(Lie):
        witness.observe(split)
    assert old == VERIFIER

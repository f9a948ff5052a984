"""Submissions: what is wrong is said before anything is stored; what is right opens at the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from node import submission
from node.blobs import BlobStore
from node.keys import NodeKeys, generate_keys
from node.store import Store
from node.submission import Submitter, Terms, expand, refresh_items
from protocol import transition
from protocol.errors import CommonholdError, ConfigError, Reject
from protocol.log.envelope import parse_envelope, verify_signature
from protocol.log.merkle import hash_leaf
from protocol.rules.intake import validate_openings
from protocol.state import Member, State
from protos.gen import records_pb2 as pb
from tests.simulated import LABELS, Network

TERMS = Terms(
    licence="CC-BY-4.0",
    consent=pb.Consent(train=True, redistribute=True),
    origin=pb.ORIGIN_HUMAN,
)


@pytest.fixture(scope="module")
def keys() -> NodeKeys:
    return generate_keys()


@pytest.fixture
def state(keys: NodeKeys) -> State:
    state = Network().state
    state.members[keys.identity] = Member(keys.payout_address, 0)
    return state


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "node.db") as opened:
        yield opened


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobStore]:
    with BlobStore(tmp_path / "blobs") as opened:
        yield opened


@pytest.fixture
def submitter(store: Store, blobs: BlobStore, keys: NodeKeys, state: State) -> Submitter:
    return Submitter(store, blobs, keys, state, "digits")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        image = Image.new("L", (28, 28))
        for place in range(60):
            image.putpixel(((place * (number + 3)) % 28, (place * 5 + number) % 28), 255)
        image.save(folder / f"{number}.png")
    return expand([folder])


def stored_blobs(tmp_path: Path) -> list[Path]:
    return [p for p in (tmp_path / "blobs").rglob("*") if p.is_file() and p.name != ".lock"]


def test_a_submission_is_one_that_the_network_takes_and_the_verdict_can_open(
    submitter: Submitter,
    store: Store,
    blobs: BlobStore,
    state: State,
    pictures: list[Path],
) -> None:
    labels = {path.name: LABELS[i] for i, path in enumerate(pictures)}
    done = submitter.submit(pictures, labels, TERMS)
    assert (done.items, len(done.batches), done.skipped) == (5, 1, ())

    row = store.next_queued()
    assert row is not None
    envelope = parse_envelope(row.outgoing.envelope)
    verify_signature(envelope)
    record = transition.open_record(envelope, row.outgoing.leaves, state.size)
    transition.validate(state, "submission", record)
    openings = {o.item_id: (o.salt, o.label) for o in row.outgoing.openings}
    validate_openings(state, record, openings)

    for path, leaf in zip(pictures, row.outgoing.leaves, strict=True):
        item = store.item(hash_leaf(leaf))
        assert item is not None
        assert item.name == path.name
        assert labels[path.name] == LABELS[item.label]
        assert blobs.verify(item.commitment, item.content_salt)

    transition.process(state, "submission", record)
    refresh_items(store, state)
    assert store.item_counts() == {"submitted": 5}


def test_salts_are_fresh_and_stay_out_of_what_is_published(
    submitter: Submitter, store: Store, pictures: list[Path]
) -> None:
    submitter.submit(pictures, "3", TERMS)
    row = store.next_queued()
    assert row is not None
    items = list(store.items())
    salts = {salt for item in items for salt in (item.content_salt, item.label_salt)}
    assert len(salts) == 2 * len(items)
    published = row.outgoing.envelope + b"".join(row.outgoing.leaves)
    assert not [salt for salt in salts if salt in published]
    assert len({item.commitment for item in items}) == len(items)


def test_files_that_were_submitted_before_are_left_out(
    submitter: Submitter, store: Store, pictures: list[Path]
) -> None:
    submitter.submit(pictures[:3], "3", TERMS)
    again = submitter.submit(pictures, "3", TERMS)
    assert again.items == 2
    assert [each.path for each in again.skipped] == pictures[:3]
    assert {each.reason for each in again.skipped} == {"submitted before"}
    nothing = submitter.submit(pictures, "3", TERMS)
    assert (nothing.items, nothing.batches) == (0, ())


def test_many_files_go_in_batches(
    submitter: Submitter, store: Store, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "BATCH_ITEMS", 2)
    told: list[None] = []
    done = submitter.submit(pictures, "3", TERMS, lambda: told.append(None))
    assert (len(done.batches), len(told)) == (3, 5)
    rows = [store.outbox_row(digest) for digest in done.batches]
    assert [len(row.outgoing.leaves) for row in rows if row] == [2, 2, 1]


def _terms(**changes: object) -> Terms:
    given = {name: getattr(TERMS, name) for name in ("licence", "consent", "origin")}
    return Terms(**(given | changes))


@pytest.mark.parametrize(
    ("labels", "terms", "match", "advice"),
    [
        ("eleven", TERMS, "'eleven'", "0, 1, 2"),
        ({"0.png": "1"}, TERMS, "1.png has no label", "0, 1, 2"),
        ("3", _terms(licence="MIT"), "'MIT'", "CC-BY-4.0"),
        ("3", _terms(consent=pb.Consent()), "consent to training", "--consent train"),
        ("3", _terms(consent=pb.Consent(train=True)), "redistribution", "--consent redistribute"),
        ("3", _terms(origin=pb.ORIGIN_AGENT), "generator", "--generator"),
    ],
)
def test_what_does_not_fit_the_campaign_is_said_before_anything_is_stored(
    *,
    submitter: Submitter,
    store: Store,
    pictures: list[Path],
    tmp_path: Path,
    labels: str | dict[str, str],
    terms: Terms,
    match: str,
    advice: str,
) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        submitter.submit(pictures, labels, terms)
    assert advice in caught.value.advice
    assert store.next_queued() is None
    assert stored_blobs(tmp_path) == []


def test_files_that_the_campaign_does_not_take_are_named(
    submitter: Submitter, store: Store, pictures: list[Path], tmp_path: Path, state: State
) -> None:
    text = tmp_path / "note.txt"
    text.write_text("hello")
    with pytest.raises(ConfigError, match=r"note\.txt is text/plain"):
        submitter.submit([*pictures, text], "3", TERMS)
    state.campaigns["digits"].item_bytes_max = 50
    with pytest.raises(ConfigError, match=r"0.png has \d+ bytes"):
        submitter.submit(pictures, "3", TERMS)
    assert store.next_queued() is None


def test_what_only_the_networks_rules_refuse_leaves_no_content_behind(
    submitter: Submitter, store: Store, pictures: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(Reject, match="lineage"):
        submitter.submit(pictures, "3", _terms(derived_from=(b"short",)))
    assert store.next_queued() is None
    assert stored_blobs(tmp_path) == []


def test_an_unknown_campaign_names_the_known_ones(
    store: Store, blobs: BlobStore, keys: NodeKeys, state: State
) -> None:
    with pytest.raises(ConfigError, match="'letters'") as caught:
        Submitter(store, blobs, keys, state, "letters")
    assert "digits" in caught.value.advice


def test_two_files_of_one_name_are_refused_because_labels_go_by_name(
    pictures: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "0.png").write_bytes(pictures[0].read_bytes())
    with pytest.raises(ConfigError, match="two files"):
        expand([pictures[0].parent, other])
    with pytest.raises(CommonholdError):
        expand([])

"""Submissions: what is wrong is said before anything is stored; what is right opens at the verdict."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from commonhold.cli.finding import Found
from commonhold.cli.submit_report import report_submitted
from node import submission
from node.blobs import BlobStore
from node.bringing.sources import Asked, Brought, bring
from node.contents import Contents
from node.drafts import Draft, PartSource
from node.items import refresh_items
from node.keys import NodeKeys, generate_keys
from node.planning import Changed, Terms
from node.privacy.screening import Screening
from node.registration import registration
from node.store import Store
from node.submission import Submitter
from protocol import transition
from protocol.errors import ConfigError, Reject, StateError, StoreError
from protocol.log.envelope import parse_envelope, verify_signature
from protocol.log.merkle import hash_leaf
from protocol.rows import PartTerms
from protocol.rules.intake import validate_openings
from protocol.state import State
from protocol.tasks.spec import encode_spec
from protos.gen import records_pb2 as pb
from tests.media_files import exif, photo, saved
from tests.simulated import LABELS, NETWORK, Network, campaign, part

TERMS = Terms(
    licence="CC-BY-4.0",
    consent=pb.Consent(train=True, redistribute=True),
    origin=pb.ORIGIN_HUMAN,
)


@pytest.fixture(scope="module")
def keys() -> NodeKeys:
    return generate_keys()


@pytest.fixture
def net(keys: NodeKeys) -> Network:
    """Two campaigns: labelled pictures, and pairs of answers to a prompt that nobody labels."""
    net = Network()
    net.add(net.operator, "campaign", campaign(id="pictures", parts=[part("image", "image/png")]))
    pairs = campaign(
        id="pairs",
        task="prefer",
        spec=encode_spec({"ties": True}),
        parts=[
            part("prompt", "text/plain", "text/markdown"),
            part("answer_a", "text/plain", "image/png"),
            part("answer_b", "text/plain", "image/png"),
            part("context", optional=True),
        ],
        proposal=pb.PROPOSAL_NOT_TAKEN,
    )
    net.add(net.operator, "campaign", pairs)
    net.add_raw(registration(keys, NETWORK).envelope)
    return net


@pytest.fixture
def state(net: Network) -> State:
    return net.state


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
    return Submitter(store, blobs, keys, state, "pictures")


@pytest.fixture
def pairs(store: Store, blobs: BlobStore, keys: NodeKeys, state: State) -> Submitter:
    return Submitter(store, blobs, keys, state, "pairs")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        image = Image.new("L", (28, 28))
        for place in range(60):
            image.putpixel(((place * (number + 3)) % 28, (place * 5 + number) % 28), 255)
        image.save(folder / f"{number}.png")
    return sorted(folder.iterdir())


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
    assert (done.items, len(done.batches), done.left_out) == (5, 1, ())

    row = store.next_queued()
    assert row is not None
    envelope = parse_envelope(row.outgoing.envelope)
    verify_signature(envelope)
    record = transition.open_record(envelope, row.outgoing.leaves, state.size)
    record = transition.validate(state, "submission", record)
    openings = {o.item_id: (o.salt, o.answer) for o in row.outgoing.openings}
    validate_openings(state, record, openings)

    for path, leaf in zip(pictures, row.outgoing.leaves, strict=True):
        item = store.item(hash_leaf(leaf))
        assert item is not None
        assert item.name == path.name
        assert item.proposal == LABELS.index(labels[path.name]).to_bytes(2)
        [only] = item.parts
        assert (only.name, only.media_type, only.path) == ("image", "image/png", path.name)
        assert only.size == path.stat().st_size
        assert blobs.verify(only.commitment, only.salt)

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
    salts = {salt for item in items for salt in (item.parts[0].salt, item.proposal_salt)}
    assert len(salts) == 2 * len(items)
    published = row.outgoing.envelope + b"".join(row.outgoing.leaves)
    assert not [salt for salt in salts if salt in published]
    assert len({item.parts[0].commitment for item in items}) == len(items)


def test_files_that_were_submitted_before_are_left_out(
    submitter: Submitter, store: Store, pictures: list[Path]
) -> None:
    submitter.submit(pictures[:3], "3", TERMS)
    again = submitter.submit(pictures, "3", TERMS)
    assert again.items == 2
    assert [each.name for each in again.left_out] == [path.name for path in pictures[:3]]
    assert {each.reason for each in again.left_out} == {"submitted before"}
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


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), StoreError("the disk is full")])
def test_what_was_queued_before_something_went_wrong_is_told(
    *,
    submitter: Submitter,
    store: Store,
    pictures: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stop: BaseException,
) -> None:
    monkeypatch.setattr(submission, "BATCH_ITEMS", 2)
    seen: list[None] = []

    def stop_at(count: int) -> Callable[[], None]:
        def on_item() -> None:
            seen.append(None)
            if len(seen) == count:
                raise stop

        return on_item

    with pytest.raises(type(stop)):
        submitter.submit(pictures, "3", TERMS, stop_at(2))
    assert list(store.items()) == [], "in the first batch nothing is queued, and nothing told"
    seen.clear()
    done = submitter.submit(pictures, "3", TERMS, stop_at(4))
    assert (done.items, done.unread, done.sizes, done.stopped) == (2, 3, [2], stop)
    assert len(list(store.items())) == 2
    with pytest.raises(type(stop)):
        report_submitted(store, done, Brought([]), Found((), ()), file=Path("none"), as_json=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "2 items queued, and not sent yet: `commonhold node send` sends them, in 1 batch" in said
    assert "3 items not submitted" in said
    again = submitter.submit(pictures, "3", TERMS)
    assert (again.items, again.unread, again.stopped) == (3, 0, None)


def _terms(**changes: object) -> Terms:
    given = {name: getattr(TERMS, name) for name in ("licence", "consent", "origin")}
    return Terms(**(given | changes))


@pytest.mark.parametrize(
    ("labels", "terms", "match", "advice"),
    [
        ("eleven", TERMS, '0.png: there is no label "eleven"', "0, 1, 2"),
        ({"0.png": "1"}, TERMS, "4 of 5 items have no answer", "0; 1; 2"),
        ("", TERMS, "5 of 5 items have no answer", "0; 1; 2"),
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


def test_a_bad_file_is_named_and_the_others_go_on(
    submitter: Submitter, store: Store, pictures: list[Path], tmp_path: Path
) -> None:
    folder = pictures[0].parent
    (folder / "note.txt").write_text("hello")
    (folder / "cut.png").write_bytes(pictures[0].read_bytes()[:60])
    (folder / "junk.png").write_bytes(b"\xff\xd8\xff")
    (folder / "twin.png").write_bytes(pictures[1].read_bytes())
    big = Image.effect_noise((400, 400), 100.0)
    big.save(folder / "big.png")
    done = submitter.submit([folder], "3", TERMS)
    assert done.items == 5
    reasons = {each.name: each.reason for each in done.left_out}
    assert "image is text/plain. The campaign takes image/png." in reasons.pop("note.txt")
    assert "broken PNG" in reasons.pop("cut.png")
    assert "broken JPEG picture: it ends too early" in reasons.pop("junk.png")
    assert reasons.pop("twin.png") == "the same content as 1.png"
    assert "The campaign takes at most 65,536." in reasons.pop("big.png")
    assert reasons == {}
    assert len(stored_blobs(tmp_path)) == 5


def test_what_a_file_carries_beside_its_picture_is_left_out_and_said(
    submitter: Submitter, store: Store, blobs: BlobStore, tmp_path: Path
) -> None:
    png, jpeg = tmp_path / "a.png", tmp_path / "b.jpg"
    png.write_bytes(saved(photo(seed=1), "PNG", exif=exif()) + b"hidden")
    jpeg.write_bytes(saved(photo(seed=2), "JPEG", exif=exif(6)))
    done = submitter.submit([png, jpeg], "3", TERMS)
    assert done.changed == (
        Changed("a.png", ("removed: the location, the camera's data, 6 bytes after the end",)),
        Changed(
            "b.jpg",
            ("removed: the location, the camera's data", "turned upright", "made a PNG picture"),
        ),
    )
    for item in store.items():
        [only] = item.parts
        stream = blobs.open(only.commitment)
        assert stream is not None
        with stream:
            content = stream.read()
        assert (only.media_type, only.size) == ("image/png", len(content))
        assert b"Maker" not in content and b"hidden" not in content
    again = submitter.submit([png, jpeg], "3", TERMS)
    assert {each.reason for each in again.left_out} == {"submitted before"}


def test_a_large_picture_is_made_smaller_where_its_owner_agrees(
    store: Store, blobs: BlobStore, keys: NodeKeys, state: State, tmp_path: Path
) -> None:
    big = tmp_path / "big.png"
    Image.effect_noise((400, 400), 100.0).save(big)
    agreed = Submitter(store, blobs, keys, state, "pictures", scale=True)
    [changed] = agreed.submit([big], "3", TERMS).changed
    assert changed.said[0].startswith("scaled from 400 x 400 to ")
    [item] = store.items()
    assert item.parts[0].size <= 65_536


def test_files_of_any_kind_are_taken_only_where_they_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"\0\x1b anything")
    source = PartSource("content", file)
    anything = Contents(
        [PartTerms("content", ("image/png", "application/octet-stream"), 100, False)]
    )
    assert anything.check(source).media_type == "application/octet-stream"
    with pytest.raises(Reject, match="no content of a known type"):
        Contents([PartTerms("content", ("image/png",), 100, False)]).check(source)
    picture = tmp_path / "a.png"
    picture.write_bytes(saved(photo(8, 6), "PNG"))
    terms = [PartTerms("content", ("application/octet-stream",), 1_000, False)]
    assert Contents(terms).check(PartSource("content", picture)).media_type == (
        "application/octet-stream"
    )


def test_files_of_any_kind_are_looked_at_before_they_go(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"\0\xff trained by jo@ex.org\0")
    terms = [PartTerms("content", ("application/octet-stream",), 1_000, False)]
    for redacts in (False, True):
        contents = Contents(terms, screening=Screening(redacts=redacts))
        checked = contents.check(PartSource("content", file))
        [finding] = checked.findings
        assert (finding.where, finding.is_submitted) == ("near byte 2", True)
        assert not checked.is_looked_at and not checked.is_changed
    text = tmp_path / "notes.txt"
    text.write_text("trained by jo@ex.org")
    checked = contents.check(PartSource("content", text))
    assert checked.is_looked_at and checked.is_changed, "a text is one, whatever it goes as"
    assert contents.read(PartSource("content", text), checked) == b"trained by [E-MAIL]"


def test_when_no_file_will_do_nothing_is_queued(
    submitter: Submitter, store: Store, tmp_path: Path
) -> None:
    text = tmp_path / "note.txt"
    text.write_text("hello")
    done = submitter.submit([text], "3", TERMS)
    assert (done.items, done.batches) == (0, ())
    assert "image is text/plain" in done.left_out[0].reason
    assert store.next_queued() is None


def test_a_paused_campaign_takes_nothing(
    net: Network, store: Store, blobs: BlobStore, keys: NodeKeys
) -> None:
    body = pb.Pause(network=NETWORK, campaign_id="pictures", paused=True)
    net.add(net.operator, "pause", body)
    with pytest.raises(StateError, match="is paused"):
        Submitter(store, blobs, keys, net.state, "pictures")


# ---- items of several parts ----


def test_a_table_becomes_items_of_several_parts(
    pairs: Submitter, store: Store, blobs: BlobStore, state: State, pictures: list[Path]
) -> None:
    table = pictures[0].parent / "items.csv"
    (table.parent / "prompt.md").write_text("# Draw it")
    table.write_text(
        "prompt,prompt_text,answer_a,answer_b,answer_b_text,answer_a_source,answer_b_source\n"
        ",Which one?,0.png,1.png,,model x,model y\n"
        "prompt.md,,2.png,,no picture,model x,\n"
    )
    drafts = bring(Asked([], table), state.campaigns["pairs"]).drafts
    done = pairs.submit_drafts(drafts, TERMS)
    assert (done.items, done.left_out) == (2, ())
    row = store.next_queued()
    assert row is not None
    assert row.outgoing.openings == ()
    envelope = parse_envelope(row.outgoing.envelope)
    record = transition.open_record(envelope, row.outgoing.leaves, state.size)
    transition.process(state, "submission", transition.validate(state, "submission", record))
    first, second = (state.items[item_id].described().parts for item_id in record.hashes)
    assert [(p.name, p.media_type, p.source) for p in first] == [
        ("prompt", "text/plain", ""),
        ("answer_a", "image/png", "model x"),
        ("answer_b", "image/png", "model y"),
    ]
    assert [(p.name, p.media_type) for p in second] == [
        ("prompt", "text/markdown"),
        ("answer_a", "image/png"),
        ("answer_b", "text/plain"),
    ]
    for item_id in record.hashes:
        mine = store.item(item_id)
        assert mine is not None
        assert (mine.proposal, mine.proposal_salt) == (None, b"")
        for kept, logged in zip(mine.parts, state.items[item_id].described().parts, strict=True):
            assert (kept.name, kept.commitment) == (logged.name, logged.commitment)
            assert blobs.verify(kept.commitment, kept.salt)
    assert [each.name for each in store.items()] == ["items.csv:2", "items.csv:3"]
    again = pairs.submit_drafts(drafts, TERMS)
    assert [each.reason for each in again.left_out] == ["submitted before"] * 2


def test_parts_in_other_places_make_another_item(pairs: Submitter) -> None:
    def draft(a: str, b: str) -> Draft:
        texts = {"prompt": "Which?", "answer_a": a, "answer_b": b}
        parts = tuple(PartSource(name, None, text) for name, text in texts.items())
        return Draft(f"{a}{b}", parts)

    done = pairs.submit_drafts([draft("x", "y"), draft("y", "x"), draft("x", "y")], TERMS)
    assert done.items == 2
    assert [each.reason for each in done.left_out] == ["the same content as xy"]


def test_one_bad_part_leaves_its_item_out_and_no_content_behind(
    pairs: Submitter, pictures: list[Path], tmp_path: Path, state: State
) -> None:
    table = pictures[0].parent / "items.jsonl"
    table.write_text(
        '{"prompt_text": "Which?", "answer_a": "0.png", "answer_b": "absent.png"}\n'
        '{"prompt_text": "Which?", "answer_a": "0.png", "answer_b": "1.png"}\n'
        '{"prompt": "0.png", "answer_a": "0.png", "answer_b": "1.png"}\n'
    )
    done = pairs.submit_drafts(bring(Asked([], table), state.campaigns["pairs"]).drafts, TERMS)
    assert done.items == 1
    absent, picture = done.left_out
    assert absent.name == "items.jsonl:1"
    assert "absent.png" in absent.reason
    assert picture.reason.startswith("prompt is image/png. The campaign takes text/plain")
    assert len(stored_blobs(tmp_path)) == 3


def test_files_alone_are_no_items_of_several_parts(pairs: Submitter, pictures: list[Path]) -> None:
    with pytest.raises(ConfigError, match="several parts: prompt, answer_a, answer_b") as caught:
        pairs.submit(pictures, "", TERMS)
    assert "--table" in caught.value.advice


def test_an_answer_is_given_only_where_one_is_taken(pairs: Submitter) -> None:
    parts = tuple(PartSource(name, None, name) for name in ("prompt", "answer_a", "answer_b"))
    with pytest.raises(ConfigError, match="the campaign takes none"):
        pairs.submit_drafts([Draft("x", parts, "a")], TERMS)


def test_an_optional_answer_may_be_left_out(
    net: Network, store: Store, blobs: BlobStore, keys: NodeKeys, tmp_path: Path
) -> None:
    notes = campaign(id="notes", proposal=pb.PROPOSAL_OPTIONAL)
    net.add(net.operator, "campaign", notes)
    for name in ("a.txt", "b.md"):
        (tmp_path / name).write_text(name)
    submitter = Submitter(store, blobs, keys, net.state, "notes")
    submitter.submit([tmp_path / "a.txt", tmp_path / "b.md"], {"a.txt": "3"}, TERMS)
    row = store.next_queued()
    assert row is not None
    [opening] = row.outgoing.openings
    assert [item.proposal for item in store.items()] == [b"\0\3", None]
    assert {item.parts[0].media_type for item in store.items()} == {"text/plain"}
    net.add_raw(row.outgoing.envelope, row.outgoing.leaves)
    assert opening.item_id in net.state.items


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


def test_what_is_submitted_is_said_once(tmp_path: Path) -> None:
    file, table = tmp_path / "a.png", tmp_path / "a.csv"
    assert Asked([file], label="3").paths == [file]
    for wrong, says in (
        ({"paths": []}, "nothing is named"),
        ({"paths": [file], "table": table}, "both files and a table"),
        ({"paths": [file], "labels": table, "label": "3"}, "both a list of answers and one"),
        ({"paths": [], "table": table, "labels": file}, "a table has its answers inside"),
    ):
        with pytest.raises(ConfigError, match=says) as caught:
            Asked(**wrong)
        assert caught.value.advice


def test_a_file_whose_name_is_no_text_is_taken_under_a_name_that_is(
    submitter: Submitter, store: Store, pictures: list[Path]
) -> None:
    odd = pictures[0].rename(pictures[0].with_name(os.fsdecode(b"caf\xe9\n1.png")))
    assert submitter.submit([odd, pictures[1]], LABELS[0], TERMS).items == 2
    names = {row.name for row in store.items()}
    assert names == {"caf<U+DCE9><U+000A>1.png", pictures[1].name}
    assert {row.parts[0].path for row in store.items()} == names


def test_files_that_a_table_forgets_are_left_out_unless_they_are_the_most(
    submitter: Submitter, pictures: list[Path]
) -> None:
    labels = {path.name: LABELS[0] for path in pictures[:3]}
    done = submitter.submit(pictures, labels, TERMS)
    assert (done.items, len(done.left_out)) == (3, 2)
    assert {each.reason for each in done.left_out} == {
        "it has no answer, and the campaign wants one"
    }
    with pytest.raises(ConfigError, match="4 of 5 items have no answer"):
        submitter.submit(pictures, {pictures[0].name: LABELS[0]}, TERMS)


def test_answers_are_written_as_the_campaign_writes_them(
    net: Network, store: Store, blobs: BlobStore, keys: NodeKeys, tmp_path: Path
) -> None:
    """In either Unicode form, and with blanks around; but not in other letters."""
    spec = encode_spec({"labels": ["NA", "Caf\u00e9"]})
    net.add(net.operator, "campaign", campaign(id="odd", spec=spec, parts=[part("text")]))
    (tmp_path / "a.txt").write_text("hello there")
    submitter = Submitter(store, blobs, keys, net.state, "odd")
    with pytest.raises(ConfigError, match='"na" is written "NA"') as caught:
        submitter.submit([tmp_path / "a.txt"], "na", TERMS)
    assert caught.value.advice
    assert submitter.submit([tmp_path / "a.txt"], " Cafe\u0301 ", TERMS).items == 1


def test_most_files_without_an_answer_are_counted_beside_answers_without_a_file(
    submitter: Submitter, pictures: list[Path]
) -> None:
    labels = {pictures[0].name: LABELS[0], "not.png": LABELS[0], "nor.png": LABELS[0]}
    with pytest.raises(ConfigError) as caught:
        submitter.submit(pictures, labels, TERMS)
    assert str(caught.value) == (
        "4 of 5 items have no answer, and the campaign wants one: 1.png; 2.png; 3.png; 4.png."
        " 2 left out, it has a label, and is not among the files: not.png; nor.png"
    )
    assert caught.value.advice.startswith("give each its answer (--labels FILE")

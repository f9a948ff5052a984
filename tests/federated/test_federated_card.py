"""The card says what is known of a model, has one text, is signed, and nobody can write into it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nacl.signing import SigningKey

from federated.card import Facts, Lineage, compose, interval_ppm
from federated.card_words import to_html, to_markdown
from federated.onnx_pack import Precision
from federated.onnx_run import Takes
from federated.privacy import adversaries
from federated.release import Artifact, ClassResult, Drift, Release
from federated.signed_card import sign, verify
from protocol.errors import Reject
from protocol.identity import KeyId, PersonId, name_of
from tests.training_lab import spec

SPEC = spec()
KEY = SigningKey(bytes(range(32)))
AUTHOR = KeyId(bytes(KEY.verify_key))
ONE, OTHER = PersonId(b"o" * 32), PersonId(b"p" * 32)
LINEAGE = Lineage(
    network=b"n" * 32,
    job_entry=12,
    round_entries=(15, 19, 23),
    partners={ONE: 3, OTHER: 2},
    spent_micro=2_749_000,
    task_code=b"c" * 32,
    task_version="commonhold 0.1.0",
    snapshot=b"s" * 32,
    snapshot_entry=9,
    snapshot_licences={"CC-BY-4.0": 300, "CC0-1.0": 12},
)
FACTS = Facts(
    title="Digits | <b>all</b>\n# of them",
    licence="CC-BY-NC-4.0",
    chosen="the task's own",
    cpu_seconds=12.5,
)
TAKES = Takes("inputs", (28, 28, 1), np.dtype(np.uint8))
RIGHT = {
    Precision.FP32: 950_000,
    Precision.FP16: 950_000,
    Precision.INT8: 947_500,
    Precision.INT4: 940_000,
}


def artifact(precision: Precision, size: int, call_ns: int) -> Artifact:
    path = Path(f"model-{precision}.onnx")
    digest = bytes([size % 251]) * 32
    return Artifact("model", precision, path, digest, size, RIGHT[precision], TAKES, call_ns)


RELEASE = Release(
    artifacts=(
        artifact(Precision.FP32, 40_000, 10_000),
        artifact(Precision.FP16, 20_000, 11_000),
        artifact(Precision.INT8, 10_000, 5_000),
        artifact(Precision.INT4, 5_000, 8_000),
    ),
    held_back=400,
    classes=tuple(ClassResult(label, 40, 38) for label in SPEC.labels),
    drift=Drift((100_000,) * 10, (0, 0, 0, 0, 0, 0, 0, 0, 100, 300)),
)
CARD = compose(SPEC, RELEASE, LINEAGE, FACTS)


def sign_with(message: bytes) -> bytes:
    return KEY.sign(message).signature


def test_the_card_says_what_the_model_cost_towards_each_and_how_well_it_does() -> None:
    its = json.loads(CARD)
    privacy, quality, lineage = its["privacy"], its["quality"], its["lineage"]
    assert [(each["who"], each["epsilon_micro"]) for each in privacy["adversaries"]] == [
        (each.who, each.bound.epsilon_micro) for each in adversaries(SPEC)
    ]
    assert privacy["adversaries"][0]["epsilon_micro"] < privacy["adversaries"][-1]["epsilon_micro"]
    assert (privacy["delta_ppb"], privacy["delta_times_examples_ppm"]) == (10_000, 3_000)
    assert privacy["norms_proven"] is False
    assert privacy["spent_micro"] == 2_749_000 and "cost 2.749 towards the public" in to_markdown(
        CARD
    )
    int8 = quality["files"][2]
    assert (int8["precision"], int8["bytes"], int8["smaller_permille"]) == ("int8", 10_000, 4_000)
    assert (int8["call_permille"], int8["nanojoules"]) == (500, 5_000 * 15)
    low, high = int8["interval_95_ppm"]
    assert low < int8["accuracy_ppm"] == 947_500 < high
    assert quality["by_class"][0]["right"] == 38
    assert quality["by_class"][0]["interval_95_ppm"] == list(interval_ppm(950_000, 40))
    assert lineage["partners"] == {name_of(ONE): 3, name_of(OTHER): 2}
    assert lineage["snapshot_licences"] == {"CC-BY-4.0": 300, "CC0-1.0": 12}
    assert its["energy"]["millijoules"] == 187_500
    assert set(its["versions"]) == {"commonhold", "numpy", "onnx", "onnxruntime", "python"}


def test_the_card_says_where_pruning_saved_nothing() -> None:
    def said(size: int) -> str:
        pruned = tuple(
            replace(each, name="pruned", path=Path("pruned-fp32.onnx"), size_bytes=size)
            for each in RELEASE.artifacts[:1]
        )
        both = replace(RELEASE, artifacts=RELEASE.artifacts + pruned)
        return to_markdown(compose(SPEC, both, LINEAGE, FACTS))

    words = "to leave features out would save nothing here"
    assert words in said(40_000)
    assert words not in said(39_999)


def test_the_card_says_whom_one_has_to_trust() -> None:
    for partners, trust in ((1, "coordinator"), (3, "committee")):
        its = json.loads(compose(replace(SPEC, partners=partners), RELEASE, LINEAGE, FACTS))
        assert its["privacy"]["trust"] == trust


def test_a_class_of_which_nothing_was_held_back_may_be_anything() -> None:
    classes = (ClassResult("0", 0, 0), *RELEASE.classes[1:])
    its = json.loads(compose(SPEC, replace(RELEASE, classes=classes), LINEAGE, FACTS))
    assert its["quality"]["by_class"][0]["interval_95_ppm"] == [0, 1_000_000]


def test_the_card_says_how_right_one_is_without_a_model() -> None:
    classes = (ClassResult("0", 220, 200), ClassResult("1", 180, 178))
    card = compose(SPEC, replace(RELEASE, classes=classes), LINEAGE, FACTS)
    for text in (to_markdown(card), to_html(card)):
        assert "Always saying 0, their commonest label, would be right of 55.00%" in text


def test_one_of_anything_is_one() -> None:
    its = json.loads(CARD)
    its["training"] |= {"rounds": 1, "quorum": 1, "noise_parties": 1}
    text = to_markdown(json.dumps(its).encode())
    assert "1 round of at least 1 update; 1 partner makes the noise that is counted" in text
    its["training"] |= {"rounds": 3, "quorum": 2, "noise_parties": 2}
    text = to_markdown(json.dumps(its).encode())
    assert "3 rounds of at least 2 updates; 2 partners make the noise that is counted" in text


def test_a_model_that_names_no_labels_has_a_card_too() -> None:
    card = compose(
        replace(SPEC, labels=()), replace(RELEASE, classes=(), drift=None), LINEAGE, FACTS
    )
    for text in (to_markdown(card), to_html(card)):
        assert "Baseline for drift" not in text
        assert "Always saying" not in text
        assert "How well it does" in text


def test_a_card_has_one_text() -> None:
    its = json.loads(CARD)
    text = json.dumps(its, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text.encode() == CARD

    def numbers(value: object) -> bool:
        if isinstance(value, dict | list):
            return all(
                numbers(each) for each in (value.values() if isinstance(value, dict) else value)
            )
        return not isinstance(value, float)

    assert numbers(its), "fractions have more than one text"
    partners = dict(reversed(list(LINEAGE.partners.items())))
    assert compose(SPEC, RELEASE, replace(LINEAGE, partners=partners), FACTS) == CARD


def test_a_signed_card_verifies_and_names_its_author() -> None:
    assert verify(sign(CARD, AUTHOR, sign_with)) == (AUTHOR, CARD)


def test_whatever_is_changed_in_a_signed_card_is_noticed() -> None:
    signed = sign(CARD, AUTHOR, sign_with)
    another = sign(CARD, bytes(SigningKey(b"o" * 32).verify_key), sign_with)
    for changed in (
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b" " + signed,
        signed + b"\n",
        signed.replace(b'"committee"', b'"nobody"'),
        signed.replace(b'"signature":"', b'"signature":" '),
        signed[:-66].replace(b'"key":"', b'"key":1,"x":"') + signed[-66:],
        json.dumps(json.loads(signed), indent=1).encode(),
        another,
    ):
        with pytest.raises(Reject):
            verify(changed)


def test_people_can_read_it_and_nobody_can_write_into_it() -> None:
    markdown, page = to_markdown(CARD), to_html(CARD)
    assert markdown.startswith("# Digits &#124; &#60;b&#62;all&#60;/b&#62; &#35; of them\n")
    assert "<h1>Digits | &lt;b&gt;all&lt;/b&gt;" in page
    for text in (markdown, page):
        assert "<b>" not in text
        for words in (
            *(f"{each.epsilon:.3f}" for each in adversaries(SPEC)),
            "400 held-back",
            "187.5 J",
            "entries 15, 19, 23",
            "38 of 40",
            "4.00 times",
            "0.50 of fp32",
        ):
            assert words in text, words
    assert "<script" not in page and "src=" not in page and "href=" not in page


def test_tables_of_both_have_all_cells() -> None:
    tables = [line for line in to_markdown(CARD).splitlines() if line.startswith("| ")]
    widths = {line.count(" | ") for line in tables}
    assert len(tables) > 20 and max(widths) == 8
    assert to_html(CARD).count("<tr>") == to_html(CARD).count("</tr>") > 20


@pytest.mark.parametrize(
    ("accuracy", "examples", "expected"),
    [
        (500_000, 100, (403_829, 596_171)),  # Wilson, as in Brown, Cai & DasGupta (2001)
        (1_000_000, 10, (722_467, 1_000_000)),
        (0, 10, (0, 277_533)),
    ],
)
def test_the_interval_is_wilsons(accuracy: int, examples: int, expected: tuple[int, int]) -> None:
    low, high = interval_ppm(accuracy, examples)
    assert abs(low - expected[0]) <= 2 and abs(high - expected[1]) <= 2

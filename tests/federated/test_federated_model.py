"""Weights have one text; features belong to one example; a job's integers become one set of numbers."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonhold.digits import load_digits
from federated.features import ORIENTED_GRADIENTS
from federated.model import (
    DEFAULT_MODEL,
    Labelled,
    accuracy,
    decode,
    digest,
    encode,
    features,
    initial_weights,
    predict,
)
from federated.spec import spec_of
from protocol.errors import ConfigError, Reject
from protos.gen import records_pb2 as pb

LABELS = ("a", "b")
BLANK = initial_weights(DEFAULT_MODEL, LABELS)
SIZE = BLANK.vector.size
HEADER = b'{"arrays":[["weight",[2,1960]],["bias",[2]]],"labels":["a","b"],"model":"oriented-gradients-1"}\0'


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-38, 1.0, 1e38]))
def test_weights_come_back_bit_for_bit(seed: int, scale: float) -> None:
    values = (np.random.default_rng(seed).uniform(-1, 1, SIZE) * scale).astype(np.float32)
    raw = encode(BLANK.replaced(values))
    back = decode(DEFAULT_MODEL, LABELS, raw)
    assert back.vector.tobytes() == values.tobytes()
    assert encode(back) == raw
    assert digest(back) == digest(BLANK.replaced(values))


def test_the_canonical_bytes_are_those_of_the_docstring() -> None:
    values = np.arange(SIZE, dtype=np.float32)
    assert encode(BLANK.replaced(values)) == HEADER + values.astype("<f4").tobytes()
    assert digest(BLANK) == sha256(HEADER + bytes(4 * SIZE)).digest()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        encode(BLANK)[:-1],
        encode(BLANK) + b"\0",
        encode(BLANK)[1:],
        HEADER,
        HEADER.replace(b'"a","b"', b'"b","a"') + bytes(4 * SIZE),
        HEADER + np.full(SIZE, np.nan, "<f4").tobytes(),
        HEADER + np.full(SIZE, np.inf, "<f4").tobytes(),
    ],
    ids=["nothing", "short", "long", "shifted", "no values", "other labels", "nan", "infinite"],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(Reject):
        decode(DEFAULT_MODEL, LABELS, raw)


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_decoder(raw: bytes) -> None:
    for attempt in (raw, HEADER + raw):
        with pytest.raises(Reject):
            decode(DEFAULT_MODEL, LABELS, attempt)


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ConfigError, match="no model 'resnet'"):
        initial_weights("resnet", LABELS)


def test_features_of_an_example_do_not_depend_on_the_others() -> None:
    images = load_digits().images[::100]
    together = features(DEFAULT_MODEL, images)
    assert together.shape == (50, ORIENTED_GRADIENTS) and together.dtype == np.float32
    alone = np.concatenate([features(DEFAULT_MODEL, image[None]) for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3)


def test_a_blank_image_has_features_of_zero_and_no_image_none() -> None:
    blank = np.zeros((1, 28, 28), np.uint8)
    assert not features(DEFAULT_MODEL, blank).any()
    assert features(DEFAULT_MODEL, blank[:0]).shape == (0, ORIENTED_GRADIENTS)
    with pytest.raises(ConfigError, match="images are"):
        features(DEFAULT_MODEL, np.zeros((1, 32, 32), np.uint8))


def test_a_bias_decides_for_a_blank_image() -> None:
    values = np.zeros(SIZE, np.float32)
    values[-1] = 1
    biased, blank = BLANK.replaced(values), np.zeros((3, 28, 28), np.uint8)
    assert predict(biased, blank).tolist() == [1, 1, 1]
    assert accuracy(biased, Labelled(blank, np.array([1, 0, 1]))) == pytest.approx(2 / 3)
    assert np.isnan(accuracy(biased, Labelled(blank[:0], np.array([], np.int64))))


def test_a_job_of_the_log_becomes_the_numbers_of_training() -> None:
    job = pb.Job(
        id="j", model=DEFAULT_MODEL, columns=["image", "label"], quorum=4, rounds=20,
        sampling_ppm=500_000, clip_micro=1_500_000, noise_micro=6_238_281,
        learning_rate_micro=32_000_000, momentum_ppm=800_000, epsilon_micro=3_000_000,
        delta_ppb=10_000, expected_examples=3_000, noise_parties=3, upload_step=700_000,
        upload_bits=8, upload_values=5, parameters=10, partners=[b"a", b"b"],
    )  # fmt: skip
    made = spec_of(job, LABELS)
    assert (made.job_id, made.labels, made.columns) == ("j", LABELS, ("image", "label"))
    assert (made.sampling, made.clip, made.noise_multiplier) == (0.5, 1.5, 6.238281)
    assert (made.learning_rate, made.momentum, made.epsilon, made.delta) == (32.0, 0.8, 3.0, 1e-5)
    assert (made.noise_parties, made.step, made.bits) == (3, 700_000, 8)
    assert (made.values, made.parameters, made.partners) == (5, 10, 2)

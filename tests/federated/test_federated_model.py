"""Weights have one text, whatever arrays they are of; a job's integers become one set of numbers."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated import model
from federated.model import Weights, decode, digest, encode, encoded_bytes, fixed_digest, zeros
from federated.spec import spec_of
from protocol.errors import ConfigError, Reject
from protos.gen import records_pb2 as pb

LABELS = ("a", "b")
BLANK = Weights("t", LABELS, zeros({"w": (2, 3), "b": (2,)}), zeros({"mean": (3,)}))
SIZE, FIXED = 8, 3
VALUES_BYTES = 4 * (SIZE + FIXED)
HEADER = (
    b'{"arrays":[["w",[2,3]],["b",[2]]],"fixed":[["mean",[3]]],"labels":["a","b"],"task":"t"}\0'
)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-38, 1.0, 1e38]))
def test_weights_come_back_bit_for_bit(seed: int, scale: float) -> None:
    values = (np.random.default_rng(seed).uniform(-1, 1, SIZE) * scale).astype(np.float32)
    raw = encode(BLANK.replaced(values))
    back = decode(BLANK, raw)
    assert back.vector.tobytes() == values.tobytes()
    assert encode(back) == raw and len(raw) == encoded_bytes(back)
    assert digest(back) == digest(BLANK.replaced(values))


def test_the_canonical_bytes_are_those_of_the_docstring() -> None:
    values = np.arange(SIZE + FIXED, dtype=np.float32)
    whole = decode(BLANK, HEADER + values.astype("<f4").tobytes())
    assert whole.arrays["b"].tolist() == [6, 7] and whole.fixed["mean"].tolist() == [8, 9, 10]
    assert digest(BLANK) == sha256(HEADER + bytes(4 * (SIZE + FIXED))).digest()
    moved = whole.replaced(np.zeros(SIZE, np.float32))
    assert fixed_digest(moved) == fixed_digest(whole) != fixed_digest(BLANK)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        encode(BLANK)[:-1],
        encode(BLANK) + b"\0",
        encode(BLANK)[1:],
        HEADER,
        HEADER.replace(b'"a","b"', b'"b","a"') + bytes(4 * (SIZE + FIXED)),
        HEADER + np.full(SIZE + FIXED, np.nan, "<f4").tobytes(),
        encode(BLANK)[:-4] + np.full(1, np.inf, "<f4").tobytes(),
    ],
    ids=["nothing", "short", "long", "shifted", "no values", "other labels", "nan", "infinite"],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(Reject):
        decode(BLANK, raw)


@given(st.one_of(st.binary(max_size=300), st.binary(min_size=VALUES_BYTES, max_size=VALUES_BYTES)))
def test_bytes_are_refused_or_are_the_canonical_ones_of_a_model(raw: bytes) -> None:
    with pytest.raises(Reject):
        decode(BLANK, raw)
    values = np.frombuffer(raw, "<f4") if len(raw) == VALUES_BYTES else np.full(1, np.nan)
    if np.isfinite(values).all():
        assert encode(decode(BLANK, HEADER + raw)) == HEADER + raw
    else:
        with pytest.raises(Reject):
            decode(BLANK, HEADER + raw)


def test_a_model_that_no_round_could_carry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "VALUES_MAX", 8)
    zeros({"w": (2, 4)})
    with pytest.raises(ConfigError, match="a model of 9 values"):
        zeros({"w": (2, 4), "b": (1,)})


def test_a_job_of_the_log_becomes_the_numbers_of_training() -> None:
    job = pb.Job(
        id="j", task="t", task_options="{}", columns=["image", "label"], quorum=4, rounds=20,
        sampling_ppm=500_000, clip_micro=1_500_000, noise_micro=6_238_281,
        learning_rate_micro=32_000_000, momentum_ppm=800_000, epsilon_micro=3_000_000,
        delta_ppb=10_000, expected_examples=3_000, noise_parties=3, upload_step=700_000,
        upload_bits=8, upload_values=5, parameters=10, partners=[b"a", b"b"],
    )  # fmt: skip
    made = spec_of(job, LABELS)
    assert (made.job_id, made.task, made.options, made.labels) == ("j", "t", "{}", LABELS)
    assert (made.sampling, made.clip, made.noise_multiplier) == (0.5, 1.5, 6.238281)
    assert (made.learning_rate, made.momentum, made.epsilon, made.delta) == (32.0, 0.8, 3.0, 1e-5)
    assert (made.noise_parties, made.step, made.bits) == (3, 700_000, 8)
    assert (made.values, made.parameters, made.partners) == (5, 10, 2)

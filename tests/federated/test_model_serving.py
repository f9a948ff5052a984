"""A served model: what it answers, what it refuses and how it says so, and how it starts and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonhold.digits import LABELS
from federated.folder import ModelFolder
from federated.onnx_run import Model, Takes
from federated.serving import app as serving_app
from federated.serving.app import Served, build_app
from federated.serving.asked import BODY_BYTES_MAX, EXAMPLES_MAX, Refused, answer, examples_in
from federated.serving.counts import DRIFT_MIN, Counts
from protocol.errors import ConfigError
from tests.federated.model_lab import ship
from tests.training_lab import TASK, skewed

HOST = "127.0.0.1:7700"
JSON = {"content-type": "application/json"}
_, REST = skewed(600, 1, seed=2)
DIGITS = TASK.feed(REST.take(slice(300)), {})
PICTURE = DIGITS[0].tolist()
PIXELS = Takes("inputs", (28, 28, 1), np.dtype(np.uint8))
FLOATS = Takes("features", (3,), np.dtype(np.float32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("model")
    ship(made)
    return made


@pytest.fixture
def served(folder: Path) -> Served:
    model = Model(folder / "model-int8.onnx")
    return Served(model, {"title": "Digits"}, Counts(model.labels, (100_000,) * 10))


def asked(
    served: Served, method: str, path: str, *, host: str = HOST, **request: Any
) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(served, frozenset({HOST})))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, **request)

    return asyncio.run(ask())


def predicted(served: Served, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asked(served, "POST", "/predict", content=content, headers=JSON | headers)


# ---- answers ----


def test_it_says_what_the_file_says(served: Served, folder: Path) -> None:
    told = predicted(served, {"inputs": DIGITS[:20].tolist()}).json()
    scores = Model(folder / "model-int8.onnx").scores(DIGITS[:20])
    np.testing.assert_allclose(told["scores"], scores, rtol=1e-5)
    assert told["labels"] == [LABELS[each] for each in scores.argmax(axis=1)]
    assert all(0.1 <= each <= 1 for each in told["sureness"])


def test_it_says_what_it_is_and_that_it_is_well(served: Served) -> None:
    assert asked(served, "GET", "/").json() == {"title": "Digits"}
    assert asked(served, "GET", "/health").json() == {"status": "ok"}
    assert asked(served, "GET", "/").headers["x-content-type-options"] == "nosniff"


def test_it_counts_what_it_did_and_measures_drift(served: Served) -> None:
    assert "drift" not in asked(served, "GET", "/metrics").text, (
        "of too few answers it says nothing"
    )
    predicted(served, {"inputs": DIGITS.tolist()})
    predicted(served, {"inputs": []})
    text = asked(served, "GET", "/metrics").text
    assert f"commonhold_model_examples_total {len(DIGITS)}\n" in text
    assert 'commonhold_model_requests_total{status="200"} 1\n' in text
    assert 'commonhold_model_requests_total{status="413"} 1\n' in text
    assert "commonhold_model_seconds_count 1\n" in text
    counts = [int(line.split()[-1]) for line in text.splitlines() if "predictions_total{" in line]
    assert sum(counts) == len(DIGITS) >= DRIFT_MIN
    drift = float(text.split("commonhold_model_drift ")[-1].split()[0])
    shares = np.array(counts) / len(DIGITS)
    assert drift == pytest.approx(np.abs(shares - 0.1).sum() / 2, abs=1e-6)


def test_a_label_cannot_write_into_the_metrics() -> None:
    counts = Counts(['a"} 1\nforged 2', "b"], ())
    counts.say(["b"])
    lines = counts.text().splitlines()
    assert not [line for line in lines if line.startswith("forged")]
    assert counts.drift is None


# ---- refusals ----


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b"\xff\xfe", 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b'{"inputs": [NaN]}', 400, "NaN is no number"),
        (b'{"inputs": [Infinity]}', 400, "Infinity is no number"),
        ([], 400, "no list of inputs"),
        ({"inputs": 1}, 400, "no list of inputs"),
        ({"inputs": [PICTURE], "more": 1}, 400, "no list of inputs"),
        ({"inputs": []}, 413, "0 examples at once"),
        ({"inputs": [0] * (EXAMPLES_MAX + 1)}, 413, "1,025 examples at once"),
        ({"inputs": [PICTURE, PICTURE[:-1]]}, 400, "example 1 has another shape"),
        ({"inputs": [1]}, 400, "example 0 has another shape"),
        ({"inputs": [[[[0]] * 28] * 27 + [[[[0]]] * 28]]}, 400, "example 0 has another shape"),
        ({"inputs": [[[["0"]] * 28] * 28]}, 400, "no number"),
        ({"inputs": [[[[None]] * 28] * 28]}, 400, "no number"),
        ({"inputs": [[[[True]] * 28] * 28]}, 400, "no number"),
        ({"inputs": [[[[0.5]] * 28] * 28]}, 400, "no whole number"),
        ({"inputs": [[[[256]] * 28] * 28]}, 400, "out of range"),
        ({"inputs": [[[[-1]] * 28] * 28]}, 400, "out of range"),
        ({"inputs": [[[[10**400]] * 28] * 28]}, 400, "out of range"),
    ],
)
def test_what_is_wrong_is_said(served: Served, body: object, status: int, error: str) -> None:
    answer = predicted(served, body)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert answer.json()["advice"]


def test_what_is_too_large_is_refused_before_it_is_read(served: Served) -> None:
    async def endless() -> Any:
        while True:
            yield bytes(1 << 20)

    said = asked(
        served,
        "POST",
        "/predict",
        content=b"{}",
        headers=JSON | {"content-length": str(BODY_BYTES_MAX + 1)},
    )
    unsaid = asked(served, "POST", "/predict", content=endless(), headers=JSON)
    for each in (said, unsaid):
        assert (each.status_code, each.json()["error"]) == (413, "the request is too large")


def test_pages_of_other_sites_cannot_ask(served: Served) -> None:
    body = json.dumps({"inputs": [PICTURE]}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = predicted(served, body, **{"content-type": kind})
        assert answer.status_code == 415
    for host in ("evil.example:7700", "127.0.0.1:7701"):
        assert asked(served, "GET", "/", host=host).status_code == 421
    assert (
        predicted(served, body, **{"content-type": "application/json; charset=utf-8"}).status_code
        == 200
    )


def test_other_addresses_and_methods_are_refused_in_json(served: Served) -> None:
    assert asked(served, "GET", "/no-such").status_code == 404
    assert asked(served, "GET", "/predict").status_code == 405
    assert asked(served, "DELETE", "/").status_code == 405
    assert "advice" in asked(served, "GET", "/no-such").json()


def test_more_than_may_wait_are_told_to_come_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_app, "WAITING_MAX", 0)
    answer = predicted(served, {"inputs": [PICTURE]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    monkeypatch.setattr(serving_app, "WAITING_MAX", 1)
    assert predicted(served, {"inputs": [PICTURE]}).status_code == 200


def test_who_sends_much_holds_nobody_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes of digits take seconds to read; meanwhile the server says that it is well, and to more
    than may wait that they come again, before it has read what they sent."""
    reading, done = threading.Event(), threading.Event()

    def read(body: bytes, takes: Takes, rows: str) -> np.ndarray:
        reading.set()
        assert done.wait(20)
        return examples_in(body, takes, rows)

    monkeypatch.setattr(serving_app, "examples_in", read)
    monkeypatch.setattr(serving_app, "WAITING_MAX", 1)
    body = json.dumps({"inputs": [PICTURE]}).encode()

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(build_app(served, frozenset({HOST})))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            first = asyncio.create_task(client.post("/predict", content=body, headers=JSON))
            assert await asyncio.to_thread(reading.wait, 20)
            well = await client.get("/health")
            second = await client.post("/predict", content=body, headers=JSON)
            done.set()
            return [each.status_code for each in (well, second, await first)]

    assert asyncio.run(ask()) == [200, 503, 200]


@given(
    st.lists(
        st.lists(
            st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=50, deadline=None)
def test_finite_numbers_arrive_as_they_are(rows: list[list[float]]) -> None:
    found = examples_in(json.dumps({"inputs": rows}).encode(), FLOATS)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(rows, np.float32))


@pytest.mark.parametrize("number", ["1e39", "-1e400", "1" + "0" * 400])
def test_numbers_beyond_floats_are_refused(number: str) -> None:
    with pytest.raises(Refused):
        examples_in(f'{{"inputs": [[0, {number}, 0]]}}'.encode(), FLOATS)


def test_scores_that_are_no_numbers_are_the_askers_to_mend() -> None:
    """Inputs may be finite, and what the model makes of them not: of half floats above 65,504."""
    for value in (np.inf, np.nan):
        scores = np.array([[0, 1], [value, 0]], np.float32)
        with pytest.raises(Refused, match="no scores of example 1") as refused:
            answer(scores, ("a", "b"))
        assert refused.value.status == 400
    assert answer(np.zeros((1, 2), np.float32), ("a", "b"))["labels"] == ["a"]


# ---- folders ----


def test_a_file_that_is_not_the_cards_is_not_served(folder: Path, tmp_path: Path) -> None:
    ship(tmp_path)
    found = ModelFolder.read(tmp_path)
    assert found.require("model-int8.onnx").exists()
    (tmp_path / "model-int8.onnx").write_bytes((folder / "model-fp32.onnx").read_bytes())
    with pytest.raises(ConfigError, match="not the file that its card is about"):
        found.require("model-int8.onnx")
    (tmp_path / "model-int8.onnx").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        found.require("model-int8.onnx")
    for name in ("model-int2.onnx", "../card.json", "card.json"):
        with pytest.raises(ConfigError, match="the card lists no"):
            found.require(name)


# ---- the command ----


@pytest.fixture
def command(folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "commonhold",
            "model",
            "serve",
            str(folder),
            "--port",
            "0",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    yield process
    process.kill()
    process.communicate()


def test_the_command_serves_until_it_is_ended(
    command: subprocess.Popen[str], folder: Path, tmp_path: Path
) -> None:
    assert command.stdout is not None
    lines = [command.stdout.readline()]
    while not lines[-1].startswith("}") and lines[-1]:
        lines.append(command.stdout.readline())
    url = json.loads("".join(lines))["url"]
    with httpx.Client(base_url=url, trust_env=False) as client:
        about = client.get("/").json()
        assert about["takes"] == {"name": "inputs", "shape": [28, 28, 1], "type": "uint8"}
        assert 2_900_000 < about["privacy"]["epsilon_micro"]["public"] <= 3_100_000
        told = client.post("/predict", json={"inputs": DIGITS[:2].tolist()}).json()
        assert len(told["labels"]) == 2
        large = client.post("/predict", content=bytes(BODY_BYTES_MAX + 1), headers=JSON)
        assert large.status_code == 413
    port = url.rsplit(":", 1)[1]
    again = [sys.executable, "-m", "commonhold", "model", "serve", str(folder), "--port", port]
    taken = subprocess.run(
        again,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert taken.returncode == 2
    assert "cannot serve the model on" in taken.stderr and "--port" in taken.stderr
    command.send_signal(signal.SIGTERM)
    assert command.wait(timeout=20) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0, "nobody listens any more"

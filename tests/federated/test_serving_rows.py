"""A served model that is asked with rows, as partners' tables have them, and makes its features itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from federated.data import LABEL, Table
from federated.onnx_run import Model, Takes
from federated.release import release
from federated.serving.app import Served, build_app
from federated.serving.asked import Refused, examples_in
from federated.serving.counts import Counts
from federated.serving.rows import Rows
from federated.tasks.registry import code_digest, made, options_of
from federated.tasks.task import initial_weights
from protocol.errors import CommonholdError, ConfigError

HOST = "127.0.0.1:7700"
LABELS = ("ham", "spam")
TEXT = made("text", {"dims": 64}, LABELS)
TABLE = made("table", {"numbers": ["age:0:100", "income?:0:9000"], "categories": ["town"]}, LABELS)
TEXTS = np.array(["win a prize", "see you at noon", "ὦ ξεῖνε", "x" * 5_000], object)
TAKES = Takes("features", (64,), np.dtype(np.float32))


def card(task: str, **changed: str) -> dict[str, Any]:
    known = {"text": TEXT, "table": TABLE}.get(task, TEXT)
    names = {"name": task, "options": options_of(known), "code": code_digest("text").hex()}
    return {"labels": LABELS, "task": names | {"version": "commonhold 9"} | changed}


def asked(rows: object, by: Rows | str) -> Any:
    return examples_in(json.dumps({"rows": rows}).encode(), TAKES, by)


def test_a_text_becomes_what_the_model_was_trained_on() -> None:
    found = asked([{"text": each, "more": 1} for each in TEXTS], Rows.of(card("text"), TAKES))
    np.testing.assert_array_equal(found, TEXT.inputs(Table({"text": TEXTS}), {}))
    assert found.dtype == np.float32


def test_a_table_s_row_has_numbers_that_may_be_missing_and_categories() -> None:
    width = TABLE.shapes["weight"][1]
    rows = Rows(TABLE, Takes("features", (width,), np.dtype(np.float32)))
    assert rows.described == {"age": "number", "income": "number, or null", "town": "category"}
    given = [
        {"age": 41, "income": None, "town": "Köln"},
        {"age": "41.0", "income": "", "town": "Köln"},
        {"age": 1e3, "income": 2.5, "town": ""},
    ]
    one, same, other = asked(given, rows)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    columns = {
        "age": np.array([41.0]),
        "income": np.array([np.nan]),
        "town": np.array(["Köln"], object),
    }
    np.testing.assert_array_equal([one], TABLE.inputs(Table(columns), {}))


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (1, "row 1: it is no object"),
        ({}, "row 1: it has no field 'age'"),
        ({"age": [1], "income": 1, "town": "x"}, "row 1: 'age' holds more than a value"),
        ({"age": None, "income": 1, "town": "x"}, "row 1: 'age' is empty, not a finite number"),
        ({"age": "old", "income": 1, "town": "x"}, "row 1: 'age' is 'old', not a finite number"),
        ({"age": 1, "income": 1, "town": "x" * 300}, "row 1: a field is longer"),
    ],
)
def test_what_is_wrong_with_a_row_is_said(row: object, error: str) -> None:
    rows = Rows(TABLE, Takes("features", (TABLE.shapes["weight"][1],), np.dtype(np.float32)))
    with pytest.raises(Refused, match=error) as refused:
        asked([{"age": 1, "income": 1, "town": "x"}, row], rows)
    assert refused.value.status == 400 and refused.value.advice


def test_rows_are_refused_with_the_reason_where_nothing_here_can_make_examples_of_them() -> None:
    with pytest.raises(Refused, match="takes no rows: as it is") as refused:
        asked([{"text": "x"}], "as it is")
    assert "inputs" in refused.value.advice
    for other, error in (
        (card("text", code="00" * 32), "commonhold 9"),
        (card("nobody's"), "there is no task"),
        (card("text", options='{"dims": 0}'), "dims"),
        (card("images", options="{}", code=code_digest("images").hex()), "pixels"),
    ):
        with pytest.raises(CommonholdError, match=error):
            Rows.of(other, TAKES)


def test_a_task_that_makes_something_else_than_the_file_takes_is_no_accident() -> None:
    rows = Rows(TEXT, Takes("features", (65,), np.dtype(np.float32)))
    with pytest.raises(ConfigError, match=r"makes \(64,\) of a row, and the file takes \(65,\)"):
        rows.made([{"text": "x"}])


def test_a_program_sends_texts_and_is_told_labels(tmp_path: Path) -> None:
    labels = np.array(["spam", "ham", "ham", "spam"], object)
    data = Table({"text": TEXTS, LABEL: labels})
    weights = initial_weights(TEXT, "text")
    x, y = TEXT.inputs(data, {}), np.eye(2)[TEXT.targets(data)]
    head = np.linalg.lstsq(x, y, rcond=None)[0].T.astype(np.float32)
    release(TEXT, weights.replaced(np.append(head, np.zeros(2, np.float32))), data, tmp_path)
    model = Model(tmp_path / "model-fp32.onnx")
    served = Served(model, {}, Counts(model.labels, ()), Rows.of(card("text"), model.takes))

    async def ask(body: object) -> httpx.Response:
        transport = httpx.ASGITransport(build_app(served, frozenset({HOST})))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            return await client.post("/predict", json=body)

    told = asyncio.run(ask({"rows": [{"text": each} for each in TEXTS]}))
    assert told.json()["labels"] == [*labels]
    same = asyncio.run(ask({"inputs": x.tolist()}))
    np.testing.assert_allclose(same.json()["scores"], told.json()["scores"], rtol=1e-5)
    wrong = asyncio.run(ask({"rows": [{"words": "x"}]}))
    assert wrong.status_code == 400 and "'text'" in wrong.json()["error"]
    both = asyncio.run(ask({"rows": [], "inputs": []}))
    assert both.status_code == 400 and '{"rows": [{"text": …}, …]}' in both.json()["advice"]

"""A tiny language model with random weights, adapted to texts that it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federated.data import Table, column_array
from federated.tasks import Task
from federated.tasks.registry import made
from federated.tasks.task import initial_weights, measured
from protocol.errors import ConfigError

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "the cat saw the dog"]
FOLDER = "COMMONHOLD_BASE_MODEL"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers: Any = pytest.importorskip("transformers", reason="the extra `lora` is optional")
    tokenizers: Any = pytest.importorskip("tokenizers")
    import torch

    folder = tmp_path_factory.mktemp("base")
    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: at for at, word in enumerate(["?", *words])}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="?"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="?").save_pretrained(
        folder
    )
    torch.manual_seed(1)
    config = transformers.GPT2Config(
        vocab_size=len(vocabulary), n_positions=16, n_embd=16, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def task(base: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv(FOLDER, str(base))
    return made("lora", {"tokens": 8, "rank": 4}, ()).suited(None, 9)


def texts(task: Task, count: int) -> Table:
    column = task.columns[0]
    rows = [TEXTS[at % len(TEXTS)] for at in range(count)]
    return Table({column.name: column_array(column, rows)})


def test_a_language_model_is_adapted_by_clipped_sums(task: Task) -> None:
    mine = texts(task, 12)
    weights = initial_weights(task, "lora")
    inputs, targets = task.inputs(mine, {}), task.targets(mine)
    task.require_private(inputs, targets)
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in weights.arrays} == {"up", "down"}
    before = measured(task, weights, mine)
    one = task.clipped_sum(weights, inputs[:1], targets[:1], 0.1)
    assert 0 < np.linalg.norm(one) <= 0.1 * (1 + 1e-9)
    for _ in range(30):
        total = task.clipped_sum(weights, inputs, targets, 1.0) / len(mine)
        weights = weights.replaced((weights.vector - 20 * total).astype(np.float32))
    assert measured(task, weights, mine) > 1.05 * before


def test_padding_changes_nothing(task: Task) -> None:
    weights = initial_weights(task, "lora")
    longer = made("lora", {"tokens": 12, "rank": 4}, ()).suited(None, 9)
    mine = texts(task, 3)
    short, long = (each.scores(weights, each.inputs(mine, {})) for each in (task, longer))
    np.testing.assert_allclose(short, long, atol=1e-5)


def test_another_base_model_is_refused_by_its_hash(
    base: Path, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in base.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"other")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(ConfigError, match=r"has the hash .*, and the job's"):
        initial_weights(task, "lora")


def test_a_machine_says_where_its_base_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    with pytest.raises(ConfigError, match="does not say where it is"):
        made("lora", {}, ()).suited(None, 9)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(ConfigError, match=r"no \.safetensors file"):
        made("lora", {}, ()).suited(None, 9)

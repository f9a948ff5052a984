"""A causal language model, adapted to private texts by low-rank updates of its layers (Hu et al., ICLR 2022).

The base model is a folder in the format of Hugging Face, which every machine has for itself and names in
COMMONHOLD_BASE_MODEL; the job holds the hash of its files. Only the low-rank matrices are trained, sent and
noised. Nothing is downloaded, and no code of the folder's runs.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from commonground.files import sha256_file
from commonground.installing import how_to_install
from federated.data import Column, Kind, Table
from federated.model import Array
from federated.recipe import Recipe
from federated.tasks.network import NetworkTask
from federated.tasks.task import Inputs, Scores, Targets
from protocol.errors import ConfigError

FOLDER: Final = "COMMONHOLD_BASE_MODEL"
EXTRAS: Final = "federated,lora"
RANK_MAX: Final = 256
TOKENS_MAX: Final = 4_096
# What a model is made of; a folder's other files (readmes, caches) change nothing.
_PARTS: Final = ("*.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "*.txt")
# By the end of a layer's name, those that most architectures have in their attention.
_ADAPTED: Final = ("c_attn", "q_proj", "v_proj", "query_key_value", "qkv_proj")


class Adapted(nn.Module):
    """A frozen layer, and a low-rank change of it that begins at nothing."""

    def __init__(self, inner: nn.Module, into: int, out: int, rank: int) -> None:
        super().__init__()
        self.inner = inner
        self.down = nn.Linear(into, rank, bias=False)
        self.up = nn.Linear(rank, out, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, and the change."""
        changed: Tensor = self.inner(x) + self.up(self.down(x))
        return changed


@dataclass(frozen=True)
class Lora(NetworkTask):
    """How private texts go on, token by token."""

    kind: ClassVar[str] = ""

    column: str = "text"
    tokens: int = 128  # of a text, from its beginning
    rank: int = 8
    base: str = ""  # SHA-256 over the files of the base model, hexadecimal

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        for name, value, least, most in (
            ("rank", self.rank, 1, RANK_MAX),
            ("tokens", self.tokens, 2, TOKENS_MAX),
        ):
            if not least <= value <= most:
                raise ConfigError(f"{name} is {value}", f"give {least} to {most:,}")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The text."""
        return (Column(self.column, Kind.TEXT),)

    def suited(self, public: Table | None, examples: int) -> Lora:
        """Names the base model that is here."""
        return self if self.base else replace(self, base=base_digest(_folder()).hex())

    @cached_property
    def _base(self) -> Path:
        folder = _folder()
        found = base_digest(folder).hex()
        if found != self.base:
            raise ConfigError(
                f"the base model in {folder} has the hash {found[:16]}…, and the job's {self.base[:16]}…",
                "get the model that the job's operator has, file by file",
            )
        return folder

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, tokens + 1) int64: tokens with padding after them, and last how many there are."""
        tokenizer = _transformers().AutoTokenizer.from_pretrained(
            self._base, local_files_only=True, trust_remote_code=False
        )
        found = np.zeros((len(table), self.tokens + 1), np.int64)
        for row, text in zip(found, table[self.column], strict=True):
            ids = tokenizer(text)["input_ids"][: self.tokens]
            row[: len(ids)], row[-1] = ids, len(ids)
        return found

    def targets(self, table: Table) -> Targets:
        """(n,): none; what a text goes on with is in it."""
        return np.zeros(len(table), np.int64)

    def module(self) -> nn.Module:
        """The base model with its attention adapted; all else is frozen."""
        model = _transformers().AutoModelForCausalLM.from_pretrained(
            self._base,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            attn_implementation="eager",  # plain operations, which can be exported
        )
        model.requires_grad_(False)
        for name, layer in list(model.named_modules()):
            if name.endswith(_ADAPTED):
                parent = model.get_submodule(name.rpartition(".")[0])
                setattr(parent, name.rpartition(".")[2], Adapted(layer, *_sizes(layer), self.rank))
        if not any(p.requires_grad for p in model.parameters()):
            raise ConfigError(
                "the base model has no attention layer that can be adapted",
                f"use one whose layers are called {', '.join(_ADAPTED)}",
            )
        return Likelihood(model)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n,): the mean over a text's tokens, which the module has computed."""
        return -outputs[:, 0]

    def metric(self, scores: Scores, targets: Targets) -> float:
        """How likely a text's next token is, as the geometric mean: one over the perplexity."""
        return float(np.exp(scores[:, 0].mean()))

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """Few rounds: each goes through the whole base model."""
        return Recipe(rounds=30, sampling=0.25, clip=1.0, learning_rate=0.5, momentum=0.9)


class Likelihood(nn.Module):
    """Rows of `inputs` to (n, 1): the mean log-likelihood of a text's tokens but the first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def train(self, mode: bool = True) -> Self:
        """Only what is trained: the base model drops nothing out, in whatever way it would."""
        super().train(mode)
        self.model.eval()
        for part in self.model.modules():
            if isinstance(part, Adapted):
                part.down.train(mode)
                part.up.train(mode)
        return self

    def forward(self, rows: Tensor) -> Tensor:
        """Attention looks back only, so that padding, which comes last, changes nothing before it."""
        tokens, length = rows[:, :-1], rows[:, -1:]
        logits: Tensor = self.model(input_ids=tokens[:, :-1], use_cache=False).logits
        following = tokens[:, 1:].unsqueeze(2)
        there = (torch.arange(1, tokens.shape[1], device=rows.device) < length).to(logits.dtype)
        likely = F.log_softmax(logits, dim=-1).gather(2, following).squeeze(2)
        return (likely * there).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1)


def base_digest(folder: Path) -> bytes:
    """SHA-256 over the names and hashes of a base model's files. Raises ConfigError where there are none."""
    files = sorted({each for pattern in _PARTS for each in folder.glob(pattern)})
    if not any(each.suffix == ".safetensors" for each in files):
        raise ConfigError(
            f"{folder} holds no model: there is no .safetensors file",
            f"save one there with save_pretrained, and set {FOLDER} to its folder",
        )
    summed = hashlib.sha256()
    for each in files:
        summed.update(hashlib.sha256(each.name.encode()).digest())
        summed.update(bytes.fromhex(sha256_file(each)[0]))
    return summed.digest()


def _folder() -> Path:
    named = os.environ.get(FOLDER, "")
    if not named:
        raise ConfigError(
            "the task adapts a base model, and this machine does not say where it is",
            f"set {FOLDER} to its folder",
        )
    return Path(named)


def _sizes(layer: nn.Module) -> tuple[int, int]:
    weight: Any = layer.weight
    into_first = type(layer).__name__ == "Conv1D"  # of GPT-2: a linear layer, transposed
    return tuple(weight.shape) if into_first else tuple(weight.shape[::-1])


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(
            "the task 'lora' needs the package transformers, which is not installed",
            f"into the environment for training, {how_to_install(EXTRAS)}",
        ) from error
    return transformers

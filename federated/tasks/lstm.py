"""Short texts, byte by byte, with a recurrent network: where the order of all characters matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from federated.data import LABEL, Column, Kind, Table
from federated.model import Array
from federated.recipe import Recipe
from federated.tasks.network import NetworkTask
from federated.tasks.task import Inputs
from protocol.errors import ConfigError

CHARS_MAX: Final = 256
HIDDEN_MAX: Final = 1_024
_PADDING: Final = 0  # no text of ours holds that byte
_BYTES: Final = 256


class Reader(nn.Module):
    """An LSTM (Hochreiter & Schmidhuber, 1997) of two linear layers, which hooks see at every step."""

    def __init__(self, size: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_BYTES, size)
        self.entering = nn.Linear(size, 4 * hidden)
        self.staying = nn.Linear(hidden, 4 * hidden, bias=False)
        self.head = nn.Linear(hidden, labels)

    def forward(self, text: Tensor) -> Tensor:
        """(n, chars) -> (n, labels): what is left after the last byte; padding in front changes nothing."""
        entering = self.entering(self.embedding(text))
        # Zeros of the batch's own size, so that an exported network takes any.
        cell = state = torch.zeros_like(entering[:, 0, : self.staying.in_features])
        for at in range(text.shape[1]):
            there = (text[:, at : at + 1] != _PADDING).to(entering.dtype)
            gates = entering[:, at] + self.staying(state)
            taken, kept, new, shown = gates.chunk(4, dim=1)
            after = torch.sigmoid(kept) * cell + torch.sigmoid(taken) * torch.tanh(new)
            cell = there * after + (1 - there) * cell
            state = there * torch.sigmoid(shown) * torch.tanh(after) + (1 - there) * state
        scores: Tensor = self.head(state)
        return scores


@dataclass(frozen=True)
class Lstm(NetworkTask):
    """Which of the campaign's labels a short text has."""

    column: str = "text"
    chars: int = 24  # bytes of a text, from its beginning
    size: int = 32  # of a byte's embedding
    hidden: int = 64

    def __post_init__(self) -> None:
        """Raises ConfigError for options out of range."""
        limits = (("chars", CHARS_MAX), ("size", HIDDEN_MAX), ("hidden", HIDDEN_MAX))
        for name, most in limits:
            if not 1 <= getattr(self, name) <= most:
                raise ConfigError(f"{name} is {getattr(self, name)}", f"give 1 to {most:,}")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The text and its label."""
        return Column(self.column, Kind.TEXT), Column(LABEL, Kind.LABEL)

    def inputs(self, table: Table, fixed: Mapping[str, Array]) -> Inputs:
        """(n, chars) int64: bytes, padded in front."""
        found = np.full((len(table), self.chars), _PADDING, np.int64)
        for row, text in zip(found, table[self.column], strict=True):
            raw = text.encode("utf-8", "surrogatepass")[: self.chars]
            row[self.chars - len(raw) :] = np.frombuffer(raw, np.uint8)
        return found

    def module(self) -> nn.Module:
        """A reader of bytes."""
        return Reader(self.size, self.hidden, len(self.labels))

    def recipe(self, examples: int, epsilon: float) -> Recipe:
        """A sample of the examples each round: by hooks, all of them would take minutes."""
        return Recipe(rounds=200, sampling=0.1, clip=1.0, learning_rate=1.0, momentum=0.9)

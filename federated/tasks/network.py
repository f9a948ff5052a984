"""Tasks whose model is a torch module: gradients by example come from Opacus' hooks."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from federated import gradients, privacy_check
from federated.model import Array, Shapes, Weights
from federated.tasks.task import Inputs, Places, Scores, Targets, Task
from protocol.errors import ConfigError

_SEED: Final = 1  # of the first weights: any will do, and everybody has to use the same
_CHUNK: Final = 256  # examples that are scored at once


@dataclass(frozen=True)
class NetworkTask(Task):
    """`module` and `inputs` are all that one has to write; the loss is cross entropy by default."""

    @abstractmethod
    def module(self) -> nn.Module:
        """A fresh module, from `inputs` (n, ...) to scores (n, labels). Parameters that do not require
        gradients are neither trained nor sent."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """(n,): what each example loses."""
        return F.cross_entropy(outputs, targets, reduction="none")

    @cached_property
    def _module(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            return self.module().to(require_device(self.device))

    @property
    def shapes(self) -> Shapes:
        """Of the module's trained parameters."""
        return {
            name: tuple(p.shape) for name, p in self._module.named_parameters() if p.requires_grad
        }

    def initial(self) -> dict[str, Array]:
        """The module's own, from one seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            fresh = self.module()
        return {
            name: p.detach().numpy().astype(np.float32)
            for name, p in fresh.named_parameters()
            if p.requires_grad
        }

    def network(self, weights: Weights) -> nn.Module:
        """The module with these weights."""
        state = {name: torch.tensor(array) for name, array in weights.arrays.items()}
        self._module.load_state_dict(state, strict=False)
        return self._module.eval()

    def graph(self, weights: Weights, fed: Inputs) -> Any:
        """As torch exports it."""
        from federated.onnx_graph import exported_graph

        return exported_graph(self.network(weights), fed, weights.labels)

    def clipped_sum(
        self,
        weights: Weights,
        inputs: Inputs,
        targets: Targets,
        clip: float,
        *,
        places: Places = None,
    ) -> NDArray[np.float64]:
        """By Opacus' hooks; see federated/gradients.py."""
        module = self.network(weights).train()
        return gradients.clipped_sum(
            module, self.loss, inputs, targets, clip, places=places, device=self.device
        )

    def scores(self, weights: Weights, inputs: Inputs) -> Scores:
        """Some examples at a time."""
        module = self.network(weights)
        with torch.no_grad():
            parts = [
                module(torch.tensor(inputs[at : at + _CHUNK], device=self.device)).cpu().numpy()
                for at in range(0, max(len(inputs), 1), _CHUNK)
            ]
        return np.concatenate(parts).astype(np.float32)

    def require_private(self, inputs: Inputs, targets: Targets) -> None:
        """Tries a fresh module; see federated/privacy_check.py."""
        privacy_check.require_private(self.module(), self.loss, inputs, targets)


def require_device(name: str) -> torch.device:
    """The device to compute on. Raises ConfigError for one that torch does not know or this machine lacks."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"there is no device {name!r} here: {str(error).splitlines()[0]}",
            "leave --device out for the processor, or install torch for your accelerator (cuda, mps)",
        ) from error
    return device

"""The update of the present round, as its owner keeps it: what has left a machine once can leave it again.

Rule 1: an update is durable here before it is signed, so that whoever signed one still has it after a crash.
Rule 2: asked again for the same round, from the same model, a machine gives these bytes and computes nothing:
        two updates of one round would show how their noise differs, and cost privacy twice.

One file for a job. A new round takes the place of the last: nobody can ask for that any more.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from commonground.files import DIRECTORY_MODE, replace_file
from federated.partner import LocalUpdate
from protocol.errors import StoreError

_FLOAT = np.dtype("<f4")


class KeptUpdates:
    """The file of one job. It needs no closing."""

    def __init__(self, path: Path) -> None:
        """Touches nothing yet."""
        self._path = path

    def find(self, round_: int, base: bytes) -> LocalUpdate | None:
        """The update that was kept for this round, from the model with this hash.

        Raises StoreError where the file is damaged: then nobody knows what was sent.
        """
        try:
            header, _, values = self._path.read_bytes().partition(b"\0")
            kept = json.loads(header)
            if (kept["round"], kept["base"]) != (round_, base.hex()):
                return None
            vector = np.frombuffer(values, _FLOAT).astype(np.float32)
            return LocalUpdate(vector, bytes.fromhex(kept["digest"]), int(kept["epsilon_micro"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._path}: {error}",
                "move it away; the round that it was of is then lost, and what it cost is spent",
            ) from error

    def keep(self, round_: int, base: bytes, update: LocalUpdate) -> None:
        """Writes it; durable on return."""
        header = {
            "round": round_,
            "base": base.hex(),
            "digest": update.digest.hex(),
            "epsilon_micro": update.epsilon_micro,
        }
        values = np.ascontiguousarray(update.vector, _FLOAT).tobytes()
        self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        replace_file(self._path, json.dumps(header).encode() + b"\0" + values)

    def forget(self) -> None:
        """Removes the file: the job is over."""
        self._path.unlink(missing_ok=True)

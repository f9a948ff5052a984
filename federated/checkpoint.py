"""What a job goes on from: all that the next round depends on, in bytes that the log names by their hash.

    JSON {"job": id, "round": number} || 0x00 || length of the weights, 8 bytes || weights || velocity

The weights are their canonical bytes (federated.model.encode), the velocity is the optimiser's state as
little-endian double floats. Who takes part, what has been spent and which round comes next is in the log.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from protocol.errors import StoreError

_DOUBLE: Final = np.dtype("<f8")
_LENGTH_BYTES: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state after a round; after round 0 it is what the job starts from."""

    job_id: str
    round: int
    weights: bytes
    velocity: NDArray[np.float64]  # (parameters,)

    def encode(self) -> bytes:
        """The bytes, the same for the same state on every platform."""
        length = len(self.weights).to_bytes(_LENGTH_BYTES, "big")
        velocity = np.ascontiguousarray(self.velocity, _DOUBLE).tobytes()
        return _header(self.job_id, self.round) + length + self.weights + velocity


def digest(raw: bytes) -> bytes:
    """SHA-256: how the log names a checkpoint."""
    return hashlib.sha256(raw).digest()


def decode(job_id: str, round_: int, raw: bytes) -> Checkpoint:
    """The checkpoint of a job after a round. Raises StoreError for bytes that are none."""
    header = _header(job_id, round_)
    start = len(header) + _LENGTH_BYTES
    end = start + int.from_bytes(raw[len(header) : start], "big")
    if not raw.startswith(header) or end > len(raw) or (len(raw) - end) % _DOUBLE.itemsize:
        raise StoreError(
            f"this is not the checkpoint of {job_id!r} after round {round_}",
            "restore the models of the coordinator's directory from a backup",
        )
    velocity = np.frombuffer(raw, _DOUBLE, offset=end).astype(np.float64)
    return Checkpoint(job_id, round_, raw[start:end], velocity)


def _header(job_id: str, round_: int) -> bytes:
    described = {"job": job_id, "round": round_}
    return json.dumps(described, sort_keys=True, separators=(",", ":")).encode() + b"\0"

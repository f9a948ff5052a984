"""What a machine gave, or is about to give, to the present round: what has left once can leave again.

Rule 1: it is durable here before it is signed, so that whoever signed an update still has it after a crash.
Rule 2: asked again for the same round a machine gives these bytes and computes nothing: two updates of one
        round would show how their noise differs, and cost privacy twice.

One file for a job. A new round takes the place of the last: nobody can ask for that any more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from commonground.committees import RoundStart, Signed
from commonground.files import DIRECTORY_MODE, replace_file
from protocol.errors import StoreError


@dataclass(frozen=True, slots=True)
class KeptUpdate:
    """A masked update, the seeds of its masks as they were sealed, and what the data has spent with it."""

    hidden: bytes
    sealed: bytes  # protocol.shares.Sealed.encode
    seeds: bytes  # protocol.shares.Sealed.digest
    epsilon_micro: int

    @property
    def signed(self) -> Signed:
        """What its owner signs of it."""
        return Signed(hashlib.sha256(self.hidden).digest(), self.seeds)


class KeptUpdates:
    """The file of one job. It needs no closing."""

    def __init__(self, path: Path) -> None:
        """Touches nothing yet."""
        self._path = path

    def find(self, start: RoundStart) -> KeptUpdate | None:
        """What was kept for this round. Raises StoreError where the file is damaged: then nobody knows."""
        try:
            header, _, rest = self._path.read_bytes().partition(b"\0")
            kept = json.loads(header)
            if kept["round"] != _name(start):
                return None
            hidden, sealed = rest[: kept["hidden"]], rest[kept["hidden"] :]
            found = KeptUpdate(hidden, sealed, bytes.fromhex(kept["seeds"]), kept["epsilon_micro"])
            if kept["digest"] != hashlib.sha256(rest).hexdigest():
                raise ValueError("the file is damaged")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{self._path}: {error}",
                "move it away; the round that it was of is then lost, and what it cost is spent",
            ) from error
        return found

    def keep(self, start: RoundStart, update: KeptUpdate) -> None:
        """Writes it; durable on return."""
        content = update.hidden + update.sealed
        header = {
            "round": _name(start),
            "hidden": len(update.hidden),
            "digest": hashlib.sha256(content).hexdigest(),
            "seeds": update.seeds.hex(),
            "epsilon_micro": update.epsilon_micro,
        }
        self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        replace_file(self._path, json.dumps(header).encode() + b"\0" + content)

    def forget(self) -> None:
        """Removes the file: the job is over."""
        self._path.unlink(missing_ok=True)


def _name(start: RoundStart) -> str:
    """The round, and all that an update of it hangs on: the model, and whom its seeds are sealed to."""
    parts = (start.network, start.job_id.encode(), start.model, *start.committee.keys)
    return f"{start.number} {hashlib.sha256(b''.join(parts)).hexdigest()}"

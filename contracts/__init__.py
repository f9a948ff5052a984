"""The compiled contracts, as the wheel ships them. Sources are in src/, their tests in test/.

Rebuild after changing a source: `node contracts/tools/build.js`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

#: The chain id that development chains share (anvil and Hardhat, too); wallets warn about it by themselves.
DEVELOPMENT_CHAIN_ID = 31_337
#: Those of `commonhold chain dev`: several, so that a network can move from one to another.
DEVELOPMENT_CHAIN_IDS = range(DEVELOPMENT_CHAIN_ID, DEVELOPMENT_CHAIN_ID + 10)
NAMES = (
    "Board",
    "NetworkGovernor",
    "Settlement",
    "ShareToken",
    "Stake",
    "TestStable",
    "TimelockController",
    "Vault",
    "WitnessSet",
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes  # creation code, without constructor arguments
    deployed: bytes  # what is at its address then, with zeros where its immutables go
    immutables: Mapping[str, tuple[int, ...]]  # where in `deployed` the 32-byte words of each begin
    compiler: str
    source_hash: str  # SHA-256 over the sources and the build; see tools/build.js


@cache
def load(name: str) -> Artifact:
    """Return the artifact called `name`; raise ValueError for a name that is not in NAMES."""
    if name not in NAMES:
        raise ValueError(f"no contract is called {name!r}; there are {', '.join(NAMES)}")
    raw = json.loads(files(__name__).joinpath("artifacts", f"{name}.json").read_text("utf-8"))
    return Artifact(
        name=raw["name"],
        abi=raw["abi"],
        bytecode=bytes.fromhex(raw["bytecode"].removeprefix("0x")),
        deployed=bytes.fromhex(raw["deployedBytecode"].removeprefix("0x")),
        immutables={
            name: tuple(place["start"] for place in places)
            for name, places in (raw["immutableReferences"] or {}).items()
        },
        compiler=raw["compiler"],
        source_hash=raw["sourceHash"],
    )

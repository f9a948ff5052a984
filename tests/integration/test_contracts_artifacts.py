"""What the wheel ships was compiled from the sources beside it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from contracts import NAMES, load

CONTRACTS = Path(__file__).parents[2] / "contracts"


def source_hash() -> str:
    """Compute what tools/build.js records: paths and contents of everything that decides."""
    sources = sorted(
        path.relative_to(CONTRACTS).as_posix() for path in CONTRACTS.rglob("src/**/*.sol")
    )
    digest = hashlib.sha256()
    for name in [*sources, "package-lock.json", "tools/build.js"]:
        digest.update(f"{name}\0{(CONTRACTS / name).read_text('utf-8')}\0".encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_artifacts_belong_to_the_present_sources(name: str) -> None:
    artifact = load(name)
    assert artifact.source_hash == source_hash(), "run: node contracts/tools/build.js"
    assert artifact.bytecode and artifact.abi


def test_an_unknown_artifact_is_refused() -> None:
    with pytest.raises(ValueError, match="no contract is called"):
        load("../package")


@pytest.mark.skipif(
    not (CONTRACTS / "node_modules").exists() or shutil.which("node") is None,
    reason="needs the compiler: npm ci --ignore-scripts --prefix contracts",
)
def test_compiling_again_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run(["node", CONTRACTS / "tools" / "build.js", tmp_path], check=True, timeout=300)
    for name in NAMES:
        shipped = (CONTRACTS / "artifacts" / f"{name}.json").read_bytes()
        assert (tmp_path / f"{name}.json").read_bytes() == shipped

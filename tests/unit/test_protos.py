"""The generated code is what the schemas generate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GENERATED = Path(__file__).parents[2] / "protos" / "gen"


def test_generated_code_is_current(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "protos.generate", str(tmp_path)], check=True)
    fresh = {p.name: p.read_text() for p in (tmp_path / "protos" / "gen").iterdir()}
    committed = {
        p.name: p.read_text()
        for p in GENERATED.iterdir()
        if p.is_file() and p.name != "__init__.py"
    }
    assert fresh == committed, "run `make protos` and commit the result"

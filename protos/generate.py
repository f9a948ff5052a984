"""Regenerates protos/gen from the .proto files: `python -m protos.generate [OUT_DIR]`.

The virtual path `protos/gen` makes the generated modules import each other as `protos.gen.*`,
so that the folder stays the import. tests/unit/test_protos.py proves that the result is current.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).parent
MESSAGES = ("records", "api")
SERVICES = ("api",)


def generate(root: Path) -> None:
    """Writes `root/protos/gen/*_pb2*.py`; raises SystemExit with protoc's code when it fails."""
    (root / "protos" / "gen").mkdir(parents=True, exist_ok=True)
    include = f"-Iprotos/gen={PROTOS}"
    runs = (
        [f"--python_out={root}", f"--pyi_out={root}", *_files(MESSAGES)],
        [f"--grpc_python_out={root}", *_files(SERVICES)],
    )
    for arguments in runs:
        code = protoc.main(["protoc", include, *arguments])
        if code != 0:
            raise SystemExit(code)


def _files(names: tuple[str, ...]) -> list[str]:
    return [f"protos/gen/{name}.proto" for name in names]


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTOS.parent)

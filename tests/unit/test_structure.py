"""The layout tells the story only as long as it is true: purity, sizes, and who may know what."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    *("protos", "protocol", "contracts", "commonground"),
    *("federated", "node", "coordinator", "commonhold"),
)
MODULE_LINES_MAX = 450  # a module reads in one sitting

# What a pure package may not touch: the world, the clock, chance, and frameworks.
IMPURE = {
    *("socket", "ssl", "sqlite3", "asyncio", "threading", "subprocess", "multiprocessing", "os"),
    *("time", "datetime", "random", "secrets", "uuid", "pathlib", "tempfile", "logging", "io"),
    *("grpc", "trio", "libp2p", "web3", "sqlalchemy", "httpx", "starlette", "typer", "rich"),
}

# package -> the only places in it that may import the module
RESERVED = {
    ("commonground", "trio"): ("commonground/p2p/",),
    ("commonground", "libp2p"): ("commonground/p2p/",),
    ("node", "trio"): (),
    ("node", "libp2p"): (),
    ("commonground", "web3"): (),
    ("commonground", "torch"): (),
    ("node", "web3"): ("node/wallet.py",),
    ("coordinator", "web3"): ("coordinator/chain.py",),
    ("commonhold", "web3"): (),
    ("commonhold", "trio"): (),
    ("node", "torch"): (),  # a contributor's machine needs none
    ("coordinator", "torch"): (),
    ("commonhold", "torch"): (),
    ("federated", "web3"): (),
}


def modules(package: str) -> Iterator[Path]:
    for path in sorted((ROOT / package).rglob("*.py")):
        if not {"gen", "node_modules"} & set(path.parts):
            yield path


def imports(path: Path) -> Iterator[str]:
    for item in ast.walk(ast.parse(path.read_text())):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            yield item.module


def test_packages_depend_on_each_other_in_one_direction() -> None:
    """The layers are in pyproject.toml, under importlinter."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_protocol_is_pure() -> None:
    impure = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules("protocol")
        for name in imports(path)
        if name.split(".")[0] in IMPURE
    }
    opened = {
        f"{path.relative_to(ROOT)}: {call.func.id}()"
        for path in modules("protocol")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"open", "print", "input", "exec", "eval"}
    }
    assert not impure | opened


@pytest.mark.parametrize(("package", "module"), RESERVED)
def test_one_room_knows_about(package: str, module: str) -> None:
    strangers = {
        str(path.relative_to(ROOT))
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] == module
        and not str(path.relative_to(ROOT)).startswith(RESERVED[package, module] or ("-",))
    }
    assert not strangers


def test_one_room_knows_flowers_private_parts() -> None:
    public = {"flwr.app", "flwr.clientapp", "flwr.serverapp"}
    strangers = {
        f"{path.relative_to(ROOT)}: {name}"
        for package in PACKAGES
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] == "flwr"
        and name not in public
        and not path.is_relative_to(ROOT / "federated" / "flower")
    }
    assert not strangers


def test_modules_read_in_one_sitting() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {lines}"
        for package in PACKAGES
        for path in modules(package)
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    }
    assert not long


def test_nothing_in_the_repository_swallows_errors() -> None:
    silent = {
        f"{path.relative_to(ROOT)}:{handler.lineno}"
        for package in PACKAGES
        for path in modules(package)
        for handler in ast.walk(ast.parse(path.read_text()))
        if isinstance(handler, ast.ExceptHandler)
        and all(isinstance(line, ast.Pass) for line in handler.body)
        and (handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"})
    }
    assert not silent

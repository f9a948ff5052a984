"""What we import is declared, each role gets what it needs and no more, and the locks pin it by hash."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from sys import stdlib_module_names

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.locks import LOCKS, PROJECT, Pin, read_lock
from tools.sbom import BILL, render

ROOT = Path(__file__).parents[2]
PACKAGES = {
    *("protos", "protocol", "contracts", "commonground"),
    *("federated", "node", "coordinator", "commonhold"),
}
OURS = {*PACKAGES, "tests", "benchmarks", "tools", "rules_lost"}
LOCK_OF = {"dev": "requirements.lock", "federated-dev": "requirements-federated.lock"}
# Runs where other formats' tools are, by `make round-trip`.
ORACLES = Path("benchmarks/oracles.py")
ACCOUNTING = Path(
    "benchmarks/accounting_oracle.py"
)  # in an environment of its own: `make accounting`
PROVIDERS = packages_distributions()

# Where a command begins -> the extras that its user was told to install.
ENTRIES = {
    # `dataset` for whoever submits the rows of Parquet, who is told so.
    ("commonhold.cli.node",): ("node", "dataset"),
    ("coordinator.service", "coordinator.server", "coordinator.http"): ("coordinator",),
    ("commonhold.cli.coordinator",): ("coordinator", "export"),
    ("commonhold.cli.verify",): ("node", "dataset"),
    ("commonhold.cli.chain",): ("chain",),
    ("commonhold.cli.demo",): ("demo",),
    (
        *("commonhold.cli.federated", "coordinator.training.server", "federated.client_app"),
        *("federated.flower.superlink", "federated.flower.serverapp"),
    ): ("federated",),
}


def extras() -> dict[str, list[Requirement]]:
    """Requirements by extra, "" for those that everybody has; `commonhold[…]` stands for its extras'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, list[Requirement]] = {}
    for name, texts in ({"": project["dependencies"]} | project["optional-dependencies"]).items():
        wanted = [Requirement(text) for text in texts]
        found[name] = [each for each in wanted if each.name != PROJECT]
        for each in wanted:
            if each.name == PROJECT:
                found[name] += [other for extra in each.extras for other in found[extra]]
    return found


EXTRAS = extras()


def declared(*names: str) -> set[str]:
    return {canonicalize_name(each.name) for name in ("", *names) for each in EXTRAS[name]}


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in it, except for types alone."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.If) and ast.unparse(item.test) == "TYPE_CHECKING":
            continue
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            yield item.module
            yield from (f"{item.module}.{alias.name}" for alias in item.names)
        waiting += ast.iter_child_nodes(item)


def path_of(module: str) -> Path | None:
    """The file of one of our modules."""
    bare = ROOT.joinpath(*module.split("."))
    return next((p for p in (bare / "__init__.py", bare.with_suffix(".py")) if p.exists()), None)


def undeclared(module: str, allowed: set[str]) -> bool:
    """Whether a foreign module comes from none of the distributions that are allowed."""
    top = module.partition(".")[0]
    if top in stdlib_module_names:
        return False
    return not allowed & {canonicalize_name(name) for name in PROVIDERS.get(top, [top])}


def reached(*entries: str) -> dict[str, str]:
    """Every module that can be imported from these, ours and others', with the one that names it."""
    found: dict[str, str] = {}
    waiting = [(entry, "") for entry in entries]
    while waiting:
        module, by = waiting.pop()
        if module.partition(".")[0] not in PACKAGES:
            found.setdefault(module, by)
            continue
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            path = path_of(name)
            if path is not None and name not in found:
                found[name] = by
                waiting += [(other, name) for other in imports(path)]
    return found


TRAINING_BENCHMARKS = (
    *(
        "attacks",
        "correlated_noise",
        "deployment_alone",
        "federated",
        "federated_data",
        "privacy_oracle",
        "robustness",
    ),
    *("secure_sums", "simulated_clients", "simulated_in_ray", "stock_flower", "training"),
)


def runs_in_training(path: Path) -> bool:
    """Whether a file belongs to the environment for training: as in the Makefile, under `types`."""
    rooms = ("federated/", "node/training/", "coordinator/training/", "tests/federated/")
    return str(path).startswith(
        (
            *rooms,
            "tests/federated_lab",
            "tests/training_lab",
            *(f"benchmarks/{name}" for name in TRAINING_BENCHMARKS),
            "benchmarks/attacks",
        )
    )


@pytest.mark.parametrize(("extra", "training"), [("dev", False), ("federated-dev", True)])
def test_every_import_is_declared(extra: str, training: bool) -> None:
    allowed = declared(extra, *(["lora"] if training else []))  # which a test skips without
    strangers = {
        f"{path}: {module}"
        for folder in OURS
        for path in (each.relative_to(ROOT) for each in (ROOT / folder).rglob("*.py"))
        if "node_modules" not in path.parts and runs_in_training(path) == training
        if path not in (ORACLES, ACCOUNTING)
        for module in imports(path)
        if module.partition(".")[0] not in OURS and undeclared(module, allowed)
    }
    assert not strangers


def test_the_oracles_import_what_their_environment_has() -> None:
    lines = (ROOT / "benchmarks/requirements-formats.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    assert all(str(each.specifier).startswith("==") for each in wanted)
    allowed: set[str] = {canonicalize_name(each.name) for each in wanted}
    # And nothing of ours: none of it is installed there.
    assert not {each for each in imports(ROOT / ORACLES) if undeclared(each, allowed)}


@pytest.mark.parametrize("entries", ENTRIES, ids=lambda entries: entries[0])
def test_what_a_command_imports_is_in_its_extras(entries: tuple[str, ...]) -> None:
    allowed = declared(*ENTRIES[entries])
    strangers = {
        f"{by}: {module}"
        for module, by in reached(*entries).items()
        if module.partition(".")[0] not in PACKAGES and undeclared(module, allowed)
    }
    assert not strangers


def closure(*names: str) -> set[str]:
    """All that pip would install for these extras, by what the installed packages say that they require."""
    found: set[str] = set()
    waiting = [each for name in ("", *names) for each in EXTRAS[name]]
    done: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        found.add(name)
        for extra in ("", *wanted.extras):
            if (name, extra) in done:
                continue
            done.add((name, extra))
            try:
                texts = requires(name) or []
            except PackageNotFoundError:
                texts = []
            others = [Requirement(text) for text in texts]
            waiting += [
                each for each in others if not each.marker or each.marker.evaluate({"extra": extra})
            ]
    return found


@pytest.mark.parametrize(
    ("role", "without"),
    [
        ("node", {"torch", "flwr", "opacus", "onnx", "sqlalchemy", "py-evm", "pyarrow", "pandas"}),
        ("coordinator", {"torch", "flwr", "opacus", "onnx", "libp2p", "py-evm", "pandas"}),
        ("export", {"torch", "flwr", "opacus", "onnx", "py-evm", "pandas"}),
        ("dataset", {"torch", "flwr", "libp2p", "sqlalchemy", "web3", "pandas"}),
    ],
)
def test_a_role_installs_nothing_of_the_others(role: str, without: set[str]) -> None:
    installed = closure(role)
    assert declared(role) <= installed
    assert not installed & without


def test_flower_holds_back_nobody_else() -> None:
    """No environment can have both: pip says so, instead of taking old releases."""
    held_back = {
        canonicalize_name(each.name): each.specifier
        for each in EXTRAS["federated"]
        if each.name in ("starlette", "typer", "uvicorn")
    }
    main = {pin.name: Version(pin.version) for pin in read_lock(LOCK_OF["dev"])}
    for role in ("node", "coordinator", "chain"):
        wanted = {canonicalize_name(each.name): each.specifier for each in EXTRAS[role]}
        for name, old in held_back.items():
            assert main[name] in wanted[name]
            assert main[name] not in old
    assert not {"flwr", "torch"} & main.keys()


def applies(pin: Pin) -> bool:
    return not pin.marker or Requirement(f"x; {pin.marker}").marker.evaluate()  # type: ignore[union-attr]


@pytest.mark.parametrize(("extra", "lock"), LOCK_OF.items())
def test_a_lock_has_what_is_asked_for(extra: str, lock: str) -> None:
    pins = {pin.name: Version(pin.version) for pin in read_lock(lock) if applies(pin)}
    wrong = {
        str(each)
        for each in (*EXTRAS[""], *EXTRAS[extra])
        if pins.get(canonicalize_name(each.name)) not in each.specifier  # type: ignore[operator]
    }
    assert not wrong, "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_places(lock: str) -> None:
    assert all(pin.hashes for pin in read_lock(lock))
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text


def test_torch_is_the_build_without_cuda() -> None:
    pins = read_lock("requirements-federated.lock")
    on_linux = [pin for pin in pins if pin.name == "torch" and "!=" not in pin.marker]
    assert [pin.version.partition("+")[2] for pin in on_linux] == ["cpu"]
    assert not [pin.name for pin in pins if re.match("nvidia|cuda|triton", pin.name)]


def test_npm_packages_have_hashes_and_run_no_scripts() -> None:
    for folder in ("contracts", "tests/javascript"):
        packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
        assert not [path for path, each in packages.items() if path and not each.get("integrity")]
    texts = [ROOT / "Makefile", ROOT / "README.md", *(ROOT / ".ci").iterdir()]
    texts += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.py")]
    texts += [*(ROOT / "tools").glob("*.*"), *(ROOT / "contracts").glob("*.json")]
    installs = re.compile(r"npm (ci|i|install)\b(?P<rest>.*)")
    found = [match for path in texts for match in installs.finditer(path.read_text("utf-8"))]
    assert found
    assert not [match[0] for match in found if not match["rest"].startswith(" --ignore-scripts")]


def test_the_bill_of_materials_is_current() -> None:
    assert BILL.read_text(encoding="utf-8") == render(), "run `make sbom`"

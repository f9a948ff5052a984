"""The layout tells the story only as long as it is true: purity, sizes, and who may know what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
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


# ---- text of others ----

# What reads markup, or gives a terminal text as it is. One module does either.
SPEAKS = "commonhold/cli/output.py"
RAW = {
    *("rich.print", "rich.get_console", "rich.console.Console", "rich.prompt", "rich.pretty"),
    *("rich.markup", "rich.text.Text", "rich.markdown", "rich.logging", "rich.traceback"),
}
# Whose pictures are made of text with styles; it takes words from SPEAKS.
TEXT_MAKERS = {"commonhold/cli/picture.py": {"rich.text.Text"}}
# For the type alone.
CONSOLE_TYPES = {
    "commonhold/cli/demo.py": {"rich.console.Console"},
    "commonhold/demo/display.py": {"rich.console.Console"},
}
RAW_CALLS = {
    *("print", "input", "typer.echo", "typer.secho", "typer.prompt", "typer.confirm"),
    *("click.echo", "sys.stdout.write", "sys.stderr.write", "out.print", "err.print"),
    *("Console", "Text.from_markup", "logging.basicConfig", "warnings.warn"),
}
# Which prints a banner of its own, of no stranger's words, where the command line is not installed; and
# a reviewer of the demo, whose answer is JSON.
OWN_WORDS = {"contracts/devchain.py": {"print"}, "commonhold/demo/opinion.py": {"print"}}
# A spreadsheet obeys cells that begin with = + - @. The one table that is written is for our own commands.
TABLES = {"commonhold/demo/contribute.py", "commonhold/demo/people.py"}


def named(path: Path) -> Iterator[str]:
    """What a module imports by name, wherever in it: "rich.text.Text"."""
    for item in ast.walk(ast.parse(path.read_text())):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom) and item.module:
            yield from (f"{item.module}.{alias.name}" for alias in item.names)


def called(path: Path) -> Iterator[str]:
    for item in ast.walk(ast.parse(path.read_text())):
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Name | ast.Attribute):
            yield ast.unparse(item.func)


def everywhere() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in modules(package):
            yield str(path.relative_to(ROOT)), path


# What these parse is their own: of their store, of their process, of a file that they wrote.
OWN_JSON = {
    "contracts/__init__.py",
    "contracts/client.py",
    "contracts/journal.py",
    "node/chainwatch.py",
    "node/clocks.py",
    "node/intake.py",
    "node/keys.py",
    "node/media/frames.py",
    "node/media/texts.py",  # a second time, once it is known to be right
    "node/privacy/documents.py",  # one character
    "node/reach.py",
    "node/twin.py",
    "coordinator/deploying.py",
    "coordinator/operator.py",
    "coordinator/training/leading.py",
    "federated/flower/control.py",
    "federated/kept.py",
    "protocol/depth.py",
}


def test_json_of_strangers_is_looked_at_before_it_is_parsed() -> None:
    """A parser that is handed 100,000 brackets ends the process."""
    parsing = {
        place
        for place, path in everywhere()
        if {"json.loads", "json.load"} & set(called(path))
        and not place.startswith("commonhold/demo/")
    }
    assert parsing == OWN_JSON, "use protocol.depth.load_json"


def test_no_server_waits_for_acknowledgements() -> None:
    """asyncio sees to it for sockets that name their protocol; those of `socket.create_server` do not."""
    makers = {
        place
        for place, path in everywhere()
        if "socket.create_server" in called(path) and "TCP_NODELAY" not in path.read_text()
    }
    assert not makers, "use commonground.web.server.listening: each answer would take 40 ms more"


def test_one_module_speaks_to_terminals() -> None:
    """Text goes through its helpers, which escape: markup in an f-string would be somebody else's, too."""
    raw = {
        f"{place}: {name}"
        for place, path in everywhere()
        if place != SPEAKS
        for name in named(path)
        if any(name == each or name.startswith(f"{each}.") for each in RAW)
        and name not in TEXT_MAKERS.get(place, set()) | CONSOLE_TYPES.get(place, set())
    }
    raw |= {
        f"{place}: {name}()"
        for place, path in everywhere()
        if place != SPEAKS
        for name in called(path)
        if name in RAW_CALLS - OWN_WORDS.get(place, set())
    }
    assert not raw, f"print with the helpers of {SPEAKS}"


def test_nothing_that_is_printed_looks_like_markup() -> None:
    """[bold red] in a string would be shown: styles are arguments of `letters` and `styled`."""
    tag = re.compile(r"\[/?(bold|dim|italic|red|green|yellow|blue|link|/)[^\]]*\]")
    found = {
        f"{place}:{text.lineno}"
        for place, path in everywhere()
        if place.startswith("commonhold/")
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.Constant)
        and isinstance(text.value, str)
        and tag.search(text.value)
        and not text.value.startswith('"""')
    }
    assert not found


def test_paths_in_commands_that_people_copy_are_quoted() -> None:
    """`chmod 600 /my net/log.key` would be two files, and `--dir my net` a wrong use."""
    command = re.compile(r"(\bcommonhold [\w -]+|\bchmod \d+) '?$")
    a_path = re.compile(r"\b(path|file|folder|alarm|home|directory|root)\b")
    bare = {
        f"{place}:{text.lineno}: {ast.unparse(value.value)}"
        for place, path in everywhere()
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.JoinedStr)
        for before, value in pairwise(text.values)
        if isinstance(before, ast.Constant)
        and isinstance(value, ast.FormattedValue)
        and command.search(str(before.value))
        and a_path.search(ast.unparse(value.value))
        and not ast.unparse(value.value).startswith("in_shell(")
    }
    assert not bare, "use commonground.escaping.in_shell"


def test_no_table_is_written_for_spreadsheets() -> None:
    writers = {
        place
        for place, path in everywhere()
        for name in called(path)
        if name in {"csv.writer", "csv.DictWriter"}
    }
    assert writers == TABLES


def test_all_templates_are_escaped() -> None:
    """By the one environment; none says that a text is markup, or begins an attribute without quotes."""
    environments = {
        place for place, path in everywhere() for name in called(path) if name == "Environment"
    }
    assert environments == {"commonground/web/pages.py"}
    unsafe = re.compile(r"\|\s*safe\b|autoescape|\s[\w-]+=\{\{")
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.html")
        if "node_modules" not in path.parts
        for match in unsafe.finditer(path.read_text())
    }
    assert not found

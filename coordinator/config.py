"""The operator's data directory: what is where, and the settings in coordinator.toml.

coordinator.toml    settings, readable by the operator alone
*.key, tls.*, operator.delegation    see coordinator/keys.py
ledger.db           the log, the batches beside it and the sealed openings
head                the highest signed head that was shown to anybody; see coordinator/heads.py
backup.json         in a backup that was not completed yet; see coordinator/backup.py
serve.log           what the server said, where it was started in the background
server.json         where the running server listens; rewritten at every start
content/            what was fetched from contributors for datasets, and its salts
datasets/           exported datasets, each named by its snapshot
drafts/             campaigns that are not open yet; see coordinator/desk/drafts.py
desk/               answers of experts, and content while the desk is open
chain/              the transaction that the account on chain has under way
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from commonground.durations import parse_duration
from commonground.escaping import in_shell
from commonground.files import private_directory, write_new
from contracts.spending import MAX_FEE_GWEI
from contracts.url import check as check_endpoint
from coordinator.terms import Terms
from protocol.errors import ConfigError

ENVIRONMENT_DIRECTORY: Final = "COMMONHOLD_COORDINATOR"
DEFAULT_DIRECTORY: Final = "coordinator"

T = TypeVar("T")

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PORT_MAX: Final = 65_535
# What a setting of each type looks like, in words.
_FORMS: Final = {"int": "a whole number", "str": "a text in quotes", "bool": "true or false"}
_HOST: Final = re.compile(
    r"[^\s/@#?\[\]]{1,253}"
)  # with or without colons: it may be an IPv6 address


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Calls that one network address may make: a token bucket."""

    calls_per_second: int = 1_000  # one address may be a whole office, or a demo's every node
    burst_calls: int = 4_000

    def __post_init__(self) -> None:
        if min(self.calls_per_second, self.burst_calls) <= 0:
            raise ConfigError("a rate limit lets nobody call", "let it be one call or more")


@dataclass(frozen=True, slots=True)
class Config:
    """The settings. `host` and `http_url` are what others connect to, `*listen` what we bind."""

    name: str
    host: str = "localhost"
    listen: str = "127.0.0.1"
    grpc_port: int = 7600  # 0: any free port
    http_listen: str = "127.0.0.1"
    http_port: int = 7680
    http_url: str = ""  # empty: made of host and http_port
    rpc_url: str = "http://127.0.0.1:8545"
    max_fee_gwei: int = MAX_FEE_GWEI  # the most that a unit of gas may cost us
    ledger_url: str = ""  # empty: ledger.db in this directory
    close_every: str = ""  # epochs are closed so often ("24h"); empty: when the operator says so
    reflection: bool = False  # lets anybody ask which methods there are, for debugging
    rate_limit: RateLimit = field(default_factory=RateLimit)
    settlement: Terms = field(default_factory=Terms)

    def __post_init__(self) -> None:
        if not self.name or not self.host:
            raise ConfigError(
                f"the network has no {'host' if self.name else 'name'}",
                "say what it is called, and at which name or address nodes find it",
            )
        if not _HOST.fullmatch(self.host):
            raise ConfigError(
                f"the host is {self.host!r}", "write a name or an address, without a port"
            )
        for what, port in (("API", self.grpc_port), ("dashboard", self.http_port)):
            if not 0 <= port <= _PORT_MAX:
                raise ConfigError(
                    f"the port of the {what} is {port}",
                    f"give one from 1 to {_PORT_MAX:,}, or 0 for any free one",
                )
        if self.http_url and not self.http_url.startswith(("http://", "https://")):
            raise ConfigError(f"http_url is {self.http_url!r}", "write it as https://… or http://…")
        if self.rpc_url:
            check_endpoint(self.rpc_url)
        if self.max_fee_gwei <= 0:
            raise ConfigError(
                f"max_fee_gwei is {self.max_fee_gwei}",
                "give what a unit of gas may cost, 1 or more",
            )
        if self.close_every:
            parse_duration(self.close_every, "close_every")

    @property
    def close_every_ms(self) -> int | None:
        """The time between two closes; None where the operator closes by hand."""
        return parse_duration(self.close_every, "close_every") if self.close_every else None


def default_listen(host: str) -> str:
    """The address to bind for a public `host`: loopback stays loopback, all else is reachable."""
    # Binding every interface is what whoever names a public host asks for.
    return "127.0.0.1" if host in _LOOPBACK else "0.0.0.0"  # noqa: S104


@dataclass(frozen=True, slots=True)
class Home:
    """One operator's data directory."""

    path: Path

    @classmethod
    def at(cls, directory: Path | None) -> Home:
        """The directory given, or the one the environment names, or ./coordinator."""
        return cls(directory or Path(os.environ.get(ENVIRONMENT_DIRECTORY, DEFAULT_DIRECTORY)))

    @property
    def config_path(self) -> Path:
        """The settings file."""
        return self.path / "coordinator.toml"

    @property
    def server_path(self) -> Path:
        """Where the running server listens."""
        return self.path / "server.json"

    @property
    def log_path(self) -> Path:
        """What a server said that goes on in the background."""
        return self.path / "serve.log"

    @property
    def head_path(self) -> Path:
        """The highest head that was shown."""
        return self.path / "head"

    @property
    def backup_path(self) -> Path:
        """Marks a directory as a backup."""
        return self.path / "backup.json"

    @property
    def content_path(self) -> Path:
        """Content fetched for datasets."""
        return self.path / "content"

    @property
    def datasets_path(self) -> Path:
        """Exported datasets."""
        return self.path / "datasets"

    def ledger_url(self, config: Config) -> str:
        """The database of the ledger."""
        return config.ledger_url or f"sqlite:///{(self.path / 'ledger.db').absolute()}"

    def create(self, config: Config) -> None:
        """Makes the directory and writes the settings. Raises ConfigError if there is one already."""
        if self.config_path.exists():
            raise ConfigError(
                f"{self.path} holds a coordinator already", "choose another directory with --dir"
            )
        private_directory(self.path)
        write_new(self.config_path, _to_toml(config).encode())

    def load(self) -> Config:
        """Reads the settings; raises ConfigError that names what is wrong."""
        try:
            data = tomllib.loads(self.config_path.read_text())
        except FileNotFoundError:
            raise ConfigError(
                f"there is no coordinator in {self.path}",
                "run `commonhold coordinator init`, or name its directory with --dir",
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self.config_path} is malformed: {error}", "correct it there, or write it anew"
            ) from error
        sections = {"rate_limit": RateLimit, "settlement": Terms}
        values = {
            key: _build(sections[key], value, key) if key in sections else value
            for key, value in data.items()
        }
        return _build(Config, values, self.config_path.name)


def require_private(path: Path) -> None:
    """Raises ConfigError when others than the owner may read or write `path`."""
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"others may access {path}", f"run: chmod 600 {in_shell(path)}")


def _build(kind: type[T], values: object, where: str) -> T:
    """A settings dataclass from a TOML table, refusing what it does not know."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where} is not a table of settings", f"write it as [{where}]")
    known = {each.name: each for each in fields(cast(Any, kind))}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f"{where}: there is no setting {key!r}", f"settings are: {', '.join(known)}"
            )
        if str(known[key].type) in _FORMS and type(value).__name__ != known[key].type:
            raise ConfigError(
                f"{where}: {key} is {value!r}",
                f"give {_FORMS[str(known[key].type)]}",
            )
    try:
        return kind(**values)
    except TypeError as error:
        missing = [
            name for name, each in known.items() if _is_required(each) and name not in values
        ]
        raise ConfigError(
            f"{where}: the setting {', '.join(missing) or error} is missing", "add it there"
        ) from None


def _is_required(setting: Field[Any]) -> bool:
    return setting.default is MISSING and setting.default_factory is MISSING


def _to_toml(config: Config) -> str:
    """The settings as TOML. JSON's strings and integers are valid there too, but not halves of characters."""
    data = asdict(config)
    tables = {key: value for key, value in data.items() if isinstance(value, dict)}
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in data.items()
        if key not in tables
    ]
    for name, table in tables.items():
        lines += [
            "",
            f"[{name}]",
            *(f"{key} = {json.dumps(table[key], ensure_ascii=False)}" for key in table),
        ]
    return "\n".join(lines) + "\n"

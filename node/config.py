"""Where a node keeps its things, and what its owner has decided.

    ~/.commonhold/node/     0700; elsewhere by --dir or COMMONHOLD_NODE
        node.toml           settings, to be edited by hand
        keys.json           see node/keys.py
        node.db             see node/store.py
        blobs/              see node/blobs.py
        chain/              the transaction that the account on chain has under way
        node.lock           held by the running daemon
        alarms/             evidence against the network, as files for anybody; see node/alarms.py
        node.log            what it said, where a command started it in the background
        review.log          the same of the review page
        page.url            the address of its page, while it runs; opens that page, so it is a secret

Everything is private to its owner (0600): node.db holds salts, nonces and answers that nobody has seen.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from commonground.addresses import ADDRESSES_MAX
from commonground.escaping import in_shell
from commonground.files import private_directory, replace_file
from commonground.places import read_networks, read_place
from contracts.spending import MAX_FEE_GWEI, WEI_PER_GWEI, Spending
from contracts.url import check as check_endpoint
from node.chat_terms import ChatTerms
from protocol.errors import ConfigError
from protocol.limits import CONTENT_BYTES_MAX
from protocol.log.link import NetworkLink, parse_link
from protocol.rows import Campaign
from protocol.tasks import KINDS
from protocol.text import is_id, quoted

DIRECTORY_VARIABLE: Final = "COMMONHOLD_NODE"
# Any interface and any free port: the coordinator's directory tells others where we are.
DEFAULT_LISTEN: Final = ("/ip4/0.0.0.0/tcp/0",)
# Settings are some lines; a file beyond this is not one of ours.
CONFIG_BYTES_MAX: Final = 256 * 1024
PORT_MAX: Final = 65_535
ANY_CAMPAIGN: Final = "*"  # in `reviewers`: every campaign that has none of its own
_KNOWN: Final = {
    *("network", "listen", "announce", "dial_networks", "max_fee_gwei"),
    *("rpc_url", "old_rpc_url"),
    *("page_port", "limits", "chat"),
    *("stand_by", "review_campaigns", "review_kinds", "reviewers", "tell_seconds"),
}

_INIT: Final = "run `commonhold node init --link LINK` with the link that the operator gave you"


@dataclass(frozen=True, slots=True)
class NodeDirectory:
    """The paths of one node. Making one touches no file."""

    root: Path

    @property
    def arguments(self) -> str:
        """What a command needs beside its name to mean this node."""
        return "" if self == locate() else f" --dir {in_shell(self.root)}"

    @property
    def config(self) -> Path:
        return self.root / "node.toml"

    @property
    def keys(self) -> Path:
        return self.root / "keys.json"

    @property
    def database(self) -> Path:
        return self.root / "node.db"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def lock(self) -> Path:
        return self.root / "node.lock"

    @property
    def log(self) -> Path:
        """What a daemon said that a command started."""
        return self.root / "node.log"

    @property
    def review_log(self) -> Path:
        """What a review page said that goes on in the background."""
        return self.root / "review.log"

    @property
    def page(self) -> Path:
        return self.root / "page.url"

    @property
    def review_session(self) -> Path:
        """What of the review page outlives a start: its ports, and the phone that was let in."""
        return self.root / "review.json"

    @property
    def review_lock(self) -> Path:
        """Held by whoever serves the review page."""
        return self.root / "review.lock"

    @property
    def review_certificate(self) -> Path:
        """Key and certificate that a phone is shown."""
        return self.root / "review-phone.pem"

    @property
    def alarms(self) -> Path:
        """Evidence, as files that may be given to anybody."""
        return self.root / "alarms"

    def create(self) -> None:
        """Makes the directory, private to its owner; raises ConfigError when that cannot be."""
        try:
            private_directory(self.root)
        except OSError as error:
            raise ConfigError(
                f"cannot use the directory {self.root}: {error.strerror}",
                "name another one with --dir, or make it yours",
            ) from error


@dataclass(frozen=True, slots=True)
class Limits:
    """What the owner lets others, and the network, take from this machine."""

    served_bytes_per_second_per_peer: int = 4 * 1024 * 1024
    review_bytes_max: int = CONTENT_BYTES_MAX  # the largest item that is fetched for review

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ConfigError(
                    f"limits.{each.name} in node.toml is {value!r}",
                    "give a whole number, 1 or more",
                )


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The settings of node.toml."""

    link: NetworkLink
    listen: tuple[str, ...] = DEFAULT_LISTEN  # libp2p multiaddresses
    announce: tuple[str, ...] = ()  # where others dial us; empty = what the interfaces say
    # Networks whose machines we dial although the internet does not reach them.
    dial_networks: tuple[str, ...] = ()
    rpc_url: str = ""  # JSON-RPC endpoint of the chain; empty = no claims, no witnessing
    old_rpc_url: str = ""  # of one that the network has left; empty = the same
    max_fee_gwei: int = MAX_FEE_GWEI  # the most that a unit of gas may cost us
    stand_by: bool = True  # offer to review
    review_campaigns: tuple[str, ...] = ()  # only these; empty = every campaign
    review_kinds: tuple[str, ...] = ()  # only tasks of these kinds; empty = every kind
    tell_seconds: bool = False  # say with each answer how long it took
    # Plug-ins that answer, by campaign id or ANY_CAMPAIGN; where none is, a person answers.
    reviewers: Mapping[str, str] = field(default_factory=dict)
    chat: ChatTerms = field(default_factory=ChatTerms)  # of those that ask a model
    page_port: int = 0  # of the owner's page, on loopback; 0 = any free one
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        for kind in self.review_kinds:
            if kind not in KINDS:
                raise ConfigError(
                    f"there is no kind of task {quoted(kind)} to review",
                    f"kinds are: {', '.join(KINDS)}",
                )
        for campaign_id in (*self.review_campaigns, *self.reviewers):
            if campaign_id != ANY_CAMPAIGN and not is_id(campaign_id):
                raise ConfigError(
                    f"{quoted(campaign_id)} is not the id of a campaign",
                    "`commonhold node campaigns` lists them",
                )
        for address in self.listen:
            if not address.startswith("/"):
                raise ConfigError(
                    f"{quoted(address)} is no address to listen on",
                    f"write it as {DEFAULT_LISTEN[0]}; the last number is the port, 0 for any free one",
                )
        if len(self.announce) > ADDRESSES_MAX:
            raise ConfigError(
                f"{len(self.announce)} addresses to announce",
                f"give {ADDRESSES_MAX} at most: others dial them one after the other",
            )
        for text in self.announce:
            read_place(text)
        read_networks(self.dial_networks)
        for endpoint in filter(None, (self.rpc_url, self.old_rpc_url)):
            check_endpoint(endpoint)
        if self.max_fee_gwei <= 0:
            raise ConfigError(
                f"max_fee_gwei is {self.max_fee_gwei}",
                "give what a unit of gas may cost, 1 or more",
            )

    def stands_by_for(self, campaign: Campaign) -> bool:
        """Whether the owner offers to review in this campaign."""
        return (
            self.stand_by
            and (not self.review_campaigns or campaign.id in self.review_campaigns)
            and (not self.review_kinds or campaign.task in self.review_kinds)
        )

    def reviewer_for(self, campaign_id: str) -> str:
        """The specification of the plug-in that answers in a campaign; empty = a person does."""
        return self.reviewers.get(campaign_id, self.reviewers.get(ANY_CAMPAIGN, ""))


def read_reviewers(texts: Iterable[str]) -> dict[str, str]:
    """Reviewers by campaign from [CAMPAIGN=]SPECIFICATION each; without a campaign, of all others.

    Raises ConfigError for two of one campaign.
    """
    found: dict[str, str] = {}
    for text in texts:
        before, is_there, after = text.partition("=")
        # A specification may hold "=", too, and then begins with more than an id: "command:x --a=b".
        named = bool(is_there) and (before == ANY_CAMPAIGN or is_id(before))
        campaign_id, specification = (before, after) if named else (ANY_CAMPAIGN, text)
        if campaign_id in found:
            raise ConfigError(f"two reviewers for {campaign_id}", "give one for each campaign")
        found[campaign_id] = specification
    return found


def locate(directory: Path | None = None) -> NodeDirectory:
    """The node's directory: the one given, else $COMMONHOLD_NODE, else ~/.commonhold/node."""
    chosen = directory or Path(
        os.environ.get(DIRECTORY_VARIABLE) or Path.home() / ".commonhold" / "node"
    )
    return NodeDirectory(chosen.expanduser().absolute())


def load_config(directory: NodeDirectory) -> NodeConfig:
    """Reads node.toml; raises ConfigError that names the setting to correct."""
    try:
        raw = directory.config.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"there is no node in {directory.root}", _INIT) from None
    except OSError as error:
        raise ConfigError(
            f"cannot read {directory.config}: {error.strerror}",
            "check whose it is, and who may read it",
        ) from error
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError(
            f"{directory.config} has more than {CONFIG_BYTES_MAX:,} bytes",
            "leave the settings in it",
        )
    try:
        return _parse(tomllib.loads(raw.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{directory.config} is not valid TOML: {error}", "correct it there"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"{directory.config}: {error}", error.advice) from error


def write_config(directory: NodeDirectory, config: NodeConfig) -> None:
    """Writes node.toml whole: after a crash the old file or the new one is there, never a part."""
    try:
        replace_file(directory.config, _render(config))
    except OSError as error:
        raise ConfigError(
            f"cannot write {directory.config}: {error.strerror}",
            "check the disk, and whose folder it is",
        ) from error


def _parse(settings: Mapping[str, Any]) -> NodeConfig:
    unknown = sorted(set(settings) - _KNOWN)
    if unknown:
        raise ConfigError(
            f"unknown setting {unknown[0]!r}", f"known are {', '.join(sorted(_KNOWN))}"
        )
    return NodeConfig(
        link=parse_link(_typed(settings, "network", str, "")),
        listen=_strings(settings, "listen", DEFAULT_LISTEN),
        announce=_strings(settings, "announce"),
        dial_networks=_strings(settings, "dial_networks"),
        rpc_url=_typed(settings, "rpc_url", str, ""),
        old_rpc_url=_typed(settings, "old_rpc_url", str, ""),
        max_fee_gwei=_typed(settings, "max_fee_gwei", int, MAX_FEE_GWEI),
        stand_by=_typed(settings, "stand_by", bool, True),
        review_campaigns=_strings(settings, "review_campaigns"),
        review_kinds=_strings(settings, "review_kinds"),
        tell_seconds=_typed(settings, "tell_seconds", bool, False),
        reviewers=_parse_reviewers(_typed(settings, "reviewers", dict, {})),
        chat=ChatTerms.parse(_typed(settings, "chat", dict, {})),
        page_port=_parse_port(settings),
        limits=_parse_limits(_typed(settings, "limits", dict, {})),
    )


def _strings(
    settings: Mapping[str, Any], name: str, default: tuple[str, ...] = ()
) -> tuple[str, ...]:
    found = settings.get(name, list(default))
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ConfigError(f"{name} is not a list of texts", f'write it as {name} = ["…"]')
    return tuple(found)


def _parse_reviewers(settings: Mapping[str, Any]) -> dict[str, str]:
    for campaign_id, specification in settings.items():
        if not isinstance(specification, str):
            raise ConfigError(
                f"reviewers.{campaign_id} is not a text", f'write it as {campaign_id} = "NAME:…"'
            )
    return dict(settings)


def _parse_port(settings: Mapping[str, Any]) -> int:
    port = settings.get("page_port", 0)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= PORT_MAX:
        raise ConfigError(
            f"page_port is {port!r}", f"give a number from 1 to {PORT_MAX:,}, or 0 for any free one"
        )
    return port


def _parse_limits(settings: Mapping[str, Any]) -> Limits:
    unknown = sorted(set(settings) - {each.name for each in fields(Limits)})
    if unknown:
        raise ConfigError(
            f"unknown setting {'limits.' + unknown[0]!r}",
            f"known are {', '.join(each.name for each in fields(Limits))}",
        )
    return Limits(**settings)


_TYPES: Final[Mapping[type, str]] = {
    str: 'a text, as "…"',
    int: "a whole number",
    bool: "true or false",
    dict: "a table, as its own section",
}


def _typed(settings: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = settings.get(name, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{name} is {value!r}", f"give {_TYPES[kind]}")
    return value


def _render(config: NodeConfig) -> str:
    limits = "".join(
        f"{each.name} = {getattr(config.limits, each.name)}\n" for each in fields(Limits)
    )
    chat = "".join(
        f"{each.name} = {_literal(getattr(config.chat, each.name))}\n" for each in fields(ChatTerms)
    )
    reviewers = "".join(
        f"{_quote(name)} = {_quote(text)}\n" for name, text in config.reviewers.items()
    )
    return f"""\
# The network that this node trusts, and nothing beside it.
network = {_quote(str(config.link))}

# Where this node listens (libp2p multiaddresses).
listen = {_list(config.listen)}

# Where other nodes are to dial it: HOST:PORT, [IPv6]:PORT or /dns4/NAME/tcp/PORT.
# Empty: what the interfaces say.
announce = {_list(config.announce)}

# Networks that the internet does not reach, whose machines this node dials all the same, as "192.168.0.0/16".
# What the coordinator's own address is of (this machine, a local network) need not be named.
dial_networks = {_list(config.dial_networks)}

# JSON-RPC endpoint of the chain that pays; empty: no claims.
rpc_url = {_quote(config.rpc_url)}
# And of one that the network has left, where something may be left to claim; empty: the same.
old_rpc_url = {_quote(config.old_rpc_url)}

# The most that a unit of gas may cost this node, in gwei; above it nothing is claimed.
max_fee_gwei = {config.max_fee_gwei}

# Whether to offer reviews; in these campaigns and of these kinds of tasks, or, where a list is empty, in all.
stand_by = {str(config.stand_by).lower()}
review_campaigns = {_list(config.review_campaigns)}
review_kinds = {_list(config.review_kinds)}
# Whether your answers say how long each took, for everybody and for ever.
tell_seconds = {str(config.tell_seconds).lower()}

# The port of your own page, which this machine alone can reach; 0: any free one.
page_port = {config.page_port}

# Plug-ins that review, by campaign; "*" = in all others. Without one you answer: `commonhold node review`.
[reviewers]
{reviewers}
# Of the reviewer "chat:http://127.0.0.1:8080/v1#MODEL", which asks a language model. `allow_remote` lets the
# content of campaigns that allow it leave this machine; docs/contributor.md says what the others do.
[chat]
{chat}
[limits]
{limits}"""


def _literal(value: bool | int | str) -> str:
    return _quote(value) if isinstance(value, str) else str(value).lower()


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quote, texts))}]"


def _quote(text: str) -> str:
    """A TOML basic string: for text without control characters JSON's is one."""
    if not text.isprintable():
        raise ConfigError(
            f"the setting {quoted(text)} holds what cannot be seen",
            "write it on one line, without it",
        )
    return json.dumps(text, ensure_ascii=False)


def gas_terms(
    config: NodeConfig, directory: NodeDirectory, on_sent: Callable[[bytes], None] = lambda _: None
) -> Spending:
    """What the node's account may spend on gas, where it remembers what it has under way, and who is told the
    hash of what was sent.
    """
    return Spending(config.max_fee_gwei * WEI_PER_GWEI, directory.root / "chain", on_sent)

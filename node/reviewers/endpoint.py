"""Where a model answers: an HTTP server with the common chat-completions API, and one exchange with it.

    http://127.0.0.1:8080/v1#MODEL      this machine
    https://models.example.org/v1#MODEL      another one, if `chat.allow_remote` says so

Which machine that is, is decided before anything is said to it. Without `allow_remote` a host is a loopback
number, or `localhost` where that resolves to nothing else, and we connect to the number that was looked at:
no name server can send us elsewhere in between. With it, the address has to be https. Redirects are not
followed, and proxies of the environment not used: both would carry content to somebody whom the owner did
not name.

An answer is bounded in bytes, and whoever asks bounds the time. Nothing that is raised here quotes what was
sent or said.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

import httpx

from commonground.backoff import persistent_async
from node.chat_terms import ANSWER_SECONDS_MAX, Key
from protocol.depth import load_json
from protocol.errors import ConfigError, Misbehaviour, Reject, Unreachable
from protocol.limits import NAME_CHARS_MAX
from protocol.text import check_name, quoted

Message: TypeAlias = Mapping[str, Any]
"""One turn: `role`, and `content`."""

# What a server says around some hundred tokens: a few kilobytes. Some add the probabilities of each.
REPLY_BYTES_MAX: Final = 256 * 1024
# Of what the model itself writes: the longest answer in words, twice over for escapes.
TOKENS_MAX: Final = 1_024
# A server that loads its model, or has a queue, is asked again; one that is down for longer has its owner.
ATTEMPTS: Final = 3
_OK: Final = 200
_BUSY: Final = (408, 425, 429, 500, 502, 503, 504)
# What most servers mean by it; their own words are a stranger's.
_REFUSALS: Final = {
    400: ": if it does not know response_format, set schema = false under [chat] of node.toml",
    401: ": it wants an API key: key_file under [chat] of node.toml",
    403: ": it wants an API key: key_file under [chat] of node.toml",
    404: ": look whether its path ends in /v1, and whether it has a model of that name",
    422: ": if it does not know response_format, set schema = false under [chat] of node.toml",
}
_PATH: Final = "/chat/completions"
_ADVICE: Final = (
    "write it as chat:http://127.0.0.1:PORT/v1#MODEL, with the number and path of your server"
)


class Busy(Unreachable):
    """The server may answer later, after so many seconds if it says how many."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server, and which of its models is asked."""

    scheme: str
    host: str
    port: int
    path: str  # of the API, without what is asked of it
    model: str
    is_local: bool

    @staticmethod
    def parse(text: str, *, allow_remote: bool) -> Endpoint:
        """The endpoint of `URL#MODEL`; raises ConfigError for one that is not allowed."""
        parts = _split(text)
        try:
            check_name(parts.fragment, "the name of the model", NAME_CHARS_MAX)
        except Reject as error:
            raise ConfigError(str(error), _ADVICE) from error
        host = parts.hostname or ""
        is_local = host == "localhost" or _is_loopback(host)
        if not is_local and not allow_remote:
            raise ConfigError(
                f"{quoted(host)} is not this machine, and content would leave it",
                "name a server here, or write allow_remote = true into [chat] of node.toml: items of open"
                " campaigns that let programs answer anywhere are then sent to it",
            )
        if not is_local and parts.scheme != "https":
            raise ConfigError(
                f"what is sent to {quoted(host)} could be read on its way", "write https://"
            )
        port = parts.port or (443 if parts.scheme == "https" else 80)
        path = parts.path.rstrip("/")
        return Endpoint(parts.scheme, host, port, path, parts.fragment, is_local)

    @property
    def place(self) -> str:
        """Host and port, as they stand in an address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def complete(
        self, messages: Sequence[Message], schema: Mapping[str, Any] | None, key: Key
    ) -> str:
        """What the model says next, asked again while the server is busy.

        Raises Unreachable, and Misbehaviour for what is no answer of such a server.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": list(messages),
            "temperature": 0,
            "max_tokens": TOKENS_MAX,
            "stream": False,
        }
        if schema is not None:
            form = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        raw: bytes = await persistent_async(ATTEMPTS)(Busy, self._post, json.dumps(body), key)
        return _said(raw)

    async def _post(self, body: str, key: Key) -> bytes:
        host = await self._resolved()
        url = httpx.URL(
            scheme=self.scheme, host=host, port=self.port, path=self.path + _PATH
        )  # the number that was looked at, and not the name again
        headers = {"Host": self.place, "Content-Type": "application/json"}
        headers["Accept-Encoding"] = "identity"  # what is packed has no bound
        if key.value:
            headers["Authorization"] = f"Bearer {key.value}"
        try:
            async with (
                # Of each read; whoever asks bounds the whole, which may take as long.
                httpx.AsyncClient(
                    trust_env=False, follow_redirects=False, timeout=ANSWER_SECONDS_MAX
                ) as client,
                client.stream(
                    *("POST", url),
                    content=body.encode(),
                    headers=headers,
                    extensions={"sni_hostname": self.host},
                ) as response,
            ):
                return await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Busy(f"no answer from {self.place} ({type(error).__name__})") from None

    async def _resolved(self) -> str:
        """What to connect to: of a local endpoint a number that is of this machine."""
        if not self.is_local:
            return self.host
        found = await asyncio.get_running_loop().getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        )
        numbers = [str(address[0]) for *_, address in found]
        if not numbers or not all(map(_is_loopback, numbers)):
            raise Misbehaviour(
                f"{self.host} does not lead to this machine", "write 127.0.0.1 in its place"
            )
        return numbers[0]


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise ConfigError("this is no address of a server", _ADVICE)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigError(
            "the address of the server holds a secret, or a question",
            "put an API key into a file, and its name into chat.key_file of node.toml",
        )
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name, or a number as only some programs read it


async def _read(response: httpx.Response) -> bytes:
    status = response.status_code
    if status in _BUSY:
        raise Busy(f"the server answers with status {status}", _retry_after(response))
    if status != _OK:
        words = ", and redirects are not followed" if response.is_redirect else ""
        words = _REFUSALS.get(status, words)
        raise Misbehaviour(f"the server answers with status {status}{words}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Misbehaviour("the server packs its answer, which was not asked for")
    raw = bytearray()
    async for piece in response.aiter_raw():
        raw += piece
        if len(raw) > REPLY_BYTES_MAX:
            raise Misbehaviour(f"the server says more than {REPLY_BYTES_MAX:,} bytes")
    return bytes(raw)


def _retry_after(response: httpx.Response) -> float:
    """Seconds; a date, which some servers send, is not read."""
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdecimal() and len(said) < 10 else 0.0


def _said(raw: bytes) -> str:
    """The words in a reply of the chat-completions API."""
    try:
        match load_json(raw):
            case {"choices": [{"message": {"content": str(words)}}, *_]}:
                return words
    except ValueError:
        pass
    raise Misbehaviour("the server's answer is not one of the chat-completions API")

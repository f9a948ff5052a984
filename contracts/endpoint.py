"""One endpoint of Ethereum's JSON-RPC over HTTP, as hosted ones behave: busy, lagging, half-broken.

`call` asks and returns the result. It waits as long as a busy endpoint asks for, repeats what a broken
connection lost, and turns everything else into one of our errors, none of which shows the address whole
(`contracts.url`). Repeating is harmless for every method that we use: a transaction is named by its hash.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
import ssl
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from contracts import url as urls
from protocol.depth import load_json
from protocol.errors import ConfigError, LocalError, Unreachable

if TYPE_CHECKING:  # many a command imports us, few ask a chain: httpx takes a tenth of a second
    import httpx

CONNECT_TIMEOUT_S: Final = 10.0
#: From the first byte sent to the last one received.
ANSWER_TIMEOUT_S: Final = 20.0
#: Attempts at each request, with pauses of 0.2 and 0.4 s: enough for a restart of a local node.
REQUEST_ATTEMPTS: Final = 3
_BACKOFF_S: Final = 0.2
#: Attempts at a busy endpoint. Where it names no pause: 1, 2, 4, 8 s.
BUSY_ATTEMPTS: Final = 5
_BUSY_BACKOFF_S: Final = 1.0
#: The longest pause that we wait out; whoever asks for more has a quota that is used up.
PAUSE_S_MAX: Final = 60.0
#: Logs of thousands of blocks have a few megabytes.
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
_MESSAGE_CHARS_MAX: Final = 200
GET_LOGS: Final = "eth_getLogs"

_BUSY_STATUSES: Final = (429,)
_KEY_STATUSES: Final = (401, 402, 403)
_LARGE_STATUSES: Final = (413,)
_OVERDUE_STATUSES: Final = (408, 504, 524)

# "Limit exceeded" (EIP-1474); Infura's, Alchemy's and QuickNode's for too many requests.
_LIMIT_EXCEEDED: Final = -32005
_BUSY_CODES: Final = (429, -32007, -32029, -32097)
_BUSY_WORDS: Final = re.compile(
    r"\brate\b|rate.?limit|too many requests|throttl|per second|compute units|capacity|daily|quota|credits",
    re.IGNORECASE,
)
#: A contract reverted (geth's code, which others took over).
REVERTED: Final = 3
#: JSON-RPC's, and EIP-1474's for a method that is switched off.
METHOD_NOT_FOUND: Final = (-32601, -32004)

# httpx logs each request with its address, and there the key is.
logging.getLogger("httpx").setLevel(logging.WARNING)


class RpcRefused(LocalError):
    """The endpoint answered a request with an error; `data` is what a contract reverted with, if any."""

    def __init__(self, message: str, advice: str, code: int, said: str, data: Any = None) -> None:
        super().__init__(message, advice)
        self.code = code
        self.said = said
        self.data = data


class TooMuch(Unreachable):
    """The answer was too large, or took too long; less at once may be answered."""


class Overdue(TooMuch):
    """The answer took too long."""


class Clock:
    """Time in seconds, and waiting. Tests have another one."""

    def now(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Again:
    """An attempt that failed and may be repeated, `attempts` times in all, after `pause_s`."""

    error: Unreachable
    attempts: int
    backoff_s: float
    pause_s: float | None = None  # what the endpoint asked for


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def no_such_contract() -> ConfigError:
    """Return the error for an address where nothing answers."""
    return ConfigError(
        "there is no such contract at that address",
        "check the chain and the address; a development chain that was restarted has forgotten it",
    )


class Endpoint:
    """A connection to one endpoint. Raises ConfigError for what is no address of one."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        import httpx

        urls.check(url)
        self._url = url
        self._clock = clock or Clock()
        self._scrubber = urls.Scrubber.of(url)
        self._ids = itertools.count(1)
        try:
            self._client = httpx.Client(
                headers={"Content-Type": "application/json"},
                timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                follow_redirects=False,  # a request that is sent on elsewhere takes the key with it
                verify=_authorities(url),
                # A proxy of the environment would look for this machine's chain on its own machine.
                trust_env=urls.proxy_to(url) is not None,
            )
        except (httpx.InvalidURL, ValueError, ImportError):  # from None: it may quote a password
            raise ConfigError(
                "the proxy that the environment names has no usable address",
                "correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            ) from None
        # Whoever made us need not close us; an open connection would be reported when it is collected.
        weakref.finalize(self, self._client.close)

    @property
    def shown(self) -> str:
        """Return the address without its secrets."""
        return urls.shown(self._url)

    @property
    def clock(self) -> Clock:
        """Return the clock that measures its pauses."""
        return self._clock

    def call(self, method: str, *params: Any) -> Any:
        """Return the result of a JSON-RPC call, as JSON has it.

        Raises Unreachable (no answer, or busy for too long), TooMuch, ConfigError (no such endpoint, a key
        that it does not take, a certificate that is not trusted), RpcRefused (what was asked is an error).
        """
        request_id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        body = json.dumps(request).encode()
        attempt = 1
        while isinstance(outcome := self._attempt(body, method, request_id), _Again):
            pause = outcome.pause_s
            if pause is None:
                pause = outcome.backoff_s * 2 ** (attempt - 1)
            # Of logs that take too long, fewer at once are the better repetition.
            hopeless = method == GET_LOGS and isinstance(outcome.error, Overdue)
            if attempt >= outcome.attempts or pause > PAUSE_S_MAX or hopeless:
                raise outcome.error
            self._clock.sleep(pause)
            attempt += 1
        return outcome["result"]

    def malformed(self, what: str = "") -> ConfigError:
        """Return the error for an answer that no endpoint gives."""
        return ConfigError(
            f"{self.shown} does not speak Ethereum's JSON-RPC" + (f": {what}" if what else ""),
            "check the RPC address: does it need a key or a path?",
        )

    # -- one attempt ------------------------------------------------------------------------------

    def _attempt(self, body: bytes, method: str, request_id: int) -> dict[str, Any] | _Again:
        answer = self._post(body)
        if isinstance(answer, _Again):
            return answer
        reply = _parse(answer.body)
        if (failed := self._status(answer, reply)) is not None:
            return failed
        if reply is None:
            kind = answer.headers.get("Content-Type", "")
            raise self.malformed("it answers with a web page" if "html" in kind else "")
        if (error := reply.get("error")) is not None:
            return self._refusal(error, method, answer.headers)
        if reply.get("id") != request_id or "result" not in reply:
            raise self.malformed()
        return reply

    def _post(self, body: bytes) -> _Answer | _Again:
        """Send one request and read the answer, within ANSWER_TIMEOUT_S and ANSWER_BYTES_MAX."""
        import httpx

        started = self._clock.now()
        try:
            with self._client.stream("POST", self._url, content=body) as response:
                return _Answer(
                    response.status_code, response.headers, self._read(response, started)
                )
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TooMuch) as error:
            problem = error
        # Outside of the block, so that the cause is not kept: it quotes the address.
        return self._failed(problem)

    def _read(self, response: httpx.Response, started: float) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES_MAX:
                raise TooMuch(
                    f"{self.shown} answers with more than {ANSWER_BYTES_MAX:,} bytes",
                    "use another endpoint",
                )
            if self._clock.now() - started > ANSWER_TIMEOUT_S:
                raise self._overdue()
        return bytes(body)

    def _failed(self, problem: Exception) -> _Again:
        """Return what to do after an exception; raise it as ours where repeating is no use."""
        import httpx

        if isinstance(problem, TooMuch):
            raise problem
        if isinstance(problem, httpx.ReadTimeout | httpx.WriteTimeout):
            return _Again(self._overdue(), REQUEST_ATTEMPTS, _BACKOFF_S)
        if _is_about_trust(problem):
            raise ConfigError(
                f"the certificate of {self.shown} is not trusted",
                "check the address; for an authority of your own, name its file in SSL_CERT_FILE",
            )
        if not isinstance(problem, httpx.TransportError) or isinstance(
            problem, httpx.UnsupportedProtocol
        ):
            raise self.malformed(type(problem).__name__)
        advice = "check the RPC address; `commonhold chain dev` starts a chain on this machine"
        if (proxy := urls.proxy_to(self._url)) is not None:
            advice = proxy.advice(urls.host_of(self._url))
        lost = Unreachable(
            f"the chain at {self.shown} does not answer ({type(problem).__name__})", advice
        )
        return _Again(lost, REQUEST_ATTEMPTS, _BACKOFF_S)

    def _overdue(self) -> Overdue:
        return Overdue(
            f"the chain at {self.shown} does not answer within {ANSWER_TIMEOUT_S:.0f} s",
            "run it again later, or use another endpoint",
        )

    def _status(self, answer: _Answer, reply: dict[str, Any] | None) -> _Again | None:
        """Return what to do about an HTTP status; None where the body says it all."""
        status = answer.status
        if status in _BUSY_STATUSES:
            error = reply.get("error") if reply else None
            return self._busy(f"HTTP {status}", _pause_s(answer.headers, error))
        if status in _KEY_STATUSES:
            raise ConfigError(
                f"{self.shown} refuses the key (HTTP {status})",
                "check the key in the RPC address, and your account at the provider",
            )
        if status in _LARGE_STATUSES:
            raise TooMuch(
                f"{self.shown} finds it too large (HTTP {status})", "use another endpoint"
            )
        refused = reply is not None and "error" in reply
        if status // 100 == 2 or (refused and (status == 500 or status // 100 == 4)):
            return None  # some endpoints give JSON-RPC's errors a status of their own
        if status // 100 == 5 or status in _OVERDUE_STATUSES:
            late = status in _OVERDUE_STATUSES
            failed = (Overdue if late else Unreachable)(
                f"{self.shown} fails (HTTP {status})",
                "run it again later; if it stays so, use another endpoint",
            )
            pause = _pause_s(answer.headers, None)
            return _Again(failed, REQUEST_ATTEMPTS, _BACKOFF_S, pause)
        if status // 100 == 3:
            raise ConfigError(
                f"{self.shown} has moved (HTTP {status})", "write its new address as rpc_url"
            )
        raise self.malformed(f"HTTP {status}")

    def _refusal(self, error: Any, method: str, headers: Mapping[str, str]) -> _Again:
        """Return a pause where the endpoint is busy; raise RpcRefused for any other error."""
        if not isinstance(error, dict) or not isinstance(error.get("code"), int):
            raise self.malformed()
        code, said = error["code"], self.clean(error.get("message"))
        pause = _pause_s(headers, error)
        busy = code in _BUSY_CODES or pause is not None or _BUSY_WORDS.search(said) is not None
        # For logs, the same code says that there are too many of them. A contract may say anything.
        busy = busy or (code == _LIMIT_EXCEEDED and method != GET_LOGS)
        if busy and code != REVERTED and "revert" not in said:
            return self._busy(f"{code}: {said}", pause)
        raise RpcRefused(
            f"the chain at {self.shown} refused: {said or code}",
            "check the RPC address, and what the endpoint allows",
            code,
            said,
            error.get("data"),
        )

    def _busy(self, why: str, pause_s: float | None) -> _Again:
        wait = "a while" if pause_s is None else f"{pause_s:,.0f} s"
        error = Unreachable(
            f"{self.shown} has had too many requests ({why})",
            f"wait {wait} and run it again, or use an endpoint that allows more",
        )
        return _Again(error, BUSY_ATTEMPTS, _BUSY_BACKOFF_S, pause_s)

    def clean(self, said: object) -> str:
        """Return what the other side wrote as one short line without our secrets."""
        text = self._scrubber.clean(said) if isinstance(said, str) else ""
        shown = "".join(each if each.isprintable() else " " for each in text)
        return shown if len(shown) <= _MESSAGE_CHARS_MAX else shown[:_MESSAGE_CHARS_MAX] + "…"


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        reply = load_json(body)
    except ValueError:
        return None
    return reply if isinstance(reply, dict) else None


def _authorities(url: str) -> ssl.SSLContext:
    """Return whom to trust: the usual authorities, or those that SSL_CERT_FILE or SSL_CERT_DIR name.

    Nobody where nothing is encrypted: reading all the authorities takes longer than many a command.
    """
    if not urls.is_encrypted(url):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    import httpx

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise ConfigError(
            f"SSL_CERT_FILE or SSL_CERT_DIR names no certificates: {error.strerror}",
            "correct or unset them",
        ) from error


def _is_about_trust(error: BaseException) -> bool:
    """Return whether a certificate is the reason, however deep."""
    cause = error.__cause__ or error.__context__
    return isinstance(error, ssl.SSLCertVerificationError) or (
        cause is not None and _is_about_trust(cause)
    )


def _pause_s(headers: Mapping[str, str], error: Any) -> float | None:
    """Return the pause that an endpoint asks for: by Retry-After, or as Infura puts it; else None."""
    named = headers.get("Retry-After", "").strip()
    if named:
        return float(named) if named.isdecimal() else _until(named)
    data = error.get("data") if isinstance(error, dict) else None
    rate = data.get("rate") if isinstance(data, dict) else None
    seconds = rate.get("backoff_seconds") if isinstance(rate, dict) else None
    if not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return max(float(seconds), 0.0)


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)

"""Where an audited log is read from: a coordinator's public HTTP port, or a folder with a copy of it.

Both have the same paths (C2SP tlog-tiles): `checkpoint`, `tile/...`, `batch/<root hex>`, `verifier`.
A copy that `verify --save` writes is a complete log, which any web server can publish again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import httpx

from commonground.backoff import persistent
from protocol.errors import ConfigError, Misbehaviour, Unreachable
from protocol.proxies import web_proxy

# A hash tile has 8 KiB; an entry bundle at most 256 entries of 64 KiB; a batch bundle less than that.
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 30.0


class LogSource(Protocol):
    """Reads one public file of a log."""

    def read(self, path: str) -> bytes:
        """The file's bytes. Raises Unreachable, or Misbehaviour when the log lacks it."""


class HttpLog:
    """A log behind a URL. Answers are untrusted and bounded; a busy server is asked again."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{url!r} is not a URL", "give http://… or the folder of a copied log"
            )
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigError(f"{url!r} is not a URL: {error}", "copy it once more") from None
        self._url, self._host = url.rstrip("/"), parts.host
        self._proxy = web_proxy(os.environ, parts.scheme, parts.host)
        self._client = self._connected()

    def __enter__(self) -> HttpLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._client.close()

    def read(self, path: str) -> bytes:
        url = f"{self._url}/{path}"
        try:
            return persistent()(_is_passing, self._get, url)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                raise Misbehaviour(f"the log does not serve {path}") from None
            problem = f"HTTP {error.response.status_code}"
        except httpx.HTTPError as error:
            problem = str(error) or type(error).__name__
        advice = "is the coordinator running, and is this its HTTP port?"
        raise Unreachable(
            f"{url}: {problem}", self._proxy.advice(self._host) if self._proxy else advice
        )

    def _connected(self) -> httpx.Client:
        try:
            return httpx.Client(
                timeout=_TIMEOUT_S,
                follow_redirects=False,
                verify=httpx.create_ssl_context(),  # which authorities, the environment may say
                trust_env=self._proxy is not None,
            )
        except (httpx.InvalidURL, ValueError, ImportError):  # from None: it may quote a password
            raise ConfigError(
                "the proxy that the environment names has no usable address",
                "correct or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY",
            ) from None

    def _get(self, url: str) -> bytes:
        with self._client.stream("GET", url) as response:
            response.raise_for_status()
            data = bytearray()
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > FILE_BYTES_MAX:
                    raise Misbehaviour(f"{url} is larger than any file of a log")
            return bytes(data)


def _is_passing(error: Exception) -> bool:
    """A busy server, or a broken connection: not what the log lacks."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code != httpx.codes.NOT_FOUND
    return isinstance(error, httpx.HTTPError)


class FolderLog:
    """A copied log on disk."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "checkpoint").is_file():
            raise ConfigError(
                f"{folder} holds no copy of a log",
                "make one with `commonhold verify URL --save DIR`",
            )
        self._folder = folder

    def read(self, path: str) -> bytes:
        file = self._folder / path
        if not file.is_file():
            raise Misbehaviour(f"the copied log lacks {path}")
        if file.stat().st_size > FILE_BYTES_MAX:
            raise Misbehaviour(f"{path} is larger than any file of a log")
        return file.read_bytes()


Progress = Callable[[str, int, int], None]
"""Told (what, done, of how many) now and then."""

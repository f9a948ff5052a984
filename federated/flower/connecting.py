"""Flower's clients, with one certificate that counts and no proxy that is not meant for where they go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from flwr.supercore.protobuf.client import ProtobufClient, ProtobufClientInterceptor

from protocol.errors import ConfigError
from protocol.proxies import Proxy, web_proxy

ClientT = TypeVar("ClientT", bound=ProtobufClient)


def proxy_to(endpoint: str) -> Proxy | None:
    """The proxy of the environment between us and a server (host:port); None to our own loopback."""
    return web_proxy(os.environ, "https", host_of(endpoint))


def host_of(endpoint: str) -> str:
    """The host of host:port."""
    return endpoint.rpartition(":")[0].strip("[]")


def client_to(
    endpoint: str,
    kind: type[ClientT],
    certificate: bytes,
    interceptors: Sequence[ProtobufClientInterceptor],
) -> ClientT:
    """A client that trusts `certificate` (PEM) alone. Touches no network. Raises ConfigError."""
    try:
        client = kind.from_server_address(
            endpoint, insecure=False, root_certificates=certificate, interceptors=interceptors
        )
    except (ImportError, ValueError):  # from None: it may quote a proxy's password
        raise ConfigError(
            "a proxy that the environment names is none that we can use",
            "give HTTPS_PROXY, HTTP_PROXY and ALL_PROXY (or these in small letters) as http://HOST:PORT,"
            " or unset them",
        ) from None
    if proxy_to(endpoint) is None:
        client._client._mounts.clear()
    return client

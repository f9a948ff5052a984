"""Proxies of the environment: this machine is reached without, others as the variables say."""

from __future__ import annotations

from functools import partial

import pytest

from commonground.backoff import persistent
from commonhold.audit.source import HttpLog
from protocol.errors import ConfigError, Unreachable
from protocol.proxies import Proxy, grpc_proxy, is_this_machine, web_proxy

ADDRESS = "http://me:wo%20rd@proxy.example:3128"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1", "[::1]"]
)
def test_this_machine_is_reached_without(host: str) -> None:
    names = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy", "HTTPS_PROXY")
    environment = dict.fromkeys(names, ADDRESS)
    assert is_this_machine(host)
    assert grpc_proxy(environment, host) is None
    assert web_proxy(environment, "http", host) is web_proxy(environment, "https", host) is None
    assert not is_this_machine(f"{host}.example")
    assert grpc_proxy(environment, f"{host.strip('[]')}.example") is not None


@pytest.mark.parametrize(
    ("variable", "by_grpc", "by_https"),
    [
        ("grpc_proxy", True, False),
        ("https_proxy", True, True),
        ("http_proxy", True, False),
        ("HTTPS_PROXY", False, True),
        ("all_proxy", False, True),
        ("ALL_PROXY", False, True),
    ],
)
def test_each_reads_its_own_variables(variable: str, *, by_grpc: bool, by_https: bool) -> None:
    assert (grpc_proxy({variable: ADDRESS}, "a.example") is not None) is by_grpc
    assert (web_proxy({variable: ADDRESS}, "https", "a.example") is not None) is by_https
    for none in ("", " ", "http://[", "http://a:b"):
        assert grpc_proxy({variable: none}, "a.example") is None
        assert web_proxy({variable: none}, "https", "a.example") is None


@pytest.mark.parametrize(
    ("listed", "host", "excepted"),
    [
        ("a.example", "a.example", True),
        ("x, a.example:443", "b.a.example", True),
        (".a.example", "b.a.example", True),
        ("*.a.example", "b.a.example", True),
        ("a.example", "ba.example", False),
        ("*", "a.example", True),
        ("10.0.0.0/8", "10.2.3.4", True),
        ("10.0.0.0/8", "11.2.3.4", False),
        ("10.2.3.4", "10.2.3.4", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("", "a.example", False),
        (",", "a.example", False),
    ],
)
def test_what_no_proxy_lists_is_reached_without(listed: str, host: str, *, excepted: bool) -> None:
    environment = {"https_proxy": ADDRESS, "no_proxy": listed}
    assert (grpc_proxy(environment, host) is None) is excepted
    assert (web_proxy(environment, "https", host) is None) is excepted


def test_a_proxy_is_named_without_its_password() -> None:
    found = grpc_proxy({"https_proxy": ADDRESS}, "a.example")
    assert isinstance(found, Proxy)
    assert (found.host, found.port) == ("proxy.example", 3128)
    assert found.credentials == {"Proxy-Authorization": "Basic bWU6d28gcmQ="}
    assert found.advice("a.example") == (
        "https_proxy of the environment sends us through the proxy http://proxy.example:3128;"
        " without it: no_proxy=a.example"
    )
    assert grpc_proxy({"https_proxy": "socks5://a:1"}, "a.example") is None  # gRPC knows none


def test_a_log_behind_a_proxy_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonhold.audit.source.persistent", partial(persistent, attempts=1))
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    for host, words in (
        ("log.example", "no_proxy=log.example"),
        ("127.0.0.1:1", "is the coordinator running"),
    ):
        with HttpLog(f"http://{host}") as log, pytest.raises(Unreachable) as lost:
            log.read("checkpoint")
        assert words in lost.value.advice
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(ConfigError, match="proxy"):
        HttpLog("http://log.example")

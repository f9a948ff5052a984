"""Reading from endpoints that misbehave, over real HTTP: it ends in data, or an error with a next step."""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
import ssl
from collections.abc import Callable, Iterator
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from eth_utils.address import to_checksum_address

from contracts import DEVELOPMENT_CHAIN_ID
from contracts.client import ChainClient
from contracts.dev_accounts import dev_addresses, dev_keys
from contracts.endpoint import ANSWER_BYTES_MAX, ANSWER_TIMEOUT_S, Endpoint, RpcRefused
from contracts.history import LAG_S, LOG_BLOCKS_MAX, RawLog
from protocol.errors import CommonholdError, ConfigError, LocalError, StateError, Unreachable
from protocol.money.settlement import Address
from tests.contract_chains import devchain
from tests.endpoints import Answer, Error, HurriedClock, Proxy, Reply, Result, misbehaving

PAYER = dev_keys()[0].to_bytes()
FRIEND = Address(b"\x11" * 20)
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (url, _):
        yield url


@pytest.fixture
def proxy(chain: str) -> Iterator[Proxy]:
    with misbehaving(chain) as made:
        yield made


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


def client_of(proxy: Proxy, clock: HurriedClock | None = None, path: str = "") -> ChainClient:
    return ChainClient(proxy.url + path, PAYER, clock=clock or HurriedClock())


def times(count: int, answer: Answer) -> Callable[[str, list[Any]], Answer | None]:
    """A rule that gives `answer` the first `count` times."""
    left = [count]

    def rule(method: str, params: list[Any]) -> Answer | None:
        left[0] -= 1
        return answer if left[0] >= 0 else None

    return rule


# -- blocks ---------------------------------------------------------------------------------------


def test_headers_of_proof_of_authority_are_read(proxy: Proxy) -> None:
    """97 bytes of extraData, as Clique, BSC and Polygon have: vanity, seal, and no mixHash."""

    def clique(method: str, params: list[Any]) -> Answer | None:
        if not method.startswith("eth_getBlockBy"):
            return None
        block = proxy.ask(method, *params)
        del block["mixHash"], block["nonce"]
        return Result(block | {"extraData": "0x" + "d8" * 97})

    proxy.rule = clique
    client = client_of(proxy)
    sent = client.transfer(FRIEND, 5)
    assert client.head() == sent.block
    header = proxy.ask("eth_getBlockByNumber", hex(sent.block), False)
    assert client.block_at(sent.block) == (
        bytes.fromhex(header["hash"][2:]),
        int(header["timestamp"], 16),
    )


def test_the_chains_own_word_says_what_is_final(proxy: Proxy) -> None:
    proxy.ask("anvil_mine", hex(20))
    head = client_of(proxy).head()
    assert client_of(proxy).final_block(6) == head  # the development chain takes nothing back

    def lags(method: str, params: list[Any]) -> Answer | None:
        return (
            Result(proxy.ask(method, hex(head - 9), False)) if params[:1] == ["finalized"] else None
        )

    proxy.rule = lags
    assert client_of(proxy).final_block(6) == head - 9


@pytest.mark.parametrize(
    "answer",
    [Result(None), Error(-39001, "finalized block not found"), Error(-32602, "unknown block tag")],
)
def test_without_such_a_word_depth_says_it(proxy: Proxy, answer: Answer) -> None:
    proxy.rule = lambda method, params: answer if params[:1] == ["finalized"] else None
    client = client_of(proxy)
    assert client.final_block(3) == client.head() - 3
    assert client.final_block(10**6) < 0


def test_a_block_that_is_not_there_is_no_hash(proxy: Proxy) -> None:
    client = client_of(proxy)
    with pytest.raises(StateError, match="no block") as caught:
        client.block_at(client.head() + 1)
    assert caught.value.advice
    other = proxy.ask("eth_getBlockByNumber", "0x0", False)
    proxy.rule = lambda method, _: Result(other) if method == "eth_getBlockByNumber" else None
    with pytest.raises(ConfigError, match="another block"):
        client.block_at(1)


def test_a_chain_that_forgot_is_told_from_one_that_lags(proxy: Proxy, clock: HurriedClock) -> None:
    client = client_of(proxy, clock)
    proxy.ask("anvil_mine", "0x5")
    head = client.head()
    old = proxy.ask("eth_getBlockByNumber", hex(head - 5), False)

    def behind(method: str, params: list[Any]) -> Answer | None:
        return Result(old) if params[:1] == ["latest"] else None

    proxy.rule = behind
    clock.meanwhile = lambda _: setattr(proxy, "rule", lambda *_: None)
    assert client.head() == head and len(clock.pauses) == 1

    proxy.rule, clock.meanwhile = behind, lambda _: None
    with pytest.raises(StateError, match="started anew") as caught:
        client.head()
    assert "restarted" in caught.value.advice and sum(clock.pauses) <= 3 * LAG_S


# -- logs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transfers(chain: str) -> tuple[Address, int, list[RawLog]]:
    """A token with a transfer in every third block; where it is, since when, and its logs."""
    client = ChainClient(chain, PAYER)
    endpoint, friend = Endpoint(chain), to_checksum_address(dev_addresses()[5])
    token, deployed = client.deploy("TestStable")
    contract = client.contract("TestStable", token)
    for amount in range(1, 13):
        client.send(contract.functions.transfer(friend, amount))
        endpoint.call("anvil_mine", "0x2")
    logs = list(client.raw_logs([token], None, deployed.block, client.head()))
    assert len(logs) == 13  # minted once, and twelve transfers
    return token, deployed.block, logs


def width(asked: dict[str, Any]) -> int:
    return int(asked["toBlock"], 16) - int(asked["fromBlock"], 16) + 1


REFUSALS: list[Answer] = [
    Error(-32602, "block range is too wide"),
    Error(-32005, "query returned more than 10000 results. Try with this block range [0x1, 0x2]"),
    Error(-32000, "exceed maximum block range: 5000"),
    Error(-32600, "eth_getLogs is limited to a 2000 range", status=400),
    Error(-32602, "Log response size exceeded. You can make up to a 2K block range", status=400),
    Error(-32000, "query timeout exceeded"),
    Error(-32614, "eth_getLogs is limited to 0 - 2000 blocks range"),
    Error(-32005, "limit exceeded"),
    Reply(413, b"Request Entity Too Large"),
    Reply(504, b"<html>gateway time-out</html>", {"Content-Type": "text/html"}),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_a_limit_on_ranges_is_found_by_itself(
    proxy: Proxy, transfers: tuple[Address, int, list[RawLog]], refusal: Answer
) -> None:
    token, since, expected = transfers

    def narrow(method: str, params: list[Any]) -> Answer | None:
        return refusal if method == "eth_getLogs" and width(params[0]) > 9 else None

    proxy.rule = narrow
    client = client_of(proxy)
    last = since + 79  # some blocks are not there yet
    assert list(client.raw_logs([token], None, since, last)) == expected
    asked = [params[0] for params in proxy.asked("eth_getLogs")]
    assert [width(each) for each in asked[:4]] == [80, 40, 20, 10], (
        "halved, and nothing asked twice"
    )
    assert min(int(each["fromBlock"], 16) for each in asked) == since
    before = len(asked)
    assert list(client.raw_logs([token], None, since, last)) == expected
    assert width(proxy.asked("eth_getLogs")[before][0]) <= 10, "what was learnt is kept"


def test_the_window_follows_what_is_granted(
    proxy: Proxy, transfers: tuple[Address, int, list[RawLog]]
) -> None:
    """A limit of 3 blocks, which is lifted after a while."""
    token, since, expected = transfers
    granted: list[int] = []
    refused: list[int] = []

    def narrow(method: str, params: list[Any]) -> Answer | None:
        if method != "eth_getLogs":
            return None
        asked = width(params[0])
        if asked > 3 and len(granted) < 20:
            refused.append(asked)
            return REFUSALS[0]
        granted.append(asked)
        return None

    proxy.rule = narrow
    client = client_of(proxy)
    assert list(client.raw_logs([token], None, since, since + 399)) == expected
    assert refused[:7] == [400, 200, 100, 50, 25, 12, 6]
    assert granted[:20] == [3] * 20 and max(granted) >= 12
    assert len(refused) <= 7 + 20 // 8, "of nine requests one is refused"


def test_results_are_limited_and_not_blocks(
    proxy: Proxy, transfers: tuple[Address, int, list[RawLog]]
) -> None:
    token, since, expected = transfers

    def narrow(method: str, params: list[Any]) -> Answer | None:
        if method != "eth_getLogs" or len(proxy.ask(method, *params)) <= 2:
            return None
        return Error(-32005, "query returned more than 2 results")

    proxy.rule = narrow
    client = client_of(proxy)
    assert list(client.raw_logs([token], None, since, client.head())) == expected


def test_an_endpoint_without_logs_is_said_so(proxy: Proxy) -> None:
    proxy.rule = lambda method, params: REFUSALS[0] if method == "eth_getLogs" else None
    with pytest.raises(LocalError, match="not even of block 0 alone") as caught:
        list(client_of(proxy).raw_logs([FRIEND], None, 0, LOG_BLOCKS_MAX))
    assert len(proxy.asked("eth_getLogs")) <= 14 and "allows eth_getLogs" in caught.value.advice


def test_an_answer_that_never_comes_in_time_is_not_asked_for_in_ever_smaller_pieces(
    proxy: Proxy, clock: HurriedClock
) -> None:
    proxy.rule = lambda method, params: Reply(504) if method == "eth_getLogs" else None
    with pytest.raises(Unreachable, match="HTTP 504"):
        list(client_of(proxy, clock).raw_logs([FRIEND], None, 0, LOG_BLOCKS_MAX))
    assert len(proxy.asked("eth_getLogs")) == 7


def test_other_refusals_of_logs_are_not_taken_for_limits(proxy: Proxy) -> None:
    refusal = Error(-32000, "missing trie node")
    proxy.rule = lambda method, params: refusal if method == "eth_getLogs" else None
    with pytest.raises(RpcRefused, match="missing trie node"):
        list(client_of(proxy).raw_logs([FRIEND], None, 0, 100))
    assert len(proxy.asked("eth_getLogs")) == 1


def test_addresses_and_topics_choose_logs(
    proxy: Proxy, transfers: tuple[Address, int, list[RawLog]]
) -> None:
    token, since, expected = transfers
    client = client_of(proxy)
    head, mint, rest = client.head(), expected[0], expected[1:]
    kind, sender = mint.topics[0], mint.topics[1]
    find = client.raw_logs
    assert list(find([FRIEND, token], [kind], since, head)) == expected
    assert list(find([token], [kind, sender], since, head)) == [mint]
    assert list(find([token], [(), [sender, rest[0].topics[1]]], since, head)) == expected
    assert list(find([FRIEND], None, since, head)) == []
    assert list(find([], [kind, (), rest[0].topics[2]], since, head)) == rest
    assert list(find([token], None, head + 1, head)) == []
    # Where each log is: the same as its receipt and its block say.
    for log in expected:
        receipt = proxy.ask("eth_getTransactionReceipt", "0x" + log.tx_hash.hex())
        assert (receipt["blockHash"], receipt["blockNumber"]) == (
            "0x" + log.block_hash.hex(),
            hex(log.block),
        )
        assert client.block_at(log.block)[0] == log.block_hash


@pytest.mark.parametrize(
    "change",
    [
        {"address": "0x" + "22" * 20},
        {"blockNumber": hex(10**9)},
        {"blockHash": None},
        {"topics": ["0x12"]},
        {"data": "zz"},
        {"logIndex": 7},
    ],
    ids=str,
)
def test_logs_that_were_not_asked_for_are_not_believed(
    proxy: Proxy, transfers: tuple[Address, int, list[RawLog]], change: dict[str, Any]
) -> None:
    token, since, _ = transfers

    def forged(method: str, params: list[Any]) -> Answer | None:
        if method != "eth_getLogs":
            return None
        return Result([each | change for each in proxy.ask(method, *params)])

    proxy.rule = forged
    client = client_of(proxy)
    with pytest.raises(ConfigError, match="does not speak"):
        list(client.raw_logs([token], None, since, client.head()))


def test_logs_that_a_reorganisation_took_away_are_left_out(
    proxy: Proxy, transfers: tuple[Address, int, list[RawLog]]
) -> None:
    token, since, expected = transfers

    def removed(method: str, params: list[Any]) -> Answer | None:
        if method != "eth_getLogs":
            return None
        first, *rest = proxy.ask(method, *params)
        return Result([*reversed(rest), first | {"removed": True}])

    proxy.rule = removed
    client = client_of(proxy)
    assert list(client.raw_logs([token], None, since, client.head())) == expected[1:]


# -- endpoints that are busy or broken ------------------------------------------------------------


def test_a_busy_endpoint_is_given_the_pause_that_it_asks_for(
    proxy: Proxy, clock: HurriedClock
) -> None:
    client = client_of(proxy, clock)
    head = client.head()
    proxy.rule = times(2, Reply(429, b"slow down", {"Retry-After": "7"}))
    assert client.head() == head
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    proxy.rule = times(1, Reply(429, headers={"Retry-After": format_datetime(soon, usegmt=True)}))
    assert client.head() == head
    infura = {"rate": {"allowed_rps": 1, "backoff_seconds": 12, "current_rps": 2}}
    proxy.rule = times(1, Error(-32005, "project ID request rate exceeded", infura, status=429))
    assert client.head() == head
    assert clock.pauses[:2] == [7, 7] and 27 < clock.pauses[2] <= 30 and clock.pauses[3:] == [12]


@pytest.mark.parametrize(
    "busy",
    [
        Reply(429),
        Error(-32005, "limit exceeded"),
        Error(429, "Your app has exceeded its compute units per second capacity", status=429),
        Error(-32007, "50/second request limit reached"),
        Error(-32000, "Too many requests, slow down"),
    ],
    ids=str,
)
def test_without_a_pause_it_is_asked_ever_more_slowly(
    proxy: Proxy, clock: HurriedClock, busy: Answer
) -> None:
    client = client_of(proxy, clock)
    proxy.rule = times(4, busy)
    assert client.chain_id() == DEVELOPMENT_CHAIN_ID
    assert clock.pauses == [1, 2, 4, 8]
    proxy.rule = lambda method, params: busy
    with pytest.raises(Unreachable, match="too many requests") as caught:
        client.chain_id()
    assert "allows more" in caught.value.advice


def test_a_pause_beyond_reason_is_told_and_not_waited_out(
    proxy: Proxy, clock: HurriedClock
) -> None:
    proxy.rule = lambda method, params: Reply(429, headers={"Retry-After": "3600"})
    with pytest.raises(Unreachable) as caught:
        client_of(proxy, clock).head()
    assert "wait 3,600 s" in caught.value.advice and clock.pauses == []


def test_a_contract_that_speaks_of_rates_is_not_a_busy_endpoint(
    proxy: Proxy, clock: HurriedClock
) -> None:
    proxy.rule = lambda method, params: Error(3, "execution reverted: rate too high")
    with pytest.raises(RpcRefused):
        Endpoint(proxy.url, clock).call("eth_chainId")
    assert clock.pauses == []


BROKEN: list[Answer] = [
    Reply(500, b"oops"),
    Reply(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
    Error(-32000, "too many are waiting", status=503),
    Reply(520),
    Reply(200, b'{"jsonrpc": "2.0", "id": 1, "resu', promised=4_000),
]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_breaks_is_asked_again(proxy: Proxy, clock: HurriedClock, broken: Answer) -> None:
    client = client_of(proxy, clock)
    proxy.rule = times(2, broken)
    assert client.chain_id() == DEVELOPMENT_CHAIN_ID
    assert clock.pauses == [0.2, 0.4]
    proxy.rule = lambda method, params: broken
    with pytest.raises(Unreachable) as caught:
        client.chain_id()
    assert caught.value.advice


def test_an_error_is_an_error_whatever_its_status(proxy: Proxy, clock: HurriedClock) -> None:
    for status in (200, 400, 404, 500):
        proxy.rule = times(1, Error(-32000, "header not found", status=status))
        with pytest.raises(RpcRefused, match="header not found"):
            client_of(proxy, clock).head()
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"}), "web page"),
        (Reply(200, b""), "does not speak"),
        (Reply(200, b"[1, 2]"), "does not speak"),
        (Reply(200, b"[" * 2_000), "does not speak"),
        (Reply(200, b'{"jsonrpc": "2.0", "id": 1}'), "does not speak"),
        (Reply(200, b'{"jsonrpc": "2.0", "id": 99, "result": "0x1"}'), "does not speak"),
        (Reply(200, b'{"jsonrpc": "2.0", "id": 1, "error": "no"}'), "does not speak"),
        (Result("31337"), "does not speak"),
        (Result("0x"), "does not speak"),
        (Result(None), "does not speak"),
        (Reply(404, b"not found"), "HTTP 404"),
        (Reply(401, b"who are you?"), "refuses the key"),
        (Reply(403, b"no"), "refuses the key"),
        (Reply(302, headers={"Location": "https://elsewhere.example"}), "moved"),
    ],
    ids=str,
)
def test_what_is_no_endpoint_is_said_so_at_once(
    proxy: Proxy, clock: HurriedClock, answer: Answer, match: str
) -> None:
    proxy.rule = lambda method, params: answer
    with pytest.raises(ConfigError, match=match) as caught:
        client_of(proxy, clock).chain_id()
    assert caught.value.advice and clock.pauses == [] and len(proxy.seen) == 1


def test_an_answer_without_end_is_cut_off(proxy: Proxy) -> None:
    proxy.rule = lambda method, params: Reply(200, b" " * (ANSWER_BYTES_MAX + 1))
    with pytest.raises(Unreachable, match="more than"):
        client_of(proxy).head()


def test_an_answer_that_drips_is_cut_off(proxy: Proxy) -> None:
    """Each byte comes in time, and all of them would take for ever."""

    class Hasty(HurriedClock):
        def now(self) -> float:
            self._now += ANSWER_TIMEOUT_S + 1
            return self._now

    with pytest.raises(Unreachable, match="within"):
        client_of(proxy, Hasty()).head()


def test_another_chain_is_named(proxy: Proxy) -> None:
    client = client_of(proxy)
    client.require_chain(DEVELOPMENT_CHAIN_ID)
    with pytest.raises(ConfigError, match=r"chain 1, and .* is on chain 31337") as caught:
        client.require_chain(1)
    assert "chain 1" in caught.value.advice


# -- secrets, certificates, proxies ---------------------------------------------------------------


def said(error: BaseException | None) -> str:
    """All that anybody could print of an error and of its causes."""
    if error is None:
        return ""
    own = f"{error} {error!r} {getattr(error, 'advice', '')}"
    return own + said(error.__cause__) + said(error.__context__)


@pytest.mark.parametrize(
    "answer",
    [
        *BROKEN,
        Reply(429),
        Reply(401),
        Reply(302),
        Reply(413),
        Reply(200, b"<html>"),
        Error(-32000, f"project {SECRET} is not known; see /v3/{SECRET}"),
        Error(-32005, f"{SECRET} has exceeded its rate"),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["/v3/{}", "/?key={}", "user:{}@"])
def test_an_addresss_key_is_in_no_error_and_no_log(
    proxy: Proxy, caplog: pytest.LogCaptureFixture, answer: Answer, where: str
) -> None:
    caplog.set_level(logging.DEBUG)
    proxy.rule = lambda method, params: answer
    place = where.format(SECRET)
    url = proxy.url + place if place.startswith("/") else proxy.url.replace("//", f"//{place}")
    with pytest.raises(CommonholdError) as caught:
        ChainClient(url, PAYER, clock=HurriedClock()).head()
    assert SECRET not in said(caught.value) and "127.0.0.1" in said(caught.value)
    assert SECRET not in caplog.text and proxy.seen


def test_a_key_is_not_shown_where_nobody_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Unreachable) as caught:
        ChainClient(f"http://127.0.0.1:1/{SECRET}", PAYER, clock=HurriedClock()).head()
    assert SECRET not in said(caught.value) + caplog.text
    with pytest.raises(ConfigError) as refused:
        ChainClient(f"wss://127.0.0.1/{SECRET}", PAYER)
    assert SECRET not in said(refused.value)


def certificate(folder: Path, *names: x509.GeneralName) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate of its own authority, and that authority's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an endpoint")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return tls, folder / "cert.pem"


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def test_a_certificate_is_checked(
    chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, authority = certificate(tmp_path, LOOPBACK)
    with misbehaving(chain, tls) as proxy:
        with pytest.raises(ConfigError, match=r"certificate .* not trusted") as caught:
            client_of(proxy, path=f"/{SECRET}").head()
        assert "SSL_CERT_FILE" in caught.value.advice and SECRET not in said(caught.value)
        assert proxy.seen == [], "nothing is sent to whom nobody knows"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        assert client_of(proxy).chain_id() == DEVELOPMENT_CHAIN_ID
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        client_of(proxy)


def test_a_certificate_of_another_host_is_refused(
    chain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, authority = certificate(tmp_path, x509.DNSName("endpoint.example"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with misbehaving(chain, tls) as proxy:
        with pytest.raises(ConfigError, match="certificate"):
            client_of(proxy).head()
        assert proxy.seen == []


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client_of(proxy).chain_id() == DEVELOPMENT_CHAIN_ID

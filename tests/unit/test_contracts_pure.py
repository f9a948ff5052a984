"""What is said of an endpoint's address, what its refusals mean, and how much is offered for gas."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import fees
from contracts.history import LOG_BLOCKS_MAX, Window
from contracts.journal import Attempt, Journal, Order, Underway
from contracts.pool import Standing, standing
from contracts.spending import ether, gwei, parse_ether
from contracts.url import Scrubber, check, proxy_to, shown
from protocol.errors import ConfigError, StateError, StoreError

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        (f"https://mainnet.example.org/v3/{KEY}", "https://mainnet.example.org/…"),
        (f"https://example.org:8443/?apikey={KEY}", "https://example.org:8443/…"),
        (f"https://user:{KEY}@example.org", "https://example.org/…"),
        (f"http://[::1]:8545/{KEY}", "http://[::1]:8545/…"),
        (f"https://example.org/#{KEY}", "https://example.org/…"),
        (f"wss://example.org/{KEY}", "wss://example.org/…"),
        (f"{KEY}", "…"),
        (f"https://[{KEY}", "…"),
        (f"https://example.org:{KEY}/", "…"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, said: str) -> None:
    assert shown(url) == said


@pytest.mark.parametrize(
    "url", ["", "not a url", f"wss://example.org/{KEY}", f"https:///{KEY}", f"https://[{KEY}"]
)
def test_what_is_no_address_is_refused_without_quoting_it(url: str) -> None:
    check("https://example.org")
    with pytest.raises(ConfigError, match="rpc_url") as caught:
        check(url)
    assert KEY not in f"{caught.value} {caught.value.advice}"


def test_secrets_are_taken_out_of_what_others_wrote() -> None:
    scrub = Scrubber.of(f"https://me:pass%20word@example.org/v3/{KEY}?token=abcdef").clean
    assert scrub(f"no project {KEY}, token abcdef, pass word, pass%20word; see v3") == (
        "no project …, token …, …, …; see v3"
    )
    assert Scrubber.of("http://127.0.0.1:8545").clean("nothing to hide") == "nothing to hide"


def test_this_machine_is_told_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert proxy_to("http://localhost:1") is None and proxy_to("http://[::1]:1") is None
    assert proxy_to("https://example.org") is not None and proxy_to("") is None


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("already known", Standing.WAITING),  # geth
        ("AlreadyKnown", Standing.WAITING),  # Nethermind
        ("Known transaction", Standing.WAITING),  # Besu
        ("transaction already imported", Standing.WAITING),  # anvil
        ("replacement transaction underpriced", Standing.IN_THE_WAY),  # geth
        ("ReplacementNotAllowed", Standing.IN_THE_WAY),
        ("could not replace existing tx", Standing.IN_THE_WAY),  # Erigon
        ("nonce too low: next nonce 5, tx nonce 4", Standing.NONCE),
        ("OldNonce", Standing.NONCE),
        ("Invalid transaction nonce: Expected 8, but got 7", Standing.NONCE),  # py-evm
        ("nonce too high", Standing.NONCE),
        ("insufficient funds for gas * price + value", Standing.NO_FUNDS),
        ("Sender b'..' cannot afford txn gas 5 with account balance 3", Standing.NO_FUNDS),
        ("Sender does not have enough balance to cover", Standing.NO_FUNDS),
        ("Insufficient funds for gas * price + value", Standing.NO_FUNDS),  # anvil
        ("transaction underpriced", Standing.TOO_CHEAP),
        ("max fee per gas less than block base fee: address 0x, maxFee 1", Standing.TOO_CHEAP),
        (
            "Sender's max fee per gas (1) is lower than block's base fee per gas (2)",
            Standing.TOO_CHEAP,
        ),
        ("FeeTooLow, MaxFeePerGas too low", Standing.TOO_CHEAP),
        ("gas tip cap 1, minimum needed 25000000000", Standing.TOO_CHEAP),
        ("exceeds block gas limit", Standing.NO_GAS),
        ("invalid chain id for signer", Standing.OTHER_CHAIN),
        ("the transaction was signed for chain 1", Standing.OTHER_CHAIN),
        ("txpool is full", Standing.REFUSED),
        ("tx fee (2.00 ether) exceeds the configured cap (1.00 ether)", Standing.REFUSED),
    ],
)
def test_what_an_endpoint_says_to_a_transaction_is_understood(said: str, means: Standing) -> None:
    assert standing(said) is means


def test_a_window_narrows_at_once_and_widens_slowly() -> None:
    window = Window()
    assert window.blocks == LOG_BLOCKS_MAX
    while window.refused(window.blocks):
        pass
    assert window.blocks == 1
    for _ in range(7):
        window.granted()
    assert window.blocks == 1
    window.granted()
    assert window.blocks == 2
    for _ in range(200):
        window.granted()
    assert window.blocks == LOG_BLOCKS_MAX


def test_a_bump_is_an_eighth_at_least() -> None:
    for wei in (1, 2, 7, 8, 9, 10**9, 10**9 + 1, 3 * 10**10 - 1):
        assert 8 * fees.an_eighth_more(wei) >= 9 * wei
        assert fees.an_eighth_more(wei) <= 9 * wei // 8 + 1


def test_amounts_are_read_and_shown() -> None:
    assert (parse_ether("0.5"), parse_ether("2")) == (5 * 10**17, 2 * 10**18)
    assert (ether(15 * 10**17), gwei(10**9), gwei(1)) == ("1.5 ether", "1 gwei", "0.000000001 gwei")
    for text in ("", "one", "0", "-1", "nan", "inf", "1e999999999", "0.0000000000000000001"):
        with pytest.raises(ConfigError, match="no amount"):
            parse_ether(text)


ORDER = Order(b"\x01" * 20, b"\x02\x03", 5)
UNDERWAY = Underway(ORDER, 7, 90_000, (Attempt(b"\x04" * 32, b"\x05", 10**10, 10**9),))


def test_a_journal_keeps_one_transaction_and_forgets_it(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path / "new", 31_337, b"\xaa" * 20)
    other_chain = Journal.of(tmp_path / "new", 1, b"\xaa" * 20)
    with journal.held():
        assert journal.read() is None
        journal.write(UNDERWAY)
    again = Journal.of(tmp_path / "new", 31_337, b"\xaa" * 20)
    assert again.read() == UNDERWAY and other_chain.read() is None
    assert journal.path is not None and journal.path.stat().st_mode & 0o777 == 0o600
    again.clear()
    assert journal.read() is None
    assert [each.suffix for each in (tmp_path / "new").iterdir()] == [".lock"]


def test_a_journal_in_memory_forgets_with_its_process() -> None:
    journal = Journal(None)
    with journal.held():
        journal.write(UNDERWAY)
    assert journal.read() == UNDERWAY and Journal(None).read() is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"attempts": []}', '{"attempts": [1]}'])
def test_a_journal_that_nobody_can_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, text: str
) -> None:
    journal = Journal.of(tmp_path, 1, b"\xaa" * 20)
    assert journal.path is not None
    journal.path.write_text(text)
    with pytest.raises(StoreError, match="malformed") as caught:
        journal.read()
    assert "remove the file" in caught.value.advice


def test_two_never_send_from_one_account_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.journal.LOCK_TIMEOUT_S", 0.05)
    one, two = (Journal.of(tmp_path, 1, b"\xaa" * 20) for _ in range(2))
    with one.held(), pytest.raises(StateError, match="another process"), two.held():
        pass
    with two.held():
        assert two.read() is None

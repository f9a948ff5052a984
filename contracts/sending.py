"""Transactions of one account: sign, send, bump what is stuck, wait until it is mined.

One at a time: nothing is sent before everything earlier is mined, so the nonce of the next is always the
number of those that count, and there are no gaps. What is under way is in the journal before it is sent;
whoever orders the same again after a crash gets its receipt and pays nothing twice (`contracts.journal`).
Every attempt has the same nonce, so whichever is mined, the others never are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_canonical_address, to_checksum_address

from contracts import fees
from contracts.account import ChainAccount, OutOfGas, Receipt
from contracts.endpoint import Endpoint
from contracts.history import LAG_S, History, forgotten
from contracts.journal import Attempt, Journal, Order, Underway
from contracts.pool import Standing, submit
from contracts.spending import FeeTooHigh, Spending, gwei
from protocol.errors import CommonholdError, ConfigError, LocalError, StateError, Unreachable

log = logging.getLogger(__name__)

#: Fifteen blocks of mainnet, and several bumps. Whatever takes longer needs a person to look at it.
RECEIPT_TIMEOUT_S: Final = 180.0
#: A transaction is stuck when so many seconds and so many blocks have passed it by.
BUMP_AFTER_S: Final = 36.0
BUMP_AFTER_BLOCKS: Final = 3
ATTEMPTS_MAX: Final = 8
_POLL_S_MIN: Final = 0.1
_POLL_S_MAX: Final = 2.0
# Added to every estimate, or an eighth where that is more; what is not used is not paid. A node estimates as
# if in its latest block, so that a checkpoint which will need a slot of its own (22,100 gas) seems to
# overwrite the last.
_GAS_MARGIN: Final = 30_000
#: No transaction may have more (EIP-7825), and so no margin may lead beyond it.
TX_GAS_MAX: Final = 2**24


class NotMined(Unreachable):
    """A transaction was sent, or may have been, and is not mined; the message has its hash."""


class Displaced(StateError):
    """Another transaction of the same account took the nonce: what was ordered was not done."""


class Sender:
    """Sends for one account, under its owner's terms (`Spending`)."""

    def __init__(
        self, endpoint: Endpoint, history: History, key: LocalAccount, spending: Spending
    ) -> None:
        self._endpoint, self._history = endpoint, history
        self._key, self._spending = key, spending
        self._account = ChainAccount(endpoint, to_canonical_address(key.address))
        self._clock = endpoint.clock
        self._journal = Journal(None)
        self._chain_id = 0
        self._mined = 0  # transactions of the account that count, as far as we have seen

    @property
    def account(self) -> ChainAccount:
        """Return what the chain says of the account."""
        return self._account

    def send(self, order: Order, chain_id: int) -> Receipt:
        """Send, wait, and return the receipt of a transaction that succeeded.

        What an earlier run left under way is brought to its end first; if it was this very order, its
        receipt is returned and nothing is sent.

        Raises:
            ContractRefused: the contract reverts; as a rule before anything is sent.
            FeeTooHigh, Unfunded, OutOfGas: nothing was sent, except where the message has a hash.
            NotMined: sent, and not mined in time. Displaced: another one took its place.
            StateError: earlier transactions wait, or the chain has forgotten some.
        """
        with self._alone(chain_id):
            done, receipt = self._finish()
            if done is None or receipt is None or done.order != order:
                done = self._prepare(order)
                self._journal.write(done)
                receipt = self._await(done, fresh=True)
        if receipt is None:
            raise Displaced(
                f"another transaction of {self._account.address} took nonce {done.nonce}, so "
                f"0x{done.last.tx_hash.hex()} was not done",
                "does somebody else use this key? If it was you, run the same command again",
            )
        if not receipt.succeeded:
            raise self._account.why_reverted(order, receipt, done.gas)
        return receipt

    def next_nonce(self, chain_id: int) -> int:
        """Return the next transaction's nonce, when all earlier ones are mined. Raises what `send` does."""
        with self._alone(chain_id):
            self._finish()
            return self._next_nonce()

    # -- before sending ---------------------------------------------------------------------------

    @contextmanager
    def _alone(self, chain_id: int) -> Iterator[None]:
        """Keep the account's journal on a chain for the block, and other processes out of it."""
        self._chain_id = chain_id
        if self._spending.journal is not None:
            account = to_canonical_address(self._account.address)
            self._journal = Journal.of(self._spending.journal, chain_id, account)
        with self._journal.held():
            yield

    def _finish(self) -> tuple[Underway | None, Receipt | None]:
        """Bring what an earlier run left under way to its end; return it with its receipt, if it has one."""
        before = self._journal.read()
        return before, None if before is None else self._await(before, fresh=False)

    def _prepare(self, order: Order) -> Underway:
        """Return the order signed, if it can be paid and would succeed."""
        nonce = self._next_nonce()
        # A node estimates nothing for whoever lacks the value.
        self._account.afford(order.wei, self._chain_id)
        used = self._account.estimate(order)
        gas = max(min(used + max(_GAS_MARGIN, used // 8), TX_GAS_MAX), used)
        offer = fees.quote(self._endpoint, self._history, self._spending.fee_wei_max)
        self._account.afford(order.wei + gas * offer.fee, self._chain_id)
        return self._signed(Underway(order, nonce, gas, ()), offer)

    def _next_nonce(self) -> int:
        """Return the number of transactions that count, when none of the account waits any more."""
        since, pause = self._clock.now(), _POLL_S_MIN
        while True:
            mined, waiting = self._account.count("latest"), self._account.count("pending")
            if mined >= max(waiting, self._mined):
                return mined
            waited = self._clock.now() - since
            if mined < self._mined and waited >= LAG_S:
                raise self._forgotten(mined, self._mined)
            if waited >= RECEIPT_TIMEOUT_S:
                raise StateError(
                    f"{waiting - mined} earlier transactions of {self._account.address} are not mined "
                    f"yet (from nonce {mined} on)",
                    "wait for them, or replace them in the wallet that sent them; then run this again",
                )
            self._clock.sleep(pause)
            pause = min(2 * pause, _POLL_S_MAX)

    # -- sending ----------------------------------------------------------------------------------

    def _signed(self, underway: Underway, offer: fees.Fees) -> Underway:
        """Return it with one more attempt."""
        order = underway.order
        signed = self._key.sign_transaction(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": underway.nonce,
                "to": to_checksum_address(order.to) if order.to else b"",
                "value": order.wei,
                "data": order.data,
                "gas": underway.gas,
                "maxFeePerGas": offer.fee,
                "maxPriorityFeePerGas": offer.tip,
            }
        )
        attempt = Attempt(bytes(signed.hash), bytes(signed.raw_transaction), offer.fee, offer.tip)
        return replace(underway, attempts=(*underway.attempts, attempt))

    def _await(self, underway: Underway, *, fresh: bool) -> Receipt | None:
        """Send, and wait until an attempt is mined; None when another transaction took the nonce.

        With these two the journal is cleared, and where the chain will not have a `fresh` one. Whatever
        else is raised leaves it, and the next run goes on from here.
        """
        if not fresh and (receipt := self._first_receipt(underway)) is not None:
            self._journal.clear()
            return receipt
        standing = self._broadcast(underway, fresh)
        try:
            receipt = self._watch(underway, standing)
        except (NotMined, StateError):
            raise
        except CommonholdError as error:
            sent = self._journal.read() or underway
            raise NotMined(
                f"{error}; transaction 0x{sent.last.tx_hash.hex()} was sent", self._go_on()
            ) from error
        self._journal.clear()
        return receipt

    def _broadcast(self, underway: Underway, fresh: bool) -> Standing:
        """Send what is under way; forget it and raise where the chain will not have a fresh one at all."""
        attempt = underway.last
        log.info("sending 0x%s for %s", attempt.tx_hash.hex(), gwei(attempt.fee))
        try:
            standing, said = submit(self._endpoint, attempt.raw)
        except Unreachable as error:
            raise NotMined(
                f"{error}; transaction 0x{attempt.tx_hash.hex()} may have been sent", self._go_on()
            ) from error
        refusal = self._refusal(standing, said, attempt)
        if standing is Standing.TOO_CHEAP and not fresh:
            refusal = None  # what was taken once is bumped
        # If the nonce is used, it was taken the first time, and that answer was lost.
        if refusal is not None and self._account.count("latest") <= underway.nonce:
            if fresh:
                self._journal.clear()
            raise refusal
        self._spending.on_sent(attempt.tx_hash)
        return standing

    def _watch(self, underway: Underway, standing: Standing) -> Receipt | None:
        """Wait for a receipt, and send again what is stuck; None when the nonce went to another one."""
        clock, started = self._clock, self._clock.now()
        odd_since: float | None = None  # since when the count does not fit
        sent_at, sent_block, pause = started, -1, _POLL_S_MIN
        while True:
            # Before the receipts: what counts now has one by then.
            mined = self._account.count("latest")
            if (receipt := self._first_receipt(underway)) is not None:
                return receipt
            if mined == underway.nonce:
                odd_since = None
            elif odd_since is None:
                odd_since = clock.now()
            elif clock.now() - odd_since >= LAG_S:  # by now the slowest machine would have it
                if mined < underway.nonce:
                    raise self._forgotten(mined, underway.nonce)
                return None
            if clock.now() - started >= RECEIPT_TIMEOUT_S:
                raise self._not_mined(underway, standing)
            if sent_block < 0:
                sent_block = self._history.latest().number
            clock.sleep(pause)
            pause = min(1.5 * pause, _POLL_S_MAX)
            if clock.now() - sent_at >= BUMP_AFTER_S:
                underway = self._once_more(underway, standing, sent_block)
                sent_at, sent_block = clock.now(), -1

    def _once_more(self, underway: Underway, standing: Standing, sent_block: int) -> Underway:
        """Send it again: for a higher fee if blocks have passed it by and the ceiling allows."""
        passed = self._history.latest().number - sent_block
        # What somebody else has put in the way is not ours to push aside: we do not know what it does.
        ours = standing is not Standing.IN_THE_WAY or len(underway.attempts) > 1
        if passed >= BUMP_AFTER_BLOCKS and ours and len(underway.attempts) < ATTEMPTS_MAX:
            last, ceiling = underway.last, self._spending.fee_wei_max
            offer = fees.bumped(self._endpoint, self._history, last.fee, last.tip, ceiling)
            if offer is not None:
                underway = self._signed(underway, offer)
                self._journal.write(underway)
                self._spending.on_sent(underway.last.tx_hash)
        _, said = submit(self._endpoint, underway.last.raw)
        log.info("sent 0x%s again. %s", underway.last.tx_hash.hex(), said)
        return underway

    def _first_receipt(self, underway: Underway) -> Receipt | None:
        """Return the receipt of whichever attempt was mined."""
        for each in reversed(underway.attempts):
            if (receipt := self._account.receipt(each.tx_hash)) is not None:
                self._mined = max(self._mined, underway.nonce + 1)
                return receipt
        return None

    # -- what can go wrong ------------------------------------------------------------------------

    def _refusal(self, standing: Standing, said: str, attempt: Attempt) -> LocalError | None:
        """Return the error for a transaction that the endpoint will not have; None if it may be mined."""
        shown = self._endpoint.shown
        if standing is Standing.NO_FUNDS:
            return self._account.unfunded(f"cannot pay: {said}", 0, self._chain_id)
        if standing is Standing.NO_GAS:
            return OutOfGas(f"the chain at {shown} refused: {said}", "do less at once")
        if standing is Standing.OTHER_CHAIN:
            return ConfigError(
                f"{shown} said that it is chain {self._chain_id}, and refused: {said}",
                "check the RPC address",
            )
        if standing is Standing.TOO_CHEAP:
            return FeeTooHigh(
                f"the chain takes nothing for {gwei(attempt.fee)} with a tip of {gwei(attempt.tip)}: {said}",
                "run it again in a while; if it stays so, raise max_fee_gwei in the settings",
            )
        if standing is Standing.REFUSED:
            return LocalError(
                f"the chain at {shown} refused the transaction: {said}",
                "see what the endpoint allows, or use another one",
            )
        return None

    def _not_mined(self, underway: Underway, standing: Standing) -> NotMined:
        last, ceiling = underway.last, self._spending.fee_wei_max
        hashes = ", ".join("0x" + each.tx_hash.hex() for each in reversed(underway.attempts))
        message = f"sent, but not mined within {RECEIPT_TIMEOUT_S:.0f} s: {hashes}"
        if standing is Standing.IN_THE_WAY:
            message += f"; another transaction with nonce {underway.nonce} is in the way"
        message += f"; it offers {gwei(last.fee)} for a unit of gas"
        if fees.an_eighth_more(last.fee) > ceiling:
            return NotMined(
                f"{message}, and you allow {gwei(ceiling)}",
                f"wait until gas is cheaper, or raise max_fee_gwei in the settings. {self._go_on()}",
            )
        return NotMined(message, self._go_on())

    def _forgotten(self, mined: int, known: int) -> StateError:
        what = f"counts {mined} transactions of {self._account.address}, and counted {known}"
        error = forgotten(self._endpoint, what)
        if self._journal.path is not None and self._journal.read() is not None:
            error.advice += f"; then remove {self._journal.path}"
        return error

    def _go_on(self) -> str:
        if self._journal.path is None:
            return "It may still be mined: look at the chain before sending again"
        return (
            "Run the same command again: it goes on with this transaction, and pays nothing twice"
        )

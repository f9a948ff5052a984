"""An Ethereum chain in memory: one process, one block for each transaction, no node to install.

A thin layer over py-evm's MiningChain, which executes real bytecode under mainnet's rules. It is
not thread-safe: `contracts.devchain` sends it one request at a time. Nothing is kept on disk, so
a crash loses the chain, which is what a development chain is for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast

from eth.abc import BlockAPI, BlockHeaderAPI, ComputationAPI, ReceiptAPI, SignedTransactionAPI
from eth.chains.base import MiningChain
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.exceptions import Revert
from eth.typing import AccountDetails, HeaderParams
from eth.vm.base import VM
from eth.vm.forks.prague import PragueVM
from eth.vm.spoof import SpoofTransaction
from eth_typing import Address, BlockNumber, Hash32

from contracts import DEVELOPMENT_CHAIN_ID

CHAIN_ID: Final = DEVELOPMENT_CHAIN_ID
BLOCK_GAS_LIMIT: Final = 30_000_000  # mainnet's for most of its life
ACCOUNT_WEI: Final = 10_000 * 10**18
# py-evm asks for 100,000 when it is imported, at which deeply nested JSON overflows the stack of the whole
# process instead of raising. 1,024 calls of contracts within each other, 15 frames each, fit.
RECURSION_MAX: Final = 20_000
sys.setrecursionlimit(RECURSION_MAX)
# A snapshot holds the whole database's keys; a test needs one or two.
SNAPSHOTS_MAX: Final = 64
# Mining is a loop over real blocks; a test that wants time to pass asks for time instead.
MINE_BLOCKS_MAX: Final = 1_000
# EIP-150 keeps back a 64th of the gas at each call, so that a limit equal to the use can fail.
_ESTIMATE_MARGIN: Final = 8


class Reverted(Exception):
    """The called code ended with REVERT; `data` is what it returned, as a rule an ABI error."""

    def __init__(self, data: bytes) -> None:
        super().__init__("execution reverted")
        self.data = data


class ExecutionFailed(Exception):
    """The called code ran out of gas or did something that the EVM forbids."""


class UnknownBlock(Exception):
    """No block has this number or hash (yet)."""


@dataclass(frozen=True, slots=True)
class Call:
    """A message to execute without a signature. `to` is empty when it creates a contract."""

    sender: bytes
    to: bytes
    data: bytes
    value: int = 0
    gas: int | None = None


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction where it was mined, with what it did."""

    block: BlockAPI
    index: int
    transaction: SignedTransactionAPI
    receipt: ReceiptAPI
    gas_used: int
    first_log_index: int


class _Chain(MiningChain):
    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), PragueVM),)

    def create_header_from_parent(
        self, parent_header: BlockHeaderAPI, **header_params: object
    ) -> BlockHeaderAPI:
        """Keep the gas limit where it started: it would drift towards what is used."""
        header_params["gas_limit"] = parent_header.gas_limit
        return super().create_header_from_parent(parent_header, **header_params)  # type: ignore[arg-type]


class Evm:
    """A chain whose `funded` addresses start with ACCOUNT_WEI each."""

    def __init__(
        self,
        funded: Sequence[bytes],
        clock: Callable[[], int] = lambda: int(time.time()),
        chain_id: int = CHAIN_ID,
    ) -> None:
        self.chain_id = chain_id
        self._clock = clock
        self._skew_s = 0
        self._store = MemoryDB()
        self._snapshots: list[tuple[dict[bytes, bytes], int]] = []
        genesis: dict[str, HeaderParams] = {
            "coinbase": Address(bytes(20)),
            "difficulty": 0,
            "extra_data": b"",
            "gas_limit": BLOCK_GAS_LIMIT,
            "mix_hash": Hash32(bytes(32)),
            "nonce": bytes(8),
            "receipt_root": BLANK_ROOT_HASH,
            "timestamp": clock(),
            "transaction_root": BLANK_ROOT_HASH,
        }
        account: AccountDetails = {"balance": ACCOUNT_WEI, "nonce": 0, "code": b"", "storage": {}}
        state = {Address(address): account for address in funded}
        self._of_id: type[_Chain] = type("_ChainOfId", (_Chain,), {"chain_id": chain_id})
        self._of_id.from_genesis(AtomicDB(self._store), genesis, state)
        self._chain = self._of_id(AtomicDB(self._store))

    # -- blocks ---------------------------------------------------------------------------------

    def header(self, block: str | int | bytes = "latest") -> BlockHeaderAPI:
        """Return the header of a block by tag, number or 32-byte hash; raise UnknownBlock."""
        head = self._chain.get_canonical_head()
        if block in ("latest", "safe", "finalized", "pending"):
            return head  # blocks are mined at once: nothing is ever pending
        if block == "earliest":
            block = 0
        if isinstance(block, bytes):
            return self._header_by_hash(block)
        if isinstance(block, int) and 0 <= block <= head.block_number:
            return self._chain.get_canonical_block_header_by_number(BlockNumber(block))
        raise UnknownBlock(f"no block {block!r}")

    def _header_by_hash(self, block_hash: bytes) -> BlockHeaderAPI:
        if not self._chain.headerdb.header_exists(Hash32(block_hash)):
            raise UnknownBlock(f"no block 0x{block_hash.hex()}")
        return self._chain.get_block_header_by_hash(Hash32(block_hash))

    def block(self, block: str | int | bytes = "latest") -> BlockAPI:
        """Return a block with its transactions; raise UnknownBlock."""
        return self._chain.get_block_by_header(self.header(block))

    def mine(self, count: int = 1) -> None:
        """Mine `count` empty blocks, at most MINE_BLOCKS_MAX."""
        for _ in range(min(count, MINE_BLOCKS_MAX)):
            self._chain.set_header_timestamp(self._next_timestamp())
            self._chain.mine_block()

    def increase_time(self, seconds: int) -> int:
        """Move the clock of all later blocks forward; return by how much in total."""
        now = self._clock()
        present = max(now + self._skew_s, self.header().timestamp)
        self._skew_s = present + max(seconds, 0) - now
        return self._skew_s

    def _next_timestamp(self) -> int:
        return max(self._clock() + self._skew_s, self.header().timestamp + 1)

    # -- state ----------------------------------------------------------------------------------

    def balance(self, address: bytes, block: str | int | bytes = "latest") -> int:
        """Return wei."""
        return self._chain.get_vm(self.header(block)).state.get_balance(Address(address))

    def nonce(self, address: bytes, block: str | int | bytes = "latest") -> int:
        """Return the number of transactions that `address` has sent."""
        return self._chain.get_vm(self.header(block)).state.get_nonce(Address(address))

    def code(self, address: bytes, block: str | int | bytes = "latest") -> bytes:
        """Return the runtime bytecode at `address`, empty for a plain account."""
        return self._chain.get_vm(self.header(block)).state.get_code(Address(address))

    def storage(self, address: bytes, slot: int, block: str | int | bytes = "latest") -> int:
        """Return one 256-bit storage word."""
        return self._chain.get_vm(self.header(block)).state.get_storage(Address(address), slot)

    # -- execution ------------------------------------------------------------------------------

    def call(self, call: Call, block: str | int | bytes = "latest") -> bytes:
        """Execute and forget; return the output. Raise Reverted or ExecutionFailed."""
        return self._execute(call, self.header(block)).output

    def estimate_gas(self, call: Call, block: str | int | bytes = "latest") -> int:
        """Return a gas limit that is enough; raise Reverted or ExecutionFailed if none is."""
        header = self.header(block)
        used = self._gas_used(call, self._execute(call, header))
        limit = min(used + used // _ESTIMATE_MARGIN, BLOCK_GAS_LIMIT)
        enough = Call(call.sender, call.to, call.data, call.value, limit)
        try:
            self._execute(enough, header)
        except (Reverted, ExecutionFailed):
            return BLOCK_GAS_LIMIT
        return limit

    def _transaction(self, call: Call) -> SpoofTransaction:
        unsigned = self._chain.create_unsigned_transaction(
            nonce=self.nonce(call.sender),
            gas_price=0,
            gas=min(call.gas or BLOCK_GAS_LIMIT, BLOCK_GAS_LIMIT),
            to=Address(call.to),
            value=call.value,
            data=call.data,
        )
        return SpoofTransaction(unsigned, from_=Address(call.sender))

    def _gas_used(self, call: Call, computation: ComputationAPI) -> int:
        intrinsic = self._transaction(call).intrinsic_gas
        return max(int(intrinsic) + computation.get_gas_used(), computation.data_floor_gas)

    def _execute(self, call: Call, header: BlockHeaderAPI) -> ComputationAPI:
        """Execute on top of `header` without fees. The state is dropped, so nothing is undone."""
        vm = cast(VM, self._chain.get_vm(header))  # the interface it promises lacks the context
        ahead = vm.create_header_from_parent(header, timestamp=self._next_timestamp())
        state = vm.build_state(
            self._chain.chaindb.db,
            ahead.copy(base_fee_per_gas=0, gas_limit=BLOCK_GAS_LIMIT),
            vm.chain_context,
            (header.hash, *(vm.previous_hashes or ())),
        )
        # A spoofed transaction is one without a signature; the interface knows only signed ones.
        computation: ComputationAPI = state.apply_transaction(
            self._transaction(call)  # type: ignore[arg-type]
        )
        if computation.is_error:
            if isinstance(computation.error, Revert):
                raise Reverted(computation.output)
            raise ExecutionFailed(f"{type(computation.error).__name__}: {computation.error}")
        return computation

    def send_raw(self, raw: bytes) -> bytes:
        """Execute a signed transaction in a block of its own; return its 32-byte hash.

        A revert is mined like a success. Raises ExecutionFailed for another chain's transaction,
        eth_utils' ValidationError for a wrong nonce, signature, fee or balance, and errors of rlp
        or PyEVMError for bytes that are no transaction.
        """
        transaction = self._chain.get_vm().get_transaction_builder().decode(raw)
        if transaction.chain_id not in (
            self.chain_id,
            None,
        ):  # None: older than EIP-155, for any chain
            raise ExecutionFailed(f"the transaction was signed for chain {transaction.chain_id}")
        self._chain.set_header_timestamp(self._next_timestamp())
        self._chain.apply_transaction(transaction)
        self._chain.mine_block()
        return transaction.hash

    # -- history --------------------------------------------------------------------------------

    def mined(self, transaction_hash: bytes) -> Mined:
        """Return a transaction with its receipt; raise eth.exceptions.TransactionNotFound."""
        number, index = self._chain.get_canonical_transaction_index(Hash32(transaction_hash))
        return self.mined_in(self.block(number))[index]

    def mined_in(self, block: BlockAPI) -> list[Mined]:
        """Return all transactions of `block` with their receipts, in order."""
        found, gas_before, logs_before = [], 0, 0
        receipts = block.get_receipts(self._chain.chaindb)
        for index, (transaction, receipt) in enumerate(
            zip(block.transactions, receipts, strict=True)
        ):
            gas_used = receipt.gas_used - gas_before  # a receipt's is cumulative
            found.append(Mined(block, index, transaction, receipt, gas_used, logs_before))
            gas_before, logs_before = receipt.gas_used, logs_before + len(receipt.logs)
        return found

    def mined_between(self, first: int, last: int) -> Iterator[Mined]:
        """Yield every transaction of the blocks `first`..`last`, as far as they exist."""
        for number in range(max(first, 0), min(last, self.header().block_number) + 1):
            yield from self.mined_in(self.block(number))

    # -- snapshots ------------------------------------------------------------------------------

    def snapshot(self) -> int:
        """Remember the present; return the number to revert to. Holds at most SNAPSHOTS_MAX."""
        if len(self._snapshots) >= SNAPSHOTS_MAX:
            raise ExecutionFailed(f"{SNAPSHOTS_MAX} snapshots are held already")
        self._snapshots.append((dict(self._store.kv_store), self._skew_s))
        return len(self._snapshots)

    def revert(self, snapshot: int) -> bool:
        """Go back to a snapshot, which forgets it and all later ones; False if it is unknown."""
        if not 1 <= snapshot <= len(self._snapshots):
            return False
        content, self._skew_s = self._snapshots[snapshot - 1]
        del self._snapshots[snapshot - 1 :]
        self._store = MemoryDB(content)
        self._chain = self._of_id(AtomicDB(self._store))
        return True

"""What the contracts say: which logs of a chain are the network's, and what those mean that the log follows.

Pure and bounded. A log of our contracts that the log follows and that does not decode is a lie about the
chain, so it is a Reject of its record; what is not followed passes as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from protocol.errors import Reject
from protocol.limits import ADDRESS_BYTES, HASH_BYTES
from protocol.money.eip712 import WORD_BYTES, keccak256, word
from protocol.money.settlement import ETHER, Address, Deployment

TOPICS_MAX: Final = 4  # of the EVM
# The longest that is followed, a set of 64 witnesses, has 2,144 bytes. A governor's proposal may have as
# many as its gas buys.
DATA_BYTES_MAX: Final = 4_096
ITEMS_MAX: Final = 64  # WitnessSet.WITNESSES_MAX; a payload has fewer assets

TRANSFER: Final = keccak256(b"Transfer(address,address,uint256)")
ASSET_LISTED: Final = keccak256(b"AssetListed(address)")


class RawLog(Protocol):
    """A log as a record carries it, or as an endpoint gives it."""

    @property
    def contract(self) -> bytes: ...
    @property
    def topics(self) -> Sequence[bytes]: ...
    @property
    def data(self) -> bytes: ...


# Fields are those of the event, in its order. The stake's `evidence` is a hash; `memo` has 32 bytes.


@dataclass(frozen=True, slots=True)
class AssetListed:
    asset: Address


@dataclass(frozen=True, slots=True)
class AssetUnlisted:
    asset: Address


@dataclass(frozen=True, slots=True)
class Deposited:
    asset: Address
    sender: Address
    amount: int
    memo: bytes


@dataclass(frozen=True, slots=True)
class Posted:
    epoch: int
    root: bytes
    assets: tuple[Address, ...]
    totals: tuple[int, ...]
    attempt: int
    witness_nonce: int
    signers: int


@dataclass(frozen=True, slots=True)
class Challenged:
    epoch: int
    witness: Address
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Upheld:
    epoch: int
    due_s: int


@dataclass(frozen=True, slots=True)
class Undone:
    epoch: int
    attempt: int
    by: bytes


@dataclass(frozen=True, slots=True)
class Enacted:
    epoch: int
    root: bytes


@dataclass(frozen=True, slots=True)
class EtherClaimed:
    account: Address
    amount: int


@dataclass(frozen=True, slots=True)
class EmissionChanged:
    emission_micro: int


@dataclass(frozen=True, slots=True)
class ChangeProposed:
    proposal: int
    witnesses: tuple[Address, ...]
    active_at_s: int


@dataclass(frozen=True, slots=True)
class ChangeVetoed:
    proposal: int


@dataclass(frozen=True, slots=True)
class WitnessesChanged:
    nonce: int
    proposal: int


@dataclass(frozen=True, slots=True)
class Bonded:
    person: bytes
    bonder: Address
    witness: Address
    amount: int


@dataclass(frozen=True, slots=True)
class UnbondRequested:
    bond: bytes
    leaving: int
    leaves_at_s: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    bond: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class SlashProposed:
    slash: int
    bond: bytes
    amount: int
    evidence: bytes
    ready_at_s: int


@dataclass(frozen=True, slots=True)
class SlashAppealed:
    slash: int


@dataclass(frozen=True, slots=True)
class SlashExecuted:
    slash: int
    amount: int


@dataclass(frozen=True, slots=True)
class SlashOverturned:
    slash: int


@dataclass(frozen=True, slots=True)
class MinimumChanged:
    minimum: int


@dataclass(frozen=True, slots=True)
class PolicyDecided:
    policy_hash: bytes


@dataclass(frozen=True, slots=True)
class PayeeAccepted:
    payee: Address
    person: bytes


@dataclass(frozen=True, slots=True)
class Transfer:
    """Of shares or of a listed asset: a claim, or a mint."""

    sender: Address
    recipient: Address
    amount: int


# By contract: the types of each event's arguments, and how many of them, the first ones, are topics.
_FOLLOWED: Final[dict[str, tuple[tuple[type[Any], str, int], ...]]] = {
    "vault": (
        (AssetListed, "address", 1),
        (AssetUnlisted, "address", 1),
        (Deposited, "address,address,uint256,bytes32", 2),
    ),
    "settlement": (
        (Posted, "uint256,bytes32,address[],uint256[],uint256,uint256,uint256", 2),
        (Challenged, "uint256,address,bytes32", 2),
        (Upheld, "uint256,uint256", 1),
        (Undone, "uint256,uint256,bytes4", 1),
        (Enacted, "uint256,bytes32", 2),
        (EtherClaimed, "address,uint256", 1),
        (EmissionChanged, "uint256", 0),
    ),
    "witness_set": (
        (ChangeProposed, "uint256,address[],uint256", 1),
        (ChangeVetoed, "uint256", 1),
        (WitnessesChanged, "uint256,uint256", 2),
    ),
    "stake": (
        (Bonded, "bytes32,address,address,uint256", 3),
        (UnbondRequested, "bytes32,uint256,uint256", 1),
        (Withdrawn, "bytes32,uint256", 1),
        (SlashProposed, "uint256,bytes32,uint256,bytes32,uint256", 2),
        (SlashAppealed, "uint256", 1),
        (SlashExecuted, "uint256,uint256", 1),
        (SlashOverturned, "uint256", 1),
        (MinimumChanged, "uint256", 0),
    ),
    "board": ((PolicyDecided, "bytes32", 1), (PayeeAccepted, "address,bytes32", 2)),
}
_Followed = tuple[type[Any], list[str], int]  # event, types of its arguments, how many are topics
_TOKEN: Final[_Followed] = (Transfer, ["address", "address", "uint256"], 2)

_BY_TOPIC: Final[dict[tuple[str, bytes], _Followed]] = {
    (contract, keccak256(f"{event.__name__}({types})".encode())): (event, types.split(","), indexed)
    for contract, events in _FOLLOWED.items()
    for event, types, indexed in events
}


def belongs(deployment: Deployment, assets: Collection[bytes], log: RawLog) -> bool:
    """Whether a log is one that the network's log holds.

    Every log of its contracts. Of its shares and of each asset that was ever listed, whoever wrote that, the
    Transfers out of the settlement, which are claims; of shares those out of nothing too, which are mints.
    `assets`: listed up to this log's block, or later.
    """
    if log.contract != deployment.share_token:
        if log.contract in deployment.contracts:
            return True
        if log.contract not in assets or log.contract == ETHER:
            return False
    if len(log.topics) != 3 or log.topics[0] != TRANSFER or len(log.data) != WORD_BYTES:
        return False
    senders = [word(deployment.settlement)]
    if log.contract == deployment.share_token:
        senders.append(word(ETHER))
    return log.topics[1] in senders


def newly_listed(deployment: Deployment, logs: Sequence[RawLog]) -> set[bytes]:
    """The assets that logs list."""
    return {
        log.topics[1][-ADDRESS_BYTES:]
        for log in logs
        if log.contract == deployment.vault
        and len(log.topics) == 2
        and log.topics[0] == ASSET_LISTED
    }


def decode(deployment: Deployment, log: RawLog) -> Any:
    """What a log that belongs says: one of the events above; None where the log does not follow it.

    Raises Reject for one that no contract of ours can have written.
    """
    if not log.topics:
        return None
    name = deployment.contracts.get(Address(log.contract))
    if name in (None, "share_token"):
        found: _Followed | None = _TOKEN
    else:
        found = _BY_TOPIC.get((name or "", log.topics[0]))
    if found is None:
        return None
    event, types, indexed = found
    if len(log.topics) != 1 + indexed:
        raise Reject(f"a {event.__name__} has {1 + indexed} topics, not {len(log.topics)}")
    reader = _Reader(event.__name__, log.data, len(types) - indexed)
    values = [reader.value(kind, topic) for kind, topic in zip(types, log.topics[1:], strict=False)]
    values += [reader.argument(at, kind) for at, kind in enumerate(types[indexed:])]
    reader.require_end()
    return event(*values)


@dataclass(slots=True)
class _Reader:
    """ABI words. Each list begins where the one before it ended, as Solidity writes them: one encoding."""

    event: str
    data: bytes
    arguments: int  # that are not topics: so many words come before the lists
    end: int = 0  # of what was read

    def argument(self, at: int, kind: str) -> Any:
        """The argument that stands at word `at`."""
        raw = self._word(at)
        self.end = max(self.end, self.arguments)
        return self._list(raw, kind[:-2]) if kind.endswith("[]") else self.value(kind, raw)

    def value(self, kind: str, raw: bytes) -> Any:
        """One word as a value."""
        if kind == "uint256":
            return int.from_bytes(raw, "big")
        if kind == "bytes32":
            return raw
        if kind == "address":
            self._require(not any(raw[:-ADDRESS_BYTES]), "an address is longer than an address")
            return Address(raw[-ADDRESS_BYTES:])
        self._require(not any(raw[4:]), "a selector is longer than a selector")
        return raw[:4]

    def require_end(self) -> None:
        """Raises Reject if there is more than was read, or less than a word."""
        self._require(len(self.data) == self.end * WORD_BYTES, "its data has another length")

    def _list(self, offset: bytes, kind: str) -> tuple[Any, ...]:
        at = self.end
        self._require(int.from_bytes(offset, "big") == at * WORD_BYTES, "a list is somewhere else")
        count = int.from_bytes(self._word(at), "big")
        self._require(count <= ITEMS_MAX, f"a list has more than {ITEMS_MAX} entries")
        self.end = at + 1 + count
        return tuple(self.value(kind, self._word(at + 1 + i)) for i in range(count))

    def _word(self, at: int) -> bytes:
        raw = self.data[at * WORD_BYTES : (at + 1) * WORD_BYTES]
        self._require(len(raw) == WORD_BYTES, "its data ends too early")
        return raw

    def _require(self, condition: bool, problem: str) -> None:
        if not condition:
            raise Reject(f"a {self.event} that no contract writes: {problem}")


def check_log(log: Any) -> None:
    """Raises Reject unless a ChainLog has the shape of a log."""
    hashes = (log.block_hash, log.tx_hash, *log.topics, *([log.data_hash] if log.data_hash else []))
    if len(log.contract) != ADDRESS_BYTES or len(log.topics) > TOPICS_MAX:
        raise Reject(f"a log is of one contract, and has at most {TOPICS_MAX} topics")
    if any(len(each) != HASH_BYTES for each in hashes):
        raise Reject("a hash or a topic of a log has 32 bytes")
    if len(log.data) > DATA_BYTES_MAX or (log.data and log.data_hash):
        raise Reject(
            f"data of more than {DATA_BYTES_MAX:,} bytes travels as its hash, and no other does"
        )

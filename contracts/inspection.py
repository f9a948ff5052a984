"""Are the contracts on chain those that this software ships, wired as the log's deployment says?

The places of immutable values are left out of the comparison of code, and then read from the code itself:
so nothing is asked of a contract before its code is known. The timelock's roles are in no getter; they are
what its events say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from contracts import Artifact, load
from contracts.findings import Finding, Kind
from contracts.reader import ChainReader
from protocol.money.eip712 import WORD_BYTES, domain_separator, keccak256, word
from protocol.money.onchain import OnChain
from protocol.money.settlement import ETHER, Deployment

ARTIFACTS: Final = {
    "share_token": "ShareToken",
    "timelock": "TimelockController",
    "governor": "NetworkGovernor",
    "witness_set": "WitnessSet",
    "vault": "Vault",
    "settlement": "Settlement",
    "stake": "Stake",
    "board": "Board",
}
"""The contracts' own names, by those that a `Deployment` has."""

# Which contract each immutable names. The bond's asset is ether: the log counts bonds in wei.
_WIRES: Final[dict[str, dict[str, str]]] = {
    "share_token": {"ShareToken.settlement": "settlement"},
    "timelock": {},
    "governor": {"GovernorVotes._token": "share_token"},
    "witness_set": {"WitnessSet.timelock": "timelock"},
    "vault": {
        "Vault.settlement": "settlement",
        "Vault.shareToken": "share_token",
        "Vault.timelock": "timelock",
    },
    "settlement": {
        "Terms.shareToken": "share_token",
        "Terms.stake": "stake",
        "Terms.timelock": "timelock",
        "Terms.vault": "vault",
        "Terms.witnessSet": "witness_set",
    },
    "stake": {
        "Stake.settlement": "settlement",
        "Stake.timelock": "timelock",
        "Stake.witnessSet": "witness_set",
    },
    "board": {"Board.timelock": "timelock"},
}
_DOMAINS: Final = {
    "share_token": "Commonhold Share",
    "governor": "Commonhold",
    "witness_set": "Commonhold",
    "settlement": "Commonhold",
    "stake": "Commonhold",
}
"""The name under which a contract's signatures are made; its version is 1."""

_GRANTED: Final = keccak256(b"RoleGranted(bytes32,address,address)")
_REVOKED: Final = keccak256(b"RoleRevoked(bytes32,address,address)")
_ADMIN: Final = bytes(32)


def differences(reader: ChainReader, deployment: Deployment, view: OnChain) -> Iterator[Finding]:
    """What to look for before money is sent: whether this chain is the one that the log has read, up to the
    block of `view`, and the contracts on it are the network's. Raises what the reader raises.

    A chain that was started anew has the same contracts at the same addresses, and other blocks.
    """
    reader.require_chain(deployment.chain_id)
    if view.last and reader.block(view.last).hash != view.last_hash:
        yield Finding(Kind.REORGANISED, f"block {view.last:,}")
        return
    yield from inspect(reader, deployment, reader.head())


def inspect(reader: ChainReader, deployment: Deployment, head: int) -> Iterator[Finding]:
    """What is wrong with the eight contracts, as of block `head`. Raises what the reader raises."""
    values: dict[str, int] = {}
    sound = True
    for name, contract in ARTIFACTS.items():
        artifact, code = load(contract), reader.code(getattr(deployment, name))
        kind = _kind_of(artifact, code)
        if kind is not None:
            sound = False
            yield Finding(kind, f"{contract} at 0x{getattr(deployment, name).hex()}")
            continue
        read = _immutables(artifact, code)
        values |= {variable: _number(found) for variable, found in read.items()}
        yield from _other_values(deployment, name, read)
    yield from _other_roles(reader, deployment, head)
    if sound:  # what another code answers says nothing
        yield from _unsafe_terms(reader, deployment, values)


def _kind_of(artifact: Artifact, code: bytes) -> Kind | None:
    if not code:
        return Kind.NO_CONTRACT
    return None if _blank(artifact, code) == artifact.deployed else Kind.ANOTHER_CODE


def _blank(artifact: Artifact, code: bytes) -> bytes:
    """The code without its immutable values."""
    blank = bytearray(code)
    for starts in artifact.immutables.values():
        for start in starts:
            blank[start : start + WORD_BYTES] = bytes(WORD_BYTES)
    return bytes(blank)


def _immutables(artifact: Artifact, code: bytes) -> dict[str, set[bytes]]:
    """The words that stand where each immutable goes: one, or the code was made by hand."""
    return {
        name: {code[start : start + WORD_BYTES] for start in starts}
        for name, starts in artifact.immutables.items()
    }


def _number(words: set[bytes]) -> int:
    return int.from_bytes(min(words), "big")


def _other_values(
    deployment: Deployment, name: str, read: Mapping[str, set[bytes]]
) -> Iterator[Finding]:
    expected = {
        variable: word(getattr(deployment, part)) for variable, part in _WIRES[name].items()
    }
    if name == "stake":
        expected["Stake.asset"] = word(ETHER)
    if name == "settlement":
        expected["Terms.START"] = word(deployment.start)
        expected["Terms.CARRIED"] = word(deployment.carried)
    if name in _DOMAINS:
        expected |= _domain(deployment, name)
    for variable, words in sorted(read.items()):
        if len(words) != 1 or (variable in expected and words != {expected[variable]}):
            yield Finding(Kind.ANOTHER_VALUE, f"{ARTIFACTS[name]}, {variable.split('.')[1]}")


def _domain(deployment: Deployment, name: str) -> dict[str, bytes]:
    """What OpenZeppelin's EIP712 keeps: short texts, their hashes, and the domain that they make."""
    title, contract = _DOMAINS[name], getattr(deployment, name)
    return {
        "EIP712._name": _short_text(title),
        "EIP712._version": _short_text("1"),
        "EIP712._hashedName": keccak256(title.encode()),
        "EIP712._hashedVersion": keccak256(b"1"),
        "EIP712._cachedChainId": word(deployment.chain_id),
        "EIP712._cachedThis": word(contract),
        "EIP712._cachedDomainSeparator": domain_separator(deployment.chain_id, contract, title),
    }


def _short_text(text: str) -> bytes:
    """A text of up to 31 bytes in one word: its bytes first, its length last."""
    return text.encode().ljust(WORD_BYTES - 1, b"\0") + bytes([len(text)])


# ---- roles ----


def _other_roles(reader: ChainReader, deployment: Deployment, head: int) -> Iterator[Finding]:
    proposer, canceller, executor = (
        keccak256(f"{name}_ROLE".encode()) for name in ("PROPOSER", "CANCELLER", "EXECUTOR")
    )
    expected = {
        (_ADMIN, deployment.timelock): "DEFAULT_ADMIN of the timelock itself",
        (proposer, deployment.governor): "PROPOSER of the governor",
        (canceller, deployment.governor): "CANCELLER of the governor",
        (executor, ETHER): "EXECUTOR of anybody",
    }
    held: set[tuple[bytes, bytes]] = set()
    topics = [(_GRANTED, _REVOKED)]
    for log in reader.raw_logs([deployment.timelock], topics, deployment.block, head):
        if len(log.topics) != 4:
            continue
        change = held.add if log.topics[0] == _GRANTED else held.discard
        change((log.topics[1], log.topics[2][12:]))
    for role, account in sorted(held - expected.keys()):
        yield Finding(Kind.ANOTHER_ROLE, f"the timelock's role 0x{role.hex()} of 0x{account.hex()}")
    for missing in sorted(expected.keys() - held):
        yield Finding(Kind.ANOTHER_ROLE, f"the timelock lacks the role {expected[missing]}")


# ---- delays and bounds ----


def _unsafe_terms(
    reader: ChainReader, deployment: Deployment, values: Mapping[str, int]
) -> Iterator[Finding]:
    """What holds between the delays, as docs/contracts.md says: votes may have changed some since."""
    governor = deployment.governor
    if reader.word(governor, "timelock") != int.from_bytes(deployment.timelock, "big"):
        yield Finding(Kind.ANOTHER_VALUE, "NetworkGovernor, timelock")
    longest = reader.word(governor, "longestDecision")
    delay, appeal = values["Terms.DELAY"], values["Terms.APPEAL_DELAY"]
    answer = 2 * delay + appeal + values["Stake.SLASH_DELAY"]
    emission = reader.word(deployment.settlement, "emission")
    minimum = reader.word(deployment.stake, "minimum")
    holds = {
        "a delay for objections": delay > 0,
        "APPEAL_DELAY beyond the longest decision": appeal > longest,
        "WITNESS_DELAY beyond the longest decision": values["WitnessSet.WITNESS_DELAY"] > longest,
        "UNBOND_DELAY beyond what a witness answers for": values["Stake.UNBOND_DELAY"] > answer,
        "the emission within EMISSION_MAX": emission <= values["Terms.EMISSION_MAX"],
        "the least bond within its bounds": values["Stake.MINIMUM_LOWEST"]
        <= minimum
        <= values["Stake.MINIMUM_HIGHEST"],
    }
    for what in (name for name, is_so in holds.items() if not is_so):
        yield Finding(Kind.UNSAFE_TERMS, f"the contracts do not hold {what}")

"""The operator's side of the chain: deploy, take in money, send what witnesses signed, claim.

Synchronous, for the settlement's command line process. Nothing here decides what anybody earns: that is
`protocol`, and the contracts take only what a quorum of witnesses recomputed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_utils.address import to_checksum_address

from contracts.client import ChainClient, SentTx
from contracts.facts import read_logs
from contracts.governor import Governor
from contracts.signed import Signed, payload_words
from contracts.spending import Spending
from coordinator.deploying import deploy, forget
from coordinator.terms import Founding, Terms
from protocol.errors import ConfigError, StateError
from protocol.money.eip712 import hash_words
from protocol.money.payload import Payload
from protocol.money.settlement import ETHER, Address, Deployment, Leaf
from protos.gen import records_pb2 as pb

#: A memo is one word on chain: a reference, or the hash of a longer text.
MEMO_BYTES_MAX: Final = 32
STATUSES: Final = ("waiting", "frozen", "upheld")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A root on chain, as it is now. `due_s`: when it may come into force, or, frozen, when it lapses."""

    epoch: int
    status: str  # one of STATUSES
    due_s: int
    payload: bytes  # its hash


class OperatorChain:
    """The operator's account on one chain. Errors are those of `contracts.client.ChainClient`."""

    def __init__(
        self,
        rpc_url: str,
        private_key: bytes,
        deployment: Deployment | None = None,
        spending: Spending | None = None,
    ) -> None:
        self._client = ChainClient(rpc_url, private_key, spending)
        self._deployment = deployment

    @property
    def deployment(self) -> Deployment | None:
        """Return whose contracts these are."""
        return self._deployment

    @property
    def address(self) -> Address:
        """Return the operator's account."""
        return self._client.address

    # -- contracts

    def deploy(
        self,
        terms: Terms,
        founding: Founding,
        report: Callable[[str], None] = lambda _: None,
    ) -> Deployment:
        """Deploy a network's contracts; they are this chain's from then on."""
        self._deployment = deploy(self._client, terms, founding, report)
        return self._deployment

    def forget_deploying(self) -> None:
        """Nothing is left to go on with: the log has the contracts."""
        forget(self._client, self._deployed().chain_id)

    def deploy_test_stable(self) -> Address:
        """Deploy a worthless stablecoin for demos; the operator owns all of it."""
        return self._client.deploy("TestStable")[0]

    # -- what is there

    def final_block(self) -> int:
        """Return the last block that counts as final; below zero before there is one."""
        finality = self._deployed().finality
        return self._client.final_block(finality) if finality else self._client.head()

    def head(self) -> tuple[int, int]:
        """Return the latest block's number and timestamp."""
        number = self._client.head()
        return number, self._client.block_at(number)[1]

    def block_at(self, number: int) -> tuple[bytes, int]:
        """Return a block's hash and timestamp."""
        return self._client.block_at(number)

    def logs(self, assets: Sequence[bytes], first: int, last: int) -> list[pb.ChainLog]:
        """Return what the log has to hold of some blocks."""
        return read_logs(self._client, self._deployed(), assets, first, last)

    def epochs(self) -> tuple[int, int]:
        """Return the epoch in force and the last that was posted, in the latest block."""
        functions = self._settlement()
        epoch = int(self._client.read(functions.epoch()))
        return epoch, int(self._client.read(functions.posted()))

    def root(self) -> bytes:
        """Return the root in force."""
        return bytes(self._client.read(self._settlement().root()))

    def waiting(self, epoch: int) -> Waiting:
        """Return where a root is that waits."""
        posting = self._client.read(self._settlement().posting(epoch))
        return Waiting(epoch, STATUSES[posting[3]], posting[2], bytes(posting[0]))

    def change_due_s(self) -> int:
        """Return when the waiting set of witnesses may take over; 0 if none waits."""
        return int(self._client.read(self._witness_set().activeAt()))

    def has_witnesses(self, witnesses: Sequence[bytes]) -> bool:
        """Return whether these are the witnesses in force. Ascending."""
        nonce = int(self._client.read(self._witness_set().nonce()))
        name = hash_words((nonce, hash_words(witnesses)))
        return bytes(self._client.read(self._witness_set().present())) == name

    def waits_for(self, witnesses: Sequence[bytes]) -> bool:
        """Return whether these are to take over. Ascending."""
        waiting = bytes(self._client.read(self._witness_set().waiting()))
        return self.change_due_s() > 0 and waiting == hash_words(witnesses)

    def received(self, asset: Address) -> int:
        """Return all that ever came in of an asset."""
        return int(self._client.read(self._vault().received(to_checksum_address(asset))))

    @property
    def governor(self) -> Governor:
        """Return what the holders of shares decide."""
        return Governor(self._client, self._deployed())

    # -- money in

    def deposit(self, asset: Address, amount: int, memo: bytes = b"") -> bytes:
        """Pay revenue into the network from the operator's account; return the hash.

        A token is approved first, for this amount alone. What a crash in between left approved is used, or
        taken back first: some tokens (USDT) let no approval replace another.
        """
        if len(memo) > MEMO_BYTES_MAX:
            raise ConfigError(f"a memo has at most {MEMO_BYTES_MAX} bytes", "use its hash")
        word, vault = memo.ljust(MEMO_BYTES_MAX, b"\x00"), self._vault()
        if asset == ETHER:
            return self._client.send(vault.depositEther(word), wei=amount).tx_hash
        token = self._client.contract("TestStable", asset)  # any ERC-20 has these functions
        where = to_checksum_address(self._deployed().vault)
        approved = self._client.read(
            token.functions.allowance(to_checksum_address(self.address), where)
        )
        if approved not in (0, amount):
            self._client.send(token.functions.approve(where, 0))
        if approved != amount:
            self._client.send(token.functions.approve(where, amount))
        return self._client.send(vault.deposit(to_checksum_address(asset), amount, word)).tx_hash

    # -- roots and witnesses

    def post(self, payload: Payload, last: Payload, by: Signed) -> SentTx:
        """Let a root wait. Raises Reject if the signatures are not a quorum's."""
        function = self._settlement().post(
            payload_words(payload), payload_words(last), by.attestation()
        )
        return self._client.send(function)

    def uphold(self, epoch: int, by: Signed) -> SentTx:
        """Say that a frozen root stands."""
        return self._client.send(self._settlement().uphold(epoch, by.attestation()))

    def lapse(self, epoch: int) -> SentTx:
        """Drop a frozen root that nobody upheld."""
        return self._client.send(self._settlement().lapse(epoch))

    def enact(self, payload: Payload) -> SentTx:
        """Put a root in force that has waited."""
        return self._client.send(self._settlement().enact(payload_words(payload)))

    def propose_witnesses(self, witnesses: Sequence[bytes], by: Signed) -> SentTx:
        """Propose another set of witnesses."""
        listed = [to_checksum_address(witness) for witness in witnesses]
        return self._client.send(self._witness_set().propose(listed, by.attestation()))

    def propose_slash(self, bond: bytes, amount: int, evidence: bytes, by: Signed) -> SentTx:
        """Propose that a bond pays; its bonder may appeal."""
        return self._client.send(
            self._stake().proposeSlash(bond, amount, evidence, by.attestation())
        )

    def execute_slash(self, number: int) -> SentTx:
        """Carry out a slash against which nobody appealed in time."""
        return self._client.send(self._stake().execute(number))

    def activate_witnesses(self) -> SentTx:
        """Put the set that has waited in force."""
        return self._client.send(self._witness_set().activate())

    # -- money out

    def claim_for(self, leaf: Leaf, proof: Sequence[bytes], skip: int = 0) -> SentTx:
        """Claim for an account; the money goes to the account. Bit i of `skip` leaves asset i out."""
        return self._client.send(self._claim(leaf, proof, skip))

    def claim_cost_wei(self, leaf: Leaf, proof: Sequence[bytes]) -> int:
        """Return what claiming all of a leaf takes at most, at the present price of gas."""
        return self._client.cost(self._claim(leaf, proof, 0)).total

    def _claim(self, leaf: Leaf, proof: Sequence[bytes], skip: int) -> Any:
        return self._settlement().claim(
            list(proof),
            skip,
            to_checksum_address(leaf.account),
            [to_checksum_address(asset) for asset, _ in leaf.amounts],
            [amount for _, amount in leaf.amounts],
        )

    def claimed(self, asset: Address) -> int:
        """Return what the operator's account has claimed of `asset` so far."""
        account, token = to_checksum_address(self.address), to_checksum_address(asset)
        return int(self._client.read(self._settlement().claimed(account, token)))

    def fund(self, addresses: Sequence[bytes], wei: int) -> None:
        """Send `wei` to each address, so that it can pay for its claims."""
        for address in addresses:
            self._client.transfer(Address(address), wei)

    def _deployed(self) -> Deployment:
        if self._deployment is None:
            raise StateError(
                "no contracts are known", "`commonhold coordinator settle` deploys them"
            )
        self._client.require_chain(self._deployment.chain_id)
        return self._deployment

    def _settlement(self) -> Any:
        return self._client.contract("Settlement", self._deployed().settlement).functions

    def _stake(self) -> Any:
        return self._client.contract("Stake", self._deployed().stake).functions

    def _vault(self) -> Any:
        return self._client.contract("Vault", self._deployed().vault).functions

    def _witness_set(self) -> Any:
        return self._client.contract("WitnessSet", self._deployed().witness_set).functions

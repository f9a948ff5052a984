"""A contributor's side of the contracts: claim, let others claim, bond, object, vote. Every method blocks
until its transaction is mined.

Errors are those of `contracts.client.ChainClient`: Unreachable, StateError, ConfigError, LocalError.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from eth_utils.address import to_canonical_address, to_checksum_address

from contracts.client import ChainClient, ContractRefused, SentTx
from contracts.facts import chain_log
from contracts.governor import Governor
from contracts.signed import Signed, payload_words
from contracts.spending import Spending, TooDear, ether
from node.wallet import ClaimTx, NothingLeft, Posting
from protocol.errors import Reject, StateError
from protocol.identity import PersonId
from protocol.limits import ADDRESS_BYTES
from protocol.money import events
from protocol.money.payload import Payload, bond_id
from protocol.money.payout import set_claimer_call
from protocol.money.settlement import ETHER, Address, Deployment, Leaf, verify_proof

_ZERO: Final = Address(bytes(ADDRESS_BYTES))  # nobody


class NodeChain:
    """The contracts of one network, and the account that pays for what is sent."""

    def __init__(
        self, rpc_url: str, secret: bytes, deployment: Deployment, spending: Spending | None
    ) -> None:
        self._client = ChainClient(rpc_url, secret, spending)
        self._deployment = deployment
        self._client.require_chain(deployment.chain_id)

    @property
    def address(self) -> Address:
        """Return the account."""
        return self._client.address

    @property
    def governor(self) -> Governor:
        """Return what the holders of shares decide, and our part in it."""
        return Governor(self._client, self._deployment)

    # -- claims

    def root(self) -> bytes:
        """Return the root in force."""
        return bytes(self._client.read(self._settlement().root()))

    def claimed(self, account: Address, asset: Address) -> int:
        """Return all that an account ever claimed of an asset."""
        function = self._settlement().claimed(
            to_checksum_address(account), to_checksum_address(asset)
        )
        return int(self._client.read(function))

    def balance(self, asset: Address) -> int:
        """Return what our account holds of `asset`, however it came by it."""
        if asset == ETHER:
            return self._client.balance(self.address)
        token = self._client.contract("ShareToken", asset).functions
        return int(self._client.read(token.balanceOf(to_checksum_address(self.address))))

    def claim(
        self,
        leaf: Leaf,
        proof: Sequence[bytes],
        root: bytes,
        wanted: Sequence[Address],
        *,
        to: Address | None = None,
        thrifty: bool = False,
    ) -> ClaimTx:
        """Claim the `wanted` assets of a leaf, in one transaction. What was claimed before is left out.

        `to`: who is paid in place of the leaf's account, which has to be ours, or to let us. `thrifty`: raise
        TooDear where it is ether alone that is due, and its gas would cost as much. What other assets are
        worth, nobody here knows.

        Raises NothingLeft, StateError when we may not send it to `to` or the root is no longer in force,
        Reject for a proof that does not lead to the root.
        """
        if not verify_proof(root, leaf, proof):
            raise Reject("the proof does not lead to the settlement's root")
        recipient = to or leaf.account
        if recipient != leaf.account:
            self._require_claimer(leaf.account)
        before = {asset: self.claimed(leaf.account, asset) for asset, _ in leaf.amounts}
        due = [a for a, amount in leaf.amounts if a in wanted and amount > before[a]]
        if not due:
            raise NothingLeft
        skip = sum(1 << at for at, (asset, _) in enumerate(leaf.amounts) if asset not in due)
        function = self._claim_function(leaf, recipient, proof, skip)
        if thrifty and due == [ETHER]:
            self._require_gain(function, leaf.amount(ETHER) - before[ETHER])
        sent = self._send_claim(function)
        gained = {asset: self.claimed(leaf.account, asset) - before[asset] for asset in due}
        paid = tuple((asset, amount) for asset, amount in gained.items() if amount)
        failed = tuple(asset for asset, amount in gained.items() if not amount)
        return ClaimTx(sent.tx_hash, sent.gas, paid, failed)

    def _claim_function(
        self, leaf: Leaf, recipient: Address, proof: Sequence[bytes], skip: int
    ) -> Any:
        account, there = to_checksum_address(leaf.account), to_checksum_address(recipient)
        assets = [to_checksum_address(asset) for asset, _ in leaf.amounts]
        amounts = [amount for _, amount in leaf.amounts]
        settlement = self._settlement()
        if there == account:
            return settlement.claim(list(proof), skip, account, assets, amounts)
        return settlement.claimTo(list(proof), skip, account, there, assets, amounts)

    def _require_gain(self, function: Any, wei: int) -> None:
        cost = self._client.cost(function).total
        if cost >= wei:
            raise TooDear(
                f"{ether(wei)} to claim, and claiming it takes {ether(cost)} now",
                "wait for more, or for cheaper gas; `commonhold node claim` claims it all the same",
            )

    def _send_claim(self, function: Any) -> SentTx:
        try:
            return self._client.send(function)
        except ContractRefused as refused:
            if refused.error == "NothingToClaim":
                raise NothingLeft from refused
            if refused.error == "RootNotInForce":
                raise StateError(
                    "this epoch's root is not in force", "claim again once the node has caught up"
                ) from refused
            raise

    # -- who may send payments elsewhere

    def claimer(self, account: Address) -> Address | None:
        """Return who may send an account's payments elsewhere, beside itself."""
        found = self._client.read(self._settlement().claimerOf(to_checksum_address(account)))
        claimer = Address(to_canonical_address(found))
        return None if claimer == _ZERO else claimer

    def set_claimer(self, claimer: Address | None) -> SentTx:
        """Let somebody send our account's payments elsewhere, in place of whoever might before."""
        return self._client.send(
            self._settlement().setClaimer(to_checksum_address(claimer or _ZERO))
        )

    def claimer_call(self, claimer: Address | None) -> str:
        """Return what `set_claimer` sends, in words, for an account that has no key here."""
        claimer = claimer or _ZERO
        return (
            f"let it send this call, without ether, on chain {self._deployment.chain_id}:\n"
            f"to        {to_checksum_address(self._deployment.settlement)}, the network's Settlement\n"
            f"function  setClaimer(address claimer)\n"
            f"claimer   {to_checksum_address(claimer)}\n"
            f"calldata  0x{set_claimer_call(claimer).hex()}"
        )

    def _require_claimer(self, account: Address) -> None:
        if self.address in (account, self.claimer(account)):
            return
        there, ours = to_checksum_address(account), to_checksum_address(self.address)
        is_contract = bool(self._client.code(account))
        raise StateError(
            f"{there} has not let {ours}, this node's account, send its payments elsewhere",
            f"{self.claimer_call(self.address)}\nand run this again; what is paid to itself anybody claims"
            if is_contract
            else f"its owner runs `commonhold node claimer {ours}`; what is paid to itself anybody claims",
        )

    # -- bonds

    def bond(self, person: PersonId, amount_wei: int) -> SentTx:
        """Vouch for a person, and for our account as a witness, with ether."""
        function = self._stake().bond(person, amount_wei, to_checksum_address(self.address))
        return self._client.send(function, wei=amount_wei)

    def bonded(self, person: PersonId) -> tuple[int, int, int]:
        """Return what of our bond vouches, what is leaving, and when that may be withdrawn."""
        bond = self._client.read(self._stake().bonds(bond_id(person, self.address)))
        return int(bond[3]), int(bond[4]), int(bond[2])

    def bond_minimum(self) -> int:
        """Return with how much a witness may object."""
        return int(self._client.read(self._stake().minimum()))

    def time_s(self) -> int:
        """Return the time of the latest block: what the contracts go by."""
        return self._client.block_at(self._client.head())[1]

    def request_unbond(self, person: PersonId, amount_wei: int) -> SentTx:
        """Begin to take our bond back."""
        return self._client.send(self._stake().requestUnbond(person, amount_wei))

    def withdraw(self, person: PersonId) -> SentTx:
        """Take back what has waited long enough."""
        return self._client.send(self._stake().withdraw(person))

    def appeal(self, number: int) -> SentTx:
        """Bring a slash of our bond before the holders of shares."""
        return self._client.send(self._stake().appeal(number))

    # -- objections

    def objection_s(self) -> int:
        """Return for how many seconds a root waits for objections. Fixed for ever."""
        return int(self._client.read(self._settlement().DELAY()))

    def tip(self) -> bytes:
        """Return the hash of the latest block."""
        return self._client.tip()

    def waiting(self) -> list[Posting]:
        """Return the roots that wait, in order."""
        settlement = self._settlement()
        epoch = int(self._client.read(settlement.epoch()))
        found = []
        for each in range(epoch + 1, int(self._client.read(settlement.posted())) + 1):
            posting = self._client.read(settlement.posting(each))
            found.append(Posting(each, bytes(posting[0]), posting[3] == 0, int(posting[2])))
        return found

    def challenge(
        self, epoch: int, evidence: bytes, witnesses: Sequence[bytes], person: PersonId
    ) -> SentTx:
        """Freeze a root that waits. `witnesses`: the present set; our bond is the one for `person`."""
        listed = [to_checksum_address(witness) for witness in witnesses]
        bond = bond_id(person, self.address)
        return self._client.send(self._settlement().challenge(epoch, evidence, listed, bond))

    def contradict(self, other: Payload, by: Signed) -> SentTx:
        """Undo the root that is posted for an epoch: the same witnesses signed `other` for it. The bonds of
        those who signed both are proposed to be slashed. Takes no bond, only gas."""
        posted, bonds = self._posted(other.epoch), self._bonds_of(by.witnesses)
        function = self._settlement().contradict(
            payload_words(posted), payload_words(other), by.attestation(), bonds
        )
        return self._client.send(function)

    def _posted(self, epoch: int) -> Payload:
        said = self._said(self._deployment.settlement)
        found = [each for each in said if isinstance(each, events.Posted) and each.epoch == epoch]
        if not found:
            raise StateError(f"no root of epoch {epoch} was posted", "the chain may have moved on")
        totals = tuple(zip(found[-1].assets, found[-1].totals, strict=True))
        return Payload(epoch, found[-1].root, totals)

    def _bonds_of(self, witnesses: Collection[Address]) -> list[bytes]:
        """All that were ever made for these witnesses; what is not there, or did not sign, is left alone."""
        said = self._said(self._deployment.stake)
        bonds = (each for each in said if isinstance(each, events.Bonded))
        return sorted({bond_id(b.person, b.bonder) for b in bonds if b.witness in witnesses})

    def _said(self, contract: Address) -> Iterator[object]:
        """All that a contract ever said and the log would follow: not what the log says that it did."""
        block, head = self._deployment.block, self._client.head()
        for raw in self._client.raw_logs([contract], None, block, head):
            yield events.decode(self._deployment, chain_log(raw))

    def _settlement(self) -> Any:
        return self._client.contract("Settlement", self._deployment.settlement).functions

    def _stake(self) -> Any:
        return self._client.contract("Stake", self._deployment.stake).functions

"""The holders of shares: what is proposed, how the votes stand, and every step of a decision.

Whoever may propose writes the description, whatever bytes it has; what a proposal does is read from its
calls alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_canonical_address, to_checksum_address
from hexbytes import HexBytes
from web3.contract import Contract
from web3.exceptions import Web3Exception

from contracts.client import ChainClient, ContractRefused, SentTx
from contracts.endpoint import no_such_contract
from contracts.history import RawLog
from protocol.errors import StateError
from protocol.money.eip712 import keccak256
from protocol.money.settlement import Address, Deployment

STATES: Final = (
    *("pending", "active", "canceled", "defeated", "succeeded", "queued", "expired", "executed"),
)
CHOICES: Final = {"no": 0, "yes": 1, "abstain": 2}
# Whose functions a decision calls; by the name in a Deployment.
_ARMS: Final = {
    "settlement": "Settlement",
    "vault": "Vault",
    "witness_set": "WitnessSet",
    "stake": "Stake",
    "board": "Board",
}
_CREATED: Final = keccak256(
    b"ProposalCreated(uint256,address,address[],uint256[],string[],bytes[],uint256,uint256,string)"
)
# As there, but for texts: they may be no text at all.
_CREATED_TYPES: Final = (
    *("uint256", "address", "address[]", "uint256[]", "bytes[]", "bytes[]"),
    *("uint256", "uint256", "bytes"),
)


@dataclass(frozen=True, slots=True)
class Act:
    """A call that a decision makes. `contract`: its name in a Deployment, or an address, of others."""

    contract: str
    function: str  # empty: not one that we know
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was proposed, as its event holds it. Times in seconds."""

    id: int
    proposer: Address
    targets: tuple[str, ...]
    values: tuple[int, ...]
    calls: tuple[bytes, ...]
    description: bytes
    starts_s: int  # whose shares count is read then
    block: int

    @property
    def text(self) -> str:
        """The description, as far as it is text."""
        return self.description.decode("utf-8", "replace")

    @property
    def hashed(self) -> tuple[list[str], list[int], list[bytes], bytes]:
        """As the contract wants to be told of it."""
        calls = list(self.calls)
        return list(self.targets), list(self.values), calls, keccak256(self.description)


@dataclass(frozen=True, slots=True)
class Tally:
    """How a proposal stands now. Votes in micro-shares."""

    state: str  # one of STATES
    ends_s: int  # of the vote
    no: int
    yes: int
    abstain: int
    quorum: int | None  # how many yes and abstain it takes; None before the vote has begun
    due_s: int  # when it may be executed; 0 before it is queued


class Governor:
    """The governor of a network's contracts. Errors are those of `ChainClient`."""

    def __init__(self, client: ChainClient, deployment: Deployment) -> None:
        self._client, self._deployment = client, deployment
        self._functions = client.contract("NetworkGovernor", deployment.governor).functions
        self._shares = client.contract("ShareToken", deployment.share_token).functions
        self._me = to_checksum_address(client.address)

    # -- what there is

    def proposals(self) -> list[Proposal]:
        """Return all that was ever proposed, in order.

        Raises ConfigError where there is no governor: nothing was proposed on another chain, either.
        """
        if not self._client.code(self._deployment.governor):
            raise no_such_contract()
        logs = self._client.raw_logs(
            [self._deployment.governor], [_CREATED], self._deployment.block, self._client.head()
        )
        return [made for each in logs if (made := _proposal(each)) is not None]

    def tally(self, proposal: Proposal) -> Tally:
        """Return how a proposal stands."""
        read, of = self._client.read, self._functions
        state = STATES[read(of.state(proposal.id))]
        no, yes, abstain = read(of.proposalVotes(proposal.id))
        quorum = None if state == "pending" else int(read(of.quorum(proposal.starts_s)))
        return Tally(
            state,
            int(read(of.proposalDeadline(proposal.id))),
            int(no),
            int(yes),
            int(abstain),
            quorum,
            int(read(of.proposalEta(proposal.id))),
        )

    def acts(self, proposal: Proposal) -> list[Act]:
        """Return what a proposal does, as far as we know such calls."""
        return [
            self._act(target, value, call)
            for target, value, call in zip(
                proposal.targets, proposal.values, proposal.calls, strict=True
            )
        ]

    def threshold(self) -> int:
        """Return how many votes a proposal takes from its author."""
        return int(self._client.read(self._functions.proposalThreshold()))

    def emission_max(self) -> int:
        """Return the most that a decision may let an epoch mint."""
        settlement = self._client.contract("Settlement", self._deployment.settlement).functions
        return int(self._client.read(settlement.EMISSION_MAX()))

    # -- our shares

    def shares(self) -> int:
        """Return how many micro-shares our account holds."""
        return int(self._client.read(self._shares.balanceOf(self._me)))

    def delegate(self) -> Address:
        """Return who votes with our shares; zero: nobody."""
        return Address(to_canonical_address(self._client.read(self._shares.delegates(self._me))))

    def votes(self, proposal: Proposal) -> int:
        """Return our votes on a proposal whose vote has begun."""
        return int(self._client.read(self._functions.getVotes(self._me, proposal.starts_s)))

    def present_votes(self) -> int:
        """Return the votes that our account has now."""
        return int(self._client.read(self._shares.getVotes(self._me)))

    def has_voted(self, proposal: Proposal) -> bool:
        """Return whether our account has."""
        return bool(self._client.read(self._functions.hasVoted(proposal.id, self._me)))

    # -- steps

    def delegate_to_ourselves(self) -> SentTx:
        """Let our shares vote, from the next block on."""
        return self._client.send(self._shares.delegate(self._me))

    def propose(self, acts: Sequence[Act], description: str) -> tuple[Proposal, SentTx]:
        """Propose some acts of the network's own contracts. Nobody else can propose the same words.

        Raises StateError, and sends nothing, for what the contracts would not do if it were decided now.
        """
        words = f"{description}\n#proposer={self._me.lower()}"  # the governor reads this line
        for act in acts:
            self._require_possible(act)
        calls = [self._call(act) for act in acts]
        targets = [to_checksum_address(getattr(self._deployment, act.contract)) for act in acts]
        sent = self._client.send(self._functions.propose(targets, [0] * len(acts), calls, words))
        found = [
            made
            for log in self._client.raw_logs(
                [self._deployment.governor], [_CREATED], sent.block, sent.block
            )
            if log.tx_hash == sent.tx_hash and (made := _proposal(log)) is not None
        ]
        return found[0], sent

    def vote(self, proposal: Proposal, choice: str) -> SentTx:
        """Cast our votes: one of CHOICES, once."""
        return self._client.send(self._functions.castVote(proposal.id, CHOICES[choice]))

    def queue(self, proposal: Proposal) -> SentTx:
        """Hand what was decided to the timelock."""
        return self._client.send(self._functions.queue(*proposal.hashed))

    def execute(self, proposal: Proposal) -> SentTx:
        """Do what was decided and has waited."""
        return self._client.send(self._functions.execute(*proposal.hashed))

    def _require_possible(self, act: Act) -> None:
        """A vote about what cannot be done costs everybody's time, and its author gas."""
        function = self._contract(act.contract).functions[act.function](*act.arguments)
        try:
            self._client.read(function, caller=self._deployment.timelock)
        except ContractRefused as refused:
            raise StateError(
                f"if this were decided now, it could not be done: {refused}",
                "propose it when it can be done; nothing was sent",
            ) from refused

    def _call(self, act: Act) -> bytes:
        contract = self._contract(act.contract)
        return bytes(HexBytes(contract.encode_abi(act.function, list(act.arguments))))

    def _contract(self, name: str) -> Contract:
        return self._client.contract(_ARMS[name], getattr(self._deployment, name))

    def _act(self, target: str, value: int, call: bytes) -> Act:
        name = self._deployment.contracts.get(Address(to_canonical_address(target)), "")
        if value or name not in _ARMS:
            return Act(target, "")
        contract = self._contract(name)
        try:
            function, arguments = contract.decode_function_input(HexBytes(call))
        except (ValueError, DecodingError, Web3Exception):
            return Act(name, "")
        return Act(name, function.fn_name, tuple(arguments.values()))


def _proposal(log: RawLog) -> Proposal | None:
    """None for what no governor writes."""
    try:
        id_, proposer, targets, values, _, calls, starts_s, _, description = decode(
            _CREATED_TYPES, log.data
        )
    except DecodingError:
        return None
    return Proposal(
        id_,
        Address(to_canonical_address(proposer)),
        tuple(to_checksum_address(each) for each in targets),
        tuple(values),
        tuple(calls),
        description,
        starts_s,
        log.block,
    )

"""What is chosen when a network's contracts are deployed, and fixed for ever then: the section [settlement].

The delays are what protects the members: in `delay` a witness may object to a root; in `appeal_delay` the
holders of shares may vote against one that the witnesses insist on. docs/contracts.md has the rules between
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from commonground.durations import parse_duration
from protocol.errors import ConfigError
from protocol.limits import PPM
from protocol.money.settlement import Address

ADDRESS_HEX_CHARS: Final = 40
ASSETS_MAX: Final = 31  # Vault.ASSETS_MAX without ether
#: Sets below this have nobody who could outvote one.
WITNESSES_SAFE: Final = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """Durations are texts like 3d; shares are whole ones; a bond is in wei, written as text: it outgrows
    TOML.
    """

    finality: int = 64  # blocks after which one is final: two epochs of Ethereum
    delay: str = "3d"
    appeal_delay: str = "11d"
    witness_delay: str = "11d"
    voting_delay: str = "1d"
    voting_period: str = "3d"
    late_extension: str = "1d"
    timelock_delay: str = "2d"
    unbond_delay: str = "24d"
    slash_delay: str = "5d"
    emission_factor: int = 10  # of the policy's emission, what a vote may raise it to
    proposal_shares: int = 1
    quorum_percent: int = 4
    quorum_shares: int = 100
    bond_wei: str = "100000000000000000"  # a tenth of an ether
    tokens: list[str] = field(default_factory=list)  # listed from the start, beside ether

    def __post_init__(self) -> None:
        self._check_delays()
        if not 0 <= self.finality < 1 << 16:
            raise ConfigError(
                f"finality is {self.finality}", "give the blocks after which one is final"
            )
        if not 1 <= self.quorum_percent <= 100 or min(self.proposal_shares, self.quorum_shares) < 0:
            raise ConfigError(
                "quorum_percent, quorum_shares or proposal_shares cannot be",
                "give a percentage of 1 to 100, and shares of 0 or more",
            )
        if self.emission_factor < 1:
            raise ConfigError(f"emission_factor is {self.emission_factor}", "give 1 or more")
        if not self.bond_wei.isdecimal() or not 0 < int(self.bond_wei) < 1 << 96:
            raise ConfigError(f"bond_wei is {self.bond_wei!r}", "give wei, as digits in quotes")
        if len(self.tokens) > ASSETS_MAX:
            raise ConfigError(f"there are more than {ASSETS_MAX} tokens", "list fewer")
        self.token_addresses()

    def seconds(self, name: str) -> int:
        """A duration, in whole seconds."""
        return -(-parse_duration(getattr(self, name), name) // 1_000)

    def voting(self) -> tuple[int, ...]:
        """How the holders of shares vote, as the governor's constructor takes it."""
        return (
            self.seconds("voting_delay"),
            self.seconds("voting_period"),
            self.seconds("late_extension"),
            self.proposal_shares * PPM,
            self.quorum_percent,
            self.quorum_shares * PPM,
        )

    def bond_bounds(self) -> tuple[int, int, int]:
        """The least bond of a witness: how low, how high a vote may set it, and what it is at first."""
        first = int(self.bond_wei)
        return max(1, first // 100), first * 100, first

    def token_addresses(self) -> list[Address]:
        """The listed tokens. Raises ConfigError for what is no address."""
        found = []
        for token in self.tokens:
            digits = str(token).removeprefix("0x")
            try:
                raw = bytes.fromhex(digits)
            except ValueError:
                raw = b""
            if len(digits) != ADDRESS_HEX_CHARS or not any(raw):
                raise ConfigError(f"{token!r} is no token's address", "write 0x and 40 digits")
            found.append(Address(raw))
        return found

    def _check_delays(self) -> None:
        """What the contracts would refuse, before anything is paid for."""
        longest = (
            self.seconds("voting_delay")
            + 2 * self.seconds("voting_period")
            + self.seconds("timelock_delay")
        )
        for name in ("appeal_delay", "witness_delay"):
            if self.seconds(name) <= longest:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, and a vote may last {longest} s",
                    "make it longer than voting_delay, twice voting_period and timelock_delay together",
                )
        if self.seconds("late_extension") > self.seconds("voting_period"):
            raise ConfigError("late_extension is longer than voting_period", "make it shorter")
        answer = (
            2 * self.seconds("delay") + self.seconds("appeal_delay") + self.seconds("slash_delay")
        )
        if self.seconds("unbond_delay") <= answer:
            raise ConfigError(
                f"unbond_delay is {self.unbond_delay}, and a witness may have to answer for {answer} s",
                "make it longer than twice delay, appeal_delay and slash_delay together",
            )


@dataclass(frozen=True, slots=True)
class Founding:
    """What the contracts begin with. `witnesses` ascending; `emission_micro`: what an epoch may mint, and
    `emission_max_micro`, what a vote may raise it to; `start`, `carried`: as a `Deployment` has them.
    """

    witnesses: tuple[Address, ...]
    emission_micro: int
    emission_max_micro: int
    start: int = 0
    carried: int = 0


def tryout(**changes: Any) -> Terms:
    """Delays of seconds, for a chain on one's own machine: nobody could object in time."""
    values: dict[str, Any] = {
        "finality": 0,
        "delay": "1s",
        "appeal_delay": "5s",
        "witness_delay": "5s",
        "voting_delay": "1s",
        "voting_period": "1s",
        "late_extension": "1s",
        "timelock_delay": "1s",
        "unbond_delay": "9s",
        "slash_delay": "1s",
        "quorum_shares": 0,
        "proposal_shares": 0,
    }
    return Terms(**(values | changes))


def few_witnesses(count: int) -> str:
    """What is wrong with fewer than WITNESSES_SAFE of them."""
    who = "one witness signs" if count == 1 else f"{count} witnesses sign"
    return (
        f"WARNING: {who} for all money. Below {WITNESSES_SAFE} nobody outvotes one that lies or is silent:"
        " `commonhold coordinator witnesses` proposes more"
    )

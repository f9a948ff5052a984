"""Are these contracts fit for a network to move to? Looked at before a witness agrees, and never afterwards.

Beyond what `inspection` looks at, nobody may have done anything there yet, and an epoch may mint no more
there than where the network settles now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from contracts.findings import Finding, Kind
from contracts.inspection import inspect
from contracts.reader import ChainReader
from protocol.money.eip712 import hash_words
from protocol.money.settlement import Address, Deployment


@dataclass(frozen=True, slots=True)
class Terms:
    """What is fixed there for ever, but for the emission; in seconds and micro-shares."""

    delay_s: int
    emission_micro: int
    emission_max_micro: int


def read_terms(reader: ChainReader, deployment: Deployment) -> Terms:
    """Gives them; raises what the reader raises. Only of contracts whose code is known it means anything."""
    names = ("DELAY", "emission", "EMISSION_MAX")
    return Terms(*(reader.word(deployment.settlement, name) for name in names))


def inspect_arrival(
    reader: ChainReader,
    to: Deployment,
    witnesses: Collection[Sequence[Address]],
    emission_micro: int,
    emission_max_micro: int | None,
) -> Iterator[Finding]:
    """What speaks against a move there. `witnesses`: the sets that may be in force; then what the present
    contracts mint in an epoch, and what a vote there may raise it to, None where they cannot be asked. Raises
    ConfigError for an endpoint of another chain, Unreachable.
    """
    reader.require_chain(to.chain_id)
    head = reader.head()
    found = list(inspect(reader, to, head))
    yield from found
    if found:  # what another code answers says nothing
        return
    numbers = [reader.word(to.settlement, name, head) for name in ("epoch", "posted", "attempt")]
    sets = {
        hash_words((reader.word(to.witness_set, "nonce", head), hash_words(each)))
        for each in witnesses
    }
    terms = read_terms(reader, to)
    most = terms.emission_max_micro if emission_max_micro is None else emission_max_micro
    holds = {
        "Settlement, the roots": numbers == [to.start, to.start, 0],
        "ShareToken, the supply": reader.word(to.share_token, "totalSupply", head) == 0,
        "WitnessSet, the witnesses": reader.word(to.witness_set, "present", head).to_bytes(32)
        in sets,
        "Settlement, the emission": terms.emission_micro <= emission_micro,
        "Settlement, EMISSION_MAX": terms.emission_max_micro <= most,
    }
    for where in (name for name, is_so in holds.items() if not is_so):
        yield Finding(Kind.NOT_FIT, where)

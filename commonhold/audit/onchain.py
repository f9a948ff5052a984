"""Does the chain say what the log says? The contracts' code, every event, the roots, the shares."""

from __future__ import annotations

from contracts.endpoint import Endpoint
from contracts.logged import Said
from contracts.reader import ChainReader
from contracts.watch import Look, Watch


def reader_of(rpc_url: str) -> ChainReader:
    """A reader of a chain; asks nobody yet. Raises ConfigError for what is no endpoint's address."""
    return ChainReader(Endpoint(rpc_url))


def audit_chain(said: Said | None, reader: ChainReader, as_of_s: float) -> Look:
    """Holds all that a log says of its chain against the chain. Raises nothing of the endpoint's: a look that
    failed says so, and is no pass.

    said: None where the log knows of no contracts. as_of_s: when we began to read the log, so that it has all
    that was in it before.
    """
    if said is None:
        return Look(
            unchecked="the log names no contracts on any chain",
            advice="`commonhold coordinator settle` deploys them; ask again after that",
        )
    return Watch(reader).look(said, as_of_s)

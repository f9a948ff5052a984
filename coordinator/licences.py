"""Licences: sales of snapshots and models. What a buyer pays with the licence's id as memo is its revenue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from coordinator.dataset.snapshots import find_snapshot
from coordinator.operator import Operator
from protocol.errors import ConfigError
from protocol.limits import ADDRESS_BYTES
from protocol.money.settlement import ETHER
from protocol.state import State
from protos.gen import records_pb2 as pb

ETH: Final = "eth"


@dataclass(frozen=True, slots=True)
class LicenceView:
    """A licence, and what came in for it so far. Amounts are decimal, in the asset's smallest unit."""

    id: str
    snapshot: str  # digest, hexadecimal; of a model, that of its job: empty where it has none
    model: str  # the job that made it; empty for a snapshot
    campaign: str
    licensee: str
    terms: str
    asset: str
    price: str
    paid: str
    withdrawn: int  # items and parts of the snapshot, since; or refused by a panel

    @property
    def asset_name(self) -> str:
        """As `licence --asset` takes it."""
        return ETH if self.asset == "0x" + ETHER.hex() else self.asset


def parse_asset(text: str) -> bytes:
    """20 bytes from `eth` or a token's 0x address; raises ConfigError."""
    if text.lower() == ETH:
        return ETHER
    try:
        asset = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        asset = b""
    if len(asset) != ADDRESS_BYTES:
        raise ConfigError(f"{text!r} is not an asset", f"give {ETH}, or a token's 0x address")
    return asset


def sell(
    operator: Operator,
    *,
    snapshot: str = "",
    job_id: str = "",
    licence_id: str,
    licensee: str,
    terms: str,
    asset: bytes,
    price: int,
) -> LicenceView:
    """Logs a licence for the snapshot whose digest begins with `snapshot`, or for the model of a job.

    Raises:
        ConfigError: both or none are named; there is no such snapshot, or several.
        Reject: the rules refuse it: the id is taken, it may not be sold, the price is zero.
    """
    if bool(snapshot) == bool(job_id):
        raise ConfigError(
            "a licence is for a snapshot or for a model", "give --snapshot, or --model with its job"
        )
    digest = find_snapshot(operator.state, snapshot)[0] if snapshot else b""
    body = pb.Licence(
        network=operator.state.network,
        id=licence_id,
        snapshot=digest,
        licensee=licensee,
        terms=terms,
        asset=asset,
        price=str(price),
        job_id=job_id,
    )
    operator.append("licence", body)
    return next(each for each in licences(operator.state) if each.id == licence_id)


def licences(state: State) -> Iterator[LicenceView]:
    """All licences, by their ids."""
    for _, licence in state.licences.scan():
        job = state.jobs[licence.job_id].terms if licence.job_id else None
        digest = job.snapshot if job else licence.snapshot
        snapshot = state.snapshots[digest] if digest else None
        yield LicenceView(
            id=licence.id,
            snapshot=digest.hex(),
            model=licence.job_id,
            campaign=job.campaign_id if job else state.snapshots[digest].campaign_id,
            licensee=licence.licensee,
            terms=licence.terms,
            asset="0x" + licence.asset.hex(),
            price=licence.price,
            paid=str(licence.paid),
            withdrawn=snapshot.withdrawn + snapshot.refused if snapshot else 0,
        )

"""What the blocks of a chain hold of a network's contracts, as the log has it: leaves of a Chain record.

Whoever has an endpoint makes the same leaves of the same blocks, and can compare them byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from contracts.client import ChainClient
from contracts.history import RawLog
from protocol.money import events
from protocol.money.eip712 import keccak256, word
from protocol.money.settlement import ETHER, Deployment
from protos.gen import records_pb2 as pb


def read_logs(
    client: ChainClient, deployment: Deployment, assets: Collection[bytes], first: int, last: int
) -> list[pb.ChainLog]:
    """Return what belongs to the network's log in the blocks `first`..`last`, in the order of the chain.

    `assets` are those that earlier blocks listed. Raises what the client raises.
    """
    own = [each for each in deployment.contracts if each != deployment.share_token]
    found = [chain_log(each) for each in client.raw_logs(own, None, first, last)]
    listed = (set(assets) | events.newly_listed(deployment, found)) - {ETHER}
    senders = [word(deployment.settlement), word(ETHER)]
    transfers = client.raw_logs(
        [deployment.share_token, *sorted(listed)], [events.TRANSFER, senders], first, last
    )
    # An asset may be one of our contracts; its logs are there already.
    found += [log for each in transfers if (log := chain_log(each)).contract not in own]
    return sorted(_belonging(deployment, listed, found), key=lambda log: (log.block, log.log_index))


def chain_log(raw: RawLog) -> pb.ChainLog:
    """Return a log of an endpoint as a leaf: long data as its hash alone."""
    is_long = len(raw.data) > events.DATA_BYTES_MAX
    return pb.ChainLog(
        contract=raw.address,
        topics=raw.topics,
        data=b"" if is_long else raw.data,
        block=raw.block,
        block_hash=raw.block_hash,
        tx_hash=raw.tx_hash,
        log_index=raw.log_index,
        data_hash=keccak256(raw.data) if is_long else b"",
    )


def _belonging(
    deployment: Deployment, assets: Collection[bytes], logs: Iterable[pb.ChainLog]
) -> list[pb.ChainLog]:
    return [log for log in logs if events.belongs(deployment, assets, log)]

"""What the blocks of a chain hold of a network's contracts, as the log has it: leaves of a Chain record.

Whoever has an endpoint makes the same leaves of the same blocks, and can compare them byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from contracts.client import ChainClient
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


def chain_log(raw: Any) -> pb.ChainLog:
    """Return a log of an endpoint as a leaf: long data as its hash alone."""
    data = bytes(raw["data"])
    is_long = len(data) > events.DATA_BYTES_MAX
    return pb.ChainLog(
        contract=bytes.fromhex(raw["address"][2:]),
        topics=[bytes(topic) for topic in raw["topics"]],
        data=b"" if is_long else data,
        block=raw["blockNumber"],
        block_hash=bytes(raw["blockHash"]),
        tx_hash=bytes(raw["transactionHash"]),
        log_index=raw["logIndex"],
        data_hash=keccak256(data) if is_long else b"",
    )


def _belonging(
    deployment: Deployment, assets: Collection[bytes], logs: Iterable[pb.ChainLog]
) -> list[pb.ChainLog]:
    return [log for log in logs if events.belongs(deployment, assets, log)]

"""Logs what final blocks of the chain hold of the network's contracts, and takes back what a reorganisation
undid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from commonground.counting import plural
from coordinator.chain import OperatorChain
from coordinator.operator import Operator
from protocol.errors import Ignore, Reject, StateError
from protocol.limits import LICENCE_ID_CHARS_MAX
from protocol.log.batch import batch_root
from protocol.log.strict import encode_leaf
from protocol.money import events
from protocol.rules.chain import next_block
from protocol.state import State
from protocol.text import is_id
from protos.gen import records_pb2 as pb

# Of one record: below what one message to the server carries, whatever the logs are.
LOGS_MAX: Final = 1_024
# So many blocks are read at once; where nothing was written, they are noted down all the same.
BLOCKS_MAX: Final = 50_000

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Read:
    """What was logged of the chain."""

    deposits: int = 0  # into the vault
    bonds: int = 0  # paid in, or added to

    def and_also(self, more: Read) -> Read:
        return Read(self.deposits + more.deposits, self.bonds + more.bonds)


def read_chain(operator: Operator, chain: OperatorChain, report: Report) -> Read:
    """Logs all that is final and not logged yet; gives how much there was of what people ask about.

    Another of the operator's commands may read meanwhile: each block is logged once.

    Raises StateError if the chain is another one than the log has read, and what the client raises.
    """
    operator.refresh()
    if chain.deployment != operator.state.deployment:
        raise StateError(
            "the network has moved to other contracts meanwhile",
            "name an endpoint of their chain as rpc_url in coordinator.toml, and run this again",
        )
    _rewind(operator, chain, report)
    read, last = Read(), chain.final_block()
    while (first := next_block(operator.state)) <= last:
        until = min(last, first + BLOCKS_MAX - 1)
        logs = chain.logs([asset for asset, _ in operator.state.listed.scan()], first, until)
        if not logs and until - first + 1 < BLOCKS_MAX:
            break
        try:
            read = read.and_also(_log(operator, chain, report, (first, until), logs))
        except (Ignore, Reject):
            operator.refresh()
            if next_block(operator.state) == first:
                raise
    if read.deposits:
        found = plural(read.deposits, "new deposit")
        report(f"found {found}: shared out when the epoch closes")
    return read


def _log(
    operator: Operator,
    chain: OperatorChain,
    report: Report,
    blocks: tuple[int, int],
    logs: Sequence[pb.ChainLog],
) -> Read:
    """One record, of as many of the blocks as fit it. A block's logs stay together."""
    first, last = blocks
    if len(logs) > LOGS_MAX:
        beyond = logs[LOGS_MAX].block
        last = max(first, beyond - 1)
        logs = [log for log in logs if log.block <= last]
    block_hash, time_s = chain.block_at(last)
    state = operator.state
    for log in logs:
        if warning := misdirected(state, log):
            report(warning)
    leaves = [encode_leaf(log) for log in logs]
    body = pb.Chain(
        network=state.network,
        first=first,
        last=last,
        last_hash=block_hash,
        last_time=time_s,
        logs=pb.Batch(root=batch_root(leaves), count=len(leaves)),
    )
    operator.append("chain", body, leaves)
    found = [_event_of(state, log) for log in logs]
    return Read(
        sum(isinstance(each, events.Deposited) for each in found),
        sum(isinstance(each, events.Bonded) for each in found),
    )


def _rewind(operator: Operator, chain: OperatorChain, report: Report) -> None:
    """Where blocks that were final are not those of the chain any more, the log says so first."""
    state = operator.state
    ranges, (head, _) = list(state.ranges.scan()), chain.head()
    if head < state.onchain.last:
        raise StateError(
            f"the chain has {head} blocks at this endpoint, and the log has read {state.onchain.last}",
            "wait until it has caught up, or name another endpoint of the network's own chain",
        )
    replaced = None
    for first, each in reversed(ranges):
        if chain.block_at(each.last)[0] == each.last_hash:
            break
        replaced = first
    if replaced is None:
        return
    if ranges[0][0] == replaced:
        raise StateError(
            f"block {ranges[0][1].last} of this chain is not the one that the log has read",
            "name an endpoint of the network's own chain as rpc_url in coordinator.toml",
        )
    report(f"the chain was reorganised from block {replaced} on: it is read again from there")
    body = pb.Rewind(network=state.network, first=replaced, serial=state.rewinds)
    operator.append("rewind", body)


def _event_of(state: State, log: pb.ChainLog) -> object:
    return events.decode(state.deployment, log) if state.deployment is not None else None


def misdirected(state: State, log: pb.ChainLog) -> str:
    """A warning about a payment whose memo reads like a licence's id and finds none; else empty.

    Such money is the network's: the log cannot tell whose snapshot the payer meant.
    """
    paid = _event_of(state, log)
    if not isinstance(paid, events.Deposited):
        return ""
    memo = paid.memo.rstrip(b"\0").decode("utf-8", "replace")
    licence = state.licences.get(memo)
    if licence is not None and licence.asset != paid.asset:
        problem = f"licence {memo!r} is paid for in 0x{licence.asset.hex()}"
    elif licence is None and is_id(memo, LICENCE_ID_CHARS_MAX):
        problem = f"the log has no licence {memo!r}"
    else:
        return ""
    return (
        f"{problem}: the {paid.amount} of 0x{paid.asset.hex()} that transaction "
        f"0x{log.tx_hash.hex()} paid with memo {memo!r} is shared out as the network's"
    )

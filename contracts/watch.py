"""Holds the chain against the log: the contracts' code, every event both ways, the roots, the shares.

Nodes, the coordinator and `commonhold verify` all look through this. What differs is a finding. What could
not be looked at is neither: `unchecked` says why, and it is never a pass. An endpoint is somebody's word,
too; that is why findings say what to do and stop nobody from objecting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from contracts.facts import chain_log, read_logs
from contracts.findings import Finding, Kind
from contracts.inspection import inspect
from contracts.logged import Covered, Said, payload_posted
from contracts.reader import ChainReader
from protocol.errors import CommonholdError, Unreachable
from protocol.money import events
from protocol.money.settlement import Address, Deployment
from protos.gen import records_pb2 as pb

#: More than anybody reads, and no more than a message holds.
FINDINGS_MAX: Final = 50
#: Code does not change; what votes may change of the delays does so in days. One look a minute: every hour.
LOOKS_PER_INSPECTION: Final = 60
#: A root is proposed in the log before it is on chain. By how much the chain's clock and ours may differ.
CLOCKS_S: Final = 120


class Outcome(Enum):
    """What came of a look."""

    AGREES = auto()
    DIFFERS = auto()
    NOT_CHECKED = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """One comparison. `final`: the chain's last block that is."""

    findings: tuple[Finding, ...] = ()
    unchecked: str = ""  # why not all could be compared
    advice: str = ""
    is_unreachable: bool = False
    final: int = 0
    epoch: int = 0  # in force on chain
    compared: tuple[Covered, ...] = ()  # of what was to be compared, all that was

    @property
    def outcome(self) -> Outcome:
        """What is known to differ counts, even if more could not be looked at."""
        if self.findings:
            return Outcome.DIFFERS
        return Outcome.NOT_CHECKED if self.unchecked else Outcome.AGREES


@dataclass(slots=True)
class Watch:
    """Looks again and again at one network's contracts, each time at what is new. Blocks while it reads."""

    reader: ChainReader
    _looks: int = 0
    _compared: list[Covered] = field(default_factory=list)  # of those that are still asked about
    _deployment: Deployment | None = None
    _inspected: tuple[Finding, ...] = ()
    _events: dict[int, tuple[Finding, ...]] = field(
        default_factory=dict
    )  # by a range's first block
    _beyond: list[pb.ChainLog] = field(
        default_factory=list
    )  # of the settlement, final, not in the log
    _beyond_to: int = 0

    def look(self, said: Said, as_of_s: float) -> Look:
        """Compares what is new in `said`, which was all of the log at `as_of_s` (seconds since 1970)."""
        if said.deployment != self._deployment:
            self._deployment, self._looks, self._beyond_to = said.deployment, 0, 0
            self._inspected, self._events, self._beyond = (), {}, []
        findings: list[Finding] = []
        try:
            self.reader.require_chain(said.deployment.chain_id)
            head = self.reader.head()
            final = head - said.deployment.finality
            self._inspect(said, head)
            findings += self._inspected
            findings += self._compare(said)
            later = self._read_beyond(said, head, final)
            findings += said.wrong
            findings += self._wrong_roots(said, later, as_of_s)
            epoch = _epoch_at(said, later)
            findings += self._wrong_amounts(said, epoch, head)
        except CommonholdError as error:
            findings += [*self._inspected, *self._event_findings(), *said.wrong]
            failed = could_not_look(error)
            return replace(failed, findings=_bounded(findings), compared=tuple(self._compared))
        in_force = epoch if epoch > said.deployment.start else 0
        return Look(_bounded(findings), final=final, epoch=in_force, compared=tuple(self._compared))

    # ---- the contracts ----

    def _inspect(self, said: Said, head: int) -> None:
        if self._looks % LOOKS_PER_INSPECTION == 0 or self._inspected:
            self._inspected = tuple(inspect(self.reader, said.deployment, head))
        self._looks += 1

    # ---- events ----

    def _compare(self, said: Said) -> list[Finding]:
        """Compares the ranges that are new; gives what is known of all. One that is not the chain's any more
        is looked at again: the chain may come back to it."""
        self._compared = [each for each in self._compared if each in said.ranges]
        for covered in said.ranges:
            if covered in self._compared:
                continue
            found = tuple(_compare_range(self.reader, said.deployment, covered))
            for first in [each for each in self._events if covered.first <= each <= covered.last]:
                del self._events[first]
            if found:
                self._events[covered.first] = found
            if any(each.kind is Kind.REORGANISED for each in found):
                break
            self._compared.append(covered)
        for first in [each for each in self._events if each > said.view.last]:
            del self._events[first]  # taken back by a record
        return [*self._event_findings(), *self._undone_since(said)]

    def _undone_since(self, said: Said) -> Iterator[Finding]:
        """What was compared before may not be the chain's any more."""
        last = said.view.last
        if last and self.reader.block(last).hash != said.view.last_hash:
            yield Finding(Kind.REORGANISED, f"block {last:,}")

    def _event_findings(self) -> list[Finding]:
        return [each for first in sorted(self._events) for each in self._events[first]]

    # ---- roots ----

    def _read_beyond(self, said: Said, head: int, final: int) -> list[pb.ChainLog]:
        """What the settlement said in blocks that the log has not read: a wrong root may be kept from it."""
        covered = said.view.last
        self._beyond = [log for log in self._beyond if log.block > covered]
        start = max(covered, self._beyond_to, said.deployment.block - 1) + 1
        settlement = [said.deployment.settlement]
        found = [chain_log(each) for each in self.reader.raw_logs(settlement, None, start, head)]
        later = [*self._beyond, *found]
        self._beyond = [log for log in later if log.block <= final]
        self._beyond_to = max(self._beyond_to, final)
        return later

    def _wrong_roots(
        self, said: Said, later: Sequence[pb.ChainLog], as_of_s: float
    ) -> Iterator[Finding]:
        known = {epoch: (payload, 0) for epoch, payload in said.roots.items()}
        for log in later:
            match events.decode(said.deployment, log):
                case events.Posted() as posted:
                    known[posted.epoch] = payload_posted(posted), log.block
                case events.Undone() as undone:
                    known = {each: root for each, root in known.items() if each < undone.epoch}
        for epoch, (payload, block) in sorted(known.items()):
            own = said.payloads.get(epoch)
            if own == payload or (own is None and not self._is_old(block, as_of_s)):
                continue
            yield Finding(Kind.ANOTHER_ROOT, f"epoch {epoch}, root 0x{payload.root.hex()}")

    def _is_old(self, block: int, as_of_s: float) -> bool:
        """Whether a log that is as of then would have to propose a root of this block."""
        return block == 0 or self.reader.block(block).timestamp + CLOCKS_S < as_of_s

    # ---- shares and claims ----

    def _wrong_amounts(self, said: Said, epoch: int, head: int) -> Iterator[Finding]:
        """As many shares as the root in force promises, and no more claimed than it does."""
        payload = said.payloads.get(epoch)
        if epoch and payload is None:
            return  # a finding of its own already
        begun = payload is not None and epoch > said.deployment.start
        totals: Mapping[bytes, int] = dict(payload.totals) if payload is not None and begun else {}
        share = said.deployment.share_token
        if self.reader.word(share, "totalSupply", head) != totals.get(share, 0):
            yield Finding(Kind.ANOTHER_SUPPLY, f"the shares in block {head:,}")
        for asset, amount in sorted(said.claimed.items()):
            if amount > totals.get(asset, 0):
                yield Finding(Kind.OVERPAID, f"the claims of asset 0x{asset.hex()}")


def could_not_look(error: CommonholdError) -> Look:
    """What came of a look that could not even begin."""
    return Look(
        unchecked=str(error), advice=error.advice, is_unreachable=isinstance(error, Unreachable)
    )


def _bounded(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))[:FINDINGS_MAX]


def _epoch_at(said: Said, later: Sequence[pb.ChainLog]) -> int:
    """Whose root is in force after some more events."""
    epoch = said.view.epoch
    for log in later:
        event = events.decode(said.deployment, log)
        if isinstance(event, events.Enacted):
            epoch = event.epoch
    return epoch


def _compare_range(
    reader: ChainReader, deployment: Deployment, covered: Covered
) -> Iterator[Finding]:
    """Every event of these blocks, both ways. Stops at a block that is another one."""
    if reader.block(covered.last).hash != covered.last_hash:
        yield Finding(Kind.REORGANISED, f"block {covered.last:,}")
        return
    there = _by_place(read_logs(reader, deployment, covered.assets, covered.first, covered.last))
    here = _by_place(covered.logs)
    for place in sorted(there.keys() | here.keys()):
        on_chain, in_log = there.get(place), here.get(place)
        if on_chain == in_log:
            continue
        if on_chain is not None:
            kind, shown = (Kind.MISSING if in_log is None else Kind.ALTERED), on_chain
        else:
            kind, shown = Kind.INVENTED, here[place]
        yield Finding(kind, _name_of(deployment, shown))


def _by_place(logs: Sequence[pb.ChainLog]) -> dict[tuple[int, int], pb.ChainLog]:
    return {(log.block, log.log_index): log for log in logs}


def _name_of(deployment: Deployment, log: pb.ChainLog) -> str:
    """An event as messages call it."""
    name = deployment.contracts.get(Address(log.contract), f"asset 0x{log.contract.hex()}")
    return f"block {log.block:,}, event {log.log_index} of the {name.replace('_', ' ')}"

"""What an audit counts while it replays a log, by what each entry changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from contracts.logged import Logged
from protocol.lifecycle import RoundPhase
from protocol.log.merkle import MerkleTree
from protocol.log.note import Checkpoint
from protocol.rows import Item
from protocol.state import State
from protocol.transition import Applied
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Since:
    """What holds from an entry on: a version of the rules, or a key (hexadecimal)."""

    what: str
    entry: int


@dataclass(slots=True)
class ClosedEpoch:
    """An epoch that ended; one in which nothing was decided and nothing paid is an epoch, too."""

    number: int
    decided: int = 0  # items
    lines: int = 0  # reward lines

    @property
    def is_empty(self) -> bool:
        """Whether nothing happened in it that concerns money."""
        return not self.decided and not self.lines


@dataclass(slots=True)
class Report:
    """What an audit found to hold."""

    checkpoint: Checkpoint
    state: State
    tree: MerkleTree = field(default_factory=MerkleTree)
    kinds: Counter[str] = field(default_factory=Counter)
    erased: int = 0  # leaves of submissions of which only the hash is left
    answers: list[pb.Answer] = field(default_factory=list)  # opened ones, refusals included
    lines: list[tuple[int, pb.RewardLine]] = field(default_factory=list)  # (epoch, line)
    rounds: Counter[str] = field(default_factory=Counter)  # that a verdict ended, by campaign
    epochs: list[ClosedEpoch] = field(default_factory=list)
    rules: list[Since] = field(default_factory=list)
    log_keys: list[Since] = field(default_factory=list)
    operator_keys: list[Since] = field(default_factory=list)
    chain: Logged = field(default_factory=Logged)  # what the log says of it
    _decided: int = 0  # items, in the present epoch

    def take(self, index: int, applied: Applied) -> None:
        """Counts an entry that is in the state now."""
        changes, record = applied.changes, applied.record
        self.kinds[applied.kind] += 1
        self.chain.take(self.state, applied.kind, record)
        self.erased += len(record.erased)
        self.answers += (leaf for leaf in record.leaves if isinstance(leaf, pb.Answer))
        for campaign_id, (before, after) in changes.rounds.items():
            ended = before.phase is RoundPhase.REVEALING and after.phase is RoundPhase.OPEN
            self.rounds[campaign_id] += ended
        self._decided += sum(_is_decided_now(*change) for change in changes.items.values())
        if changes.closed is not None:
            self.lines += ((changes.closed, line) for line in changes.lines)
            self.epochs.append(ClosedEpoch(changes.closed, self._decided, len(changes.lines)))
            self._decided = 0
        self._note_what_holds(index)

    def _note_what_holds(self, index: int) -> None:
        """The genesis is read by the rules that it names; what any other entry changes holds after it."""
        entry = index + 1 if index else 0
        for known, now in (
            (self.rules, str(self.state.rules)),
            (self.log_keys, self.state.log_key.hex()),
            (self.operator_keys, self.state.operator_key.hex()),
        ):
            if not known or known[-1].what != now:
                known.append(Since(now, entry))

    def items(self) -> dict[str, Counter[str]]:
        """How many items of each campaign have which status."""
        found: dict[str, Counter[str]] = {
            name: Counter() for name, _ in self.state.campaigns.scan()
        }
        for _, item in self.state.items.scan():
            found[item.campaign_id][item.status.name.lower()] += 1
        return found

    def given(self) -> tuple[Counter[str], dict[str, Counter[str]]]:
        """By campaign: how many answers were opened, and how many refusals for which reason."""
        answers: Counter[str] = Counter()
        refusals: dict[str, Counter[str]] = {}
        for answer in self.answers:
            campaign_id = self.state.items[answer.item_id].campaign_id
            if answer.refusal:
                reason = pb.Refusal.Name(answer.refusal).removeprefix("REFUSAL_").lower()
                refusals.setdefault(campaign_id, Counter())[reason] += 1
            else:
                answers[campaign_id] += 1
        return answers, refusals

    def programs(self) -> Counter[str]:
        """How many answers and refusals each program gave, as its owners say."""
        return Counter(answer.program for answer in self.answers if answer.program)


def _is_decided_now(before: Item | None, after: Item) -> bool:
    return after.decided_in is not None and (before is None or before.decided_in is None)

"""What happened in an audited log, in its order: answers, and which rounds were open at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from commonhold.audit.source import LogSource
from protocol.identity import PersonId
from protocol.log import tiles
from protocol.log.batch import check_batch
from protocol.log.envelope import Envelope, parse_envelope
from protocol.log.strict import parse_leaf, strict_parse
from protocol.rows import ItemId
from protos.gen import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Given:
    """One opened answer that is no refusal."""

    item_id: ItemId
    reviewer: PersonId
    answer: bytes


@dataclass(slots=True)
class History:
    """Answers in the order in which they were opened; rounds by campaign, and how many were open at once at
    most, from seal to verdict."""

    answers: list[Given] = field(default_factory=list)
    rounds: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    overlapped: int = 0


def read_history(log: LogSource, size: int) -> History:
    """Reads a log that was audited: nothing is checked here a second time."""
    history, under_way = History(), set[str]()
    for envelope in _envelopes(log, size):
        match envelope.kind:
            case "seal":
                campaign = strict_parse(pb.Seal, envelope.payload, "the seal").campaign_id
                history.rounds[campaign] += 1
                under_way.add(campaign)
                history.overlapped = max(history.overlapped, len(under_way))
            case "verdict":
                under_way.discard(
                    strict_parse(pb.Verdict, envelope.payload, "the verdict").campaign_id
                )
            case "reveal":
                history.answers += _answers(log, envelope)
    return history


def _envelopes(log: LogSource, size: int) -> Iterator[Envelope]:
    for tile in tiles.entry_tiles_of(size):
        for raw in tiles.decode_entries(log.read(tile.path), tile.width):
            yield parse_envelope(raw)


def _answers(log: LogSource, reveal: Envelope) -> Iterator[Given]:
    batch = strict_parse(pb.Reveal, reveal.payload, "the reveal").answers
    for leaf in check_batch(batch.root, batch.count, log.read(f"batch/{batch.root.hex()}")):
        if isinstance(leaf, bytes):
            answer = parse_leaf(pb.Answer, leaf)
            if answer.answer:
                yield Given(answer.item_id, PersonId(answer.reviewer), answer.answer)

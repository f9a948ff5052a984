"""One entry of the log as this node keeps it, with what proves that the log holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.page.sources import Replay, Sources
from protocol.identity import short
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf

KINDS: Final[dict[str, str]] = {
    "genesis": "The network was founded, with its policy.",
    "campaign": "The operator opened a campaign.",
    "register": "Somebody joined, and named the address that is paid.",
    "submission": "Somebody submitted items: commitments to their content, not the content.",
    "withdraw": "Somebody took items back.",
    "standby": "Somebody offered to review.",
    "beacon": "A reviewer opened a random value that decides, with others, who reviews what.",
    "phase": "The operator moved the epoch along; where that fixed a round's items, it also says which"
    " are copies.",
    "gold-commit": "The operator sealed the answers of items that test the reviewers.",
    "draw": "The reviewers of each item, as they follow from the random values.",
    "commit": "A reviewer sealed all answers of a round.",
    "reveal": "A reviewer opened the sealed answers.",
    "verdict": "The verdict on each item of a round, as it follows from the answers.",
    "close": "An epoch closed: a line for everything that anybody earned in it.",
    "deployment": "The network's contracts on chain.",
    "revenue": "Money came in.",
    "settlement": "What everybody may claim on chain, proposed.",
    "attest": "A witness worked out the same settlement and signed it.",
    "published": "A settlement is on chain.",
    "snapshot": "A dataset: the accepted items of a campaign at that time.",
    "licence": "A dataset was licensed.",
    "job": "A training job was opened, with its privacy budget.",
    "enrol": "A partner joined a training job.",
    "update": "A partner signed an update, and what it cost in privacy.",
    "training-round": "What a round of training made of its updates.",
    "model": "A training job ended.",
}


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry; hashes in hex."""

    index: int
    kind: str
    about: str
    author: str
    is_mine: bool
    leaf_hash: str
    size: int  # of the log that `root` covers
    root: str
    proof: tuple[str, ...]  # RFC 6962, from the leaf hash to `root`


def view_entry(sources: Sources, replay: Replay, index: int) -> EntryView | None:
    """An entry that a checkpoint covers; None when there is no such one."""
    covered = replay.follower.checkpoint
    if covered is None or not 0 <= index < covered.size:
        return None
    row = sources.store.entry(index)
    if row is None:
        return None
    envelope, tree = parse_envelope(row.envelope), replay.follower.tree
    return EntryView(
        index=index,
        kind=envelope.kind,
        about=KINDS[envelope.kind],
        author=short(envelope.author),
        is_mine=envelope.author == sources.me,
        leaf_hash=hash_leaf(row.envelope).hex(),
        size=covered.size,
        root=tree.root(covered.size).hex(),
        proof=tuple(each.hex() for each in tree.inclusion_proof(index, covered.size)),
    )

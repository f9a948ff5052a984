"""One entry of the log as this node keeps it, with what proves that the log holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.page.sources import Replay, Sources
from protocol.identity import short, short_key
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf

KINDS: Final[dict[str, str]] = {
    "genesis": "The network was founded, with its policy.",
    "campaign": "The operator opened a campaign.",
    "policy": "The operator set another policy, for the epochs after the present one.",
    "upgrade": "The operator announced the next version of the rules, and the epoch that it begins with.",
    "successor": "The operator, or the log, signs with another key from here on.",
    "delegate": "Somebody added a key that signs for them.",
    "pause": "The operator paused a campaign, or resumed it.",
    "change": "The operator changed a campaign's guidelines, price or windows, for what comes later.",
    "close-campaign": "The operator closed a campaign: it takes nothing more.",
    "takedown": "The operator took an item down, and says why.",
    "register": "Somebody joined, by whose invitation the record says, and named the address that is paid.",
    "submission": "Somebody submitted items: commitments to their content, not the content.",
    "contest": "An author says that an item is no copy, or no derivative: others than before decide.",
    "withdraw": "Somebody took items back, or a part of each.",
    "standby": "Somebody offered to review in a campaign, or stood down.",
    "witnesses": "The operator proposed who is to toss the coin that draws reviewers.",
    "assent": "A witness agreed to the set of witnesses that is proposed.",
    "deal": "A proposed witness dealt its part of the coin to all of them.",
    "dealt": "The operator ended the dealing of the coin.",
    "complain": "A witness showed that what it was dealt is wrong: that deal does not count.",
    "confirm": "A witness found what it was dealt to be right.",
    "coin": "The proposed witnesses toss the coin from here on.",
    "toss": "A witness tossed for a round: enough of them decide who reviews what, always in the same way.",
    "seal": "The operator fixed the items of a campaign's round: which of them are copies, and the hidden"
    " answers of those that test the reviewers.",
    "draw": "The reviewers of each item, as they follow from the coin that the witnesses tossed.",
    "end-commits": "The operator ended the time to answer; the answers are opened.",
    "commit": "A reviewer sealed all answers of a round.",
    "reveal": "A reviewer opened the sealed answers.",
    "verdict": "The verdict on each item of a round, as it follows from the answers.",
    "close": "An epoch closed: a line for everything that anybody earned, and what waits for a later one.",
    "deployment": "The network's contracts on chain.",
    "retire": "The last witnesses of contracts that the network has left were asked to make room for nobody.",
    "move": "The witnesses on chain were asked to move the network to other contracts.",
    "chain": "What the chain said: deposits, roots, witnesses, bonds, claims.",
    "rewind": "The chain was reorganised: some of what it said is read again.",
    "settlement": "What everybody may claim on chain, for the witnesses to sign.",
    "uphold": "The witnesses were asked to stand by a root that one of them challenged.",
    "slash": "The witnesses on chain were asked to let a bond pay for a fault that the log proves.",
    "witness-change": "The witnesses on chain were asked to make room for those who toss the coin.",
    "attest": "A witness worked out the same and signed it.",
    "snapshot": "A dataset: the accepted items of a campaign at that time.",
    "licence": "A dataset or a model was licensed.",
    "job": "A training job was opened, with its privacy budget.",
    "enrol": "A partner joined a training job.",
    "training-start": "Nobody joins a training job any more; its rounds begin.",
    "update": "A partner signed an update, and what it cost in privacy.",
    "training-set": "Whose updates the sum of a round of training is made of.",
    "opening": "A member of a round's committee said what it opens: of the sum, and of no update.",
    "complaint": "A member of a round's committee said that a partner sealed the wrong thing to it.",
    "disclosure": "That partner opened the box for everybody: what is in it is right.",
    "failed-round": "A round of training came to nothing.",
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
    author = replay.follower.state.keys.get(envelope.key)
    return EntryView(
        index=index,
        kind=envelope.kind,
        about=KINDS[envelope.kind],
        author=short_key(envelope.key) if author is None else short(author),
        is_mine=author == sources.me,
        leaf_hash=hash_leaf(row.envelope).hex(),
        size=covered.size,
        root=tree.root(covered.size).hex(),
        proof=tuple(each.hex() for each in tree.inclusion_proof(index, covered.size)),
    )

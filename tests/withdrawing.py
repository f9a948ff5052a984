"""The home of somebody who submits to a simulated network and withdraws again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from node.blobs import BlobStore
from node.follower import Follower
from node.planning import Terms
from node.store import Store
from node.submission import Submitter
from protocol.log.batch import erase
from protocol.log.merkle import hash_leaf
from protocol.rows import ItemId
from protos.gen import records_pb2 as pb
from tests.node_lab import digit
from tests.simulated import NETWORK, Network, campaign, part
from tests.simulated_log import LINK, keys_of
from tests.traces import traces_of

CAMPAIGN = "pictures"
TERMS = Terms("CC-BY-4.0", pb.Consent(train=True, redistribute=True), pb.ORIGIN_HUMAN)


@dataclass
class Home:
    """The home of ada, who submits pictures to a simulated network."""

    path: Path
    net: Network

    def __post_init__(self) -> None:
        self.path.mkdir()
        pictures = campaign(id=CAMPAIGN, parts=[part("image", "image/png")])
        self.net.add(self.net.operator, "campaign", pictures)
        self.ada = self.net.people[0]
        self.store = Store(self.path / "node.db")
        self.blobs = BlobStore(self.path / "blobs")
        self.follower = Follower(self.store, LINK)

    def submit(self, *seeds: int) -> dict[ItemId, dict[str, bytes]]:
        """Submits pictures; gives the traces of each item."""
        files = self.path.parent / "files"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        for seed in seeds:
            (files / f"{seed}.png").write_bytes(digit(seed))
        submitter = Submitter(self.store, self.blobs, keys_of(self.ada), self.net.state, CAMPAIGN)
        [digest] = submitter.submit(sorted(files.iterdir()), "3", TERMS).batches
        row = self.store.outbox_row(digest)
        assert row is not None
        for each in row.outgoing.openings:
            self.net.openings[each.item_id] = (each.salt, each.answer)
            self.net.truth[each.item_id] = 3
        self.net.add_raw(row.outgoing.envelope, row.outgoing.leaves)
        self.store.mark_sent(digest, len(self.net.log) - 1)
        traces = {}
        for leaf in row.outgoing.leaves:
            item_id = hash_leaf(leaf)
            item = self.store.item(item_id)
            assert item is not None
            traces[item_id] = traces_of(item, leaf, (files / item.name).read_bytes())
        return traces

    def withdraw(self, *item_ids: ItemId) -> None:
        """Logs a withdrawal; the node does not know yet."""
        body = pb.Withdraw(network=NETWORK, item_ids=item_ids)
        self.net.add(self.ada, "withdraw", body)

    def erase_in_log(self, item_id: ItemId) -> None:
        """What the coordinator does when it logs the withdrawal."""
        entry = self.net.log[self.net.state.items[item_id].submitted_at]
        entry.leaves = tuple(erase(entry.leaves, {item_id}))  # type: ignore[arg-type]

    def close(self) -> None:
        self.store.close()
        self.blobs.close()

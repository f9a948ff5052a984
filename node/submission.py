"""From what its owner has to signed submissions in the outbox.

Everything that can be known here is checked before anything is stored or sent (planning.py). Content is
copied into the blob store first; then items, salts and the signed record are written in one transaction. A
kill between the two leaves copies that no item names, which the next submission and the next start of the
node sweep away (orphans.py); running the command again submits what is missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from commonground.escaping import one_line
from node.blobs import BlobStore
from node.bringing.folders import drafts_of_files
from node.contents import CheckedPart, Contents, changed
from node.drafts import Draft, Drafts, LeftOut, PartSource
from node.keys import NodeKeys
from node.planning import Changed, Plan, Planned, Planner, Terms, changed_of, only_part
from node.privacy.screening import Screening
from node.quota import within_quota
from node.rows import ItemRow, Outgoing, PartRow
from node.store import Store
from protocol import transition
from protocol.errors import CommonholdError
from protocol.limits import SALT_BYTES
from protocol.log import commitments
from protocol.log.batch import batch_root
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf
from protocol.review.copies import fingerprinted
from protocol.rules.items import part_leaf
from protocol.state import State
from protocol.transition import open_record
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb

# One signature and one commit to disk for each; about 700 kB with fingerprints and openings.
BATCH_ITEMS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was queued, what was left out and why, what was done to files before, and how many items are
    for a later epoch. `stopped`: what ended it in the middle, so that `unread` items were not queued."""

    batches: tuple[bytes, ...]  # digests of the outgoing records
    items: int
    left_out: tuple[LeftOut, ...]
    left: int = 0
    changed: tuple[Changed, ...] = ()
    unread: int = 0
    stopped: CommonholdError | KeyboardInterrupt | None = None

    @property
    def sizes(self) -> list[int]:
        """How many items each batch has."""
        full, rest = divmod(self.items, BATCH_ITEMS)
        return [BATCH_ITEMS] * full + [rest] * bool(rest)


@dataclass(frozen=True, slots=True)
class _Again:
    """A draft as it was planned, and as it was read the second time."""

    planned: Planned
    draft: Draft


@dataclass(frozen=True, slots=True)
class _Made:
    """An item with its leaf of the batch, and those of the parts that can go alone."""

    leaf: bytes
    part_leaves: tuple[bytes, ...]
    row: ItemRow

    @property
    def openings(self) -> list[api.Opening]:
        """Of its proposal, if there is one."""
        row = self.row
        if row.proposal is None:
            return []
        return [api.Opening(item_id=row.item_id, salt=row.proposal_salt, answer=row.proposal)]


class Submitter:
    """Submits the items of one node to one campaign."""

    def __init__(
        self,
        store: Store,
        blobs: BlobStore,
        keys: NodeKeys,
        state: State,
        campaign_id: str,
        *,
        scale: bool = False,
        screening: Screening | None = None,
    ) -> None:
        """`state` is the node's replay; `scale`: whether pictures may be made smaller to fit; `screening`:
        what looks for personal data.

        Raises ConfigError when it knows no such campaign, and StateError when that takes nothing at present.
        """
        self._planner = Planner(store, state, campaign_id, scale=scale, screening=screening)
        self._campaign = campaign = self._planner.campaign
        self._store, self._blobs, self._keys, self._state = store, blobs, keys, state
        self._contents = Contents(campaign.parts, scale=scale, screening=screening)
        self._optional = {part.name for part in campaign.parts if part.optional}
        self._fingerprinted = fingerprinted(campaign)

    def submit(
        self,
        paths: Sequence[Path],
        labels: Mapping[str, str] | str,
        terms: Terms,
        on_item: Callable[[], object] = lambda: None,
    ) -> Submitted:
        """Queues files as items of one part; `labels` maps file names to proposed answers, or is the
        one of all (nothing: no proposals). See `submit_drafts`."""
        drafts = drafts_of_files(paths, only_part(self._campaign), labels)
        return self.submit_drafts(drafts, terms, on_item)

    def submit_drafts(
        self, drafts: Drafts, terms: Terms, on_item: Callable[[], object] = lambda: None
    ) -> Submitted:
        """Plans, and queues what is planned. Raises what `Planner.plan` and `queue` raise."""
        return self.queue(self._planner.plan(drafts, terms), drafts, terms, on_item)

    def queue(
        self,
        plan: Plan,
        drafts: Drafts,
        terms: Terms,
        on_item: Callable[[], object] = lambda: None,
    ) -> Submitted:
        """Queues new items in batches of at most BATCH_ITEMS, as many as the author may submit in this
        epoch; `on_item` is called after each. What is queued will be sent: what goes wrong after the first
        batch, an interruption too, is told with what was done before, and not instead of it.

        Raises Reject before anything is queued when terms do not fit the rules; StateError when no more may
        be submitted in this epoch, or what was brought has changed.
        """
        fresh = within_quota(self._store, self._state, self._keys.person, plan.items)
        batches: list[bytes] = []
        items, stopped = 0, None
        try:
            for batch in _batches(_again(fresh, drafts)):
                batches.append(self._queue_batch(batch, terms, on_item))
                items += len(batch)
        except (CommonholdError, KeyboardInterrupt) as error:
            if not batches:
                raise
            stopped = error
        return Submitted(
            batches=tuple(batches),
            items=items,
            left_out=plan.left_out,
            left=len(plan.items) - len(fresh),
            changed=changed_of(fresh[:items]),
            unread=len(fresh) - items,
            stopped=stopped,
        )

    def _queue_batch(
        self, batch: Sequence[_Again], terms: Terms, on_item: Callable[[], object]
    ) -> bytes:
        made: list[_Made] = []
        try:
            for item in batch:
                made.append(self._make(item, terms))
                on_item()
            return self._queue(made)
        except BaseException:
            self._discard(part for each in made for part in each.row.parts)
            raise

    # ---- making items ----

    def _make(self, item: _Again, terms: Terms) -> _Made:
        planned = item.planned
        rows: list[PartRow] = []
        parts: list[pb.Part] = []
        optional: list[tuple[pb.PartHash, bytes]] = []
        try:
            for source, checked in zip(item.draft.parts, planned.parts, strict=True):
                row = self._store_part(source, checked)
                rows.append(row)
                part = self._part_record(row, checked)
                if row.name in self._optional:
                    optional.append(part_leaf(part))
                else:
                    parts.append(part)
        except BaseException:
            self._discard(rows)
            raise
        salt = secrets.token_bytes(SALT_BYTES) if planned.proposal is not None else b""
        committed = (
            commitments.proposal_commitment(salt, planned.proposal)
            if planned.proposal is not None
            else b""
        )
        leaf = encode_leaf(
            pb.Item(
                parts=parts,
                optional=[named for named, _ in optional],
                proposal_commitment=committed,
                licence=terms.licence,
                consent=terms.consent,
                origin=pb.ORIGIN_SYNTHETIC if planned.generator else terms.origin,
                generator=planned.generator or terms.generator,
                personal_data=terms.personal_data or planned.is_personal,
                derived_from=terms.derived_from,
                transformation=terms.transformation,
            )
        )
        row_ = ItemRow(
            item_id=hash_leaf(leaf),
            submission=b"",
            name=one_line(planned.name),
            campaign_id=self._campaign.id,
            content_sha256=planned.sha256,
            parts=tuple(rows),
            proposal=planned.proposal,
            proposal_salt=salt,
        )
        return _Made(leaf, tuple(part for _, part in optional), row_)

    def _store_part(self, source: PartSource, checked: CheckedPart) -> PartRow:
        content = self._contents.read(source, checked)
        salt = secrets.token_bytes(SALT_BYTES)
        return PartRow(
            name=source.name,
            commitment=self._blobs.put(content, salt).commitment,
            salt=salt,
            size=len(content),
            media_type=checked.media_type,
            path=one_line(source.path.name) if source.path is not None else "",
        )

    def _part_record(self, row: PartRow, checked: CheckedPart) -> pb.Part:
        return pb.Part(
            name=row.name,
            commitment=row.commitment,
            size=row.size,
            media_type=row.media_type,
            # A fingerprint shows content, so that only what copies are told by has one.
            fingerprint=checked.fingerprint if row.name in self._fingerprinted else b"",
            source=checked.source,
        )

    def _queue(self, made: Sequence[_Made]) -> bytes:
        parts = [leaf for each in made for leaf in each.part_leaves]
        leaves = (*(each.leaf for each in made), *parts)
        body = pb.Submission(
            network=self._state.network,
            campaign_id=self._campaign.id,
            items=pb.Batch(root=batch_root(leaves), count=len(leaves)),
            parts=len(parts),
        )
        envelope = self._keys.seal("submission", body)
        rules = transition.rules_for(self._state)
        record = open_record(parse_envelope(envelope), leaves, self._state.size, rules)
        # The network's own rules. Before our registration is logged they would refuse the author.
        if self._keys.key in self._state.keys:
            transition.validate(self._state, "submission", record)
        openings = tuple(opening for each in made for opening in each.openings)
        outgoing = Outgoing("submission", envelope, leaves, openings)
        rows = [replace(each.row, submission=outgoing.digest) for each in made]
        self._store.enqueue_submission(outgoing, rows)
        return outgoing.digest

    def _discard(self, parts: Iterable[PartRow]) -> None:
        """Deletes content that nothing names: the rows may have been written before what went wrong."""
        for part in parts:
            if not self._store.has_commitment(part.commitment):
                self._blobs.delete(part.commitment)


def _again(planned: Sequence[Planned], drafts: Drafts) -> Iterator[_Again]:
    """The drafts that were planned, in their order. Raises StateError where they are no longer there."""
    waiting = iter(planned)
    item = next(waiting, None)
    for place, draft in enumerate(drafts):
        if item is None:
            return
        if place == item.place:
            if not isinstance(draft, Draft) or (draft.name, draft.words) != (item.name, item.words):
                raise changed(item.name)
            yield _Again(item, draft)
            item = next(waiting, None)
    if item is not None:
        raise changed(item.name)


def _batches(items: Iterator[_Again]) -> Iterator[list[_Again]]:
    while batch := list(islice(items, BATCH_ITEMS)):
        yield batch

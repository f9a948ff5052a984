"""From files on disk to signed submissions in the outbox.

Everything that can be known here is checked before anything is stored or sent. Content is copied into
the blob store first; then items, salts and the signed record are written in one transaction. A kill
between the two leaves a copy that no item names; running the command again submits what is missing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from node import intake
from node.blobs import BlobStore
from node.intake import IntakeItem, Skipped
from node.keys import NodeKeys
from node.rows import ItemRow, Outgoing
from node.store import Store
from protocol.errors import ConfigError, Reject, StateError
from protocol.limits import SALT_BYTES
from protocol.log import commitments
from protocol.log.batch import batch_root
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.rules.intake import validate_submission
from protocol.rules.record import Record
from protocol.state import State
from protocol.transition import open_record
from protos.gen import api_pb2 as api
from protos.gen import records_pb2 as pb

# One signature and one commit to disk for each; about 700 kB with fingerprints and openings.
BATCH_ITEMS: Final = 1_000
# Problems that are spelled out; a person corrects the first and finds the others alike.
PROBLEMS_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contributor says of all items of a submission."""

    licence: str  # SPDX
    consent: pb.Consent
    origin: pb.Origin
    generator: str = ""
    personal_data: bool = False
    derived_from: tuple[bytes, ...] = ()  # item ids
    transformation: str = ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was queued, and which files were left out and why."""

    batches: tuple[bytes, ...]  # digests of the outgoing records
    items: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """An item with its leaf of the batch."""

    leaf: bytes
    row: ItemRow
    opening: api.Opening


class Submitter:
    """Submits files of one node to one campaign."""

    def __init__(
        self, store: Store, blobs: BlobStore, keys: NodeKeys, state: State, campaign_id: str
    ) -> None:
        """`state` is the node's replay. Raises ConfigError when it knows no such campaign."""
        campaign = state.campaigns.get(campaign_id)
        if campaign is None:
            known = ", ".join(sorted(state.campaigns)) or "none yet"
            raise ConfigError(f"there is no campaign {campaign_id!r}", f"known are: {known}")
        self._store, self._blobs, self._keys, self._state = store, blobs, keys, state
        self._campaign = campaign

    def submit(
        self,
        paths: Sequence[Path],
        labels: Mapping[str, str] | str,
        terms: Terms,
        on_item: Callable[[], object] = lambda: None,
    ) -> Submitted:
        """Queues all new files in batches of at most BATCH_ITEMS; `on_item` is called after each.

        `labels` maps file names to labels, or is the one label of all. Raises ConfigError and
        Reject before anything is queued when labels, terms or files do not fit the campaign.
        """
        self._check_terms(terms)
        indices = self._label_indices(paths, labels)
        items, skipped = intake.read_items(paths)
        self._check_items(items)
        fresh = [item for item in items if not self._is_known(item)]
        skipped += [
            Skipped(item.path, "submitted before") for item in items if self._is_known(item)
        ]
        batches = []
        for start in range(0, len(fresh), BATCH_ITEMS):
            made = []
            for item in fresh[start : start + BATCH_ITEMS]:
                made.append(self._make(item, indices[item.path.name], terms))
                on_item()
            batches.append(self._queue(made))
        return Submitted(tuple(batches), len(fresh), tuple(skipped))

    def _is_known(self, item: IntakeItem) -> bool:
        return self._store.has_content(self._campaign.id, item.sha256)

    def _check_terms(self, terms: Terms) -> None:
        campaign = self._campaign
        if terms.licence not in campaign.licences:
            raise ConfigError(
                f"the campaign does not take the licence {terms.licence!r}",
                f"it takes: {', '.join(campaign.licences)}",
            )
        if not terms.consent.train:
            raise ConfigError(
                "without your consent to training the network cannot use your data",
                "add --consent train, or do not submit",
            )
        if campaign.privacy == pb.PRIVACY_OPEN and not terms.consent.redistribute:
            raise ConfigError(
                "this campaign publishes its dataset, so it needs consent to redistribution",
                "add --consent redistribute, or choose a campaign whose content is not published",
            )
        generated = terms.origin in (pb.ORIGIN_AGENT, pb.ORIGIN_SYNTHETIC)
        if generated and not terms.generator:
            raise ConfigError("generated items name their generator", "add --generator NAME")

    def _label_indices(
        self, paths: Sequence[Path], labels: Mapping[str, str] | str
    ) -> dict[str, int]:
        known = {label: index for index, label in enumerate(self._campaign.labels)}
        indices, problems = {}, []
        for path in paths:
            label = labels if isinstance(labels, str) else labels.get(path.name)
            if label is None:
                problems.append(f"{path.name} has no label")
            elif label not in known:
                problems.append(f"{path.name} has the label {label!r}, which the campaign has not")
            else:
                indices[path.name] = known[label]
        _raise_problems(problems, f"the campaign's labels are: {', '.join(known)}")
        return indices

    def _check_items(self, items: Sequence[IntakeItem]) -> None:
        campaign, problems = self._campaign, []
        for item in items:
            if item.media_type not in campaign.media_types:
                problems.append(f"{item.path.name} is {item.media_type}")
            elif item.size_bytes > campaign.item_bytes_max:
                problems.append(f"{item.path.name} has {item.size_bytes} bytes")
        takes = f"{', '.join(campaign.media_types)} of at most {campaign.item_bytes_max} bytes"
        _raise_problems(problems, f"the campaign takes {takes}")

    def _make(self, item: IntakeItem, label: int, terms: Terms) -> _Made:
        content = item.path.read_bytes()
        if hashlib.sha256(content).digest() != item.sha256:
            raise StateError(f"{item.path} changed while it was read", "run the command again")
        content_salt, label_salt = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(SALT_BYTES)
        blob = self._blobs.put(content, content_salt)
        leaf = pb.Item(
            content_commitment=blob.commitment,
            size=item.size_bytes,
            media_type=item.media_type,
            label_commitment=commitments.label_commitment(label_salt, label),
            # A fingerprint shows content, so that only open campaigns take one.
            fingerprint=item.fingerprint if self._campaign.privacy == pb.PRIVACY_OPEN else b"",
            licence=terms.licence,
            consent=terms.consent,
            origin=terms.origin,
            generator=terms.generator,
            personal_data=terms.personal_data,
            derived_from=terms.derived_from,
            transformation=terms.transformation,
        ).SerializeToString()
        item_id = hash_leaf(leaf)
        row = ItemRow(
            item_id=item_id,
            submission=b"",
            name=item.path.name,
            campaign_id=self._campaign.id,
            label=label,
            content_sha256=item.sha256,
            content_salt=content_salt,
            label_salt=label_salt,
            commitment=blob.commitment,
            size=item.size_bytes,
            media_type=item.media_type,
        )
        return _Made(leaf, row, api.Opening(item_id=item_id, salt=label_salt, label=label))

    def _queue(self, made: Sequence[_Made]) -> bytes:
        leaves = tuple(each.leaf for each in made)
        body = pb.Submission(
            network=self._state.network,
            campaign_id=self._campaign.id,
            items=pb.Batch(root=batch_root(leaves), count=len(leaves)),
        )
        envelope = self._keys.seal("submission", body)
        try:
            self._check_rules(open_record(parse_envelope(envelope), leaves, self._state.size))
        except Reject:
            for each in made:
                self._blobs.delete(each.row.commitment)
            raise
        outgoing = Outgoing("submission", envelope, leaves, tuple(each.opening for each in made))
        rows = [replace(each.row, submission=outgoing.digest) for each in made]
        self._store.enqueue_submission(outgoing, rows)
        return outgoing.digest

    def _check_rules(self, record: Record[pb.Submission]) -> None:
        """The network's own rules. Before our registration is logged they would refuse the author."""
        if self._keys.identity in self._state.members:
            validate_submission(self._state, record)


def expand(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, folders as the files in them. Raises ConfigError."""
    files: list[Path] = []
    for path in paths:
        files += intake.list_files(path) if path.is_dir() else [path]
    names = [path.name for path in files]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(
            f"two files are called {twice}, so that their labels cannot be told apart",
            "submit the folders one after the other",
        )
    if not files:
        raise ConfigError("there are no files to submit")
    return files


def refresh_items(store: Store, state: State) -> None:
    """Notes what the replayed log says of our items."""
    statuses = {
        row.item_id: state.items[row.item_id].status.name.lower()
        for row in store.items()
        if row.item_id in state.items
    }
    store.set_item_statuses(statuses)


def _raise_problems(problems: Sequence[str], advice: str) -> None:
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        shown = "; ".join(problems[:PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise ConfigError(shown, advice)

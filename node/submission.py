"""From what its owner has to signed submissions in the outbox.

Everything that can be known here is checked before anything is stored or sent: a wrong answer or wrong terms
stop all; a file that cannot be read, or that the campaign does not take, is named and left out. Content is
copied into the blob store first; then items, salts and the signed record are written in one transaction. A
kill between the two leaves copies that no item names; running the command again submits what is missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from commonground.escaping import one_line
from node.blobs import BlobStore
from node.drafts import Draft, PartSource, drafts_of_files
from node.intake import fingerprint_content, read_content
from node.keys import NodeKeys
from node.quota import may_submit
from node.rows import ItemRow, Outgoing, PartRow
from node.store import Store
from protocol import transition
from protocol.errors import CommonholdError, ConfigError, Reject, StateError
from protocol.lifecycle import CampaignStatus
from protocol.limits import SALT_BYTES
from protocol.log import commitments
from protocol.log.batch import batch_root
from protocol.log.envelope import parse_envelope
from protocol.log.merkle import hash_leaf
from protocol.log.strict import encode_leaf
from protocol.media import MEDIA, TEXT, media_type_of
from protocol.review.copies import fingerprinted
from protocol.rows import PartTerms
from protocol.rules.admission import require_bond_kept
from protocol.rules.items import part_leaf
from protocol.state import State
from protocol.tasks.question import question_of
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
class Skipped:
    """One item that is not submitted, and why, for the person at the keyboard."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was queued, what was left out and why, and how many items are for a later epoch."""

    batches: tuple[bytes, ...]  # digests of the outgoing records
    items: int
    skipped: tuple[Skipped, ...]
    left: int = 0


@dataclass(frozen=True, slots=True)
class _Checked:
    """A draft whose content was read once, and fits the campaign. `parts`: what each became."""

    draft: Draft
    proposal: bytes | None
    parts: tuple[_CheckedPart, ...]

    @property
    def sha256(self) -> bytes:
        """Of its content; never published. Of several parts: of their names and contents."""
        if len(self.parts) == 1:
            return self.parts[0].sha256
        return sha256(
            b"".join(sha256(p.name.encode()).digest() + p.sha256 for p in self.parts)
        ).digest()


@dataclass(frozen=True, slots=True)
class _CheckedPart:
    name: str
    media_type: str
    size: int
    sha256: bytes
    fingerprint: bytes


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
        self, store: Store, blobs: BlobStore, keys: NodeKeys, state: State, campaign_id: str
    ) -> None:
        """`state` is the node's replay. Raises ConfigError when it knows no such campaign, and
        StateError when that takes nothing at present."""
        campaign = state.campaigns.get(campaign_id)
        if campaign is None:
            known = ", ".join(name for name, _ in state.campaigns.scan()) or "none yet"
            raise ConfigError(f"there is no campaign {campaign_id!r}", f"known are: {known}")
        if campaign.status is CampaignStatus.CLOSED:
            raise StateError(
                f"campaign {campaign_id} is closed and takes nothing more",
                "`commonhold node campaigns` lists those that are open",
            )
        if campaign.status is CampaignStatus.PAUSED:
            raise StateError(
                f"campaign {campaign_id} is paused and takes no submissions",
                "`commonhold node campaigns` says when it goes on",
            )
        self._store, self._blobs, self._keys, self._state = store, blobs, keys, state
        self._campaign = campaign
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
        drafts = drafts_of_files(paths, self.only_part(), labels)
        return self.submit_drafts(drafts, terms, on_item)

    def submit_drafts(
        self, drafts: Sequence[Draft], terms: Terms, on_item: Callable[[], object] = lambda: None
    ) -> Submitted:
        """Queues new items in batches of at most BATCH_ITEMS, as many as the author may submit in this
        epoch; `on_item` is called after each.

        Raises ConfigError and Reject before anything is queued when answers or terms do not fit the
        campaign, or when no item does; StateError when no more may be submitted in this epoch.
        """
        self._check_terms(terms)
        answers = self._read_answers(drafts)
        new, skipped = self._check(drafts, answers)
        fresh = self._within_quota(new)
        batches = []
        for start in range(0, len(fresh), BATCH_ITEMS):
            made: list[_Made] = []
            try:
                for item in fresh[start : start + BATCH_ITEMS]:
                    made.append(self._make(item, terms))
                    on_item()
                batches.append(self._queue(made))
            except CommonholdError:
                self._discard(made)
                raise
        return Submitted(tuple(batches), len(fresh), tuple(skipped), len(new) - len(fresh))

    def _within_quota(self, new: list[_Checked]) -> list[_Checked]:
        """The first of them, as many as may be submitted now."""
        require_bond_kept(self._state, self._keys.person)
        left = may_submit(self._store, self._state, self._keys.person)
        if new and not left:
            raise StateError(
                f"you may submit no more items in epoch {self._state.epoch}",
                "what waits for review counts: run the command again when some of it is decided and the next"
                " epoch has begun",
            )
        return new[:left]

    # ---- what is asked for ----

    def only_part(self) -> str:
        """The part that a file is, where an item is one file. Raises ConfigError where it is not."""
        parts = self._campaign.parts
        required = [part.name for part in parts if not part.optional]
        names = required or [part.name for part in parts]
        if len(names) != 1:
            raise ConfigError(
                f"items of {self._campaign.id} have several parts: {', '.join(names)}",
                "describe them in a table, with a column for each part: --table FILE",
            )
        return names[0]

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
        if campaign.is_open and not terms.consent.redistribute:
            raise ConfigError(
                "this campaign publishes its dataset, so it needs consent to redistribution",
                "add --consent redistribute, or choose a campaign whose content is not published",
            )
        generated = terms.origin in (pb.ORIGIN_AGENT, pb.ORIGIN_SYNTHETIC)
        if generated and not terms.generator:
            raise ConfigError("generated items name their generator", "add --generator NAME")

    def _read_answers(self, drafts: Sequence[Draft]) -> list[bytes | None]:
        """The proposed answers in canonical form. All problems at once: a wrong table is wrong all over."""
        campaign = self._campaign
        question = question_of(campaign)
        answers: list[bytes | None] = []
        problems: list[str] = []
        advice = ""
        for draft in drafts:
            answer = None
            if draft.words and campaign.proposal == pb.PROPOSAL_NOT_TAKEN:
                problems.append(f"{draft.name} proposes an answer, and the campaign takes none")
                advice = "leave the answers out"
            elif draft.words:
                try:
                    answer = question.kind.read_words(question.spec, draft.words)
                except Reject as error:
                    problems.append(f"{draft.name}: {error}")
                    advice = error.advice
            elif campaign.proposal == pb.PROPOSAL_REQUIRED:
                problems.append(f"{draft.name} has no answer, and the campaign wants one")
                advice = f"answers are: {'; '.join(question.kind.choices(question.spec))}"
            answers.append(answer)
        if problems:
            raise _problems(problems, advice)
        return answers

    # ---- content ----

    def _check(
        self, drafts: Sequence[Draft], answers: Sequence[bytes | None]
    ) -> tuple[list[_Checked], list[Skipped]]:
        """Reads everything once. Near duplicates within one list are left to the network, as only the
        person knows whether two photographs are meant to differ."""
        fresh: list[_Checked] = []
        skipped: list[Skipped] = []
        unfit: list[str] = []
        first_with: dict[bytes, str] = {}
        for draft, answer in zip(drafts, answers, strict=True):
            try:
                parts = tuple(self._check_part(part) for part in draft.parts)
            except (Reject, ConfigError) as error:
                reason = f"{error}. {error.advice}".rstrip()
                skipped.append(Skipped(draft.name, reason))
                unfit.append(f"{draft.name}: {error}")
                continue
            item = _Checked(draft, answer, parts)
            if item.sha256 in first_with:
                first = first_with[item.sha256]
                skipped.append(Skipped(draft.name, f"the same content as {first}"))
                continue
            first_with[item.sha256] = draft.name
            if self._store.has_content(self._campaign.id, item.sha256):
                skipped.append(Skipped(draft.name, "submitted before"))
            else:
                fresh.append(item)
        if not fresh and unfit:
            raise _problems(unfit, f"the campaign takes {self._takes()}")
        return fresh, skipped

    def _takes(self) -> str:
        return "; ".join(
            f"{part.name}: {', '.join(part.media_types)} of at most {part.bytes_max:,} bytes"
            for part in self._campaign.parts
        )

    def _check_part(self, source: PartSource) -> _CheckedPart:
        """Raises ConfigError (cannot be read) or Reject (is not what the campaign takes)."""
        terms = next(part for part in self._campaign.parts if part.name == source.name)
        content = _content_of(source)
        media_type = _media_type_in(terms, content, source)
        if len(content) > terms.bytes_max:
            raise Reject(
                f"{source.name} has {len(content):,} bytes",
                f"The campaign takes at most {terms.bytes_max:,}.",
            )
        fingerprint = fingerprint_content(content, media_type)
        return _CheckedPart(
            source.name, media_type, len(content), sha256(content).digest(), fingerprint
        )

    # ---- making items ----

    def _make(self, item: _Checked, terms: Terms) -> _Made:
        rows: list[PartRow] = []
        parts: list[pb.Part] = []
        optional: list[tuple[pb.PartHash, bytes]] = []
        try:
            for source, checked in zip(item.draft.parts, item.parts, strict=True):
                row = self._store_part(source, checked)
                rows.append(row)
                part = self._part_record(row, checked, source)
                if row.name in self._optional:
                    optional.append(part_leaf(part))
                else:
                    parts.append(part)
        except CommonholdError:
            for row in rows:
                self._blobs.delete(row.commitment)
            raise
        salt = secrets.token_bytes(SALT_BYTES) if item.proposal is not None else b""
        committed = (
            commitments.proposal_commitment(salt, item.proposal)
            if item.proposal is not None
            else b""
        )
        leaf = encode_leaf(
            pb.Item(
                parts=parts,
                optional=[named for named, _ in optional],
                proposal_commitment=committed,
                licence=terms.licence,
                consent=terms.consent,
                origin=terms.origin,
                generator=terms.generator,
                personal_data=terms.personal_data,
                derived_from=terms.derived_from,
                transformation=terms.transformation,
            )
        )
        row_ = ItemRow(
            item_id=hash_leaf(leaf),
            submission=b"",
            name=one_line(item.draft.name),
            campaign_id=self._campaign.id,
            content_sha256=item.sha256,
            parts=tuple(rows),
            proposal=item.proposal,
            proposal_salt=salt,
        )
        return _Made(leaf, tuple(part for _, part in optional), row_)

    def _store_part(self, source: PartSource, checked: _CheckedPart) -> PartRow:
        content = _content_of(source)
        if sha256(content).digest() != checked.sha256:
            raise StateError(f"{source.path} changed while it was read", "run the command again")
        salt = secrets.token_bytes(SALT_BYTES)
        return PartRow(
            name=source.name,
            commitment=self._blobs.put(content, salt).commitment,
            salt=salt,
            size=len(content),
            media_type=checked.media_type,
            path=one_line(source.path.name) if source.path is not None else "",
        )

    def _part_record(self, row: PartRow, checked: _CheckedPart, source: PartSource) -> pb.Part:
        return pb.Part(
            name=row.name,
            commitment=row.commitment,
            size=row.size,
            media_type=row.media_type,
            # A fingerprint shows content, so that only what copies are told by has one.
            fingerprint=checked.fingerprint if row.name in self._fingerprinted else b"",
            source=source.source,
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

    def _discard(self, made: Sequence[_Made]) -> None:
        for part in (part for each in made for part in each.row.parts):
            self._blobs.delete(part.commitment)


def _content_of(source: PartSource) -> bytes:
    return source.text.encode() if source.path is None else read_content(source.path)


def _media_type_in(terms: PartTerms, content: bytes, source: PartSource) -> str:
    """The type that content has among those that a part may have: by its bytes, and of a text by its
    file's name; a text may always pass as plain text. Raises Reject."""
    takes = f"The campaign takes {', '.join(terms.media_types)}."
    if source.path is None:
        texts = [name for name in terms.media_types if MEDIA[name].is_text]
        if not texts:
            raise Reject(f"{source.name} is text", takes)
        return TEXT.name if TEXT.name in texts else texts[0]
    found = media_type_of(content, source.path.suffix)
    if found in terms.media_types:
        return found
    if MEDIA[found].is_text and TEXT.name in terms.media_types:
        return TEXT.name
    raise Reject(f"{source.name} is {found}", takes)


def _problems(problems: Sequence[str], advice: str) -> ConfigError:
    more = len(problems) - PROBLEMS_SHOWN
    shown = "; ".join(problems[:PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return ConfigError(shown, advice)

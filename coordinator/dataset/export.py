"""`commonhold coordinator export`: snapshot, fetch, write. Run it again after any failure.

snapshot   logged once; the same items and scope are the same snapshot
fetch      what is not in content/ yet, from contributors' nodes
write      into a hidden folder, renamed when it is whole
copy       into the formats of other tools, each a folder in the dataset's
sweep      somebody may have withdrawn meanwhile: then the dataset is deleted again
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from commonground.counting import plural
from commonground.dataset.formats.copies import write_copy
from commonground.dataset.formats.registry import FORMATS
from commonground.dataset.formats.table import Outline
from commonground.dataset.layout import Manifest
from commonground.dataset.splits import SplitTerms
from commonground.files import DIRECTORY_MODE
from commonground.locks import alone
from coordinator.campaigns import require_campaign
from coordinator.dataset.content import ContentStore
from coordinator.dataset.fetch import fetch_missing, parts_of
from coordinator.dataset.folder import dataset_path, read_manifest, write_dataset
from coordinator.dataset.items import Source
from coordinator.dataset.snapshots import log_snapshot
from coordinator.dataset.sweep import sweep
from coordinator.ledger import Ledger
from coordinator.operator import Operator
from protocol.errors import CommonholdError, StateError, StoreError
from protocol.identity import name_of
from protocol.log.link import parse_link
from protocol.rows import Campaign, Consent, ItemId, Snapshot
from protocol.state import State

# Contributors, or rather what is the matter with them, that a message names.
NAMED_MAX: Final = 10

Progress = Callable[[str, int, int], None]
"""Told (what, done, of how many) now and then."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an export is to be like."""

    allow_missing: bool = False
    split: SplitTerms | None = None
    formats: tuple[str, ...] = ()  # of FORMATS, to copy it into
    has_answers: bool = True  # in copies: every reviewer's, or the verdict alone

    def has(self, manifest: Manifest) -> bool:
        """Whether a dataset that is there is like this, and whole."""
        split = None if self.split is None else self.split.describe()
        return not manifest.missing and split == manifest.split


@dataclass(frozen=True, slots=True)
class Exported:
    """A dataset on disk, and what could not be had for it."""

    path: Path
    manifest: Manifest
    log_index: int  # of the snapshot record
    missing: Mapping[str, str]  # item id -> why; empty for a dataset that was there already
    copies: tuple[Path, ...] = ()


def export(
    operator: Operator,
    campaign_id: str,
    scope: Consent,
    wanted: Wanted,
    tell: Progress,
) -> Exported:
    """Exports the campaign's snapshot of now.

    Raises:
        ConfigError: there is no such campaign.
        ConfigError: a format does not take the campaign's items.
        StateError: nothing fits, or for a split, items could not be fetched, or somebody withdrew meanwhile.
        Unreachable: the coordinator does not answer; StoreError: our disk failed.
    """
    home = operator.home
    outline = Outline(require_campaign(operator.state, campaign_id))
    for name in wanted.formats:
        FORMATS[name].check(outline)
    with _alone(home.datasets_path):
        digest, snapshot = log_snapshot(operator, campaign_id, scope)
        path = dataset_path(home.datasets_path, digest)
        manifest, missing = read_manifest(path), dict[ItemId, str]()
        try:
            if manifest is None or not wanted.has(manifest):
                missing = _fetch(operator, snapshot, wanted, tell)
                manifest = _write(
                    operator, digest, snapshot, missing, split=wanted.split, tell=tell
                )
            copies = _copy(path, outline.campaign, wanted, tell)
        except CommonholdError as error:
            _sweep(operator, digest, error)  # a withdrawal explains it better
            raise
        _sweep(operator, digest, None)
    why = {item_id.hex(): reason for item_id, reason in missing.items()}
    return Exported(path, manifest, snapshot.logged_at, why, copies)


def _fetch(
    operator: Operator, snapshot: Snapshot, wanted: Wanted, tell: Progress
) -> dict[ItemId, str]:
    """Fetches the content; gives what could not be had, where that is allowed, and why."""
    content = ContentStore(operator.home.content_path)
    parts = len(parts_of(operator.state, snapshot.items))
    missing = fetch_missing(operator, snapshot.items, content, _counting("fetching", parts, tell))
    if missing and not wanted.allow_missing:
        raise _incomplete(operator.state, missing, len(snapshot.items))
    return missing


def _write(
    operator: Operator,
    digest: bytes,
    snapshot: Snapshot,
    missing: Mapping[ItemId, str],
    *,
    split: SplitTerms | None,
    tell: Progress,
) -> Manifest:
    home = operator.home
    with Ledger.open(home.ledger_url(operator.config), readonly=True) as ledger:
        source = Source(
            operator.state,
            digest,
            snapshot,
            operator.tally.answers.comparisons_in(snapshot.campaign_id),
            ledger,
            operator.keys,
            ContentStore(home.content_path),
            parse_link(operator.link).http_url,
            datetime.now(UTC).date().isoformat(),
        )
        writing = _counting("writing", len(snapshot.items), tell)
        return write_dataset(home.datasets_path, source, missing.keys(), writing, split)


def _copy(path: Path, campaign: Campaign, wanted: Wanted, tell: Progress) -> tuple[Path, ...]:
    made = []
    for done, name in enumerate(wanted.formats):
        tell(f"copying to {name}", done, len(wanted.formats))
        try:
            made.append(write_copy(path, campaign, name, wanted.has_answers))
        except OSError as error:
            raise StoreError(f"cannot write {path / name}: {error.strerror or error}") from error
    return tuple(made)


def _sweep(operator: Operator, digest: bytes, cause: CommonholdError | None) -> None:
    """Deletes what was withdrawn while we were at work; raises StateError if this snapshot was hit."""
    operator.refresh()
    sweep(operator.home, operator.state)
    if operator.state.snapshots[digest].withdrawn:
        raise StateError(
            "a contributor withdrew from the snapshot meanwhile",
            "export again: the next snapshot leaves it out",
        ) from cause


def _incomplete(state: State, missing: Mapping[ItemId, str], total: int) -> StateError:
    """What is missing, by whose it is and why."""
    causes = Counter((state.items[item_id].author, why) for item_id, why in missing.items())
    named = [
        f"  {name_of(author)}: {plural(count, 'item')}, {why}"
        for (author, why), count in causes.most_common(NAMED_MAX)
    ]
    if len(causes) > NAMED_MAX:
        named.append(f"  and {len(causes) - NAMED_MAX:,} more")
    return StateError(
        "\n".join([f"{len(missing):,} of {plural(total, 'item')} could not be fetched:", *named]),
        "run it again when their nodes are online (what is here stays), or pass --allow-missing",
    )


def _counting(what: str, total: int, tell: Progress) -> Callable[[], None]:
    done = 0

    def one() -> None:
        nonlocal done
        done += 1
        tell(what, done, total)

    return one


def _alone(datasets: Path) -> AbstractContextManager[None]:
    """One export at a time: two would write the same files."""
    datasets.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    return alone(
        datasets / ".lock",
        lambda process: StateError(
            f"another export is running (process {process})", "wait for its end"
        ),
    )

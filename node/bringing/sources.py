"""What somebody names to submit, recognised, as drafts: files and folders, or a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from node.bringing.columns import Columns, Named, find_columns, lacking, propose
from node.bringing.folders import Answers, ByFolder, FileItems
from node.bringing.formats import Format
from node.bringing.labels import Labels, read_labels
from node.bringing.rows import table_items
from node.bringing.tables import Form, Table, form_of
from node.drafts import Drafts
from node.planning import only_part
from protocol.errors import ConfigError, Reject
from protocol.media import CSV
from protocol.rows import Campaign
from protocol.tasks.question import question_of
from protocol.text import quoted
from protos.gen import records_pb2 as pb

_TRIED_COLUMNS: Final = 20  # of a first row, to see whether it is a header


class UnclearColumns(ConfigError):
    """A table whose columns say nothing to the campaign; `proposal` is what they may mean."""

    def __init__(
        self, table: Table, proposal: Columns | None, header: list[str], parts: list[str]
    ) -> None:
        self.table, self.proposal = table, proposal
        listed, missing = ", ".join(map(quoted, header)), " and none for ".join(parts)
        options = proposal.options() if proposal else "--column PART=COLUMN --answer-column COLUMN"
        without = "" if table.header else " --no-header"
        super().__init__(
            f"{table.path} has no column for {missing}, which every item of the campaign has; its columns are"
            f" {listed}",
            f"{'if this is right, add' if proposal else 'say what they mean:'} {options}{without}",
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be submitted: the rows of a table; or files, whose answers are in a list, in the names of
    their folders, or all the same."""

    paths: list[Path]
    table: Path | None = None
    labels: Path | None = None
    label: str = ""
    by_folder: bool = False
    format: Format | None = None
    named: Named = field(default_factory=Named)
    encoding: str = ""
    header: bool = True

    def __post_init__(self) -> None:
        if bool(self.paths) == bool(self.table):
            raise ConfigError(
                "both files and a table are named" if self.paths else "nothing is named to submit",
                "name files or folders, or a table of items: --table FILE",
            )
        if bool(self.labels) + bool(self.label) + self.by_folder > 1:
            raise ConfigError(
                "both a list of answers and one for all files are given"
                if self.labels and self.label
                else "answers are given in two ways",
                "give --labels FILE, or --label LABEL, or --label-by-folder",
            )
        if self.table is not None and (self.labels or self.label or self.by_folder):
            raise ConfigError(
                "a table has its answers inside", "write them into its column `answer`"
            )


@dataclass(frozen=True, slots=True)
class Brought:
    """Drafts, and what there is to say of how they were read."""

    drafts: Drafts
    notes: tuple[str, ...] = ()


def bring(asked: Asked, campaign: Campaign) -> Brought:
    """Recognises what was named. Raises ConfigError, and UnclearColumns for a table to be explained."""
    table = _table_of(asked, campaign)
    if table is not None:
        return _rows(table, asked, campaign)
    return _files(asked, campaign)


def _table_of(asked: Asked, campaign: Campaign) -> Table | None:
    """The table that was named: as one, or alone and by its name, unless such files are the items."""
    if asked.format == Format.FILES:
        return None
    form = Form(asked.format) if asked.format else None
    if asked.table is not None:
        return Table(
            asked.table, form or form_of(asked.table) or Form.CSV, asked.encoding, asked.header
        )
    if len(asked.paths) != 1 or asked.paths[0].is_dir():
        return None
    [path] = asked.paths
    if form is None and not _are_items(campaign):
        form = form_of(path)
    return Table(path, form, asked.encoding, asked.header) if form else None


def _are_items(campaign: Campaign) -> bool:
    """Whether tables are what the campaign takes."""
    return any(CSV.name in part.media_types for part in campaign.parts)


# ---- tables ----


def _rows(table: Table, asked: Asked, campaign: Campaign) -> Brought:
    takes_answers = campaign.proposal != pb.PROPOSAL_NOT_TAKEN
    header = table.columns()
    columns = find_columns(header, campaign.parts, asked.named, takes_answers)
    if columns is None and table.header and _is_no_header(header, campaign):
        table = replace(table, header=False)
        header = table.columns()
        columns = find_columns(header, campaign.parts, asked.named, takes_answers)
    if columns is None:
        is_answer = (lambda text: is_answer_of(campaign, text)) if takes_answers else None
        proposal = propose(header, table.sample(), campaign.parts, is_answer)
        raise UnclearColumns(table, proposal, header, lacking(header, campaign.parts, asked.named))
    notes = [f"the column {quoted(name)} is not read" for name in columns.ignored]
    items = table_items(table, columns, campaign.parts)
    notes += [
        f"the column {quoted(columns.columns[name])} holds the text itself" for name in items.texts
    ]
    return Brought(items, tuple(notes))


def _is_no_header(first: list[str], campaign: Campaign) -> bool:
    """Whether the first row is an item already: one of its cells is an answer."""
    return any(is_answer_of(campaign, cell) for cell in first[:_TRIED_COLUMNS] if cell)


def is_answer_of(campaign: Campaign, text: str) -> bool:
    """Whether these are words of an answer."""
    question = question_of(campaign)
    try:
        question.kind.read_words(question.spec, text)
    except Reject:
        return False
    return True


# ---- files ----


def _files(asked: Asked, campaign: Campaign) -> Brought:
    part = only_part(campaign)
    takes = next(each.media_types for each in campaign.parts if each.name == part)
    answers: Answers = ByFolder() if asked.by_folder else asked.label
    without: frozenset[Path] = frozenset()
    if asked.labels is not None:  # which says if there is no such file
        answers = Labels.of(read_labels(asked.labels, asked.encoding, asked.named.answer))
        without = frozenset({asked.labels.resolve()})
    return Brought(FileItems(asked.paths, part, answers, CSV.name in takes, without))

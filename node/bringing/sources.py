"""What somebody names to submit, as drafts: files and folders, tables, and the exports of other tools."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from commonground.lines import require_encoding
from commonground.tables import SAMPLE_ROWS, Form, Rows, Table, form_of
from node.bringing import coco, yolo
from node.bringing.answers import answered, says_the_same
from node.bringing.boxes import boxes_part, picture_part
from node.bringing.columns import (
    TEXT,
    Columns,
    Named,
    by_place,
    find_columns,
    find_known,
    lacking,
    propose,
    propose_answer,
)
from node.bringing.folders import Answers, ByFolder, File, FileItems, find_files
from node.bringing.formats import Format
from node.bringing.huggingface import Dataset, find_tables
from node.bringing.labels import Labels, read_labels
from node.bringing.labelstudio import Tasks, with_files
from node.bringing.recognise import recognise
from node.bringing.rows import TableItems, table_items
from node.bringing.yolo_classes import read_classes
from node.drafts import Drafts
from node.planning import only_part
from protocol.errors import ConfigError, Reject
from protocol.media import CSV
from protocol.rows import Campaign
from protocol.tasks.question import question_of
from protocol.tasks.rate import Rate
from protocol.tasks.tags import Tags
from protocol.text import quoted
from protos.gen import records_pb2 as pb

_ANNOTATED: Final = "(annotation)"  # the column for what an export has as answers
_BOXES: Final = "(boxes)"  # and for what it has marked in pictures
_TABLES: Final = frozenset({*map(str, Form)})
_TRIED_COLUMNS: Final = 20  # of a first row, to see whether it is a header


class UnclearColumns(ConfigError):
    """A table whose columns say nothing to the campaign; `proposal` is what they may mean."""

    def __init__(
        self, table: Rows, proposal: Columns | None, header: list[str], parts: list[str]
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
        require_encoding(self.encoding)
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
        if self.table is not None and (self.labels or self.by_folder):
            raise ConfigError(
                "a table has its answers inside",
                "write them into its column `answer`; or give one for all rows: --label LABEL",
            )

    @property
    def has_answers(self) -> bool:
        """Whether answers are given beside what is submitted."""
        return bool(self.labels or self.label or self.by_folder)


@dataclass(frozen=True, slots=True)
class Brought:
    """Drafts, and what there is to say of how they were read."""

    drafts: Drafts
    notes: tuple[str, ...] = ()


def bring(asked: Asked, campaign: Campaign) -> Brought:
    """Recognises what was named. Raises ConfigError, and UnclearColumns for a table to be explained."""
    form = _format_of(asked, campaign)
    if form == Format.FILES:
        return _files(asked, campaign)
    path = asked.table or asked.paths[0]
    is_table = form in _TABLES
    if len(asked.paths) > 1 or (asked.has_answers and not (is_table and asked.label)):
        also = "; --label X gives all rows of a table one answer" if is_table else ""
        raise ConfigError(
            f"{path.name} has its answers inside, and is named alone",
            "leave --label, --labels, --label-by-folder and other files out; or add --format files"
            + also,
        )
    if form == Format.LABEL_STUDIO:
        return _tasks(path, asked, campaign)
    if form == Format.COCO:
        return _coco(path, campaign)
    if form == Format.YOLO:
        return _yolo(path, campaign)
    if form == Format.HUGGING_FACE:
        return _dataset(path, asked, campaign)
    table = Table(path, Form(form), asked.encoding, header=asked.header)
    items, notes = _rows(table, asked, campaign)
    return Brought(items, tuple(notes))


def _format_of(asked: Asked, campaign: Campaign) -> Format:
    if asked.format is not None:
        return asked.format
    if asked.table is not None:
        found = recognise(asked.table, frozenset())
        return Format.CSV if found == Format.FILES else found
    if len(asked.paths) > 1 or (asked.has_answers and os.path.isdir(asked.paths[0])):
        return Format.FILES
    items = frozenset(name for part in campaign.parts for name in part.media_types)
    return recognise(asked.paths[0], items)


# ---- tables, and what is read as one ----


def _rows(
    table: Rows, asked: Asked, campaign: Campaign, name: str = ""
) -> tuple[TableItems, list[str]]:
    """The items of a table, and what there is to say of its columns."""
    named, label = asked.named, asked.label
    takes_answers = _takes_answers(campaign)
    header = table.columns()
    if table.header and _is_no_header(table, header, named, campaign):
        table = replace(table, header=False)
        header = table.columns()
    are_same = partial(_are_same, table, campaign)
    columns = find_columns(header, campaign.parts, named, takes_answers, are_same)
    missing = lacking(header, campaign.parts, named)
    if label and columns is not None and columns.answer:
        raise ConfigError(
            f"{table.path} has answers in its column {quoted(columns.answer)}, and --label gives one for all",
            "leave --label out, or take the column out of the table",
        )
    needs_answer = campaign.proposal == pb.PROPOSAL_REQUIRED and not label
    if columns is not None and not columns.answer and needs_answer:
        missing.append("the answer")
    if columns is None or missing:
        raise UnclearColumns(table, _proposal(table, header, columns, campaign), header, missing)
    in_words = answered(table, columns, campaign)
    items = replace(
        table_items(in_words, columns, campaign.parts, name), label=label, encoding=asked.encoding
    )
    if isinstance(table, Tasks):
        items = with_files(items, table)
    notes = []
    if table.header and _has_first_row(table) and by_place(header, named):
        notes.append(
            f"the first row is taken for names of columns, as {quoted(header[0])}; if it is an item, add"
            " --no-header"
        )
    notes += [f"the column {quoted(each)} is not read" for each in columns.ignored]
    notes += [
        f"the column {quoted(columns.columns[each])} holds the text itself" for each in items.texts
    ]
    return items, notes


def _proposal(
    table: Rows, header: list[str], found: Columns | None, campaign: Campaign
) -> Columns | None:
    """What the columns may mean; of parts that were found, what was found."""
    sample = table.sample()
    is_answer = partial(is_answer_of, campaign) if _takes_answers(campaign) else None
    if found is None or is_answer is None:
        return propose(header, sample, campaign.parts, is_answer)
    answer = propose_answer(header, sample, is_answer)
    return replace(found, answer=answer) if answer else None


def _is_no_header(table: Rows, first: list[str], named: Named, campaign: Campaign) -> bool:
    """Whether the first row of a text table is an item already: nothing in it is a name that means something,
    and one of its cells is an answer, as all below it are."""
    if not _has_first_row(table):
        return False
    if find_known(first, campaign.parts, named):
        return False
    sample = table.sample()
    return any(
        is_answer_of(campaign, cell)
        and all(is_answer_of(campaign, str(row.cells.get(cell, ""))) for row in sample)
        for cell in first[:_TRIED_COLUMNS]
    )


def _has_first_row(table: Rows) -> bool:
    """Whether names of columns stand in a row of their own, if there are any."""
    return isinstance(table, Table) and table.form in (Form.CSV, Form.TSV)


def _are_same(table: Rows, campaign: Campaign, answer: str, other: str) -> bool:
    """Whether two columns have the same answers, as far as the first rows show; all are looked at later."""
    meant = Columns({}, answer, same=other)
    return all(says_the_same(row.cells, meant, campaign) for row in table.sample())


def _takes_answers(campaign: Campaign) -> bool:
    return campaign.proposal != pb.PROPOSAL_NOT_TAKEN


def is_answer_of(campaign: Campaign, text: str) -> bool:
    """Whether these are words of an answer."""
    question = question_of(campaign)
    try:
        question.kind.read_words(question.spec, text)
    except Reject:
        return False
    return True


def _tasks(path: Path, asked: Asked, campaign: Campaign) -> Brought:
    question = question_of(campaign)
    steps = tuple(question.kind.choices(question.spec)) if campaign.task == Rate.name else ()
    answer = _ANNOTATED if _takes_answers(campaign) else ""
    several = campaign.task == Tags.name
    tasks = Tasks(path, answer, steps, asked.named.answer, asked.encoding, several)
    named = replace(asked.named, answer=answer)
    header, parts = tasks.columns(), list(campaign.parts)
    boxes = next((part for part in parts if part.name == boxes_part(campaign)), None)
    if boxes and lacking(header, [replace(boxes, optional=False)], named):
        # A copy of ours has them in its data already, letter by letter.
        tasks = replace(tasks, boxes=_BOXES)
        named = replace(named, columns={boxes.name + TEXT: _BOXES} | dict(named.columns))
        parts.remove(boxes)
    try:
        items, notes = _rows(tasks, replace(asked, named=named), campaign)
    except UnclearColumns as unclear:
        # How its annotations are read is no question.
        header = [each for each in header if each != answer]
        proposal = propose(header, tasks.sample(), parts, None)
        missing = lacking(header, parts, asked.named)
        raise UnclearColumns(tasks, proposal, header, missing) from unclear
    return Brought(items, (*notes, *tasks.unread()))


def _coco(path: Path, campaign: Campaign) -> Brought:
    part = boxes_part(campaign)
    boxes = _BOXES if part is not None else ""
    answer = _ANNOTATED if _takes_answers(campaign) and not boxes else ""
    meanings = {picture_part(campaign): coco.FILE} | ({part + TEXT: boxes} if part else {})
    columns = Columns(meanings, answer)
    folder = path if os.path.isdir(path) else None
    paths = coco.files_in(folder) if folder is not None else [path]
    if not paths:
        raise ConfigError(f"{path} holds no COCO annotations", "name the file that holds them")
    tables = [coco.Pictures(each, answer, boxes) for each in paths]
    items = [
        table_items(
            each,
            columns,
            campaign.parts,
            each.path.relative_to(folder or each.path.parent).as_posix(),
        )
        for each in tables
    ]
    pairs = tuple(zip(tables, items, strict=True))
    return Brought(coco.Annotated(folder, pairs), tuple(coco.notes_of(tables)))


def _yolo(folder: Path, campaign: Campaign) -> Brought:
    boxes = boxes_part(campaign)
    if boxes is None:
        return Brought(yolo.class_folders(folder, only_part(campaign)))
    marked = yolo.Marked(folder, picture_part(campaign), boxes, read_classes(folder))
    return Brought(marked, tuple(marked.notes()))


def _dataset(folder: Path, asked: Asked, campaign: Campaign) -> Brought:
    if not os.path.isdir(folder):
        raise ConfigError(f"{folder} is no folder of a dataset", "name the folder")
    found: list[TableItems] = []
    notes: list[str] = []
    for name, table in find_tables(folder, asked.encoding):
        named = asked.named
        if coco.FILE in table.columns():
            named = replace(named, columns={only_part(campaign): coco.FILE} | dict(named.columns))
        items, said = _rows(table, replace(asked, named=named), campaign, name)
        found.append(items)
        notes += said
    return Brought(Dataset(folder, found), tuple(dict.fromkeys(notes)))


# ---- files ----


def _files(asked: Asked, campaign: Campaign) -> Brought:
    if asked.named.columns or not asked.header:
        raise ConfigError(
            "columns are named, and what is to be submitted are files",
            "leave --column and --no-header out; or say what it is with --format",
        )
    part = only_part(campaign)
    takes = next(each.media_types for each in campaign.parts if each.name == part)
    if asked.format is None and CSV.name not in takes:
        _require_no_tables(asked.paths)
    if not asked.has_answers and campaign.proposal == pb.PROPOSAL_REQUIRED:
        _require_other_folders(asked.paths, campaign)
    answers: Answers = ByFolder() if asked.by_folder else asked.label
    without: frozenset[Path] = frozenset()
    if asked.labels is not None:  # which says if there is no such file
        answers = Labels.of(read_labels(asked.labels, asked.encoding, asked.named.answer))
        without = frozenset({asked.labels.resolve()})
    tables = CSV.name in takes
    return Brought(FileItems(asked.paths, part, answers, tables, without, asked.encoding))


def _require_no_tables(paths: list[Path]) -> None:
    """Raises ConfigError for a table among files: in a folder it would be left out."""
    table = next((each for each in paths if form_of(each) and os.path.isfile(each)), None)
    if table is not None:
        raise ConfigError(
            f"{table} is a table, and named as a file is",
            f"if it has the answers, write --labels {table}; to submit its rows, name it alone;"
            " if it is an item itself, add --format files",
        )


def _require_other_folders(paths: list[Path], campaign: Campaign) -> None:
    """Raises ConfigError for files without answers whose folders are called as answers are."""
    files = (each for each in find_files(paths) if isinstance(each, File))
    folders = {each.folder for each in islice(files, SAMPLE_ROWS)}
    if folders and all(is_answer_of(campaign, each) for each in folders):
        raise ConfigError(
            "the files have no answers, but their folders are called as answers are",
            "if that is what they show, add --label-by-folder; else --labels FILE or --label LABEL",
        )

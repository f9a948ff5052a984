"""Label Studio: tasks.json as its JSON import takes it, and config.xml, the project's labelling setup.

Each reviewer's answer is an annotation, and the verdict is one that is marked as ground truth. Label Studio
refuses an annotation by a person that it does not know (`completed_by`), so who answered is named `reviewer`,
and stands in the answer's `meta`, which its pages show. `lead_time` is null where a reviewer tells none.
What is no text is in files/, which Label Studio serves where that is its local storage's folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from commonground.dataset.formats.json_lines import to_json
from commonground.dataset.formats.sink import Sink
from commonground.dataset.formats.table import Row, Table
from commonground.dataset.rows import AUDIO, IMAGE, TEXT

_LOCAL: Final = "/data/local-files/?d="  # how Label Studio names a file of its local storage
_ELEMENTS: Final = {IMAGE: "Image", AUDIO: "Audio"}
_CONTROL: Final = "answer"


def write(table: Table, sink: Sink) -> None:
    """Writes the copy."""
    with sink.file("config.xml") as document:
        document(_setup(table).encode())
    with sink.file("tasks.json") as document:
        before = b"[\n"
        for split in table.splits:
            for row in table.rows(split):
                document(before + to_json(_task(table, sink, split, row)))
                before = b",\n"
        document(b"\n]\n")


def _task(table: Table, sink: Sink, split: str, row: Row) -> dict[str, Any]:
    cells = table.write_files(sink, row)
    data = {
        name: cell if cell is None or column.type == TEXT else _LOCAL + quote(cell)
        for name, column in table.columns.parts.items()
        for cell in [cells[name]]  # an item may lack a part, and its key has to be there
    }
    others = {each.name: cells[each.name] for each in table.about}
    return {
        "data": data,
        "meta": others | {"split": split},
        "annotations": list(_annotations(table, row)),
    }


def _annotations(table: Table, row: Row) -> Iterator[dict[str, Any]]:
    verdict = _results(table, table.own(row, "answer"), "verdict")
    yield {"result": verdict, "ground_truth": True, "was_cancelled": False, "lead_time": None}
    for given in table.given(row):
        words = f"{given.by}, round {given.round}" + (f": {given.refusal}" if given.refusal else "")
        yield {
            "result": _results(table, given.answer, words) if given.answer else [],
            "ground_truth": False,
            "was_cancelled": bool(given.refusal),
            "lead_time": given.seconds or None,
            "created_at": given.before,
            "reviewer": given.by,
            "round": given.round,
            "refusal": given.refusal,
            "program": given.program,
            "drawn_at": given.after,
        }


def _results(table: Table, words: str, who: str) -> list[dict[str, Any]]:
    names = table.categories()
    return [
        {
            "from_name": _control(table),
            "to_name": _shown(table),
            "type": "choices",
            "value": {"choices": [names[place] for place in table.places(words)]},
            "meta": {"text": [who]},
        }
    ]


def _setup(table: Table) -> str:
    parts = (
        f"  <{_ELEMENTS.get(column.type, 'Text')} name={quoteattr(name)} value={quoteattr('$' + name)}/>"
        for name, column in table.columns.parts.items()
    )
    choice = "multiple" if table.takes_several else "single"
    lines = [
        "<View>",
        f"  <Header value={quoteattr(' '.join(_asks(table)))}/>",
        *parts,
        f"  <Choices name={quoteattr(_control(table))} toName={quoteattr(_shown(table))} "
        f'choice="{choice}">',
        *(f"    <Choice value={quoteattr(name)}/>" for name in table.categories()),
        "  </Choices>",
        "</View>",
        "",
    ]
    return "\n".join(lines)


def _asks(table: Table) -> list[str]:
    question = table.columns.question
    return question.kind.asks(question.spec)[:1]


def _shown(table: Table) -> str:
    """The part that the answer is of, as far as Label Studio wants one."""
    return next(iter(table.columns.parts))


def _control(table: Table) -> str:
    """What the answer is called, beside the parts."""
    return _CONTROL if _CONTROL not in table.columns.parts else table.columns.name_of(_CONTROL)

"""JSON and tables that every program reads alike: what their standards leave open is refused.

<https://www.rfc-editor.org/rfc/rfc8259> leaves open what a name twice, a number too large, NaN, or half a
surrogate pair means, and <https://www.rfc-editor.org/rfc/rfc4180> what rows of several lengths and stray
quotes do; libraries differ, and one that a buyer uses may fail.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from node.media import shapes
from protocol import media
from protocol.depth import load_json
from protocol.errors import Reject

_DIGITS_MAX: Final = 300  # beyond it is no float, and Python's own limit may be set to any number

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

COLUMNS_MAX: Final = 1_000  # of a table: wider ones are no longer looked at row by row
# A field and what ends it, RFC 4180; possessive, so that nothing is read twice. For some programs only, a
# lone CR ends a line, and a quote inside a bare field begins a quoted one.
_FIELD: Final = re.compile(rb'(?:"(?:[^"]|"")*+"|[^",\r\n]*+)(,|\r\n|\n|\Z)')


def check_csv(data: bytes) -> None:
    """Raises Reject unless it has commas, quotes where they are due, and all rows as long as the first."""
    columns = at = 0
    fields, line = 0, 1
    while at < len(data):
        found = _FIELD.match(data, at)
        if found is None:
            raise _broken_csv(line, "a quote that is not closed, or stands inside a field")
        fields += 1
        line += found[0].count(b"\n")
        at = found.end()
        if fields > COLUMNS_MAX:
            raise _broken_csv(line, f"more than {COLUMNS_MAX:,} columns")
        if found[1] == b"," and at < len(data):
            continue
        fields += found[1] == b","  # a comma at the very end: one more field, an empty one
        if fields == 1 and not found[0].strip(b"\r\n"):
            raise _broken_csv(line, "an empty line, which some programs take for a row")
        if columns and fields != columns:
            raise _broken_csv(line, f"{fields} fields where the first row has {columns}")
        columns, fields = fields, 0


def _broken_csv(line: int, problem: str) -> Reject:
    return Reject(
        f"broken table (CSV), near line {line}: {problem}",
        "Export it again: fields apart by commas, in double quotes where they hold any.",
    )


def check_json(data: bytes) -> Any:
    """What JSON holds. Raises Reject."""
    try:
        found = load_json(
            data,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_whole,
            parse_float=_float,
        )
        # Only escapes can make half a pair: the bytes themselves are UTF-8.
        if b"\\u" in data and _SURROGATE.search(json.dumps(json.loads(data), ensure_ascii=False)):
            raise ValueError("a string holds half a surrogate pair")
    except ValueError as error:
        raise Reject(f"broken JSON: {error}", "Write it again with a program.") from error
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, *_ = (
            name for name, count in Counter(name for name, _ in pairs).items() if count > 1
        )
        raise ValueError(f"it names {twice[:64]!a} twice")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise ValueError(f"a number has more than {_DIGITS_MAX} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _shaped(check: Callable[[Any], str]) -> Callable[[bytes], None]:
    def check_shape(data: bytes) -> None:
        if problem := check(check_json(data)):
            raise Reject(f"it has another shape: {problem}", shapes.ADVICE)

    return check_shape


CHECKS: Final[Mapping[str, Callable[[bytes], object]]] = {
    media.CSV.name: check_csv,
    media.JSON.name: check_json,
    media.CONVERSATION.name: _shaped(shapes.problem_of_conversation),
    media.PAIR.name: _shaped(shapes.problem_of_pair),
    media.RECORD.name: _shaped(shapes.problem_of_record),
    media.BOXES.name: _shaped(shapes.problem_of_boxes),
}
"""What a text of each type has to be beside UTF-8; each raises Reject."""

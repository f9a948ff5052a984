"""JSON that every parser reads alike: what the standard leaves open is refused.

<https://www.rfc-editor.org/rfc/rfc8259> leaves open what a name twice, a number too large, NaN, or half a
surrogate pair means; libraries differ, and one that a buyer uses may fail.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, Final, NoReturn

import numpy as np

from protocol.errors import Reject

JSON_DEPTH_MAX: Final = 200  # deeper than anything that a person looks at
_DIGITS_MAX: Final = 300  # beyond it is no float, and Python's own limit may be set to any number

# To its end, or to the end of all; possessive, so that nothing is read twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"?', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def check_json(data: bytes) -> None:
    """Raises Reject."""
    try:
        if json_depth(data) > JSON_DEPTH_MAX:
            raise ValueError(f"it nests more than {JSON_DEPTH_MAX} deep")
        json.loads(
            data,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_whole,
            parse_float=_float,
        )
        # Only escapes can make half a pair: the bytes themselves are UTF-8.
        if b"\\u" in data and _SURROGATE.search(json.dumps(json.loads(data), ensure_ascii=False)):
            raise ValueError("a string holds half a surrogate pair")
    except (ValueError, RecursionError) as error:
        raise Reject(f"broken JSON: {error}", "Write it again with a program.") from error


def json_depth(data: bytes) -> int:
    """How deep JSON nests, whether it is well formed or not; in linear time and without recursion.

    Ask before parsing: libraries raise the interpreter's own limit beyond what its parser survives.
    """
    marks = np.frombuffer(_STRING.sub(b"", data), np.uint8)
    steps = np.isin(marks, list(b"[{")).astype(np.int64) - np.isin(marks, list(b"]}"))
    return int(np.cumsum(steps).max(initial=0))


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

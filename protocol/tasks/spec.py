"""Specs: a kind's own terms as canonical JSON, and the words that kinds share.

Everything that is said has exactly one encoding, so that two campaigns ask the same question if and
only if their specs are equal bytes: objects with sorted keys, no spaces, UTF-8 without escapes that
are not needed, and only lists, strings, whole numbers and booleans inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NoReturn

from protocol.depth import load_json
from protocol.errors import Reject, raise_all, tried
from protocol.limits import SPEC_BYTES_MAX
from protocol.text import check_name, quoted, twins

# A rubric is an object with a list of objects; one more level is room for a kind to come.
SPEC_DEPTH_MAX: Final = 4
# Whole numbers that every JSON reader keeps exactly (RFC 8259, section 6).
INTEGER_MAX: Final = 2**53 - 1

Spec = Mapping[str, object]


def encode_spec(spec: Spec) -> bytes:
    """The canonical bytes of a spec; raises Reject if it holds what a spec cannot say."""
    _check_value(spec, 0)
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise Reject("a spec holds a character that is not one", "write it as UTF-8") from None
    if len(encoded) > SPEC_BYTES_MAX:
        raise Reject(
            f"a spec of {len(encoded)} bytes is longer than {SPEC_BYTES_MAX}",
            "shorten its texts; long instructions belong in the campaign's guidelines",
        )
    return encoded


def decode_spec(spec: bytes) -> dict[str, object]:
    """What a spec says; raises Reject unless these are the canonical bytes of it."""
    if len(spec) > SPEC_BYTES_MAX:
        raise Reject(f"a spec of {len(spec)} bytes is longer than {SPEC_BYTES_MAX}")
    try:
        value = load_json(spec.decode(), parse_float=_no_float, parse_constant=_no_float)
    except ValueError:
        raise Reject("a spec is not JSON", "write it with encode_spec") from None
    if type(value) is not dict:
        raise Reject("a spec is not a JSON object", 'write it as {"name": value}')
    if encode_spec(value) != spec:
        raise Reject(
            "a spec is not in its canonical form",
            "sort the keys, name each once, leave out spaces and escapes",
        )
    return value


def check_fields(what: str, value: object, fields: Mapping[str, str]) -> dict[str, object]:
    """`value`, if it is an object with exactly these fields; `fields` says what each is for."""
    if type(value) is not dict:
        raise Reject(f"{what} is not an object", _expected(fields))
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise Reject(
            f"{what} has a field {quoted(unknown[0])} that means nothing", _expected(fields)
        )
    for name, meaning in fields.items():
        if name not in value:
            raise Reject(f"{what} has no {name!r}", f"add {name!r}: {meaning}")
    return value


def read_names(what: str, value: object, least: int, most: int) -> tuple[str, ...]:
    """A list of names that people can tell apart; `what` is one of them ("label")."""
    if type(value) is not list or not all(type(name) is str for name in value):
        raise Reject(f"the {what}s are not a list of names", f'write each {what} as "a name"')
    check_count(what, len(value), least, most)
    _, faults = tried(
        partial(check_name, name, f"{what} {number}") for number, name in enumerate(value, 1)
    )
    raise_all((*faults, *twins(value, f"{what}s")))
    return tuple(value)


def check_count(what: str, count: int, least: int, most: int) -> None:
    """Raises Reject unless there are enough, and not too many, of something."""
    if not least <= count <= most:
        plural = "criteria" if what == "criterion" else f"{what}s"
        noun = what if count == 1 else plural
        raise Reject(
            f"a task with {count} {noun} asks nothing" if count < least else f"{count} {noun}",
            f"give at least {least} and at most {most} {plural}",
        )


def read_integer(what: str, value: object, least: int, most: int) -> int:
    """A whole number within bounds."""
    if type(value) is not int or not least <= value <= most:
        wanted = f"a whole number from {least} to {most}" if least < most else str(least)
        raise Reject(f"{what} is {_said(value)}", f"give {wanted}")
    return value


def _expected(fields: Mapping[str, str]) -> str:
    return "its fields are " + ", ".join(f"{name!r} ({fields[name]})" for name in sorted(fields))


def _check_value(value: object, depth: int) -> None:
    if depth > SPEC_DEPTH_MAX:
        raise Reject(f"a spec is nested more than {SPEC_DEPTH_MAX} deep")
    if isinstance(value, Mapping):
        if not all(type(name) is str for name in value):
            raise Reject("a spec has a field whose name is not text")
        inside: Sequence[object] = list(value.values())
    elif type(value) is list:
        inside = value
    else:
        _check_leaf(value)
        inside = ()
    for each in inside:
        _check_value(each, depth + 1)


def _check_leaf(value: object) -> None:
    if type(value) is int and abs(value) > INTEGER_MAX:
        raise Reject(f"a spec holds a number beyond {INTEGER_MAX}")
    if type(value) not in (int, str, bool):
        raise Reject(
            f"a spec holds {_said(value)}",
            "use objects, lists, text, whole numbers, true and false only",
        )


def _said(value: object) -> str:
    return quoted(str(value))


def _no_float(_: str) -> NoReturn:
    raise ValueError("whole numbers only")

"""A reviewer for `command:`, as anybody could write one: it reads what is asked, and prints an answer.

It finds the right answer honestly, from the content alone, and then errs as it is told to: how people err is
what the demo has to know, so that it can measure what comes of it. It is a script of its own that needs
nothing but Python, since a node starts it once for each item:

    python -I -S opinion.py NAME [facts=FILE] [errs=SHARE] [flips=1] [bias=STEPS] [spread=STEPS]

NAME makes reviewers err on different items. errs: on this share of them, an answer at random. flips: says the
opposite. bias and spread: of ratings, in steps. facts: what the reviewer knows, a JSON object.
"""

from __future__ import annotations

import json
import random
import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

# Of a dark margin under clipped noise, the upper quartile is 0.67 of the noise's strength; a little ink
# does not move it. These lie between the steps.
_QUARTILES: Final = (5.0, 17.0, 42.0, 92.0)
_MARGIN: Final = 3  # pixels, where digits have hardly any ink
_SIDE: Final = 28


def main() -> None:
    """Answers one case."""
    name, *settings = sys.argv[1:]
    how = dict(each.split("=", 1) for each in settings)
    case = json.load(sys.stdin)
    parts = {part["name"]: Path(part["path"]).read_bytes() for part in case["parts"]}
    # Whatever stands first: who sees the pair the other way round errs in the same way.
    chance = random.Random(b"".join([name.encode(), *sorted(parts.values())]))  # noqa: S311
    print(json.dumps({"answer": _OPINIONS[case["kind"]](case, parts, how, chance)}))


def prefer(
    case: Mapping[str, Any],
    parts: Mapping[str, bytes],
    how: Mapping[str, str],
    chance: random.Random,
) -> str:
    """Which of two answers to a question that we know the answer of is better."""
    known = json.loads(Path(how["facts"]).read_text(encoding="utf-8"))
    right = known[parts["prompt"].decode()]
    worth = {
        name: _worth(parts[name].decode(), right, known.values()) for name in ("first", "second")
    }
    possible = sorted(worth, key=parts.__getitem__)
    return _said(max(worth, key=worth.__getitem__), possible, how, chance)


def _worth(answer: str, right: str, possible: Any) -> int:
    words = set(re.findall(r"\w+", answer))
    if right not in words:
        return 0
    if words & {*possible} - {right}:
        return 1
    return 2 + (len(words) > 1)


def rate(
    case: Mapping[str, Any],
    parts: Mapping[str, bytes],
    how: Mapping[str, str],
    chance: random.Random,
) -> str:
    """How much noise is in a picture's margin."""
    steps: list[str] = case["spec"]["steps"]
    [picture] = parts.values()
    rows = grey_rows(picture)
    inside = range(_MARGIN, _SIDE - _MARGIN)
    dark = [
        rows[y][x] for y in range(_SIDE) for x in range(_SIDE) if y not in inside or x not in inside
    ]
    quartile = sorted(dark)[len(dark) * 3 // 4]
    step = sum(quartile > bound for bound in _QUARTILES)
    felt = step + float(how.get("bias", 0)) + chance.gauss(0, float(how.get("spread", 0)))
    near = steps[max(0, min(len(steps) - 1, round(felt)))]
    return _said(near, steps, how, chance)


def judge(
    case: Mapping[str, Any],
    parts: Mapping[str, bytes],
    how: Mapping[str, str],
    chance: random.Random,
) -> str:
    """Whether a worked example is sound, answered and shown."""
    times, each, more = map(int, re.findall(r"\d+", parts["task"].decode()))
    *lines, last = parts["solution"].decode().splitlines()
    meets = (
        all(_holds(line) for line in lines),
        last == f"Answer: {times * each + more}",
        len(lines) > 1,
    )
    said = [_said("yes" if met else "no", ["yes", "no"], how, chance) for met in meets]
    return ", ".join(said)


def _holds(line: str) -> bool:
    a, sign, b, _, c = line.split()
    return (int(a) * int(b) if sign == "x" else int(a) + int(b)) == int(c)


def _said(
    right: str, possible: Sequence[str], how: Mapping[str, str], chance: random.Random
) -> str:
    """What somebody says who errs now and then, or means to say the opposite."""
    said = chance.choice(possible) if chance.random() < float(how.get("errs", 0)) else right
    return possible[-1 - possible.index(said)] if how.get("flips") else said


def grey_rows(png: bytes) -> list[list[int]]:
    """The rows of pixels of a still grey PNG with eight bits a pixel."""
    at, packed = 8, b""  # after the signature come chunks: length, type, data, checksum
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            packed += png[at + 8 : at + 8 + length]
        at += length + 12
    data = zlib.decompressobj().decompress(packed, (_SIDE + 1) * _SIDE)
    rows, above = list[list[int]](), [0] * _SIDE
    for start in range(0, len(data), _SIDE + 1):
        above = _unfiltered(data[start], data[start + 1 : start + 1 + _SIDE], above)
        rows.append(above)
    return rows


def _unfiltered(kind: int, line: bytes, above: list[int]) -> list[int]:
    """Undoes the filter of one row (PNG specification, section 9)."""
    row: list[int] = []
    for place, value in enumerate(line):
        left, up = (row[-1] if place else 0), above[place]
        corner = above[place - 1] if place else 0
        guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
        row.append((value + guess) % 256)
    return row


def _paeth(left: int, up: int, corner: int) -> int:
    near = left + up - corner
    return min((left, up, corner), key=lambda each: abs(near - each))


_OPINIONS: Final = {"prefer": prefer, "rate": rate, "judge": judge}

if __name__ == "__main__":
    main()

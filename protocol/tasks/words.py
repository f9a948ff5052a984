"""What the kinds have in common in checking and wording: lengths, names and shares."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from protocol.errors import Reject
from protocol.limits import PPM
from protocol.text import quoted

# Of a belief over many answers, these are worth a line; the rest is summed up.
SHARES_SHOWN: Final = 3
SHARE_SHOWN_PPM: Final = 1_000  # what reads as 0.1 %
CHOICES_LISTED: Final = 12  # an error message that lists more is not read


def check_length(kind: str, answer: bytes, wanted: int) -> None:
    """Raises Reject unless an answer is as long as every answer to the question."""
    if len(answer) != wanted:
        raise Reject(
            f"an answer to this {kind} task has length {wanted}, not {len(answer)}",
            "answer the campaign's own question; answers to other kinds do not fit",
        )


def check_shown(kind: str, required: Sequence[str]) -> None:
    """Raises Reject unless every item shows its reviewers something."""
    if not required:
        raise Reject(
            f"items of a {kind} task need a part that is always there",
            "make at least one part of the items required",
        )


def as_said(text: str) -> str:
    """What somebody wrote, in the form in which it is compared with names: these are NFC."""
    return unicodedata.normalize("NFC", text).strip().casefold()


def find_name(what: str, names: Sequence[str], text: str) -> int:
    """The index of the name that somebody wrote, whatever its case; raises Reject that lists them."""
    wanted = as_said(text)
    for index, name in enumerate(names):
        if name.casefold() == wanted:
            return index
    listed = ", ".join(names[:CHOICES_LISTED])
    more = f" and {len(names) - CHOICES_LISTED} more" if len(names) > CHOICES_LISTED else ""
    raise Reject(f"there is no {what} {quoted(text.strip())}", f"say one of: {listed}{more}")


def percent(ppm: int) -> str:
    """A share in words. Only certainty reads as 100 % and only impossibility as 0 %."""
    tenths = (ppm + 500) // 1_000
    if 0 < ppm < PPM:
        tenths = min(max(tenths, 1), 999)
    return f"{tenths // 10}.{tenths % 10} %"


def shares(names: Sequence[str], belief: Sequence[int]) -> str:
    """The most probable answers, best first, and what is left: "cat 97.1 %, dog 2.9 %"."""
    order = sorted(range(len(names)), key=lambda k: (-belief[k], k))
    shown = [k for k in order if belief[k] >= SHARE_SHOWN_PPM][:SHARES_SHOWN] or order[:1]
    rest = sum(belief) - sum(belief[k] for k in shown)
    words = [f"{names[k]} {percent(belief[k])}" for k in shown]
    return ", ".join([*words, f"others {percent(rest)}"] if rest >= SHARE_SHOWN_PPM else words)


def most_probable(belief: Sequence[int]) -> int:
    """The index of the largest share; the first of those that tie."""
    return max(range(len(belief)), key=lambda k: (belief[k], -k))

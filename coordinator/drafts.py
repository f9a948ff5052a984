"""Campaigns to begin with: a commented file for each kind of task, ready to be edited and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from protocol.errors import ConfigError
from protocol.tasks import KINDS
from protocol.text import is_id, quoted

_HEAD: Final = """\
# A campaign. Edit it, then see what it would be, and open it:
#     commonhold coordinator campaign check FILE --dir COORDINATOR
#     commonhold coordinator campaign create FILE --dir COORDINATOR
# What says "for ever" cannot be changed later; for the rest there is `campaign change`.

id = "{id}"                       # for ever: a-z, 0-9 and -
title = "{title}"
guidelines = \"\"\"
{guidelines}
\"\"\"

# What is asked: for ever.
task = "{kind}"
{question}

# Of what an item is made: for ever. Types that nodes know are listed in docs/coordinator.md.
{parts}
"""

_TAIL: Final = """\
licences = ["CC-BY-4.0"]          # for ever: SPDX identifiers that a contributor may choose
privacy = "open"                  # for ever: "open" can be exported; "reviewers": content goes to them only
withdrawal = "repays"             # for ever: shares earned with items that are withdrawn later
automation = "local"              # for ever: programs may review at their owners'; "anywhere", "none"
reviewers_per_item = 3            # for ever
draws_max = 3                     # for ever: rounds that an undecided item gets

price_ppm = 1_000_000             # weight of an accepted item; 1,000,000 is what others pay
round_items = 1_000               # most items of a round
seal_items = 100                  # a round begins when so many wait,
seal_wait = "10m"                 # or when the oldest has waited so long
commit_window = "24h"             # to answer: minutes for programs, days for people
reveal_window = "1h"              # to open the answers; nodes do it by themselves
"""

_PROPOSED: Final = 'proposal = "optional"             # for ever: required, optional, none\n'
_TEXT: Final = 'media_types = ["text/plain"]\nitem_bytes_max = 20_000'
_PARTS: Final = "# Parts are at the end of this file."


def _part(name: str) -> str:
    return f'\n[[parts]]\nname = "{name}"\nmedia_types = ["text/plain"]\nbytes_max = 20_000\n'


class _Sample:
    """What is particular to a kind."""

    def __init__(
        self, title: str, guidelines: str, question: str, parts: tuple[str, ...] = ()
    ) -> None:
        self.title, self.guidelines, self.question, self.parts = title, guidelines, question, parts


_SAMPLES: Final[Mapping[str, _Sample]] = {
    "classify": _Sample(
        "Which language is it?",
        "One sentence an item, as somebody wrote it. Choose the language of most of its words.",
        'labels = ["English", "French", "Japanese"]',
    ),
    "rate": _Sample(
        "How polite is it?",
        "One message an item. Rate what it says, not what it is about.",
        'spec = { steps = ["rude", "cold", "plain", "polite"], tolerance = 1 }  # lowest first',
    ),
    "prefer": _Sample(
        "Which answer is better?",
        "Prefer the answer that you would rather get. Length is no merit.",
        "spec = { ties = true }",
        ("prompt", "answer_a", "answer_b"),
    ),
    "judge": _Sample(
        "Is the translation right?",
        "Judge the translation against the source, not against how you would have put it.",
        'spec = { criteria = [{ name = "faithful", text = "It says all that the source says.",'
        " needs_ppm = 900_000 }] }",
        ("source", "translation"),
    ),
    "tags": _Sample(
        "What is it about?",
        "One text an item. Choose every subject that it is about, or none.",
        'spec = { tags = ["sport", "politics", "science"] }',
    ),
}


def draft_text(kind: str, campaign_id: str) -> str:
    """The text of a file for a campaign of a kind, that opens as it is. Raises ConfigError for what is no
    campaign's id, and for what is no kind, with a list of them."""
    if not is_id(campaign_id):
        raise ConfigError(
            f"{quoted(campaign_id)} is not a campaign's id", "make it of a-z, 0-9 and -"
        )
    sample = _SAMPLES.get(kind)
    if sample is None:
        raise ConfigError(f"there is no kind of task {kind!r}", f"kinds are: {', '.join(_SAMPLES)}")
    head = _HEAD.format(
        id=campaign_id,
        kind=kind,
        title=sample.title,
        guidelines=sample.guidelines,
        question=sample.question,
        parts=_PARTS if sample.parts else _TEXT,
    )
    proposed = _PROPOSED if KINDS[kind].takes_proposals else ""
    return head + proposed + _TAIL + "".join(map(_part, sample.parts))

"""How one reviewer sees an item: under which names, in which order, and what the answers are called.

Where two parts are compared, position and names sway people. So half of the reviewers see the other part
first, both are called by their places, and answers speak of places. What that means in the log's terms is
said here alone, and to nobody who answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from protocol.tasks.words import find_name


@dataclass(frozen=True, slots=True)
class Shown:
    """`names`: what parts that are shown under another name are called, in the order in which they are seen.
    `answers`: what each answer is called, in the order of the choices; empty where the kind's words serve."""

    names: Mapping[str, str]
    answers: Mapping[str, bytes]

    def order(self, parts: Sequence[str]) -> list[str]:
        """An item's parts in the order in which they are seen; those under their own names stay in place."""
        seen = iter(self.names)
        return [next(seen) if part in self.names else part for part in parts]

    def name_of(self, part: str) -> str:
        """What a part is called."""
        return self.names.get(part, part)

    def read(self, text: str) -> bytes:
        """The answer that is called so; raises Reject that lists them. Only where `answers` has some."""
        words = list(self.answers)
        return self.answers[words[find_name("answer", words, text)]]

    def words(self, answer: bytes) -> str:
        """What an answer is called; likewise."""
        return next(words for words, each in self.answers.items() if each == answer)


AS_NAMED: Final = Shown(MappingProxyType({}), MappingProxyType({}))
"""Every part under its own name and in its place, and the kind's own words."""

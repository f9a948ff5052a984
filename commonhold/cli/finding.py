"""What was found of personal data: how it is looked for, shown and asked about."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import RenderableType

from commonground.counting import plural
from commonhold.cli.output import ask, confirm, note, say, table
from node.planning import Plan, Terms
from node.privacy.choice import Choice
from node.privacy.contact import region_of_locale
from node.privacy.documents import Finding
from node.privacy.finders import NOT_FOUND, TextFinder
from node.privacy.plugin import CommandFinder
from node.privacy.screening import Screening
from protocol.errors import ConfigError

LISTED: Final = 20  # finds that are shown; --json has all
_LOCALES: Final = ("LC_ALL", "LC_CTYPE", "LANG")  # the first that is set says where this machine is
_ASKED: Final = {"r": Choice.REDACT, "l": Choice.LEAVE_OUT, "k": Choice.KEEP, "s": Choice.STOP}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in which item, and of texts how many are in which language."""

    by_item: tuple[tuple[str, Finding], ...]
    languages: tuple[tuple[str, int], ...]
    partly: int = 0  # files of which only what reads as text was looked at

    @classmethod
    def of(cls, plan: Plan) -> Found:
        """In what is planned."""
        parts = (part for item in plan.items for part in item.parts)
        return cls.among(
            ((item.name, each) for item in plan.items for each in item.findings),
            (part.language for part in parts),
            sum(not part.is_looked_at for item in plan.items for part in item.parts),
        )

    @classmethod
    def among(
        cls, by_item: Iterable[tuple[str, Finding]], languages: Iterable[str], partly: int = 0
    ) -> Found:
        """An empty language is none."""
        counted = Counter(each for each in languages if each)
        return cls(tuple(by_item), tuple(counted.most_common()), partly)

    def data(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "personal_data": [
                {
                    "item": name,
                    "where": each.where,
                    "kind": each.kind.value,
                    "detail": each.what,
                    "sample": each.sample,
                    "would_be_submitted": each.is_submitted,
                }
                for name, each in self.by_item
            ],
            "languages": dict(self.languages),
            "partly_looked_at": self.partly,
            "not_looked_for": NOT_FOUND,
        }

    def lines(self) -> list[RenderableType]:
        """The first finds, and how many there are of each kind; and the languages."""
        lines: list[RenderableType] = []
        if self.by_item:
            rows: list[list[object]] = [
                [name, each.where, _kind(each), each.sample, "yes" if each.is_submitted else "no"]
                for name, each in self.by_item[:LISTED]
            ]
            columns = ["file or row", "where", "kind", "sample", "would leave"]
            lines.append(table("Personal data", columns, rows))
            if len(self.by_item) > LISTED:
                lines.append(f"and {len(self.by_item) - LISTED:,} more; --json has all of them")
            counts = Counter(each.kind.value for _, each in self.by_item)
            lines.append(
                "found: " + ", ".join(f"{n:,} x {kind}" for kind, n in counts.most_common())
            )
        if self.languages:
            listed = ", ".join(f"{name} {count:,}" for name, count in self.languages[:LISTED])
            lines.append(f"languages of texts, where they are sure: {listed}")
        if self.partly:
            lines.append(
                f"files of any kind, {self.partly:,}: only what reads as text in them was looked at, and"
                " nothing that is compressed or encrypted; they go as they are"
            )
        return lines

    def tell(self) -> None:
        """Says it, and what was not looked for."""
        say(self.lines())
        note(NOT_FOUND)


def opened(regions: Sequence[str], command: str) -> Screening:
    """How content is screened, as options say. Raises ConfigError."""
    from phonenumbers import SUPPORTED_REGIONS

    wrong = [each for each in regions if each.upper() not in SUPPORTED_REGIONS]
    if wrong:
        raise ConfigError(f"there is no region {wrong[0]}", "write two letters, as GB, DE, IN")
    here = next((value for name in _LOCALES if (value := os.environ.get(name))), "")
    places = tuple(each.upper() for each in regions) or region_of_locale(here)
    return Screening(TextFinder(places, [CommandFinder(command)] if command else []))


def ask_what(found: Found, affected: int) -> Choice:
    """What the person at the terminal wants done; STOP where there is none."""
    found.tell()
    if not sys.stdin.isatty():
        return Choice.STOP
    asked = f"{affected:,} of what would be submitted holds personal data: [r]edact it, [l]eave these out,"
    while True:
        said = ask(f"{asked} [k]eep it and say so, or [s]top?", default="s").strip().lower()
        if choice := _ASKED.get(said[:1]):
            return choice


def settle_origin(plan: Plan, terms: Terms, *, may_ask: bool) -> Plan:
    """Where content credentials say that it is generated, and the options that it is not: asks. What nobody
    says is left as the options have it, and noted."""
    made = plan.generated
    if not made or terms.is_generated:
        return plan
    names = ", ".join(dict.fromkeys(item.made_with or "a program without a name" for item in made))
    said = (
        f"content credentials say that a program generated {plural(len(made), 'item')}, or a"
        f" part ({names})"
    )
    if may_ask and sys.stdin.isatty():
        note(f"{said}; nobody checked their signature")
        return plan.as_generated() if confirm("Submit these as synthetic?") else plan
    note(f"{said}: if so, submit these with --origin synthetic --generator NAME")
    return plan


def _kind(finding: Finding) -> str:
    return f"{finding.kind} ({finding.what})" if finding.what else finding.kind.value

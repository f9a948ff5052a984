"""What a dataset's descriptions say of the whole, counted while its rows are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from commonground.dataset.layout import scope_names
from commonground.dataset.rows import ORIGINS, Columns, Decided
from commonground.escaping import one_line
from coordinator.dataset.snapshots import folder_name
from coordinator.ranking import SourceRanking
from protocol.identity import name_of
from protocol.rows import Campaign, Consent, Terms


@dataclass(slots=True)
class Facts:
    """Fixed by the log, and counted item by item."""

    network_name: str
    url: str  # where the network's dashboard is
    campaign: Campaign  # with the latest terms that an item of it was submitted under
    digest: bytes  # of the snapshot record
    scope: Consent
    columns: Columns
    published: str  # date, YYYY-MM-DD
    items: int = 0
    content_bytes: int = 0
    missing: int = 0
    personal: int = 0
    derived: int = 0
    contributors: Counter[str] = field(default_factory=Counter)  # by a person's printed name
    answers: Counter[str] = field(default_factory=Counter)  # in words
    licences: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    generators: Counter[str] = field(default_factory=Counter)
    reviewers: int = 0  # who answered or refused, of all items together
    programs: int = 0  # of those: for whom a program did
    ranking: SourceRanking | None = None
    # Terms of the campaign before those, and how many items were submitted under each.
    earlier: tuple[tuple[Terms, int], ...] = ()

    def count(self, decided: Decided, contents: Mapping[str, bytes]) -> None:
        """Adds an item."""
        described, question = decided.described, self.columns.question
        self.items += 1
        self.content_bytes += sum(map(len, contents.values()))
        self.personal += described.personal_data
        self.derived += bool(described.derived_from)
        self.contributors[name_of(decided.author)] += 1
        self.answers[question.kind.words(question.spec, decided.answer)] += 1
        self.licences[described.licence] += 1
        self.origins[ORIGINS[described.origin]] += 1
        self.reviewers += decided.reviewers
        self.programs += decided.programs
        if described.generator:
            self.generators[described.generator] += 1

    @property
    def asks(self) -> list[str]:
        """The question in words: a sentence, and a line for each thing that there is to say of it."""
        return self.columns.question.kind.asks(self.columns.question.spec)

    @property
    def name(self) -> str:
        """A name that hubs accept and that no other snapshot has."""
        return f"{self.campaign.id}-{folder_name(self.digest)}"

    @property
    def title(self) -> str:
        """The campaign's title, for people."""
        return self.campaign.title or self.campaign.id

    @property
    def version(self) -> str:
        """Semantic version: a snapshot never changes, and its digest tells it from all others."""
        return f"1.0.0+{self.digest.hex()}"

    @property
    def uses(self) -> list[str]:
        """What the authors of all items agreed to."""
        return scope_names(self.scope)

    @property
    def citation(self) -> str:
        """BibTeX."""
        return (
            f"@misc{{{_tex(self.name)}, title = {{{_tex(self.title)}}}, "
            f"author = {{{len(self.contributors)} contributors of {_tex(self.network_name)}}}, "
            f"year = {{{self.published[:4]}}}, note = {{snapshot {self.digest.hex()}}}, "
            f"howpublished = {{{self.url}}}}}"
        )


def licence_url(spdx: str) -> str:
    """Where the text of a licence on the SPDX list is."""
    return f"https://spdx.org/licenses/{quote(spdx, safe='', errors='replace')}.html"


def counted(counter: Counter[str]) -> str:
    """`sensor (3), human (2)`: the commonest first, ties by name."""
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} ({count:,})" for name, count in ordered)


def _tex(text: str) -> str:
    """Without what would end a BibTeX field, or mean something to TeX."""
    return "".join(c for c in one_line(text) if c not in "{}\\$&#^_~%")

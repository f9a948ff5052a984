"""What a dataset's descriptions say of the whole, counted while its rows are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from commonground.counting import plural
from commonground.dataset.decided import Decided, Given
from commonground.dataset.layout import scope_names
from commonground.dataset.policies import Policy, policy_of
from commonground.dataset.rows import ORIGINS, Columns
from commonground.dataset.splits import SPLITS, SplitTerms
from commonground.escaping import one_line
from coordinator.dataset.snapshots import folder_name
from coordinator.ranking import SourceRanking
from protocol.identity import PersonId, name_of
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
    split: SplitTerms | None = None
    items: int = 0
    content_bytes: int = 0
    missing: int = 0
    in_split: Counter[str] = field(default_factory=Counter)
    personal: int = 0
    derived: int = 0
    contributors: Counter[str] = field(default_factory=Counter)  # by a person's printed name
    answers: Counter[str] = field(default_factory=Counter)  # in words
    licences: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    generators: Counter[str] = field(default_factory=Counter)
    policies: Counter[Policy] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)  # media types, by parts that have them
    people: set[PersonId] = field(default_factory=set)  # who answered
    given: int = 0  # answers, over all items
    first_ms: int = 0  # when the first item of all was drawn, by the operator's clock
    last_ms: int = 0  # and when the last answers were given
    reviewers: int = 0  # who answered or refused, of all items together
    programs: int = 0  # of those: for whom a program did
    ranking: SourceRanking | None = None
    # Terms of the campaign before those, and how many items were submitted under each.
    earlier: tuple[tuple[Terms, int], ...] = ()

    def count(self, decided: Decided, contents: Mapping[str, bytes], split: str) -> None:
        """Adds an item."""
        described, question = decided.described, self.columns.question
        self.items += 1
        self.in_split[split] += 1
        self.content_bytes += sum(map(len, contents.values()))
        self.personal += described.personal_data
        self.derived += bool(described.derived_from)
        self.contributors[name_of(decided.author)] += 1
        self.answers[question.kind.words(question.spec, decided.answer)] += 1
        self.licences[described.licence] += 1
        self.origins[ORIGINS[described.origin]] += 1
        self.policies[policy_of(described)] += 1
        self.formats.update(part.media_type for part in described.parts)
        self.reviewers += decided.reviewers
        self.programs += decided.programs
        if described.generator:
            self.generators[described.generator] += 1
        for given in decided.given:
            self._count_answer(given)

    def _count_answer(self, given: Given) -> None:
        self.given += 1
        self.people.add(given.reviewer)
        drawn, ended = given.round.drawn_ms, given.round.ended_ms
        self.first_ms = min(self.first_ms, drawn) if self.given > 1 else drawn
        self.last_ms = max(self.last_ms, ended)

    @property
    def asks(self) -> list[str]:
        """The question in words: a sentence, and a line for each thing that there is to say of it."""
        return self.columns.question.kind.asks(self.columns.question.spec)

    @property
    def name(self) -> str:
        """A name that hubs accept and that no other snapshot has."""
        return f"{self.campaign.id}-{folder_name(self.digest)}"

    @property
    def urn(self) -> str:
        """The snapshot, as other documents name it."""
        return f"urn:commonhold:snapshot:{self.digest.hex()}"

    @property
    def title(self) -> str:
        """The campaign's title, for people."""
        return self.campaign.title or self.campaign.id

    @property
    def version(self) -> str:
        """Semantic version: a snapshot never changes, and its digest tells it from all others."""
        return f"1.0.0+{self.digest.hex()}"

    @property
    def description(self) -> str:
        """What the whole is, for people."""
        whole = (
            f"{plural(self.items, 'item')} that"
            f" {plural(len(self.contributors), 'person', 'people')} contributed"
        )
        left_out = f"; {self.missing:,} more could not be fetched" if self.missing else ""
        return (
            f"{self.title}. {whole} to the network {self.network_name} and reviewed for each other"
            f"{left_out}{self.split_words}. The question: {' '.join(self.asks)} "
            f"{self.campaign.guidelines}"
        ).strip()

    @property
    def rows(self) -> dict[str, int]:
        """How many are in each split that has some, in the order of SPLITS."""
        return {name: self.in_split[name] for name in SPLITS if self.in_split[name]}

    @property
    def split_words(self) -> str:
        """How many rows are in which split; nothing where all are for training."""
        listed = ", ".join(f"{rows:,} in {name}" for name, rows in self.rows.items())
        return f"; {listed}" if self.split is not None else ""

    @property
    def uses(self) -> list[str]:
        """What the authors of all items agreed to."""
        return scope_names(self.scope)

    @property
    def citation(self) -> str:
        """BibTeX."""
        return (
            f"@misc{{{_tex(self.name)}, title = {{{_tex(self.title)}}}, "
            f"author = {{{plural(len(self.contributors), 'contributor')} of {_tex(self.network_name)}}}, "
            f"year = {{{self.published[:4]}}}, note = {{snapshot {self.digest.hex()}}}, "
            f"howpublished = {{{self.url}}}}}"
        )


def counted(counter: Counter[str]) -> str:
    """`sensor (3), human (2)`: the commonest first, ties by name."""
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} ({count:,})" for name, count in ordered)


def _tex(text: str) -> str:
    """Without what would end a BibTeX field, or mean something to TeX."""
    return "".join(c for c in one_line(text) if c not in "{}\\$&#^_~%")

"""What a dataset's descriptions say of the whole, counted while its rows are written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from coordinator.dataset.snapshots import folder_name, scope_names
from protos.gen import records_pb2 as pb


@dataclass(slots=True)
class Facts:
    """Fixed by the log, and counted row by row."""

    network_name: str
    url: str  # where the network's dashboard is
    campaign: pb.Campaign
    digest: bytes  # of the snapshot record
    scope: pb.Consent
    content: str  # name of the content's column
    published: str  # date, YYYY-MM-DD
    items: int = 0
    content_bytes: int = 0
    missing: int = 0
    personal: int = 0
    derived: int = 0
    contributors: Counter[str] = field(default_factory=Counter)  # by peer id
    labels: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    generators: Counter[str] = field(default_factory=Counter)

    def count(self, row: dict[str, Any], content_bytes: int) -> None:
        """Adds a row of rows.COLUMNS."""
        self.items += 1
        self.content_bytes += content_bytes
        self.personal += row["personal_data"]
        self.derived += bool(row["derived_from"])
        self.contributors[row["contributor"]] += 1
        self.labels[row["label_name"]] += 1
        self.licences[row["licence"]] += 1
        self.origins[row["origin"]] += 1
        if row["generator"]:
            self.generators[row["generator"]] += 1

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
            f"@misc{{{self.name}, title = {{{_tex(self.title)}}}, "
            f"author = {{{len(self.contributors)} contributors of {_tex(self.network_name)}}}, "
            f"year = {{{self.published[:4]}}}, note = {{snapshot {self.digest.hex()}}}, "
            f"howpublished = {{{self.url}}}}}"
        )


def licence_url(spdx: str) -> str:
    """Where the text of a licence on the SPDX list is."""
    return f"https://spdx.org/licenses/{spdx}.html"


def counted(counter: Counter[str]) -> str:
    """`sensor (3), human (2)`: the commonest first, ties by name."""
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} ({count:,})" for name, count in ordered)


def _tex(text: str) -> str:
    """Without what would end a BibTeX field."""
    return "".join(c for c in text if c not in "{}\\" and c.isprintable())

"""README.md: the dataset card. Its YAML front matter is what hubs and `datasets` read."""

from __future__ import annotations

import json
from collections import Counter
from html import escape
from typing import Final

from commonground.dataset.layout import DATA
from commonground.dataset.rows import COLUMNS, IMAGE
from coordinator.dataset.facts import Facts, counted, licence_url

# What a hub calls a licence is its SPDX identifier in lower case, for those that it knows.
_HUB_LICENCES: Final = frozenset(
    (
        *("apache-2.0", "bsd-3-clause", "mit", "pddl", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"),
        *("cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0"),
    )
)
_OTHER: Final = "other"
# Lower bounds of the hub's size classes, in items.
_SIZES: Final = (
    *((1_000_000, "1M<n<10M"), (100_000, "100K<n<1M"), (10_000, "10K<n<100K")),
    *((1_000, "1K<n<10K"), (0, "n<1K")),
)
_CONTRIBUTORS_SHOWN: Final = 50  # croissant.json has all of them


def render(facts: Facts) -> str:
    """The card."""
    uses = ", ".join(facts.uses)
    return "\n".join(
        [
            "---",
            *_front_matter(facts),
            "---",
            "",
            f"# {_line(facts.title)}",
            "",
            f"{facts.items:,} items by {len(facts.contributors):,} contributors of "
            f"{_line(facts.network_name)}, reviewed by each other. Snapshot "
            f"`{facts.digest.hex()}`, exported {facts.published}.",
            *_missing(facts),
            "",
            "## Load it",
            "",
            "```python",
            "import datasets",
            f'data = datasets.load_dataset("parquet", data_files="{DATA}/*.parquet", split="train")',
            "```",
            "",
            "`croissant.json` describes it for every other loader (MLCommons Croissant 1.1).",
            "",
            "## Check it",
            "",
            "```",
            "commonhold verify . --key KEY",
            "```",
            "",
            "KEY is the verifier key of the network's log. The check needs no connection: each item's "
            "description, author, label and content are proved against the log.",
            "",
            "## What you may do",
            "",
            f"Every contributor agreed to: {uses}. Licences: {_licences(facts)}. If a contributor "
            "withdraws an item, no later snapshot has it, and this one can no longer be licensed: "
            "delete the item then.",
            "",
            "## How it was made",
            "",
            *(
                ["> " + _line(line) for line in facts.campaign.guidelines.splitlines()]
                or ["No guidelines."]
            ),
            "",
            f"- Made by: {counted(facts.origins)}",
            *([f"- Generators: {_line(counted(facts.generators))}"] if facts.generators else []),
            f"- Derived from other items: {facts.derived:,}",
            f"- With personal data, by their contributors' word: {facts.personal:,}",
            f"- Reviewers per item: {facts.campaign.reviewers_per_item}, drawn at random, "
            "answering independently",
            "",
            "## Labels",
            "",
            *_table(("label", "items"), facts.labels, len(facts.labels)),
            "",
            "## Contributors",
            "",
            *_table(("contributor", "items"), facts.contributors, _CONTRIBUTORS_SHOWN),
            "",
            "## Columns",
            "",
            "| column | what it is |",
            "|---|---|",
            f"| `{facts.content}` | The content. |",
            *(f"| `{column.name}` | {column.description} |" for column in COLUMNS),
            "",
            "## Cite it",
            "",
            "```bibtex",
            facts.citation,
            "```",
            "",
        ]
    )


def _front_matter(facts: Facts) -> list[str]:
    """YAML; JSON's strings are YAML's."""
    known = sorted({each.lower() for each in facts.licences} & _HUB_LICENCES)
    others = sorted(each for each in facts.licences if each.lower() not in _HUB_LICENCES)
    licences = known + ([_OTHER] if others else [])
    size = next(name for at_least, name in _SIZES if facts.items >= at_least)
    task = "image-classification" if facts.content == IMAGE else "text-classification"
    return [
        f"pretty_name: {json.dumps(facts.title)}",
        *_listed("license", licences),
        *([f"license_name: {json.dumps(', '.join(others))}"] if others else []),
        *([f"license_link: {licence_url(others[0])}"] if others else []),
        *_listed("task_categories", [task]),
        *_listed("size_categories", [size]),
        *_listed("tags", ["commonhold", "croissant"]),
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        f"    path: {DATA}/train-*.parquet",
    ]


def _listed(key: str, values: list[str]) -> list[str]:
    return [f"{key}:", *(f"- {json.dumps(value)}" for value in values)]


def _missing(facts: Facts) -> list[str]:
    if not facts.missing:
        return []
    return ["", f"Missing items of the snapshot: {facts.missing:,}; `manifest.json` names them."]


def _licences(facts: Facts) -> str:
    return ", ".join(f"[{each}]({licence_url(each)})" for each in sorted(facts.licences))


def _table(columns: tuple[str, str], counter: Counter[str], shown: int) -> list[str]:
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = len(ordered) - shown
    return [
        f"| {columns[0]} | {columns[1]} |",
        "|---|---:|",
        *(f"| {_cell(name)} | {count:,} |" for name, count in ordered[:shown]),
        *([f"| {rest:,} more | |"] if rest > 0 else []),
    ]


def _line(text: str) -> str:
    """Somebody else's words on one line of Markdown, without HTML."""
    return escape(" ".join(text.split()), quote=False)


def _cell(text: str) -> str:
    return _line(text).replace("\\", "\\\\").replace("|", "\\|")

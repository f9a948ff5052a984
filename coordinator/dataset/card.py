"""README.md: the dataset card. Its YAML front matter is what hubs and `datasets` read."""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from commonground.counting import plural
from commonground.dataset.layout import DATA, RANKING
from commonground.dataset.policies import licence_url, preference
from commonground.dataset.rows import AUDIO, IMAGE, TEXT
from commonground.escaping import in_code, in_markdown, one_line
from coordinator.dataset.facts import Facts, counted
from protocol.rows import Terms

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
_ROWS_SHOWN: Final = 50  # of a table; the data and croissant.json have all
_MODALITIES: Final = {IMAGE: "image", AUDIO: "audio", TEXT: "text"}


def render(facts: Facts) -> str:
    """The card."""
    return "\n".join(
        [
            "---",
            *_front_matter(facts),
            "---",
            "",
            f"# {in_markdown(facts.title)}",
            "",
            f"{plural(facts.items, 'item')} by {plural(len(facts.contributors), 'contributor')} of "
            f"{in_markdown(facts.network_name)}, reviewed by each other. Snapshot "
            f"`{facts.digest.hex()}`, exported {facts.published}.",
            *_missing(facts),
            "",
            *_question(facts),
            *_use(facts),
            *_origin(facts),
            *_splits(facts),
            "## Answers",
            "",
            *_table(("answer", "items"), facts.answers),
            "",
            *_ranking(facts),
            "## Contributors",
            "",
            *_table(("contributor", "items"), facts.contributors),
            "",
            "## Columns",
            "",
            "| column | what it is |",
            "|---|---|",
            *(
                f"| {in_code(column.name)} | {in_markdown(column.description)} |"
                for column in facts.columns
            ),
            "",
            "## Cite it",
            "",
            "```bibtex",
            one_line(facts.citation),
            "```",
            "",
        ]
    )


def _question(facts: Facts) -> list[str]:
    """What reviewers were asked, and what of."""
    sentence, *rest = facts.asks
    parts = (
        f"{in_code(part.name)} ({in_markdown(', '.join(part.media_types))}"
        f"{', optional' if part.optional else ''})"
        for part in facts.campaign.parts
    )
    return [
        "## The question",
        "",
        f"{in_markdown(sentence)} (a {in_code(facts.campaign.task)} campaign)",
        "",
        *(f"- {in_markdown(each)}" for each in rest[:_ROWS_SHOWN]),
        *([f"- and {len(rest) - _ROWS_SHOWN:,} more"] if len(rest) > _ROWS_SHOWN else []),
        *([""] if rest else []),
        f"An item has these parts: {', '.join(parts)}.",
        "",
        *_guidelines(facts.campaign.guidelines),
        *(line for each in facts.earlier for line in _changed(*each)),
    ]


def _guidelines(text: str) -> list[str]:
    return [*(f"> {in_markdown(line)}" for line in text.splitlines()), *([""] if text else [])]


def _changed(terms: Terms, items: int) -> list[str]:
    """Guidelines that were changed later, for the items that were submitted and reviewed under them."""
    said = _guidelines(terms.guidelines) or ["None were given.", ""]
    return [
        f"{items:,} of the items were submitted and reviewed under the guidelines of log entry"
        f" {terms.logged_at:,}:",
        "",
        *said,
    ]


def _use(facts: Facts) -> list[str]:
    pairs = [column.name for column in facts.columns.others if column.content]
    return [
        "## Load it",
        "",
        "```python",
        "import datasets",
        'data = datasets.load_dataset(".", split="train")',
        *(
            [f"pairs = data.filter(lambda row: row[{json.dumps(pairs[0])}] is not None)"]
            if pairs
            else []
        ),
        "```",
        "",
        *(
            [
                f"Trainers of preferences read {in_markdown(' and '.join(pairs))}; a tie has neither.",
                "",
            ]
            if pairs
            else []
        ),
        "`croissant.json` describes it for every other loader (MLCommons Croissant 1.1), "
        "`provenance.json` by the Data Provenance Standards; `policy.jsonld` says what may be done "
        "with it (ODRL).",
        "",
        "## Check it",
        "",
        "```",
        "commonhold verify . --key KEY",
        "```",
        "",
        "KEY is the verifier key of the network's log. The check needs no connection: each item's "
        "description, author, parts and verdict, column by column, are proved against the log.",
        "",
        "## What you may do",
        "",
        f"Every contributor agreed to: {', '.join(facts.uses)}. Licences: {_licences(facts)}. If a "
        "contributor withdraws an item, no later snapshot has it, and this one can no longer be "
        "licensed: delete the item then.",
        "",
        f"As a preference for programs (IETF aipref): {in_code(preference(facts.scope))}.",
        "",
    ]


def _origin(facts: Facts) -> list[str]:
    return [
        "## How it was made",
        "",
        f"- Made by: {counted(facts.origins)}",
        *([f"- Generators: {in_markdown(counted(facts.generators))}"] if facts.generators else []),
        f"- Derived from other items: {facts.derived:,}",
        f"- With personal data, by their contributors' word: {facts.personal:,}",
        f"- Reviewers per item: {facts.campaign.reviewers_per_item}, drawn at random, "
        "answering independently",
        f"- Answers: {facts.given:,} by {plural(len(facts.people), 'reviewer')}, each in the columns given_…",
        f"- Answers that programs gave, by their reviewers' word: {facts.programs:,} of {facts.reviewers:,}",
        "",
    ]


def _splits(facts: Facts) -> list[str]:
    """How many rows each split has, where there are several."""
    if facts.split is None:
        return []
    together = ", and all items of one author" if facts.split.by_author else ""
    return [
        "## Splits",
        "",
        "Items that were derived from each other or share a part are in one split"
        f"{together}; asked for were {'/'.join(map(str, facts.split.shares))} percent, "
        f"seed {facts.split.seed}.",
        "",
        "| split | items |",
        "|---|---:|",
        *(f"| {name} | {rows:,} |" for name, rows in facts.rows.items()),
        "",
    ]


def _ranking(facts: Facts) -> list[str]:
    """The sources, where the campaign compares them."""
    ranking = facts.ranking
    if ranking is None:
        return []
    return [
        "## Sources",
        "",
        f"By {ranking.votes:,} votes of {ranking.judges:,} reviewers on all pairs of the campaign. "
        "Strength is log-odds against an average source, with its 95 % interval (Bradley-Terry); "
        f"`{RANKING}` has all of them.",
        "",
        "| source | strength | interval | votes |",
        "|---|---:|---|---:|",
        *(
            f"| {in_markdown(each.source)} | {each.strength:+.2f} | {each.low:+.2f} to {each.high:+.2f} "
            f"| {each.votes:,} |"
            for each in ranking.sources[:_ROWS_SHOWN]
        ),
        "",
    ]


def _front_matter(facts: Facts) -> list[str]:
    """YAML."""
    known = sorted({each.lower() for each in facts.licences} & _HUB_LICENCES)
    others = sorted(each for each in facts.licences if each.lower() not in _HUB_LICENCES)
    licences = known + ([_OTHER] if others else [])
    size = next(name for at_least, name in _SIZES if facts.items >= at_least)
    return [
        f"pretty_name: {_quoted(facts.title)}",
        *_listed("license", licences),
        *([f"license_name: {_quoted(', '.join(others))}"] if others else []),
        *([f"license_link: {_quoted(licence_url(others[0]))}"] if others else []),
        *_listed("task_categories", _categories(facts)),
        *_listed("size_categories", [size]),
        *_listed("tags", ["commonhold", "croissant", facts.campaign.task, *_tags(facts)]),
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(line for name in facts.rows for line in _data_files(name)),
    ]


def _data_files(split: str) -> list[str]:
    return [f"  - split: {split}", f"    path: {DATA}/{split}-*.parquet"]


def _categories(facts: Facts) -> list[str]:
    """The hub's word for the task, where it has one: to tell what a picture or a text is."""
    shown = {column.type for column in facts.columns.parts.values()}
    told = any(column.names for column in facts.columns)
    modality = _MODALITIES.get(shown.pop()) if len(shown) == 1 else None
    return [f"{modality}-classification"] if told and modality else []


def _tags(facts: Facts) -> list[str]:
    """What people search for who train on preferences."""
    return ["preference", "dpo"] if any(each.content for each in facts.columns.others) else []


def _listed(key: str, values: list[str]) -> list[str]:
    return [f"{key}:", *(f"- {_quoted(value)}" for value in values)] if values else []


def _quoted(text: str) -> str:
    """A string of YAML: as JSON's, but that nothing beyond ASCII is written as two halves."""
    return json.dumps(one_line(text), ensure_ascii=False)


def _missing(facts: Facts) -> list[str]:
    if not facts.missing:
        return []
    return ["", f"Missing items of the snapshot: {facts.missing:,}; `manifest.json` names them."]


def _licences(facts: Facts) -> str:
    return ", ".join(
        f"[{in_markdown(each)}]({licence_url(each)})" for each in sorted(facts.licences)
    )


def _table(columns: tuple[str, str], counter: Counter[str]) -> list[str]:
    ordered = sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = len(ordered) - _ROWS_SHOWN
    return [
        f"| {columns[0]} | {columns[1]} |",
        "|---|---:|",
        *(f"| {in_markdown(name)} | {count:,} |" for name, count in ordered[:_ROWS_SHOWN]),
        *([f"| {rest:,} more | |"] if rest > 0 else []),
    ]

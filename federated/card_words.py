"""A model card for people: the same sections as Markdown and as a page.

A section is a heading with lines and tables below it. What is in them is text, some of it of others: the two
writers escape every piece of it, and nothing else makes markup of a card.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from commonground.counting import plural
from commonground.escaping import in_markdown, in_page
from protocol.depth import load_json
from protocol.limits import PPM

_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{border-bottom:1px solid #bbb;padding:.2rem .6rem;text-align:left;overflow-wrap:anywhere}"
)
_PPB: Final = 1_000_000_000
_FIGURE: Final = re.compile(r"\d[0-9A-Za-z.,%() -]*", re.ASCII)
_BAR_WIDTH: Final = 24  # characters of the longest bar


@dataclass(frozen=True, slots=True)
class Rows:
    """A table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, what is said below it line by line, and tables."""

    heading: str
    lines: tuple[str, ...] = ()
    tables: tuple[Rows, ...] = field(default=())


def to_markdown(card: bytes) -> str:
    """The card for people, without a signature of its own."""
    its = load_json(card)
    made = [f"# {in_markdown(its['title'])}", ""]
    for each in sections(its):
        made += [f"## {in_markdown(each.heading)}", ""]
        made += [f"- {in_markdown(line)}" for line in each.lines]
        for table in each.tables:
            made += ["", _row(table.columns), _row(["---"] * len(table.columns), bare=True)]
            made += [_row(row) for row in table.rows]
        made.append("")
    return "\n".join(made)


def to_html(card: bytes) -> str:
    """The same as a page of its own, which loads nothing."""
    its = load_json(card)
    title = escape(its["title"])
    made = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>",
    ]
    for each in sections(its):
        made.append(f"<h2>{escape(each.heading)}</h2>")
        if each.lines:
            made.append(f"<ul>{_wrapped('li', each.lines)}</ul>")
        for table in each.tables:
            head = _wrapped("th", table.columns)
            body = "".join(f"<tr>{_wrapped('td', row)}</tr>" for row in table.rows)
            made.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return in_page("\n".join([*made, "</body></html>", ""]))


def _row(cells: Sequence[str], *, bare: bool = False) -> str:
    return f"| {' | '.join(cells if bare else map(_cell, cells))} |"


def _cell(text: str) -> str:
    """A figure with its unit begins no list where a cell's bar is before it."""
    return text if _FIGURE.fullmatch(text) else in_markdown(text)


def _wrapped(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


# ---- what is said ----


def sections(its: Mapping[str, Any]) -> Iterator[Section]:
    """A card in the order in which somebody asks."""
    yield Section("What it is for", tuple(_use(its)))
    yield _well(its["quality"])
    yield _privacy(its["privacy"])
    yield _origin(its)
    yield _training(its["training"])
    if its["quality"]["drift_baseline"]:
        yield _drift(its)
    energy = its["energy"]
    yield Section(
        "Energy",
        (
            f"Training took about {energy['millijoules'] / 1000:,.1f} J:"
            f" {energy['cpu_milliseconds'] / 1000:,.1f} s of processor time at an assumed"
            f" {energy['watts_assumed']} W. Estimated: {energy['method']}.",
        ),
    )
    yield Section("Limits", tuple(its["limits"]))
    yield Section(
        "Versions", (", ".join(f"{name} {number}" for name, number in its["versions"].items()),)
    )


def _use(its: Mapping[str, Any]) -> Iterator[str]:
    task = its["task"]
    if its["labels"]:
        yield f"It tells which of these an example is: {', '.join(its['labels'])}"
    yield f"Task: {task['name']} with {task['options']}, code {task['code'][:16]} of {task['version']}"
    yield f"Licence for those who trained it: {its['licence']}; for others, what the operator licenses"
    yield from (f"Not for: {each}" for each in its["out_of_scope"])


def _well(quality: Mapping[str, Any]) -> Section:
    columns = (
        "File",
        "Takes",
        "Right",
        "Interval",
        "Bytes",
        "Smaller",
        "Time",
        "Energy",
        "SHA-256",
    )
    files = tuple(
        (
            each["file"],
            _takes(each["takes"]),
            f"{each['accuracy_ppm'] / PPM:.2%}",
            _interval(each["interval_95_ppm"]),
            f"{each['bytes']:,}",
            f"{each['smaller_permille'] / 1000:.2f} times",
            f"{each['call_ns'] / 1000:,.1f} us ({each['call_permille'] / 1000:.2f} of fp32)",
            f"{each['nanojoules'] / 1e9:.2g} J",
            each["sha256"],
        )
        for each in quality["files"]
    )
    lines = (
        f"On {quality['held_back']:,} held-back examples; intervals are of 95 % confidence (Wilson)",
        *_commonest(quality),
        "Time and energy are of one example on one core of the machine that measured, energy by estimate",
        *(
            f"{name}: to leave features out would save nothing here, so their weights are zeros instead"
            for name in _emptied(quality["files"])
        ),
    )
    tables = [Rows(columns, files)]
    if quality["by_class"]:
        by_class = tuple(
            (
                each["label"],
                f"{each['right']:,} of {each['examples']:,}",
                _interval(each["interval_95_ppm"]),
            )
            for each in quality["by_class"]
        )
        tables.append(Rows(("Label, model-int8", "Right", "Interval"), by_class))
    return Section("How well it does", lines, tuple(tables))


def _emptied(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of pruned files that are no smaller than the head that they come from."""
    # A head comes after the model, which is one itself where there is no other.
    whole: dict[str, int] = {}
    for each in files:
        if each["name"] in ("model", "head"):
            whole[each["precision"]] = each["bytes"]
    return [
        each["file"]
        for each in files
        if each["name"] == "pruned" and each["bytes"] >= whole[each["precision"]]
    ]


def _commonest(quality: Mapping[str, Any]) -> list[str]:
    """What no model is needed for, of one that tells labels apart: beside it one sees what it has learned."""
    if not quality["by_class"]:
        return []
    most = max(quality["by_class"], key=lambda each: int(each["examples"]))
    share = most["examples"] / quality["held_back"]
    return [f"Always saying {most['label']}, their commonest label, would be right of {share:.2%}"]


def _takes(its: Mapping[str, Any]) -> str:
    return f"{its['name']} n x {' x '.join(map(str, its['shape']))} {its['type']}"


def _interval(ppm: Sequence[int]) -> str:
    low, high = (f"{each / PPM:.1%}" for each in ppm)
    return f"{low} to {high}"


def _privacy(privacy: Mapping[str, Any]) -> Section:
    delta = f"{privacy['delta_ppb'] / _PPB:g}"
    rows = tuple(
        (each["who"], each["sees"], f"{each['epsilon_micro'] / PPM:.3f}", delta, each["accounting"])
        for each in privacy["adversaries"]
    )
    expected = privacy["delta_times_examples_ppm"] / PPM
    return Section(
        "Privacy",
        (
            f"Of {privacy['unit']}. Epsilon bounds how much more likely anything can become through it,"
            f" but for a chance of delta, {delta}",
            f"The rounds that ran cost {privacy['spent_micro'] / PPM:.3f} towards the public, as the log"
            " says; below is what it promises, with every round that the job had to spare",
            f"Delta times the expected examples is {expected:g}; near one, some example might be shown whole",
            f"Trust: {privacy['trust']}. {privacy['trust_means']}",
            f"Norms: {privacy['norms_mean']}",
            f"After a withdrawal: {privacy['after_withdrawal']}",
        ),
        (Rows(("Towards", "Who sees", "Epsilon", "Delta", "Accounting"), rows),),
    )


def _origin(its: Mapping[str, Any]) -> Section:
    lineage = its["lineage"]
    rounds = ", ".join(map(str, lineage["round_entries"]))
    lines = [
        f"Job {lineage['job']}, entry {lineage['job_entry']} of the log of network {lineage['network']}",
        f"Its rounds are entries {rounds}",
        f"About {lineage['expected_examples']:,} examples; columns read: {', '.join(lineage['columns'])}",
    ]
    if lineage["snapshot"]:
        licences = ", ".join(
            f"{count:,} {name}" for name, count in lineage["snapshot_licences"].items()
        )
        lines.append(
            f"Public examples: snapshot {lineage['snapshot']}, entry {lineage['snapshot_entry']};"
            f" items by licence: {licences or 'none is readable any more'}"
        )
    else:
        lines.append("Public examples: none")
    partners = tuple((name, str(rounds)) for name, rounds in lineage["partners"].items())
    return Section("What it was made from", tuple(lines), (Rows(("Partner", "Rounds"), partners),))


def _training(training: Mapping[str, Any]) -> Section:
    return Section(
        "How it was trained",
        (
            f"{plural(training['rounds'], 'round')} of at least {plural(training['quorum'], 'update')};"
            f" {plural(training['noise_parties'], 'partner makes', 'partners make')} the noise that is"
            " counted; each example in a round with a chance of"
            f" {training['sampling_ppm'] / PPM:g}",
            f"An update is {training['upload_values']:,} values of {training['upload_bits']} bits",
            f"Clip {training['clip_micro'] / PPM:g}, noise {training['noise_micro'] / PPM:g}, learning rate"
            f" {training['learning_rate_micro'] / PPM:g}, momentum {training['momentum_ppm'] / PPM:g}",
            f"Trained for weights of {training['weight_bits']} bits"
            if training["weight_bits"]
            else "Trained for weights in floats",
            f"Hyper-parameters: {training['chosen']}",
        ),
    )


def _drift(its: Mapping[str, Any]) -> Section:
    drift = its["quality"]["drift_baseline"]
    shares = tuple(
        (label, f"{share / PPM:.1%}")
        for label, share in zip(its["labels"], drift["shares_ppm"], strict=True)
    )
    most, bins = max(drift["sureness"]) or 1, len(drift["sureness"])
    sureness = tuple(
        (
            f"{at / bins:.1f} to {(at + 1) / bins:.1f}",
            f"{count:,}",
            "#" * (count * _BAR_WIDTH // most),
        )
        for at, count in enumerate(drift["sureness"])
    )
    return Section(
        "Baseline for drift",
        (
            "What model-int8 says of the held-back examples. What it says otherwise of yours is drift",
        ),
        (Rows(("Label", "Said of"), shares), Rows(("How sure", "Examples", ""), sureness)),
    )

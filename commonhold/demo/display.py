"""What the demo shows while it runs: one line a step, with a spinner on the present one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from commonhold.cli.output import letters, show, styled


class Step:
    """The step that is running; `say` replaces what it reports."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""

    def say(self, detail: str) -> None:
        """Shows how far the step is, or what came of it."""
        self.detail = detail


class Display:
    """Steps on a terminal: live; elsewhere: a line when each ends. Bounded by the number of steps."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.start = time.monotonic()

    def act(self, number: int, title: str) -> None:
        """Opens one of the demo's parts."""
        show("", styled((f"{number}. {title}", "bold")), on=self._console)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Shows a step while its block runs, and how long it took."""
        step, begun = Step(title), time.monotonic()
        if self._console.is_terminal:
            with Live(
                console=self._console,
                transient=True,
                refresh_per_second=8,
                get_renderable=lambda: _line(step),
            ):
                yield step
        else:
            yield step
        seconds = time.monotonic() - begun
        said = f"{step.title}: {step.detail}" if step.detail else step.title
        done = (("   ✔ ", "green"), said, (f" ({seconds:.1f} s)", "dim"))
        show(styled(*done), on=self._console)


def _line(step: Step) -> Group:
    text = f"{step.title}: {step.detail}" if step.detail else f"{step.title} …"
    return Group(Spinner("dots", letters(f" {text}")))


def summary_table(summary: dict[str, Any]) -> Table:
    """The figures that a reader asks for first."""
    rows = (
        ("items submitted / accepted / rejected / undecided", _counts(summary)),
        ("copies caught", f"{summary['duplicates_caught']} of {summary['duplicates_submitted']}"),
        ("honest items lost as copies", str(summary["honest_items_lost_as_duplicates"])),
        ("accepted labels that are right", f"{summary['label_accuracy']:.2%}"),
        ("… a majority vote on all reviewed items", f"{summary['majority_accuracy']:.2%}"),
        (
            "… a majority vote on the accepted items",
            f"{summary['majority_accuracy_on_accepted']:.2%}",
        ),
        *(_campaign(each) for each in summary["campaigns"]),
        ("rounds under way at once, at most", str(summary["rounds_overlapped"])),
        ("who answers best, by the pairs", " > ".join(summary["sources_ranked"])),
        ("share of an honest contributor (mean)", f"{summary['honest_mean_share']:.2%}"),
        ("share of who mislabels 40 %", f"{summary['mislabeler_share']:.2%}"),
        ("review pay of an honest reviewer (mean)", f"{summary['honest_reviewer_mean_share']:.2%}"),
        ("review pay of the lazy reviewer", f"{summary['lazy_reviewer_share']:.2%}"),
        ("on-chain balances equal the statements", _yes(summary["onchain_matches_statements"])),
        (
            "revenue paid out",
            _revenue(summary),
        ),
        ("dataset: items / loads / Croissant valid", _dataset(summary["dataset"])),
        ("a root that pays thieves: stopped", _yes(summary["wrong_root_stopped"])),
        (
            "joined by a bond / voted for another policy",
            f"{_yes(summary['joined_by_bond'])} / {_yes(summary['policy_voted'])}",
        ),
        ("licence revenue follows attribution", _yes(summary["royalties_match_attribution"])),
        ("of the withdrawn item nothing is left", _yes(summary["erased_ok"])),
        ("model: accuracy fp32 / int8", _accuracy(summary["federated"])),
        ("model: epsilon, delta; int8 is smaller by", _privacy(summary["federated"])),
        ("every page answers", _yes(summary["dashboard_ok"])),
        (
            "verify agrees / finds one changed byte",
            f"{_yes(summary['verify_ok'])} / {_yes(summary['tamper_detected'])}",
        ),
        ("seconds", f"{summary['seconds']:.0f}"),
    )
    table = Table(title="What came of it", title_justify="left", show_header=False)
    for name, value in rows:
        table.add_row(name, value)
    return table


def _campaign(campaign: dict[str, Any]) -> tuple[str, str]:
    return (
        f"{campaign['id']} ({campaign['kind']}): decided, right / majority",
        f"{campaign['decided']} of {campaign['items']} in {campaign['rounds']} rounds, "
        f"{campaign['accuracy']:.1%} / {campaign['majority_accuracy']:.1%}",
    )


def _counts(summary: dict[str, Any]) -> str:
    names = ("submitted", "accepted", "rejected", "undecided")
    return " / ".join(str(summary[f"items_{name}"]) for name in names)


def _revenue(summary: dict[str, Any]) -> str:
    stable, ether = summary["revenue_paid_micro"] / 1e6, summary["revenue_paid_wei"] / 1e18
    return f"{stable:,.6f} of the stablecoin stand-in, {ether:.6f} ether"


def _dataset(dataset: dict[str, Any]) -> str:
    loads, valid = _yes(dataset["loads_with_datasets"]), _yes(dataset["croissant_valid"])
    return f"{dataset['items']} / {loads} / {valid}"


def _accuracy(model: dict[str, Any]) -> str:
    return f"{model['accuracy_fp32']:.2%} / {model['accuracy_int8']:.2%}"


def _privacy(model: dict[str, Any]) -> str:
    return f"{model['epsilon']:.2f}, {model['delta']:g}; {model['size_ratio']:.2f} times"


def _yes(value: bool) -> str:
    return "yes" if value else "NO"

"""What a job was for this node, on one page that needs nothing beside itself: reports/JOB.html.

It is for whoever has to answer for the data later: what left, when, at which cost, and what came of it. No
script, nothing from elsewhere; the charts' numbers stand in a table as well.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from markupsafe import Markup

from commonground.counting import plural
from commonground.files import private_directory, replace_file
from commonground.jobs import is_over
from commonground.web.charts import Series, Text, line_chart
from commonground.web.pages import environment
from federated.budget.terms import Standing
from node.training.proposal import Proposal
from protocol.identity import PersonId
from protocol.jobs import Job
from protocol.limits import PPM
from protos.gen import records_pb2 as pb

_TEMPLATES: Final = Path(__file__).parent / "templates"
_STYLE: Final = files("commonground.web") / "static" / "base.css"


@dataclass(frozen=True, slots=True)
class RoundRow:
    """One round that we signed an update in."""

    number: int
    update: str  # hexadecimal
    epsilon: float  # of our data by then, at the job's delta
    counted: bool  # whether it is in the model that the round made
    accuracy: float | None  # of the model after the round; None where it was not measured


def write_report(
    folder: Path,
    job: Job,
    rows: Sequence[RoundRow],
    proposal: Proposal,
    standing: Standing,
) -> Path:
    """Writes or renews the page of a job, of `rows_of` our updates."""
    private_directory(folder)
    path = folder / f"{job.terms.id}.html"
    page = (
        environment(_TEMPLATES, static="")
        .get_template("report.html")
        .render(
            style=Markup(_STYLE.read_text()),  # noqa: S704 - our own file
            title=job.terms.title or job.terms.id,
            job=job,
            is_over=is_over(job),
            mine=rows,
            words=proposal.lines(),
            proposal=proposal,
            standing=standing,
            ppm=PPM,
            epsilon=_epsilon_chart(rows, proposal),
            accuracy=_accuracy_chart(job),
            written=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        )
    )
    replace_file(path, page)
    return path


def rows_of(job: Job, me: PersonId, updates: Sequence[pb.Update]) -> list[RoundRow]:
    """What we signed in this job, in the order of the log, beside what became of it."""
    done = {each.round: each for each in job.rounds}
    rows = []
    for update in updates:
        made = done.get(update.round)
        measured = made is not None and made.accuracy_ppm > 0
        rows.append(
            RoundRow(
                number=update.round,
                update=update.update.hex(),
                epsilon=update.epsilon_micro / PPM,
                counted=made is not None and me in made.partners,
                accuracy=made.accuracy_ppm / PPM if made is not None and measured else None,
            )
        )
    return rows


def _epsilon_chart(rows: Sequence[RoundRow], proposal: Proposal) -> Markup:
    return line_chart(
        Text(
            key="epsilon",
            title="Privacy spent after each round",
            description=f"Epsilon of this data over all jobs, after {plural(len(rows), 'round')}, below its"
            " limit;"
            " the table has the numbers.",
            across="round",
            up="epsilon",
        ),
        [each.number for each in rows],
        [Series("spent", [each.epsilon for each in rows])],
        Series("limit", [proposal.standing.everybody.limit / PPM]),
    )


def _accuracy_chart(job: Job) -> Markup:
    measured = [each for each in job.rounds if each.accuracy_ppm]
    return line_chart(
        Text(
            key="accuracy",
            title="Accuracy after each round",
            description=f"On examples that nobody trained on, {plural(len(measured), 'round')};"
            " the table has the numbers.",
            across="round",
            up="accuracy, %",
        ),
        [each.round for each in measured],
        [Series("accuracy", [each.accuracy_ppm * 100 / PPM for each in measured])],
    )

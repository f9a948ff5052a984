"""Whether a model is what its card says, and its card what the log says: one finding for each question.

    signature   its author signed the card, byte for byte
    files       each file that is here is the one that the card names
    log         the log has this card, for this job, from the network's operator
    lineage     job, rounds, partners and snapshot are those of the log
    epsilon     recomputed from the job's terms, it is what card and log say
    standing    nothing has gone from the snapshot behind it

What cannot be asked here is said to be unchecked, which is no pass.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from commonground.counting import plural
from commonground.jobs import is_over
from commonground.marks import mark_of
from federated.folder import ModelFolder
from federated.privacy import bound
from federated.spec import labels_of, spec_of
from protocol.errors import CommonholdError, ConfigError
from protocol.identity import name_of
from protocol.jobs import Job, JobResult
from protocol.limits import PPM
from protocol.state import State


class Verdict(StrEnum):
    """What came of a question."""

    HOLDS = "holds"
    FAILS = "FAILS"
    UNCHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """A question, and its answer in words."""

    name: str
    verdict: Verdict
    words: str


def check_model(folder: ModelFolder, state: State | None) -> list[Finding]:
    """All findings; `state` is a replay of the network's log, or None where there is none here.

    The folder was read, so its signature holds.
    """
    found = [Finding("signature", Verdict.HOLDS, "the card is as its author signed it")]
    found += _files(folder)
    if state is None:
        return [*found, *unchecked("log", "lineage", "epsilon", "standing")]
    job = state.jobs.get(str(folder.card["lineage"]["job"]))
    if folder.card["lineage"]["network"] != state.network.hex():
        return [*found, Finding("log", Verdict.FAILS, "the card is of another network")]
    if job is None or not is_over(job) or job.result is None:
        return [*found, Finding("log", Verdict.FAILS, "the log has no model of this job")]
    return [
        *found,
        _log(folder, state, job.result),
        _lineage(folder, state, job),
        epsilon_finding(
            min(each["epsilon_micro"] for each in folder.card["privacy"]["adversaries"]),
            state,
            job,
        ),
        _standing(state, job),
    ]


def unchecked(*names: str) -> list[Finding]:
    """Questions that only the log answers, where there is none."""
    words = "name a coordinator's or a node's directory with --dir"
    return [Finding(name, Verdict.UNCHECKED, words) for name in names]


def _files(folder: ModelFolder) -> Iterator[Finding]:
    for name in folder.names:
        if not (folder.path / name).exists():
            yield Finding(name, Verdict.UNCHECKED, "it is not in this folder")
            continue
        try:
            folder.require(name)
        except ConfigError as error:
            yield Finding(name, Verdict.FAILS, str(error))
        else:
            yield Finding(name, Verdict.HOLDS, "it is the file that the card names")


def _log(folder: ModelFolder, state: State, result: JobResult) -> Finding:
    if hashlib.sha256(folder.signed).digest() != result.card:
        return Finding("log", Verdict.FAILS, "the log names another card for this job")
    if state.keys.get(folder.author) != state.operator:
        return Finding("log", Verdict.FAILS, "its author is not the network's operator")
    int8 = f"{result.accuracy_int8_ppm / PPM:.2%} right as int8"
    if folder.digest_of("model-int8.onnx") != result.artifact:
        return Finding("log", Verdict.FAILS, "the log names another int8 file")
    return Finding("log", Verdict.HOLDS, f"the log has this card, of its operator: {int8}")


def _lineage(folder: ModelFolder, state: State, job: Job) -> Finding:
    its, terms = folder.card["lineage"], job.terms
    rounds = Counter(name_of(who) for round_ in job.rounds for who in round_.partners)
    differing = [
        name
        for name, same in (
            ("partners", its["partners"] == dict(rounds)),
            ("rounds", len(its["round_entries"]) == len(job.rounds)),
            ("snapshot", its["snapshot"] == terms.snapshot.hex()),
            ("columns", its["columns"] == list(terms.columns)),
            ("task", folder.card["task"]["code"] == terms.task_code.hex()),
            ("licence", folder.card["licence"] == terms.model_licence),
            ("epsilon spent", folder.card["privacy"]["spent_micro"] == job.epsilon_micro),
        )
        if not same
    ]
    if differing:
        return Finding(
            "lineage", Verdict.FAILS, f"the log says otherwise of: {', '.join(differing)}"
        )
    ran = f"{plural(len(job.rounds), 'round')} of {plural(len(rounds), 'partner')}"
    words = f"the log of {plural(state.size, 'entry', 'entries')} has {ran}"
    return Finding("lineage", Verdict.HOLDS, words)


def epsilon_finding(public: int, state: State, job: Job) -> Finding:
    """Of the millionths that are stated towards the public."""
    spec = spec_of(job.terms, labels_of(state.campaigns[job.terms.campaign_id]))
    ran = replace(spec.mechanism, rounds=len(job.rounds) + len(job.failed))
    try:
        cost = bound([ran], spec.delta).epsilon_micro
    except CommonholdError as error:
        return Finding("epsilon", Verdict.FAILS, f"it cannot be computed: {error}")
    stated = f"{public / PPM:.3f} at delta {spec.delta:g}"
    if public < cost or job.epsilon_micro < cost:
        words = f"{stated} is stated, and the noise of its rounds costs {cost / PPM:.3f}"
        return Finding("epsilon", Verdict.FAILS, words)
    return Finding("epsilon", Verdict.HOLDS, f"recomputed, {cost / PPM:.3f}; stated, {stated}")


def _standing(state: State, job: Job) -> Finding:
    mark = mark_of(state, job)
    if mark is None:
        return Finding("standing", Verdict.HOLDS, "nothing has gone from what made it")
    return Finding("standing", Verdict.FAILS if mark.is_over else Verdict.HOLDS, mark.words)

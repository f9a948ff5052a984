"""Whether an answer is what its noisy sum says, and that what the log says: one finding for each question.

signature   its author signed it, byte for byte
figures     they follow from the noisy sum
answer.md   what people read says the same
log         the log has this answer, for this job, from the network's operator
lineage     question, partners and noise are those of the log
epsilon     recomputed from the job's terms, it is what the answer and the log say
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from commonground.counting import plural
from federated.answer import (
    ANSWER_BYTES_MAX,
    ANSWER_FILE,
    MARKDOWN_FILE,
    recompute,
    to_markdown,
    verify_answer,
)
from federated.grid import sum_deviation
from federated.model_check import Finding, Verdict, epsilon_finding, unchecked
from federated.privacy import Who
from federated.spec import labels_of, spec_of
from protocol.depth import load_json
from protocol.errors import ConfigError, Reject
from protocol.identity import KeyId, name_of
from protocol.jobs import Job
from protocol.limits import PPM
from protocol.state import State


def check_answer(folder: Path, state: State | None) -> list[Finding]:
    """All findings; `state` is a replay of the network's log, or None where there is none here.

    Raises ConfigError where there is no answer, Reject for one that is not as its author signed it.
    """
    signed = _read(folder / ANSWER_FILE)
    author, answer = verify_answer(signed)
    its: dict[str, Any] = load_json(answer)
    found = [
        Finding("signature", Verdict.HOLDS, "the answer is as its author signed it"),
        _figures(answer),
        _markdown(folder, answer),
    ]
    if state is None:
        return [*found, *unchecked("log", "lineage", "epsilon")]
    if its["network"] != state.network.hex():
        return [*found, Finding("log", Verdict.FAILS, "the answer is of another network")]
    job = state.jobs.get(str(its["job"]))
    if job is None or job.result is None or not job.terms.is_question:
        return [*found, Finding("log", Verdict.FAILS, "the log has no answer of this job")]
    stated = its["epsilon_micro"][Who.PUBLIC]
    return [
        *found,
        _log(signed, author, state, job.result.card),
        _lineage(its, state, job),
        epsilon_finding(stated, state, job),
    ]


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(ANSWER_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}", "name the folder that has the answer"
        ) from error


def _figures(answer: bytes) -> Finding:
    try:
        recompute(answer)
    except Reject as error:
        return Finding("figures", Verdict.FAILS, str(error))
    return Finding("figures", Verdict.HOLDS, "each follows from the noisy sum")


def _markdown(folder: Path, answer: bytes) -> Finding:
    file = folder / MARKDOWN_FILE
    if not file.exists():
        return Finding(MARKDOWN_FILE, Verdict.UNCHECKED, "it is not in this folder")
    if file.read_bytes() != to_markdown(answer).encode():
        return Finding(MARKDOWN_FILE, Verdict.FAILS, "it says otherwise than the signed answer")
    return Finding(MARKDOWN_FILE, Verdict.HOLDS, "it says what the signed answer says")


def _log(signed: bytes, author: KeyId, state: State, logged: bytes) -> Finding:
    if hashlib.sha256(signed).digest() != logged:
        return Finding("log", Verdict.FAILS, "the log names another answer for this job")
    if state.keys.get(author) != state.operator:
        return Finding("log", Verdict.FAILS, "its author is not the network's operator")
    return Finding("log", Verdict.HOLDS, "the log has this answer, of its operator")


def _lineage(its: dict[str, Any], state: State, job: Job) -> Finding:
    spec = spec_of(job.terms, labels_of(state.campaigns[job.terms.campaign_id]))
    [done] = job.rounds
    differing = [
        name
        for name, same in (
            ("question", its["question"] == load_json(spec.options.encode())["question"]),
            ("title", its["title"] == job.terms.title),
            ("partners", its["partners"] == [name_of(who) for who in done.partners]),
            ("rounds", len(its["round_entries"]) == len(job.rounds)),
            (
                "noise",
                its["deviation_micro"] == round(sum_deviation(spec, len(done.partners)) * PPM),
            ),
            ("delta", its["delta"] == f"{spec.delta:g}"),
        )
        if not same
    ]
    if differing:
        words = f"the log says otherwise of: {', '.join(differing)}"
        return Finding("lineage", Verdict.FAILS, words)
    asked = plural(len(done.partners), "partner")
    return Finding("lineage", Verdict.HOLDS, f"the log has this question to {asked}, and its noise")

"""The model card: what a model is for, what it was made from, what it cost and how well it does.

A card is canonical JSON: sorted keys, no spaces, integers instead of fractions, so that whoever recomputes
a figure finds the very same bytes. Its words for people: card_words.py; how it is signed and checked:
signed_card.py beside it.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from federated.privacy import Who, adversaries
from federated.signed_card import FORMAT, canonical
from federated.spec import TrainingSpec
from protocol.committee import COMMITTEE_MAX, colluders_of
from protocol.identity import PersonId, name_of
from protocol.limits import PPM

if TYPE_CHECKING:
    from federated.release import Artifact, Release

# One core of a laptop or a small server under load, its part of memory and power supply included;
# machines are known with 5 and with 25. An estimate: nothing here can measure it.
WATTS: Final = 15
ENERGY_METHOD: Final = "processor time, times the watts that one core is assumed to draw"
PPB: Final = 1_000_000_000
_Z_95: Final = 1.959964  # standard normal, two-sided 95 %
_VERSIONS: Final = ("commonhold", "numpy", "onnx", "onnxruntime")

_LIMITS: Final = (
    "It was measured on examples that the coordinator held back; on other data it may do worse.",
    "Privacy is counted for one example. Somebody with many of them is protected less.",
    "A partner that adds less noise than it should weakens everybody's privacy; so many honest partners in"
    " each round as the noise is shared by are assumed.",
    "Nobody but their owners saw the examples, so nobody checked their labels.",
)
COMMITTEE: Final = "committee"
COORDINATOR: Final = "coordinator"
_TRUST: Final = (
    "Partners' updates are added up under masks that a committee of them takes off the sum alone. Where more"
    " of a round's committee side with the coordinator than it bears, they see single updates."
)
_ALONE: Final = (
    "Of so few partners a sum tells what each of them sent: the coordinator is trusted to look at nothing but"
    " sums."
)
_SEES: Final = {
    Who.PUBLIC: "the models of all rounds",
    Who.PARTNER: "the same, and its own noise",
    Who.COORDINATOR: "the sum of every round",
    Who.COMMITTEE: "the same, and the noise of as many of a committee as may side with it",
    Who.BROKEN: "every update by itself, if more of a committee side with it",
}
_OUT_OF_SCOPE: Final = (
    "Decisions about people without a person who answers for them.",
    "Data of another kind, or from elsewhere, than it was measured with: compare what it says of yours with"
    " the baseline below before you rely on it.",
    "Labels other than those listed: it always names one of them.",
)
# Partners clip by code that nobody sees run.
_NORMS: Final = (
    "Each example's part of an update is bounded by the code that partners run. That they run it is not"
    " proven: a partner may send more, and the sum hides whose it was."
)
_AFTER_WITHDRAWAL: Final = (
    "What a partner's example left in the model stays there: epsilon and delta say how little anybody can"
    " tell from the model that this example was among them, and they hold for ever. Items of the snapshot"
    " behind it are covered by no epsilon: once one is withdrawn, the model is marked in the log, and after"
    " the network's grace it may not be licensed anew."
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where the log says what the model was made from: indices of entries, and who took part."""

    network: bytes
    job_entry: int
    round_entries: Sequence[int]
    partners: Mapping[PersonId, int]  # rounds that each one's update is in
    spent_micro: int = (
        0  # epsilon that its rounds cost; the card states that of all there might have been
    )
    task_code: bytes = b""  # SHA-256 of what partners ran
    task_version: str = ""
    snapshot: bytes = b""  # digest of the dataset that shaped its features, or measured it
    snapshot_entry: int = 0
    snapshot_licences: Mapping[str, int] | None = None  # items by their SPDX licence


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card says beside what follows from job and files."""

    title: str
    licence: str  # under which partners have it
    chosen: str  # how the hyper-parameters were
    cpu_seconds: float
    watts: int = WATTS


def energy_millijoules(cpu_seconds: float, watts: int = WATTS) -> int:
    """What so much computing takes, by ENERGY_METHOD."""
    return round(cpu_seconds * watts * 1000)


def compose(spec: TrainingSpec, release: Release, lineage: Lineage, facts: Facts) -> bytes:
    """The card of a job whose rounds have all run, as canonical JSON."""
    return canonical(
        {
            "format": FORMAT,
            "title": facts.title,
            "licence": facts.licence,
            "out_of_scope": _OUT_OF_SCOPE,
            "labels": spec.labels,
            "task": {
                "name": spec.task,
                "options": spec.options,
                "code": lineage.task_code.hex(),
                "version": lineage.task_version,
            },
            "lineage": _lineage(spec, lineage),
            "training": _training(spec, facts),
            "privacy": _privacy(spec, lineage.spent_micro),
            "quality": _quality(release, facts.watts),
            "energy": {
                "method": ENERGY_METHOD,
                "cpu_milliseconds": round(facts.cpu_seconds * 1000),
                "watts_assumed": facts.watts,
                "millijoules": energy_millijoules(facts.cpu_seconds, facts.watts),
            },
            "versions": {each: version(each) for each in _VERSIONS}
            | {"python": platform.python_version()},
            "limits": _LIMITS,
        }
    )


def _lineage(spec: TrainingSpec, its: Lineage) -> dict[str, object]:
    return {
        "network": its.network.hex(),
        "job": spec.job_id,
        "job_entry": its.job_entry,
        "round_entries": its.round_entries,
        "partners": {name_of(who): rounds for who, rounds in its.partners.items()},
        "columns": spec.columns,
        "expected_examples": spec.expected_examples,
        "snapshot": its.snapshot.hex(),
        "snapshot_entry": its.snapshot_entry,
        "snapshot_licences": dict(its.snapshot_licences or {}),
    }


def _training(spec: TrainingSpec, facts: Facts) -> dict[str, object]:
    return {
        "rounds": spec.rounds,
        "quorum": spec.quorum,
        "noise_parties": spec.noise_parties,
        "upload_bits": spec.bits,
        "upload_values": spec.values,
        "upload_step": spec.step,
        "sampling_ppm": round(spec.sampling * PPM),
        "clip_micro": round(spec.clip * PPM),
        "noise_micro": round(spec.noise_multiplier * PPM),
        "learning_rate_micro": round(spec.learning_rate * PPM),
        "momentum_ppm": round(spec.momentum * PPM),
        "weight_bits": spec.weight_bits,
        "chosen": facts.chosen,
    }


def trust_of(spec: TrainingSpec) -> str:
    """Whom one has to trust that no single update is seen: a committee of partners, or the coordinator."""
    return COMMITTEE if colluders_of(min(COMMITTEE_MAX, spec.partners)) else COORDINATOR


def _privacy(spec: TrainingSpec, spent_micro: int) -> dict[str, object]:
    return {
        "unit": "one example, added or removed",
        "delta_ppb": round(spec.delta * PPB),
        # Of that many examples so many millionths may be given away whole, by a mechanism as bad as allowed.
        "delta_times_examples_ppm": round(spec.delta * spec.expected_examples * PPM),
        "adversaries": [
            {
                "who": each.who,
                "sees": _SEES[each.who],
                "epsilon_micro": each.bound.epsilon_micro,
                "accounting": each.bound.method,
            }
            for each in adversaries(spec)
        ],
        "spent_micro": spent_micro,
        "trust": trust_of(spec),
        "trust_means": _TRUST if trust_of(spec) == COMMITTEE else _ALONE,
        "norms_proven": False,
        "norms_mean": _NORMS,
        "after_withdrawal": _AFTER_WITHDRAWAL,
    }


def _quality(release: Release, watts: int) -> dict[str, object]:
    floats = {each.name: each for each in release.artifacts if each.precision == "fp32"}
    drift = release.drift
    return {
        "held_back": release.held_back,
        "files": [
            _file(each, floats[each.name], release.held_back, watts) for each in release.artifacts
        ],
        "by_class": [
            {
                "label": each.label,
                "examples": each.examples,
                "right": each.right,
                "interval_95_ppm": interval_ppm(each.right * PPM // each.examples, each.examples)
                if each.examples
                else (0, PPM),
            }
            for each in release.classes
        ],
        "drift_baseline": {"shares_ppm": drift.shares_ppm, "sureness": drift.sureness}
        if drift
        else None,
    }


def _file(artifact: Artifact, floats: Artifact, examples: int, watts: int) -> dict[str, object]:
    return {
        "file": artifact.path.name,
        "name": artifact.name,
        "precision": artifact.precision,
        "takes": {
            "name": artifact.takes.name,
            "shape": artifact.takes.shape,
            "type": artifact.takes.kind.name,
        },
        "sha256": artifact.digest.hex(),
        "bytes": artifact.size_bytes,
        "smaller_permille": floats.size_bytes * 1000 // artifact.size_bytes,
        "accuracy_ppm": artifact.accuracy_ppm,
        "interval_95_ppm": interval_ppm(artifact.accuracy_ppm, examples),
        "call_ns": artifact.call_ns,
        "call_permille": artifact.call_ns * 1000 // max(floats.call_ns, 1),
        "nanojoules": artifact.call_ns * watts,
    }


def interval_ppm(accuracy_ppm: int, examples: int) -> tuple[int, int]:
    """Where the accuracy on all such data lies, with 95 % confidence (Wilson, 1927)."""
    p, z2 = accuracy_ppm / PPM, _Z_95**2
    middle = p + z2 / (2 * examples)
    spread = _Z_95 * math.sqrt(p * (1 - p) / examples + z2 / (4 * examples**2))
    low, high = ((middle + each) / (1 + z2 / examples) for each in (-spread, spread))
    return max(0, math.floor(low * PPM)), min(PPM, math.ceil(high * PPM))

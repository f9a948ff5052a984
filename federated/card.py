"""The model card: what a model is for, what it was made from, what it cost and how well it does.

A card is canonical JSON: sorted keys, no spaces, integers instead of fractions, so that whoever recomputes
a figure finds the very same bytes. How it is signed and checked: federated/signed_card.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from commonground.escaping import in_code, in_markdown
from federated.privacy import Who, adversaries, bound
from federated.release import Artifact, Release
from federated.signed_card import FORMAT, canonical
from federated.spec import TrainingSpec
from protocol.depth import load_json
from protocol.identity import PersonId, name_of
from protocol.limits import PPM

# One core of a laptop or a small server under load, its part of memory and power supply included;
# machines are known with 5 and with 25. An estimate: nothing here can measure it.
WATTS: Final = 15
_PPB: Final = 1_000_000_000
_Z_95: Final = 1.959964  # standard normal, two-sided 95 %

_TRUST: Final = (
    "The partners' noisy updates were added up under masks that a committee of them took off the sum alone."
    " Epsilon holds towards everybody who sees the models of the rounds. If more of a round's committee"
    " side with the coordinator than it bears, they see single updates, which their partner's own share of"
    " the noise hides; what they could learn is stated too."
)
_WHO: Final = {
    Who.PUBLIC: "everybody who sees the models",
    Who.PARTNER: "another partner, who knows its own noise",
    Who.COORDINATOR: "the coordinator",
    Who.COMMITTEE: "the coordinator with as many of a committee as may collude",
    Who.BROKEN: "the coordinator with more of a committee than that",
}
_LIMITS: Final = (
    "It was measured on examples that the coordinator held back; on other data it may do worse.",
    "Privacy is counted for one example. Somebody with many of them is protected less.",
    "A partner that adds less noise than it should weakens everybody's privacy; as many honest partners in"
    " each round are assumed as make its noise.",
    "Nobody but their owners saw the examples, so nobody checked their labels.",
)


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where the log says what the model was made from: indices of entries, and who took part."""

    network: bytes
    job_entry: int
    round_entries: Sequence[int]
    partners: Mapping[PersonId, int]  # rounds that each one's update is in
    snapshot: bytes = b""  # digest of the dataset that calibrated it; empty without one


def energy_millijoules(cpu_seconds: float, watts: int = WATTS) -> int:
    """What so much computing takes, by a rule of thumb."""
    return round(cpu_seconds * watts * 1000)


def compose(
    spec: TrainingSpec,
    release: Release,
    lineage: Lineage,
    *,
    title: str,
    cpu_seconds: float,
    watts: int = WATTS,
) -> bytes:
    """The card of a job whose rounds have all run, as canonical JSON."""
    cost = bound([spec.mechanism], spec.delta)
    towards = {each.who: each.bound for each in adversaries(spec)}
    card = {
        "format": FORMAT,
        "title": title,
        "use": f"Does what the task {spec.task!r} does, and nothing else.",
        "task": spec.task,
        "task_options": spec.options,
        "labels": spec.labels,
        "lineage": {
            "network": lineage.network.hex(),
            "job": spec.job_id,
            "job_entry": lineage.job_entry,
            "round_entries": lineage.round_entries,
            "snapshot": lineage.snapshot.hex(),
            "columns": spec.columns,
            "expected_examples": spec.expected_examples,
            "partners": {name_of(who): rounds for who, rounds in lineage.partners.items()},
        },
        "training": {
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
        },
        "privacy": {
            "unit": "one example, added or removed",
            "epsilon_micro": cost.epsilon_micro,
            "delta_ppb": round(spec.delta * _PPB),
            "accounting": cost.method,
            "trust": "committee",
            "trust_means": _TRUST,
            "towards": [
                {
                    "who": who,
                    "whose": _WHO[who],
                    "epsilon_micro": each.epsilon_micro,
                    "accounting": each.method,
                }
                for who, each in towards.items()
            ],
        },
        "quality": {
            "held_back": release.held_back,
            "fp32": _quality(release.fp32, release.held_back),
            "int8": _quality(release.int8, release.held_back),
        },
        "energy": {
            "cpu_milliseconds": round(cpu_seconds * 1000),
            "watts_assumed": watts,
            "millijoules": energy_millijoules(cpu_seconds, watts),
        },
        "limits": _LIMITS,
    }
    return canonical(card)


def _quality(artifact: Artifact, examples: int) -> dict[str, object]:
    low, high = interval_ppm(artifact.accuracy_ppm, examples)
    return {
        "file": artifact.path.name,
        "sha256": artifact.digest.hex(),
        "bytes": artifact.size_bytes,
        "accuracy_ppm": artifact.accuracy_ppm,
        "interval_95_ppm": [low, high],
    }


def interval_ppm(accuracy_ppm: int, examples: int) -> tuple[int, int]:
    """Where the accuracy on all such data lies, with 95 % confidence (Wilson, 1927)."""
    p, z2 = accuracy_ppm / PPM, _Z_95**2
    middle = p + z2 / (2 * examples)
    spread = _Z_95 * math.sqrt(p * (1 - p) / examples + z2 / (4 * examples**2))
    low, high = ((middle + each) / (1 + z2 / examples) for each in (-spread, spread))
    return max(0, math.floor(low * PPM)), min(PPM, math.ceil(high * PPM))


def to_markdown(card: bytes) -> str:
    """The card for people, without a signature of its own."""
    its: dict[str, Any] = load_json(card)
    lineage, training = its["lineage"], its["training"]
    privacy, quality, energy = its["privacy"], its["quality"], its["energy"]
    partners = [f"| {in_code(peer)} | {rounds} |" for peer, rounds in lineage["partners"].items()]
    rounds = ", ".join(map(str, lineage["round_entries"]))
    return "\n".join(
        [
            f"# {in_markdown(its['title'])}",
            "",
            f"{its['use']} Its labels: {in_markdown(', '.join(its['labels']))}.",
            "",
            "## How well it does",
            "",
            f"On {quality['held_back']:,} held-back examples; the interval is one of 95 % confidence.",
            "",
            "| File | Accuracy | Interval | Size | SHA-256 |",
            "| --- | --- | --- | --- | --- |",
            *(_quality_row(quality[each]) for each in ("fp32", "int8")),
            "",
            "## Privacy",
            "",
            f"- Epsilon {_micro(privacy['epsilon_micro'])} at delta {privacy['delta_ppb'] / _PPB:g},"
            f" by {privacy['accounting']} accounting, for {privacy['unit']}",
            *(
                f"- Towards {each['whose']}: epsilon {_micro(each['epsilon_micro'])} at that delta,"
                f" by {each['accounting']} accounting"
                for each in privacy["towards"]
            ),
            f"- Trust: {privacy['trust']}. {privacy['trust_means']}",
            "",
            "## What it was made from",
            "",
            f"- Job {in_code(lineage['job'])}, entry {lineage['job_entry']} of the log of network"
            f" {in_code(lineage['network'])}; its rounds are entries {rounds}",
            f"- Task {in_code(its['task'])}, {training['rounds']} rounds of at least"
            f" {training['quorum']} updates, about {lineage['expected_examples']:,} examples",
            f"- Columns read: {in_markdown(', '.join(lineage['columns']))}",
            f"- Calibrated with: {_snapshot(lineage['snapshot'])}",
            "",
            "| Partner | Rounds |",
            "| --- | --- |",
            *partners,
            "",
            "## Energy",
            "",
            f"About {energy['millijoules'] / 1000:,.1f} J: {energy['cpu_milliseconds'] / 1000:,.1f} s of"
            f" processor time at an assumed {energy['watts_assumed']} W.",
            "",
            "## Limits",
            "",
            *(f"- {limit}" for limit in its["limits"]),
            "",
        ]
    )


def _quality_row(its: Mapping[str, Any]) -> str:
    low, high = (f"{each / PPM:.1%}" for each in its["interval_95_ppm"])
    return (
        f"| {in_markdown(its['file'])} | {its['accuracy_ppm'] / PPM:.1%} | {low} to {high}"
        f" | {its['bytes']:,} bytes | {in_code(its['sha256'])} |"
    )


def _snapshot(digest: str) -> str:
    return f"snapshot {in_code(digest)}" if digest else "examples of the coordinator"


def _micro(value: int) -> str:
    return f"{value / PPM:.3f}"

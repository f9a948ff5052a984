"""Federated training: four partners, each a SuperNode of its own, on digits that they show to nobody."""

from __future__ import annotations

import time
from typing import Any, Final

from commonhold.demo.cast import CAMPAIGN, HONEST
from commonhold.demo.scene import POLL_S, Scene
from protocol.identity import name_of

JOB: Final = "digits-1"
EPSILON: Final = "3"
DELTA: Final = "1e-5"
# Half of what suits so few digits: a round is some records in every log, and the last ones teach little.
ROUNDS: Final = "15"


def train(scene: Scene, snapshot: str) -> dict[str, Any]:
    """Opens a job over the snapshot, lets everybody invited join, and waits for the model."""
    ready = scene.stage.folder / "logs" / "job.ready"
    with scene.display.step("four partners train, each on its own machine's digits") as step:
        job = scene.stage.start(*_open(scene, snapshot), "--ready-file", str(ready))
        scene.wait_until(
            lambda: ready.exists() or job.process.poll() is not None, "the job is open"
        )
        partners = [scene.stage.start(*_join(scene, name)) for name in HONEST]
        while job.process.poll() is None:
            scene.tail.catch_up()
            step.say(scene.tail.training())
            time.sleep(POLL_S)
        model = scene.stage.finish(job)
        for partner in partners:
            scene.stage.finish(partner)
        step.say(
            f"{model['rounds']} rounds; {model['accuracy_int8']:.1%} right as int8 on digits that "
            f"nobody trained on, at epsilon {model['epsilon']:.2f}"
        )
    return model


def _open(scene: Scene, snapshot: str) -> tuple[str, ...]:
    invited = [word for n in HONEST for word in ("--partner", name_of(scene.people[n]))]
    return (
        *("federated", "open", "--dir", scene.coordinator, "--id", JOB, "--campaign", CAMPAIGN),
        *("--title", "Digits, trained where they are", "--snapshot", snapshot, *invited),
        *(
            "--epsilon",
            EPSILON,
            "--delta",
            DELTA,
            "--rounds",
            ROUNDS,
            "--quorum",
            str(len(HONEST) - 1),
        ),
        *("--expected-examples", str(scene.cast.private_examples)),
        *("--held-back", str(scene.cast.held_back)),
    )


def _join(scene: Scene, name: str) -> tuple[str, ...]:
    return (
        *("federated", "join", "--dir", scene.node(name), "--job", JOB),
        *("--data", str(scene.cast.partners[name]), "--epsilon-max", EPSILON, "--yes"),
    )


def federated_figures(model: dict[str, Any]) -> dict[str, Any]:
    """What the summary says of the training."""
    names = (
        *("rounds", "clients", "epsilon", "delta", "accuracy_fp32", "accuracy_int8"),
        *("size_ratio", "trust"),
    )
    return {name: model[name] for name in names}

"""The holders of shares change the policy: proposed and voted on by their nodes, enacted by anybody's.

A vote takes its time; what is in between goes on meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonhold.demo.cast import HONEST, MISLABELLER
from commonhold.demo.scene import Scene
from commonhold.demo.stage import DemoError, Server

REVIEWERS_PERCENT: Final = 30
CONTRIBUTORS_PERCENT: Final = 55
_PATIENCE_S: Final = "180"
# Long enough for processes on busy machines to be there when a vote begins, and before it or a root's time to
# be objected to ends; the contracts ask for appeals that are longer than any vote.
_DELAYS: Final = {
    "delay": "8s",  # in which a witness objects
    "voting_delay": "42s",
    "voting_period": "25s",
    "appeal_delay": "100s",
    "witness_delay": "100s",
    "unbond_delay": "200s",
}


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote under way."""

    proposal: str
    ballots: list[Server]
    enactment: Server


def leave_time(scene: Scene) -> None:
    """Before the contracts are deployed, in coordinator.toml: a try-out's delays last a second."""
    file = Path(scene.coordinator) / "coordinator.toml"
    lines = [line.partition(" = ")[::2] for line in file.read_text().splitlines()]
    changed = [(key, f'"{_DELAYS[key]}"' if key in _DELAYS else value) for key, value in lines]
    file.write_text(
        "".join(f"{key} = {value}\n" if value else f"{key}\n" for key, value in changed)
    )


def begin_vote(scene: Scene) -> Vote:
    """One proposes, another agrees, one does not; and somebody waits to enact it."""
    author, other = HONEST[:2]
    words = ("--reviewers", str(REVIEWERS_PERCENT), "--contributors", str(CONTRIBUTORS_PERCENT))
    with scene.display.step(f"{author} proposes that reviewers get more") as step:
        made = scene.stage.run("node", "propose", "policy", *words, "--dir", scene.node(author))
        step.say("; ".join(made["does"]))
    # The author's shares vote already; those of the others have to be delegated before the vote begins.
    ballots = [(MISLABELLER, "no"), (other, "yes"), (author, "yes")]
    return Vote(
        made["id"],
        [_wait(scene, "vote", made["id"], choice, name) for name, choice in ballots],
        _wait(scene, "enact", made["id"], "", HONEST[-1]),
    )


def end_vote(scene: Scene, vote: Vote) -> None:
    """What the holders decided is done on chain."""
    with scene.display.step("holders of shares vote, and what they decide is enacted") as step:
        cast = [scene.stage.finish(each) for each in vote.ballots]
        done = scene.stage.finish(vote.enactment)
        said = [f"{each['choice']} with {int(each['votes']) / 1e6:,.0f} shares" for each in cast]
        step.say(f"{', '.join(said)}: {done['state']}")


def is_followed(scene: Scene) -> bool:
    """Whether the log has the policy that was decided on."""
    coming = scene.tail.catch_up().policy_to_come
    with scene.display.step("the log follows: another policy from the next epoch on") as step:
        if coming is None:
            raise DemoError("the log did not follow what the holders of shares decided")
        step.say(f"reviewers get {coming.reviewers_ppm / 10_000:g} %")
    return coming.reviewers_ppm == REVIEWERS_PERCENT * 10_000


def _wait(scene: Scene, command: str, proposal: str, choice: str, name: str) -> Server:
    words = filter(None, ("node", command, proposal, choice))
    return scene.stage.start(*words, "--wait", _PATIENCE_S, "--dir", scene.node(name))

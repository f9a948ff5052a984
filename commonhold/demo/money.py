"""Settlement: what the log says that people earned, on chain, and claimed there."""

from __future__ import annotations

import time

from commonhold.demo.cast import NAMES
from commonhold.demo.display import Step
from commonhold.demo.onchain import asset_of
from commonhold.demo.scene import POLL_S, WAIT_S, Scene
from commonhold.demo.stage import DemoError, Server
from protocol.money.settlement import Address
from protocol.state import SHARES

SHARE_TOKEN = Address(SHARES)  # stands for the token until its contract is deployed

Paid = dict[str, dict[str, int]]
"""Name -> asset, in hex -> what the chain has paid."""


def begin_settlement(scene: Scene) -> Server:
    """A root waits for objections before it is in force; meanwhile other things go on."""
    return scene.stage.start("coordinator", "settle", "--dir", scene.coordinator)


def end_settlement(scene: Scene, begun: Server, what: str, *assets: Address) -> None:
    """Root on chain with the witnesses' signatures; every node checks and claims."""
    show = scene.display
    with show.step(f"{what}: root on chain, signed by witnesses who recomputed it") as step:
        settled = scene.stage.finish(begun)["settled"]
        step.say(f"{settled['root'][:12]}… waited for objections, and is in force")
    with show.step("every node checks its leaf against its own recomputation, and claims") as step:
        _await_claims(scene, assets, step)


def _await_claims(scene: Scene, assets: tuple[Address, ...], step: Step) -> None:
    deployment = scene.deployment()
    wanted = [deployment.share_token if a == SHARE_TOKEN else a for a in assets]
    deadline = time.monotonic() + WAIT_S
    waiting = set(NAMES)
    while waiting:
        waiting = {
            name
            for name in waiting
            if not all(scene.chain.paid(deployment, a, scene.payouts[name]) for a in wanted)
        }
        step.say(f"{len(NAMES) - len(waiting)} of {len(NAMES)} have")
        if time.monotonic() > deadline:
            raise DemoError(f"{', '.join(sorted(waiting))} did not claim in {WAIT_S:.0f} s")
        time.sleep(POLL_S)


def compare_balances(scene: Scene) -> tuple[bool, Paid]:
    """Whether the chain has paid everybody what their own node says that they earned."""
    deployment = scene.deployment()
    equal, paid = True, Paid()
    with scene.display.step("on-chain balances against the nodes' own statements") as step:
        statements = scene.stage.run_all(
            [("node", "statement", "--dir", scene.node(name)) for name in NAMES]
        )
        for name, statement in zip(NAMES, statements, strict=True):
            for balance in statement["balances"]:
                asset = asset_of(balance["asset"], deployment)
                on_chain = scene.chain.paid(deployment, asset, scene.payouts[name])
                equal &= on_chain == int(balance["earned"])
                paid.setdefault(name, {})[asset.hex()] = on_chain
        step.say("equal, to the unit" if equal else "they differ")
    return equal, paid

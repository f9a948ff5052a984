"""Somebody joins whom nobody invited: by a bond in the stake contract, once there are contracts."""

from __future__ import annotations

from typing import Final

from commonhold.demo.scene import Scene
from commonhold.demo.stage import DemoError
from protocol.identity import PersonId, person_of
from protocol.money.settlement import Address
from protocol.rules.admission import bond_of

NEWCOMER: Final = "nia"
BOND_WEI: Final = 10**15  # what the demo's policy asks for


def bond_newcomer(scene: Scene) -> PersonId:
    """Refused without a bond; so they make one."""
    stage, home = scene.stage, scene.node(NEWCOMER)
    with scene.display.step(f"{NEWCOMER} knows nobody, and wants to join") as step:
        made = stage.refused(
            *("node", "init", "--dir", home, "--link", scene.link, "--rpc-url", scene.rpc_url)
        )
        if "a bond" not in made["refused"]:
            raise DemoError(f"{NEWCOMER} was refused for another reason: {made['refused']}")
        scene.chain.fund(Address(bytes.fromhex(made["payout_address"][2:])))
        stage.run("node", "bond", str(BOND_WEI), "--dir", home)
        step.say(f"refused without a bond; now {BOND_WEI / 1e18:g} ether are at stake")
    return person_of(made["person"])


def join_newcomer(scene: Scene, person: PersonId) -> bool:
    """Once the log has read of the bond, it lets them in; whether it says so."""
    with scene.display.step(f"{NEWCOMER} joins by the bond") as step:
        scene.wait_until(
            lambda: bond_of(scene.tail.catch_up(), person).active >= BOND_WEI,
            f"the log has read of {NEWCOMER}'s bond",
        )
        scene.stage.run("node", "register", "--dir", scene.node(NEWCOMER))
        member = scene.tail.catch_up().members.get(person)
        step.say("a member" if member is not None else "still none")
    return member is not None and member.is_bonded

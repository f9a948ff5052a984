"""Somebody joins whom nobody invited: by a bond in the stake contract, once there are contracts."""

from __future__ import annotations

from typing import Final

from commonhold.demo.scene import Scene
from commonhold.demo.stage import DemoError
from protocol.identity import person_of
from protocol.money.settlement import Address

NEWCOMER: Final = "nia"
BOND_WEI: Final = 10**15  # what the demo's policy asks for


def join_by_bond(scene: Scene) -> bool:
    """Refused without a bond, and a member with one; whether the log says so."""
    stage, home = scene.stage, scene.node(NEWCOMER)
    with scene.display.step(f"{NEWCOMER} knows nobody, and joins by a bond") as step:
        made = stage.refused(
            *("node", "init", "--dir", home, "--link", scene.link, "--rpc-url", scene.rpc_url)
        )
        if "a bond" not in made["refused"]:
            raise DemoError(f"{NEWCOMER} was refused for another reason: {made['refused']}")
        step.say("refused without one")
        scene.chain.fund(Address(bytes.fromhex(made["payout_address"][2:])))
        stage.run("node", "bond", str(BOND_WEI), "--dir", home)
        scene.operate("revenue", "import")
        stage.run("node", "register", "--dir", home)
        member = scene.tail.catch_up().members.get(person_of(made["person"]))
        step.say(f"a member, with {BOND_WEI / 1e18:g} ether at stake")
    return member is not None and member.is_bonded

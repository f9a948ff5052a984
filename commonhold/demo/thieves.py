"""A root that pays thieves. They have the keys of all witnesses but one, which is a quorum; the one who is
left has a bond at stake, and her node freezes the root by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commonhold.demo.cast import HONEST
from commonhold.demo.found import WITNESSES
from commonhold.demo.scene import Scene
from commonhold.demo.stage import Server
from contracts.devchain import dev_keys
from contracts.signed import Signed
from coordinator.chain import OperatorChain
from node.config import NodeDirectory
from node.keys import load_keys
from node.wallet import Wallet
from protocol.money.payload import Payload, hash_payload, post_digest
from protocol.money.settlement import Address, Leaf, build_tree

WITNESS: Final = HONEST[0]
BOND_WEI: Final = 10**17  # what the contracts of a try-out ask of a witness
_STOLEN_MICRO: Final = 500 * 10**6  # half of what an epoch mints
_ACCOUNT: Final = 3  # of the development chain's
_SIGNED_FOR_S: Final = 600


@dataclass(frozen=True, slots=True)
class Theft:
    """What was tried, and by whom."""

    thief: Address
    epoch: int
    chain: OperatorChain


def bond_witness(scene: Scene) -> Server:
    """Begins to put the honest witness's bond at stake."""
    return scene.stage.start("node", "bond", str(BOND_WEI), "--dir", scene.node(WITNESS))


def steal(scene: Scene, bonding: Server) -> Theft:
    """Posts a root for the next epoch of which the log knows nothing."""
    thief = Wallet(dev_keys()[_ACCOUNT].to_bytes())
    keys = f"{len(WITNESSES) - 1} of {len(WITNESSES)} witnesses' keys"
    with scene.display.step(f"thieves with {keys} post a root that pays them") as step:
        scene.stage.finish(bonding)
        state, deployment = scene.tail.catch_up(), scene.deployment()
        chain = OperatorChain(scene.rpc_url, dev_keys()[_ACCOUNT].to_bytes(), deployment)
        view, last = state.onchain, state.payloads[state.onchain.epoch]
        wrong = _outgrow(last, thief.address, deployment.share_token)
        deadline_s = chain.head()[1] + _SIGNED_FOR_S
        digest = post_digest(deployment, hash_payload(wrong), view.attempt, view.nonce, deadline_s)
        signed = Signed(digest, view.nonce, view.witnesses, _sign(scene, digest), deadline_s)
        chain.post(wrong, last, signed)
        step.say("it waits, as any other")
    return Theft(thief.address, wrong.epoch, chain)


def see_frozen(scene: Scene, theft: Theft) -> None:
    """The honest witness's node has looked at it meanwhile."""
    with scene.display.step(f"{WITNESS}'s node objects by itself") as step:
        scene.wait_until(
            lambda: theft.chain.waiting(theft.epoch).status == "frozen", f"{WITNESS} objects"
        )
        step.say("the root is frozen, and lapses, since nobody stands by it")


def has_failed(scene: Scene, theft: Theft) -> bool:
    """Whether another root is in force, and the thieves have nothing."""
    state, deployment = scene.tail.catch_up(), scene.deployment()
    paid = scene.chain.paid(deployment, deployment.share_token, theft.thief)
    root = state.roots[theft.epoch]
    return not paid and root.payload == state.payloads[theft.epoch]


def _outgrow(last: Payload, thief: Address, share: Address) -> Payload:
    """The next epoch's: all that was ever earned is the thieves', and more."""
    totals = dict(last.totals)
    totals[share] += _STOLEN_MICRO
    amounts = tuple(sorted(totals.items()))
    return Payload(last.epoch + 1, build_tree([Leaf(thief, amounts)]).root, amounts)


def _sign(scene: Scene, digest: bytes) -> list[bytes]:
    """With the keys of all witnesses but one."""
    files = [NodeDirectory(Path(scene.node(n))).keys for n in WITNESSES if n != WITNESS]
    stolen = [Wallet(load_keys(file, lambda: b"").payout_secret) for file in files]
    return [each.sign_digest(digest) for each in stolen]

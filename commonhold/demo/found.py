"""The first act: chain, coordinator, campaign, and eight nodes that register."""

from __future__ import annotations

from typing import Final

from commonhold.demo.cast import NAMES
from commonhold.demo.scene import CAMPAIGN, LICENCE, Scene
from contracts.devchain import dev_keys
from protocol.identity import identity_of
from protocol.log.link import parse_link
from protocol.money.settlement import Address

QUORUM: Final = 3
_LOOPBACK: Final = "/ip4/127.0.0.1/tcp/0"


def found_network(scene: Scene) -> None:
    """Everybody's process runs, and everybody is a member."""
    show = scene.display
    with show.step("an embedded EVM and a coordinator") as step:
        _start_servers(scene)
        step.say(f"log and dashboard at {scene.http_url}")
    with show.step(f"{len(NAMES)} nodes: keys, registration signed by both keys") as step:
        _start_nodes(scene)
        step.say(", ".join(NAMES))


def _start_servers(scene: Scene) -> None:
    stage = scene.stage
    chain = stage.serve("chain", "chain", "dev", "--port", "0")
    stage.wait_ready(chain)
    scene.rpc_url = chain.ready["url"]
    key = stage.folder / "operator-chain.key"
    key.touch(mode=0o600)
    key.write_text(dev_keys()[0].to_hex())
    scene.operate(
        *("init", "--name", "demo", "--host", "127.0.0.1", "--port", "0", "--http-port", "0"),
        *("--rpc-url", scene.rpc_url, "--chain-key-file", str(key), "--quorum", str(QUORUM)),
        *("--beacon-seconds", "30", "--commit-seconds", "120", "--reveal-seconds", "60"),
    )
    coordinator = stage.serve("coordinator", "coordinator", "serve", "--dir", scene.coordinator)
    stage.wait_ready(coordinator)
    scene.link = coordinator.ready["link"]
    scene.http_url = parse_link(scene.link).http_url
    labels = [word for digit in range(10) for word in ("--label", str(digit))]
    scene.operate(
        *("campaign", "create", "--id", CAMPAIGN, "--title", "Handwritten digits", *labels),
        *("--guidelines", "Which digit is it?", "--licence", LICENCE, "--reviewers", "3"),
        *("--media-type", "image/png", "--item-bytes-max", "65536", "--privacy", "open"),
    )


def _start_nodes(scene: Scene) -> None:
    stage = scene.stage
    made = stage.run_all(
        [
            (
                *("node", "init", "--dir", scene.node(name), "--link", scene.link),
                *("--rpc-url", scene.rpc_url, "--listen", _LOOPBACK),
                *("--reviewer", scene.cast.players[name].reviewer),
            )
            for name in NAMES
        ]
    )
    for name, node in zip(NAMES, made, strict=True):
        scene.identities[name] = identity_of(node["peer_id"])
        scene.payouts[name] = Address(bytes.fromhex(node["payout_address"][2:]))
        scene.nodes[name] = stage.serve(
            name, "node", "start", "--dir", scene.node(name), "--auto-claim"
        )
    stage.wait_ready(*scene.nodes.values())
    scene.wait_until(
        lambda: bool(scene.operate("status")["standing_by"] == len(NAMES)), "all nodes stand by"
    )
    for address in scene.payouts.values():
        scene.chain.fund(address)

"""The first act: chain, coordinator, campaigns, eight nodes, and five of them who toss."""

from __future__ import annotations

from typing import Final

from commonhold.demo.asks import CHOSEN, reviewers
from commonhold.demo.bonded import BOND_WEI
from commonhold.demo.cast import CAMPAIGN, NAMES
from commonhold.demo.onchain import BUYER
from commonhold.demo.scene import LICENCE, Scene
from commonhold.demo.vote import leave_time
from contracts.devchain import dev_keys
from coordinator.chain import OperatorChain
from protocol.identity import name_of, person_of
from protocol.log.link import parse_link
from protocol.money.settlement import Address

WITNESSES: Final = NAMES[:5]
# From the first item of a campaign to the last; the operator shortens it when all are there.
SEAL_WAIT: Final = "38s"
_LOOPBACK: Final = "/ip4/127.0.0.1/tcp/0"


def found_network(scene: Scene) -> None:
    """Everybody's process runs, and everybody is a member."""
    show = scene.display
    with show.step("an embedded EVM and a coordinator") as step:
        _start_servers(scene)
        step.say(f"log and dashboard at {scene.http_url}")
    with show.step("four campaigns of different kinds") as step:
        _open_campaigns(scene)
        step.say(", ".join(f"{name} ({kind})" for name, kind in scene.campaigns.items()))
    with show.step(
        f"{len(NAMES)} nodes: an invitation each, keys, registration signed by both keys"
    ) as step:
        _start_nodes(scene)
        step.say(f"{', '.join(NAMES)}; the operator answers for each in the log")
    with show.step(f"{len(WITNESSES)} of them toss the coin that draws reviewers") as step:
        _choose_witnesses(scene)
        step.say(f"any {scene.tail.state.coin.threshold} determine a draw, and fewer foresee none")


def _start_servers(scene: Scene) -> None:
    stage = scene.stage
    chain = stage.serve("chain", "chain", "dev", "--port", "0")
    stage.wait_ready(chain)
    scene.rpc_url = chain.ready["url"]
    # Nobody holds shares yet, so nobody could vote for an asset: it is listed from the start.
    scene.stable = OperatorChain(scene.rpc_url, dev_keys()[BUYER].to_bytes()).deploy_test_stable()
    key = stage.folder / "operator-chain.key"
    key.touch(mode=0o600)
    key.write_text(dev_keys()[0].to_hex())
    scene.operate(
        *("init", "--name", "demo", "--host", "127.0.0.1", "--port", "0", "--http-port", "0"),
        *("--rpc-url", scene.rpc_url, "--chain-key-file", str(key)),
        *("--tryout", "--token", f"0x{scene.stable.hex()}"),
        *("--admission", "invitation-or-bond", "--bond", str(BOND_WEI)),
    )
    leave_time(scene)
    coordinator = stage.serve("coordinator", "coordinator", "serve", "--dir", scene.coordinator)
    stage.wait_ready(coordinator)
    scene.link = coordinator.ready["link"]
    scene.http_url = parse_link(scene.link).http_url


def _open_campaigns(scene: Scene) -> None:
    labels = [word for digit in range(10) for word in ("--label", str(digit))]
    digits = (
        *("--title", "Handwritten digits", *labels, "--guidelines", "Which digit is it?"),
        *("--media-type", "image/png", "--item-bytes-max", "65536", "--reviewers", "3"),
    )
    asked = {CAMPAIGN: (digits, scene.cast.digits)}
    asked |= {ask.id: (ask.words, ask.round_items) for ask in scene.asks}
    scene.stage.run_all(
        [
            (
                *("coordinator", "campaign", "create", "--dir", scene.coordinator, "--id", name),
                *(*words, "--licence", LICENCE, "--privacy", "open"),
                # Rounds begin with the second half, so that the operator can say before what gold is.
                *("--seal-items", str(items), "--round-items", str(items)),
                *("--seal-wait", SEAL_WAIT, "--draws-max", "2"),
                # Long ones, for busy machines: a window ends when all have done their part.
                *("--commit-window", "6m", "--reveal-window", "2m"),
            )
            for name, (words, items) in asked.items()
        ]
    )


def _start_nodes(scene: Scene) -> None:
    stage = scene.stage
    links = scene.operate("invite", "--count", str(len(NAMES)))["links"]
    made = stage.run_all(
        [
            (
                *("node", "init", "--dir", scene.node(name), "--link", link),
                *("--rpc-url", scene.rpc_url, "--listen", _LOOPBACK),
                *_review_words(scene, name),
            )
            for name, link in zip(NAMES, links, strict=True)
        ]
    )
    for name, node in zip(NAMES, made, strict=True):
        scene.people[name] = person_of(node["person"])
        scene.payouts[name] = Address(bytes.fromhex(node["payout_address"][2:]))
        scene.nodes[name] = stage.serve(
            name, "node", "start", "--dir", scene.node(name), "--auto-claim"
        )
    stage.wait_ready(*scene.nodes.values())
    scene.wait_until(lambda: _all_stand_by(scene), "all nodes stand by")
    for address in scene.payouts.values():
        scene.chain.fund(address)


def _choose_witnesses(scene: Scene) -> None:
    scene.operate("witnesses", *(name_of(scene.people[name]) for name in WITNESSES))
    scene.wait_until(lambda: scene.tail.catch_up().coin_nonce == 1, "their coin is in force")


def _review_words(scene: Scene, name: str) -> list[str]:
    """Which campaigns somebody reviews, and with what."""
    by_campaign = {CAMPAIGN: scene.cast.players[name].reviewer}
    by_campaign |= reviewers(scene.asked)[name]
    words = [word for c, each in by_campaign.items() for word in ("--reviewer", f"{c}={each}")]
    return words + [word for c in CHOSEN.get(name, ()) for word in ("--campaign", c)]


def _all_stand_by(scene: Scene) -> bool:
    state = scene.tail.catch_up()
    return all(
        state.standbys.count(campaign) == sum(campaign in CHOSEN.get(n, [campaign]) for n in NAMES)
        for campaign in scene.campaigns
    )

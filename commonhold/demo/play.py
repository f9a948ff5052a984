"""The acts of the demo, in order. Everything is done by commands that a user has; only the digits' true
labels, the funding of accounts and the measuring are the demo's own.
"""

from __future__ import annotations

import time
from typing import Any

from commonhold.demo.asks import make_asks
from commonhold.demo.bonded import bond_newcomer, join_newcomer
from commonhold.demo.cast import cast_players
from commonhold.demo.check import verify
from commonhold.demo.contribute import check_receipts, review, submit
from commonhold.demo.display import Display
from commonhold.demo.found import found_network
from commonhold.demo.measure import Measured
from commonhold.demo.money import SHARE_TOKEN, begin_settlement, compare_balances, end_settlement
from commonhold.demo.scene import Scene
from commonhold.demo.share import (
    begin_export,
    dataset_figures,
    export,
    royalties_match,
    sell,
    withdraw,
)
from commonhold.demo.stage import Stage
from commonhold.demo.thieves import bond_witness, has_failed, see_frozen, steal
from commonhold.demo.train import federated_figures, train
from commonhold.demo.vote import begin_vote, end_vote, is_followed
from commonhold.demo.watch import watch
from protocol.money.settlement import ETHER


def open_scene(stage: Stage, display: Display, seed: int) -> Scene:
    """Deals the digits; no process runs yet."""
    display.act(1, "A network: identities, payout addresses, campaigns")
    with display.step("dealing real handwritten digits") as step:
        cast = cast_players(stage.folder / "digits", seed)
        asks = make_asks(stage.folder / "asked", cast.submitted, seed)
        others = sum(len(pile.truth) for ask in asks for pile in ask.piles)
        step.say(f"{cast.digits} images to submit, and {others} other things")
    return Scene(stage, display, seed, cast, asks)


def play(scene: Scene) -> dict[str, Any]:
    """Plays all acts and gives the summary."""
    act = scene.display.act
    found_network(scene)
    act(2, "Signed submissions to four campaigns")
    submit(scene)
    check_receipts(scene)
    act(3, "Review: draw, content over libp2p to those drawn, commit, reveal, verdict")
    review(scene)
    act(
        4, "A root waits on chain for objections; meanwhile a dataset: sold, and an item taken back"
    )
    exporting, settling = begin_export(scene), begin_settlement(scene)
    sold = export(scene, "accepted items become a dataset", exporting)
    stable = sell(scene, sold)
    withdrawn = withdraw(scene, sold)
    exporting = begin_export(scene)
    end_settlement(scene, settling, "epoch 1", SHARE_TOKEN)
    act(5, "What everybody may do: have a vote, object, join")
    vote, bonding = begin_vote(scene), bond_witness(scene)
    exported = export(scene, "the next dataset leaves out what ada took back", exporting)
    theft = steal(scene, bonding)
    newcomer = bond_newcomer(scene)  # now: a node at rest would keep what it had read of that item
    see_frozen(scene, theft)
    act(6, "Training together: the data stays where it is")
    model = train(scene, exported.snapshot)
    act(7, "Settlement: trainers, royalties, revenue; meanwhile the pages")
    with scene.display.step("epoch 2 closes"):
        scene.operate("epoch", "close")
    end_vote(scene, vote)
    settling = begin_settlement(scene)
    joined = join_newcomer(scene, newcomer)
    seen = watch(scene, [exported.snapshot[:12], f"{model['epsilon']:.2f}", "Northwind Robotics"])
    end_settlement(scene, settling, "epoch 2", stable, ETHER)
    voted, unpaid = is_followed(scene), has_failed(scene, theft)
    matches, paid = compare_balances(scene)
    act(8, "From outside: the whole log replayed")
    checked = verify(scene)
    measured = Measured(checked.report, checked.history, scene.known)
    return measured.figures(scene.people) | {
        "joined_by_bond": joined,
        "onchain_matches_statements": matches,
        "policy_voted": voted,
        "wrong_root_stopped": unpaid,
        "revenue_paid_micro": sum(each.get(stable.hex(), 0) for each in paid.values()),
        "revenue_paid_wei": sum(each.get(ETHER.hex(), 0) for each in paid.values()),
        "verify_ok": checked.ok,
        "tamper_detected": checked.tamper_detected,
        "federated": federated_figures(model),
        "erased_ok": withdrawn.erased and withdrawn.item_id not in exported.item_ids,
        "dataset": dataset_figures(exported),
        "royalties_match_attribution": royalties_match(checked.report.lines, sold),
        "dashboard_ok": seen,
        "seconds": round(time.monotonic() - scene.display.start, 1),
    }

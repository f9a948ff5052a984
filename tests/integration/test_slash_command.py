"""`coordinator slash`: a witness is silent, the others sign that the log proves it, and its bond shrinks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from commonhold.demo.stage import Stage
from contracts.devchain import dev_keys
from coordinator.operator import Operator
from coordinator.settle import open_chain
from coordinator.terms import tryout
from node.wallet import Wallet
from protocol.identity import name_of
from protocol.limits import PPM, SILENCE_TOSSES_MIN
from protocol.rules.admission import bond_of
from tests.contract_chains import devchain
from tests.contract_lab import ask_chain
from tests.integration.test_invitations import refused, run_json
from tests.node_lab import Lab, standing_by, wait_for

pytestmark = pytest.mark.timeout(240)

GAS_WEI = 10**18
BOND_WEI = 10**17
SILENCE_PPM = 50_000
SLASH_DELAY_S = 2  # of `tryout`, and a second
CAMPAIGNS = [f"digits-{n}" for n in range(SILENCE_TOSSES_MIN)]


def test_a_silent_witness_loses_a_part_of_its_bond_by_command(tmp_path: Path) -> None:
    with devchain(tmp_path) as (url, _), Stage(tmp_path) as stage:
        lab = Lab(stage, tmp_path)
        lab.found_on_chain(
            *(url, dev_keys()[0].to_bytes(), tryout()),
            silence_tosses=SILENCE_TOSSES_MIN,
            silence_ppm=SILENCE_PPM,
        )
        home = lab.home.path
        with Operator(lab.home) as operator:
            operator.close_epoch(1)
            run_json("coordinator", home, "settle")
            reviewers = [lab.node(name, reviewer="constant:3") for name in ("ann", "bob")]
            cyn = lab.node("cyn", stand_by=False)
            dov = lab.node("dov", stand_by=False, rpc_url=url)
            nodes, silent = [*reviewers, cyn, dov], dov.keys.person
            open_chain(operator).fund([Wallet(dov.keys.payout_secret).address], GAS_WEI)
            run_json("node", dov.home.root, "bond", str(BOND_WEI))
            daemons = {node.name: lab.start(node) for node in nodes}
            stage.wait_ready(*daemons.values())
            people = [name_of(node.keys.person) for node in nodes]
            run_json("coordinator", home, "witnesses", *people)
            wait_for(operator, lambda s: s.coin_nonce == 1, "the coin of the four")
            operator.close_epoch(2)
            run_json("coordinator", home, "settle")

            named = ("slash", "--person", name_of(silent), "--for", "silence")
            assert run_json("coordinator", home, "slash")["proven"] == []
            assert "the log proves no silence" in refused("coordinator", home, *named, code=5)

            stage.stop(daemons["dov"])
            for campaign in CAMPAIGNS:
                lab.open_campaign(operator, reviewers=2, id=campaign)
            wait_for(
                operator,
                lambda s: all(standing_by(s, *reviewers, campaign_id=c) for c in CAMPAIGNS),
                "stand-bys",
            )
            files = lab.write_digits(len(CAMPAIGNS), "3")
            for campaign, path in zip(CAMPAIGNS, files, strict=True):
                asyncio.run(cyn.submit({path: "3"}, campaign))
            missed = SILENCE_TOSSES_MIN
            wait_for(
                operator,
                # There is no row of it before the first toss.
                lambda s: silent in s.diligence and s.diligence[silent].in_a_row == missed,
                "the silence",
            )

            [proven] = run_json("coordinator", home, "slash")["proven"]
            taken = BOND_WEI * SILENCE_PPM // PPM
            assert (proven["person"], proven["amount"]) == (name_of(silent), str(taken))
            done = run_json("coordinator", home, *named)
            assert len(done["tx_hashes"]) == 1
            [still] = done["open"]
            assert (still["person"], still["amount"]) == (name_of(silent), str(taken))
            assert "proposed before" in refused("coordinator", home, *named, code=5)

            ask_chain(url, "evm_increaseTime", SLASH_DELAY_S)
            ask_chain(url, "evm_mine")
            ended = run_json("coordinator", home, "slash", "--execute", str(still["number"]))
            assert ended["open"] == []
            operator.refresh()
            held = bond_of(operator.state, silent)
            assert (held.active, held.slashed) == (BOND_WEI - taken, taken)

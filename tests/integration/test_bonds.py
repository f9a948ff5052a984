"""Joining by a bond, with real commands, a real coordinator and real contracts on the embedded chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from commonhold.demo.stage import Stage
from contracts.devchain import dev_keys
from coordinator.operator import Operator
from coordinator.settle import open_chain
from coordinator.terms import tryout
from node.config import NodeConfig, load_config, locate, write_config
from protocol.identity import name_of
from protos.gen import records_pb2 as pb
from tests.contract_chains import devchain
from tests.contract_lab import ask_chain
from tests.integration.test_invitations import TERMS, invite, refused, run, run_json
from tests.node_lab import Lab, digit

pytestmark = pytest.mark.timeout(180)

LEAST = 10**15
GAS_WEI = 10**17
UNBOND_S = 10  # of `tryout`, and a second


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with devchain(tmp_path) as (url, _), Stage(tmp_path) as stage:
        made = Lab(stage, tmp_path)
        made.found_on_chain(
            url,
            dev_keys()[0].to_bytes(),
            tryout(bond_wei=str(10**17)),
            admission=pb.ADMISSION_EITHER,
            bond=str(LEAST),
        )
        with Operator(made.home) as operator:
            made.open_campaign(operator, reviewers=2)
        yield made


def settle_first(lab: Lab) -> None:
    """The contracts are there."""
    run_json("coordinator", lab.home.path, "epoch", "close")
    run_json("coordinator", lab.home.path, "settle")


def chain_of(lab: Lab) -> str:
    return lab.home.load().rpc_url


def give_node_chain(folder: Path, url: str) -> None:
    config: NodeConfig = load_config(locate(folder))
    write_config(locate(folder), replace(config, rpc_url=url))


def newcomer(lab: Lab, folder: Path) -> None:
    """A node without an invitation, which the network does not take in."""
    made = lab.stage.refused("node", "init", "--link", lab.link, "--dir", str(folder))
    assert "by an invitation or a bond" in made["refused"]
    said = (lab.stage.folder / "logs" / "commands.log").read_text()
    assert said.count("one joins this network by") == 1
    give_node_chain(folder, chain_of(lab))


def fund(lab: Lab, folder: Path) -> None:
    paid_at = run_json("node", folder, "status")["payout_address"]
    with Operator(lab.home) as operator:
        open_chain(operator).fund([bytes.fromhex(paid_at[2:])], GAS_WEI)


def test_a_newcomer_joins_by_a_bond_and_stays_by_it(lab: Lab, tmp_path: Path) -> None:
    ada = tmp_path / "ada"
    newcomer(lab, ada)
    assert "no contracts yet" in refused("node", ada, "bond", str(LEAST), code=5)
    settle_first(lab)
    said = refused("node", ada, "register", code=4)
    assert "; or next:" not in said
    assert run("node", ada, "status").stdout.count("one joins this network by") == 1
    assert f"it takes {LEAST} wei, and the log has read of 0" in said
    assert "0x" in said
    assert "on chain 31337" in said
    assert f"too little: `commonhold node bond {LEAST}`" in run("node", ada, "status").stdout

    unfunded = refused("node", ada, "bond", str(LEAST), code=5)
    assert "holds 0 ether" in unfunded
    assert "run the same command again" in unfunded
    assert "on chain 31337" in unfunded
    fund(lab, ada)
    small = refused("node", ada, "bond", str(LEAST - 1), code=5)
    assert f"membership takes {LEAST}" in small
    assert f"node bond {LEAST}" in small
    assert run_json("node", ada, "bond", str(LEAST))["bonded_wei"] == str(LEAST)
    waits = refused("node", ada, "register", code=4)
    assert "has read of 0" in waits, "the log has to read it"
    assert "if you have paid nothing in yet" in waits
    read = run_json("coordinator", lab.home.path, "revenue", "import")
    assert (read["imported"], read["bonds"]) == (0, 1)
    assert run_json("node", ada, "register")["registered"]
    shown = run_json("node", ada, "status")
    assert (shown["registered"], shown["bond"]["missing_wei"]) == (True, "0")
    [_, row] = run_json("coordinator", lab.home.path, "people")["people"]  # the operator is first
    assert (row["person"], row["invited_by"], row["bonded"]) == (shown["person"], None, True)

    # What leaves vouches no more; nothing is lost but the right to ask others for something.
    assert "at most, or everything" in refused("node", ada, "unbond", "1", code=5)
    left = run_json("node", ada, "unbond")
    assert left["leaves_at"] > 0
    run_json("coordinator", lab.home.path, "revenue", "import")
    (tmp_path / "one.png").write_bytes(digit(1))
    said = refused("node", ada, "submit", str(tmp_path / "one.png"), *TERMS, code=4)
    assert "your bond is too small" in said
    assert f"node bond {LEAST}" in said
    shown_text = run("node", ada, "status").stdout
    assert f"{LEAST} come back from" in shown_text
    assert "you may submit 0 more" in shown_text
    run_json("node", ada, "bond", str(LEAST))
    run_json("coordinator", lab.home.path, "revenue", "import")
    assert run_json("node", ada, "submit", str(tmp_path / "one.png"), *TERMS)["items"] == 1

    ask_chain(chain_of(lab), "evm_increaseTime", UNBOND_S)
    ask_chain(chain_of(lab), "evm_mine")
    run_json("node", ada, "unbond")
    run_json("coordinator", lab.home.path, "revenue", "import")
    bond = run_json("node", ada, "status")["bond"]
    assert (bond["active_wei"], bond["leaving_wei"]) == (str(LEAST), "0")


def test_where_either_will_do_others_are_invited(lab: Lab, tmp_path: Path) -> None:
    [link] = invite(lab)
    made = run_json("node", tmp_path / "ben", "init", "--link", link)
    [row] = run_json("coordinator", lab.home.path, "people")["people"]
    with Operator(lab.home) as operator:
        assert row["invited_by"] == name_of(operator.state.operator)
    assert (row["person"], row["bonded"]) == (made["person"], False)


def test_the_policy_says_how_one_joins(lab: Lab) -> None:
    """A policy with and without; and what it cannot be."""

    def policy(*words: str, code: int = 0) -> str:
        if code:
            return refused("coordinator", lab.home.path, "policy", "set", *words, code=code)
        made = run_json("coordinator", lab.home.path, "policy", "set", *words)["policy"]
        return f"{made['admission']} {made['bond']}"

    assert policy("--admission", "invitation-and-bond") == f"{pb.ADMISSION_BOTH} {LEAST}"
    assert policy("--bond", "7") == f"{pb.ADMISSION_BOTH} 7"
    assert "by a bond of nothing" in policy("--bond", "0", code=2)
    assert "digits alone" in policy("--bond", "0.1", code=2)
    assert policy("--bond", "0", "--admission", "invitation") == f"{pb.ADMISSION_INVITATION} "

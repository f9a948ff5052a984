"""What is fixed when contracts are deployed: the contracts would refuse what the settings refuse first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from commonhold.cli.node_votes import BY_HAND_S
from coordinator.config import Config, Home
from coordinator.deploying import constructor_arguments
from coordinator.terms import Founding, Terms, few_witnesses, tryout
from protocol.errors import ConfigError
from protocol.money.settlement import CONTRACTS, Address


def test_the_defaults_go_together_and_so_do_those_for_a_try() -> None:
    for terms in (Terms(), tryout()):
        voting = terms.voting()
        longest = voting[0] + 2 * voting[1] + terms.seconds("timelock_delay")
        assert terms.seconds("appeal_delay") > longest
        assert terms.seconds("witness_delay") > longest
    assert Terms().seconds("delay") == 3 * 24 * 3_600


def test_the_page_gives_a_try_votes_that_people_can_cast() -> None:
    """What docs/contributor.md says to put into coordinator.toml fits the other delays of a try."""
    page = Path(__file__).parents[2] / "docs" / "contributor.md"
    part = (
        page.read_text(encoding="utf-8")
        .partition("By hand it takes a network")[2]
        .partition("\n- ")[0]
    )
    given = dict(re.findall(r'`(\w+) = "(\w+)"`', part))
    assert {"voting_delay", "voting_period"} < set(given)
    assert tryout(**given).seconds("voting_period") >= BY_HAND_S


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"appeal_delay": "9d"}, "appeal_delay is 9d"),
        ({"witness_delay": "1d"}, "witness_delay is 1d"),
        ({"late_extension": "4d"}, "longer than voting_period"),
        ({"unbond_delay": "22d"}, "unbond_delay is 22d"),
        ({"delay": "soon"}, "not a duration"),
        ({"finality": -1}, "finality is -1"),
        ({"finality": 1 << 16}, "finality is 65536"),
        ({"quorum_percent": 0}, "quorum_percent"),
        ({"quorum_percent": 101}, "quorum_percent"),
        ({"quorum_shares": -1}, "quorum_shares"),
        ({"emission_factor": 0}, "emission_factor is 0"),
        ({"bond_wei": "0"}, "bond_wei is '0'"),
        ({"bond_wei": "1e18"}, "bond_wei is '1e18'"),
        ({"tokens": ["0x12"]}, "no token's address"),
        ({"tokens": ["0x" + "00" * 20]}, "no token's address"),
        ({"tokens": ["0x" + "zz" * 20]}, "no token's address"),
        ({"tokens": [f"0x{n:040x}" for n in range(1, 33)]}, "more than 31 tokens"),
    ],
)
def test_terms_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Terms(**changes)


def test_they_are_written_and_read_back(tmp_path: Path) -> None:
    terms = tryout(tokens=["0x" + "05" * 20], bond_wei="7")
    Home(tmp_path / "net").create(Config(name="x", settlement=terms))
    assert Home(tmp_path / "net").load().settlement == terms


def test_constructors_name_contracts_that_come_later() -> None:
    at = {name: Address(bytes([n]) * 20) for n, name in enumerate(CONTRACTS, 1)}
    made = constructor_arguments(
        at, Terms(), Founding((Address(b"\x21" * 20),), 1_000, 10_000, 7, 600)
    )
    assert made["share_token"] == ("0x" + "06" * 20,)
    assert made["settlement"][0][3] == "0x" + "07" * 20, "the stake"
    assert made["settlement"][1:] == (259_200, 950_400, 1_000, 10_000, 7, 600)
    assert made["timelock"][1:3] == (["0x" + "03" * 20], ["0x" + "00" * 20])
    assert len(made) == len(CONTRACTS)


def test_few_witnesses_are_named_as_what_they_are() -> None:
    assert "one witness signs" in few_witnesses(1)
    assert "3 witnesses sign" in few_witnesses(3)

"""What an operator opens a job with, and a partner joins with: numbers out of range, by their options."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from commonhold.cli.federated import app
from coordinator.config import Home
from coordinator.training.opening import Judging, Terms, open_job
from federated.export import Extras
from node.training.joining import Offer
from protocol.errors import ConfigError, Reject
from protocol.identity import PersonId
from protocol.rows import Consent, Snapshot
from tests.simulated import Network

ADA, BEN = PersonId(b"a" * 32), PersonId(b"b" * 32)
GOOD: dict[str, Any] = {
    "job_id": "job",
    "title": "A job",
    "campaign_id": "digits",
    "snapshot": "",
    "partners": (ADA, BEN),
    "task": "images",
    "options": {},
    "recipe": {"rounds": 20},
    "epsilon": 3.0,
    "delta": 1e-5,
    "quorum": 1,
    "noise_parties": None,
    "upload_bits": None,
    "expected_examples": 100,
    "price": 1.0,
    "held_back": Path(),
    "host": "127.0.0.1",
    "port": 0,
    "join_seconds": 1,
    "round_seconds": 60,
    "spare_rounds": 1,
    "model_licence": "CC-BY-4.0",
    "weight_bits": 0,
    "extras": Extras(),
    "judging": Judging(),
}


@pytest.mark.parametrize(
    ("change", "says", "advises"),
    [
        ({"epsilon": -1.0}, "--epsilon is -1", "from 1e-06 to 100"),
        ({"epsilon": float("nan")}, "--epsilon is nan", "to 100"),
        ({"delta": 0.5}, "--delta is 0.5", "from 1e-09 to 0.0001"),
        ({"recipe": {"sampling": 0.0}}, "--sampling is 0", "to 1"),
        ({"recipe": {"clip": float("inf")}}, "--clip is inf", "to 4,294"),
        ({"recipe": {"learning_rate": 5000.0}}, "--learning-rate is 5000", "to 4,294"),
        ({"recipe": {"momentum": 1.0}}, "--momentum is 1", "from 0 to 0.999999"),
        ({"price": 0.0}, "--price is 0", "to 1,000"),
        ({"recipe": {"rounds": 1_025}}, "--rounds is 1025", "to 1,024"),
        ({"round_seconds": 86_401}, "--round-seconds is 86401", "to 86,400"),
        ({"quorum": 3}, "--quorum is 3, of 2 partners", "from 1 to 2"),
        ({"noise_parties": 2}, "--noise-parties is 2, of sums of 1 update", "from 1 to 1"),
        ({"partners": (ADA, ADA)}, "--partner names", "once"),
        ({"join_seconds": float("inf")}, "--join-seconds is inf", "to 86,400"),
        ({"join_seconds": float("nan")}, "--join-seconds is nan", "to 86,400"),
        ({"expected_examples": 10**400}, "--expected-examples is 1.79769e+308", "to 4,294"),
        ({"weight_bits": 10**30}, "--weight-bits is 1e+30", "4 or 8"),
        ({"weight_bits": -4}, "--weight-bits is -4", "4 or 8"),
        ({"judging": Judging(10**30)}, "--cohorts is 1e+30, of rounds of 1", "none are compared"),
    ],
)
def test_a_jobs_numbers_are_refused_by_their_options(
    change: dict[str, Any], says: str, advises: str
) -> None:
    assert Terms(**GOOD).quorum == 1
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        Terms(**(GOOD | change))
    assert advises in caught.value.advice


@pytest.mark.parametrize("epsilon", [-1.0, 0.0, float("nan"), float("inf")])
def test_a_partner_draws_the_line_at_a_number_above_zero(epsilon: float) -> None:
    assert Offer("job", Path(), (), 0.5).epsilon_max == 0.5
    with pytest.raises(ConfigError, match="--epsilon-max is") as caught:
        Offer("job", Path(), (), epsilon)
    assert "above 0" in caught.value.advice


@pytest.mark.parametrize("given", ["nan", "inf", "-inf", "1e30", "-1", "0"])
@pytest.mark.parametrize("command", ["raise-limit", "set-apart"])
def test_a_budget_is_decided_within_the_same_bounds(command: str, given: str) -> None:
    """Before anything is opened: there is no node here."""
    said = CliRunner().invoke(app, [command, "abcd", f"--epsilon-max={given}", "--yes"])
    assert said.exit_code == 2
    assert f"--epsilon-max is {float(given):g}" in said.stderr
    fine = CliRunner().invoke(app, [command, "abcd", "--epsilon-max=5", "--dir=/none", "--yes"])
    assert "--epsilon-max" not in fine.stderr
    if command == "raise-limit":
        for option in ("--epsilon-alone-max", "--delta-max"):
            also = [command, "abcd", "--epsilon-max=5", f"{option}={given}", "--yes"]
            assert f"{option} is" in CliRunner().invoke(app, also).stderr


def test_a_snapshot_that_lost_an_item_is_refused_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its export is gone as well: to export it again would not bring it back."""
    net = Network()
    digest, nobody = bytes(range(32)), Consent(False, False, False)
    net.state.snapshots.put(digest, Snapshot("digits", nobody, (), (), 1, digest, withdrawn=1))
    operator = nullcontext(SimpleNamespace(state=net.state))
    monkeypatch.setattr("coordinator.training.opening.Operator", lambda _: operator)
    terms = Terms(**(GOOD | {"snapshot": digest.hex()[:8]}))
    with pytest.raises(
        Reject, match="items or parts of snapshot 000102030405 were withdrawn"
    ) as refused:
        open_job(Home(tmp_path), terms, print, print)
    assert refused.value.advice == "export a new one"

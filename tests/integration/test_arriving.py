"""Which contracts a witness's owner may agree to move to: each reason against beside what is fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from contracts.arriving import inspect_arrival, read_terms
from contracts.endpoint import Endpoint
from contracts.findings import Finding, Kind
from contracts.reader import ChainReader
from protocol.errors import ConfigError
from protocol.money.payload import Payload
from protocol.money.settlement import Address, Deployment
from tests.contract_chains import devchain
from tests.contract_lab import DELAY_S, EMISSION, ChainLab

START, CARRIED = 7, 600_000_000
OTHERS = (Address(b"\x31" * 20),)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with devchain(tmp_path_factory.mktemp("chain")) as (found, _):
        yield found


@pytest.fixture(scope="module")
def lab(url: str) -> ChainLab:
    return ChainLab(url, start=START, carried=CARRIED)


def look(lab: ChainLab, to: Deployment | None = None, **changes: Any) -> list[Finding]:
    values: dict[str, Any] = {
        "witnesses": [OTHERS, lab.listed],
        "emission_micro": EMISSION,
        "emission_max_micro": None,
    } | changes
    reader = ChainReader(Endpoint(lab.url))
    return list(inspect_arrival(reader, to or lab.deployment, **values))


def test_what_is_fit_is_fit(lab: ChainLab) -> None:
    assert (lab.deployment.start, lab.deployment.carried) == (START, CARRIED)
    assert look(lab) == []
    terms = read_terms(ChainReader(Endpoint(lab.url)), lab.deployment)
    assert (terms.delay_s, terms.emission_micro) == (DELAY_S - 1, EMISSION)
    assert look(lab, emission_max_micro=terms.emission_max_micro) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"witnesses": [OTHERS]}, "WitnessSet, the witnesses"),
        ({"emission_micro": EMISSION - 1}, "Settlement, the emission"),
        ({"emission_max_micro": EMISSION}, "Settlement, EMISSION_MAX"),
    ],
)
def test_who_signs_there_and_how_much_it_mints(
    lab: ChainLab, changes: dict[str, Any], where: str
) -> None:
    assert look(lab, **changes) == [Finding(Kind.NOT_FIT, where)]


@pytest.mark.parametrize(
    ("values", "variable"),
    [({"start": START + 1}, "START"), ({"carried": CARRIED + 1}, "CARRIED")],
)
def test_it_begins_as_the_log_says(lab: ChainLab, values: dict[str, Any], variable: str) -> None:
    found = look(lab, replace(lab.deployment, **values))
    assert found == [Finding(Kind.ANOTHER_VALUE, f"Settlement, {variable}")]


def test_nothing_is_asked_of_other_code_nor_of_another_chain(lab: ChainLab) -> None:
    assert look(lab, replace(lab.deployment, board=OTHERS[0]))[0].kind is Kind.NO_CONTRACT
    with pytest.raises(ConfigError):
        look(lab, replace(lab.deployment, chain_id=1))


def test_nobody_has_done_anything_there_yet(url: str) -> None:
    lab = ChainLab(url, start=START, carried=CARRIED)
    root = Payload(START + 1, b"\7" * 32, ((lab.deployment.share_token, CARRIED),))
    lab.chain.post(root, lab.last, lab.signed_post(root))
    assert look(lab) == [Finding(Kind.NOT_FIT, "Settlement, the roots")]
    lab.pass_time(DELAY_S)
    lab.chain.enact(root)
    assert {each.where for each in look(lab)} == {
        "Settlement, the roots",
        "ShareToken, the supply",
    }

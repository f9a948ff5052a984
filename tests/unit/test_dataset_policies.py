"""What programs read before they use a dataset: policies, preferences, provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from commonground.dataset import layout
from commonground.dataset.decided import moment
from commonground.dataset.policies import Policy, describe_policies, policy_of, preference
from protocol.rows import Consent, Description
from protos.gen import records_pb2 as pb
from tests.dataset_lab import DatasetLab, lineage

TRAIN = "urn:commonhold:odrl:1:train"
# The standard's 22 fields, as its JSON schema 1.0.0 names them: the last three of `use` are one field there,
# and so are the two halves of where data are processed, and of where they are stored.
FIELDS = {
    "source": {"version", "title", "id", "location", "issuer", "description"},
    "provenance": {
        *("source", "origin", "origin-geography", "date", "previous-date", "generation-period"),
        *("generation-method", "format"),
    },
    "use": {
        *("classification", "consents", "privacy-enhancing", "license", "intended-purpose"),
        *("processing-included", "processing-excluded", "storage-allowed", "storage-forbidden"),
        *("copyright", "patent", "trademark"),
    },
}


def described(licence: str, **uses: bool) -> Description:
    return Description((), b"", licence, Consent(**uses), pb.ORIGIN_HUMAN, "", False, (), "")


def actions(offer: dict[str, Any], rule: str) -> list[str]:
    return [each["action"] for each in offer[rule]]


def offer(policy: Policy) -> dict[str, Any]:
    found = describe_policies([policy], "urn:x", "https://net.example")
    assert found["@context"][0] == "http://www.w3.org/ns/odrl.jsonld"
    [only] = found["@graph"]
    return dict(only)


def test_what_was_not_agreed_to_is_prohibited() -> None:
    found = offer(policy_of(described("CC-BY-4.0", train=True)))
    assert actions(found, "permission") == [TRAIN]
    assert actions(found, "prohibition") == ["distribute", "commercialize"]
    assert found["uid"] == "urn:commonhold:policy:CC-BY-4.0:train"
    assert found["dct:license"]["@id"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    nothing = offer(policy_of(described("MIT")))
    assert (actions(nothing, "permission"), nothing["uid"]) == (
        [],
        "urn:commonhold:policy:MIT:nothing",
    )


@pytest.mark.parametrize(
    ("licence", "commercial", "attributed"),
    [
        ("CC-BY-4.0", True, True),
        ("CC0-1.0", True, False),
        ("CC-BY-NC-SA-4.0", False, True),
        ("MIT", True, False),
        ("LicenseRef-NC", True, False),
    ],
)
def test_licences_are_read_as_far_as_their_names_go(
    licence: str, commercial: bool, attributed: bool
) -> None:
    found = offer(Policy(licence, ("train", "redistribute", "commercial")))
    assert ("commercialize" in actions(found, "permission")) is commercial
    assert ("commercialize" in actions(found, "prohibition")) is not commercial
    duties = {rule["action"]: rule.get("duty") for rule in found["permission"]}
    assert duties[TRAIN] is None
    assert duties["distribute"] == ([{"action": "attribute"}] if attributed else None)


def test_a_preference_says_what_was_asked_and_no_more() -> None:
    assert preference(Consent(train=True)) == "train-ai=y"
    assert preference(Consent(redistribute=True)) == "train-ai=n"


def test_each_row_names_its_policy(tmp_path: Path) -> None:
    lab = DatasetLab(tmp_path)
    free = pb.Consent(train=True, redistribute=True, commercial=True)
    leaves = [
        lab.item(3, consent=free),
        lab.item(4, consent=pb.Consent(train=True, redistribute=True)),
    ]
    lab.accept(ada=leaves)
    lab.fetch()
    path, _ = lab.export("train")
    offers = json.loads((path / layout.POLICY).read_text())["@graph"]
    frame = pd.read_parquet(path / "data")
    assert set(frame["policy"]) == {each["uid"] for each in offers} and len(frame) == 2
    assert set(frame["aipref"]) == {"train-ai=y"}
    assert {each["target"] for each in offers} == {
        json.loads((path / layout.PROVENANCE).read_text())["source"]["id"]
    }


def test_provenance_has_the_standard_s_fields_and_a_reason_for_each_that_is_unknown(
    tmp_path: Path,
) -> None:
    lab = DatasetLab(tmp_path)
    lab.accept(ada=[lab.item(3), lab.item(4, **lineage())])
    lab.fetch()
    path, manifest = lab.export()
    found = json.loads((path / layout.PROVENANCE).read_text())
    unknown = found.pop("unknown")
    assert {group: set(fields) for group, fields in found.items()} == FIELDS
    missing = {
        f"{group}.{name}"
        for group, fields in found.items()
        for name, value in fields.items()
        if value is None
    }
    assert missing == set(unknown) and all(unknown.values())
    source, provenance, use = (found[name] for name in FIELDS)
    assert (source["version"], source["id"][-64:]) == ("1.0.0", manifest.snapshot)
    assert "2 items that 1 person contributed" in source["description"]
    assert [each["code"] for each in provenance["generation-method"]] == ["human", "synthetic"]
    assert provenance["format"] == ["image/png"]
    frame = pd.read_parquet(path / "data")
    assert provenance["generation-period"] == {
        "start": frame["given_after"][0][0],
        "end": frame["given_before"][0][0],
    }
    [personal] = use["classification"]
    assert personal["evaluated"] and "1 item," in personal["regulation"]["description"]
    assert [each["code"] for each in use["intended-purpose"]] == manifest.scope


def test_times_are_written_as_everybody_reads_them() -> None:
    assert moment(0) == "1970-01-01T00:00:00.000Z"
    assert moment(1_772_323_200_007) == "2026-03-01T00:00:00.007Z"
    for never in (2**63, -(2**63)):
        with pytest.raises(ValueError, match=r"year|calendar"):
            moment(never)

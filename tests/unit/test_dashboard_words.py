"""How the dashboard writes entries, amounts and pages."""

from __future__ import annotations

import pytest

from coordinator.dashboard import formats, words
from coordinator.dashboard.paging import Page, page_of, parse_page, span
from protocol.errors import Reject
from protocol.log.envelope import Envelope, parse_envelope
from protocol.money.settlement import ETHER
from protocol.state import SHARES
from protocol.transition import RULES
from protos.gen import records_pb2 as pb
from tests.showcase import showcase
from tests.simulated import NETWORK, Person, campaign


def sealed(kind: str, body: object) -> Envelope:
    return parse_envelope(Person("somebody").seal(kind, body))  # type: ignore[arg-type]


def test_every_kind_of_record_has_a_sentence_and_its_fields() -> None:
    told = {}
    for entry in showcase().log:
        envelope = parse_envelope(entry.raw)
        told[envelope.kind] = words.said_of(envelope).text
        fields = dict(words.fields_of(envelope))
        assert fields["network"] == NETWORK.hex()
    assert told.keys() == RULES.keys()
    assert told["genesis"] == "founded the network simulated"
    assert told["licence"].endswith("to Northwind Robotics for 12,000,000,000 units of 0x05050505…")
    assert told["withdraw"] == "withdrew consent for 2 items"
    assert told["update"].startswith("signed an update for round 1 of train-again")


def test_a_job_that_ended_says_why() -> None:
    body = pb.Model(job_id="j", outcome=pb.JOB_OUTCOME_ENDED, reason="nobody came")
    assert words.said_of(sealed("model", body)).text == "ended job j early: nobody came"


def test_what_is_long_is_cut_and_says_so() -> None:
    long = campaign(guidelines="x" * 5_000, labels=[f"label {n}" for n in range(100)])
    fields = dict(words.fields_of(sealed("campaign", long)))
    assert fields["guidelines"].endswith("… (5,000 characters)")
    assert len(fields["guidelines"]) < words.TEXT_CHARS_SHOWN + 40
    assert fields["labels"].endswith("and 94 more")  # the ten of the usual campaign come first
    assert fields["privacy"] == "privacy open"


@pytest.mark.parametrize(
    ("number", "asset", "text"),
    [
        (1_500_000, SHARES, "1.50 shares"),
        (3 * 10**18, ETHER, "3.0 ether"),
        (10**17, ETHER, "0.1 ether"),
        (1, ETHER, "0.000000… ether"),
        (0, ETHER, "0.0 ether"),
        (12_000, b"\xab" * 20, "12,000 units of 0xabababab…"),
    ],
)
def test_an_amount_has_its_unit(number: int, asset: bytes, text: str) -> None:
    assert formats.amount(number, asset) == text


def test_a_line_says_why() -> None:
    def line(role: int, licence: str = "", **evidence: int) -> str:
        return formats.evidence(
            pb.RewardLine(
                role=role,  # type: ignore[arg-type]
                licence_id=licence,
                job_id="j",
                evidence=pb.Evidence(**evidence),
            )
        )

    assert line(pb.ROLE_CONTRIBUTOR, accepted=2) == "2 accepted, 0 rejected"
    assert line(pb.ROLE_CONTRIBUTOR, rejected=1, duplicates=3) == "0 accepted, 1 rejected, 3 copies"
    assert line(pb.ROLE_CONTRIBUTOR, "l", licensed=1) == "1 item in the dataset of licence l"
    assert line(pb.ROLE_REVIEWER, answers=1) == "1 answer"
    assert (
        line(pb.ROLE_REVIEWER, answers=9, gold_answers=3, gold_right=2, ring_size=4)
        == "9 answers, 2 of 3 gold right, in a ring of 4"
    )
    assert line(pb.ROLE_TRAINER, updates=2) == "2 updates to j"
    assert line(pb.ROLE_HOLDER, shares_micro=1_000_000) == "held 1.00 shares"
    assert line(pb.ROLE_TREASURY) == "by the network's policy"


def test_sizes_and_scopes_are_written_for_people() -> None:
    assert [formats.size(n) for n in (9, 2_048, 3 << 20, 5 << 30)] == [
        "9 bytes", "2.0 KiB", "3.0 MiB", "5.0 GiB",
    ]  # fmt: skip
    assert formats.scope(pb.Consent(train=True, commercial=True)) == "train, commercial"
    assert formats.scope(pb.Consent()) == "nothing"
    assert formats.asset_name(SHARES) == "shares"


def test_a_page_of_rows() -> None:
    page = page_of(range(120), 3)
    assert (list(page.rows), page.first, page.last, page.pages) == (
        list(range(100, 120)), 101, 120, 3,
    )  # fmt: skip
    assert page_of([], 1) == Page(1, 0, [])
    assert page_of([], 1).pages == 1
    assert span(1, 0) == (0, 0)
    assert parse_page(None) == 1
    assert parse_page("7") == 7


@pytest.mark.parametrize("text", ["0", "-1", "", "x", "1.0", "٣", "1" * 10])
def test_no_other_page_is_understood(text: str) -> None:
    with pytest.raises(Reject, match="a page is a number"):
        parse_page(text)


def test_there_is_nothing_after_the_last_page() -> None:
    for rows, number in ((range(50), 2), (range(51), 3), ([], 2)):
        with pytest.raises(Reject, match="not so many pages"):
            page_of(rows, number)

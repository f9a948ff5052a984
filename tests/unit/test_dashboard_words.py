"""How the dashboard writes entries, amounts and pages."""

from __future__ import annotations

import pytest

from coordinator.dashboard import formats, words
from coordinator.dashboard.paging import Page, page_of, parse_page, span
from protocol.errors import Reject
from protocol.identity import short_key
from protocol.log.envelope import Envelope, parse_envelope
from protocol.money.settlement import ETHER
from protocol.rules.table import RULES
from protocol.state import SHARES
from protos.gen import records_pb2 as pb
from tests.showcase import showcase
from tests.simulated import NETWORK, Person, campaign


def sealed(kind: str, body: object) -> Envelope:
    return parse_envelope(Person("somebody").seal(kind, body))  # type: ignore[arg-type]


def plain(said: words.Said) -> str:
    return said.text.striptags()


def test_every_kind_of_record_of_every_version_has_a_sentence() -> None:
    kinds = {kind for rules in RULES.values() for kind in rules}
    assert words.SENTENCES.keys() == kinds


def test_what_happened_is_told_in_words_with_its_fields() -> None:
    told = {}
    for entry in showcase().log:
        envelope = parse_envelope(entry.raw)
        told[envelope.kind] = plain(words.said_of(envelope))
        fields = dict(words.fields_of(envelope))
        assert fields["network"] == NETWORK.hex()
    assert words.SENTENCES.keys() - told.keys() == {
        *("upgrade", "successor", "complain", "rewind", "slash", "move", "retire", "contest"),
        *("change", "close-campaign", "takedown", "complaint", "disclosure", "failed-round"),
    }
    assert told["chain"].startswith("read the chain up to block ")
    assert told["uphold"] == "asked the witnesses to stand by epoch 4, which one of them challenged"
    assert told["witness-change"] == "asked the witnesses on chain to make room for a set of 5"
    assert told["attest"] == "recomputed what the log asks and signed it"
    assert told["genesis"] == "founded the network simulated"
    assert told["licence"].endswith("to Northwind Robotics for 12,000,000,000 units of 0x05050505…")
    assert told["withdraw"] == "withdrew consent for 2 items"
    assert told["update"].startswith("signed an update for round 1 of train-again")
    assert told["delegate"] == "delegated a further key"
    assert told["pause"] == "paused the campaign street-signs"
    assert told["standby"] == "stands down from reviewing in transcripts"
    assert told["policy"] == "set another policy for the epochs after epoch 5"
    assert told["end-commits"] == "ended the commits; answers are opened in round 2 of answers"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (
            "contest",
            pb.Contest(item_id=b"\xab" * 32),
            "contested what item abababababab was said to be",
        ),
        (
            "slash",
            pb.Slash(network=NETWORK, amount="50"),
            "asked the witnesses on chain to take 50 wei of a bond, for a fault that the log proves",
        ),
        (
            "rewind",
            pb.Rewind(first=9),
            "took back what the chain said from block 9 on: it was reorganised",
        ),
        (
            "change",
            pb.Change(network=NETWORK, campaign_id="digits", title="Ours"),
            "changed the terms of the campaign digits",
        ),
        (
            "close-campaign",
            pb.CloseCampaign(network=NETWORK, campaign_id="digits"),
            "closed the campaign digits",
        ),
        (
            "takedown",
            pb.Takedown(
                network=NETWORK, item_id=b"\xab" * 32, reason=pb.TAKEDOWN_RIGHTS, words="Hers."
            ),
            "took the item abababababab down, since somebody else holds rights in it: Hers.",
        ),
        (
            "upgrade",
            pb.Upgrade(version=2, epoch=9),
            "announced version 2 of the rules, from epoch 9 on",
        ),
        (
            "successor",
            pb.Successor(role=pb.KEY_ROLE_LOG, key=bytes(32)),
            f"put another key in the place of the log's: {short_key(bytes(32))}",
        ),
        ("pause", pb.Pause(campaign_id="c"), "resumed the campaign c"),
        ("register", pb.Register(payout_address=b"\xab" * 20), "is to be paid at 0xabababab…"),
        ("draw", pb.Draw(campaign_id="c", round=3), "could draw nobody for round 3 of c"),
        ("seal", pb.Seal(campaign_id="c", round=3), "fixed the items of round 3 of c"),
        (
            "witnesses",
            pb.Witnesses(keys=[bytes(32)] * 5, nonce=2),
            "proposed 5 keys to toss the coin, as set 2",
        ),
        ("standby", pb.Standby(campaign_id="c"), "stands down from reviewing in c"),
        (
            "complain",
            pb.Complain(dealer=bytes(32)),
            f"showed that the deal of {short_key(bytes(32))} is wrong",
        ),
        ("toss", pb.Toss(campaign_id="c", round=3), "tossed the coin for round 3 of c"),
        (
            "close",
            pb.Close(epoch=4, waiting=[pb.Waiting(campaign_id="c", items=2)]),
            "closed epoch 4 with 0 reward lines; 2 items wait for a later one",
        ),
        ("close", pb.Close(epoch=4), "closed epoch 4 with 0 reward lines"),
    ],
)  # fmt: skip
def test_what_else_may_happen_is_told_too(kind: str, body: object, text: str) -> None:
    assert plain(words.said_of(sealed(kind, body))) == text


def test_what_others_wrote_is_escaped_and_turns_nothing_around() -> None:
    said = words.said_of(sealed("genesis", pb.Genesis(name="<b>שלום")))
    assert said.text == "founded the network <bdi>&lt;b&gt;שלום</bdi>"


def test_a_job_that_ended_says_why() -> None:
    body = pb.Model(job_id="j", outcome=pb.JOB_OUTCOME_ENDED, reason="nobody came")
    assert plain(words.said_of(sealed("model", body))) == "ended job j early: nobody came"


def test_what_is_long_is_cut_and_says_so() -> None:
    licences = [f"licence {number}" for number in range(100)]
    long = campaign(guidelines="x" * 5_000, licences=licences)
    fields = dict(words.fields_of(sealed("campaign", long)))
    assert fields["guidelines"].endswith("… (5,000 characters)")
    assert len(fields["guidelines"]) < words.TEXT_CHARS_SHOWN + 40
    assert fields["licences"].endswith("and 84 more")
    assert fields["privacy"] == "privacy open"
    assert fields["spec"].startswith('{"labels":["0"'), "a spec is text"


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
    def line(role: int, licence: str = "", job: str = "j", **evidence: int) -> str:
        return formats.evidence(
            pb.RewardLine(
                role=role,  # type: ignore[arg-type]
                licence_id=licence,
                job_id=job,
                evidence=pb.Evidence(**evidence),
            )
        )

    assert line(pb.ROLE_CONTRIBUTOR, accepted=2) == "2 accepted, 0 rejected"
    assert line(pb.ROLE_CONTRIBUTOR, rejected=1, duplicates=3) == "0 accepted, 1 rejected, 3 copies"
    assert "1,234.05 items in" in line(pb.ROLE_CONTRIBUTOR, "l", "", licensed_permille=1_234_050)
    assert (
        line(pb.ROLE_CONTRIBUTOR, "l", "", licensed_permille=1_000)
        == "1 item in the dataset of licence l"
    )
    assert (
        line(pb.ROLE_CONTRIBUTOR, "l", "j", licensed_permille=1_000)
        == "1 item in the dataset behind the model of j, of licence l"
    )
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


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [
        (500, "500 ms"),
        (1_000, "1 second"),
        (90_000, "1 minute 30 seconds"),
        (3_600_000, "1 hour"),
        (3_601_000, "1 hour"),
        (90_000_000, "1 day 1 hour"),
        (0, "0 ms"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(length_ms: int, text: str) -> None:
    assert formats.duration(length_ms) == text


def test_a_time_that_no_calendar_has_is_a_number() -> None:
    assert formats.moment(1_790_000_000_000) == "2026-09-21 14:13:20 UTC"
    assert formats.moment(2**63) == "9,223,372,036,854,775,808 ms since 1970"


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

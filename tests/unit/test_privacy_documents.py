"""Where personal data is in texts and JSON, and that redacting changes nothing else."""

from __future__ import annotations

import json
import random
import zlib

import pytest

from node.privacy.documents import _ESCAPE, _Unescaped, look_at, look_into
from node.privacy.finders import TextFinder
from node.privacy.found import Found, Kind
from node.privacy.language import language_of
from node.privacy.screening import Screening
from protocol.errors import Reject

FINDER = TextFinder(("GB",))
TEXT, JSON = "text/plain", "application/json"


def test_lines_and_columns_are_those_of_characters() -> None:
    looked = look_at("a\r\nbé\U0001f600 e\u0301 jo@ex.org\rx a@b.org\n", TEXT, FINDER)
    assert [each.where for each in looked.findings] == ["2:8", "3:3"]
    assert looked.redacted == "a\r\nbé\U0001f600 e\u0301 [E-MAIL]\rx [E-MAIL]\n"


def test_json_is_looked_at_as_it_is_meant_and_replaced_as_it_is_written() -> None:
    text = (
        '{ "messages":[{"role":"user", "content":"\\ud83d\\ude00 jo\\u0040ex.org \\"x\\" 020 7946 0958"}],\n'
        '"a@b.org" : 4111111111111111, "n": [1.50, [{"k":"a@b.org"}]]}\r\n'
    )
    looked = look_at(text, JSON, FINDER)
    assert looked.redacted == (
        '{ "messages":[{"role":"user", "content":"\\ud83d\\ude00 [E-MAIL] \\"x\\" [PHONE]"}],\n'
        '"[E-MAIL]" : "[PAYMENT CARD]", "n": [1.50, [{"k":"[E-MAIL]"}]]}\r\n'
    )
    assert (
        json.loads(looked.redacted)["messages"][0]["content"] == '\U0001f600 [E-MAIL] "x" [PHONE]'
    )
    assert [(each.where, each.kind) for each in looked.findings] == [
        ("messages[0].content", Kind.E_MAIL),
        ("messages[0].content", Kind.PHONE),
        ("the name [E-MAIL]", Kind.E_MAIL),
        ("[E-MAIL]", Kind.CARD),
        ("n[1][0].k", Kind.E_MAIL),
    ]


@pytest.mark.parametrize("media_type", [TEXT, "text/csv", "text/markdown", "text/x-python"])
def test_escapes_hide_nothing_in_any_other_text(media_type: str) -> None:
    """JSON, its lines and code are submitted as plain text, too."""
    text = (
        'x = {"to":\n"jo\\u0068n\\u0040ex.org", "tel": "\\x30\\u0032\\u0030 7946 0958"}\n'
        "\\ud83d\\ude00 4111 \\u0031111 1111 1111, C:\\users\\temp\\u12 \\nbo@ex.org a@b.org"
    )
    looked = look_at(text, media_type, FINDER)
    assert looked.redacted == (
        'x = {"to":\n"[E-MAIL]", "tel": "[PHONE]"}\n'
        "\\ud83d\\ude00 [PAYMENT CARD], C:\\users\\temp\\u12 \\n[E-MAIL] [E-MAIL]"
    )
    assert [(each.where, each.sample) for each in looked.findings][:2] == [
        ("2:2", "j…"),
        ("2:34", "02…58"),
    ]
    assert look_at("C:\\users\\new and a regex: \\d+\\x", media_type, FINDER).findings == ()


def test_many_escapes_in_a_row_are_one_step() -> None:
    """One by one, 8 MiB of backslashes are four million."""
    for row in ("\\" * 10_000, "\\n\\t\\/" * 1_000):
        assert len(_ESCAPE.findall(row)) == 1
    assert not _ESCAPE.search("C:\\users, \\d+ and \\x"), "nothing to look at twice"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (r"\\\\\\jo@ex.org\n\n", r"\\\\\\[E-MAIL]\n\n"),
        (r"\t\n\tjo\u0040ex.org\t\n1", r"\t\n\t[E-MAIL]\t\n1"),
        (r"\\\u006ao@ex.org\\u0040", r"\\[E-MAIL]\\u0040"),
        (r"\n\ud83d\ude00\n\\\njo@ex.org\x", r"\n\ud83d\ude00\n\\\n[E-MAIL]\x"),
        (r"\r\n\r\nhttps:\/\/jo:geheim12@ex.org\/\/a", r"\r\n\r\n[LOGIN IN AN ADDRESS]\/\/a"),
    ],
)
def test_a_find_beside_and_among_escapes_is_where_it_is_written(text: str, redacted: str) -> None:
    assert look_at(text, TEXT, FINDER).redacted == redacted


@pytest.mark.parametrize("seed", range(20))
def test_every_character_has_the_place_where_it_is_written(seed: int) -> None:
    """One escape after the other, as a reader goes through them."""
    some = random.Random(seed)
    meant = {r"\\": "\\", r"\n": "\n", r"\"": '"', r"\/": "/", r"\u0040": "@", r"\x41": "A"}
    meant |= {r"\ud83d\ude00": "\U0001f600", r"\ud83d": "\ud83d", "a": "a", "é": "é", r"\d": r"\d"}
    pieces = some.choices(list(meant), k=40)
    plain = _Unescaped("".join(pieces))
    assert plain.text == "".join(meant[each] for each in pieces)
    said = written = 0
    for each in pieces:
        found = plain.written(Found(Kind.E_MAIL, said, said + len(meant[each]), ""))
        assert found.span == (written, written + len(each))
        said, written = said + len(meant[each]), found.end


def test_in_bytes_of_any_kind_what_reads_as_text_is_looked_at() -> None:
    noise = random.Random(3).randbytes(40_000)
    found = {
        "utf-8": b"\0\xffcontact: jo@ex.org\0",
        "utf-16-le": b"\xff" + "4111 1111 1111 1111".encode("utf-16-le"),
        "utf-16-be": "\u00e9 mail jo@ex.org".encode("utf-16-be"),
        "lines": b"\x01-----BEGIN PRIVATE KEY-----\r\nMIIEvQIBADANBgkq\r\n-----END PRIVATE KEY-----\x01",
    }
    for name, data in found.items():
        [one] = look_into(noise + data + noise, FINDER)
        assert abs(int(one.where.removeprefix("near byte ").replace(",", "")) - len(noise)) < 20, (
            name
        )
        assert one.is_submitted
    assert look_into(noise, FINDER) == ()
    apart = b"4111 1111 " + b"\x00\xff" + b" 1111 1111"
    assert look_into(apart, FINDER) == (), "nothing is found across other bytes"
    assert look_into(zlib.compress(found["utf-8"]), FINDER) == (), "which is said where it is told"
    with pytest.raises(Reject, match="10,000 pieces"):
        look_into(b"\xff".join(b"to: a%d@ex.org" % n for n in range(10_001)), FINDER)


@pytest.mark.parametrize("text", ['{"a": "b', '["\\', '"\\ud83d', "}}]]", '{"a":{"a":[', '"\\u00'])
def test_broken_json_is_looked_at_as_far_as_it_goes(text: str) -> None:
    assert look_at(text, JSON, FINDER).redacted == text


def test_placeholders_are_nothing_to_find() -> None:
    text = "password: " + "".join(kind.placeholder for kind in Kind) + " 4111111111111111@ex.org"
    once = look_at(text, TEXT, FINDER).redacted
    assert look_at(once, TEXT, FINDER).findings == ()


def test_a_screening_that_redacts_says_that_nothing_is_left() -> None:
    looks, redacts = Screening(FINDER), Screening(FINDER, redacts=True)
    text = "mail jo@ex.org today"
    (found,) = looks.document(text, TEXT).findings
    assert found.is_submitted and looks.document(text, TEXT).text == text
    screened = redacts.document(text, TEXT)
    assert (screened.text, screened.is_redacted) == ("mail [E-MAIL] today", True)
    assert not screened.findings[0].is_submitted
    # An answer is the campaign's: it cannot be redacted.
    assert redacts.answer("jo@ex.org")[0].is_submitted
    assert not looks.beside("by jo@ex.org", "comments")[0].is_submitted


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Das Haus am Ende der Straße steht seit Jahren leer.", "de"),
        ("Je ne sais pas encore si je viendrai demain soir.", "fr"),
        ("There is nobody who would have thought of that before.", "en"),
        ("これは日本語で書かれた文章です。", "ja"),
        ("Ok lar", ""),
        ("1234567890 " * 9, ""),
        ("", ""),
    ],
)
def test_a_language_is_said_where_it_is_sure(text: str, language: str) -> None:
    assert language_of(text) == language


def test_the_language_of_a_text_says_where_its_numbers_are_from() -> None:
    german = "Bitte rufen Sie mich morgen früh zurück, meine Nummer ist 030 901820, danke."
    (found,) = Screening().document(german, TEXT).findings
    assert (found.kind, found.what) == (Kind.PHONE, "DE")
    assert Screening().document("030 901820", TEXT).findings == ()

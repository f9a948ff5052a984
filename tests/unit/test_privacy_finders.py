"""Each kind of personal data beside what looks nearly like it. Numbers are of documentation, or made here."""

from __future__ import annotations

import base64
import json

import pytest

from node.privacy import ids
from node.privacy.checks import is_luhn, is_verhoeff
from node.privacy.finders import FOUND_MAX, TextFinder, merged
from node.privacy.found import Found, Kind, masked
from node.privacy.ids import NATIONAL_IDS, NationalId
from protocol.errors import Reject

BRITISH = TextFinder(("GB",))
# Made of pieces, so that nobody who searches this repository for keys finds some.
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIB\nAAAA\n-----END RSA PRIVATE " + "KEY-----"
WORDS = "legal winner thank year wave sausage worth useful legal winner thank yellow"

FOUND = [
    (Kind.E_MAIL, "jo.doe+list@mail.example.co.uk"),
    (Kind.E_MAIL, "Ünal@exämple.org"),
    (Kind.PHONE, "+49 30 901820"),
    (Kind.PHONE, "020 7946 0958"),
    (Kind.PHONE, "(020) 7946-0958"),
    (Kind.PHONE, "0044 20 7946 0958"),
    (Kind.PHONE, "07781482378"),
    (Kind.PHONE, "+33 1 42 68 53 00"),
    (Kind.IBAN, "GB82 WEST 1234 5698 7654 32"),
    (Kind.IBAN, "DE89370400440532013000"),
    (Kind.CARD, "4111 1111 1111 1111"),
    (Kind.CARD, "378282246310005"),
    (Kind.NATIONAL_ID, "536-90-4399"),
    (Kind.NATIONAL_ID, "AB 12 34 56 C"),
    (Kind.NATIONAL_ID, "12345678Z"),
    (Kind.NATIONAL_ID, "RSSMRA85T10A562S"),
    (Kind.NATIONAL_ID, "131052-308T"),
    (Kind.NATIONAL_ID, "11010519491231002X"),
    (Kind.NATIONAL_ID, "2 55 08 14 168 025 38"),
    (Kind.NATIONAL_ID, "529.982.247-25"),
    (Kind.NATIONAL_ID, "811228-9874"),
    (Kind.IP_ADDRESS, "203.0.113.7"),
    (Kind.IP_ADDRESS, "2001:db8::8a2e:370:7334"),
    (Kind.MAC_ADDRESS, "00:1b:44:11:3a:b7"),
    (Kind.PLACE, "48.858370, 2.294481"),
    (Kind.PLACE, "48°51'30\"N 2°17'40\"E"),
    (Kind.LOGIN, "https://bob:pw@example.org"),
    (Kind.KEY, "AKIA" + "IOSFODNN7EXAMPL2"),
    (Kind.KEY, "ghp_" + "a1B2" * 9),
    (Kind.KEY, "AIza" + "a1B2c" * 7),
    (Kind.KEY, "xoxb-" + "123456789012-abcDEF"),
    (Kind.KEY, JWT),
    (Kind.PRIVATE_KEY, PEM),
    (Kind.SEED_PHRASE, WORDS),
]
NEARLY = [
    "@example.org", "jo@localhost", "icon@2x.png", "git@github.com:a/b.git", "a..@b", "user@",
    "020 7946 09", "12345678", "2024-01-15 10:00:00", "20240115103000", "1700000000", "3.14159265358979",
    "INV02079460958",
    "0207.946095", "072-5270938-5838065", "12-34-56-78-90-12-34", "10.1000/182.0312345",
    "GB83 WEST 1234 5698 7654 32", "DE8937040044053201300", "XX89370400440532013000",
    "4111 1111 1111 1112", "4111111111111111000", "41 11 11 11 11 11 11 11", "9999999999999995",
    "4033793351633",
    "0000000000000000", "order-4111111111111111",
    "000-12-3456", "666-12-3456", "900-12-3456", "BG123456A", "12345678A", "RSSMRA85T10A562T",
    "131052-308U", "11010519491331002X", "529.982.247-26", "811328-9874", "536904399",
    "1.2.3.4", "v10.20.30.40", "999.1.1.1", "127.0.0.1", "255.255.255.0", "std::vector", "12:30:45",
    "::1", "ff:ff:ff:ff:ff:ff", "00:1b:44:11:3a", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "0.123456, 0.654321", "48.8584, 2.29", "48.858370, 2.294481, 33.123456", "148.858370, 2.294481",
    "https://example.org/a:b@c", "AKIA123", "ghp_short", "eyJub3QiOiJhIHRva2VuIn0.e30.x",
    "-----BEGIN PUBLIC KEY-----", WORDS.replace("yellow", "zebra"), WORDS.rsplit(" ", 1)[0],
    "word " * 400,
    "password: none", "token = tokens[0]", "the secret is kindness",
    "550e8400-e29b-41d4-a716-446655440000", "978-3-16-148410-0",
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), FOUND, ids=lambda value: str(value)[:30])
def test_each_kind_is_found_where_it_is(kind: Kind, text: str) -> None:
    said = f"😀 é say {text} to me"
    (found,) = BRITISH.find(said)
    assert (found.kind, said[found.start : found.end]) == (kind, text)
    assert BRITISH.redact(said) == f"😀 é say {kind.placeholder} to me"


@pytest.mark.parametrize("text", NEARLY)
def test_what_looks_nearly_like_it_is_not(text: str) -> None:
    assert BRITISH.find(f"here is {text} for you") == []


@pytest.mark.parametrize("each", NATIONAL_IDS, ids=lambda each: each.country)
def test_a_wrong_check_digit_is_no_national_id(each: NationalId) -> None:
    """Of each country, among numbers in a row at most one in ten is right, where there is a check at all."""
    samples = {
        "FR": "2 55 08 14 168 025 {:02}", "ES": "{:08}Z", "NL": "1112{:05}", "PL": "440514{:05}",
        "BR": "529.982.2{:02}-25", "IN": "2345 6789 {:04}", "CN": "11010519491231{:03}X",
        "SE": "811228-{:04}", "FI": "131052-{:03}T", "NO": "010190{:05}", "DE": "8609574{:04}",
        "BE": "93.05.18-223.{:02}", "KR": "800101-1{:06}", "IT": "RSSMRA85T10A{:03}S",
    }  # fmt: skip
    country = each.country
    form = samples.get(country)
    if form is None:  # of the United States and the United Kingdom there is no check digit
        assert country in ("US", "GB")
        return
    right = sum(each.is_right(form.format(n)) for n in range(97))
    assert 1 <= right <= 15


def test_weak_numbers_need_a_word_before_them() -> None:
    assert TextFinder().find("the number 111222333 is large") == []
    (found,) = TextFinder().find("my BSN is 111222333")
    assert (found.kind, found.what) == (Kind.NATIONAL_ID, "NL")
    assert TextFinder().find("order 44051401359") == []
    assert [each.what for each in TextFinder().find("PESEL: 44051401359")] == ["PL"]


def test_phone_numbers_depend_on_where_one_is() -> None:
    assert TextFinder().find("call 020 7946 0958") == []
    assert TextFinder(("US",)).find("call (415) 555-2671")[0].what == "US"
    assert TextFinder(("US",)).find("4155552671 units") == []
    assert TextFinder(("ES",)).find("612 345 678 or so")[0].what == "ES"
    assert TextFinder(("ES",)).find("at 67.6246904 of it") == []  # a decimal
    assert TextFinder(("IT",)).find("at 164.54.68.94")[0].kind is Kind.IP_ADDRESS
    assert TextFinder().find("tel:+442079460958")[0].what == "GB"


def wide(text: str) -> str:
    """In the forms that East Asian keyboards write."""
    return "".join(chr(ord(c) + 0xFEE0) for c in text)


def test_digits_of_any_script_and_wide_letters_are_digits_and_letters() -> None:
    for text in ("٠٢٠ ٧٩٤٦ ٠٩٥٨", wide("020-7946-0958"), "020\u00a07946\u20110958"):
        assert [each.span for each in BRITISH.find(text)] == [(0, len(text))]
    assert BRITISH.find(wide("jo@ex.org"))[0].kind is Kind.E_MAIL
    assert BRITISH.find("4111\u200b1111\u200b1111\u200b1111")[0].kind is Kind.CARD


def test_a_password_is_what_is_called_so_and_reads_like_none() -> None:
    text = 'api_key = "' + "q9X2-bT7w" * 2 + '", password: hunter2hunter9'
    assert [text[each.start : each.end] for each in BRITISH.find(text)] == [
        "q9X2-bT7w" * 2,
        "hunter2hunter9",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'dbPassword = "{}"', '{{"userPassword": "{}"}}', "githubToken: {}", "SharedAccessKey={};",
        "<password>{}</password>", "<apiKey> {} </apiKey>", "Mein Passwort lautet {}", "mot de passe : {}",
        "Mi contraseña es {}", "пароль: {}", "密码\uff1a{}", "パスワードは{}", "Authorization: Bearer {}",
        "-H 'Authorization: Basic {}'",
    ],
)  # fmt: skip
def test_a_password_has_many_names(text: str) -> None:
    said = text.format("q9X2bT7wKm")
    assert [said[each.start : each.end] for each in TextFinder().find(said)] == ["q9X2bT7wKm"]


@pytest.mark.parametrize(
    "text",
    [
        "password=$DB_PASSWORD1", "token: %API_TOKEN_2%", "compassword: q9X2bT7wKm", "x.token > tokens12345",
        "map<Token> tokens12345", "Authorization: Bearer <token>", "authorization is based on q9X2bT7wKm",
    ],
)  # fmt: skip
def test_what_only_names_a_secret_holds_none(text: str) -> None:
    assert TextFinder().find(text) == []


def test_half_a_private_key_is_one() -> None:
    lines = "\n".join("MIIEpAIBAAKCAQEA" + "7bq3Z" * 9 for _ in range(3))
    begun = f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{lines}"
    assert TextFinder().redact(f"{begun}\n\nand no more") == "[PRIVATE KEY]\n\nand no more"
    escaped = begun.replace("\n", "\\n")
    assert TextFinder().redact(f'"{escaped}"') == '"[PRIVATE KEY]"'
    assert TextFinder().find("It begins with -----BEGIN PRIVATE KEY----- and a new line.") == []


@pytest.mark.parametrize(
    ("issuer", "text"),
    [
        ("Atlassian", "ATATT3" + "xF" * 40), ("Databricks", "dapi" + "0a" * 16),
        ("DigitalOcean", "dop_v1_" + "0a" * 32), ("Docker", "dckr_pat_" + "aB0" * 9),
        ("Figma", "figd_" + "aB0-" * 10), ("GitLab", "glrt-" + "aB0-_" * 4),
        ("GitLab", "glpat-" + "aB0-_" * 5 + "aB.01.0a1b2c3d4"),
        ("Grafana", "glsa_" + "aB0c" * 8 + "_0a1b2c3d"),
        ("Groq", "gsk_" + "aB0c" * 13), ("HashiCorp", "hvs." + "aB0-" * 6),
        ("Linear", "lin_api_" + "aB0c" * 10),
        ("Mailgun", "key-" + "0a1b" * 8), ("New Relic", "NRAK-" + "AB0" * 9), ("Notion", "ntn_" + "aB" * 23),
        ("OpenRouter", "sk-or-v1-" + "0a" * 32), ("Perplexity", "pplx-" + "aB0c" * 12),
        ("Postman", "PMAK-" + "0a" * 12 + "-" + "0a" * 17), ("Replicate", "r8_" + "a" + "B0c" * 12),
        ("RubyGems", "rubygems_" + "0a" * 24), ("Sentry", "sntrys_" + "aB0=" * 11),
        ("Shopify", "shpat_" + "0a" * 16), ("Square", "sq0atp-" + "aB" * 11),
        ("Stripe", "whsec_" + "aB0c" * 8),
        ("Twilio", "SK" + "0a" * 16), ("xAI", "xai-" + "aB0c" * 20), ("a wallet", "xprv" + "9" + "s2" * 53),
        ("Discord", "https://discord.com/api/webhooks/" + "1" * 18 + "/" + "aB0-" * 17),
    ],
)  # fmt: skip
def test_keys_say_who_issued_them(issuer: str, text: str) -> None:
    (found,) = TextFinder().find(f"use {text}, please")
    assert (found.kind, found.what, found.span) == (Kind.KEY, issuer, (4, 4 + len(text)))
    assert TextFinder().find(f"use {text[: len(text) // 2]}, please") == []


def test_a_login_may_have_no_name() -> None:
    (found,) = TextFinder().find("at redis://:s3cr3t@db.example.org:6379 it is")
    assert found.kind is Kind.LOGIN


def test_a_link_to_a_messenger_holds_a_number() -> None:
    for link in (
        "https://wa.me/442079460958",
        "https://api.whatsapp.com/send?phone=442079460958&text=Hi",
    ):
        (found,) = TextFinder().find(f"write to {link}")
        assert (found.kind, found.what, found.end - found.start) == (Kind.PHONE, "GB", 12)
    assert TextFinder().find("see https://example.org/442079460958") == []


def test_koreans_registered_since_the_digits_are_drawn() -> None:
    known = {
        n: TextFinder().find(f"so {n} it is")
        for n in ("201004-3123456", "201005-3123456", "201005-1123456")
    }
    assert [n for n, found in known.items() if found] == ["201005-3123456"]


def test_a_token_has_a_header_that_says_how_it_is_signed() -> None:
    header = base64.urlsafe_b64encode(json.dumps({"typ": "JWT"}).encode()).decode().rstrip("=")
    assert BRITISH.find(f"x {header}.e30xx.abc") == []
    assert BRITISH.find(f"x {JWT}")[0].what == "JWT"


def test_of_what_overlaps_one_is_told_as_long_as_both() -> None:
    found = merged(
        [Found(Kind.PHONE, 2, 9), Found(Kind.CARD, 4, 12, "Visa"), Found(Kind.PHONE, 12, 14)]
    )
    assert found == [Found(Kind.CARD, 2, 12, "Visa"), Found(Kind.PHONE, 12, 14)]


def test_a_directory_of_people_is_refused_not_redacted() -> None:
    assert len(BRITISH.find("a@b.org " * FOUND_MAX)) == FOUND_MAX
    with pytest.raises(Reject, match="more than 10,000 pieces"):
        BRITISH.find("a@b.org " * (FOUND_MAX + 1))


def test_more_is_found_by_further_finders_in_the_text_as_it_is() -> None:
    seen: list[str] = []

    def names(text: str) -> list[Found]:
        seen.append(text)
        return [Found(Kind.OTHER, at, at + 3, "name") for at in [text.find("Ann")] if at >= 0]

    finder = TextFinder(more=[lambda text: iter(names(text))])
    said = "\u0661 and Ann"
    assert finder.redact(said) == "\u0661 and [PERSONAL DATA]"
    assert seen[0] == said


def test_samples_show_little() -> None:
    assert masked("jo@ex.org") == "j…"
    assert masked("jo.doe@example.org") == "jo…rg"
    assert masked("4111 1111 1111 1111") == "41…11"


def test_check_digits() -> None:
    assert is_luhn([7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 3]) and not is_luhn(
        [7, 9, 9, 2, 7, 3, 9, 8, 7, 1, 4]
    )
    assert is_verhoeff([2, 3, 6, 3]) and not is_verhoeff([2, 3, 6, 4])


# ---- long texts ----


class _Counted:
    """A form of numbers that counts how often it is tried."""

    def __init__(self) -> None:
        self.pattern, self.tried = self, 0

    def match(self, _text: str, _at: int) -> None:
        self.tried += 1


@pytest.mark.parametrize(
    ("filling", "tries"),
    [("\\", 0), ("a\\", 0), ("1 ", 0), ("\n1", 0), ("word ", 0), ("AB 12 34 56 C", 1)],
)
def test_a_number_is_looked_for_only_where_one_may_begin(
    filling: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every character, and for every country, texts of some MiB would take half a minute."""
    counted = _Counted()
    monkeypatch.setattr(ids, "NATIONAL_IDS", (counted,))
    text = filling * 4_096 if not tries else filling
    assert list(ids.find_national_ids(text)) == []
    assert counted.tried == tries

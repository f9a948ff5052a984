"""Names and texts: what is refused and why, beside what is accepted; the same under every Python."""
# ruff: noqa: RUF001 (names in many scripts are what this is about)

from __future__ import annotations

import hashlib
import unicodedata

import pytest

from protocol.errors import Reject
from protocol.limits import MARKS_IN_A_ROW_MAX, NAME_CHARS_MAX, TEXT_CHARS_MAX
from protocol.text import check_distinct, check_name, check_text, is_id, quoted, skeleton
from protocol.unicode14 import ASSIGNED, MARKS, PICTOGRAPHS, UNSEEN, CodePoints

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

# Of what skeleton() and check_name() make of every character of Unicode 14.0. It was computed with Pythons
# that know Unicode 14.0, 15.0 and 15.1; one that computes another would leave the network.
ALL_CHARACTERS = "0b991b3a89700eae83cd7de5ceffa889bd8f02ea60a37607abb06cabd44cf2e6"


@pytest.mark.parametrize(
    "name",
    [
        "cat",
        "Café",  # é as one character
        "[bold]x[/bold]",
        "[neg]",
        "C++ & C#; 100 %",
        "日本語",
        "한국어",
        "Ελληνικά",
        "עברית",
        "می\u200cخواهم",  # Persian: "I want"
        "ക്\u200dഷ",  # Malayalam
        "র\u200d্যাব",  # Bengali: "RAB"
        FAMILY,
        "\U0001f9d1\U0001f3fd\u200d\U0001f91d\u200d\U0001f9d1\U0001f3fb",  # skin tones
        "\U0001f3f3\ufe0f\u200d\U0001f308",  # rainbow flag
        "\u2764\ufe0f red heart",
        "1\ufe0f\u20e3",
        "\U0001f1f0\U0001f1ea",  # flag of Kenya
        ENGLAND,
        "a" * NAME_CHARS_MAX,
    ],
)
def test_names_that_people_write_are_accepted(name: str) -> None:
    check_name(name, "label 1")


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("", "is empty", "Write a name"),
        ("a" * (NAME_CHARS_MAX + 1), "has 65 characters, not 1 to 64", "Shorten"),
        ("Cafe\u0301", r"not in Unicode's composed spelling \(NFC\), from character 4", "NFC"),
        ("ab\x1b[31m", r"U\+001B at character 3: a control character", "Remove"),
        ("a\nb", r"U\+000A at character 2: a new line", "one line"),
        ("a\u0085b", r"U\+0085 at character 2: a control character", "Remove"),
        ("a\u2028b", r"U\+2028 at character 2: a line separator", "one line"),
        ("a\u200fb", r"U\+200F at character 2: .* cannot be seen", "Remove"),
        ("a\u202eb", r"U\+202E at character 2: .* direction", "Remove"),
        ("soft\u00adhyphen", r"U\+00AD at character 5: .* cannot be seen", "Remove"),
        ("\ufeffcat", r"U\+FEFF at character 1: .* cannot be seen", "Remove"),
        ("a\u3164b", r"U\+3164 at character 2: .* cannot be seen", "Remove"),  # Hangul filler
        ("a\u2800b", r"U\+2800 at character 2: .* cannot be seen", "Remove"),  # blank braille
        ("ca\u200dt", r"U\+200D at character 3: .* cannot be seen", "Remove"),
        ("ca\u200ct", r"U\+200C at character 3: .* cannot be seen", "Remove"),
        ("می\u200c\u200cخواهم", r"U\+200C at character 3", "Remove"),
        ("می\u200c", r"U\+200C at character 3", "Remove"),
        (FAMILY + "\u200d", r"U\+200D at character 6", "Remove"),
        ("\u2764\ufe0f\ufe0f", r"U\+FE0F at character 3", "Remove"),
        ("a\ufe0f", r"U\+FE0F at character 2", "Remove"),
        ("1\ufe0f", r"U\+FE0F at character 2", "Remove"),
        (ENGLAND.replace("\U000e0067", "\U000e0061"), r"U\+E0061 at character 2", "Remove"),
        (" cat", "begins or ends with a space", "Remove that space"),
        ("cat ", "begins or ends with a space", "Remove that space"),
        ("big  cat", r"U\+0020 at character 5: a second space", "Leave one"),
        ("big\u00a0cat", r"U\+00A0 at character 4: a blank", "plain space"),
        ("大\u3000猫", r"U\+3000 at character 2: a blank", "plain space"),
        ("a\ud800", r"U\+D800 at character 2: half of a character", "UTF-8"),
        ("a\ue000", r"U\+E000 at character 2: a private character", "another"),
        ("a\U0010fffd", r"U\+10FFFD at character 2: a private character", "another"),
        ("a\uffff", r"U\+FFFF at character 2: .* never a character", "Remove"),
        ("a\ufdd0", r"U\+FDD0 at character 2: .* never a character", "Remove"),
        ("a\ufffd", r"U\+FFFD at character 2: .* lost", "Look up"),
        ("\U0001fae8", r"U\+1FAE8 at character 1: .* newer than Unicode 14", "Unicode 14.0"),
        ("\u0378", r"U\+0378 at character 1: .* newer than Unicode 14", "Unicode 14.0"),
        ("\u0301a", r"U\+0301 at character 1: a combining mark", "Remove"),
        ("z" + "\u0316" * (MARKS_IN_A_ROW_MAX + 1), "more than 8 combining marks", "Remove"),
    ],
)
def test_other_names_are_refused_with_advice(name: str, message: str, advice: str) -> None:
    with pytest.raises(Reject, match=f"^label 1.*{message}") as refusal:
        check_name(name, "label 1")
    assert advice in refusal.value.advice
    assert str(refusal.value).isprintable()  # nothing of the name reaches a terminal as it is


def test_marks_may_be_piled_as_high_as_living_spellings_do() -> None:
    check_name("z" + "\u0316" * MARKS_IN_A_ROW_MAX, "label 1")


def test_a_name_may_be_limited_further() -> None:
    check_name("four", "a word", 4)
    with pytest.raises(Reject, match="a word has 5 characters, not 1 to 4"):
        check_name("fiver", "a word", 4)


@pytest.mark.parametrize(
    "text",
    [
        "What is in the picture?",
        "“Non-breaking\u00a0space”, soft\u00adhyphen, ✓",
        "a \u200fעברית\u200f word",
        "ภาษา\u200bไทย",
        FAMILY,
        ENGLAND,
        "葛\U000e0100",  # a variant of a Han character
    ],
)
def test_texts_may_say_more_than_names(text: str) -> None:
    check_text(text, "the title", TEXT_CHARS_MAX)


def test_only_guidelines_have_lines() -> None:
    text = "One:\n\tcats.\n\nTwo:\n\tdogs.\n"
    check_text(text, "the guidelines", TEXT_CHARS_MAX, lines=True)
    with pytest.raises(Reject, match=r"the title holds U\+000A at character 5: a new line"):
        check_text(text, "the title", TEXT_CHARS_MAX)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a" * 101, "has 101 characters, not 1 to 100"),
        (" \n\t\u200b ", "nothing that can be seen"),
        ("a\r\nb", r"U\+000D at character 2: a carriage return"),
        ("\x1b[2J", r"U\+001B at character 1: a control character"),
        ("a\u2029b", r"U\+2029 at character 2: a line separator"),
        ("a\u202eb", r"U\+202E at character 2: .* direction"),
        ("a\u2066b", r"U\+2066 at character 2: .* direction"),
        ("a\U000e0041b", r"U\+E0041 at character 2: .* cannot be seen"),
        ("a\u200b\u200bb", r"U\+200B at character 3: a second character in a row"),
        ("葛\U000e0100\U000e0101", r"U\+E0101 at character 3: a second character in a row"),
        ("Cafe\u0301", "NFC"),
        ("\U0001fae8", "newer than Unicode 14"),
        ("z" + "\u0316" * 9, "combining marks"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(Reject, match=message) as refusal:
        check_text(text, "the guidelines", 100, lines=True)
    assert refusal.value.advice


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Cat", "cat "),
        ("STRASSE", "Straße"),
        ("cat", "\u0441at"),  # Cyrillic es
        ("cat", "c\u0430t"),  # Cyrillic a
        ("CAN", "CA\u039d"),  # Greek capital nu
        ("TOT", "\u0422\u041e\u0422"),  # Cyrillic capitals
        ("НЕТ", "нет"),
        ("ΜΗ", "μη"),
        ("cat", "\uff43\uff41\uff54"),  # wide letters
        ("cat", "\U0001d41c\U0001d41a\U0001d42d"),  # bold letters
        ("ab", "a\u200bb"),
        ("a b", "a \u3000 b"),
        ("Café", "Cafe\u0301"),
        ("می\u200cخواهم", "میخواهم"),
        ("\u2764", "\u2764\ufe0f"),
        # Signs of one script.
        ("1", "l"),
        ("I", "l"),
        ("AI", "Al"),
        ("|", "I"),
        ("0", "O"),
        ("b0x", "box"),
        ("corn", "com"),
        ("MODEM", "modern"),
        # And of several.
        ("0", "\u041e"),  # Cyrillic O
        ("1", "\u0406"),  # Ukrainian I
        ("3", "\u0417"),  # Cyrillic ze
        ("6 класс", "б класс"),
        ("y", "\u03b3"),  # Greek gamma
        ("\u0393", "\u0413"),  # Greek gamma and Cyrillic ghe, capitals
        ("\u0259", "\u04d9"),  # the schwas of Azerbaijani and Kazakh
        ("BALL", "b\u0430ll"),
        ("тест1", "\u0442\u0435c\u0442l"),
        ("-1", "\u22121"),  # minus sign
        ("pre-trained", "pre\u2013trained"),  # en dash
        ("don't know", "don\u2019t know"),
        ("\u0406", "\u04c0"),  # the palochka has the shape of the I in its own script
    ],
)
def test_look_alikes_are_refused(one: str, other: str) -> None:
    with pytest.raises(Reject, match="labels 2 and 4 look alike") as refusal:
        check_distinct(["dog", one, "emu", other], "labels")
    assert quoted(one) in str(refusal.value) and quoted(other) in str(refusal.value)
    assert refusal.value.advice


def test_the_difference_between_look_alikes_is_shown() -> None:
    with pytest.raises(Reject, match=r"\(character 1 is U\+0063 and U\+0441\)$"):
        check_distinct(["cat", "\u0441at"], "labels")


def test_names_that_people_tell_apart_are_distinct() -> None:
    names = ["mm", "µm", "0", "1", "L", "i", "tot", "тот", "sinir", "sınır", "é", "e", "猫"]
    check_distinct(names, "labels")
    check_distinct([], "labels")


@pytest.mark.parametrize(
    "names",
    [
        [str(digit) for digit in range(10)],
        [chr(code) for code in range(ord("a"), ord("z") + 1)],
        ["fail", "fall", "fill", "barn", "bark", "I", "II", "III", "IV"],
        ["ус", "үс", "өвс"],  # Mongolian: water, hair, grass
        ["н", "һ", "е", "ҽ", "З", "Ӡ"],  # letters of Cyrillic alphabets, of one Latin shape
        ["шесть", "три", "Зима", "бар", "гора"],
        ["υ", "ν", "γ", "ο", "σ", "ρ", "π", "φ"],
        ["ألف", "باء", "واحد", "١", "٢"],
        ["एक", "दो", "तीन", "१", "२"],
        ["一", "二", "三", "口", "日"],
    ],
)
def test_no_script_is_taken_for_its_own_look_alike(names: list[str]) -> None:
    check_distinct(names, "labels")


def test_letters_that_one_script_tells_apart_are_look_alikes_of_anothers() -> None:
    with pytest.raises(Reject, match=r"labels 1 and 3 look alike.*U\+0443 and U\+0079"):
        check_distinct(["ус", "үс", "y\u0441"], "labels")


def test_a_name_that_stands_twice_is_said_to() -> None:
    with pytest.raises(Reject, match='labels 1 and 3 are the same: "cat"') as refusal:
        check_distinct(["cat", "dog", "cat"], "labels")
    assert "Leave one of them out" in refusal.value.advice


def test_ids() -> None:
    assert is_id("mnist-0") and is_id("a" * NAME_CHARS_MAX) and is_id("-")
    for text in ("", "A", "a b", "ä", "٣", "ª", "a_b", "a" * (NAME_CHARS_MAX + 1)):
        assert not is_id(text)
    assert is_id("four", 4) and not is_id("fiver", 4)


def test_quoting_spells_out_what_cannot_be_seen() -> None:
    assert quoted("a\x1b\u200b\U0001fae8é") == '"a<U+001B><U+200B><U+1FAE8>é"'
    assert quoted("a" * 100) == f'"{"a" * 80}…"'


def code_points(table: CodePoints) -> set[int]:
    return {code for first, last in table.ranges for code in range(first, last + 1)}


@pytest.mark.skipif(unicodedata.unidata_version != "14.0.0", reason="another Unicode's Python")
def test_the_tables_are_those_of_unicode_14() -> None:
    categories = {code: unicodedata.category(chr(code)) for code in range(0x110000)}
    assigned = code_points(ASSIGNED)
    assert assigned == {c for c, kind in categories.items() if kind not in ("Cn", "Cs", "Co")}
    assert code_points(MARKS) == {c for c, kind in categories.items() if kind[0] == "M"}
    formats = {c for c, kind in categories.items() if kind in ("Cf", "Zl", "Zp")}
    assert formats <= code_points(UNSEEN) <= assigned
    assert {categories[c] for c in code_points(PICTOGRAPHS)} == {"So", "Sm", "Po", "Pd", "Ll"}


def test_every_character_means_the_same_under_every_python() -> None:
    digest = hashlib.sha256()
    for code in sorted(code_points(ASSIGNED)):
        for name in (chr(code), f"a{chr(code)}\u0301\u0316b"):
            shape = skeleton(name)
            assert skeleton(shape) == shape
            try:
                check_name(name, "a name")
            except Reject:
                digest.update(shape.encode() + b"0")
            else:
                digest.update(shape.encode() + b"1")
    assert digest.hexdigest() == ALL_CHARACTERS

"""How much of each kind of personal data is found in texts, what else is taken for it, and how long it takes.

    python -m benchmarks.privacy [--texts FILE] [--json]

Everything is generated, with fixed seeds: numbers of a kind have its form and its check digit, and should be
nobody's; what is none are order numbers, versions, hashes, times and the like, alone and after words that
people write before them. Regions are those of REGIONS; a phone number is looked for by somebody in its own.

`--texts` adds a file of real texts, a line each (after a tab, if there is one): how many lines hold which
kind. Whether those finds are right, only a reader can say.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import phonenumbers

from benchmarks.report import show
from node.privacy.accounts import IBAN_CHARS
from node.privacy.checks import is_luhn
from node.privacy.finders import TextFinder
from node.privacy.found import Kind
from node.privacy.ids import NATIONAL_IDS
from node.privacy.keys import is_phrase, word_numbers

SAMPLES: Final = 400  # of each kind
OTHERS: Final = 20_000  # texts without personal data
SEED: Final = 9
REGIONS: Final = ("GB", "US", "DE")  # where most languages leave it open, three are
PHONE_REGIONS: Final = ("GB", "US", "DE", "FR", "ES", "IT", "IN", "BR", "JP", "PL", "SE", "MX")
SPEED_CHARS: Final = 2_000_000

Rng: TypeAlias = random.Random
Maker: TypeAlias = Callable[[Rng], str]


def digits(rng: Rng, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def letters(rng: Rng, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choices(alphabet, k=count))


def word(rng: Rng) -> str:
    return letters(rng, rng.randint(3, 9), string.ascii_lowercase)


# ---- personal data ----


def email(rng: Rng) -> str:
    local = rng.choice([word(rng), f"{word(rng)}.{word(rng)}", f"{word(rng)}+{digits(rng, 2)}"])
    return f"{local}@{word(rng)}.{rng.choice(['com', 'org', 'co.uk', 'de', 'museum'])}"


def phone(rng: Rng, region: str = "GB") -> str:
    """A number that is in use, by chance from an example of its region and kind."""
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    form = rng.choice(
        (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.NATIONAL)
    )
    while True:
        example = phonenumbers.example_number_for_type(region, rng.choice(kinds))
        if example is None:
            continue
        national = str(example.national_number)
        example.national_number = int(national[:-3] + digits(rng, 3))
        if phonenumbers.is_valid_number(example):
            return str(phonenumbers.format_number(example, form))


def iban(rng: Rng) -> str:
    country, length = rng.choice(sorted(IBAN_CHARS.items()))
    body = digits(rng, length - 4)
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    plain = f"{country}{98 - number % 97:02}{body}"
    return plain if rng.random() < 0.5 else " ".join(plain[i : i + 4] for i in range(0, length, 4))


def card(rng: Rng) -> str:
    start, length = rng.choice([("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16)])
    body = start + digits(rng, length - len(start) - 1)
    plain = next(body + c for c in string.digits if is_luhn([int(d) for d in body + c]))
    if length == 16 and rng.random() < 0.5:
        return " ".join(plain[i : i + 4] for i in range(0, 16, 4))
    return plain


FORMS: Final = {
    "US": "{3}-{2}-{4}", "FR": "1{2}05{2}{6}{2}", "ES": "{8}{L}", "IT": "RSSMRA{2}T10A{3}{L}",
    "BR": "{3}.{3}.{3}-{2}", "IN": "3{3} {4} {4}", "CN": "110105194912{2}{3}{1}", "SE": "8112{2}-{4}",
    "FI": "1310{2}-{3}{L}", "BE": "93.05.18-{3}.{2}", "KR": "800101-1{6}", "GB": "AB {2} {2} {2} C",
    "NL": "BSN {9}", "PL": "PESEL 440514{5}", "NO": "fødselsnummer 010190{5}", "DE": "Steuer-ID {11}",
}  # fmt: skip


def national_id(rng: Rng) -> str:
    """Of a form, drawn until its check digits are right."""
    each = rng.choice(NATIONAL_IDS)
    while True:
        made = FORMS[each.country]
        for count in range(1, 12):
            while f"{{{count}}}" in made:
                made = made.replace(f"{{{count}}}", digits(rng, count), 1)
        made = made.replace("{L}", rng.choice(string.ascii_uppercase))
        number = made.rsplit(" ", 1)[-1] if each.words is not None and made[0].isalpha() else made
        match = each.pattern.fullmatch(number)
        if match and each.is_right(number):
            return made


def ip_address(rng: Rng) -> str:
    if rng.random() < 0.5:
        return ".".join(str(rng.randint(11, 126)) for _ in range(4))
    return ":".join(f"{rng.randint(0x2001, 0x3FFF):x}" for _ in range(8))


def mac_address(rng: Rng) -> str:
    return rng.choice(":-").join(f"{rng.randint(0, 255):02x}" for _ in range(6))


def place(rng: Rng) -> str:
    return f"{rng.uniform(1, 89):.{rng.randint(4, 7)}f}, {rng.uniform(-179, 179):.6f}"


def login(rng: Rng) -> str:
    return f"https://{word(rng)}:{letters(rng, 9)}@{word(rng)}.example.org/{word(rng)}"


def key(rng: Rng) -> str:
    return rng.choice([
        "AKIA" + letters(rng, 16, string.ascii_uppercase + "234567"), "ghp_" + letters(rng, 36),
        "AIza" + letters(rng, 35), f"xoxb-{digits(rng, 12)}-{letters(rng, 24)}",
        "sk_live_" + letters(rng, 24), "hf_" + letters(rng, 34, string.ascii_letters),
    ])  # fmt: skip


def password(rng: Rng) -> str:
    name = rng.choice(["password: ", "api_key=", 'secret = "', "PASSWD="])
    return name + letters(rng, 14) + digits(rng, 2) + ('"' if name.endswith('"') else "")


def private_key(rng: Rng) -> str:
    body = "\n".join(letters(rng, 64) for _ in range(4))
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"


def phrase(rng: Rng) -> str:
    words = sorted(word_numbers())
    while True:
        made = rng.choices(words, k=12)
        if is_phrase([word_numbers()[each] for each in made]):
            return " ".join(made)


MAKERS: Final[dict[Kind, Maker]] = {
    Kind.E_MAIL: email, Kind.PHONE: phone, Kind.IBAN: iban, Kind.CARD: card,
    Kind.NATIONAL_ID: national_id, Kind.IP_ADDRESS: ip_address, Kind.MAC_ADDRESS: mac_address,
    Kind.PLACE: place, Kind.LOGIN: login, Kind.KEY: key, Kind.PASSWORD: password,
    Kind.PRIVATE_KEY: private_key, Kind.SEED_PHRASE: phrase,
}  # fmt: skip

# ---- what is none ----

NONE: Final[dict[str, Maker]] = {
    "order of 8 digits": lambda rng: digits(rng, 8),
    "order of 10 digits": lambda rng: digits(rng, 10),
    "order of 12 digits": lambda rng: digits(rng, 12),
    "order of 16 digits": lambda rng: digits(rng, 16),
    "order in groups": lambda rng: f"{digits(rng, 3)}-{digits(rng, 7)}-{digits(rng, 7)}",
    "order with letters": lambda rng: f"INV-{digits(rng, 4)}-{digits(rng, 6)}",
    "barcode": lambda rng: "40" + digits(rng, 11),
    "version": lambda rng: f"v{rng.randint(0, 30)}.{rng.randint(0, 30)}.{rng.randint(0, 99)}",
    "version of four": lambda rng: "version " + ".".join(str(rng.randint(0, 40)) for _ in range(4)),
    "SHA-1": lambda rng: letters(rng, 40, "0123456789abcdef"),
    "SHA-256": lambda rng: letters(rng, 64, "0123456789abcdef"),
    "UUID": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "seconds": lambda rng: str(rng.randint(1_500_000_000, 1_900_000_000)),
    "milliseconds": lambda rng: str(rng.randint(1_500_000_000_000, 1_900_000_000_000)),
    "date and time": lambda rng: (
        f"2024-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T"
        f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    ),
    "date": lambda rng: (
        f"{rng.randint(1, 28):02}/{rng.randint(1, 12):02}/{rng.randint(1990, 2030)}"
    ),
    "amount": lambda rng: f"{rng.randint(1, 999):,}.{digits(rng, 2)} EUR",
    "large amount": lambda rng: f"{rng.randint(10**8, 10**12):,}",
    "float": lambda rng: repr(rng.uniform(-1000, 1000)),
    "three floats": lambda rng: ", ".join(f"{rng.uniform(-90, 90):.6f}" for _ in range(3)),
    "ISBN": lambda rng: f"978-{digits(rng, 1)}-{digits(rng, 2)}-{digits(rng, 6)}-{digits(rng, 1)}",
    "DOI": lambda rng: f"10.{digits(rng, 4)}/{word(rng)}.{digits(rng, 7)}",
    "hexadecimal": lambda rng: f"0x{rng.getrandbits(64):016x}",
    "identifier": lambda rng: f"{word(rng)}_{word(rng)}_{digits(rng, 3)}",
    "price of a part": lambda rng: f"part no. {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 3)}",
    "words": lambda rng: " ".join(word(rng) for _ in range(14)),
}
BEFORE: Final = (
    "",
    "order ",
    "see ",
    "the number is ",
    "id: ",
    "ref=",
    "total ",
    "call it ",
    "at ",
)


def measure_kinds(finder: TextFinder) -> dict[str, dict[str, float]]:
    """Recall of each kind; and where as many texts hold none as hold one, which share of finds is right."""
    rng = random.Random(SEED)
    false: Counter[Kind] = Counter()
    names = list(NONE)
    for number in range(OTHERS):
        text = f"{rng.choice(BEFORE)}{NONE[names[number % len(names)]](rng)} {word(rng)}"
        false.update({each.kind for each in finder.find(text)})
    figures: dict[str, dict[str, float]] = {}
    for kind, make in MAKERS.items():
        found = 0
        for number in range(SAMPLES):
            made, finds = make(rng), finder
            if kind is Kind.PHONE:
                region = PHONE_REGIONS[number % len(PHONE_REGIONS)]
                made, finds = phone(rng, region), TextFinder((region,))
            found += any(
                each.kind is kind for each in finds.find(f"{word(rng)} {made} {word(rng)}")
            )
        wrong = false[kind] * SAMPLES / OTHERS
        figures[kind.value] = {
            "recall": found / SAMPLES,
            "precision": found / (found + wrong) if found else 0.0,
            "false_per_10000": 10_000 * false[kind] / OTHERS,
        }
    return figures


def measure_others(finder: TextFinder) -> dict[str, float]:
    """Of each kind of what is none, the share that is taken for personal data."""
    figures: dict[str, float] = {}
    for name, make in NONE.items():
        rng = random.Random(SEED)
        texts = (f"{rng.choice(BEFORE)}{make(rng)} {word(rng)}" for _ in range(SAMPLES * 5))
        figures[name] = sum(bool(finder.find(text)) for text in texts) / (SAMPLES * 5)
    return figures


def measure_texts(finder: TextFinder, path: Path) -> dict[str, float]:
    """Lines of a file in which each kind is found."""
    lines = [line.split("\t", 1)[-1] for line in path.read_text(encoding="utf-8").splitlines()]
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update({each.kind.value for each in finder.find(line)})
    return {"lines": len(lines), **counts}


def measure_speed(finder: TextFinder) -> float:
    """Characters a second, of ordinary text with a find in every hundred words."""
    rng = random.Random(SEED)
    piece = " ".join([*(word(rng) for _ in range(100)), email(rng), digits(rng, 12)])
    text = "\n".join([piece] * (SPEED_CHARS // len(piece)))
    start = time.perf_counter()
    finder.find(text)
    return len(text) / (time.perf_counter() - start)


def run(texts: Path | None = None) -> dict[str, Any]:
    """Every figure."""
    finder = TextFinder(REGIONS)
    finder.find("020 7946 0958")  # what is loaded once
    figures: dict[str, Any] = {
        "kinds": measure_kinds(finder),
        "taken_for_personal_data": measure_others(finder),
        "characters_per_second": measure_speed(finder),
    }
    if texts is not None:
        figures["texts"] = measure_texts(TextFinder(("GB",)), texts)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = run(arguments.texts)
    if arguments.json:
        print(json.dumps(figures))
    else:
        show(figures)


if __name__ == "__main__":
    main()

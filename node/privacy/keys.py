"""What opens an account or a wallet: keys and tokens by the form that their issuers gave them, private keys,
recovery phrases, and passwords that are called so."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from typing import Final

from node.privacy.found import Found, Kind
from protocol.depth import load_json

# Issuer, and the form of what it issues: as their documentation says, for secret scanners to find them.
_ISSUED: Final = (
    ("AWS", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    ("GitHub", r"gh[opsur]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    ("GitLab", r"glpat-[\w-]{20,60}"),
    ("Google", r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,300}"),
    ("Slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}"),
    ("Slack", r"https://hooks\.slack\.com/services/[\w/]{40,60}"),
    ("Stripe", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,250}"),
    ("OpenAI", r"sk-(?:proj-|svcacct-)?[\w-]{20}T3BlbkFJ[\w-]{20}|sk-proj-[\w-]{40,200}"),
    ("Anthropic", r"sk-ant-[\w-]{20,250}"),
    ("Hugging Face", r"hf_[A-Za-z]{34}"),
    ("PyPI", r"pypi-AgE[\w-]{50,250}"),
    ("npm", r"npm_[A-Za-z0-9]{36}"),
    ("SendGrid", r"SG\.[\w-]{22}\.[\w-]{43}"),
    ("Telegram", r"\d{8,10}:AA[\w-]{33}"),
    ("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
)
# What one of them begins with: most characters are passed by at that.
_FIRST: Final = r"(?=[AGSghnprsxy\d])"
_KEY: Final = re.compile(
    rf"(?<![\w-]){_FIRST}(?:{'|'.join(f'(?P<k{n}>{form})' for n, (_, form) in enumerate(_ISSUED))})(?![\w-])",
    re.ASCII,
)
_TOKEN: Final = re.compile(
    r"(?<![\w.-])(eyJ[\w-]{10,8000}+)\.[\w-]{2,16000}+\.[\w-]{0,2000}+(?![\w.-])", re.ASCII
)
# To its end, or to the end of all: half a private key is one, too. Escaped line ends are of code and JSON.
_PRIVATE: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----)){0,20000}+"
    r"-----END (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    re.ASCII,
)
_ASSIGNED: Final = re.compile(
    r"(?<![A-Za-z])(?=[pstcae])(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credential|"
    r"(?:api|access|auth|private|secret|client|account|encryption)[_ .-]?(?:key|secret|token))"
    r"[\"'`]?\s{0,3}(?:=>|:=|[:=]|\bis\b)\s{0,3}(?:[\"'`](?P<quoted>[^\s\"'`\\]{8,200})[\"'`]"
    r"|(?P<bare>[^\s\"'`\\,;<>()\[\]{}]{8,200}+)(?![(\[]))",
    re.IGNORECASE,
)
_BITS_MIN: Final = 2.5  # for each character: a word has less, what was drawn has more
_KINDS_MIN: Final = 2  # of small letters, capitals, digits and signs


def find_keys(text: str) -> Iterator[Found]:
    """Keys and tokens that say whose they are."""
    for match in _KEY.finditer(text):
        number = int((match.lastgroup or "k0")[1:])
        yield Found(Kind.KEY, *match.span(), _ISSUED[number][0])
    for match in _TOKEN.finditer(text):
        if _is_header(match[1]):
            yield Found(Kind.KEY, *match.span(), "JWT")


def _is_header(text: str) -> bool:
    """Whether it says how the token is signed (RFC 7519)."""
    try:
        header = load_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        return False
    return isinstance(header, dict) and "alg" in header


def find_private_keys(text: str) -> Iterator[Found]:
    """In PEM (RFC 7468) and as OpenPGP writes them."""
    return (Found(Kind.PRIVATE_KEY, *match.span()) for match in _PRIVATE.finditer(text))


def find_passwords(text: str) -> Iterator[Found]:
    """What is called a secret and does not read like a word."""
    for match in _ASSIGNED.finditer(text):
        name = "quoted" if match["quoted"] is not None else "bare"
        if _is_drawn(match[name]):
            yield Found(Kind.PASSWORD, *match.span(name))


def _is_drawn(value: str) -> bool:
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    varied = sum(any(kind(c) for c in counts) for kind in kinds) >= _KINDS_MIN
    has_digit = any(c.isdigit() for c in counts)
    return bits >= _BITS_MIN and varied and has_digit


# ---- recovery phrases ----

_WORDS: Final = (24, 21, 18, 15, 12)  # BIP 39
_WORD_BITS: Final = 11
_DISTINCT_MIN: Final = (
    0.75  # of its words: what was drawn hardly repeats itself, and filling text does
)
_RUN: Final = re.compile(
    r"(?<![\w'])[a-z]{3,8}(?![\w'])(?:\s{1,3}[a-z]{3,8}(?![\w'])){11,400}+", re.ASCII
)
_WORD: Final = re.compile("[a-z]+", re.ASCII)


def find_phrases(text: str) -> Iterator[Found]:
    """Words of BIP 39 in English whose checksum is right, in a row."""
    for run in _RUN.finditer(text):
        words = list(_WORD.finditer(text, *run.span()))
        at = 0
        while at + _WORDS[-1] <= len(words):
            count = _phrase_words([word[0] for word in words[at : at + _WORDS[0]]])
            if count:
                yield Found(
                    Kind.SEED_PHRASE,
                    words[at].start(),
                    words[at + count - 1].end(),
                    f"{count} words",
                )
            at += count or 1


def _phrase_words(words: list[str]) -> int:
    """How many of the first words are a phrase."""
    numbers = word_numbers()
    known = next((n for n, word in enumerate(words) if word not in numbers), len(words))
    for count in _WORDS:
        drawn = len(set(words[:count])) >= count * _DISTINCT_MIN
        if drawn and count <= known and is_phrase([numbers[word] for word in words[:count]]):
            return count
    return 0


def is_phrase(numbers: list[int]) -> bool:
    """Eleven bits a word; of 33 bits the last is of the checksum."""
    bits = 0
    for number in numbers:
        bits = bits << _WORD_BITS | number
    check_bits = len(numbers) // 3
    entropy = (bits >> check_bits).to_bytes((len(numbers) * _WORD_BITS - check_bits) // 8, "big")
    return sha256(entropy).digest()[0] >> (8 - check_bits) == bits & ((1 << check_bits) - 1)


@cache
def word_numbers() -> dict[str, int]:
    """The 2,048 words. Their library takes half a second to import, and most texts have no such run."""
    from eth_account.hdaccount.mnemonic import Mnemonic

    return {word: number for number, word in enumerate(Mnemonic().wordlist)}

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
    (
        "GitLab",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|oas|soat|agent)-[\w-]{20,100}(?:\.[\w-]{2,10}){0,2}",
    ),
    ("Google", r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,300}"),
    ("Slack", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}"),
    ("Slack", r"https://hooks\.slack\.com/services/[\w/]{40,60}"),
    ("Stripe", r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/]{32,64}"),
    ("OpenAI", r"sk-(?:proj-|svcacct-)?[\w-]{20}T3BlbkFJ[\w-]{20}|sk-proj-[\w-]{40,200}"),
    ("Anthropic", r"sk-ant-[\w-]{20,250}"),
    ("Hugging Face", r"hf_[A-Za-z]{34}"),
    ("PyPI", r"pypi-AgE[\w-]{50,250}"),
    ("npm", r"npm_[A-Za-z0-9]{36}"),
    ("SendGrid", r"SG\.[\w-]{22}\.[\w-]{43}"),
    ("Telegram", r"\d{8,10}:AA[\w-]{33}"),
    ("Discord", r"https://(?:\w{1,10}\.)?discord(?:app)?\.com/api/webhooks/\d{15,20}/[\w-]{60,80}"),
    ("Atlassian", r"ATATT3[\w=-]{60,300}"),
    ("Databricks", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("DigitalOcean", r"do[opr]_v1_[0-9a-f]{64}"),
    ("Docker", r"dckr_[po]at_[\w-]{27,40}"),
    ("Figma", r"fig[do]_[\w-]{40}"),
    ("Grafana", r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    ("Groq", r"gsk_[A-Za-z0-9]{52}"),
    ("HashiCorp", r"hv[bs]\.[\w-]{24,300}"),
    ("Linear", r"lin_api_[A-Za-z0-9]{40}"),
    ("Mailgun", r"key-[0-9a-f]{32}"),
    ("New Relic", r"NRAK-[A-Z0-9]{27}"),
    ("Notion", r"ntn_[A-Za-z0-9]{46}|secret_[A-Za-z0-9]{43}"),
    ("OpenRouter", r"sk-or-v1-[0-9a-f]{64}"),
    ("Perplexity", r"pplx-[A-Za-z0-9]{48}"),
    ("Postman", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("Replicate", r"r8_[A-Za-z0-9]{37}"),
    ("RubyGems", r"rubygems_[0-9a-f]{48}"),
    ("Sentry", r"sntry[su]_[\w+/=]{40,400}"),
    ("Shopify", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("Square", r"sq0(?:atp|csp)-[\w-]{22,43}"),
    ("Twilio", r"SK[0-9a-f]{32}"),
    ("xAI", r"xai-[A-Za-z0-9]{80}"),
    ("age", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    ("a wallet", r"[xyz]prv[1-9A-HJ-NP-Za-km-z]{107}"),
)
# What one of them begins with: most characters are passed by at that.
_FIRST: Final = r"(?=[A-Zdfghklnprswxyz\d])"
_KEY: Final = re.compile(
    rf"(?<![\w-]){_FIRST}(?:{'|'.join(f'(?P<k{n}>{form})' for n, (_, form) in enumerate(_ISSUED))})(?![\w-])",
    re.ASCII,
)
_TOKEN: Final = re.compile(
    r"(?<![\w.-])(eyJ[\w-]{10,8000}+)\.[\w-]{2,16000}+\.[\w-]{0,2000}+(?![\w.-])", re.ASCII
)
# To its end or, if somebody cut it, as far as there are lines of it: half a private key is one, too. Escaped
# line ends are of code and JSON.
_PRIVATE: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:"
    r"(?:[A-Za-z0-9+/=\s\\:,.()]|-(?!----)){0,20000}+"
    r"-----END (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:(?:\s|\\[nr]){1,40}[A-Za-z0-9+/=]{16,200}+){1,400}+)",
    re.ASCII,
)
# What a secret is called where people write; in code, also behind the hump of a name like dbPassword.
_CALLED: Final = (
    r"(?:(?<![A-Za-z])|(?-i:(?<=[a-z0-9])(?=[A-Z])))(?=[pstcaemkwlhп密パ비])"
    r"(?:pass(?:wor[dt]|wd|phrase|code)?|pwd|secret|token|credential|"
    r"(?:api|access|auth|private|secret|client|account|encryption)[_ .-]?(?:key|secret|token)"
    r"|mot de passe|contraseña|senha|kennwort|wachtwoord|lösenord|hasło|пароль|密[码碼]|パスワード|비밀번호)"
)
_ASSIGNED: Final = re.compile(
    _CALLED + r"[\"'`]?(?:\s{0,3}(?:=>|:=|[:=]|\b(?:is|ist|lautet|est|es|é)\b|は)\s{0,3}"
    r"(?:[\"'`](?P<quoted>[^\s\"'`\\]{8,200})[\"'`]"
    r"|(?P<bare>[^\s\"'`\\,;<>()\[\]{}]{8,200}+)(?![(\[]))"
    r"|>\s{0,3}(?P<tagged>[^\s<>]{8,200}+)\s{0,3}</)",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    r"\bauthorization[\"'`]?\s{0,3}[:=]\s{0,3}[\"'`]?(?:bearer|basic|token)\s{1,3}(?P<bare>[\w.~+/=-]{8,4000}+)",
    re.ASCII | re.IGNORECASE,
)
# The name of a variable that holds it.
_ELSEWHERE: Final = re.compile(r"\$[A-Z][A-Z0-9_]+|%[A-Z][A-Z0-9_]+%", re.ASCII)
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
    for form in (_ASSIGNED, _HEADER):
        for match in form.finditer(text):
            name = match.lastgroup or ""
            if _is_drawn(match[name]) and not _ELSEWHERE.fullmatch(match[name]):
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

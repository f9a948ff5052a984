"""Which language a text is in: a guess for its owner, and for where its phone numbers may be from.

The model is of py3langid, which comes with it and asks nobody. It is sure of itself where it should not be:
so nothing is said of what is short, or of what might as well be another. No rule of the network asks this.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

LETTERS_MIN: Final = 24  # of fewer, names and loan words decide
CHARS_MAX: Final = 2_000  # of a longer text the rest says the same
SURE: Final = 0.9
_NONE: Final = frozenset(("zxx", "und", "mul", "qaa"))  # what the model calls no language


def language_of(text: str) -> str:
    """Its code of ISO 639-1, or 639-3 where there is none; nothing where that is not sure."""
    start = text[:CHARS_MAX]
    if sum(map(str.isalpha, start)) < _letters_min(start):
        return ""
    model = _model()
    if model is None:
        return ""
    code, chance = model.classify(start)
    return str(code) if chance >= SURE and code not in _NONE else ""


def _letters_min(text: str) -> int:
    """A sign of Chinese or Japanese says as much as some letters do."""
    return LETTERS_MIN // 3 if any(c > "\u2e7f" for c in text) else LETTERS_MIN


@cache
def _model() -> Any:
    """A second to load, a hundred megabytes: only where there is text. None where the disk has no room to
    unpack it: what is a guess ends nothing."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    except OSError:
        return None

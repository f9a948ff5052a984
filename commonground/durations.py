"""How long things last, as people write it: 500ms, 2s, 30m, 1h, 7d."""

from __future__ import annotations

import re
from typing import Final

from protocol.errors import ConfigError

_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WRITTEN: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str, what: str) -> int:
    """Milliseconds, above zero; `what` begins the message of the ConfigError."""
    match = _WRITTEN.fullmatch(text.strip())
    duration_ms = int(match[1]) * _UNITS_MS[match[2]] if match else 0
    if match and not duration_ms:
        raise ConfigError(f"{what} is {text!r}: it has to be above zero", "write it like 2s or 30m")
    if not match:
        raise ConfigError(f"{what} is not a duration: {text!r}", "write it like 2s, 30m, 24h or 7d")
    return duration_ms


def duration_words(duration_ms: int) -> str:
    """The same, in the largest unit that it is a whole number of."""
    for unit, unit_ms in reversed(_UNITS_MS.items()):
        if duration_ms % unit_ms == 0 and duration_ms:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms}ms"

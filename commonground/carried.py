"""What nodes of this software carry: what a campaign may ask for so that somebody can serve it."""

from __future__ import annotations

from typing import Final

PART_BYTES_MAX: Final = 8 << 20  # one part travels in one message stream; campaigns want samples

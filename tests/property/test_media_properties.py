"""Whatever a file is: it is refused in our words, or made into what every reviewer accepts."""

from __future__ import annotations

import zlib
from itertools import islice

import pytest

from node.media import prepare
from protocol.errors import Reject
from tests.mutated import mutations

# `python -m benchmarks.media` tries as many as it is told, in the process that may die.
MUTATIONS = 1_500
BYTES_MAX = 1 << 20


def with_right_checksums(png: bytes) -> bytes:
    """So that damage reaches what lies behind the checksums."""
    out, at = bytearray(png[:8]), 8
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        body = png[at + 4 : at + 8 + length]
        out += png[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length
    return bytes(out) + png[at:]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_file_is_refused_or_taken_whole(seed: int) -> None:
    taken = refused = 0
    for media_type, data in islice(mutations(seed), MUTATIONS):
        content = with_right_checksums(data) if media_type == "image/png" else data
        try:
            made = prepare.prepare(content, media_type, [media_type], BYTES_MAX)
        except Reject as error:
            refused += 1
            assert str(error).isprintable()
            continue
        taken += 1
        assert prepare.agrees(made.content, media_type, made.fingerprint)
    assert taken > MUTATIONS // 20
    assert refused > MUTATIONS // 4

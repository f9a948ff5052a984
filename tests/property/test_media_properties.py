"""Whatever a file is: it is refused in our words, or made into what every reviewer accepts."""

from __future__ import annotations

from itertools import islice

import pytest

from node.media import prepare
from node.media.records import Prepared
from protocol.errors import Reject
from tests.mutated import mutations

# `python -m benchmarks.media` tries as many as it is told, in the process that may die.
MUTATIONS = 1_500
BYTES_MAX = 1 << 20


def prepared(media_type: str, data: bytes) -> tuple[Prepared | None, str]:
    """What became of a file, or why it is refused."""
    try:
        return prepare.prepare(data, media_type, [media_type], BYTES_MAX), ""
    except Reject as error:
        return None, str(error)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_file_is_refused_or_taken_whole(seed: int) -> None:
    taken = refused = 0
    for media_type, data in islice(mutations(seed), MUTATIONS):
        made, words = prepared(media_type, data)
        assert words.isprintable()
        if made is None:
            refused += 1
        else:
            taken += 1
            assert prepare.agrees(made.content, media_type, made.fingerprint)
    assert taken > MUTATIONS // 20
    assert refused > MUTATIONS // 4

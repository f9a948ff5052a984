"""What a withdrawn item must not leave behind, and a search for it in every byte of a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from node.rows import ItemRow
from protocol.log.strict import parse_leaf
from protocol.review.levels import TRITS_IN_BYTE, pack_signs
from protos.gen import records_pb2 as pb

# A page that was reused keeps parts: of each trace several pieces of this length are looked for.
PIECE_BYTES = 16
EVEN_PIECE = pack_signs(np.zeros(PIECE_BYTES * TRITS_IN_BYTE, dtype=np.int64))


def traces_of(row: ItemRow, leaf: bytes, content: bytes) -> dict[str, bytes]:
    """All that tells something of an item of one part, by name; all of it random or unique."""
    item = parse_leaf(pb.Item, leaf)
    [part], [logged] = row.parts, item.parts
    return {
        "content": content,
        "hash of the content": row.content_sha256,
        "salt of the content": part.salt,
        "salt of the proposal": row.proposal_salt,
        "leaf": leaf,
        "fingerprint": logged.fingerprint,
        "content commitment": logged.commitment,
        "proposal commitment": item.proposal_commitment,
    }


def found_in(folder: Path, traces: Mapping[str, bytes]) -> dict[str, list[str]]:
    """The files, by trace, that hold a piece of it in their bytes or in their name."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            for name, trace in traces.items():
                if trace.hex() in path.name or any(piece in data for piece in _pieces(trace)):
                    found.setdefault(name, []).append(str(path.relative_to(folder)))
    return found


def _pieces(trace: bytes) -> set[bytes]:
    """Not from the ends: pictures, and items, begin and end alike; nor what is even, as details of a small
    picture are."""
    pieces = {trace[at : at + PIECE_BYTES] for at in (len(trace) // 4, len(trace) // 2)}
    return pieces - {EVEN_PIECE}

"""Gold from a file: items with a known answer, committed under fresh salts before the draw."""

from __future__ import annotations

import csv
import secrets
from pathlib import Path
from typing import Final

from coordinator.conductor import batch
from coordinator.operator import Operator
from coordinator.sealed import Opening
from protocol.errors import ConfigError, StateError
from protocol.limits import BATCH_LEAVES_MAX, HASH_BYTES, SALT_BYTES
from protocol.log.commitments import gold_commitment
from protocol.state import State
from protos.gen import records_pb2 as pb

COLUMNS: Final = ("item_id", "label")


def read_answers(path: Path, state: State) -> dict[bytes, int]:
    """Label indices by item, from a CSV file with the columns item_id (hex) and label (its name).

    Raises:
        ConfigError: names the line that is wrong.
    """
    answers: dict[bytes, int] = {}
    try:
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            if tuple(rows.fieldnames or ()) != COLUMNS:
                raise ConfigError(f"{path}: the first line is {','.join(COLUMNS)}")
            for row in rows:
                item_id, label = _parse_row(row, state, f"{path}:{rows.line_num}")
                if item_id in answers:
                    raise ConfigError(f"{path}:{rows.line_num}: this item stands twice")
                answers[item_id] = label
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    if not answers:
        raise ConfigError(f"{path} holds no answers")
    return answers


def commit_gold(operator: Operator, answers: dict[bytes, int]) -> int:
    """Logs the salted hashes; gives the index of the last record. The answers stay sealed."""
    openings = [
        Opening(item_id, secrets.token_bytes(SALT_BYTES), label)
        for item_id, label in answers.items()
    ]
    # In the order of the file, gold might be recognised; salted hashes in their own order say nothing.
    openings.sort(key=_hash_of)
    index = 0
    for at in range(0, len(openings), BATCH_LEAVES_MAX):
        some = openings[at : at + BATCH_LEAVES_MAX]
        hashes = [_hash_of(each) for each in some]
        body = pb.GoldCommit(
            network=operator.state.network,
            epoch=operator.state.epoch.number,
            hashes=batch(hashes),
        )
        index = operator.append("gold-commit", body, hashes, some).index
    return index


def _hash_of(opening: Opening) -> bytes:
    return gold_commitment(opening.item_id, opening.salt, opening.label)


def _parse_row(row: dict[str, str], state: State, where: str) -> tuple[bytes, int]:
    try:
        item_id = bytes.fromhex(row["item_id"] or "")
    except ValueError:
        item_id = b""
    if len(item_id) != HASH_BYTES:
        raise ConfigError(f"{where}: an item id has 64 hexadecimal digits")
    item = state.items.get(item_id)
    if item is None:
        raise StateError(f"{where}: nobody has submitted this item", "submit it, then import again")
    labels = list(state.campaigns[item.campaign_id].labels)
    if row["label"] not in labels:
        raise ConfigError(f"{where}: {row['label']!r} is not a label of {item.campaign_id}")
    return item_id, labels.index(row["label"])

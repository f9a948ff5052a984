"""A small model as a job ships it: real files, and a card that somebody signed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nacl.signing import SigningKey

from federated.card import Facts, Lineage, compose
from federated.card_words import to_html, to_markdown
from federated.folder import CARD_FILE, MARKDOWN_FILE, PAGE_FILE
from federated.model import Weights
from federated.release import Release, release
from federated.signed_card import sign
from federated.spec import TrainingSpec
from tests.training_lab import BLANK, SPEC, TASK, skewed

KEY = SigningKey(bytes(range(32)))
FACTS = Facts(
    title="Digits",
    licence="CC-BY-NC-4.0",
    chosen="the task's own",
    cpu_seconds=1.0,
)


def trained() -> Weights:
    """A good head without any training: ridge regression on the features of 600 digits."""
    (share,), _ = skewed(600, 1, seed=2)
    x, y = TASK.inputs(share.table, {}), TASK.targets(share.table)
    solution = np.linalg.solve(x.T @ x + 0.1 * np.eye(x.shape[1]), x.T @ np.eye(10)[y])
    return BLANK.replaced(np.append(solution.T, np.zeros(10)).astype(np.float32))


def ship(
    folder: Path,
    *,
    key: SigningKey = KEY,
    spec: TrainingSpec = SPEC,
    lineage: Lineage | None = None,
    facts: Facts = FACTS,
) -> Release:
    """Writes a model's folder."""
    _, rest = skewed(600, 1, seed=2)
    made = release(TASK, trained(), rest.take(slice(200)), folder)
    text = compose(spec, made, lineage or Lineage(b"n" * 32, 1, (2, 3), {}), facts)
    signed = sign(text, bytes(key.verify_key), lambda message: key.sign(message).signature)
    (folder / CARD_FILE).write_bytes(signed)
    (folder / MARKDOWN_FILE).write_text(to_markdown(text))
    (folder / PAGE_FILE).write_text(to_html(text))
    return made

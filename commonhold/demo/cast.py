"""Who plays in the demo, and with which real digits.

Eight contributors: four honest; one who mislabels 40 % of what they submit; one who submits other
people's images again; one who does so shifted by a pixel or two, or with slight noise; and one who
contributes honestly but always gives the same answer as a reviewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from commonhold.digits import (
    Share,
    mislabel,
    noisy,
    shifted,
    split_digits,
    write_folder,
)

HONEST: Final = ("ada", "ben", "cyn", "dov")
MISLABELLER: Final = "mel"
COPIER: Final = "rex"
DISGUISER: Final = "sly"
LAZY: Final = "lou"
NAMES: Final = (*HONEST, MISLABELLER, COPIER, DISGUISER, LAZY)

MISLABEL_RATE: Final = 0.4
LAZY_ANSWER: Final = "3"
SUBMITTED_EACH: Final = 90
COPIES_EACH: Final = 60
OWN_OF_COPIERS: Final = 30  # so that copiers have honest work too, and lose none of it
PRIVATE_EACH: Final = 350
GOLD_SHARE: Final = 0.12  # of the items: the operator's experts know the answer


@dataclass(slots=True)
class Player:
    """One contributor: folders to submit, in order, and the reviewer plug-in."""

    name: str
    folders: list[Path]
    reviewer: str
    truth: dict[Path, str] = field(default_factory=dict)  # image -> true label
    copies: set[Path] = field(default_factory=set)  # images that are somebody else's


def cast_players(folder: Path, seed: int) -> dict[str, Player]:
    """Writes everybody's digits as PNG folders with label files, and says who has which."""
    split = split_digits(
        seed,
        contributors=len(NAMES),
        submitted_each=SUBMITTED_EACH,
        reviewers=len(NAMES),
        private_each=PRIVATE_EACH,
        gold=0,
        test=0,
    )
    own = dict(zip(NAMES, split.submissions, strict=True))
    players = {
        name: _player(folder / name, name, own[name], private, seed)
        for name, private in zip(NAMES, split.private, strict=True)
    }
    _add_copies(players[COPIER], folder, [own["ada"], own["ben"]], seed, disguise=False)
    _add_copies(players[DISGUISER], folder, [own["cyn"], own["dov"]], seed, disguise=True)
    return players


def _player(folder: Path, name: str, own: Share, private: Share, seed: int) -> Player:
    count = OWN_OF_COPIERS if name in (COPIER, DISGUISER) else SUBMITTED_EACH
    images, truth, trained_on = own.images[:count], own.labels[:count], private.labels
    labels = truth
    if name == MISLABELLER:  # careless everywhere: the reviewer plug-in learns from bad labels, too
        labels = mislabel(truth, MISLABEL_RATE, seed)
        trained_on = mislabel(trained_on, MISLABEL_RATE, seed)
    files = write_folder(folder / "own", images, labels)
    write_folder(folder / "private", private.images, trained_on)
    reviewer = (
        f"constant:{LAZY_ANSWER}" if name == LAZY else f"digits:{(folder / 'private').resolve()}"
    )
    known = {file.resolve(): str(label) for file, label in zip(files, truth, strict=True)}
    return Player(name, [folder / "own"], reviewer, known)


def _add_copies(
    player: Player, folder: Path, victims: Sequence[Share], seed: int, *, disguise: bool
) -> None:
    """Half of the copies from each victim; in disguise, every other one shifted, the rest noisy."""
    each = COPIES_EACH // len(victims)
    images = np.concatenate([victim.images[:each] for victim in victims])
    truth = np.concatenate([victim.labels[:each] for victim in victims])
    if disguise:
        images = np.stack(
            [(shifted if i % 2 else noisy)(image, seed + i) for i, image in enumerate(images)]
        )
    files = write_folder(folder / player.name / "copies", images, truth)
    player.folders.append(folder / player.name / "copies")
    player.copies = {file.resolve() for file in files}
    player.truth |= {file.resolve(): str(label) for file, label in zip(files, truth, strict=True)}

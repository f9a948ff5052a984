"""Who plays in the demo, and with which real digits.

Eight contributors: four honest; one who mislabels 40 % of what they submit; one who submits other
people's images again; one who does so shifted by a pixel or two, or with slight noise; and one who
contributes honestly but always gives the same answer as a reviewer.

The four honest ones are partners, too: they have more digits, of few classes each, that they submit to
nobody and train on where they are. No partner has any of the digits that the trained model is tested on.
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
    skewed,
    split_digits,
    write_folder,
)

CAMPAIGN: Final = "digits"
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
PRIVATE_EACH: Final = 300  # of all classes: what reviewers learn from
HELD_BACK: Final = 420
GOLD_SHARE: Final = 0.12  # of the items: the operator's experts know the answer


@dataclass(slots=True)
class Player:
    """One contributor: folders of digits to submit, in order, and the reviewer of digits."""

    name: str
    folders: list[Path]
    reviewer: str
    truth: dict[Path, str] = field(default_factory=dict)  # image -> true label
    copies: set[Path] = field(default_factory=set)  # images that are somebody else's


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody, and the folders that are nobody's submission."""

    players: dict[str, Player]
    submitted: dict[str, Share]  # name -> digits of their own that they submit
    partners: dict[str, Path]  # name -> private digits to train on
    held_back: Path
    private_examples: int  # of all partners

    @property
    def digits(self) -> int:
        """How many are submitted, copies included."""
        return sum(len(player.truth) for player in self.players.values())


def cast_players(folder: Path, seed: int) -> Cast:
    """Writes everybody's digits as PNG folders with label files, and says who has which."""
    copiers = (COPIER, DISGUISER)
    split = split_digits(
        seed,
        submitted=[OWN_OF_COPIERS if name in copiers else SUBMITTED_EACH for name in NAMES],
        private=[0 if name == LAZY else PRIVATE_EACH for name in NAMES],
        held_back=HELD_BACK,
    )
    own = dict(zip(NAMES, split.submissions, strict=True))
    private = dict(zip(NAMES, split.private, strict=True))
    players = {name: _player(folder / name, name, own[name], private[name], seed) for name in NAMES}
    _add_copies(players[COPIER], folder, [own["ada"], own["ben"]], seed, disguise=False)
    _add_copies(players[DISGUISER], folder, [own["cyn"], own["dov"]], seed, disguise=True)
    extra = dict(zip(HONEST, skewed(split.rest, len(HONEST)), strict=True))
    partners = {}
    for name in HONEST:
        everything = private[name].joined(extra[name])
        partners[name] = folder / name / "training"
        write_folder(partners[name], everything.images, everything.labels)
    write_folder(folder / "held-back", split.held_back.images, split.held_back.labels)
    examples = sum(len(private[name]) + len(extra[name]) for name in HONEST)
    return Cast(players, own, partners, folder / "held-back", examples)


def _player(folder: Path, name: str, own: Share, private: Share, seed: int) -> Player:
    images, truth, trained_on = own.images, own.labels, private.labels
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

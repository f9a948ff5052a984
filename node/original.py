"""The earlier item that a likely copy resembles: fetched from its own author, and shown beside the copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from protocol.identity import KeyId, PersonId
from protocol.rows import ItemId, Part
from protocol.tasks.shown import Shown

# Beside the parts of the item, none of which has a name with a dot.
_FOLDER: Final = ".original"


@dataclass(frozen=True, slots=True)
class Original:
    """What the log says of it. Of one that was withdrawn since, nothing is left but its id."""

    item_id: ItemId
    author: PersonId
    keys: tuple[KeyId, ...]  # of the author's machines, one of which has the content
    compared: tuple[
        Part, ...
    ]  # by which copies are told; the others are none of its reviewers' business
    fingerprints: Mapping[str, bytes]  # of these, by name
    copy: ItemId  # the item that resembles it
    shown: Shown

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.compared)

    @property
    def parts(self) -> list[Part]:
        """In the order in which this reviewer sees those of the copy."""
        by_name = {part.name: part for part in self.compared}
        return [by_name[name] for name in self.shown.order(list(by_name))]

    def folder_in(self, folder: Path) -> Path:
        """Where its parts rest: they go with those of the copy."""
        return folder / self.copy.hex() / _FOLDER

    def path_in(self, folder: Path, part: str) -> Path:
        """Where a part rests, under the name that this reviewer knows."""
        return self.folder_in(folder) / self.shown.name_of(part)

    def is_in(self, folder: Path) -> bool:
        """Whether all of it is here."""
        paths = [self.path_in(folder, part.name) for part in self.compared]
        return bool(paths) and all(path.exists() for path in paths)

"""Writes the alarms of a store as files (node/alarmfile.py) into the node's folder:
`alarms/001-went-back.json`.

The database has the evidence first; a file that a crash left out is written at the next start. It is private
until its owner gives it to others, and holds nothing that others may not see.

An alarm of a rule that was broken can be seen by reading the log alone, so a copy of it lies beside the file.
"""

from __future__ import annotations

from pathlib import Path

from commonground.files import private_directory, replace_file
from node.alarmfile import RULE, AlarmFile, parse_alarm_file
from node.copy import StoredLog, write_copy
from node.keys import NodeKeys
from node.rows import AlarmRow
from node.store import Store
from protocol.log.link import NetworkLink


def path_of(folder: Path, alarm: AlarmRow) -> Path:
    """Where an alarm is, or will be, in the folder of a node's alarms."""
    return folder / f"{alarm.id:03d}-{alarm.kind}.json"


class AlarmFiles:
    """The folder of one node."""

    def __init__(
        self, store: Store, folder: Path, link: NetworkLink, keys: NodeKeys | None = None
    ) -> None:
        """Without keys, as where a command has not asked for the passphrase, the files name nobody."""
        self._store, self._folder, self._link, self._keys = store, folder, link, keys

    def write_missing(self) -> list[Path]:
        """Writes those that have no file yet, or one that nobody signed and we can; gives the files of the
        alarms that are open."""
        alarms = self._store.alarms(open_only=False)
        missing = [each for each in alarms if self._is_wanting(path_of(self._folder, each))]
        if missing:
            private_directory(self._folder)
            successors = tuple(row.envelope for row in self._store.entries_of("successor"))
        for alarm in missing:
            self._write(alarm, successors)
        return [path_of(self._folder, each) for each in alarms if not each.acknowledged]

    def _is_wanting(self, path: Path) -> bool:
        if not path.exists():
            return True
        return self._keys is not None and not parse_alarm_file(path.read_bytes()).by

    def _write(self, alarm: AlarmRow, successors: tuple[bytes, ...]) -> None:
        path, keys = path_of(self._folder, alarm), self._keys
        copy = path.with_suffix(".log")
        if alarm.kind == RULE and not copy.exists():
            write_copy(StoredLog(self._store, self._link.log_verifier), copy)
        file = AlarmFile(
            kind=alarm.kind,
            says=alarm.message,
            link=str(self._link.without_invitation()),
            raised_ms=alarm.raised_ms,
            evidence=alarm.evidence,
            successors=successors,
            copy=copy.name if alarm.kind == RULE else "",
            by=b"" if keys is None else keys.key,
        )
        replace_file(path, file.encode(None if keys is None else keys.sign))

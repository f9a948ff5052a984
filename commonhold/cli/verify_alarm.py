"""`commonhold verify --alarm FILE`: what an alarm proves, to somebody who has only the link."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from commonground.files import open_file
from commonhold.audit.alarm import Finding, check_alarm
from commonhold.cli.output import EXIT_TESTIMONY, emit, note
from commonhold.cli.verify_dataset import parse_key
from node.alarmfile import FILE_BYTES_MAX, AlarmFile, parse_alarm_file
from protocol.errors import ConfigError
from protocol.identity import KeyId, peer_id_of
from protocol.log.commitments import network_id


def check(path: Path, key: str, as_json: bool) -> None:
    """Checks an alarm and prints what it proves. `key`: a link, a key, or nothing: the one in the file."""
    alarm = _read(path)
    own = parse_key(alarm.link)  # the log's first key, in its link or alone
    if not key:
        note("the key came with the alarm; give the network link that you know instead")
    verifier = parse_key(key) if key else own
    finding = check_alarm(alarm, network_id(own.public_key), verifier, path.parent)
    data = {
        "ok": True,
        **asdict(finding),
        "kind": alarm.kind,
        "says": alarm.says,
        "log_key": str(verifier),
        "raised_ms": alarm.raised_ms,
        "by": alarm.by.hex(),
    }
    emit(data, as_json, lambda: _text(alarm, finding))
    if not finding.proven:
        raise typer.Exit(EXIT_TESTIMONY)


def _read(path: Path) -> AlarmFile:
    try:
        with open_file(path) as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}", "name a file of a node's folder alarms/"
        ) from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path} is larger than any alarm", "name a file that is one")
    return parse_alarm_file(data)


def _text(alarm: AlarmFile, finding: Finding) -> str:
    whose = f"raised by {peer_id_of(KeyId(alarm.by))}" if alarm.by else "no node signed it"
    return (
        f"{'PROVEN' if finding.proven else 'TESTIMONY'}: {alarm.kind}, {whose}\n"
        f"says         {alarm.says}\n"
        f"{'proves     ' if finding.proven else 'holds      '}  {finding.proves}\n"
        f"not proven   {finding.not_proven}"
    )

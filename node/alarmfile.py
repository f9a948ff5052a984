"""An alarm as a file: all that somebody who has only the network link needs, to see what the log did.

JSON, for people and programs:

    {"alarm": {"format", "kind", "says", "link", "raised_ms", "evidence", "successors", "copy"},
     "by", "signature"}

`link` is the network's, or its log's first verifier key alone. `evidence` is what was signed, byte for byte,
in the order of its kind; notes as text, everything else in base64. `successors` are the log's entries that
hand its key over, each signed by the key before, so that one leads from the link's key to the one that
signed. `copy` names the folder beside the file with the log, where one has to read it to see; else it is
empty. `by` is the key of the node that says all this, and signs it: where nothing proves an alarm, it is a
testimony, and one should know whose.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from protocol.depth import load_json
from protocol.errors import ConfigError, Reject
from protocol.identity import KeyId
from protocol.log.envelope import Envelope, Signer, signing_input, verify_signature

FORMAT: Final = "commonhold-alarm/1"
# Kinds that convince others, beside node.splitview.SPLIT_VIEW, with their evidence:
# the head before, the assurance that contradicts it, its proof;
WENT_BACK: Final = "went-back"
# our record, its receipt, a head, the hash of what the log has in its place, the proof of that;
BROKEN_RECEIPT: Final = "broken-receipt"
# a head, the entry that breaks a rule; the log is beside the file.
RULE: Final = "rule"
# Notes, envelopes and proofs; an envelope has 64 KiB at most, and there are a few.
FILE_BYTES_MAX: Final = 4 * 1024 * 1024
_KIND: Final = "alarm-file"
_BROKEN: Final = (
    "ask for the file again, or look whether it is one that `commonhold node alarms` names"
)


@dataclass(frozen=True, slots=True)
class AlarmFile:
    """What an alarm says."""

    kind: str
    says: str
    link: str
    raised_ms: int
    evidence: tuple[bytes, ...]
    successors: tuple[bytes, ...] = ()  # envelopes
    copy: str = ""
    by: bytes = b""  # the node's key; empty where nobody signed

    def encode(self, sign: Signer | None) -> bytes:
        """The file, signed in the name of `by` if there is one."""
        alarm = {
            "format": FORMAT,
            "kind": self.kind,
            "says": self.says,
            "link": self.link,
            "raised_ms": self.raised_ms,
            "evidence": [_shown(each) for each in self.evidence],
            "successors": [_shown(each) for each in self.successors],
            "copy": self.copy,
        }
        signature = b"" if sign is None else sign(signing_input(_KIND, _canonical(alarm)))
        whole = {"alarm": alarm, "by": self.by.hex(), "signature": signature.hex()}
        return f"{json.dumps(whole, indent=2, ensure_ascii=False)}\n".encode()


def parse_alarm_file(data: bytes) -> AlarmFile:
    """Reads one; raises ConfigError for what has not its form, or is not signed by whom it names."""
    try:
        whole = load_json(data)
        alarm, by = whole["alarm"], bytes.fromhex(whole["by"])
        if alarm["format"] != FORMAT:
            raise ConfigError(f"the alarm's format is {alarm['format']!r}", "upgrade commonhold")
        read = AlarmFile(
            kind=str(alarm["kind"]),
            says=str(alarm["says"]),
            link=str(alarm["link"]),
            raised_ms=int(alarm["raised_ms"]),
            evidence=tuple(map(_bytes_of, alarm["evidence"])),
            successors=tuple(map(_bytes_of, alarm["successors"])),
            copy=str(alarm["copy"]),
            by=by,
        )
        if not f"{read.kind}{read.says}{read.link}{read.copy}".isprintable():
            raise ConfigError("the alarm holds characters that nobody can see", _BROKEN)
        if by:
            signature = bytes.fromhex(whole["signature"])
            verify_signature(Envelope(_KIND, KeyId(by), _canonical(alarm), signature, data))
    except Reject as error:
        raise ConfigError("the alarm is not signed by the node that it names", _BROKEN) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError("the file is no alarm", _BROKEN) from error
    return read


def _canonical(alarm: dict[str, Any]) -> bytes:
    """What is signed: the same however the file is laid out."""
    return json.dumps(alarm, sort_keys=True, separators=(",", ":")).encode()


def _shown(part: bytes) -> dict[str, str]:
    try:
        text = part.decode()
    except UnicodeDecodeError:
        text = ""
    if text.endswith("\n") and all(each.isprintable() or each == "\n" for each in text):
        return {"note": text}
    return {"base64": base64.b64encode(part).decode()}


def _bytes_of(part: dict[str, str]) -> bytes:
    if "note" in part:
        return part["note"].encode()
    return base64.b64decode(part["base64"], validate=True)

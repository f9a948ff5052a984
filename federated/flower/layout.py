"""What processes of one job have to agree on: the server, the command that started it, the partners."""

from __future__ import annotations

from typing import Final

from flwr.common.constant import ErrorCode

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
SECRET_FILE: Final = "secret"  # noqa: S105
READY_FILE: Final = "ready.json"
PROCESS_HEADER: Final = (
    "x-commonhold-process"  # a name of the partner's process, drawn when it starts
)
SECRET_HEADER: Final = "x-commonhold-secret"  # noqa: S105

FLEET: Final = "/v1/fleet/"
RUNTIME: Final = "/v1/runtime/"
# Our own calls (calls.py): a message goes or comes with all that it holds.
FLEET_TAKE: Final = FLEET + "take-parcel"
FLEET_GIVE: Final = FLEET + "give-parcel"
RUNTIME_TAKE: Final = RUNTIME + "take-parcel"
RUNTIME_GIVE: Final = RUNTIME + "give-parcel"

# Flower parses a body before it knows who sent it. A model of 4 million floats fits; a larger one says so.
BODY_BYTES_MAX: Final = 16 * 1024 * 1024

REFUSED: Final = int(ErrorCode.MOD_FAILED_PRECONDITION)
"""Code of a partner's own refusal, in its words; errors of other codes are Flower's."""

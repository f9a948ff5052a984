"""What the process that serves and the command that started it have to agree on."""

from __future__ import annotations

from typing import Final

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
SECRET_FILE: Final = "secret"  # noqa: S105
READY_FILE: Final = "ready.json"
SECRET_HEADER: Final = "x-commonhold-secret"  # noqa: S105

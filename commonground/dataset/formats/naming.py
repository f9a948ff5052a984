"""Names of folders from names of labels, which may be anything that people write."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

# What Windows takes for a device whatever its ending is, or refuses in a name, at its end, or at all.
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_REFUSED: Final = re.compile(r'[<>:"/\\|?*%\x00-\x1f]|[. ]\Z|\A[. ]')
# Of common file systems, in bytes of UTF-8.
NAME_BYTES_MAX: Final = 255


def folder_name(label: str) -> str:
    """The label itself where every file system takes it; else with %XX for what they refuse, as in a URL.
    `label_of` gives the label again."""
    name = _REFUSED.sub(lambda found: quote(found[0], safe="").replace(".", "%2E"), label)
    if _DEVICES.fullmatch(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    return name


def label_of(name: str) -> str:
    """The label that a folder was named after."""
    return unquote(name)

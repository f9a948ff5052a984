"""Code: each language is a type of its own, told by its file's name, and any is plain text, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.contents import Contents
from node.drafts import PartSource
from protocol.errors import Reject
from protocol.limits import MEDIA_TYPES_MAX
from protocol.media import MEDIA, TEXT
from protocol.rows import PartTerms

CODE = {
    name: each.suffix
    for name, each in MEDIA.items()
    if name.startswith("text/x-") or name in ("text/javascript", "application/sql")
}


def taken(folder: Path, suffix: str, *takes: str) -> str:
    path = folder / f"code{suffix}"
    path.write_bytes(b"a = 1;\r\n")
    source = PartSource(name="code", path=path)
    return Contents([PartTerms("code", takes, 1_000, False)]).check(source).media_type


@pytest.mark.parametrize(("name", "suffix"), CODE.items())
def test_a_campaign_takes_the_languages_that_it_names(
    tmp_path: Path, name: str, suffix: str
) -> None:
    assert taken(tmp_path, suffix, name) == name
    assert taken(tmp_path, suffix, *CODE) == name
    assert taken(tmp_path, suffix, TEXT.name) == TEXT.name
    other = "text/x-python" if name != "text/x-python" else "text/x-csrc"
    with pytest.raises(Reject, match=f"code is {name}".replace("+", r"\+")):
        taken(tmp_path, suffix, other)


def test_a_part_may_take_all_of_them() -> None:
    assert 15 == len(CODE) < MEDIA_TYPES_MAX

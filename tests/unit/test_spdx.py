"""Licences: one identifier of the SPDX list, to the letter; anything else with what was meant."""

from __future__ import annotations

import pytest

from protocol.errors import Reject
from protocol.limits import SPDX_CHARS_MAX
from protocol.spdx import DEPRECATED, LICENCES, LIST_VERSION, check_licence, nearest_licences


@pytest.mark.parametrize("identifier", ["CC-BY-4.0", "CC0-1.0", "MIT", "ODbL-1.0", "Apache-2.0"])
def test_identifiers_are_accepted(identifier: str) -> None:
    check_licence(identifier)


@pytest.mark.parametrize(
    ("identifier", "message", "advice"),
    [
        ("CC-BY-4", "is no SPDX identifier", "Did you mean CC-BY-4.0?"),
        ("cc-by-4.0", "is no SPDX identifier", "Did you mean CC-BY-4.0?"),
        ("CC BY-SA 4.0", "is no SPDX identifier", "Did you mean CC-BY-SA-4.0?"),
        ("mit", "is no SPDX identifier", "Did you mean MIT?"),
        ("Appache-2", "is no SPDX identifier", "Apache-2.0"),
        ("GPL-3.0", "deprecated by SPDX", "Did you mean GPL-3.0-only or GPL-3.0-or-later?"),
        ("GPL-2.0+", "deprecated by SPDX", "GPL-2.0-or-later"),
        ("LicenseRef-mine", "nobody can look up", "Choose a licence"),
        ("MIT OR Apache-2.0", "is an expression", "Name one of them"),
        ("MIT ", "is no SPDX identifier", "MIT"),
        ("", "1 to 64 characters, not 0", "spdx.org"),
        ("x" * 65, "1 to 64 characters, not 65", "spdx.org"),
        ("\x1b[31m", r"'\\x1b\[31m' is no SPDX identifier", "spdx.org"),
    ],
)
def test_others_are_refused_with_the_nearest(identifier: str, message: str, advice: str) -> None:
    with pytest.raises(Reject, match=message) as refusal:
        check_licence(identifier)
    assert advice in refusal.value.advice


def test_the_nearest_are_newest_first_and_few() -> None:
    assert nearest_licences("cc-by") == ["CC-BY-4.0", "CC-BY-3.0", "CC-BY-2.5"]
    assert nearest_licences("") == []


def test_the_list_is_whole() -> None:
    assert (LIST_VERSION, len(LICENCES), len(DEPRECATED)) == ("3.25.0", 634, 32)
    assert not LICENCES & DEPRECATED
    assert max(map(len, LICENCES)) <= SPDX_CHARS_MAX
    assert len({each.lower() for each in LICENCES}) == len(LICENCES)

"""Looks for known vulnerabilities in every release that the locks pin, with pip-audit: `make audit`.

Exit status: 0 none is known, 1 some are, 75 the data cannot be had. pip-audit itself reports success for
packages that its source does not know. So it is first asked for one that everybody knows, and a package that
it skips counts as not looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import Any, Final

from tools.locks import LOCKS, read_lock

# CVE-2018-18074. Whoever does not know it knows nothing.
KNOWN_TO_BE_VULNERABLE: Final = "requests==2.19.0"
EXIT_FOUND: Final = 1
EXIT_NO_DATA: Final = 75  # EX_TEMPFAIL
SECONDS_MAX: Final = 600


class NoDataError(Exception):
    """What is known about vulnerabilities cannot be asked from here."""


def releases() -> list[str]:
    """`name==version` of all pins, without the part that only names a build: torch 2.13.0+cpu is 2.13.0."""
    pins = {(pin.name, pin.version.partition("+")[0]) for lock in LOCKS for pin in read_lock(lock)}
    return [f"{name}=={version}" for name, version in sorted(pins)]


def look_up(wanted: list[str]) -> list[dict[str, Any]]:
    """What pip-audit says of each release. Raises NoDataError where it cannot say anything of one."""
    found: list[dict[str, Any]] = []
    while wanted:  # pip-audit takes one release of a package at a time; the locks have two of some
        by_name = {release.partition("==")[0]: release for release in wanted}
        found += _ask(list(by_name.values()))
        wanted = [release for release in wanted if release not in by_name.values()]
    skipped = [each["name"] for each in found if "vulns" not in each]
    if skipped:
        raise NoDataError(f"nothing is known about {', '.join(skipped)}")
    return found


def _ask(wanted: list[str]) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(wanted) + "\n")
        file.flush()
        options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", *options, "--requirement", file.name],
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    try:
        answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise NoDataError(done.stderr.strip().rpartition("\n")[2]) from None
    return answer


def main() -> int:
    """Asks, and says what was found; gives the exit status."""
    try:
        [known] = look_up([KNOWN_TO_BE_VULNERABLE])
        if not known["vulns"]:
            raise NoDataError(f"its source knows nothing of {KNOWN_TO_BE_VULNERABLE}")
        found = look_up(releases())
    except (NoDataError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"pip-audit cannot look for vulnerabilities here: {error}\n")
        return EXIT_NO_DATA
    lines = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, "
        f"fixed in {', '.join(vulnerability['fix_versions']) or 'no release'}\n"
        for each in found
        for vulnerability in each["vulns"]
    ]
    sys.stdout.writelines(lines or [f"no known vulnerability in {len(found)} releases\n"])
    return EXIT_FOUND if lines else 0


if __name__ == "__main__":
    sys.exit(main())

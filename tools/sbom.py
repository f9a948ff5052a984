"""Writes the software bill of materials, sbom.cdx.json (CycloneDX 1.6), from the locks: `make sbom`.

It names every package of the Python locks and of contracts/package-lock.json, and who wants it. What only
development and tests need has the scope `excluded`. The hashes of the files that may be installed are in the
locks, and the bill names those by their SHA-256. It holds no time and no random number: the same locks make
the same bytes, and a test compares.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locks import LOCKS, PROJECT, ROOT, Pin, read_lock

BILL: Final = ROOT / "sbom.cdx.json"
NPM_LOCK: Final = "contracts/package-lock.json"
# What people install; the other extras are for those who develop.
ROLES: Final = ("node", "coordinator", "chain", "dataset", "export", "federated", "demo")
# An npm package whose source is in the contracts that the wheel ships; the others compile and test them.
COMPILED_IN: Final = "@openzeppelin/contracts"

Component = dict[str, Any]


def render() -> str:
    """The whole bill, as it is written."""
    pins = {pin_ref(pin): pin for lock in LOCKS for pin in read_lock(lock)}
    required = _required(pins)
    wanted: dict[str, set[str]] = {ref: set() for ref in (PROJECT, *pins)}
    for ref, pin in pins.items():
        for name in pin.wanted_by:
            for other in (PROJECT,) if name == PROJECT else _refs(pins, name):
                wanted[other].add(ref)
    components = [_python(pin, required) for pin in pins.values()]
    npm = [_npm(path, package) for path, package in _npm_packages()]
    return _encode(components + list({each["bom-ref"]: each for each in npm}.values()), wanted)


def pin_ref(pin: Pin) -> str:
    """A pin's package URL, which is also its name within the bill."""
    return f"pkg:pypi/{pin.name}@{quote(pin.version)}"


def _refs(pins: Mapping[str, Pin], name: str) -> list[str]:
    """Usually one; several where the locks, or platforms, differ."""
    return [ref for ref, pin in pins.items() if pin.name == name]


def _required(pins: Mapping[str, Pin]) -> set[str]:
    """Names of what any role installs, by the reasons that the locks give."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = project["dependencies"] + [
        text for role in ROLES for text in project["optional-dependencies"][role]
    ]
    found = {str(canonicalize_name(Requirement(text).name)) for text in texts} - {PROJECT}
    while more := {
        pin.name for pin in pins.values() if pin.name not in found and found & {*pin.wanted_by}
    }:
        found |= more
    return found


def _python(pin: Pin, required: Iterable[str]) -> Component:
    return {
        "type": "library",
        "bom-ref": pin_ref(pin),
        "name": pin.name,
        "version": pin.version,
        "scope": "required" if pin.name in required else "excluded",
        "purl": pin_ref(pin),
    }


def _npm_packages() -> list[tuple[str, dict[str, Any]]]:
    packages = json.loads((ROOT / NPM_LOCK).read_text(encoding="utf-8"))["packages"]
    return [(path, package) for path, package in packages.items() if path]


def _npm(path: str, package: Mapping[str, Any]) -> Component:
    name = path.rpartition("node_modules/")[2]
    purl = f"pkg:npm/{quote(name)}@{package['version']}"
    algorithm, _, digest = package["integrity"].partition("-")
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": package["version"],
        "scope": "required" if name == COMPILED_IN else "excluded",
        "hashes": [
            {
                "alg": algorithm.upper().replace("SHA", "SHA-"),
                "content": base64.b64decode(digest).hex(),
            }
        ],
        "purl": purl,
    }


def _encode(components: list[Component], wanted: Mapping[str, set[str]]) -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    about = {
        "type": "application",
        "bom-ref": PROJECT,
        "name": PROJECT,
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": f"pkg:pypi/{PROJECT}@{project['version']}",
        "externalReferences": [
            {
                "type": "build-meta",
                "url": name,
                "hashes": [
                    {
                        "alg": "SHA-256",
                        "content": hashlib.sha256((ROOT / name).read_bytes()).hexdigest(),
                    }
                ],
            }
            for name in (*LOCKS, NPM_LOCK)
        ],
    }
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": about},
        "components": sorted(components, key=lambda each: str(each["bom-ref"])),
        "dependencies": [
            {"ref": ref, "dependsOn": sorted(others)} for ref, others in sorted(wanted.items())
        ],
    }
    return json.dumps(bill, indent=1) + "\n"


if __name__ == "__main__":
    BILL.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {BILL.name}\n")

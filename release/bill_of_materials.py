"""Writes the bill of materials of a release: ``python release/bill_of_materials.py FILE`` (CycloneDX 1.6, JSON).

Every package that `pip install equipoise` brings, with its version, licence and what it needs in turn, and, marked as
optional, those of the extras for users. Versions are those of ``constraints.txt``; the environment it runs in must
hold the same, else the list would be of something that nobody installs. The same inputs give the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
OF_USERS = ("dask", "postgres")  # extras that a user may ask for; `dev` is for whoever changes the program
# Licences as classifiers name them, for packages that state no SPDX expression.
_OF_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_OF_WORDS = {
    "MIT": "MIT",
    "BSD": "BSD-3-Clause",
    "new BSD License": "BSD-3-Clause",
    "LGPL with exceptions": "LGPL-3.0-only",
    "ZPL 2.1": "ZPL-2.1",
}


def pinned() -> dict[str, str]:
    """Package to version, as ``constraints.txt`` has them."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").split()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def licence_of(found: Distribution) -> str:
    """The licence that a package states: an SPDX expression where it gives one, else in its own words."""
    stated = found.metadata.get("License-Expression")
    if stated:
        return str(stated)
    named = [line.rpartition(" :: ")[2] for line in found.metadata.get_all("Classifier") or [] if "License ::" in line]
    known = sorted({_OF_CLASSIFIERS[name] for name in named if name in _OF_CLASSIFIERS})
    if known:
        return " AND ".join(known)
    words = (found.metadata.get("License") or "").strip().splitlines()
    return _OF_WORDS.get(words[0], words[0]) if words else "not stated"


def needs(requirements: Iterable[str], extras: frozenset[str]) -> set[str]:
    """Names of the packages that requirements ask for here, with those extras."""
    found = set()
    for text in requirements:
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            found.add(canonicalize_name(one.name))
    return found


def closure(first: Iterable[str]) -> dict[str, set[str]]:
    """Every package that those requirements lead to, with what each of them needs directly."""
    found: dict[str, set[str]] = {}
    waiting = {(canonicalize_name(r.name), frozenset(r.extras)) for r in map(Requirement, first)}
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        seen.add((name, extras))
        asked = distribution(name).requires or []
        direct = needs(asked, extras)
        found[name] = found.get(name, set()) | direct
        for text in asked:
            one = Requirement(text)
            key = (canonicalize_name(one.name), frozenset(one.extras))
            if key[0] in direct and key not in seen:
                waiting.add(key)
    return found


def component(name: str, *, optional: bool) -> dict[str, Any]:
    """One package as CycloneDX has it."""
    found = distribution(name)
    licence = licence_of(found)
    is_expression = re.fullmatch(r"[\w.+-]+(?:\s+(?:AND|OR|WITH)\s+[\w.+-]+)*|\(.*\)", licence) is not None
    return {
        "type": "library",
        "bom-ref": purl(name, found.version),
        "name": found.metadata["Name"],
        "version": found.version,
        "scope": "optional" if optional else "required",
        "licenses": [{"expression": licence}] if is_expression else [{"license": {"name": licence}}],
        "purl": purl(name, found.version),
    }


def purl(name: str, version: str) -> str:
    """A package's address in any tool's words."""
    return f"pkg:pypi/{name}@{version}"


def bill() -> dict[str, Any]:
    """The whole bill; raises ValueError where the environment is not what ``constraints.txt`` pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    required = closure(project["dependencies"])
    asked = [text for extra in OF_USERS for text in project["optional-dependencies"][extra]]
    every = closure([*project["dependencies"], *asked])
    pins = pinned()
    wrong = [n for n in sorted(every) if pins.get(n) != distribution(n).version]
    if wrong:
        raise ValueError(f"not as constraints.txt has them: {', '.join(wrong)}")
    itself = purl("equipoise", project["version"])
    refs = {name: purl(name, distribution(name).version) for name in every}
    direct = needs([*project["dependencies"], *asked], frozenset())
    made: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": itself,
                "name": "equipoise",
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
                "purl": itself,
            }
        },
        "components": [component(name, optional=name not in required) for name in sorted(every)],
        "dependencies": [
            {"ref": itself, "dependsOn": sorted(refs[name] for name in direct)},
            *({"ref": refs[n], "dependsOn": sorted(refs[d] for d in every[n])} for n in sorted(every)),
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(made, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{number}", **made}


def main() -> int:
    """Write the bill to the file named."""
    try:
        made = bill()
    except (ValueError, PackageNotFoundError) as error:
        print(f"{error}; run it where `pip install --constraint constraints.txt '.[dev]'` was done", file=sys.stderr)
        return 1
    Path(sys.argv[1]).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"{sys.argv[1]}: {len(made['components'])} packages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

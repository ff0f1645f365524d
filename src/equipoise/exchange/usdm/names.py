"""Names of a USDM file as names of the protocol language, each once."""

from __future__ import annotations

import re

_LONGEST = 80


class UniqueNames:
    """Makes names in kebab-case; one that is taken gets a number."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def of(self, name: str, label: str | None = None) -> str:
        """The name, or where it has no letter or figure its label."""
        base = slug(name) or slug(label or "") or "unnamed"
        made, k = base, 2
        while made in self.taken:
            made, k = f"{base[: _LONGEST - 4]}-{k}", k + 1
        self.taken.add(made)
        return made


def slug(text: str) -> str:
    """Lower case, with hyphens where there are no letters and figures."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-")

"""Records of real trials that are shipped with the program."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_MAPPINGS = {"smoking-cessation": "smoking-cessation/mapping.yaml"}


def bundled_records(protocol_id: str) -> Path | None:
    """The mapping file of the records shipped for a protocol; ``None`` where none are."""
    name = _MAPPINGS.get(protocol_id)
    return None if name is None else Path(str(files("equipoise") / "examples" / name))

"""Where the keys lie: the folders that are named, or those of the environment."""

from __future__ import annotations

import os
from pathlib import Path


def pharmacy_folder(named: str | os.PathLike[str] | None) -> Path:
    """The pharmacy's folder: as named, or that of EQUIPOISE_PHARMACY."""
    from equipoise.conduct.keys.vault import UNNAMED

    return Path(named or os.environ.get("EQUIPOISE_PHARMACY") or UNNAMED)

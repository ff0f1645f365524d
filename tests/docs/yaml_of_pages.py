"""YAML of documentation pages as plain values."""

from __future__ import annotations

from typing import Any

from equipoise.protocol.text.yaml_lines import read_yaml_text


def values(text: str) -> Any:
    """The values of a snippet."""
    return read_yaml_text(text)[0]

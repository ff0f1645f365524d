"""The terms of a model in words: covariates by their labels, a category once, time by what it stands for.

>>> term_words(("arm", "week-2", "route: smoked", "route: other"), {"route": "Route of use"}, ("week-2", "week-4"))
['arm', 'visit', 'route of use']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.dataset import Comparison


def term_words(names: Sequence[str], labels: Mapping[str, str], visits: Sequence[str] = ()) -> list[str]:
    """Names of columns as words, each term once: levels of a category are one term, and so are visits."""
    out: list[str] = []
    for name in names:
        arm, crossed, of = name.partition(" x ")
        column = of if crossed else name
        base = column.split(": ")[0]
        word = "visit" if column in visits else _within_a_sentence(labels.get(base, base.replace("-", " ")))
        out.append(f"{arm} by {word}" if crossed else word)
    return list(dict.fromkeys(out))


def adjusted_words(comparison: Comparison, kept: NDArray[np.bool_] | None = None, *, how: str = "adjusted for") -> str:
    """``, adjusted for age and route of use``, of the covariates that were ``kept``; nothing where there are none."""
    names = comparison.names
    if kept is not None:
        names = tuple(name for name, there in zip(names, kept, strict=True) if there)
    return f", {how} {joined(term_words(names, comparison.labels))}" if names else ""


def stratified_words(comparison: Comparison) -> str:
    """``, stratified by site``, of a model with a baseline of its own in each stratum; nothing without strata."""
    names = comparison.names[len(comparison.names) - comparison.n_strata_columns :]
    return f", stratified by {joined(term_words(names, comparison.labels))}" if names else ""


def joined(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _within_a_sentence(label: str) -> str:
    """The label with a small first letter, unless it begins with a name of capitals or an initial."""
    return label if len(label) > 1 and (label[1].isupper() or label[1] in "-:") else label[:1].lower() + label[1:]

"""What kinds of endpoint have in common: the shapes that they come to, and the rules for what is missing.

A kind itself is its model class in ``protocol.language.endpoints``, which says its shape, whether it looks at use, its
missing rules and its window in these words, and its derivation, registered in ``endpoints.derivation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Shape = Literal["binary", "number", "time-to-event", "repeated-binary", "repeated-score", "ordered", "hierarchical"]

BINARY: Shape = "binary"
NUMBER: Shape = "number"
TIME_TO_EVENT: Shape = "time-to-event"
REPEATED_BINARY: Shape = "repeated-binary"
REPEATED_SCORE: Shape = "repeated-score"
ORDERED: Shape = "ordered"
HIERARCHICAL: Shape = "hierarchical"

# What an endpoint of a shape may have beside: counts over days observed, events that end the risk of its own.
Trait = Literal["counts", "competing"]
COUNTS: Trait = "counts"
COMPETING: Trait = "competing"

# What a shape is called where results of several endpoints stand side by side, in the order in which they do.
SHAPES: Mapping[Shape, str] = {
    BINARY: "yes or no",
    NUMBER: "number",
    TIME_TO_EVENT: "time to event",
    REPEATED_BINARY: "repeated result",
    REPEATED_SCORE: "repeated score",
    ORDERED: "ordered categories",
    HIERARCHICAL: "hierarchy of outcomes",
}

# What of an endpoint is imputed, where anything is: by which model, and what a shift is added to.
ImputedAs = Literal["yes-or-no", "scores", "counts", "times"]
# Rules for what follows the end of observation that are rules of their own, by what is imputed.
REFERENCE_RULES: Mapping[ImputedAs, tuple[str, ...]] = {
    "yes-or-no": ("jump-to-reference", "copy-reference", "copy-increments"),
    "scores": ("jump-to-reference", "copy-reference", "copy-increments"),
    "counts": ("jump-to-reference", "copy-reference"),
    "times": ("jump-to-reference",),
}

# Rules that an endpoint may carry, and those that only an analysis of two arms can.
MissingRule = Literal["is-use", "is-use-after-dropout", "is-no-use", "is-missing", "last-observation"]
AnalysisMissingRule = Literal[
    "is-use", "is-use-after-dropout", "is-no-use", "is-missing", "last-observation", "worst-case", "best-case"
]
BY_ARM = ("worst-case", "best-case")
EVERY_RULE: frozenset[str] = frozenset(
    {"is-use", "is-use-after-dropout", "is-no-use", "is-missing", "last-observation", *BY_ARM}
)

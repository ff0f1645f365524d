"""How far must missing results be worse before the conclusion changes? Methods: ``docs/methods/tipping_point.md``.

>>> search = find_tipping_point(lambda shift: shift < 1.3, up_to=4.0, steps=4)
>>> round(search.shift, 3), search.tried[0]
(1.301, 0.0)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# The bracket is halved until it is this part of the range tried.
PRECISION = 1.0 / 2000.0


@dataclass(frozen=True, slots=True)
class TippingShift:
    """``shift`` is the smallest shift found at which the conclusion differs; ``None`` where it holds throughout."""

    shift: float | None
    holds_at: float
    """The largest shift below ``shift`` at which the conclusion was seen to hold (``up_to`` where it always does)."""
    tried: tuple[float, ...]
    """Every shift tried, in order of size; those of the path and those of the bisection."""


def find_tipping_point(holds: Callable[[float], bool], *, up_to: float, steps: int = 10) -> TippingShift:
    """The first change of a conclusion on the path from 0 to ``up_to`` (which may be negative), eq. (TP-1), (TP-2).

    ``holds`` says whether the conclusion at a shift is that at shift 0. The path is walked in equal ``steps``, and the
    first step within which the conclusion changes is halved down to a 2,000th of the range. A change and a change
    back within one step go unseen. Raises ValueError for a range of nothing.

    Source: Yan, Lee, Li (2009), J Biopharm Stat 19:1085.
    """
    if up_to == 0.0 or steps < 1:
        raise ValueError("a tipping point is searched for over a range, in at least one step")
    tried = [0.0]
    below, above = 0.0, None
    for step in range(1, steps + 1):
        shift = up_to * step / steps
        tried.append(shift)
        if not holds(shift) and above is None:
            above = shift  # the rest of the path is still walked, for the figure
        elif above is None:
            below = shift
    if above is not None:
        while abs(above - below) > abs(up_to) * PRECISION:
            middle = 0.5 * (below + above)
            tried.append(middle)
            if holds(middle):
                below = middle
            else:
                above = middle
    return TippingShift(above, below, tuple(sorted(tried, key=abs)))

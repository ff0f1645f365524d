"""What a model went without, by name: levels that nobody has, levels of which the data say nothing, covariates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.analysis.dataset import Floats, Mask

Factors = Sequence[tuple[str, tuple[str, ...]]]


def name_left_out(factors: Factors, columns: Floats, *, kept: Mask, informative: Mask, silent: Mask) -> tuple[str, ...]:
    """Names of what a fit left out, ``site: Øst (nobody)``.

    ``factors`` are the covariates in order with the levels of those that are categories, the first of which has no
    column; ``columns`` (n, k) are theirs in the rows of the fit. ``kept`` (k,) columns of the fit that was made,
    ``informative`` (n,) its rows, ``silent`` (k,) columns without a coefficient.
    """
    out: list[str] = []
    begin = 0
    for name, levels in factors:
        stop = begin + (len(levels) - 1 if levels else 1)
        block, here = columns[:, begin:stop], np.arange(begin, stop)
        if not levels:
            if not kept[begin] or (silent[begin] and not informative.all()):
                out.append(name)
        else:
            out += _of_category(name, levels, block, kept[here], informative)
        begin = stop
    if not out:
        words = [f"{name}: {level}" for name, levels in factors for level in (levels[1:] if levels else ("",))]
        out = [words[j].removesuffix(": ") for j in np.flatnonzero(silent)]
    return tuple(out)


def _of_category(name: str, levels: tuple[str, ...], block: Floats, kept: Mask, informative: Mask) -> list[str]:
    members = np.column_stack([block.sum(axis=1) == 0.0, block == 1.0])
    out, explained = [], set()
    for place, level in enumerate(levels):
        own = members[:, place]
        if not own.any():
            out.append(f"{name}: {level} (nobody)")
        elif not informative[own].any():
            out.append(f"{name}: {level} (no information)")
        else:
            continue
        explained.add(place)
    # Of levels that repeat another covariate the later ones go; as many columns as levels have been named already.
    more = int((~kept).sum()) - len(explained)
    for column in np.flatnonzero(~kept):
        place = int(column) + 1
        if more > 0 and place not in explained:
            out.append(f"{name}: {levels[place]}")
            more -= 1
    return out

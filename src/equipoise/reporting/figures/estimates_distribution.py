"""Where the estimates of simulated trials lie: a histogram, with the published value and no effect marked."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from equipoise.reporting.svg import (
    SMALL,
    WIDTH,
    Drawing,
    linear_scale,
    log_scale,
    log_ticks,
    nice_ticks,
    tick_text,
)

N_BINS = 48


def draw_estimates_distribution(
    estimates: Sequence[float],
    *,
    title: str,
    is_ratio: bool,
    published: float | None = None,
    n_without: int = 0,
    token: str = "arm1",
) -> Drawing:
    """Histogram of the estimates there are, ratios on a logarithmic axis; the outermost half per cent go to the ends.

    ``n_without`` replicates have no estimate; the figure says so.
    """
    values = np.asarray(estimates, dtype=np.float64)
    values = values[np.isfinite(values) & (values > 0 if is_ratio else True)]
    if values.size < 2:
        raise ValueError("a distribution needs at least two estimates")
    null = 1.0 if is_ratio else 0.0
    on = np.log if is_ratio else np.asarray
    scaled = on(values)
    marks = [float(on(null)), *([float(on(published))] if published is not None else [])]
    low, high = (float(q) for q in np.quantile(scaled, [0.005, 0.995]))
    low, high = min(low, *marks), max(high, *marks)
    span = (high - low) or 1.0
    low, high = low - 0.04 * span, high + 0.04 * span
    counts, edges = np.histogram(np.clip(scaled, low, high), N_BINS, (low, high))
    left, right, top, bottom = 8.0, WIDTH - 8.0, 40.0, 216.0
    back = math.exp if is_ratio else float
    x = (log_scale if is_ratio else linear_scale)(back(low), back(high), left, right)
    tallest = max(1, int(counts.max()))
    drawing = Drawing(alt=_alt(values, title, published, is_ratio, n_without), height=bottom + 46)
    for count, begin, end in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        height = (bottom - top) * count / tallest
        x0, x1 = x(back(begin)), x(back(end))
        drawing.rect(x0 + 0.5, bottom - height, max(0.5, x1 - x0 - 1.0), height, token, opacity=0.75)
    ticks = log_ticks(back(low), back(high)) if is_ratio else nice_ticks(low, high)
    drawing.line(left, bottom, right, bottom, "ink")
    for tick in ticks:
        if back(low) <= tick <= back(high):
            drawing.line(x(tick), bottom, x(tick), bottom + 4, "ink")
            drawing.text(x(tick), bottom + 17, tick_text(tick), "muted", size=10.5, anchor="middle")
    drawing.line(x(null), top - 6, x(null), bottom, "muted", dash="3 3")
    drawing.text(x(null), top - 12, "no effect", "muted", size=SMALL, anchor="middle")
    median = float(np.median(values))
    drawing.line(x(median), top, x(median), bottom, "ink", width=1.6)
    drawing.text(x(median), top - 26, f"median {tick_text(round(median, 2))}", size=SMALL, anchor="middle")
    if published is not None:
        drawing.diamond(x(published), bottom, 6)
        drawing.text(x(published), bottom + 34, f"published {tick_text(published)}", size=SMALL, anchor="middle")
    if n_without:
        drawing.text(right, bottom + 34, f"{n_without:,} without an estimate", "amber", size=SMALL, anchor="end")
    return drawing


def _alt(values: np.ndarray, title: str, published: float | None, is_ratio: bool, n_without: int) -> str:
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
    said = f"{title}: {values.size:,} estimates, median {middle:.3g}, central 95% from {low:.3g} to {high:.3g}."
    if published is not None:
        share = float((values < published).mean())
        said += f" The published {published:g} lies above {100 * share:.0f}% of them."
    if n_without:
        said += f" {n_without:,} replicates have no estimate."
    return said

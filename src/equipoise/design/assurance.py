"""Will a replication succeed? Published results of a protocol as priors. Methods: ``docs/methods/assurance.md``.

A replication succeeds when its test is significant, two-sided at the stated level, in the direction of the published
effect. Sizes are of the whole trial, split as the published one was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.foundation.errors import DesignError, Problem, listed
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Published
from equipoise.protocol.vocabulary.scales import is_ratio
from equipoise.stats.design.assurance import NormalPrior, assure_normal, assure_two_proportions
from equipoise.stats.design.exact_power import exact_power, fisher_verdicts, towards

CODES = {
    "D110": "There is no published result to use as a prior.",
    "D111": "The replication has fewer participants than arms.",
}
SIZES = (55, 110, 200)
# Believed of the effect -> what it is in words.
PRIORS = {
    "published-exactly": "the published estimate is the truth",
    "published-interval": "the published interval says what is known: centre and width on the scale of analysis",
    "half-effect": "half the published effect, on the scale of analysis, as uncertain as the published interval",
    "sceptical": "the published interval seen by a sceptic who gave an effect that large a probability of 0.05",
    "published-counts": "the published counts by arm, both risks uncertain (Jeffreys), Fisher's test, exact",
    "published-counts-exactly": "the published risks are the truth, Fisher's test, exact",
}


@dataclass(frozen=True)
class Replication:
    """Probability that one more trial of ``n_total`` participants succeeds, under one belief."""

    published: str  # id of the published result
    endpoint: str
    prior: str  # a key of PRIORS
    n_total: int
    n_control: int
    n_experimental: int
    probability: float
    effect: float | None = None  # centre of the belief, on the natural scale (an odds ratio as such)
    standard_error: float | None = None  # of the replication's estimate, on the scale of analysis


@dataclass(frozen=True)
class ReplicationTable:
    """All rows, what was assumed, and what could not be made a prior and why."""

    rows: tuple[Replication, ...]
    alpha_two_sided: float
    n_published: int
    left_out: tuple[tuple[str, str], ...]


def replication_table(
    protocol: Protocol, *, sizes: Sequence[int] = SIZES, alpha_two_sided: float = 0.05
) -> ReplicationTable:
    """Every published result of two arms, each prior that it supports, each size.

    From an effect with limits: the standard error shrinks with the root of the size, (AS-6), the same design and
    analysis assumed. From counts: exact. Raises D110 without any published result, D111 for a size below the arms.
    """
    if not protocol.model.published:
        raise DesignError(
            Problem(
                "D110",
                "published",
                f"The protocol {protocol.id} states no published result.",
                "a published effect with its limits, or counts by arm",
                "Add one under published.",
            )
        )
    too_small = [n for n in sizes if n < len(protocol.model.arms)]
    if too_small:
        raise DesignError(
            Problem(
                "D111",
                "sizes",
                f"{listed(too_small)} participants cannot fill {len(protocol.model.arms)} arms.",
                f"at least {len(protocol.model.arms)}",
            )
        )
    n_control, n_experimental = _published_arms(protocol)
    rows: list[Replication] = []
    left_out: list[tuple[str, str]] = []
    for id, result in protocol.model.published.items():
        added = [*_by_effect(id, result, sizes, n_control, n_experimental, alpha_two_sided)]
        added += _by_counts(protocol, id, result, sizes, n_control, n_experimental, alpha_two_sided)
        if not added:
            left_out.append((id, "neither an effect with limits nor counts of two arms"))
        rows += added
    return ReplicationTable(tuple(rows), alpha_two_sided, n_control + n_experimental, tuple(left_out))


def prior_of(result: Published) -> NormalPrior | None:
    """The published interval as a normal prior on the scale of analysis; ``None`` without limits."""
    if result.effect is None or result.effect.value.lower is None or result.effect.value.upper is None:
        return None
    stated = result.effect.value
    values = [float(stated.value), float(result.effect.value.lower), float(result.effect.value.upper)]
    if is_ratio(result.effect.summary.replace("-", "_")):
        if min(values) <= 0.0:
            return None
        values = [math.log(v) for v in values]
    return NormalPrior.of_interval(values[0], values[1], values[2], level=float(result.effect.level))


def split(n_total: int, n_control: int, n_experimental: int) -> tuple[int, int]:
    """``n_total`` in the published proportion, rounded to whole participants, at least one an arm."""
    experimental = round(n_total * n_experimental / (n_control + n_experimental))
    experimental = min(max(experimental, 1), n_total - 1)
    return n_total - experimental, experimental


def _published_arms(protocol: Protocol) -> tuple[int, int]:
    """Participants randomized, first arm against the rest, as the protocol states them."""
    counts = [arm.n.usable for arm in protocol.model.arms.values() if arm.n is not None]
    known = [int(n) for n in counts if n is not None]
    if len(known) != 2:
        raise DesignError(
            Problem(
                "D110",
                "arms",
                f"Replications are calculated for two arms of known size; {len(known)} of "
                f"{len(protocol.model.arms)} arms have one.",
                "two arms, each with n",
            )
        )
    return known[0], known[1]


def _by_effect(
    id: str, result: Published, sizes: Sequence[int], n0: int, n1: int, alpha_two_sided: float
) -> list[Replication]:
    published = prior_of(result)
    if published is None or published.mean == 0.0:
        return []
    assert result.effect is not None
    of_ratio = is_ratio(result.effect.summary.replace("-", "_"))
    sign = math.copysign(1.0, published.mean)
    positive = NormalPrior(sign * published.mean, published.standard_deviation)
    beliefs = {
        "published-exactly": NormalPrior(positive.mean, 0.0),
        "published-interval": positive,
        "half-effect": positive.shrunk(0.5),
        "sceptical": positive.sceptical(),
    }
    rows = []
    for name, prior in beliefs.items():
        for n in sizes:
            control, experimental = split(n, n0, n1)
            error = published.standard_deviation * math.sqrt((n0 + n1) / n)  # (AS-6)
            centre = sign * prior.mean
            rows.append(
                Replication(
                    id,
                    result.endpoint,
                    name,
                    n,
                    control,
                    experimental,
                    assure_normal(prior, error, alpha_one_sided=0.5 * alpha_two_sided),
                    math.exp(centre) if of_ratio else centre,
                    error,
                )
            )
    return rows


def _by_counts(
    protocol: Protocol, id: str, result: Published, sizes: Sequence[int], n0: int, n1: int, alpha_two_sided: float
) -> list[Replication]:
    counts = [result.arms[arm].usable for arm in protocol.model.arms if arm in result.arms]
    known = [count for count in counts if count is not None]
    if len(known) != 2:
        return []
    control, experimental = known
    risk0, risk1 = control.count / control.total, experimental.count / experimental.total
    rows = []
    for n in sizes:
        m0, m1 = split(n, n0, n1)
        rejects = fisher_verdicts(m0, m1, alpha=alpha_two_sided)
        counts_published = (control.count, control.total, experimental.count, experimental.total)
        uncertain = assure_two_proportions(rejects, *counts_published)
        certain = float(exact_power(towards(rejects, risk1 - risk0), risk0, risk1))
        rows.append(Replication(id, result.endpoint, "published-counts", n, m0, m1, uncertain))
        rows.append(Replication(id, result.endpoint, "published-counts-exactly", n, m0, m1, certain))
    return sorted(rows, key=lambda row: row.prior)

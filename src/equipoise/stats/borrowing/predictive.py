"""What earlier studies say of the next one: the meta-analytic-predictive distribution, by quadrature.

Methods: ``docs/methods/borrowing.md``, eqs. (BO-1) and (BO-2). No random numbers: the same studies give the same prior.

>>> from equipoise.stats.borrowing.predictive import HalfNormal, Studies, predict
>>> studies = Studies.of_events([23, 12, 19, 9, 39, 6, 9, 10], [107, 44, 51, 39, 139, 20, 78, 35])
>>> prior = predict(studies, HalfNormal(1.0))
>>> round(prior.mean, 3), round(prior.sd, 3)  # of a proportion, in the next study
(0.256, 0.087)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.interpolate import CubicSpline

FloatArray = NDArray[np.float64]
Outcome = Literal["events", "counts", "means"]

_N_TAU, _N_MU, _N_INNER, _N_GRID = 60, 120, 21, 1001
_N_HERMITE = 24
_NOTHING = 1e-13  # weight below which a value of the heterogeneity no longer counts


class Spread(Protocol):
    """A distribution of the standard deviation between studies."""

    @property
    def scale(self) -> float:
        """How large it usually is."""
        ...

    def log_density(self, tau: FloatArray) -> FloatArray:
        """Log density, up to a constant."""
        ...


@dataclass(frozen=True)
class HalfNormal:
    """|N(0, scale)|: two thirds of it below ``scale``."""

    scale: float

    def __post_init__(self) -> None:
        _require_scale(self.scale)

    def log_density(self, tau: FloatArray) -> FloatArray:
        """Log density, up to a constant."""
        return np.asarray(-0.5 * (tau / self.scale) ** 2)


@dataclass(frozen=True)
class HalfT:
    """|t| with ``df`` degrees of freedom times ``scale``; df 1 is half-Cauchy."""

    scale: float
    df: float

    def __post_init__(self) -> None:
        _require_scale(self.scale)
        if not (np.isfinite(self.df) and self.df >= 1.0):
            raise ValueError(f"degrees of freedom of at least 1, got {self.df}")

    def log_density(self, tau: FloatArray) -> FloatArray:
        """Log density, up to a constant."""
        return np.asarray(-0.5 * (self.df + 1.0) * np.log1p((tau / self.scale) ** 2 / self.df))


def _require_scale(scale: float) -> None:
    if not (np.isfinite(scale) and scale > 0.0):
        raise ValueError(f"a scale above 0, got {scale}")


@dataclass(frozen=True)
class Studies:
    """Results of one arm in earlier studies: events of participants, counts over time, or means with their errors.

    The studies' own parameters differ normally on the scale of analysis: log odds, log rates, means.
    """

    outcome: Outcome
    result: FloatArray  # (k,) events, counts or means
    size: FloatArray  # (k,) participants, time, or standard errors

    @classmethod
    def of_events(cls, events: ArrayLike, n: ArrayLike) -> Studies:
        """Events of so many participants."""
        studies = cls._of("events", events, n)
        if (studies.result > studies.size).any() or (studies.result % 1).any() or (studies.size % 1).any():
            raise ValueError("events are whole numbers, at most as many as participants")
        return studies

    @classmethod
    def of_counts(cls, events: ArrayLike, exposure: ArrayLike) -> Studies:
        """Events over so much time.

        Raises ``ValueError`` where no study has any event: nothing then says where the rate lies on its logarithm.
        """
        studies = cls._of("counts", events, exposure)
        if (studies.result % 1).any() or not studies.result.sum() > 0:
            raise ValueError("events are whole numbers, and at least one study has some")
        return studies

    @classmethod
    def of_means(cls, mean: ArrayLike, standard_error: ArrayLike) -> Studies:
        """Means (log hazards, any normal estimate) with standard errors that are taken as known."""
        return cls._of("means", mean, standard_error)

    @classmethod
    def _of(cls, outcome: Outcome, result: ArrayLike, size: ArrayLike) -> Studies:
        one, other = (np.atleast_1d(np.asarray(values, dtype=np.float64)) for values in (result, size))
        if one.ndim != 1 or one.shape != other.shape or not one.size:
            raise ValueError("one result and one size per study, and at least one study")
        if not (np.isfinite(one).all() and np.isfinite(other).all() and (other > 0).all()):
            raise ValueError("finite results, and sizes above 0")
        if outcome != "means" and (one < 0).any():
            raise ValueError("counts are not below 0")
        return cls(outcome, one, other)

    @property
    def k(self) -> int:
        """Studies."""
        return int(self.result.shape[0])

    def rough(self) -> tuple[FloatArray, FloatArray]:
        """(k,) estimates and variances on the scale of analysis, half an event added."""
        if self.outcome == "means":
            return self.result, self.size**2
        if self.outcome == "counts":
            return np.log((self.result + 0.5) / self.size), 1.0 / (self.result + 0.5)
        gone = self.size - self.result
        return np.log((self.result + 0.5) / (gone + 0.5)), 1.0 / (self.result + 0.5) + 1.0 / (gone + 0.5)

    def slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(..., k) log likelihood (up to a constant), slope and curvature at ``theta``, of counted results."""
        if self.outcome == "counts":
            expected = self.size * np.exp(np.minimum(theta, 300.0))  # beyond it nothing is left of the likelihood
            return self.result * theta - expected, self.result - expected, -expected
        p = special.expit(theta)
        value = self.result * theta - self.size * np.logaddexp(0.0, theta)
        return value, self.result - self.size * p, -self.size * p * (1.0 - p)


@dataclass(frozen=True)
class Centre:
    """Normal prior of the mean of the studies' parameters, on the scale of analysis."""

    mean: float
    sd: float


def usual_centre(studies: Studies) -> Centre:
    """What is assumed of the mean where nothing is stated: log odds N(0, 2), which spreads proportions over 2 to 98 %;
    a rate or a mean normal about that of all studies together, so wide that it decides nothing.
    """
    if studies.outcome == "events":
        return Centre(0.0, 2.0)
    if studies.outcome == "counts":
        return Centre(float(np.log(studies.result.sum() / studies.size.sum())), 5.0)
    y, v = studies.rough()
    return Centre(float(np.average(y, weights=1.0 / v)), 100.0 * float(np.sqrt(v.max()) + np.ptp(y)))


@dataclass(frozen=True)
class Predictive:
    """The distribution of the next study's parameter: values and weights that add up to 1, on both scales.

    ``theta`` is on the scale of analysis (log odds, log rate, mean), ``value`` the proportion, rate or mean.
    ``density`` is that of ``value``. ``tau`` summarises the standard deviation between studies.
    """

    outcome: Outcome
    theta: FloatArray
    weight: FloatArray
    value: FloatArray
    log_density: FloatArray
    tau_mean: float
    tau_quantiles: tuple[float, float, float]  # 2.5, 50 and 97.5 %
    centre_mean: float  # of the mean of studies, on the scale of analysis
    centre_sd: float

    @property
    def mean(self) -> float:
        """Of the proportion, rate or mean in the next study."""
        return float((self.weight * self.value).sum())

    @property
    def sd(self) -> float:
        """Of the same."""
        return float(np.sqrt((self.weight * (self.value - self.mean) ** 2).sum()))

    def quantile(self, probability: float) -> float:
        """Of the same, by interpolation between the values of the grid."""
        total = np.cumsum(self.weight) - 0.5 * self.weight
        return float(np.interp(probability, total, self.value))


def predict(studies: Studies, spread: Spread, centre: Centre | None = None) -> Predictive:
    """The meta-analytic-predictive distribution of one arm's parameter in the next study, eq. (BO-2).

    Heterogeneity and mean are integrated over by Gauss and Legendre's rule, the parameter of each study with counted
    results by adaptive Gauss and Hermite's. Source: Neuenschwander and others (2010) Clinical Trials 7:5.
    """
    prior = centre or usual_centre(studies)
    u, weight_u = np.polynomial.legendre.leggauss(_N_TAU)
    u, weight_u = 0.5 * (u + 1.0), 0.5 * weight_u
    tau = spread.scale * u / (1.0 - u)
    of_tau = np.log(weight_u * spread.scale / (1.0 - u) ** 2) + spread.log_density(tau)
    mu, log_joint = _over_means(studies, tau, prior)
    log_mass = special.logsumexp(log_joint, axis=1) + of_tau
    mass = np.exp(log_mass - special.logsumexp(log_mass))
    kept = mass > _NOTHING
    tau, mass, mu, log_joint = tau[kept], mass[kept] / mass[kept].sum(), mu[kept], log_joint[kept]
    share = np.exp(log_joint - special.logsumexp(log_joint, axis=1, keepdims=True))  # (n_tau, n_mu)
    means = (share * mu).sum(axis=1)
    variances = (share * (mu - means[:, None]) ** 2).sum(axis=1)
    theta, step = _grid(means, np.sqrt(variances + tau**2), mass)
    density = np.zeros_like(theta)
    for j in range(tau.shape[0]):
        density += mass[j] * _next_study(theta, tau[j], mu[j], share[j], float(np.sqrt(variances[j])))
    weight = density * step
    density, weight = density / weight.sum(), weight / weight.sum()
    value, slope = _scaled(studies.outcome, theta)
    there = weight > 1e-300
    with np.errstate(divide="ignore"):
        log_density = np.log(density) - slope
    centre_mean = float((mass * means).sum())
    centre_variance = float((mass * (variances + (means - centre_mean) ** 2)).sum())
    total = np.cumsum(mass) - 0.5 * mass
    quantiles = tuple(float(np.interp(q, total, tau)) for q in (0.025, 0.5, 0.975))
    return Predictive(
        outcome=studies.outcome,
        theta=theta[there],
        weight=weight[there],
        value=value[there],
        log_density=log_density[there],
        tau_mean=float((mass * tau).sum()),
        tau_quantiles=quantiles,  # type: ignore[arg-type]
        centre_mean=centre_mean,
        centre_sd=float(np.sqrt(centre_variance)),
    )


def _scaled(outcome: Outcome, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The parameter on its own scale, and the logarithm of its slope in ``theta``."""
    if outcome == "means":
        return theta, np.zeros_like(theta)
    if outcome == "counts":
        return np.exp(theta), theta
    return special.expit(theta), special.log_expit(theta) + special.log_expit(-theta)


def _over_means(studies: Studies, tau: FloatArray, prior: Centre) -> tuple[FloatArray, FloatArray]:
    """(n_tau, n_mu) values of the mean, and the log of what data and prior give it, weights of the rule included."""
    y, v = studies.rough()
    precision = 1.0 / (v + tau[:, None] ** 2)
    total = precision.sum(axis=1) + 1.0 / prior.sd**2
    middle = ((precision * y).sum(axis=1) + prior.mean / prior.sd**2) / total
    reach = 9.0 / np.sqrt(total)
    nodes, weight = np.polynomial.legendre.leggauss(_N_MU)
    low, high = middle - reach, middle + reach
    for _ in range(20):
        half = 0.5 * (high - low)
        mu = low[:, None] + half[:, None] * (nodes + 1.0)
        log_joint = _log_marginal(studies, mu, tau) - 0.5 * ((mu - prior.mean) / prior.sd) ** 2
        # With few events the rough interval may miss a part: each end is moved until nothing is left there.
        best = log_joint.max(axis=1)
        short = [log_joint[:, end] > best - 27.0 for end in (0, -1)]
        if not np.any(short):
            break
        low, high = low - np.where(short[0], half, 0.0), high + np.where(short[1], half, 0.0)
    return mu, log_joint + np.log(weight * half[:, None])


def _log_marginal(studies: Studies, mu: FloatArray, tau: FloatArray) -> FloatArray:
    """(n_tau, n_mu) log likelihood of a mean and a heterogeneity, the studies' own parameters integrated over."""
    out = np.zeros_like(mu)
    spread = tau[:, None]
    if studies.outcome == "means":
        for y, s in zip(studies.result, studies.size, strict=True):
            total = s**2 + spread**2
            out += -0.5 * (y - mu) ** 2 / total - 0.5 * np.log(total)
        return out
    nodes, weight = np.polynomial.hermite_e.hermegauss(_N_INNER)
    log_weight = np.log(weight) + 0.5 * nodes**2
    rough, variance = studies.rough()
    for i in range(studies.k):
        one = Studies(studies.outcome, studies.result[i : i + 1], studies.size[i : i + 1])
        start = (rough[i] / variance[i] + mu / spread**2) / (1.0 / variance[i] + 1.0 / spread**2)
        mode = _mode(one, start, mu, spread)
        curvature = -one.slopes(mode)[2] + 1.0 / spread**2
        sd = 1.0 / np.sqrt(curvature)
        theta = mode[..., None] + sd[..., None] * nodes
        prior = -0.5 * ((theta - mu[..., None]) / spread[..., None]) ** 2
        terms = one.slopes(theta)[0] + prior + log_weight
        out += special.logsumexp(terms, axis=-1) + np.log(sd) - np.log(spread)
    return out


def _mode(one: Studies, start: FloatArray, mu: FloatArray, spread: FloatArray) -> FloatArray:
    """The maximum of a study's likelihood times its normal distribution: concave, so that Newton's steps get there."""
    theta = start
    for _ in range(60):
        _, slope, curvature = one.slopes(theta)
        step = (slope - (theta - mu) / spread**2) / (curvature - 1.0 / spread**2)
        # A step of more than one unit on a logarithm is shortened: further out the quadratic says nothing.
        step = np.clip(step, -1.0, 1.0)
        theta = theta - step
        if np.abs(step).max() < 1e-10:
            break
    return theta


def _grid(means: FloatArray, sds: FloatArray, mass: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Values of the next study's parameter and their steps: dense in the middle, sparse in the tails."""
    middle = float((mass * means).sum())
    order = np.argsort(sds)
    half = float(np.interp(0.25, np.cumsum(mass[order]), sds[order]))
    heavy = mass > 1e-9
    furthest = float((np.abs(means - middle) + 8.5 * sds)[heavy].max())
    t = np.linspace(-np.arcsinh(furthest / half), np.arcsinh(furthest / half), _N_GRID)
    return middle + half * np.sinh(t), half * np.cosh(t) * (t[1] - t[0])


def _next_study(theta: FloatArray, tau: float, mu: FloatArray, share: FloatArray, sd: float) -> FloatArray:
    """Density of the next study's parameter for one heterogeneity."""
    widest = float(np.diff(mu).max())
    if tau > 1.5 * widest:
        z = (theta[:, None] - mu) / tau
        return np.asarray(np.exp(-0.5 * z * z) @ share / (tau * np.sqrt(2.0 * np.pi)))
    # The normal distribution is narrower than the steps of the rule: the smooth posterior of the mean is read there.
    base, weight = np.polynomial.legendre.leggauss(mu.shape[0])
    half = 0.5 * (mu[-1] - mu[0]) / float(base[-1])
    with np.errstate(divide="ignore"):
        log_density = np.log(share) - np.log(weight * half)
    there = np.isfinite(log_density)
    curve = CubicSpline(mu[there], log_density[there])
    nodes, own = np.polynomial.hermite_e.hermegauss(_N_HERMITE)
    at = theta[:, None] - tau * nodes
    inside = (at >= mu[there][0]) & (at <= mu[there][-1])
    density = np.where(inside, np.exp(curve(np.where(inside, at, mu[there][0]))), 0.0)
    return np.asarray(density @ own / np.sqrt(2.0 * np.pi))


def describe(prior: Predictive) -> dict[str, Any]:
    """Plain values for results and tables; the mean of a rate may not exist, and is not given."""
    of_rate = prior.outcome == "counts"
    return {
        "mean": None if of_rate else prior.mean,
        "sd": None if of_rate else prior.sd,
        "quantiles": [prior.quantile(q) for q in (0.025, 0.5, 0.975)],
        "between_studies": {"mean": prior.tau_mean, "quantiles": list(prior.tau_quantiles)},
    }

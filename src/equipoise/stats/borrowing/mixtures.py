"""Mixtures of conjugate distributions: what is believed of a proportion, a mean or a rate before and after a trial.

Methods: ``docs/methods/borrowing.md``. A mixture of ``k`` components is three arrays whose last axis is ``k``; axes
before it are trials, so that one prior and ten thousand posteriors are the same thing.

>>> from equipoise.stats.borrowing.mixtures import Mixture
>>> prior = Mixture.of("beta", weights=[0.8, 0.2], first=[11.0, 1.0], second=[32.0, 1.0])
>>> posterior = prior.after_events(events=1, n=6)
>>> [round(float(w), 3) for w in posterior.weights]
[0.858, 0.142]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

FloatArray = NDArray[np.float64]
Family = Literal["beta", "normal", "gamma"]
# Components of less weight than this no longer widen the range that integrals are taken over.
_NEGLIGIBLE = 1e-12
_REACH = 10.0  # standard deviations of a component, where its variance is made even, to either side of its centre
_FEWEST = 160  # as many as the corner of a uniform distribution needs
_NODES_EACH = 3.0  # nodes of an integral a standard deviation of the narrowest component


@dataclass(frozen=True)
class Mixture:
    """A mixture: of beta distributions (``first``, ``second`` are their parameters), of normal ones (mean, standard
    deviation) or of gamma ones (shape, rate).
    """

    family: Family
    weights: FloatArray  # (..., k)
    first: FloatArray
    second: FloatArray

    @classmethod
    def of(cls, family: Family, weights: ArrayLike, first: ArrayLike, second: ArrayLike) -> Mixture:
        """A mixture from numbers; weights are made to add up to 1.

        Raises ``ValueError`` where weights are negative or all 0, or a parameter is none of its family.
        """
        w, a, b = (np.asarray(values, dtype=np.float64) for values in (weights, first, second))
        if not (w.shape == a.shape == b.shape) or w.ndim == 0:
            raise ValueError("weights and parameters need one entry per component")
        positive = (b > 0).all() and (family == "normal" or (a > 0).all())
        if (w < 0).any() or not (w.sum(axis=-1) > 0).all() or not positive or not np.isfinite([w, a, b]).all():
            raise ValueError(f"no mixture of {family} distributions: {w}, {a}, {b}")
        return cls(family, w / w.sum(axis=-1, keepdims=True), a, b)

    @property
    def n_components(self) -> int:
        """Components."""
        return int(self.weights.shape[-1])

    def with_weak(self, weak: Mixture, weight: float) -> Mixture:
        """This mixture with a weak one beside it that has ``weight`` of the whole, eq. (BO-4); 0 and 1 leave one out.

        >>> Mixture.of("beta", [1.0], [11.0], [32.0]).with_weak(Mixture.of("beta", [1.0], [1.0], [1.0]), 0.2).weights
        array([0.8, 0.2])
        """
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"a weight lies between 0 and 1, got {weight}")
        parts = [(self, 1.0 - weight), (weak, weight)]
        used = [(part, share) for part, share in parts if share > 0.0]
        return Mixture.of(
            self.family,
            np.concatenate([share * part.weights for part, share in used]),
            np.concatenate([part.first for part, _ in used]),
            np.concatenate([part.second for part, _ in used]),
        )

    # -----------------------------------------------------------------------------------------------------------------
    # Moments and densities

    @property
    def component_means(self) -> FloatArray:
        """(..., k)."""
        if self.family == "beta":
            return self.first / (self.first + self.second)
        return self.first if self.family == "normal" else self.first / self.second

    @property
    def component_variances(self) -> FloatArray:
        """(..., k)."""
        if self.family == "normal":
            return self.second**2
        if self.family == "gamma":
            return self.first / self.second**2
        total = self.first + self.second
        return self.first * self.second / (total**2 * (total + 1.0))

    @property
    def mean(self) -> FloatArray:
        """(...,)."""
        return np.asarray((self.weights * self.component_means).sum(axis=-1))

    @property
    def variance(self) -> FloatArray:
        """(...,)."""
        own = self.component_means
        about = (own - self.mean[..., None]) ** 2
        return np.asarray((self.weights * (self.component_variances + about)).sum(axis=-1))

    def log_densities(self, x: ArrayLike) -> FloatArray:
        """(..., k) log density of each component; ``x`` has the axes before the last."""
        return component_log_densities(self, np.asarray(x, dtype=np.float64)[..., None])

    def log_density(self, x: ArrayLike) -> FloatArray:
        """Log density of the mixture."""
        with np.errstate(divide="ignore"):
            return np.asarray(special.logsumexp(self.log_densities(x) + np.log(self.weights), axis=-1))

    def below(self, x: ArrayLike) -> FloatArray:
        """P(value <= ``x``)."""
        return np.asarray((self.weights * self._tails(np.asarray(x, dtype=np.float64)[..., None], upper=False)).sum(-1))

    def above(self, x: ArrayLike) -> FloatArray:
        """P(value > ``x``), without the loss of figures of 1 - P(value <= x)."""
        return np.asarray((self.weights * self._tails(np.asarray(x, dtype=np.float64)[..., None], upper=True)).sum(-1))

    def _tails(self, x: FloatArray, *, upper: bool) -> FloatArray:
        if self.family == "normal":
            z = (x - self.first) / self.second
            return np.asarray(special.ndtr(-z if upper else z))
        if self.family == "gamma":
            scaled = np.maximum(x, 0.0) * self.second
            return np.asarray(special.gammaincc(self.first, scaled) if upper else special.gammainc(self.first, scaled))
        inside = np.clip(x, 0.0, 1.0)
        if upper:
            # The same by symmetry: SciPy's complement is ten times as slow.
            return np.asarray(special.betainc(self.second, self.first, 1.0 - inside))
        return np.asarray(special.betainc(self.first, self.second, inside))

    def quantile(self, probability: float) -> FloatArray:
        """(...,) by bisection on the scale on which the components' variance is even."""
        if not 0.0 < probability < 1.0:
            raise ValueError(f"a probability lies between 0 and 1, got {probability}")
        low, high = range_of(self)
        for _ in range(90):
            middle = 0.5 * (low + high)
            is_low = self.below(from_even(self.family, middle)) < probability
            low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
        return from_even(self.family, 0.5 * (low + high))

    # -----------------------------------------------------------------------------------------------------------------
    # What data make of it

    def after_events(self, events: ArrayLike, n: ArrayLike) -> Mixture:
        """The posterior of a proportion after ``events`` of ``n``, eq. (BO-5); (n_trials,) give so many posteriors."""
        self._require("beta")
        y, size = (np.asarray(values, dtype=np.float64)[..., None] for values in (events, n))
        a, b = self.first + y, self.second + size - y
        return self._updated(a, b, special.betaln(a, b) - special.betaln(self.first, self.second))

    def after_counts(self, events: ArrayLike, exposure: ArrayLike) -> Mixture:
        """The posterior of a rate after ``events`` in so much time, eq. (BO-5)."""
        self._require("gamma")
        y, time = (np.asarray(values, dtype=np.float64)[..., None] for values in (events, exposure))
        a, b = self.first + y, self.second + time
        before = special.gammaln(self.first) - self.first * np.log(self.second)
        return self._updated(a, b, special.gammaln(a) - a * np.log(b) - before)

    def after_mean(self, mean: ArrayLike, standard_error: ArrayLike) -> Mixture:
        """The posterior of a mean after a mean with a standard error that is taken as known, eq. (BO-5)."""
        self._require("normal")
        m, s = (np.asarray(values, dtype=np.float64)[..., None] for values in (mean, standard_error))
        spread = np.hypot(self.second, s)
        precision = 1.0 / self.second**2 + 1.0 / s**2
        centre = (self.first / self.second**2 + m / s**2) / precision
        log_marginal = -0.5 * ((m - self.first) / spread) ** 2 - np.log(spread)
        return self._updated(centre, 1.0 / np.sqrt(precision), log_marginal)

    def _updated(self, first: FloatArray, second: FloatArray, log_marginal: FloatArray) -> Mixture:
        with np.errstate(divide="ignore"):
            raw = np.log(self.weights) + log_marginal
        weights = np.exp(raw - special.logsumexp(raw, axis=-1, keepdims=True))
        return Mixture(self.family, weights, *np.broadcast_arrays(first, second))

    def _require(self, family: Family) -> None:
        if self.family != family:
            raise ValueError(f"these data are of a {family} mixture, not of a {self.family} one")

    def predicted_events(self, n: int) -> FloatArray:
        """(n + 1,) probability of each count of ``n`` by this mixture, before they are seen (beta-binomial)."""
        self._require("beta")
        y = np.arange(n + 1.0)[:, None]
        choose = special.gammaln(n + 1.0) - special.gammaln(y + 1.0) - special.gammaln(n - y + 1.0)
        a, b = self.first, self.second
        mass = np.exp(choose + special.betaln(a + y, b + n - y) - special.betaln(a, b))
        return np.asarray((self.weights * mass).sum(axis=-1))

    def predicted_counts(self, exposure: float, most: int) -> FloatArray:
        """(most + 1,) probability of each count in so much time (gamma-Poisson)."""
        self._require("gamma")
        y = np.arange(most + 1.0)[:, None]
        a, b = self.first, self.second
        log_mass = special.gammaln(a + y) - special.gammaln(a) - special.gammaln(y + 1.0)
        log_mass = log_mass + a * np.log(b / (b + exposure)) + y * np.log(exposure / (b + exposure))
        return np.asarray((self.weights * np.exp(log_mass)).sum(axis=-1))

    def as_dict(self) -> dict[str, Any]:
        """Plain values of one mixture, under the names of its family."""
        names = {"beta": ("a", "b"), "normal": ("mean", "sd"), "gamma": ("shape", "rate")}[self.family]
        return {
            "family": self.family,
            "weights": [float(w) for w in self.weights],
            names[0]: [float(v) for v in self.first],
            names[1]: [float(v) for v in self.second],
        }


def component_log_densities(mixture: Mixture, x: FloatArray) -> FloatArray:
    """Log density of each component; ``x`` is broadcast against the parameters."""
    a, b = mixture.first, mixture.second
    if mixture.family == "normal":
        z = (x - a) / b
        return np.asarray(-0.5 * z * z - np.log(b) - 0.5 * np.log(2.0 * np.pi))
    if mixture.family == "gamma":
        return np.asarray(a * np.log(b) - special.gammaln(a) + special.xlogy(a - 1.0, x) - b * x)
    return np.asarray(special.xlogy(a - 1.0, x) + special.xlog1py(b - 1.0, -x) - special.betaln(a, b))


def _even(mixture: Mixture) -> tuple[FloatArray, FloatArray]:
    """Centres and standard deviations of the components where their variance hardly hangs on the mean.

    That is the arcsine of the root of a proportion, the root of a rate, and a mean itself.
    """
    if mixture.family == "normal":
        return mixture.first, mixture.second
    if mixture.family == "gamma":
        return np.sqrt(mixture.component_means), 0.5 / np.sqrt(mixture.second)
    total = mixture.first + mixture.second
    return np.arcsin(np.sqrt(mixture.component_means)), 0.5 / np.sqrt(total + 1.0)


def from_even(family: Family, t: FloatArray) -> FloatArray:
    """From the even scale to the parameter's own."""
    if family == "normal":
        return np.asarray(t)
    return np.asarray(t * t if family == "gamma" else np.sin(t) ** 2)


def range_of(mixture: Mixture) -> tuple[FloatArray, FloatArray]:
    """The range of the even scale outside of which nothing is left."""
    centre, sd = _even(mixture)
    there = mixture.weights > _NEGLIGIBLE
    low = np.where(there, centre - _REACH * sd, np.inf).min(axis=-1)
    high = np.where(there, centre + _REACH * sd, -np.inf).max(axis=-1)
    if mixture.family == "normal":
        return low, high
    return np.maximum(low, 0.0), high if mixture.family == "gamma" else np.minimum(high, 0.5 * np.pi)


def nodes_of(mixture: Mixture, *others: Mixture) -> tuple[FloatArray, FloatArray]:
    """(..., n_nodes) values and weights: ``sum(weight * f(value))`` is the integral of f over the mixture's range.

    Gauss and Legendre's, on the even scale, as many as the narrowest component of these mixtures needs.
    """
    low, high = range_of(mixture)
    narrowest = min(float(_even(m)[1][m.weights > _NEGLIGIBLE].min()) for m in (mixture, *others))
    widest = float((high - low).max())
    n = int(min(6000, max(_FEWEST, np.ceil(_NODES_EACH * widest / narrowest))))
    base, weight = _legendre(n)
    half = 0.5 * (high - low)[..., None]
    t = low[..., None] + half * (base + 1.0)
    jacobian = {"normal": np.ones_like(t), "gamma": 2.0 * t, "beta": np.sin(2.0 * t)}[mixture.family]
    return from_even(mixture.family, t), half * weight * jacobian


_CHUNK = 32  # nodes of one panel; rules of higher order cost more to make than they give


def _legendre(n: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on (-1, 1): panels of Gauss and Legendre's rule."""
    base, weight = np.polynomial.legendre.leggauss(_CHUNK)
    panels = -(-n // _CHUNK)
    edges = np.linspace(-1.0, 1.0, panels + 1)
    half = 1.0 / panels
    return np.concatenate([edge + half * (base + 1.0) for edge in edges[:-1]]), np.tile(half * weight, panels)


def weak_of(family: Family, centre: float, unit: float = 1.0) -> Mixture:
    """The weak component that stands for knowing next to nothing, eq. (BO-3).

    Of a proportion the uniform distribution; of a mean a normal one about ``centre`` worth one participant (``unit``
    is the standard deviation of one); of a rate a gamma one about ``centre`` worth one event.
    """
    if family == "beta":
        return Mixture.of("beta", [1.0], [1.0], [1.0])
    if family == "normal":
        return Mixture.of("normal", [1.0], [centre], [unit])
    return Mixture.of("gamma", [1.0], [1.0], [1.0 / centre])


def one_component(family: Family, first: float, second: float) -> Mixture:
    """A single conjugate distribution."""
    return Mixture.of(family, [1.0], [first], [second])


def stack(mixtures: Sequence[Mixture]) -> Mixture:
    """Mixtures of equally many components as one, trial by trial."""
    return Mixture(
        mixtures[0].family,
        np.stack([m.weights for m in mixtures]),
        np.stack([m.first for m in mixtures]),
        np.stack([m.second for m in mixtures]),
    )

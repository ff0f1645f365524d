"""The addressed random numbers of :mod:`equipoise.foundation.seeds`, one at a time, for use inside kernels.

The same numbers, bit for bit, as :func:`~equipoise.foundation.seeds.uniforms` gives at the same address, and normal
numbers that agree with :func:`~equipoise.foundation.seeds.normals` to 2e-15 of their size; tests hold both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from equipoise.stats.kernels.compile import part

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_MASK = np.uint64(0xFFFFFFFF)
_32, _26, _6 = np.uint64(32), np.uint64(26), np.uint64(6)


class DrawKeys(NamedTuple):
    """Where in the addresses the random numbers of one data set's sweep begin."""

    seed: np.uint64
    replicate: np.uint64
    imputation: np.uint64
    sweep: np.uint64


@part("float64(uint64, uint64, uint64, uint64, uint64)")
def uniform_at(seed, replicate, participant, day, word):  # type: ignore[no-untyped-def]
    """A uniform number in (0, 1): Philox4x32-10 at key (seed, replicate), counter (participant, day, word, 0)."""
    c0, c1, c2, c3 = participant, day, word, np.uint64(0)
    k0, k1 = seed, replicate
    for _ in range(10):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0 = (p1 >> _32) ^ c1 ^ k0
        c2 = (p0 >> _32) ^ c3 ^ k1
        c1 = p1 & _MASK
        c3 = p0 & _MASK
        k0 = (k0 + _W0) & _MASK
        k1 = (k1 + _W1) & _MASK
    bits = ((c0 >> _6) << _26) | (c1 >> _6)
    return (np.float64(bits) + 0.5) * 2.0**-52


@part("float64(float64)")
def normal_quantile(u):  # type: ignore[no-untyped-def]
    """The standard normal quantile of ``u`` in (0, 1), relative error about 1e-16.

    Source: Wichura (1988), Appl Stat 37:477, algorithm AS 241, PPND16.
    """
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        a = 2.5090809287301226727e3
        a = a * r + 3.3430575583588128105e4
        a = a * r + 6.7265770927008700853e4
        a = a * r + 4.5921953931549871457e4
        a = a * r + 1.3731693765509461125e4
        a = a * r + 1.9715909503065514427e3
        a = a * r + 1.3314166789178437745e2
        a = a * r + 3.3871328727963666080e0
        b = 5.2264952788528545610e3
        b = b * r + 2.8729085735721942674e4
        b = b * r + 3.9307895800092710610e4
        b = b * r + 2.1213794301586595867e4
        b = b * r + 5.3941960214247511077e3
        b = b * r + 6.8718700749205790830e2
        b = b * r + 4.2313330701600911252e1
        return q * a / (b * r + 1.0)
    r = np.sqrt(-np.log(u if q < 0.0 else 1.0 - u))
    if r <= 5.0:
        r -= 1.6
        a = 7.74545014278341407640e-4
        a = a * r + 2.27238449892691845833e-2
        a = a * r + 2.41780725177450611770e-1
        a = a * r + 1.27045825245236838258e0
        a = a * r + 3.64784832476320460504e0
        a = a * r + 5.76949722146069140550e0
        a = a * r + 4.63033784615654529590e0
        a = a * r + 1.42343711074968357734e0
        b = 1.05075007164441684324e-9
        b = b * r + 5.47593808499534494600e-4
        b = b * r + 1.51986665636164571966e-2
        b = b * r + 1.48103976427480074590e-1
        b = b * r + 6.89767334985100004550e-1
        b = b * r + 1.67638483018380384940e0
        b = b * r + 2.05319162663775882187e0
    else:
        r -= 5.0
        a = 2.01033439929228813265e-7
        a = a * r + 2.71155556874348757815e-5
        a = a * r + 1.24266094738807843860e-3
        a = a * r + 2.65321895265761230930e-2
        a = a * r + 2.96560571828504891230e-1
        a = a * r + 1.78482653991729133580e0
        a = a * r + 5.46378491116411436990e0
        a = a * r + 6.65790464350110377720e0
        b = 2.04426310338993978564e-15
        b = b * r + 1.42151175831644588870e-7
        b = b * r + 1.84631831751005468180e-5
        b = b * r + 7.86869131145613259100e-4
        b = b * r + 1.48753612908506148525e-2
        b = b * r + 1.36929880922735805310e-1
        b = b * r + 5.99832206555887937690e-1
    value = a / (b * r + 1.0)
    return -value if q < 0.0 else value


@part("void(uint64, uint64, uint64, uint64, int64, float64[::1])")
def fill_normals(seed, replicate, day, word, n, out):  # type: ignore[no-untyped-def]
    """Standard normal numbers of participants 0 to ``n - 1`` at one day into ``out[:n]``."""
    for j in range(n):
        out[j] = normal_quantile(uniform_at(seed, replicate, np.uint64(j), day, word))

"""Linear algebra for matrices of a dozen columns, compiled, for use inside the estimators' kernels.

Calls into LAPACK from a kernel cost several seconds of compilation each and microseconds of dispatch; for the
handful of coefficients a trial model has, plain loops are faster. All matrices are row-major (C order) float64; only
the leading ``p`` by ``p`` block is touched, so one scratch array serves several sizes.
"""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import kernel, part

# A column counts as a repetition of earlier ones when what is left of it after removing them is below this fraction
# of its own length (R's lm uses 1e-7 on the same quantity).
RANK_TOLERANCE = 1e-9
# Squared sine of the angle to earlier columns above which a Gram matrix alone proves full rank in double precision.
_GRAM_IS_ENOUGH = 1e-6


@part("int64(float64[:, ::1], int64)")
def cholesky(a, p):  # type: ignore[no-untyped-def]
    """Replace the lower triangle of ``a[:p, :p]`` by its Cholesky factor; the upper triangle is left alone.

    Reads the lower triangle only. Returns -1 on success, else the first column whose pivot is not positive (relative
    to its diagonal, 1e-14) or not finite.
    """
    for j in range(p):
        diagonal = a[j, j]
        pivot = diagonal
        for k in range(j):
            pivot -= a[j, k] * a[j, k]
        if not (pivot > 1e-14 * diagonal) or pivot == np.inf:
            return j
        root = np.sqrt(pivot)
        a[j, j] = root
        for i in range(j + 1, p):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            a[i, j] = s / root
    return -1


@part("void(float64[:, ::1], float64[::1], int64)")
def solve_cholesky(factor, b, p):  # type: ignore[no-untyped-def]
    """Overwrite ``b[:p]`` by the solution x of L Lᵀ x = b, L being the lower triangle of ``factor``."""
    for i in range(p):
        s = b[i]
        for k in range(i):
            s -= factor[i, k] * b[k]
        b[i] = s / factor[i, i]
    for i in range(p - 1, -1, -1):
        s = b[i]
        for k in range(i + 1, p):
            s -= factor[k, i] * b[k]
        b[i] = s / factor[i, i]


@part("void(float64[:, ::1], float64[:, ::1], int64)")
def invert_cholesky(factor, out, p):  # type: ignore[no-untyped-def]
    """Write (L Lᵀ)⁻¹ into ``out[:p, :p]``, both triangles; ``out`` must not be ``factor``."""
    # out first holds L⁻¹ (lower), then its product with its transpose.
    for j in range(p):
        out[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, p):
            s = 0.0
            for k in range(j, i):
                s -= factor[i, k] * out[k, j]
            out[i, j] = s / factor[i, i]
    for i in range(p):
        for j in range(i + 1):
            s = 0.0
            for k in range(i, p):
                s += out[k, i] * out[k, j]
            # Row i of the lower triangle is final once every row below has been read for column j <= i: the sum
            # above reads rows k >= i only, so the upper triangle can hold the answer meanwhile.
            out[j, i] = s
    for i in range(p):
        for j in range(i):
            out[i, j] = out[j, i]


@part("float64(float64[:, ::1], int64)")
def log_determinant_cholesky(factor, p):  # type: ignore[no-untyped-def]
    """Logarithm of the determinant of L Lᵀ."""
    s = 0.0
    for i in range(p):
        s += np.log(factor[i, i])
    return 2.0 * s


@part("float64(float64[:, ::1], float64[:, ::1], int64)")
def condition_number(a, inverse, p):  # type: ignore[no-untyped-def]
    """Condition in the 1-norm after scaling to unit diagonal (so units of the covariates do not matter).

    ``a`` is read in its lower triangle only, ``inverse`` in full; the scaling is by the square roots of the diagonal
    of ``a``.
    """
    norm_a = 0.0
    norm_inverse = 0.0
    for j in range(p):
        s = 0.0
        t = 0.0
        for i in range(p):
            value = a[i, j] if i >= j else a[j, i]
            s += np.abs(value) / np.sqrt(a[i, i] * a[j, j])
            t += np.abs(inverse[i, j]) * np.sqrt(a[i, i] * a[j, j])
        norm_a = max(norm_a, s)
        norm_inverse = max(norm_inverse, t)
    return norm_a * norm_inverse


@kernel("int64(float64[:, ::1], int64, int64, int64, boolean[::1])")
def find_aliased_columns(design, first, stop, p, aliased):  # type: ignore[no-untyped-def]
    """Mark the columns of rows ``first:stop`` that earlier columns determine; returns how many there are.

    Columns are taken in order, so of two equal ones the second is marked, as in R. A column of zeros is marked. The
    Gram matrix settles clear cases; doubtful ones go through modified Gram-Schmidt on the rows themselves
    (tolerance ``RANK_TOLERANCE``), because squaring loses half the digits.
    """
    gram = np.zeros((p, p))
    for i in range(first, stop):
        for j in range(p):
            for k in range(j + 1):
                gram[j, k] += design[i, j] * design[i, k]
    clear = True
    for j in range(p):
        aliased[j] = False
        pivot = gram[j, j]
        diagonal = pivot
        if not diagonal > 0.0:
            clear = False
            break
        for k in range(j):
            pivot -= gram[j, k] * gram[j, k]
        if not pivot > _GRAM_IS_ENOUGH * diagonal:
            clear = False
            break
        root = np.sqrt(pivot)
        gram[j, j] = root
        for i in range(j + 1, p):
            s = gram[i, j]
            for k in range(j):
                s -= gram[i, k] * gram[j, k]
            gram[i, j] = s / root
    if clear:
        return 0
    n = stop - first
    kept = np.empty((p, max(n, 1)))
    n_kept = 0
    for j in range(p):
        length = 0.0
        for i in range(n):
            kept[n_kept, i] = design[first + i, j]
            length += kept[n_kept, i] * kept[n_kept, i]
        # Twice is enough (Kahan): the second pass removes what rounding left of the first.
        for _ in range(2):
            for k in range(n_kept):
                s = 0.0
                for i in range(n):
                    s += kept[k, i] * kept[n_kept, i]
                for i in range(n):
                    kept[n_kept, i] -= s * kept[k, i]
        left = 0.0
        for i in range(n):
            left += kept[n_kept, i] * kept[n_kept, i]
        if n_kept < n and left > RANK_TOLERANCE * RANK_TOLERANCE * length and length > 0.0:
            aliased[j] = False
            root = np.sqrt(left)
            for i in range(n):
                kept[n_kept, i] /= root
            n_kept += 1
        else:
            aliased[j] = True
    return p - n_kept

"""Philox4x32-10 against the known answers of its authors.

Vectors: Random123 (D. E. Shaw Research), file ``kat_vectors``, lines ``philox4x32 10`` (Salmon, Moraes, Dror and Shaw,
SC11, 2011). Equality is exact: the generator is integer arithmetic.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.foundation.seeds import MAX_SEED, normals, philox, require_seed, uniforms

ONES = 0xFFFFFFFF
KNOWN = [
    ("zeros", (0, 0), (0, 0, 0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ones", (ONES, ONES), (ONES,) * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        "digits of pi",
        (0xA4093822, 0x299F31D0),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("name", "key", "counter", "answer"), KNOWN, ids=[name for name, *_ in KNOWN])
def test_known_answers(name: str, key: tuple[int, int], counter: tuple[int, ...], answer: str) -> None:
    words = philox(key, counter)  # type: ignore[arg-type]
    assert " ".join(f"{int(word):08x}" for word in words) == answer


def test_known_answers_come_out_of_a_batch_too() -> None:
    keys = np.array([key for _, key, _, _ in KNOWN]).T
    counters = np.array([counter for _, _, counter, _ in KNOWN]).T
    words = philox((keys[0], keys[1]), tuple(counters))  # type: ignore[arg-type]
    got = [" ".join(f"{int(word[n]):08x}" for word in words) for n in range(3)]
    assert got == [answer for *_, answer in KNOWN]


def test_a_uniform_number_is_its_address_and_nothing_else() -> None:
    whole = uniforms(7, 3, np.arange(50)[:, None], np.arange(30)[None, :], purpose=2)
    assert whole.shape == (50, 30)
    assert whole[41, 17] == uniforms(7, 3, 41, 17, purpose=2)
    # More participants repeat the first ones.
    assert np.array_equal(uniforms(7, 3, np.arange(80)[:, None], np.arange(30)[None, :], purpose=2)[:50], whole)


def test_every_word_of_the_address_matters() -> None:
    base = (7, 3, 41, 17, 2, 0)
    numbers = {float(uniforms(*base))}
    for position in range(6):
        other = list(base)
        other[position] += 1
        numbers.add(float(uniforms(*other)))
    assert len(numbers) == 7


def test_uniform_numbers_are_inside_zero_and_one_and_even() -> None:
    u = uniforms(1, 0, np.arange(200_000), 0, purpose=0)
    assert u.min() > 0
    assert u.max() < 1
    # Four standard errors of mean and variance of 200,000: 4 * 0.2887 / 447 = 0.0026, 4 * 0.0745 / 447 = 0.0007.
    assert abs(u.mean() - 1 / 2) < 0.0026
    assert abs(u.var() - 1 / 12) < 0.0007
    z = normals(1, 0, np.arange(200_000), 0, purpose=0)
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 4 / np.sqrt(200_000)
    assert abs(z.std() - 1) < 4 / np.sqrt(400_000)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.5, "7", None, True])
def test_a_seed_is_a_whole_number_in_its_bounds(seed: object) -> None:
    with pytest.raises(ValueError, match="a seed is a whole number"):
        require_seed(seed)  # type: ignore[arg-type]


def test_the_bounds_of_a_seed_are_included() -> None:
    assert [require_seed(0), require_seed(MAX_SEED)] == [0, MAX_SEED]

"""Batches are cut so that every trial is done once, whatever the number of threads, and no failure is lost."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.packing import chunks_of_trials, run_over_trials


@pytest.mark.parametrize(("n_trials", "n_threads"), [(1, 2), (5, 2), (200, 2), (10_000, 4), (257, 64)])
def test_chunks_cover_every_trial_once_and_shrink_to_a_few_trials(n_trials: int, n_threads: int) -> None:
    bounds = chunks_of_trials(n_trials, n_threads)
    assert [first for first, _ in bounds] == [0, *(stop for _, stop in bounds[:-1])]
    assert bounds[-1][1] == n_trials
    sizes = [stop - first for first, stop in bounds]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= 4
    assert sizes[0] <= 256


def test_every_trial_is_done_once_on_any_number_of_threads() -> None:
    for threads in (1, 2, 5, None):
        done = np.zeros(333, dtype=np.int64)

        def kernel(first: int, stop: int, done: np.ndarray = done) -> None:
            done[first:stop] += 1

        run_over_trials(kernel, 333, threads=threads)
        assert np.all(done == 1)


@pytest.mark.parametrize("at", [0, 299])
def test_a_failure_of_any_chunk_is_raised_even_an_index_error(at: int) -> None:
    def kernel(first: int, stop: int) -> None:
        if first <= at < stop:
            raise IndexError(at)

    with pytest.raises(IndexError, match=str(at)):
        run_over_trials(kernel, 300, threads=2)

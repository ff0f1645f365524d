"""Where tasks are worked: threads here, or the workers of a Dask scheduler (SLURM, Kubernetes, other machines)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from equipoise.foundation.errors import DesignError, Problem

CODES = {
    "D011": "The executor cannot be reached.",
    "D012": "The program has no such executor.",
    "D013": "Dask is not installed.",
}
SMALLEST_DASK_TASK = 1000  # replicates; below, sending costs more than it saves
SECONDS_TO_CONNECT = 10


@dataclass(frozen=True)
class Workforce:
    """An executor with how many work on it and how large a task should be; ``None`` leaves both to the run."""

    executor: Executor | None = None
    workers: int | None = None
    task_size: int | None = None


@contextmanager
def open_executor(name: str = "threads") -> Iterator[Workforce]:
    """``threads`` (one a core), ``threads:N``, or the address of a Dask scheduler, ``tcp://host:8786``.

    Raises :class:`~equipoise.foundation.errors.DesignError` before anything is simulated: D011 nobody answers, D012 no
    such executor, D013 the package distributed is not there.
    """
    if name == "threads":
        yield Workforce()
        return
    if name.startswith("threads:"):
        number = name.removeprefix("threads:")
        if not number.isdigit() or int(number) < 1:
            raise DesignError(Problem("D012", "--executor", f"Found {name!r}.", "threads:N with N of 1 or more"))
        yield Workforce(workers=int(number))
        return
    if "://" not in name:
        expected = "threads, threads:N, or the address of a Dask scheduler such as tcp://host:8786"
        raise DesignError(Problem("D012", "--executor", f"Found {name!r}.", expected))
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise DesignError(
            Problem(
                "D013",
                "--executor",
                "The package distributed is not installed.",
                "it, for work on many machines",
                "Install equipoise with its extra: pip install 'equipoise[dask]'.",
            )
        ) from None
    try:
        client = distributed.Client(name, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DesignError(
            Problem(
                "D011",
                "--executor",
                f"No scheduler answers at {name}: {reason}",
                "a running Dask scheduler",
                "Start one with `dask scheduler`; docs/distributed.md shows how.",
            )
        ) from None
    with client:
        threads = sum(client.nthreads().values())
        if threads == 0:
            raise DesignError(
                Problem(
                    "D011",
                    "--executor",
                    f"The scheduler at {name} has no workers.",
                    "at least one worker",
                    f"Start one with `dask worker {name}`.",
                )
            )
        # A worker may be lost in the middle of a task: its tasks are done again elsewhere.
        yield Workforce(client.get_executor(retries=3), threads, SMALLEST_DASK_TASK)

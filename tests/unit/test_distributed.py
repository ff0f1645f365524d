"""The same numbers from the workers of a real Dask cluster, also when one of them is killed in the middle."""

from __future__ import annotations

import json
import os
import signal

import pytest

from equipoise.design.executors import open_executor
from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.foundation.errors import DesignError
from equipoise.workflow import read_protocol

distributed = pytest.importorskip("distributed", reason="needs the optional package distributed (the extra dask)")

N, SEED, TASK = 160, 3, 10


def plain(found):
    return json.dumps(found.as_dict(), sort_keys=True)


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as made:
        yield made


def test_a_worker_killed_in_the_middle_changes_no_number(cluster):
    protocol = read_protocol("ketamine-mbrp-cocaine")
    cell = Cell(resolve_scenario(protocol, "for-power")[0], {})
    killed = []
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        pids = client.run(os.getpid)
        assert len(pids) == 2

        def kill_one(name, done, total):
            if done and not killed:
                killed.append(next(iter(pids.values())))
                os.kill(killed[0], signal.SIGKILL)

        executor = client.get_executor(retries=3)
        [far] = run_cells(
            protocol, [cell], replicates=N, seed=SEED, executor=executor, workers=2, task_size=TASK, progress=kill_one
        )
    assert len(killed) == 1
    [here] = run_cells(protocol, [cell], replicates=N, seed=SEED)
    assert plain(far) == plain(here)


def test_a_scheduler_is_found_by_its_address(cluster):
    with open_executor(cluster.scheduler_address) as force:
        assert force.workers >= 1
        assert force.task_size == 1000
        assert force.executor.submit(int, "7").result() == 7


def test_a_scheduler_that_does_not_answer_is_refused_at_once(monkeypatch):
    monkeypatch.setattr("equipoise.design.executors.SECONDS_TO_CONNECT", 1)
    with pytest.raises(DesignError) as caught, open_executor("tcp://127.0.0.1:9"):
        pass
    assert [problem.code for problem in caught.value.problems] == ["D011"]


def test_a_scheduler_without_workers_is_refused():
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(DesignError) as caught,
        open_executor(empty.scheduler_address),
    ):
        pass
    assert [problem.code for problem in caught.value.problems] == ["D011"]

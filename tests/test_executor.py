"""One map over batches: the same in this process and in others; whatever ends it ends the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
from pictures import make_doubler, make_dying, make_faulty, make_namer

from dsq.executor import WorkerError, choose_workers, count_processors, map_batches

BATCHES = [[1, 2], [3], [4, 5, 6], [], [7]]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_every_batch_comes_out_whatever_the_number_of_processes(workers: int) -> None:
    found = dict(map_batches(make_doubler, (1,), BATCHES, workers=workers))
    assert found == {0: [3, 5], 1: [7], 2: [9, 11, 13], 3: [], 4: [15]}


def test_no_batch() -> None:
    assert list(map_batches(make_doubler, (1,), [], workers=4)) == []
    assert list(map_batches(make_doubler, (1,), iter([]), workers=1)) == []


def test_batches_are_taken_when_somebody_is_free() -> None:
    taken = []

    def give() -> Iterator[list[int]]:
        for number in range(20):
            taken.append(number)
            yield [number]

    with closing(map_batches(make_namer, (), give(), workers=2)) as answers:
        next(answers)
        assert len(taken) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_is_raised_here(workers: int) -> None:
    with pytest.raises(ValueError, match="three is too many") as caught:
        list(map_batches(make_faulty, (), BATCHES, workers=workers))
    told = "".join(getattr(caught.value, "__notes__", []))
    assert ("in a worker process" in told) == (workers > 1)


def test_a_killed_worker_is_told_with_its_batch() -> None:
    with pytest.raises(WorkerError, match=r"was killed \(Killed\) while it worked on the batch \[3\]"):
        list(map_batches(make_dying, (), BATCHES, workers=2, describe=lambda batch: f"the batch {batch}"))


def test_work_is_done_in_other_processes_that_end_with_it() -> None:
    pids = {pid for _, pid in map_batches(make_namer, (), BATCHES, workers=2)}
    assert os.getpid() not in pids
    assert not any(map(is_running, pids))


def test_processes_end_when_nobody_asks_on() -> None:
    with closing(map_batches(make_namer, (), BATCHES * 50, workers=2)) as answers:
        _, pid = next(answers)
        assert is_running(pid)
    assert not is_running(pid)


def test_an_interrupt_ends_the_processes() -> None:
    pids = set()
    with pytest.raises(KeyboardInterrupt), closing(map_batches(make_namer, (), BATCHES * 50, workers=2)) as answers:
        for number, (_, pid) in enumerate(answers):
            pids.add(pid)
            if number == 10:
                raise KeyboardInterrupt
    assert not any(map(is_running, pids))


def test_a_given_number_stands_and_small_work_stays_at_home() -> None:
    assert choose_workers(7, 0.0) == 7
    assert choose_workers(None, 0.1) == 1
    assert choose_workers(None, 1e6) == count_processors()

"""One map over batches of work, in this process or in local ones; what comes out does not depend on which."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import islice
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, TypeVar

from dsq.errors import DsqError

B = TypeVar("B")
R = TypeVar("R")

#: CPU seconds of work that one more process should find, for its start costs about a quarter of one
WORTH = 1.5
#: what a worker does first: no folder of the user's is looked into for modules before the caller's own path is set
_START = (
    "import sys; from multiprocessing.connection import Connection; line = Connection({}); "
    "sys.path[:] = line.recv(); from dsq.executor import serve; serve(line, {})"
)
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerError(DsqError):
    """A worker process ended in the middle of its work."""


def choose_workers(workers: int | None, seconds: float) -> int:
    """How many processes to use for work of about so many CPU seconds; a number that is given stands."""
    if workers is not None:
        return max(1, workers)
    return max(1, min(count_processors(), math.floor(seconds / WORTH)))


def count_processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_batches(
    make: Callable[..., Callable[[B], R]],
    arguments: Sequence[Any],
    batches: Iterable[B],
    *,
    workers: int = 1,
    describe: Callable[[B], str] = repr,
) -> Generator[tuple[int, R], None, None]:
    """`make(*arguments)` once a process gives the function that every batch goes through; yields (position, result)
    as they are done, in any order. The next batch is taken when a process is free for it.

    make: a function or class of a module, as it and its arguments are pickled; what it gives is closed in the end if it
    has a `close`. An exception in it is raised here. A worker that dies raises WorkerError, which names the batch by
    `describe`. Whatever ends the iteration ends the workers.
    """
    waiting = enumerate(batches)
    if workers <= 1 or not sys.executable:
        work = make(*arguments)
        try:
            for number, batch in waiting:
                yield number, work(batch)
        finally:
            if hasattr(work, "close"):
                work.close()
        return
    pool: dict[Connection, _Worker] = {}
    try:
        for job in islice(waiting, workers):
            worker = _Worker(make, arguments)
            pool[worker.line] = worker
            worker.hand(job)
        while pool:
            for line in wait(list(pool)):
                worker = pool[line]  # type: ignore[index]
                try:
                    done, failed, result = worker.take()
                except (EOFError, OSError) as error:
                    raise worker.obituary(describe(worker.job[1])) from error
                if failed:
                    raise result
                upcoming = next(waiting, None)
                if upcoming is None:
                    del pool[worker.line]
                    worker.end()
                else:
                    worker.hand(upcoming)
                yield done, result
    finally:
        for worker in pool.values():
            worker.kill()


class _Worker:
    """A process of ours and the line to it."""

    def __init__(self, make: Callable[..., Any], arguments: Sequence[Any]) -> None:
        self.line, theirs = Pipe()
        self.job: tuple[int, Any] = 0, None
        alive, self.life = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START.format(theirs.fileno(), alive)],
                pass_fds=[theirs.fileno(), alive],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C reaches us alone, and we end them
                env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
            )
        except BaseException:
            os.close(self.life)
            self.line.close()
            raise
        finally:
            os.close(alive)
            theirs.close()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `take` will tell
            self.line.send(sys.path)
            self.line.send((make, tuple(arguments)))

    def hand(self, job: tuple[int, Any]) -> None:
        self.job = job
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(job[1])

    def take(self) -> tuple[int, bool, Any]:
        """Position of the batch that is done, whether it failed, and the result or the exception."""
        failed, result = self.line.recv()
        return self.job[0], failed, result

    def end(self) -> None:
        self.line.close()
        self.process.wait()
        os.close(self.life)

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def obituary(self, batch: str) -> WorkerError:
        code = self.process.wait()
        how = f"was killed ({signal.strsignal(-code)})" if code < 0 else f"ended with code {code}"
        hint = "Perhaps memory ran out: try --workers 1. What was measured before is kept."
        return WorkerError(f"a worker process {how} while it worked on {batch}.", hint=hint)


def serve(line: Connection, life: int) -> None:
    """What a worker does until its line is closed, or the other end of `life`: then nobody waits any more."""
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    try:
        make, arguments = line.recv()
        work = None
        while True:
            batch = line.recv()
            try:
                if work is None:
                    work = make(*arguments)
                answer = False, work(batch)
            except Exception as error:
                answer = True, _portable(error)
            line.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody waits for more


def _end_with(life: int) -> None:
    os.read(life, 1)
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """The exception with its traceback as a note, or one that tells it where it cannot be sent."""
    import traceback

    error.add_note(f"in a worker process:\n{traceback.format_exc()}")
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error

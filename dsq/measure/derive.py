"""What is computed from the bytes of image files: taken from the cache where it is known, else from the files."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from dsq.executor import choose_workers, map_batches
from dsq.measure.files import Files, Place, Reader
from dsq.measure.store import FILE, Cache, Stamp, Store, cache_folder, open_store
from dsq.model import Dataset

Progress = Callable[[str, int, int], None]
Task = Callable[[bytes], bytes]
GroupTask = Callable[[Sequence[bytes]], list[bytes]]

#: a batch: files, bytes of them together, the files of the first one, and the seconds that one should take
MOST_FILES, MOST_BYTES, FIRST, ONE = 256, 24 << 20, 16, 0.4
#: CPU seconds that a file and a byte of it cost, about
A_FILE, A_BYTE = 2e-4, 9e-9


class Derived(NamedTuple):
    """Of each image, in order: SHA-256 of its file (None: cannot be read), what the task made of it, the error."""

    contents: list[bytes | None]
    data: list[bytes]
    errors: list[str]


class _Answer(NamedTuple):
    position: int
    content: bytes | None
    stamp: Stamp | None
    data: bytes
    error: str
    fresh: bool  # made just now, not found in the cache


def derive(
    dataset: Dataset,
    rows: Sequence[int],
    task: Task | GroupTask,
    kind: str,
    *,
    grouped: bool = False,
    contents: Sequence[bytes | None] | None = None,
    workers: int | None = None,
    rehash: bool = False,
    cache: Cache = True,
    progress: Progress | None = None,
    doing: str = "measuring images",
) -> Derived:
    """What `task` makes of the images at `rows` (positions in `images`), kept in the cache under `kind`.

    task: a function of a module, from the bytes of a file to those that are kept; nothing else goes in. grouped: it
    takes the bytes of several files at once. contents: SHA-256 of the files where they are known already, so that a
    cached result needs no look at the file. rehash: read every file, whatever its time says. What was done before an
    interruption is kept.
    """
    found = Derived([None] * len(rows), [b""] * len(rows), [""] * len(rows))
    with open_store(cache) as store, Files(dataset, rows) as files:
        waiting = _recall(store, files, kind, found, None if rehash else contents, rehash)
        if not waiting:
            return found
        batches = _Batches(files, waiting, workers)
        where = None if cache is False else str(cache_folder(cache) / FILE)
        answers = map_batches(_Work, (task, grouped, kind, where), batches, workers=batches.workers, describe=_describe)
        done = 0
        with closing(answers):
            for _, (seconds, batch) in answers:
                batches.learn(seconds, len(batch))
                for answer in batch:
                    _take(found, answer)
                _keep(store, files, kind, batch)
                done += len(batch)
                if progress is not None:
                    progress(doing, done, len(waiting))
    return found


def _recall(
    store: Store, files: Files, kind: str, found: Derived, contents: Sequence[bytes | None] | None, rehash: bool
) -> list[int]:
    """Fill in what the cache knows; the positions of the others."""
    known: list[bytes | None] = [None] * len(files.places)
    if contents is not None:
        known = list(contents)
    elif not rehash and store.working:
        known = _contents(store, files)
    data = store.recall(kind, [content for content in known if content is not None])
    waiting = []
    for position, (place, content) in enumerate(zip(files.places, known, strict=True)):
        if content is not None and content in data:
            found.contents[position], found.data[position] = content, data[content]
        elif place is None:
            found.errors[position] = "no image file was found."
        else:
            waiting.append(position)
    return waiting


def _contents(store: Store, files: Files) -> list[bytes | None]:
    """The content of the files that look as they did when they were read last."""
    by_folder: dict[str, dict[str, Stamp]] = {}
    for place, stamp in zip(files.places, files.stamps, strict=True):
        if place is not None and stamp is not None:
            by_folder.setdefault(place.folder, {})[place.name] = stamp
    known = {folder: store.locate(folder, stamps) for folder, stamps in by_folder.items()}
    nothing: dict[str, bytes] = {}
    return [None if place is None else known.get(place.folder, nothing).get(place.name) for place in files.places]


class _Batches(Iterator[Any]):
    """What workers get, batch by batch: (position, place, zip's member) of each file. Each takes about ONE seconds."""

    def __init__(self, files: Files, waiting: Sequence[int], workers: int | None) -> None:
        self._files, self._waiting, self._next = files, waiting, 0
        self._sizes = [self._size(position) for position in waiting]
        self.workers = choose_workers(workers, A_FILE * len(waiting) + A_BYTE * sum(self._sizes))
        self._share = -(-len(waiting) // (4 * self.workers))  # so that every worker has several
        self._most = FIRST

    def learn(self, seconds: float, count: int) -> None:
        """How long a batch of so many files took."""
        self._most = max(1, min(MOST_FILES, int(ONE * count / max(seconds, 1e-6))))

    def __next__(self) -> list[tuple[int, Place, Any]]:
        batch: list[tuple[int, Place, Any]] = []
        room = MOST_BYTES
        while self._next < len(self._waiting) and len(batch) < min(self._most, self._share):
            room -= self._sizes[self._next]
            if batch and room < 0:
                break
            position = self._waiting[self._next]
            place = self._files.places[position]
            assert place is not None
            batch.append((position, place, self._files.info(place)))
            self._next += 1
        if not batch:
            raise StopIteration
        return batch

    def _size(self, position: int) -> int:
        """Bytes that reading the file takes, about."""
        place, stamp = self._files.places[position], self._files.stamps[position]
        assert place is not None
        if place.zipped:
            info = self._files.info(place)
            return 0 if info is None or isinstance(info, str) else info.file_size
        return stamp.size if stamp is not None else 0


def _describe(batch: Sequence[tuple[int, Place, Any]]) -> str:
    names = [f"{place.folder}/{place.name}" for _, place, _ in batch]
    return names[0] if len(names) == 1 else f"{len(names)} image files, from {names[0]} to {names[-1]}"


def _take(found: Derived, answer: _Answer) -> None:
    found.contents[answer.position] = answer.content
    found.data[answer.position] = answer.data
    found.errors[answer.position] = answer.error


def _keep(store: Store, files: Files, kind: str, batch: Sequence[_Answer]) -> None:
    store.keep(kind, [(a.content, a.data) for a in batch if a.fresh and a.content is not None])
    by_folder: dict[str, list[tuple[str, Stamp, bytes]]] = {}
    for answer in batch:
        place = files.places[answer.position]
        if answer.stamp is not None and answer.content is not None and place is not None:
            by_folder.setdefault(place.folder, []).append((place.name, answer.stamp, answer.content))
    for folder, items in by_folder.items():
        store.remember(folder, items)


class _Work:
    """What a process does: reads the files of a batch, each once, and the task where its result is not known."""

    def __init__(self, task: Any, grouped: bool, kind: str, cache: str | None) -> None:
        self._task, self._grouped, self._kind = task, grouped, kind
        self._reader = Reader()
        self._store = Store(None if cache is None else Path(cache), tell=False)

    def close(self) -> None:
        self._reader.close()
        self._store.close()

    def __call__(self, batch: Sequence[tuple[int, Place, Any]]) -> tuple[float, list[_Answer]]:
        """Seconds that it took, and the answers."""
        start = time.monotonic()
        readings = [self._reader.read(place, info) for _, place, info in batch]
        contents = [None if found.error else hashlib.sha256(found.data).digest() for found in readings]
        results = self._store.recall(self._kind, [content for content in contents if content is not None])
        fresh = {
            content: found.data
            for content, found in zip(contents, readings, strict=True)
            if content is not None and content not in results
        }
        files = list(fresh.values())
        results |= zip(fresh, self._task(files) if self._grouped else map(self._task, files), strict=True)
        answers = []
        for (position, _, _), found, content in zip(batch, readings, contents, strict=True):
            if content is None:
                answers.append(_Answer(position, None, None, b"", found.error, False))
            else:
                new = fresh.pop(content, None) is not None
                answers.append(_Answer(position, content, found.stamp, results[content], "", new))
        return time.monotonic() - start, answers

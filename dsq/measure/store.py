"""The cache: an SQLite file with what was measured, by content, and which file had which content when.

Nothing depends on it. Whatever goes wrong with it (a full disk, a damaged file, a folder without rights, one that a
newer dsq wrote) is told once, and the work goes on without it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from dsq.errors import WriteError
from dsq.printing import printable

Cache: TypeAlias = bool | str | os.PathLike[str]
T = TypeVar("T")

FILE = "measures.sqlite"
SCHEMA = 1
MARK = 0x64737131  # "dsq1": the file's application_id
BUSY = 10.0  # seconds to wait for another process that writes
EVERY = 1.0  # seconds after which what is new is written
MOST_WAITING = 4 << 20  # bytes that wait to be written
_AT_ONCE = 500  # values in one question
_PAGE = 8192  # bytes
_FIT = (1 << 63) - 1
_TABLES = """
CREATE TABLE kinds (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE folders (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE files (folder INTEGER, name TEXT, size INTEGER, mtime INTEGER, inode INTEGER, content BLOB,
    PRIMARY KEY (folder, name)) WITHOUT ROWID;
CREATE TABLE facts (id INTEGER PRIMARY KEY, kind INTEGER, key BLOB, data BLOB, UNIQUE (kind, key));
"""


class Stamp(NamedTuple):
    """By what a file is known again: bytes, nanoseconds of its last change, inode, in the 63 bits that the cache has
    for each. Of a zip's member: the zip's.
    """

    size: int
    mtime: int
    inode: int


def make_stamp(status: os.stat_result) -> Stamp:
    """The stamp of a file by what the system says of it."""
    return Stamp(status.st_size & _FIT, status.st_mtime_ns & _FIT, status.st_ino & _FIT)


class _ForeignError(Exception):
    """The file is no cache of dsq's."""


class _NewerError(Exception):
    """The file is a cache that this dsq cannot read."""


def cache_folder(cache: Cache = True) -> Path:
    """Where the cache lies: the folder given, else DSQ_CACHE_DIR, else dsq's in the user's cache folder."""
    if not isinstance(cache, bool):
        return Path(cache)
    if stated := os.environ.get("DSQ_CACHE_DIR"):
        return Path(stated)
    import platformdirs

    return Path(platformdirs.user_cache_dir("dsq", appauthor=False))


def folder_fault(folder: Path) -> str:
    """Why nothing can be kept in a folder, which need not be there yet; "" where it can."""
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return f"{place} is no folder"
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return f"the rights to {place} are missing"
    return ""


@contextlib.contextmanager
def open_store(cache: Cache = True) -> Iterator[Store]:
    """The cache, closed afterwards; False: one that knows nothing and keeps nothing."""
    store = Store(None if cache is False else cache_folder(cache) / FILE)
    try:
        yield store
    finally:
        store.close()


class Store:
    """What is known: facts by kind and key, and the content of files. It never raises for what ails the file."""

    def __init__(self, path: Path | None, *, tell: bool = True) -> None:
        self.path = path
        self.fault = ""  # why the file is not used any more
        self._tell = tell
        self._base: sqlite3.Connection | None = None
        self._kinds: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        self._facts: list[tuple[str, bytes, bytes]] = []
        self._files: list[tuple[str, str, Stamp, bytes]] = []
        self._waiting = 0
        self._written = time.monotonic()
        if path is not None:
            self._base = self._try(lambda: _connect(path))

    @property
    def working(self) -> bool:
        """Whether anything can be known."""
        return self._base is not None

    def recall(self, kind: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The data kept under those of `keys` that are known."""
        wanted = list(dict.fromkeys(keys))
        if self._base is None or not wanted:
            return {}
        if self._facts:
            self.flush()
        return self._try(lambda: self._recall(kind, wanted)) or {}

    def keep(self, kind: str, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep data by key; what is there under the same key is replaced. Written in a while, or by `flush`."""
        if self._base is None:
            return
        for key, data in items:
            self._facts.append((kind, key, data))
            self._waiting += len(key) + len(data) + 100
        self._flush_in_time()

    def locate(self, folder: str, stamps: Mapping[str, Stamp]) -> dict[str, bytes]:
        """The content of those files in a folder (or members of a zip) that bear the stamp of when it was read."""
        if self._base is None:
            return {}
        return self._try(lambda: self._locate(folder, stamps)) or {}

    def remember(self, folder: str, files: Iterable[tuple[str, Stamp, bytes]]) -> None:
        """Remember (name, stamp, content) of files in a folder (or of members of a zip)."""
        if self._base is None:
            return
        for name, stamp, content in files:
            if _is_text(name):
                self._files.append((folder, name, stamp, content))
                self._waiting += len(name) + 150
        self._flush_in_time()

    def flush(self) -> None:
        """Write what waits."""
        if self._base is not None and (self._facts or self._files):
            self._try(self._write)
        if self._base is None:
            self._facts, self._files = [], []
        self._waiting, self._written = 0, time.monotonic()

    def close(self) -> None:
        """Write what waits and let go of the file; harmless when called twice."""
        self.flush()
        if self._base is not None:
            self._try(self._base.close)
            self._base = None

    def count(self) -> dict[str, int]:
        """How many entries there are: "files", and each kind of fact."""
        if self._base is None:
            return {}
        return self._try(self._count) or {}

    def _flush_in_time(self) -> None:
        if self._waiting > MOST_WAITING or time.monotonic() - self._written > EVERY:
            self.flush()

    def _try(self, action: Callable[[], T]) -> T | None:
        """What the action gives; None where the file fails, which is let go of then."""
        try:
            return action()
        except (sqlite3.Error, OSError, _ForeignError, _NewerError) as error:
            base, self._base = self._base, None
            if base is not None:
                with contextlib.suppress(sqlite3.Error):
                    base.close()
            self.fault = str(error)
            if self._tell:
                _say_once(str(self.path), str(error))
            return None

    def _recall(self, kind: str, wanted: Sequence[bytes]) -> dict[bytes, bytes]:
        number = self._number(kind)
        if number is None:
            return {}
        found = {}
        for key, data in self._ask("SELECT key, data FROM facts WHERE kind = ? AND key IN", number, wanted):
            if isinstance(data, bytes) and _sum_up(whole := data[4:]) == data[:4]:
                found[key] = whole
        return found

    def _locate(self, folder: str, stamps: Mapping[str, Stamp]) -> dict[str, bytes]:
        assert self._base is not None
        found = self._base.execute("SELECT id FROM folders WHERE path = ?", (os.fsencode(folder),)).fetchone()
        if found is None:
            return {}
        question = "SELECT name, size, mtime, inode, content FROM files WHERE folder = ? AND name IN"
        rows = self._ask(question, found[0], [name for name in stamps if _is_text(name)])
        return {
            name: content
            for name, size, mtime, inode, content in rows
            if stamps[name] == (size, mtime, inode) and isinstance(content, bytes)
        }

    def _ask(self, question: str, number: int, wanted: Sequence[str] | Sequence[bytes]) -> Iterator[Any]:
        assert self._base is not None
        base = self._base
        parts = (wanted[start : start + _AT_ONCE] for start in range(0, len(wanted), _AT_ONCE))
        return chain.from_iterable(
            base.execute(f"{question} ({','.join('?' * len(part))})", (number, *part)) for part in parts
        )

    def _number(self, kind: str) -> int | None:
        assert self._base is not None
        if kind not in self._kinds:
            found = self._base.execute("SELECT id FROM kinds WHERE name = ?", (kind,)).fetchone()
            if found is None:
                return None
            self._kinds[kind] = found[0]
        return self._kinds[kind]

    def _write(self) -> None:
        base = self._base
        assert base is not None
        base.execute("BEGIN IMMEDIATE")
        try:
            for kind in {kind for kind, _, _ in self._facts}:
                base.execute("INSERT OR IGNORE INTO kinds (name) VALUES (?)", (kind,))
            for folder in {folder for folder, _, _, _ in self._files} - self._folders.keys():
                path = os.fsencode(folder)
                base.execute("INSERT OR IGNORE INTO folders (path) VALUES (?)", (path,))
                self._folders[folder] = base.execute("SELECT id FROM folders WHERE path = ?", (path,)).fetchone()[0]
            base.executemany(
                "INSERT OR REPLACE INTO facts (kind, key, data) VALUES (?, ?, ?)",
                ((self._number(kind), key, _sum_up(data) + data) for kind, key, data in self._facts),
            )
            base.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)",
                ((self._folders[folder], name, *stamp, content) for folder, name, stamp, content in self._files),
            )
            base.execute("COMMIT")
        except BaseException:
            self._kinds, self._folders = {}, {}
            if base.in_transaction:
                base.execute("ROLLBACK")
            raise
        self._facts, self._files = [], []

    def _count(self) -> dict[str, int]:
        assert self._base is not None
        counts = {"files": self._base.execute("SELECT count(*) FROM files").fetchone()[0]}
        question = "SELECT name, count(*) FROM facts JOIN kinds ON kinds.id = kind GROUP BY kind ORDER BY name"
        return counts | dict(self._base.execute(question))


class State(NamedTuple):
    """path of the file, bytes of it and of what SQLite keeps beside it, entries by kind, fault: why it is not used."""

    path: str
    bytes: int
    entries: dict[str, int]
    fault: str


def describe_cache(cache: Cache = True) -> State:
    """What the cache holds; the file is not made where there is none."""
    path = cache_folder(cache) / FILE
    if not path.exists():
        return State(str(path), 0, {}, "")
    store = Store(path, tell=False)
    entries = store.count()
    store.close()
    size = sum(file.stat().st_size for file in _files(path))
    return State(str(path), size, entries, store.fault)


def clear_cache(cache: Cache = True) -> None:
    """Forget everything: empty the tables, as another process may use them, or remove a file that is broken.

    WriteError where that fails.
    """
    path = cache_folder(cache) / FILE
    try:
        if path.exists():
            try:
                _empty(path)
            except (sqlite3.DatabaseError, _NewerError) as error:
                if "locked" in str(error):
                    raise
                for file in _files(path):
                    file.unlink()
    except (OSError, sqlite3.Error, _ForeignError) as error:
        hint = "Wait until no other audit runs, or remove it yourself."
        raise WriteError(f"the cache cannot be cleared: {error}.", where=str(path), hint=hint) from error


def _empty(path: Path) -> None:
    base = _connect(path)
    try:
        base.execute("BEGIN IMMEDIATE")
        for table in ("files", "folders", "facts", "kinds"):
            base.execute(f"DELETE FROM {table}")
        base.execute("COMMIT")
        base.execute("VACUUM")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        base.close()


def _files(path: Path) -> list[Path]:
    """The database and what SQLite keeps beside it."""
    return [file for end in ("", "-wal", "-shm") if (file := path.with_name(path.name + end)).exists()]


def _connect(path: Path) -> sqlite3.Connection:
    """The file, made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = sqlite3.connect(path, timeout=BUSY, isolation_level=None)
    try:
        mark, version = (base.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if mark != MARK and base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise _ForeignError("it is a database of something else")
        if version > SCHEMA:
            raise _NewerError("it was written by a newer dsq")
        if version < SCHEMA:
            _lay_out(base)
        base.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        base.close()
        raise
    return base


def _lay_out(base: sqlite3.Connection) -> None:
    """Make the tables, unless another process has just done it."""
    last = time.monotonic() + BUSY
    base.execute(f"PRAGMA page_size = {_PAGE}")
    while True:
        try:
            base.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:  # two at once: SQLite does not wait here by itself
            if "locked" not in str(error) or time.monotonic() > last:
                raise
            time.sleep(0.02)
    base.execute("BEGIN IMMEDIATE")
    if base.execute("PRAGMA user_version").fetchone()[0] < SCHEMA:
        for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            base.execute(f'DROP TABLE "{name}"')  # of an older dsq
        for statement in _TABLES.split(";"):
            base.execute(statement)
        base.execute(f"PRAGMA application_id = {MARK}")
        base.execute(f"PRAGMA user_version = {SCHEMA}")
    base.execute("COMMIT")


def _sum_up(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def _is_text(name: str) -> bool:
    """Whether the name can be kept: bytes that are no Unicode cannot."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def _say_once(path: str, why: str) -> None:
    """Say once that the cache cannot be used."""
    fault = folder_fault(Path(path).parent)
    advice = "DSQ_CACHE_DIR names another folder" if fault else "`dsq cache --clear` makes a new one"
    text = f"the cache {path} is not used: {fault or why}. Nothing is lost but time; {advice}."
    logging.getLogger("dsq").warning("dsq: %s", printable(text))

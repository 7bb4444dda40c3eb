"""Image files of a dataset by their rows: where they lie, by what they are known again, and their bytes."""

from __future__ import annotations

import os
import stat
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from typing import NamedTuple

from dsq.archive import ZIP_ERRORS, read_member
from dsq.errors import ReadError
from dsq.measure.store import Stamp, make_stamp
from dsq.model import Dataset, text_or_none
from dsq.source import Source, open_source

#: nanoseconds for which a file that was just changed may change again without a trace in its time
SETTLES = 2_000_000_000
LARGEST = 1 << 30  # bytes of an image file that is read
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


class Place(NamedTuple):
    """Where an image's bytes lie: a file, or a member of a zip (info is then given when it is to be read)."""

    folder: str  # of the file; the zip's path and "::" for a member
    name: str  # in the folder; of the member
    zipped: bool

    @property
    def path(self) -> str:
        return self.folder[:-2] if self.zipped else f"{self.folder}/{self.name}"


class Reading(NamedTuple):
    """What reading a file gave: its bytes or why there are none; its stamp, None where that is not to be trusted."""

    data: bytes
    stamp: Stamp | None
    error: str = ""


class Files:
    """The image files at `rows` (positions in `images`) of a dataset. An image without a file has no place."""

    def __init__(self, dataset: Dataset, rows: Sequence[int]) -> None:
        images = dataset.images.iloc[list(rows)]
        roots = text_or_none(images["root"]).tolist()
        members = text_or_none(images["member"]).tolist()
        self._sources: dict[str, Source | str] = {}
        self._zips = {root: os.path.isfile(root) for root in dict.fromkeys(roots) if root is not None}
        self.places = [
            None if root is None or member is None else self._find(root, member)
            for root, member in zip(roots, members, strict=True)
        ]

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *exc: object) -> None:
        for source in self._sources.values():
            if isinstance(source, Source):
                source.close()

    @cached_property
    def stamps(self) -> list[Stamp | None]:
        """What the file system says of each file; None where there is none."""
        zips = {root: stamp_of(root) for root, zipped in self._zips.items() if zipped}
        return [
            None if place is None else zips[place.path] if place.zipped else stamp_of(f"{place.folder}/{place.name}")
            for place in self.places
        ]

    def info(self, place: Place) -> zipfile.ZipInfo | str | None:
        """The zip's member at a place; None for a file, a text where the zip or the member is not there any more."""
        if not place.zipped:
            return None
        source = self._open(place.path)
        if isinstance(source, str):
            return source
        try:
            return source.place(place.name)[1]
        except ReadError as error:
            return error.what

    def _find(self, root: str, member: str) -> Place:
        if self._zips[root]:
            return Place(f"{root}::", member, True)
        path = f"{root}/{member}"
        if not member.isascii() and not os.path.lexists(path):  # the listing spells names that are no Unicode
            source = self._open(root)
            if isinstance(source, Source) and member in source:
                path = source.place(member)[0]
        folder, _, name = path.rpartition("/")
        return Place(folder, name, False)

    def _open(self, root: str) -> Source | str:
        """The source, or why it cannot be opened."""
        if root not in self._sources:
            try:
                self._sources[root] = open_source(root)
            except ReadError as error:
                self._sources[root] = error.what
        return self._sources[root]


def stamp_of(path: str) -> Stamp | None:
    """The stamp of what lies at a path, links followed; None where nothing does."""
    try:
        return make_stamp(os.stat(path))
    except (OSError, ValueError):
        return None


class Reader:
    """Reads files and members; keeps the last zip open."""

    def __init__(self) -> None:
        self._archive: _Archive | None = None

    def read(self, place: Place, info: zipfile.ZipInfo | str | None) -> Reading:
        """The whole file, and its stamp if it did not change meanwhile, nor within SETTLES before."""
        if isinstance(info, str):
            return Reading(b"", None, info)
        try:
            return _read_file(place.path) if info is None else self._read_member(place.path, info)
        except ZIP_ERRORS as error:
            what = "cannot be read" if isinstance(error, OSError) else "is corrupt in the zip"
            return Reading(b"", None, f"this file {what}: {getattr(error, 'strerror', None) or error}.")

    def _read_member(self, path: str, info: zipfile.ZipInfo) -> Reading:
        if info.file_size > LARGEST:
            return _too_large(info.file_size)
        if self._archive is None or self._archive.path != path:
            self.close()
            self._archive = _Archive(path)
        now = time.time_ns()
        before = self._archive.stamp()
        data = read_member(self._archive, info)  # type: ignore[arg-type]
        settled = self._archive.stamp() == before and now - before.mtime >= SETTLES
        return Reading(data, before if settled else None)

    def close(self) -> None:
        if self._archive is not None:
            self._archive.close()
            self._archive = None


class _Archive:
    """What `read_member` needs of a ZipFile, without reading the directory of the zip once more."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fp = open(path, "rb")  # noqa: SIM115 - closed by the Reader
        self._whole: zipfile.ZipFile | None = None  # for the few that are packed in an unusual way

    def stamp(self) -> Stamp:
        return make_stamp(os.fstat(self.fp.fileno()))

    def read(self, info: zipfile.ZipInfo) -> bytes:
        if self._whole is None:
            self._whole = zipfile.ZipFile(self.fp)
        return self._whole.read(info)

    def close(self) -> None:
        self.fp.close()


def _read_file(path: str) -> Reading:
    now = time.time_ns()
    handle = os.open(path, _FLAGS)
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            return Reading(b"", None, "this file is no regular file any more.")
        size = before.st_size
        if size > LARGEST:
            return _too_large(size)
        data = os.read(handle, size + 1)
        while 0 < len(data) < size and (more := os.read(handle, size + 1 - len(data))):
            data += more
        after = os.fstat(handle)
    finally:
        os.close(handle)
    if len(data) != size or (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, size):
        return Reading(b"", None, "this file was changed by somebody while it was read.")
    settled = now - before.st_mtime_ns >= SETTLES
    return Reading(data, make_stamp(before) if settled else None)


def _too_large(size: int) -> Reading:
    return Reading(b"", None, f"this file holds {size:,} bytes, more than the {LARGEST:,} that are read.")


def read_images(dataset: Dataset, rows: Sequence[int]) -> Iterator[bytes | ReadError]:
    """The bytes of the image files at `rows` (positions in `images`), in order; a ReadError where there are none."""
    with ExitStack() as stack:
        files = stack.enter_context(Files(dataset, rows))
        reader = Reader()
        stack.callback(reader.close)
        for place in files.places:
            if place is None:
                yield ReadError("no image file was found.")
                continue
            found = reader.read(place, files.info(place))
            yield ReadError(found.error, where=f"{place.folder}/{place.name}") if found.error else found.data

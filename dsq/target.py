"""Where a dataset is written: a folder or a zip, complete or not at all.

Everything goes to a staging place beside the target and takes its name only when all of it is there.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, Self

from dsq.errors import WriteError
from dsq.source import Source

IMAGE_MODES = ("copy", "hardlink", "symlink", "none")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
#: endings of files that people name by mistake where a folder or zip is meant
NO_FOLDERS = frozenset(".tar .gz .tgz .bz2 .xz .7z .rar .json .xml .yaml .yml .txt .csv".split())
_DATE = 0x0021  # 1980-01-01: the same input gives the same bytes


class Target(ABC):
    """A tree of files to be. Use as a context manager: leaving it without an error puts it in place."""

    def __init__(self, path: str, *, overwrite: bool) -> None:
        self.path = os.path.abspath(path)
        self.overwrite = overwrite
        self.names: set[str] = set()
        check_place(path, overwrite=overwrite)

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """One file, by its posix name in the target."""

    @abstractmethod
    def stream(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        """One file whose content comes in pieces, none of which is kept."""

    @abstractmethod
    def add(self, name: str, source: Source, member: str, mode: str = "copy") -> None:
        """A file of a source as it is; `mode` copy, hardlink or symlink (a zip target always copies)."""

    def _claim(self, name: str) -> None:
        if name in self.names:
            raise WriteError("would be written twice.", where=name, hint="This is a bug of dsq: report it.")
        self.names.add(name)

    @abstractmethod
    def _commit(self) -> None: ...

    @abstractmethod
    def _drop(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
                return
        except OSError as problem:
            self._drop()
            raise _told(problem, self.path) from None
        except BaseException:  # interrupted
            self._drop()
            raise
        self._drop()
        if isinstance(error, OSError):
            raise _told(error, self.path) from None


class FolderTarget(Target):
    """A folder; files are made in a staging folder beside it."""

    def __init__(self, path: str, *, overwrite: bool) -> None:
        super().__init__(path, overwrite=overwrite)
        try:
            self.stage = tempfile.mkdtemp(prefix=f".{os.path.basename(self.path)}.", dir=os.path.dirname(self.path))
        except OSError as problem:
            raise _told(problem, self.path) from None
        self._folders: set[str] = {""}
        self._aside = f"{self.stage}.old"  # where what is replaced waits until the new folder is there

    def _place(self, name: str) -> str:
        self._claim(name)
        folder = name.rpartition("/")[0]
        if folder not in self._folders:
            os.makedirs(f"{self.stage}/{folder}", exist_ok=True)
            self._folders.add(folder)
        return f"{self.stage}/{name}"

    def write(self, name: str, data: bytes) -> None:
        handle = os.open(self._place(name), _NEW, 0o644)
        try:
            done = os.write(handle, data)
            while done < len(data):
                done += os.write(handle, memoryview(data)[done:])
        finally:
            os.close(handle)

    def stream(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        handle = os.open(self._place(name), _NEW, 0o644)
        try:
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[os.write(handle, view) :]
        finally:
            os.close(handle)

    def add(self, name: str, source: Source, member: str, mode: str = "copy") -> None:
        place = self._place(name)
        if source.kind == "folder" and mode in ("hardlink", "symlink"):
            real = os.path.realpath(os.path.join(source.root, member))
            if mode == "symlink":
                os.symlink(real, place)
                return
            try:
                os.link(real, place)
                return
            except OSError as problem:
                raise WriteError(
                    f"cannot be hard-linked: {problem.strerror}.",
                    where=member,
                    hint="Hard links need one file system: use --images copy.",
                ) from None
        with source.open(member, follow=True) as reader, open(place, "xb") as out:
            shutil.copyfileobj(reader, out, 1 << 20)

    def _commit(self) -> None:
        os.chmod(self.stage, 0o755)
        if os.path.lexists(self.path):
            os.rename(self.path, self._aside)
        os.rename(self.stage, self.path)
        if os.path.lexists(self._aside):
            _remove(self._aside)

    def _drop(self) -> None:
        if os.path.lexists(self._aside):
            if os.path.lexists(self.path):
                shutil.rmtree(self._aside, ignore_errors=True)
            else:
                os.rename(self._aside, self.path)
        shutil.rmtree(self.stage, ignore_errors=True)


class ZipTarget(Target):
    """A zip without compression (images are compressed already, labels are small), byte for byte reproducible.

    Written by hand because the standard library spends four times as long on each small member.
    """

    def __init__(self, path: str, *, overwrite: bool) -> None:
        super().__init__(path, overwrite=overwrite)
        try:
            handle, self.stage = tempfile.mkstemp(
                prefix=f".{os.path.basename(self.path)}.", dir=os.path.dirname(self.path)
            )
        except OSError as problem:
            raise _told(problem, self.path) from None
        self._out: IO[bytes] = os.fdopen(handle, "wb", buffering=1 << 18)
        self._members: list[tuple[bytes, int, int, int]] = []  # name, crc, size, offset
        self._offset = 0

    def write(self, name: str, data: bytes) -> None:
        self._claim(name)
        raw, size, crc = name.encode("utf-8", "surrogateescape"), len(data), zlib.crc32(data)
        if size >= 0xFFFFFFFF:
            raise _too_large(name)
        head = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0x800, 0, 0, _DATE, crc, size, size, len(raw), 0)
        self._out.write(head + raw)
        self._out.write(data)
        self._members.append((raw, crc, size, self._offset))
        self._offset += len(head) + len(raw) + size

    def stream(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        start = self._offset
        self.write(name, b"")
        raw, crc, size, _ = self._members.pop()
        for part in parts:
            crc = zlib.crc32(part, crc)
            size += len(part)
            self._out.write(part)
        if size >= 0xFFFFFFFF:
            raise _too_large(name)
        self._offset += size
        self._members.append((raw, crc, size, start))
        self._out.seek(start + 14)  # the checksum and both sizes in its header
        self._out.write(struct.pack("<III", crc, size, size))
        self._out.seek(self._offset)

    def add(self, name: str, source: Source, member: str, mode: str = "copy") -> None:
        with source.open(member, follow=True) as reader:
            self.write(name, reader.read())

    def _commit(self) -> None:
        start = self._offset
        length = 0
        for raw, crc, size, offset in self._members:
            large = offset >= 0xFFFFFFFF
            extra = struct.pack("<HHQ", 1, 8, offset) if large else b""
            entry = struct.pack(
                "<4sHHHHHHIIIHHHHHII",
                b"PK\x01\x02", 0x0314 + (25 if large else 0), 45 if large else 20, 0x800, 0, 0, _DATE, crc, size, size,
                len(raw), len(extra), 0, 0, 0, 0o100644 << 16, 0xFFFFFFFF if large else offset,
            )  # fmt: skip
            self._out.write(entry + raw + extra)
            length += len(entry) + len(raw) + len(extra)
        count = len(self._members)
        if count >= 0xFFFF or start >= 0xFFFFFFFF or length >= 0xFFFFFFFF:
            self._out.write(struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start))
            self._out.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, start + length, 1))
        few, short, near = min(count, 0xFFFF), min(length, 0xFFFFFFFF), min(start, 0xFFFFFFFF)
        self._out.write(struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, few, few, short, near, 0))
        self._out.close()
        os.chmod(self.stage, 0o644)
        os.replace(self.stage, self.path)

    def _drop(self) -> None:
        try:
            self._out.close()
        except OSError:  # the disk is full: what was buffered is given up with the rest
            self._out.raw.close() if isinstance(self._out, io.BufferedWriter) else None
        if os.path.exists(self.stage):
            os.unlink(self.stage)


class CountingTarget(Target):
    """Writes nothing: for `--dry-run`."""

    def __init__(self, path: str) -> None:
        self.path, self.overwrite, self.names = os.path.abspath(path), False, set()

    def write(self, name: str, data: bytes) -> None:
        self._claim(name)

    def stream(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        self._claim(name)

    def add(self, name: str, source: Source, member: str, mode: str = "copy") -> None:
        self._claim(name)

    def _commit(self) -> None:
        """There is nothing to put in place."""

    def _drop(self) -> None:
        """There is nothing to take away."""


def check_place(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """WriteError where no folder or zip can be made, as far as can be known before anything is read."""
    text = os.fspath(path)
    place = os.path.abspath(text)
    parent = os.path.dirname(place)
    if not os.path.isdir(parent):
        raise WriteError("its folder does not exist.", where=text, hint=f"Make {parent} first.")
    suffix = os.path.splitext(text)[1].lower()
    if suffix in NO_FOLDERS:
        raise WriteError(f"is no name for a folder: {suffix} says a file.", where=text, hint="Name a folder or a .zip.")
    if overwrite and os.path.isfile(text) and (suffix != ".zip" or not zipfile.is_zipfile(text)):
        raise WriteError("is a file that is no zip; it is not replaced.", where=text, hint="Choose another name.")
    if _occupied(place) and not overwrite:
        raise WriteError("is there already.", where=text, hint="Choose another name, or add --overwrite.")
    if not os.access(parent, os.W_OK):
        raise WriteError("cannot be written: nothing may be made in its folder.", where=text, hint="Check the rights.")


def open_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> Target:
    """A zip where the name ends in `.zip`, else a folder. WriteError where something is there already."""
    text = os.fspath(path)
    make: Callable[..., Target] = ZipTarget if text.lower().endswith(".zip") else FolderTarget
    return make(text, overwrite=overwrite)


def _occupied(path: str) -> bool:
    """An empty folder is free to take."""
    if os.path.isdir(path) and not os.path.islink(path):
        return bool(os.listdir(path))
    return os.path.lexists(path)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _too_large(name: str) -> WriteError:
    return WriteError("is larger than 4 GiB.", where=name, hint="Write to a folder instead.")


def _told(problem: OSError, path: str) -> WriteError:
    return WriteError(
        f"cannot be written: {problem.strerror or problem}.",
        where=path,
        hint="Nothing was left behind. Free space or rights?",
    )


def check_file(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """WriteError where `write_file` would fail, as far as can be known before there is anything to write."""
    target = os.path.abspath(os.fspath(path))
    if os.path.isdir(target):
        raise WriteError("it is a folder.", where=target, hint="Name a file in it.")
    if os.path.lexists(target):
        if not overwrite and (os.path.isfile(target) or not os.path.exists(target)):
            raise WriteError("it exists already.", where=target, hint="Name another file, or add --overwrite.")
    elif not os.path.isdir(os.path.dirname(target)):
        raise WriteError("its folder does not exist.", where=target, hint="Make its folder first.")


def write_file(path: str | os.PathLike[str], data: bytes, *, overwrite: bool) -> None:
    """Write the whole file or nothing (beside its place, then renamed); WriteError when that cannot be done.

    What exists is replaced only with `overwrite`; a device or pipe (`/dev/stdout`) is written to directly.
    """
    check_file(path, overwrite=overwrite)
    target = os.path.abspath(os.fspath(path))
    folder, name = os.path.split(target)
    beside = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as stream:
                stream.write(data)
            return
        try:
            with open(beside, "xb") as stream:
                stream.write(data)
            os.replace(beside, target)
        finally:
            if os.path.lexists(beside):
                os.unlink(beside)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        hint = "Make its folder first." if missing else "Check the rights and the free space."
        raise WriteError(f"cannot be written: {error.strerror}.", where=target, hint=hint) from error

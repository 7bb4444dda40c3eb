"""A dataset's files: a folder or a zip, listed once, read within bounds, and written atomically.

Everything in here takes the input to be hostile: names that climb out of the archive, links that leave the
folder and archives that explode are listed in `refused` and never opened.
"""

from __future__ import annotations

import difflib
import io
import math
import os
import re
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache, partial
from itertools import chain
from operator import attrgetter
from typing import IO

from dsq.archive import ZIP_ERRORS, MemberStream, broken_zip, list_members, open_zip, read_member, read_start
from dsq.errors import ReadError
from dsq.folder import Entry as Entry
from dsq.folder import list_folder

_SUFFIXES = ".avif .bmp .dng .gif .heic .heif .jp2 .jpeg .jpg .mpo .pfm .png .tif .tiff .webp"
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
READ_LIMIT = 4 << 30  # bytes: no annotation file that a person works with comes near it

_JUNK = re.compile(
    r"""(?:^|/)(?:
        (?:__MACOSX|\.ipynb_checkpoints|__pycache__|\.git|\.svn|\.hg|@eaDir)(?:/|$)
      | (?:\.DS_Store|\._[^/]*|~\$[^/]*|\#[^/.]*|\#[^/]*\#)$
      | (?i:(?:eh)?thumbs\.db|desktop\.ini)$
    )
    | (?:~|\.(?:cache|tmp|swp|swo|bak))$""",
    re.VERBOSE,
)
#: how the last part of such a name begins or ends
_ODD_STARTS = frozenset("._~#@")
_ODD_ENDS = ("~", ".cache", ".tmp", ".swp", ".swo", ".bak", ".db", ".ini")
LEAVES = "is reached by a link that leaves the dataset."
_ARCHIVE_SUFFIXES = (".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".rar", ".7z")
_ARCHIVE_MAGIC = (b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
#: a pipe that took the place of a listed file does not block
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def is_image(name: str) -> bool:
    """Whether the name ends as images do, in any case."""
    return name[name.rfind(".") :].lower() in IMAGE_SUFFIXES and os.path.splitext(name)[1] != ""


def is_junk(name: str) -> bool:
    """Whether the posix name is a leftover of a system or tool: `__MACOSX/`, `._x`, `Thumbs.db`, `#temp` …

    A name that begins with `#` and has a suffix is not: pictures are called `#1.jpg`.
    """
    folder, _, base = name.rpartition("/")
    if base[:1] in _ODD_STARTS or base.lower().endswith(_ODD_ENDS):
        return _JUNK.search(name) is not None
    return _in_junk(folder)


@lru_cache(maxsize=1024)
def _in_junk(folder: str) -> bool:
    return bool(folder) and _JUNK.search(f"{folder}/") is not None


class Source(ABC):
    """The files of a folder or zip: what `open_source` returns.

    root: absolute path of the folder or zip. kind: "folder" or "zip". entries: regular files, sorted by
    name, which is unique. names: the same, by name. refused: (name, why), sorted: all else that was seen.
    aliases: (folder, the same folder) where a link lists one again, both ending in a slash.
    """

    kind = ""
    aliases: tuple[tuple[str, str], ...] = ()

    def __init__(self, root: str, entries: list[Entry], refused: list[tuple[str, str]]) -> None:
        self.root = root
        self.entries = tuple(sorted(entries, key=attrgetter("name")))
        self.refused = tuple(sorted(refused))
        self.names: dict[str, Entry] = {entry.name: entry for entry in self.entries}

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - a folder has nothing to let go of
        """Let go of the archive; harmless when called twice."""

    @cached_property
    def junk(self) -> frozenset[str]:
        """Names of listed files that are leftovers of a system or tool."""
        text = "\n".join(["", *self.names, ""])
        if not any(f"{mark}{start}" in text for mark in "\n/" for start in _ODD_STARTS):
            text = text.lower()
            if not any(f"{end}\n" in text for end in _ODD_ENDS):
                return frozenset()
        return frozenset(name for name in self.names if is_junk(name))

    @cached_property
    def _by_suffix(self) -> dict[str, list[str]]:
        """Files that are no junk by what follows the last dot of their path, in lower case."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            if name not in self.junk:
                found.setdefault(name[name.rfind(".") :].lower(), []).append(name)
        return found

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Files that end in one of `suffixes`, such as ".txt" (case does not matter), and are no junk, sorted."""
        found = [names for suffix in suffixes if (names := self._by_suffix.get(suffix))]
        return sorted(chain.from_iterable(found)) if len(found) > 1 else list(*found)

    def leave_out(self, unwanted: Callable[[str], bool]) -> list[Entry]:
        """Take the files whose names are unwanted out of the listing; returns them."""
        out = [entry for entry in self.entries if unwanted(entry.name)]
        if out:
            self.entries = tuple(entry for entry in self.entries if not unwanted(entry.name))
            self.names = {entry.name: entry for entry in self.entries}
            self.__dict__.pop("_by_suffix", None)
        return out

    def size(self, name: str) -> int:
        """Bytes of the file, unpacked; ReadError when there is none of that name."""
        return self._entry(name).size

    def read(self, name: str, limit: int | None = None, *, follow: bool = False) -> bytes:
        """The whole file; ReadError when missing, unreadable, corrupt, or over `limit` bytes (else 4 GiB).

        A file that lies `outside` is read only with `follow=True`. Images, labels and annotations are read so, as
        datasets often link them; what stands in such a file is never quoted, since an untrusted folder may link
        `labels/a.txt` to a private file of the user. Settings, lists and class names are read without it.
        """
        return self._load(self._entry(name, follow, READ_LIMIT if limit is None else limit))

    def head(self, name: str, count: int, *, follow: bool = False) -> bytes:
        """The first `count` bytes, or all of a shorter file; no checksum is verified. Errors as in `read`."""
        return self._start(self._entry(name, follow), count)

    def read_many(
        self, names: Iterable[str], *, limit: int | None = None, follow: bool = False
    ) -> Iterator[bytes | ReadError]:
        """`read` for each name, in order; a file that cannot be read yields its ReadError."""
        bound = READ_LIMIT if limit is None else limit
        for name in names:
            try:
                result: bytes | ReadError = self._load(self._entry(name, follow, bound))
            except ReadError as error:
                result = error
            yield result

    def heads(self, names: Iterable[str], count: int, *, follow: bool = False) -> Iterator[bytes | ReadError]:
        """`head` for each name, in order; a file that cannot be read yields its ReadError."""
        for name in names:
            try:
                result: bytes | ReadError = self._start(self._entry(name, follow), count)
            except ReadError as error:
                result = error
            yield result

    def place(self, name: str) -> tuple[str, zipfile.ZipInfo | None]:
        """Path of the file on disk that holds the bytes, and the member where that is a zip. ReadError: not listed."""
        return self._place(self._entry(name))

    def open(self, name: str, *, follow: bool = False) -> IO[bytes]:
        """A seekable binary stream (in a zip, going back unpacks from the start). Errors as in `read`."""
        return self._stream(self._entry(name, follow))

    def _entry(self, name: str, follow: bool = True, limit: float = math.inf) -> Entry:
        entry = self.names.get(name)
        if entry is None:
            why = dict(self.refused).get(name)
            raise self._error(name, f"is not read: {why}." if why else "does not exist in the dataset.")
        if entry.outside and not follow:
            hint = "Put a copy in its place if it belongs to the dataset."
            raise self._error(name, LEAVES, hint)
        if entry.size > limit:
            raise self._error(name, f"holds {entry.size:,} bytes, more than the {limit:,} that are read.")
        return entry

    def _error(self, name: str, what: str, hint: str | None = None) -> ReadError:
        return ReadError(f"this file {what}", where=f"{self.root}/{name}", hint=hint)

    @abstractmethod
    def _place(self, entry: Entry) -> tuple[str, zipfile.ZipInfo | None]: ...

    @abstractmethod
    def _load(self, entry: Entry) -> bytes: ...

    @abstractmethod
    def _start(self, entry: Entry, count: int) -> bytes: ...

    @abstractmethod
    def _stream(self, entry: Entry) -> IO[bytes]: ...


class _Folder(Source):
    kind = "folder"

    def __init__(self, root: str, entries: list[Entry], refused: list[tuple[str, str]], paths: dict[str, str]) -> None:
        super().__init__(root, entries, refused)
        self._paths = paths  # of the files whose path is not simply root/name

    def _place(self, entry: Entry) -> tuple[str, zipfile.ZipInfo | None]:
        return self._paths.get(entry.name) or f"{self.root}/{entry.name}", None

    def _load(self, entry: Entry) -> bytes:
        data = self._start(entry, entry.size + 1)
        if len(data) != entry.size:
            hint = "Run again when nothing writes to it."
            raise self._error(entry.name, "was changed by somebody while the dataset was read.", hint)
        return data

    def _start(self, entry: Entry, count: int) -> bytes:
        name, size = entry.name, entry.size
        try:
            handle = os.open(self._paths.get(name) or f"{self.root}/{name}", _OPEN_FLAGS)
            try:
                data = os.read(handle, count)
                if len(data) < count and len(data) < size:
                    self._check(entry, handle)
                    while len(data) < min(count, size) and (more := os.read(handle, count - len(data))):
                        data += more
            finally:
                os.close(handle)
        except OSError as error:
            raise self._fault(entry, error) from error
        return data

    def _stream(self, entry: Entry) -> IO[bytes]:
        try:
            handle = os.open(self._paths.get(entry.name) or f"{self.root}/{entry.name}", _OPEN_FLAGS)
            try:
                self._check(entry, handle)
            except ReadError:
                os.close(handle)
                raise
            return os.fdopen(handle, "rb")
        except OSError as error:
            raise self._fault(entry, error) from error

    def _check(self, entry: Entry, handle: int) -> None:
        """ReadError where something else took the place of a file since it was listed."""
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise self._error(entry.name, "is no regular file any more.", "Run again when nothing changes it.")

    def _fault(self, entry: Entry, error: OSError) -> ReadError:
        denied = isinstance(error, PermissionError)
        hint = "Give yourself the right to read it." if denied else "Check that it is still there."
        return self._error(entry.name, f"cannot be read: {error.strerror}.", hint)


class _Zip(Source):
    kind = "zip"

    def __init__(self, root: str) -> None:
        self._zip = open_zip(root)
        try:
            self._members, refused = list_members(self._zip, os.path.getsize(root))
            if not self._members:
                first = "{}: {}".format(*refused[0]) if refused else ""
                raise ReadError(
                    f"none of the {len(refused):,} files in the zip can be read; {first}."
                    if refused
                    else "the zip holds no files.",
                    where=root,
                    hint="Make the archive anew, as a plain zip without a password.",
                )
        except ReadError:
            self._zip.close()
            raise
        entries = [Entry(name, info.file_size, False) for name, info in self._members.items()]
        super().__init__(root, entries, refused)

    def close(self) -> None:
        self._zip.close()

    def _place(self, entry: Entry) -> tuple[str, zipfile.ZipInfo | None]:
        return self.root, self._members[entry.name]

    def _load(self, entry: Entry) -> bytes:
        try:
            return read_member(self._zip, self._members[entry.name])
        except ZIP_ERRORS as error:
            raise self._fault(entry, error) from error

    def _start(self, entry: Entry, count: int) -> bytes:
        try:
            return read_start(self._zip, self._members[entry.name], count)
        except ZIP_ERRORS as error:
            raise self._fault(entry, error) from error

    def _stream(self, entry: Entry) -> IO[bytes]:
        try:
            stream = self._zip.open(self._members[entry.name])
        except ZIP_ERRORS as error:
            raise self._fault(entry, error) from error
        return io.BufferedReader(MemberStream(stream, partial(self._fault, entry)), 1 << 16)

    def _fault(self, entry: Entry, error: Exception) -> ReadError:
        hint = "Copy or download the archive again."
        what = "its checksum is wrong" if str(error).startswith("Bad CRC-32") else error
        return self._error(entry.name, f"is corrupt in the zip: {what}.", hint)


def open_source(path: str | os.PathLike[str]) -> Source:
    """List a folder or a zip (known by its content, not its name); ReadError for anything else."""
    root = os.path.abspath(os.fspath(path))
    try:
        mode = os.stat(root).st_mode
        if stat.S_ISDIR(mode):
            found = list_folder(root)
            folder = _Folder(root, found.entries, found.refused, found.paths)
            folder.aliases = tuple(found.aliases)
            return folder
        if not stat.S_ISREG(mode):
            raise ReadError("neither a folder nor a zip.", where=root, hint="Name a folder or a .zip.")
        with open(root, "rb") as stream:
            start = stream.read(265)
        if zipfile.is_zipfile(root):
            return _Zip(root)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ReadError("no such file or folder.", where=root, hint=_nearest(root)) from error
    except OSError as error:
        hint = "Check its rights." if isinstance(error, PermissionError) else "Check the spelling."
        raise ReadError(f"cannot be read: {error.strerror}.", where=root, hint=hint) from error
    except ValueError as error:
        raise ReadError(f"not a path: {error}.", where=repr(root), hint="Check the spelling.") from error
    lower = root.lower()
    if lower.endswith(".zip") or start.startswith(b"PK\x03\x04"):
        raise broken_zip(root)
    if lower.endswith(_ARCHIVE_SUFFIXES) or start.startswith(_ARCHIVE_MAGIC) or start[257:262] == b"ustar":
        hint = "Unpack it and name the folder, or repack it as a .zip."
        raise ReadError("an archive, but not a zip.", where=root, hint=hint)
    hint = "Name the folder or .zip that holds the dataset."
    raise ReadError("neither a folder nor a zip.", where=root, hint=hint)


def open_file(path: str | os.PathLike[str]) -> Source:
    """A source of the one file that the user named, rooted at its folder; ReadError when not there."""
    root, name = os.path.split(os.path.abspath(os.fspath(path)))
    try:
        status = os.stat(path)
    except OSError as error:
        raise ReadError(
            f"cannot be read: {error.strerror}.", where=f"{root}/{name}", hint=_nearest(f"{root}/{name}")
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise ReadError("not a file.", where=f"{root}/{name}", hint="Name an annotation file.")
    return _Folder(root, [Entry(name, status.st_size, False)], [], {})


def _nearest(path: str) -> str:
    folder, name = os.path.split(path)
    while not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    try:
        near = difflib.get_close_matches(name, sorted(os.listdir(folder))[:5000], n=3)
    except OSError:
        near = []
    if near:
        return f"Did you mean {' or '.join(near)} in {folder}?"
    return f"There is no {name} in {folder}; check the spelling."

"""A folder taken to be hostile: its regular files, links followed but told apart, and what is refused."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

import msgspec

from dsq.errors import ReadError

MAX_ALIASES = 8  # how often one real folder may be listed under different names


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One regular file: posix `name` relative to the root, `size` in bytes.

    `outside`: a link, its own or a folder's above it, leads out of the root.
    """

    name: str
    size: int
    outside: bool


class _Folder(NamedTuple):
    prefix: str  # its name and a slash; "" for the root
    path: str
    real: str  # its path with links resolved
    outside: bool
    above: frozenset[tuple[int, int]]  # (device, inode) of itself and the folders that it lies in


class Listing:
    """What `list_folder` found: `entries`, `refused` as (name, why), `paths` where not just root/name, `aliases`:
    folders (ending in a slash) that a link lists again, with the one that they are.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.entries: list[Entry] = []
        self.refused: list[tuple[str, str]] = []
        self.paths: dict[str, str] = {}
        self.aliases: list[tuple[str, str]] = []
        self._times: dict[tuple[int, int], int] = {}
        self._first: dict[tuple[int, int], str] = {}
        self._resolved: dict[str, str] = {}
        self._waiting = [_Folder("", root, self.real_root, False, frozenset())]
        self._linked: list[_Folder] = []  # listed last, so that a real folder never counts as an alias

    def walk(self) -> None:
        while self._waiting or self._linked:
            if not self._waiting:
                self._linked.sort(reverse=True)
                self._waiting.append(self._linked.pop())
            folder = self._waiting.pop()
            try:
                status = os.stat(folder.path)
                identity = (status.st_dev, status.st_ino)
                times = self._times[identity] = self._times.get(identity, 0) + 1
                if identity in folder.above or times > MAX_ALIASES:
                    self.refused.append((folder.prefix[:-1], "a link to a folder that is listed already"))
                    continue
                if times > 1:
                    self.aliases.append((folder.prefix, self._first[identity]))
                self._first.setdefault(identity, folder.prefix)
                self._list(folder._replace(above=folder.above | {identity}))
            except OSError as error:
                if not folder.prefix:
                    raise ReadError(
                        f"the folder cannot be listed: {error.strerror}.",
                        where=self.root,
                        hint="Give yourself the right to list it, or name another folder.",
                    ) from error
                why = f"the folder cannot be listed ({error.strerror})"
                self.refused.append((folder.prefix[:-1], why))

    def _list(self, folder: _Folder) -> None:
        prefix, path, _, outside, _ = folder
        at_home = f"{path}/" == f"{self.root}/{prefix}"
        with os.scandir(path) as items:
            for item in items:
                base = item.name
                spelled = base if base.isascii() else _spell(base)
                name = prefix + spelled
                if spelled != base and os.path.lexists(os.path.join(path, spelled)):
                    self.refused.append((name, "a second file whose name reads the same"))
                    continue
                try:
                    if item.is_file(follow_symlinks=False):
                        entry = Entry(name, item.stat(follow_symlinks=False).st_size, outside)
                    else:
                        found = self._look(item, name, folder)
                        if found is None:
                            continue
                        entry = found
                except OSError as error:
                    why = "a link that leads nowhere" if item.is_symlink() else "cannot be looked at"
                    self.refused.append((name, f"{why} ({error.strerror})"))
                    continue
                if not at_home or spelled != base:
                    self.paths[name] = item.path
                self.entries.append(entry)

    def _look(self, item: os.DirEntry[str], name: str, folder: _Folder) -> Entry | None:
        """The regular file behind a link; folders join the queue, the rest is refused."""
        status = item.stat()
        real, outside = os.path.join(folder.real, item.name), folder.outside
        if item.is_symlink():
            real = self._resolve(item.path, folder.real)
            outside = real != self.real_root and not real.startswith(os.path.join(self.real_root, ""))
        if stat.S_ISDIR(status.st_mode):
            found = _Folder(f"{name}/", item.path, real, outside, folder.above)
            (self._linked if item.is_symlink() else self._waiting).append(found)
        elif stat.S_ISREG(status.st_mode):
            return Entry(name, status.st_size, outside)
        else:
            self.refused.append((name, "a device, pipe or socket, not a file"))
        return None

    def _resolve(self, path: str, real_folder: str) -> str:
        """The real path behind a link; each folder is resolved once, as sets of 100,000 links are common."""
        folder, name = os.path.split(os.path.join(real_folder, os.readlink(path)))
        if folder not in self._resolved:
            self._resolved[folder] = os.path.realpath(folder)
        target = os.path.join(self._resolved[folder], name)
        return os.path.realpath(target) if name in ("", ".", "..") or os.path.islink(target) else target


def list_folder(root: str) -> Listing:
    """All below the absolute path `root`, folder links followed; ReadError where that cannot be listed."""
    listing = Listing(root)
    listing.walk()
    return listing


def _spell(name: str) -> str:
    """The name as Unicode. Bytes that are not UTF-8 are read as Windows-1252, which most such names are."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    return name

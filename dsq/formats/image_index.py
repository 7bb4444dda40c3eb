"""Image files found by the names that annotations use for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from urllib.parse import unquote

from dsq.source import IMAGE_SUFFIXES, Source, is_image


class _Ends:
    """Files found by the folder that they lie in, or by the last folders of their path."""

    def __init__(self, names: Sequence[str]) -> None:
        self.parents: dict[str, list[str]] = {}
        self.ends: dict[int, tuple[str, int]] = {}  # last folders, hashed from the innermost on -> first, how many
        for name in names:
            self.parents.setdefault(name.rpartition("/")[0], []).append(name)
            for end in _hash_ends(name):
                first, count = self.ends.get(end, (name, 0))
                self.ends[end] = first, count + 1

    def find(self, name: str, folders: Iterable[str]) -> str | None:
        """The one file in `folders`, else the one that shares most of its last folders with `name`."""
        near = [each for folder in set(folders) - {""} for each in self.parents.get(folder, ())]
        if len(near) == 1:
            return near[0]
        found: tuple[str, int] | None = None
        for end in _hash_ends(name):
            if end not in self.ends:
                break
            found = self.ends[end]
        return found[0] if found is not None and found[1] == 1 else None


def _hash_ends(name: str) -> Iterator[int]:
    """A number for the last folder of a path, for its last two, and so on."""
    end = 0
    for part in name.split("/")[-2::-1]:
        end = hash((end, part))
        yield end


class ImageIndex:
    """Image files of one or more sources, found by the names that annotations use. places: by name, the root of the
    source that holds it.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = list(sources)
        self.places: dict[str, str] = {}
        for source in sources:
            for name in source.with_suffix(*IMAGE_SUFFIXES):
                if (name[0] != "." and "/." not in name) or is_image(name):  # but `.jpg` is none
                    self.places.setdefault(name, source.root)

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def by_base(self) -> dict[str, list[str]]:
        """Names by last component."""
        found: dict[str, list[str]] = {}
        for name in self.places:
            found.setdefault(name.rpartition("/")[2], []).append(name)
        return found

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Names by lower-case last component without its extension."""
        found: dict[str, list[str]] = {}
        for name in self.places:
            found.setdefault(stem(name).lower(), []).append(name)
        return found

    def find(self, name: str, folders: Iterable[str] = ("",)) -> str | None:
        """The listed image that an annotation calls `name`; None where none or no single one fits.

        Tried in order: the full path below each of `folders` ("" is the root), the longest matching end of the
        path, the percent-decoded name, then the stem with another extension (`.JPG`, `.jpeg`).
        """
        name = name.replace("\\", "/").removeprefix("./")
        spelled = list(dict.fromkeys((name, unquote(name).replace("\\", "/").removeprefix("./"))))
        for each in spelled:
            found = self._by_path(each, folders)
            if found is not None:
                return found
        for each in spelled[::-1]:
            base = each.rpartition("/")[2]
            key = (stem(base) if is_image(base) else base).lower()
            found = self._by_end(each, self.by_stem.get(key, []), folders)
            if found is not None:
                return found
        return None

    def _by_path(self, name: str, folders: Iterable[str]) -> str | None:
        """The image of this path below one of `folders`, else the one whose path ends most like it."""
        for folder in folders:
            path = f"{folder}/{name}" if folder else name
            if path in self.places:
                return path
        return self._by_end(name, self.by_base.get(name.rpartition("/")[2], []), folders)

    def _by_end(self, name: str, candidates: list[str], folders: Iterable[str]) -> str | None:
        """The candidate that shares most trailing folders with `name`, or lies in one of `folders`."""
        if len(candidates) <= 1:
            return candidates[0] if candidates else None
        ends = self._ends.get(id(candidates))
        if ends is None:
            ends = self._ends[id(candidates)] = _Ends(candidates)
        return ends.find(name, folders)

    @cached_property
    def _ends(self) -> dict[int, _Ends]:
        """Candidates by where they lie; by the id of a list of `by_base` or `by_stem`, which live as long."""
        return {}


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    count = 0
    for left, right in zip(a, b, strict=False):
        if left != right:
            break
        count += 1
    return count


def shared_end(a: str, b: str) -> int:
    """How many components two paths end with alike: "x/train/1.jpg" and "set/train/1.jpg" 2."""
    return _common(a.replace("\\", "/").split("/")[::-1], b.split("/")[::-1])


def stem(name: str) -> str:
    """Last component without its last extension: "a/b.v1.jpg" -> "b.v1"."""
    base = name.rpartition("/")[2]
    head, dot, _ = base.rpartition(".")
    return head if dot and head else base

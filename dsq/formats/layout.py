"""Where things lie: the request that a reader gets, the inventory of files, and finding images by name."""

from __future__ import annotations

import codecs
import gc
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd

from dsq.errors import ReadError
from dsq.formats.image_index import ImageIndex as ImageIndex
from dsq.formats.image_index import shared_end as shared_end
from dsq.formats.image_index import stem as stem
from dsq.headers import Header, read_headers
from dsq.model import FILES, Notice, Table, make_table
from dsq.source import IMAGE_SUFFIXES, Entry, Source, is_image, is_junk, open_file, open_source

Progress = Callable[[str, int, int], None]

#: folder or file names that say which split they hold
SPLITS = {
    "train": "train", "training": "train", "trn": "train",
    "val": "val", "valid": "val", "validation": "val", "validate": "val", "dev": "val", "eval": "val",
    "test": "test", "testing": "test", "tst": "test",
}  # fmt: skip
_MASKS = re.compile(r"segmentation(?:class|object)\w*|(?:instance_?)?masks?", re.IGNORECASE)


def split_of(name: str) -> str | None:
    """train, val or test for a folder or file name that clearly says so ("train2017", "Valid"); else None."""
    return SPLITS.get(name.lower().rstrip("0123456789_.- "))


def split_of_path(name: str) -> str | None:
    """The split that a folder on the way to a file names, the innermost first; None where none does."""
    for part in reversed(name.split("/")[:-1]):
        split = split_of(part)
        if split:
            return split
    return None


#: files that may be named alone; those beyond the first three so that they can be refused by name
_NAMED = frozenset(".json .xml .txt .csv .tsv .jsonl .ndjson .manifest .vott .tfrecord .record .parquet".split())

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def in_masks(name: str) -> bool:
    """Whether a file lies in a folder whose name says that it holds masks, but for those below JPEGImages."""
    parts = name.split("/")[:-1]
    return "JPEGImages" not in parts and any(_MASKS.fullmatch(part) for part in parts)


def escapes(name: str) -> bool:
    """Whether a name that an annotation states leads out of the dataset: absolute, a drive, or `..` past the root."""
    name = name.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return True
    depth = 0
    for part in name.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return True
    return False


def resolve(name: str) -> str:
    """A relative posix path with `.` and `..` worked out; `..` past the root is dropped."""
    parts: list[str] = []
    for part in name.replace("\\", "/").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def decode_text(data: bytes) -> str:
    """The text of a file of unknown encoding: by its byte order mark, as UTF-8, UTF-16 without a mark, else
    Windows-1252 or Latin-1. Never fails.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    even, odd = data[:64:2], data[1:64:2]
    if odd and 2 * odd.count(0) > len(odd) and not even.count(0):
        return data.decode("utf-16-le", "replace")
    if odd and 2 * even.count(0) > len(even) and not odd.count(0):
        return data.decode("utf-16-be", "replace")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the garbage collector, which would walk over millions of new objects that hold no cycles."""
    active = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if active:
            gc.enable()


@dataclass
class Request:
    """What a reader gets: the source, where images lie, and the user's options."""

    src: str
    source: Source
    focus: str | None = None  # the single annotation file that was given, by its name in `source`
    image_sources: tuple[Source, ...] = ()  # from --image-root
    beside: Source | None = None  # the folder around a zip that was found in it
    voc_offset: int | None = None
    no_label_file: str = "unlabelled"
    progress: Progress | None = None
    extra_sources: list[Source] = field(default_factory=list)
    left_out: list[tuple[str, Entry]] = field(default_factory=list)  # (root, file) that is no part of the dataset
    notices: list[Notice] = field(default_factory=list)  # what is to be told whatever the format
    unread: dict[str, str] = field(default_factory=dict)  # file -> why not even its first bytes could be read

    def close(self) -> None:
        """Close what was opened for reading."""
        for source in (self.source, *self.image_sources, *self.extra_sources, *([self.beside] if self.beside else [])):
            source.close()

    @cached_property
    def names(self) -> list[str]:
        """Listed files that are no junk, sorted."""
        return [name for name in self.source.names if name not in self.source.junk]

    @cached_property
    def images(self) -> ImageIndex:
        """Image files of the source, of --image-root and of folders found beside a single annotation file."""
        return ImageIndex([self.source, *self.image_sources, *self.extra_sources])

    @property
    def dataset_name(self) -> str:
        """Name of the folder or zip, without its suffix."""
        path = PurePosixPath(self.src.replace("\\", "/").rstrip("/") or "/")
        return path.stem if path.suffix in (".zip", ".json", ".yaml", ".yml", ".xml") else path.name

    @property
    def listed(self) -> bool:
        """Whether the whole listing is known (not so for an annotation file alone)."""
        return self.focus is None or bool(self.image_sources or self.extra_sources)

    def add_image_folder(self, folder: Path) -> None:
        """Take a folder's images into the index (for an annotation file whose images lie beside it)."""
        self.extra_sources.append(open_source(folder))
        self.__dict__.pop("images", None)

    def add_image(self, path: Path) -> None:
        """Take one image file into the index (the image of an annotation file that was named alone)."""
        self.extra_sources.append(open_file(path))
        self.__dict__.pop("images", None)

    def with_suffix(self, *suffixes: str) -> list[str]:
        """Listed files that end in one of `suffixes`, such as ".txt" (case does not matter), sorted."""
        return self.source.with_suffix(*suffixes)

    def summary(self) -> str:
        """The listing in words: "12 .jpg, 3 .txt and 1 .md files in 4 folders"."""
        names = self.names
        if not names:
            return "no files"
        kinds = Counter(PurePosixPath(name).suffix.lower() or "without suffix" for name in names)
        most = [f"{count:,} {kind}" for kind, count in sorted(kinds.items(), key=lambda kv: (-kv[1], kv[0]))[:5]]
        folders = {name.rpartition("/")[0] for name in names}
        text = " and ".join([", ".join(most[:-1]), most[-1]] if len(most) > 1 else most)
        return f"{text} files in {len(folders):,} folder{'s' if len(folders) != 1 else ''}"

    def image_headers(self, names: Sequence[str]) -> list[Header]:
        """Headers of images of the index, in the order of `names`; a file that is broken says so in `error`."""
        found: list[Header | None] = [None] * len(names)
        done = 0
        for source in (self.source, *self.image_sources, *self.extra_sources):
            mine = [i for i, name in enumerate(names) if self.images.places[name] == source.root]
            for start in range(0, len(mine), 2000):
                part = mine[start : start + 2000]
                for i, header in zip(part, read_headers(source, [names[i] for i in part]), strict=True):
                    found[i] = header
                done += len(part)
                if self.progress:
                    self.progress("reading image headers", done, len(names))
        return [header for header in found if header is not None]

    def inventory(self, roles: dict[str, str]) -> Table:
        """The files table: every file of every source; `roles` gives those that the reader knows by name."""
        sources = (self.source, *self.image_sources, *self.extra_sources)
        files = [entry.name for source in sources for entry in source.entries]
        images = self.images.places
        told = [roles.get(name) or ("image" if name in images else _role(name)) for name in files]
        out = [entry for _, entry in self.left_out]
        root = pd.Categorical([source.root for source in sources]).repeat([len(source.entries) for source in sources])
        if out:
            root = pd.Categorical([*root, *(root for root, _ in self.left_out)])
        return make_table(
            FILES, len(files) + len(out),
            file=files + [entry.name for entry in out],
            root=root,
            size=[entry.size for source in sources for entry in source.entries] + [entry.size for entry in out],
            role=told + ["junk" if is_junk(entry.name) else "other" for entry in out],
        )  # fmt: skip

    def refusals(self) -> list[tuple[str, str, str, str]]:
        """Rows of `problems` for what the source does not offer: names that escape, links, bombs, no rights."""
        return [
            ("path-outside-dataset" if "leave" in why or "outside" in why else "malformed-record", name, "", why)
            for source in (self.source, *self.image_sources)
            for name, why in source.refused
        ]


def is_file(path: Path) -> bool:
    """Whether a file is there; not so for a path that the system does not take or does not let be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def _role(name: str) -> str:
    return "junk" if is_junk(name) else "image" if is_image(name) else "other"


def open_request(
    src: str | os.PathLike[str],
    *,
    image_root: str | os.PathLike[str] | None,
    voc_offset: int | None,
    no_label_file: str,
    progress: Progress | None,
) -> Request:
    """Open what the user named: a folder, a zip, or an annotation file (its folder becomes the root).

    A folder that holds nothing but one zip (and loose texts) is entered into.
    """
    path = Path(src)
    named = is_file(path)
    focus: str | None = None
    beside: Source | None = None
    if named and path.suffix.lower() in _NAMED:
        source, focus = open_file(path), path.name
    elif named and path.suffix.lower() in (".yaml", ".yml", ".data"):
        source, focus = open_source(path.parent), path.name
    elif named and path.suffix.lower() in IMAGE_SUFFIXES:
        raise ReadError(
            "is a single image.", where=str(path), hint="Give the folder, zip or annotation file of a dataset."
        )
    else:
        source = open_source(path)
    if source.kind == "folder" and focus is None:
        zips = [entry.name for entry in source.entries if entry.name.lower().endswith(".zip")]
        zips = [name for name in zips if not is_junk(name)]
        if len(zips) == 1:
            names = [entry.name for entry in source.entries if not is_junk(entry.name)]
            if not {PurePosixPath(name).suffix.lower() for name in names} & (IMAGE_SUFFIXES | {".xml", ".json"}):
                beside, source = source, open_source(path / zips[0])
    elif source.kind == "zip":
        names = [entry.name for entry in source.entries if not is_junk(entry.name)]
        if names and all(name.lower().endswith(".zip") for name in names):
            raise ReadError("holds only other zips.", where=str(path), hint=f"Unpack it and give {names[0]}.")
    return Request(
        src=os.fspath(src),
        source=source,
        focus=focus,
        image_sources=(open_source(image_root),) if image_root is not None else (),
        beside=beside,
        voc_offset=voc_offset,
        no_label_file=no_label_file,
        progress=progress,
    )


@dataclass(frozen=True)
class WriteOptions:
    """What a writer gets beside the dataset: task detect or segment, style None or "alwaysai"."""

    task: str = "detect"
    style: str | None = None
    progress: Progress | None = None

"""The annotation files of a Pascal VOC set in columns, and which pixel they count from."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dsq.errors import ReadError
from dsq.formats.layout import Request
from dsq.formats.voc.layout import Problem
from dsq.formats.voc.tree import Refused
from dsq.formats.voc.xml import Record, XmlReader
from dsq.model import Notice

MOST = 64 << 20  # bytes of one XML


class Columns(NamedTuple):
    """A row a file. offset: None where no stamp says it. unsaid: a bit for each of FLAGS whose 0 says nothing.
    objects: -1 where the file is unreadable.
    """

    names: list[str]
    stated: list[str]
    width: list[int]
    height: list[int]
    extras: list[bytes]
    offset: list[int | None]
    unsaid: list[int]
    objects: list[int]
    kept: list[int]


@dataclass
class Files:
    """What the XML files say, in columns: a row a file that could be read, then a row an object."""

    reader: XmlReader = field(default_factory=XmlReader)
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # see `columns`
    coords: array[float] = field(default_factory=lambda: array("d"))
    looks: array[int] = field(default_factory=lambda: array("i"))
    numbers: dict[int, list[int]] = field(default_factory=dict)  # of files where objects were skipped
    polygons: dict[int, list[list[float]]] = field(default_factory=dict)
    rotated: int = 0
    problems: list[Problem] = field(default_factory=list)
    foreign: list[tuple[str, Refused]] = field(default_factory=list)

    def add(self, name: str, record: Record) -> None:
        """Take one file's record."""
        filename, width, height, extras, coords, looks, numbers, objects, polygons, rotated, faults, offset, unsaid = (
            record
        )
        self.rows.append((name, filename, width, height, extras, offset, unsaid, objects, len(looks)))
        self.coords.fromlist(coords)
        self.looks.fromlist(looks)
        if numbers is not None:
            self.numbers[len(self.rows) - 1] = numbers
        if polygons:
            first = len(self.looks) - len(looks)
            self.polygons |= {first + row: rings for row, rings in polygons.items()}
            self.rotated += rotated
        if faults:
            self.problems += [("malformed-record", name, place, what) for place, what in faults]

    @cached_property
    def columns(self) -> Columns:
        """What the rows hold, once all are read."""
        return Columns(*map(list, zip(*self.rows, strict=True))) if self.rows else Columns(*([] for _ in range(9)))

    def places(self) -> Any:
        """(boxes,) int64: the number of each box's object in its file, from 1."""
        kept = np.array(self.columns.kept, np.int64)
        ends = np.cumsum(kept)
        places = np.arange(1, len(self.looks) + 1) - np.repeat(ends - kept, kept)
        for row, numbers in self.numbers.items():
            places[ends[row] - kept[row] : ends[row]] = numbers
        return places

    def add_unreadable(self, name: str) -> None:
        """Take a file whose content was refused: its image is one that nothing is known about."""
        self.add(name, Record("", 0, 0, b"", [], [], objects=-1))


def read_files(request: Request, xmls: list[str]) -> Files:
    files = Files()
    parse = files.reader.parse
    for row, (name, data) in enumerate(zip(xmls, request.source.read_many(xmls, limit=MOST, follow=True), strict=True)):
        try:
            if isinstance(data, ReadError):
                raise Refused("", data.what)
            files.add(name, parse(data))
        except Refused as refused:
            if refused.foreign:
                files.foreign.append((name, refused))
                continue
            if request.focus is not None:
                where = f"{name}: {refused.place}" if refused.place else name
                hint = "Correct it there, or name the folder that holds it to read the others."
                raise ReadError(f"{refused.what}.", where=where, hint=hint) from refused
            files.problems.append(("malformed-record", name, refused.place, refused.what))
            files.add_unreadable(name)
        if request.progress and row % 500 == 0:
            request.progress("reading annotations", row, len(xmls))
    return files


def infer_offset(corners: Any, sides: Any) -> tuple[int, bool, str]:
    """The smallest coordinate of a set, 0 or 1, whether that is sure, and why.

    corners: (n, 4) xmin ymin xmax ymax as written. sides: (n, 2) declared width and height, 0 where unknown.
    """
    low, high = corners[:, :2], corners[:, 2:]
    count = len(corners)
    if not count:
        return 1, True, "no boxes"
    zeros = _either((low >= 0) & (low < 1))
    ones = _either(low == 1)
    ends = _either((high == sides) & (sides > 0))
    short = _either((high == sides - 1) & (sides > 0))
    if zeros:
        why = f"{zeros:,} of {count:,} boxes begin below 1"
        if zeros * 1000 < count and ones > 10 * zeros:
            return (
                0,
                False,
                f"{why}, although {ones:,} begin at exactly 1: a few slips in a 1-based set look so",
            )
        if not ends and short > max(2, zeros // 10):
            return (
                0,
                False,
                f"{why}; {short:,} end at the side minus 1 and none at the side: perhaps inclusive",
            )
        return 0, True, why
    whole = int((corners == np.floor(corners)).all(axis=1).sum())
    if ones and ends and 2 * whole >= count:
        return 1, True, f"{ones:,} of {count:,} boxes begin at 1, {ends:,} end at the image's side, in whole pixels"
    lowest = f"none of {count:,} boxes begins at 0 (the smallest coordinate is {low.min():g})"
    return 1, False, f"{lowest} and nothing else tells"


def _either(found: Any) -> int:
    """How many rows of (n, 2) hold for x or for y."""
    return int((found[:, 0] | found[:, 1]).sum())


def find_offsets(request: Request, files: Files, corners: Any, owner: Any) -> tuple[Any, int, str, list[Notice]]:
    """The offset of each file, that of the set, why, and notices."""
    stamps = np.array([-1 if offset is None else offset for offset in files.columns.offset], np.int64)
    if request.voc_offset is not None:
        return np.full_like(stamps, request.voc_offset), request.voc_offset, "--voc-offset says so", []
    bare = stamps < 0
    if len(stamps) and not bare.any():
        taken, why = int(np.bincount(stamps).argmax()), "our stamp in the files says so"
        sure = True
        if (stamps != taken).any():
            sure, why = (
                False,
                f"{int((stamps == taken).sum()):,} of {len(stamps):,} stamps say so; each file's own holds",
            )
    else:
        mine = bare[owner]
        sides = np.column_stack([files.columns.width, files.columns.height]).astype(float).reshape(-1, 2)[owner[mine]]
        taken, sure, why = infer_offset(corners[mine], sides)
    notices = []
    if not sure:
        other = f"--voc-offset {1 - taken} reads it the other way"
        notices = [Notice("voc-offset", f"coordinates were taken as {taken}-based: {why}; {other}")]
    return np.where(bare, taken, stamps), taken, why, notices

"""One Pascal VOC XML file, from its bytes to a Record.

Two ways lead there. `XmlReader.parse` first tries a pattern that fits what labelImg, Roboflow, CVAT and their
kin write, at a tenth of the cost; what departs from it in the least goes to `parse_tree`, which is the truth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple, TypeAlias, cast

import msgspec
from lxml import etree

from dsq.formats.voc.tree import (
    CORNERS,
    NUMBER,
    parse_fragment,
    parse_root,
    raw_of,
    read_shape,
    text_of,
    tidy,
)

#: the text that our writer puts into <source><annotation>, followed by 0 or 1
STAMP = "dsq voc offset="
#: what follows where flags that nobody said were written as 0, and these flags, by comma
UNSAID = " unsaid="
SIDE_LIMIT = 10_000_000  # pixels: a declared side beyond it is none
FLAGS = ("difficult", "truncated", "occluded")

_STAMPED = b"<annotation>" + STAMP.encode()
_MAX_LOOKS = 50_000  # kinds of object before the pattern no longer pays
_MAX_SEAM = 2_000  # characters
_HEADS = 16  # heads that the next files are compared with
_MAX_EXTRAS = 4_000  # kinds of header that are kept once; with a <path> each is its own
_WORDS = {
    "true": True, "yes": True, "y": True, "t": True, "false": False, "no": False, "n": False, "f": False,
}  # fmt: skip


#: extras, and the offset and unsaid flags of a stamp in them
Told: TypeAlias = tuple[bytes, tuple[int | None, int]]


class Look(NamedTuple):
    """What an object says beside where it lies. None: not said; extras: its other elements as they stand."""

    name: str
    difficult: bool | None
    truncated: bool | None
    occluded: bool | None
    score: float | None
    extras: bytes | None


class Record(NamedTuple):
    """One annotation file.

    filename: as stated, "" where it is not. width, height: 0 where none is declared. extras: what no field
    holds. coords: xmin ymin xmax ymax of each object kept, flat, as written. looks: index into
    `XmlReader.looks` of each. numbers: 1-based place of each among the file's objects; None: all of them in
    order. objects: how many the file holds. polygons: position in `looks` -> rings of x y x y … as written.
    rotated: how many were <robndbox>. faults: (place, what). offset: 0 or 1 where our stamp says so.
    unsaid: a bit for each of FLAGS of which our stamp says that 0 means nothing.
    """

    filename: str
    width: int
    height: int
    extras: bytes
    coords: list[float]
    looks: list[int]
    numbers: list[int] | None = None
    objects: int = 0
    polygons: dict[int, list[list[float]]] | None = None
    rotated: int = 0
    faults: tuple[tuple[str, str], ...] = ()
    offset: int | None = None
    unsaid: int = 0


_TEXT = r"[^<>&\x00-\x1f]*"
_GAP = r"[ \t\r\n]*"
_LEAF = r"<([A-Za-z_]\w*)(?:/>|>" + _TEXT + r"</\{inner}>)" + _GAP
_OTHERS = (
    r"((?:<(?!(?:filename|size|object)[/>])([A-Za-z_]\w*)(?:/>|>(?:"
    + f"{_TEXT}|{_GAP}(?:{_LEAF})+"
    + r")</\{outer}>)"
    + f"{_GAP})*)"
)
_HEAD = re.compile(
    f"{_GAP}(?:<\\?xml version=[\"']1\\.0[\"'](?: encoding=[\"'](?i:utf-8|us-ascii|ascii)[\"'])?{_GAP}\\?>{_GAP})?"
    + r'<annotation((?: [A-Za-z_]\w*="[\w.-]*")*)>'
    + _GAP
    + _OTHERS.format(outer=3, inner=4)
    + f"<filename>({_TEXT})</filename>{_GAP}"
    + _OTHERS.format(outer=7, inner=8)
    + f"<size>{_GAP}<width>([0-9]{{1,7}})</width>{_GAP}<height>([0-9]{{1,7}})</height>{_GAP}"
    + rf"((?:<depth>[\w.-]+</depth>{_GAP})?)</size>{_GAP}"
    + _OTHERS.format(outer=13, inner=14),
    re.ASCII,
)
_END = re.compile(f"{_GAP}</annotation>{_GAP}")
_BETWEEN = re.compile(rf"</object>{_GAP}(?:<object>|</annotation>{_GAP}\Z)")
_FIRST_BOX = re.compile(r"<bndbox>" + rf"{_GAP}<(\w+)>[^<]*</\w+>" * 4)
_NOTHING = re.compile("(?!)")
_DONE = "</annotation>"  # what follows the last object; known by identity
_FLOATS = msgspec.json.Decoder(list[float])


def _boxes_in_order(order: tuple[str, ...]) -> re.Pattern[str]:
    number = r"(-?+[0-9]{1,9}+(?:\.[0-9]++)?+)"
    corners = "".join(f"{_GAP}+<{tag}>{number}</{tag}>" for tag in order)
    return re.compile(f"<bndbox>{corners}{_GAP}+</bndbox>")


def _pattern_like(text: str, head: re.Match[str]) -> re.Pattern[str]:
    """What fits the heads that differ from this one in file name, width and height alone; those are its groups."""
    parts, done = [], 0
    for group, wanted in ((5, _TEXT), (9, "[0-9]{1,7}"), (10, "[0-9]{1,7}")):
        parts += [re.escape(text[done : head.start(group)]), f"({wanted})"]
        done = head.end(group)
    return re.compile("".join([*parts, re.escape(text[done : head.end()]), "(?=<object>|</annotation>)"]))


class XmlReader:
    """Reads annotation files one by one and remembers the kinds of object that it met in `looks`."""

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self._index: dict[Look, int] = {}
        self._known: dict[tuple[str, str], int] = {}
        self._seams: dict[str, tuple[str, str]] = {}
        #: for objects in which _tail follows the box: their looks by the text before the box, and the texts at the end
        self._tail: str | None = None
        self._quick: dict[str, int | None] = {}
        self._ends: set[str] = set()
        self._extras: dict[str, Told] = {}
        #: a pattern for heads like the last one learned, which costs half as much, and what they tell
        self._like_before = _NOTHING
        self._told_before: Told = b"", (None, 0)
        self._heads_to_learn = _HEADS
        self._order: tuple[str, ...] = CORNERS
        self._places = [0, 1, 2, 3]
        self._boxes = _boxes_in_order(CORNERS)

    def parse(self, data: bytes) -> Record:
        """The record in a file's bytes. Raises Refused."""
        return self.parse_pattern(data) or self.parse_tree(data)

    def parse_pattern(self, data: bytes) -> Record | None:
        """The record where the file has the common shape and nothing in it is amiss; else None."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        head = self._read_head(text)
        if head is None:
            return None
        end, filename, width, height, extras, (offset, unsaid) = head
        coords: list[float] = []
        looks: list[int] = []
        body = text[end:]
        if not body.startswith("</") or _END.fullmatch(body) is None:
            parts = self._split(body)
            around = parts[::5]
            del parts[::5]
            if not parts or not around[0].startswith("<object>"):
                return None
            found = [*map(self._quick.get, around[:-1])]
            known = None not in found and around[-1] in self._ends
            looks = cast(list[int], found) if known else self._look_up(around)
            if len(looks) != len(found):
                return None
            try:
                coords = _FLOATS.decode(f"[{','.join(parts)}]")
            except msgspec.DecodeError:  # a number that begins with 0
                return None
            if self._order != CORNERS:
                coords = [coords[row + at] for row in range(0, len(coords), 4) for at in self._places]
        filename, count = filename.strip(), len(looks)
        return Record(filename, width, height, extras, coords, looks, None, count, None, 0, (), offset, unsaid)

    def _read_head(self, text: str) -> tuple[int, str, int, int, *Told] | None:
        """Where the head ends, file name, width, height and what else it tells; None where it is odd."""
        found = self._like_before.match(text)
        if found is not None:
            filename, width, height = found.groups()
            end, told = found.end(), self._told_before
        else:
            head = _HEAD.match(text)
            if head is None:
                return None
            attributes, first, _, _, filename, second, _, _, width, height, depth, third, _, _ = head.groups("")
            own = f"<annotation{attributes}/>" if attributes else ""
            size = f"<size>{depth}</size>" if depth else ""
            kind = f"{own}{first}{second}{size}{third}"
            end, told = head.end(), self._tell(kind)
            if self._heads_to_learn:
                self._heads_to_learn -= 1
                self._like_before, self._told_before = _pattern_like(text, head), told
        sides = int(width), int(height)
        return (end, filename, *sides, *told) if all(sides) else None

    def _tell(self, kind: str) -> Told:
        told = self._extras.get(kind)
        if told is None:
            extras = tidy(kind.encode())
            told = extras, read_stamp(extras)
            if len(self._extras) < _MAX_EXTRAS:
                self._extras[kind] = told
        return told

    def _split(self, body: str) -> list[str]:
        """What lies around the boxes and, after each but the last of these, four corners."""
        parts = self._boxes.split(body)
        if len(parts) == 1:
            first = _FIRST_BOX.search(body)
            if first is not None and first.groups() != self._order and set(first.groups()) == set(CORNERS):
                self._order = first.groups()
                self._places = [self._order.index(corner) for corner in CORNERS]
                self._boxes = _boxes_in_order(self._order)
                parts = self._boxes.split(body)
        return parts

    def _look_up(self, around: list[str]) -> list[int]:
        """The look of each object by what lies around the boxes; fewer where only the tree can tell."""
        looks: list[int] = []
        before = around[0][8:]
        cut = [("", before), *(self._seams.get(between) or self._cut(between) for between in around[1:])]
        for (_, before), (after, _) in pairwise(cut):
            look = self._known.get((before, after))
            if look is None:
                look = self._learn(before, after)
                if look is None:
                    return []
            looks.append(look)
        if cut[-1][1] is not _DONE:
            return []
        self._tail = cut[-1][0] if self._tail is None else self._tail
        for place, text in enumerate(around[:-1]):
            if (not place or cut[place][0] == self._tail) and len(self._quick) < _MAX_LOOKS and len(text) < _MAX_SEAM:
                self._quick[text] = self._known.get((cut[place][1], self._tail))
        if cut[-1][0] == self._tail and len(self._ends) < _MAX_LOOKS and len(around[-1]) < _MAX_SEAM:
            self._ends.add(around[-1])
        return looks

    def _cut(self, between: str) -> tuple[str, str]:
        """What lies between two boxes as the end of one object and the start of the next."""
        seam = _BETWEEN.search(between)
        if seam is None:
            return between, ""
        after = between[seam.end() :] if seam[0].endswith("<object>") else _DONE
        if len(self._seams) < _MAX_LOOKS and len(between) < _MAX_SEAM:
            self._seams[between] = between[: seam.start()], after
        return between[: seam.start()], after

    def _learn(self, before: str, after: str) -> int | None:
        """What the elements before and after a <bndbox> say; None where only the tree can tell."""
        both = before + after
        if len(self._known) >= _MAX_LOOKS or "<bndbox" in both or "<polygon" in both or "<robndbox" in both:
            return None
        try:
            children = [*parse_fragment(before), *parse_fragment(after)]
            look = self._keep(_look(children, b""))
        except (etree.XMLSyntaxError, ValueError):
            return None
        self._known[before, after] = look
        return look

    def _keep(self, look: Look) -> int:
        index = self._index.setdefault(look, len(self.looks))
        if index == len(self.looks):
            self.looks.append(look)
        return index

    def parse_tree(self, data: bytes) -> Record:
        """The record in a file of any shape, read as a tree. Raises Refused."""
        root = parse_root(data)
        filename, width, height, objects, rotated = "", 0, 0, 0, 0
        coords: list[float] = []
        looks: list[int] = []
        numbers: list[int] = []
        polygons: dict[int, list[list[float]]] = {}
        faults: list[tuple[str, str]] = []
        extras = [_attributes(root)]
        for child in root:
            tag = child.tag
            if tag == "object":
                objects += 1
                place = f"object {objects}"
                try:
                    shape = read_shape(child)
                    look = _look(child, _attributes(child) + shape.extras)
                except ValueError as error:
                    what = f"line {child.sourceline}: {error}; the object was skipped"
                    faults.append((place, what))
                    continue
                faults += [(place, f"line {child.sourceline}: {fault}") for fault in shape.faults]
                if shape.rings:
                    polygons[len(looks)] = shape.rings
                rotated += shape.rotated
                coords += shape.box
                looks.append(self._keep(look))
                numbers.append(objects)
            elif tag == "filename" and not filename and not len(child):
                filename = text_of(child)
            elif tag == "size" and not width:
                width, height, fault = _take_size(child)
                faults += [("size", fault)] if fault else []
                if not width or len(child) or child.attrib:
                    extras.append(raw_of(child))
            else:
                extras.append(raw_of(child))
        joined = b"".join(extras)
        return Record(
            filename, width, height, joined, coords, looks,
            numbers if len(numbers) != objects else None, objects, polygons or None, rotated,
            tuple(faults), *read_stamp(joined),
        )  # fmt: skip


def _look(children: Iterable[etree._Element], extras: bytes) -> Look:
    """What the children of an <object> say. Raises ValueError where it has no name."""
    name = ""
    flags: dict[str, bool | None] = {}
    score = None
    kept = [extras]
    for child in children:
        tag = child.tag
        if tag == "name" and not name and (name := text_of(child)):
            continue
        if tag in ("bndbox", "polygon"):
            continue
        if tag in FLAGS and tag not in flags:
            text = text_of(child)
            flags[tag] = read_flag(text)
            if text in ("0", "1") and not child.attrib:
                continue
        elif tag in ("confidence", "score") and score is None:
            text = text_of(child)
            score = float(text) if NUMBER.fullmatch(text) else None
        kept.append(raw_of(child))
    if not name:
        raise ValueError("no <name>")
    difficult, truncated, occluded = (flags.get(flag) for flag in FLAGS)
    return Look(name, difficult, truncated, occluded, score, b"".join(kept) or None)


def read_flag(text: str) -> bool | None:
    """0.0597 (as some official files say) is true; what is neither number nor yes or no says nothing."""
    if NUMBER.fullmatch(text):
        value = float(text)
        return value > 0 if value >= 0 else None
    return _WORDS.get(text.lower())


def _take_size(size: etree._Element) -> tuple[int, int, str]:
    """Width and height, taken out of the element, and ""; or 0, 0 and what is wrong beyond missing or 0."""
    sides = [size.find("width"), size.find("height")]
    values = []
    for side in sides:
        text = "" if side is None else text_of(side)
        value = float(text) if NUMBER.fullmatch(text) else math.nan if text else 0.0
        if not (value <= SIDE_LIMIT and value == int(value)):
            tag = "width" if side is sides[0] else "height"
            return 0, 0, f"<{tag}> is {text[:40]!r}; the size is taken from the image file where there is one"
        values.append(max(0, int(value)))
    if not all(values):
        return 0, 0, ""
    for side in sides:
        if side is not None:
            size.remove(side)
    return values[0], values[1], ""


def _attributes(element: etree._Element) -> bytes:
    """An empty element of the same name and attributes, as bytes; nothing where it has none."""
    if not element.attrib:
        return b""
    bare = etree.Element(element.tag)
    for key, value in element.attrib.items():
        bare.set(key, value)
    return raw_of(bare)


def read_stamp(extras: bytes) -> tuple[int | None, int]:
    """The offset that our stamp says, and a bit for each of FLAGS that it says nobody said."""
    at = extras.find(_STAMPED)
    if at < 0:
        return None, 0
    stamp = extras[at + len(_STAMPED) : extras.find(b"<", at + len(_STAMPED))].decode()
    unsaid = stamp[1:].removeprefix(UNSAID).split(",")
    bits = sum(1 << place for place, flag in enumerate(FLAGS) if flag in unsaid)
    return (int(stamp[:1]) if stamp[:1] in ("0", "1") else None), bits

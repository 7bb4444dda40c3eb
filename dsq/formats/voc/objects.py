"""The <object>s of Pascal VOC XML files, in bulk from columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from lxml import etree
from numpy.typing import NDArray

from dsq.formats.voc.text import NumberTexts, as_written, far_edges, texts_of
from dsq.formats.voc.tree import CORNERS, NUMBER, parse_fragment, raw_of, read_shape, text_of
from dsq.formats.voc.xml import FLAGS, read_flag
from dsq.model import Table

Array = NDArray[Any]

PIECES = 9  # texts a box
_SCORES = ("confidence", "score")
_LEFT_OUT = 2
_CUSTOMARY = (1, 0, 2)  # truncated comes before difficult
_MEANT = (False, True, None)
_WITHOUT_SCORE, _WITHOUT_ROTATED = 1, 2
_BLOCK = 1 << 14  # boxes whose corners are worked out together: few enough for the processor's cache
_MOST = 20_000  # kinds of object that are kept to be used again
_OPEN = "\t\t<bndbox>\n\t\t\t<xmin>"
_BETWEEN = ("</xmin>\n\t\t\t<ymin>", "</ymin>\n\t\t\t<xmax>", "</xmax>\n\t\t\t<ymax>")
_END = "\t</object>\n"
_RINGS = msgspec.json.Decoder(list[list[float]])


class Told(NamedTuple):
    """What the extras of an object hold, as they stand.

    attributes: of its tag, with a space in front. within: what lies beside the corners in <bndbox>. others:
    (tag, text). flags: what odd spellings read as, by tag. score: what a <confidence> or <score> reads as.
    """

    attributes: str = ""
    within: str = ""
    others: tuple[tuple[str, str], ...] = ()
    flags: tuple[tuple[str, bool | None], ...] = ()
    score: float | None = None


def told_by(extras: bytes | None) -> Told:
    """The parts of an object's extras; of what is no XML nothing."""
    if not extras or extras[:1] != b"<":
        return Told()
    attributes, within = "", ""
    others: list[tuple[str, str]] = []
    flags: dict[str, bool | None] = {}
    score: float | None = None
    for child in parse_fragment(extras.decode()):
        tag = child.tag if isinstance(child.tag, str) else ""
        raw = raw_of(child).decode()
        if tag == "object" and child.attrib and not len(child) and not others and not within:
            attributes = raw[len("<object") : -len("/>")]
        elif tag == "bndbox":
            within += "".join(raw_of(inner).decode() for inner in child if inner.tag not in CORNERS)
        else:
            text = text_of(child) if tag else ""
            if tag in FLAGS and (text not in ("0", "1") or child.attrib):
                flags.setdefault(tag, read_flag(text))
            elif tag in _SCORES and score is None and NUMBER.fullmatch(text):
                score = float(text)
            others.append((tag, raw))
    return Told(attributes, within, tuple(others), tuple(flags.items()), score)


def object_parts(
    name: str, flags: Sequence[int], told: Told, *, pose: bool, left_out: Sequence[str] = ()
) -> tuple[str, str, str]:
    """An object's text before its <bndbox>, in it after the corners, and after it.

    name: escaped. flags: 0, 1 or 2 (left out) for each of FLAGS. pose: whether a missing <pose> is filled in.
    left_out: tags of `told` that are not written.
    """
    others = [(tag, raw) for tag, raw in told.others if tag not in left_out]
    lines = [f"\t<object{told.attributes}>", f"\t\t<name>{name}</name>"]
    if others and others[0][0] == "pose":
        lines.append("\t\t" + others.pop(0)[1])
    elif pose and all(tag != "pose" for tag, _ in others):
        lines.append("\t\t<pose>Unspecified</pose>")
    spelled = dict(told.flags)
    for place in _CUSTOMARY:
        tag, code = FLAGS[place], flags[place]
        if tag in spelled:
            if spelled[tag] is _MEANT[code]:
                continue
            others = [(other, raw) for other, raw in others if other != tag]
        if code != _LEFT_OUT:
            lines.append(f"\t\t<{tag}>{code}</{tag}>")
    within = f"\t\t\t{told.within}\n" if told.within else ""
    return "\n".join(lines) + "\n", within, "".join(f"\t\t{raw}\n" for _, raw in others)


class Objects:
    """The boxes of a dataset as XML.

    boxes: in the order in which they are written. names: the escaped class name of each category code. codes
    (boxes,): category codes. offsets (boxes,): 0 or 1. flags (boxes, 3): 0, 1 or 2 (left out). exact: numbers
    read back to the last bit, not to 1e-9. fresh: a missing <pose> is filled in. polygons: they are written.
    """

    def __init__(
        self, boxes: Table, names: Sequence[str], codes: Array, offsets: Array, flags: Array, *,
        exact: bool, fresh: bool, polygons: bool,
    ) -> None:  # fmt: skip
        self.names, self.codes, self.offsets, self.flags = names, codes, offsets, flags
        self.exact, self.fresh, self.polygons = exact, fresh, polygons
        self.extras = boxes["extras"].to_numpy(object)
        self.scores = boxes["score"].to_numpy(float)
        self.masks = boxes["segmentation"].to_numpy(object)
        columns = [boxes[name].to_numpy() for name in ("x", "y", "width", "height")]
        self.corners = np.empty((len(boxes), 4))
        for first in range(0, len(boxes), _BLOCK):
            rows = slice(first, first + _BLOCK)
            x, y, width, height = (column[rows] for column in columns)
            low, sides = np.column_stack([x, y]), np.column_stack([width, height])
            self.corners[rows, :2] = as_written(low, offsets[rows, None], exact=exact)
            self.corners[rows, 2:] = far_edges(low, sides, exact=exact)
        self.numbers = NumberTexts(self.corners)
        self.masks_lost = 0 if polygons else int(boxes["segmentation"].notna().sum())
        self._told: dict[bytes, Told] = {}
        self._parts: dict[tuple[Any, ...], tuple[str, str, str]] = {}

    def pieces(self, start: int, stop: int) -> list[str]:
        """The texts of the boxes from `start` to `stop`, PIECES of each, to be joined."""
        rows = slice(start, stop)
        ids, blobs = pd.factorize(self.extras[rows])
        told = [*(self._tell(blob) for blob in blobs.tolist()), Told()]  # the last is that of None, whose id is -1
        without = self._without(rows, ids, told)
        key = self.codes[rows] * len(told) + ids % len(told)
        for place in range(len(FLAGS)):
            key = key * 3 + self.flags[rows, place]
        kinds, firsts = _kinds(key * 4 + without)
        parts = [
            self._around(start + row, self.extras[start + row], told[ids[row]], int(without[row])) for row in firsts
        ]
        before = _objects([head + _OPEN for head, _, _ in parts])
        after = _objects([f"</ymax>\n{within}\t\t</bndbox>\n{tail}{_END}" for _, within, tail in parts])
        count = stop - start
        texts = self.numbers.take(rows)
        found: list[Any] = [None] * (PIECES * count)
        found[0::PIECES] = before[kinds].tolist()
        found[8::PIECES] = after[kinds].tolist()
        for corner in range(4):
            found[2 * corner + 1 :: PIECES] = texts[:, corner].tolist()
        for place, text in enumerate(_BETWEEN):
            found[2 * place + 2 :: PIECES] = [text] * count
        self._add_scores(found, rows, ids, told)
        self._add_polygons(found, rows, kinds, parts)
        return found

    def _tell(self, blob: bytes) -> Told:
        found = self._told.get(blob)
        if found is None:
            found = told_by(blob)
            if len(self._told) < _MOST:
                self._told[blob] = found
        return found

    def _without(self, rows: slice, ids: Array, told: Sequence[Told]) -> Array:
        """What of the extras is no longer true, as bits a box: their score, their rotated box."""
        bits = np.zeros(len(ids), np.int64)
        stated = np.array([np.nan if each.score is None else each.score for each in told])[ids]
        bits[~np.isnan(stated) & (stated != self.scores[rows])] |= _WITHOUT_SCORE
        turned = np.array([any(tag == "robndbox" for tag, _ in each.others) for each in told])[ids]
        for row in np.flatnonzero(turned).tolist():
            at = rows.start + row
            if self.masks[at] is not None and not self._still_rotated(at):
                bits[row] |= _WITHOUT_ROTATED
        return bits

    def _around(self, row: int, extras: bytes | None, told: Told, without: int) -> tuple[str, str, str]:
        flags = tuple(self.flags[row].tolist())
        key = (int(self.codes[row]), flags, extras, without)
        found = self._parts.get(key)
        if found is None:
            left_out = (_SCORES if without & _WITHOUT_SCORE else ()) + (
                ("robndbox",) if without & _WITHOUT_ROTATED else ()
            )
            found = object_parts(self.names[key[0]], flags, told, pose=self.fresh, left_out=left_out)
            if len(self._parts) < _MOST:
                self._parts[key] = found
        return found

    def _add_scores(self, found: list[Any], rows: slice, ids: Array, told: Sequence[Told]) -> None:
        """<confidence> where the extras say none, or another."""
        stated = np.array([np.nan if each.score is None else each.score for each in told])[ids]
        scores = self.scores[rows]
        bare = np.flatnonzero(~np.isnan(scores) & (stated != scores))
        for row, text in zip(bare.tolist(), texts_of(scores[bare]), strict=True):
            place = PIECES * row + 8
            found[place] = f"{found[place][: -len(_END)]}\t\t<confidence>{text}</confidence>\n{_END}"

    def _add_polygons(self, found: list[Any], rows: slice, kinds: Array, parts: Sequence[tuple[str, str, str]]) -> None:
        """<polygon>s; an object that is a rotated box alone has no corners."""
        if not self.polygons:
            return
        for row in [row for row, mask in enumerate(self.masks[rows].tolist()) if mask is not None]:
            rings = self._rings(rows.start + row)
            place = PIECES * row
            head, _, tail = parts[kinds[row]]
            if "<robndbox" in tail:
                found[place : place + PIECES] = [head, tail, _END] + [""] * (PIECES - 3)
            elif rings:
                text = "".join(_polygon(len(ring) // 2) % tuple(texts_of(ring)) for ring in rings)
                found[place + 8] = f"{found[place + 8][: -len(_END)]}{text}{_END}"
            else:
                self.masks_lost += 1

    def _rings(self, row: int) -> list[Array]:
        """The polygons of a mask as written; none where it is RLE or one of them is no polygon."""
        try:
            rings = _RINGS.decode(self.masks[row])
        except msgspec.DecodeError:
            return []
        if any(len(ring) < 6 or len(ring) % 2 for ring in rings):
            return []
        return [as_written(np.array(ring), self.offsets[row], exact=self.exact) for ring in rings]

    def _still_rotated(self, row: int) -> bool:
        """Whether a <robndbox> in the extras still says by itself where the object lies (to 1e-6)."""
        item = etree.Element("object")
        item.extend(child for child in parse_fragment(self.extras[row].decode()) if child.tag == "robndbox")
        try:
            shape = read_shape(item)
        except ValueError:
            return False
        mine = np.concatenate([self.corners[row], *self._rings(row)])
        theirs = np.array([*shape.box, *(value for ring in shape.rings for value in ring)])
        return len(mine) == len(theirs) and bool(np.allclose(mine, theirs, rtol=0, atol=1e-6))


def _kinds(keys: Array) -> tuple[Array, list[int]]:
    """A code for each key, and the first row of each code."""
    kinds, uniques = pd.factorize(keys)
    firsts = np.empty(len(uniques), np.int64)
    firsts[kinds[::-1]] = np.arange(len(keys) - 1, -1, -1)
    return kinds, firsts.tolist()


def _objects(texts: Sequence[str]) -> Array:
    found = np.empty(len(texts), object)
    found[:] = texts
    return found


_polygons: dict[int, str] = {}


def _polygon(points: int) -> str:
    """A <polygon> of so many points, to be filled in by `%`."""
    if points not in _polygons:
        corners = "".join(f"<x{n}>%s</x{n}><y{n}>%s</y{n}>" for n in range(1, points + 1))
        if points > _MOST:
            return f"\t\t<polygon>{corners}</polygon>\n"
        _polygons[points] = f"\t\t<polygon>{corners}</polygon>\n"
    return _polygons[points]

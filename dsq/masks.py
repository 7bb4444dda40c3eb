"""What masks cover: COCO's polygons and run lengths, decoded a block at a time and never kept."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.geometry import polygon_area

Array = NDArray[Any]

#: masks decoded at once: few enough that the numbers stay in the processor's cache
BLOCK = 1000
#: run lengths (numbers or characters) measured at once
RUNS = 500_000
#: pixels an RLE may claim; no image is larger
MOST_PIXELS = 1 << 32

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=MOST_PIXELS)]


class Rle(msgspec.Struct):
    """Run lengths of a mask, column by column, the zeros first; as a list or in COCO's characters."""

    size: tuple[Count, Count]  # height, width
    counts: list[Count] | str


Mask: TypeAlias = list[list[float]] | Rle

_block = msgspec.json.Decoder(list[Mask])
_single = msgspec.json.Decoder(Mask)
_flat = msgspec.json.Decoder(list[float])
#: five bits a character, "P".."o" where more follow; seven of them hold any count
_packed = re.compile(r"(?:[P-o]{0,6}[0-O])+")


def mask_extents(segmentations: Array) -> pd.DataFrame:
    """Area and extents of masks given as raw JSON in COCO's form; None and empty lists hold no mask.

    segmentations: (n,) objects: None, bytes or msgspec.Raw. A row a mask: `row` (position, int64), `rle`
    (bool), `area` (sum over the polygons, so holes and overlaps count twice; exact for RLE), `x0 y0 x1 y1`
    (a pixel of an RLE mask is a unit square), `error` ("" or why it cannot be decoded; its numbers are NaN
    then).
    """
    rows = np.flatnonzero(pd.notna(segmentations))
    numbers = np.full((len(rows), 5), np.nan)
    rle = np.zeros(len(rows), np.bool_)
    error = np.full(len(rows), "", object)
    waiting: list[tuple[int, Rle]] = []
    length = 0
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        masks, failed = decode_masks(segmentations[rows[part]].tolist())
        for place, why in failed.items():
            error[start + place] = why
        for place in _measure_polygons(masks, numbers[part], error[part]):
            mask = masks[place]
            assert isinstance(mask, Rle)
            waiting.append((start + place, mask))
            length += len(mask.counts)
        if length >= RUNS or start + BLOCK >= len(rows):
            rle[[place for place, _ in waiting]] = True
            _measure_runs(waiting, numbers, error)
            waiting, length = [], 0
    numbers[error != ""] = np.nan
    kept = np.flatnonzero(~np.isnan(numbers[:, 0]) | (error != ""))
    if len(kept) < len(rows):
        rows, numbers, rle, error = rows[kept], numbers[kept], rle[kept], error[kept]
    names = ("area", "x0", "y0", "x1", "y1")
    columns = {name: numbers[:, place] for place, name in enumerate(names)}
    return pd.DataFrame({"row": rows, "rle": rle, **columns, "error": error}, copy=False)


def decode_masks(blobs: Sequence[Any]) -> tuple[list[Mask], dict[int, str]]:
    """The masks of a block, and why some could not be decoded, by place (an empty list stands there)."""
    masks: list[Mask]
    failed: dict[int, str] = {}
    try:
        masks = _block.decode(b"[" + b",".join(blobs) + b"]")
    except msgspec.DecodeError:
        masks = []  # one of them is at fault: each is decoded alone
    if len(masks) == len(blobs):
        return masks, failed
    masks = []
    for place, blob in enumerate(blobs):
        try:
            masks.append(_single.decode(blob))
        except msgspec.DecodeError as why:
            try:
                masks.append([_flat.decode(blob)])
            except msgspec.DecodeError:
                masks.append([])
                failed[place] = str(why)
    return masks, failed


def _measure_polygons(masks: Sequence[Mask], numbers: Array, error: Array) -> list[int]:
    """Fill the rows of `numbers` (area, x0, y0, x1, y1) whose mask is polygons; places of the others."""
    others: list[int] = []
    flat = array("d")
    lengths: list[int] = []
    owners: list[int] = []
    for place, mask in enumerate(masks):
        if type(mask) is not list:
            others.append(place)
            continue
        for polygon in mask:
            length = len(polygon)
            if length < 6 or length % 2:
                if length:
                    error[place] = f"a polygon of {length} numbers"
                continue
            flat.fromlist(polygon)
            lengths.append(length)
            owners.append(place)
    if not owners:
        return others
    points = np.frombuffer(flat)
    x, y = points[0::2], points[1::2]
    ends = np.cumsum(lengths) // 2
    starts = np.r_[0, ends[:-1]]
    owner = np.array(owners)
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    measured = owner[first]
    with np.errstate(over="ignore", invalid="ignore"):
        numbers[measured, 0] = np.add.reduceat(polygon_area(x, y, starts), first)
    first = starts[first]
    for column, (reduce, values) in enumerate(((np.minimum, x), (np.minimum, y), (np.maximum, x), (np.maximum, y))):
        numbers[measured, 1 + column] = reduce.reduceat(values, first)
    return others


def _measure_runs(masks: Sequence[tuple[int, Rle]], numbers: Array, error: Array) -> None:
    """Fill the rows of `numbers` (area, x0, y0, x1, y1) at the places of masks that are run lengths."""
    packed: list[tuple[int, str]] = []
    lists: list[tuple[int, list[int]]] = []
    for place, mask in masks:
        if not isinstance(mask.counts, str):
            lists.append((place, mask.counts))
        elif _packed.fullmatch(mask.counts):
            packed.append((place, mask.counts))
        else:
            error[place] = "its run lengths are not in COCO's characters"
    places = np.array([place for place, _ in [*packed, *lists]], np.int64)
    if len(places) == 0:
        return
    lengths = np.array([len(counts) for _, counts in packed], np.int64)
    unpacked, used = _unpack("".join(counts for _, counts in packed), lengths)
    plain = [np.array(counts, np.int64) for _, counts in lists]
    sizes = np.r_[used, np.array([len(part) for part in plain], np.int64)]
    sized = dict(masks)
    frame = np.array([sized[place].size for place in places.tolist()], np.int64)
    measured, why = _measure(np.concatenate([unpacked, *plain]), sizes, frame[:, 0], frame[:, 1])
    numbers[places] = measured
    error[places] = why


def _unpack(text: str, lengths: Array) -> tuple[Array, Array]:
    """Run lengths of masks written one after another in COCO's characters, and how many each has.

    lengths: characters a mask. The third and later counts of a mask are differences to the one two before.
    """
    code = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(code < 32)
    if len(ends) == 0:
        return np.empty(0, np.int64), np.zeros(len(lengths), np.int64)
    starts = np.r_[0, ends[:-1] + 1]
    digits = ends - starts + 1
    shift = 5 * (np.arange(len(code)) - np.repeat(starts, digits))
    values = np.add.reduceat((code & 31) << shift, starts)
    values -= np.where(code[ends] & 16, np.int64(1) << (5 * digits), 0)
    mask = np.searchsorted(np.cumsum(lengths), ends, side="right")
    used = np.bincount(mask, minlength=len(lengths))
    place = np.arange(len(values)) - np.repeat(np.cumsum(used) - used, used)
    for first in (1, 2):
        chosen = np.flatnonzero((place >= first) & ((place - first) % 2 == 0))
        values[chosen] = _running_sum(values[chosen], mask[chosen])
    return values, used


def _running_sum(values: Array, group: Array) -> Array:
    """Cumulative sum that begins anew with each run of equal `group`."""
    total = np.cumsum(values)
    new = np.r_[True, group[1:] != group[:-1]][: len(group)]
    before = (total - values)[new]
    summed: Array = total - before[np.cumsum(new) - 1]
    return summed


def _measure(runs: Array, sizes: Array, height: Array, width: Array) -> tuple[Array, Array]:
    """(m, 5) area and extents of m masks and (m,) what is wrong with them ("" where nothing is).

    runs: run lengths of all masks; sizes (m,): how many each has; height, width (m,): their frames.
    """
    many = len(sizes)
    measured = np.full((many, 5), np.nan)
    why = np.full(many, "", object)
    mask = np.repeat(np.arange(many), sizes)
    place = np.arange(len(runs)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    ends = _running_sum(runs, mask)
    covered = np.zeros(many, np.int64)
    filled = np.flatnonzero(sizes)
    if len(filled):
        covered[filled] = ends[np.cumsum(sizes)[filled] - 1]
    negative = np.bincount(mask[runs < 0], minlength=many) > 0
    wrong = negative | (covered != height * width)
    why[wrong] = "its run lengths do not add up to its size"
    ones = np.flatnonzero((place % 2 == 1) & (runs > 0) & ~wrong[mask])
    owner = mask[ones]
    last, first = ends[ones] - 1, ends[ones] - runs[ones]
    tall = height[owner]
    left, right = first // tall, last // tall
    wraps = right > left
    top, bottom = np.where(wraps, 0, first % tall), np.where(wraps, tall, last % tall + 1)
    found = np.flatnonzero(np.bincount(owner, minlength=many))
    why[np.setdiff1d(np.flatnonzero(~wrong), found)] = "it covers no pixel"
    if len(found):
        begin = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        measured[found, 0] = np.add.reduceat(runs[ones], begin)
        measured[found, 1] = np.minimum.reduceat(left, begin)
        measured[found, 2] = np.minimum.reduceat(top, begin)
        measured[found, 3] = np.maximum.reduceat(right + 1, begin)
        measured[found, 4] = np.maximum.reduceat(bottom, begin)
    return measured, why


def runs_of(blob: bytes) -> tuple[int, int, Array, bool]:
    """Height, width and run lengths of an RLE mask in raw JSON, and whether they stand there as a list.

    The blob is one in which `mask_extents` found no error. Raises msgspec.DecodeError for anything else.
    """
    rle = msgspec.json.decode(blob, type=Rle)
    height, width = rle.size
    if isinstance(rle.counts, list):
        return height, width, np.array(rle.counts, np.int64), True
    runs, _ = _unpack(rle.counts, np.array([len(rle.counts)], np.int64))
    return height, width, runs, False


def pack_runs(runs: Sequence[int]) -> str:
    """Run lengths in COCO's characters."""
    letters = []
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            digit = value & 31
            value >>= 5
            more = value != (-1 if digit & 16 else 0)
            letters.append(chr(48 + (digit | 32 if more else digit)))
    return "".join(letters)

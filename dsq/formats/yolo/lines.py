"""Rows of label files as text: many at once, by arrays where the numbers have a fixed width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from dsq.masks import decode_masks

Array: TypeAlias = NDArray[Any]
#: the text of the rows from one position to another
Text: TypeAlias = Callable[[int, int], bytes]

#: fractions of an image are rounded to one of so many parts: 4e-6 pixels of a side of 4000
UNITS = 10**9
CHUNK = 1 << 16  # rows made at once
BLOCK = 1000  # masks decoded at once

_points = msgspec.json.Decoder(list[float])


@cache
def _five() -> Array:
    """(100000, 5) characters: the numbers below 100000 with leading zeros."""
    numbers = np.arange(100_000)
    return np.stack([numbers // 10**power % 10 + 48 for power in (4, 3, 2, 1, 0)], axis=1).astype(np.uint8)


def _put(out: Array, column: int, values: Array, decimals: int) -> int:
    """Write 0.123… with 9 or 10 decimals into characters `out` from a column on; the column after them.

    values: whole numbers of the last decimal, from 0 to 1.
    """
    whole = values == 10**decimals
    high, low = np.divmod(np.where(whole, 0, values), 100_000)
    out[:, column] = 48 + whole
    out[:, column + 1] = 46
    middle = column + 2 + decimals - 5
    out[:, column + 2 : middle] = _five()[high, 10 - decimals :]
    out[:, middle : middle + 5] = _five()[low]
    return middle + 5


def box_lines(classes: Array, corners: Array) -> Text:
    """Rows of boxes. classes (n,) from 0; corners (n, 4): x0, y0, x1, y1 in whole UNITS of the image, 0 to UNITS.

    The middle has one decimal more than the sides, so that reading it back gives the very corners.
    """
    digits = len(str(int(classes.max(initial=0))))
    parts: list[bytes] = []
    sizes: list[Array] = []
    for start in range(0, len(classes), CHUNK):
        part, (x0, y0, x1, y1) = classes[start : start + CHUNK], corners[start : start + CHUNK].T
        out = np.full((len(part), digits + 51), 32, np.uint8)
        for place in range(digits):
            out[:, digits - 1 - place] = 48 + part // 10**place % 10
        column = digits + 1
        for values, decimals in ((5 * (x0 + x1), 10), (5 * (y0 + y1), 10), (x1 - x0, 9), (y1 - y0, 9)):
            column = _put(out, column, values, decimals) + 1
        out[:, column - 1] = 10
        used = np.searchsorted(10 ** np.arange(1, digits), part, side="right") + 1
        if digits > 1:
            parts.append(out[np.arange(digits + 51) >= digits - used[:, None]].tobytes())
        else:
            parts.append(out.tobytes())
        sizes.append(used + 51)
    data = b"".join(parts)
    starts = np.concatenate([[0], np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))]).tolist()
    return lambda first, last: data[starts[first] : starts[last]]


def joined(lines: Sequence[bytes]) -> Text:
    """The text of rows that are made already, each with its line end."""
    return lambda first, last: b"".join(lines[first:last])


def exact_texts(values: Array) -> list[str]:
    """Numbers (n,) as the shortest decimals within 5e-15: what was read as 0.1234 is written so."""
    near = np.abs(values) < 64
    rounded = np.where(near, np.round(values, 14), np.round(values, 9)) + 0.0
    texts = list(map(str, rounded.tolist()))
    for at in np.flatnonzero((np.abs(rounded) < 1e-4) & (rounded != 0)).tolist():
        texts[at] = f"{rounded[at]:.14f}".rstrip("0")
    return texts


def exact_rows(classes: Array, numbers: Array) -> list[bytes]:
    """Rows of one width: classes (n,) and numbers (n, k)."""
    lines: list[bytes] = []
    form = "%d" + " %s" * numbers.shape[1]
    for start in range(0, len(classes), CHUNK):
        part = classes[start : start + CHUNK].tolist()
        texts = exact_texts(numbers[start : start + CHUNK].ravel())
        columns = [texts[k :: numbers.shape[1]] for k in range(numbers.shape[1])]
        flat = [each for row in zip(part, *columns, strict=True) for each in row]
        whole = "\n".join([form] * len(part)) % tuple(flat)
        lines += whole.encode().splitlines(keepends=True)
        lines[-1] += b"\n"
    return lines


def exact_outlines(classes: Array, points: Array, ends: Array) -> list[bytes]:
    """Rows of polygons: points, x and y in turns, of one after another; ends (n + 1,) where each begins."""
    texts = exact_texts(points)
    return [
        f"{number} {' '.join(texts[a:b])}\n".encode()
        for number, (a, b) in zip(classes.tolist(), pairwise(ends.tolist()), strict=True)
    ]


def fixed_outlines(classes: Array, points: Array, ends: Array) -> list[bytes]:
    """Rows of polygons as in `exact_outlines`, of fractions from 0 to 1 with nine decimals."""
    out = np.full((len(points), 12), 32, np.uint8)
    _put(out, 1, np.rint(points * UNITS).astype(np.int64), 9)
    data = out.tobytes()
    return [
        b"%d%b\n" % (number, data[12 * a : 12 * b])
        for number, (a, b) in zip(classes.tolist(), pairwise(ends.tolist()), strict=True)
    ]


class Outlines(NamedTuple):
    """Outlines of consecutive rows: `first` row, `points` and `ends` of all of them one after another, whether each
    was made of its box (`boxed`) and whether its mask said more (`simplified`), both (n,).
    """

    first: int
    points: Array
    ends: Array
    boxed: Array
    simplified: Array


def iter_outlines(masks: Array, corners: Array) -> Iterator[Outlines]:
    """One polygon a row, in blocks of rows.

    masks (n,): raw JSON in COCO's form or None; corners (n, 4): x0, y0, x1, y1 of the boxes, in the unit of the
    masks. Parts of a mask are joined by lines without width; run lengths, and masks that cannot be decoded, become
    the polygon of the box.
    """
    rectangles = corners[:, [0, 1, 2, 1, 2, 3, 0, 3]]
    for first in range(0, len(masks), BLOCK):
        part = masks[first : first + BLOCK]
        said = [place for place, blob in enumerate(part.tolist()) if blob is not None]
        found: list[Any] = [None] * len(part)
        for place, mask in zip(said, decode_masks(part[said].tolist())[0], strict=True):
            found[place] = mask
        flat: list[Sequence[float]] = []
        boxed, simplified = np.zeros(len(part), bool), np.zeros(len(part), bool)
        for place, mask in enumerate(found):
            usable = [each for each in mask if len(each) >= 6 and len(each) % 2 == 0] if type(mask) is list else []
            if len(usable) == 1:
                flat.append(usable[0])
            elif usable:
                flat.append(_bridge(usable))
            else:
                flat.append(rectangles[first + place].tolist())
                boxed[place] = True
            simplified[place] = len(usable) != 1 and has_mask(part[place])
        ends = np.cumsum([0, *map(len, flat)])
        points = np.array([value for each in flat for value in each], float)
        yield Outlines(first, points, ends, boxed, simplified)


def has_mask(blob: Any) -> bool:
    """Whether a cell of `boxes.segmentation` holds a mask; an empty list is none."""
    return blob is not None and len(blob) > 2


def _bridge(parts: Sequence[Sequence[float]]) -> list[float]:
    """One closed outline through all parts: each is entered from the nearest point so far, and left by the same way."""
    whole = np.array(parts[0], float).reshape(-1, 2)
    for part in parts[1:]:
        added = np.array(part, float).reshape(-1, 2)
        here, there = _nearest(whole, added)
        turned = np.roll(added, -there, axis=0)
        whole = np.concatenate([whole[: here + 1], turned, turned[:1], whole[here:]])
    points: list[float] = whole.ravel().tolist()
    return points


def _nearest(one: Array, other: Array) -> tuple[int, int]:
    """Positions of the two points, one of each outline, that are nearest to each other."""
    best = (np.inf, 0, 0)
    step = max(1, 1_000_000 // len(other))
    for first in range(0, len(one), step):
        apart = ((one[first : first + step, None] - other[None]) ** 2).sum(axis=2)
        here, there = divmod(int(apart.argmin()), len(other))
        best = min(best, (float(apart[here, there]), first + here, there))
    return best[1], best[2]


def pose_numbers(keypoints: Any, count: int, dims: int) -> list[float] | None:
    """The numbers of a pose row, x, y (and visibility) in turns, from raw JSON; None where they are not `count`."""
    try:
        values = _points.decode(keypoints)
    except msgspec.DecodeError:
        return None
    if len(values) != 3 * count:
        return None
    return [value for at, value in enumerate(values) if at % 3 < dims]

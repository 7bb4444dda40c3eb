"""Vectorised box and polygon maths. Boxes are half-open corners x0, y0, x1, y1 unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Geometry:
    """Boxes as arrays, a row a box in the order of `boxes`.

    corners (n, 4) x0 y0 x1 y1 in pixels, NaN where the image's size is unknown; image_width, image_height (n,) in
    pixels, NaN where unknown; image_row (n,) position in `images`.
    """

    corners: Array
    width: Array
    height: Array
    image_width: Array
    image_height: Array
    image_row: Array


def intersect(a: Array, b: Array) -> Array:
    """Area shared by boxes `a` and `b`, both (n, 4) corners -> (n,)."""
    width = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    height = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    shared: Array = np.clip(width, 0, None) * np.clip(height, 0, None)
    return shared


def box_area(corners: Array) -> Array:
    """(n, 4) corners -> (n,) areas, never negative."""
    width = np.clip(corners[:, 2] - corners[:, 0], 0, None)
    area: Array = width * np.clip(corners[:, 3] - corners[:, 1], 0, None)
    return area


def box_iou(a: Array, b: Array) -> Array:
    """Intersection over union of boxes row by row: (n, 4), (n, 4) -> (n,); 0 where both are empty."""
    shared = intersect(a, b)
    union = box_area(a) + box_area(b) - shared
    iou: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def pairs_within(group: Array, chunk: int = 50_000) -> Iterator[tuple[Array, Array]]:
    """All pairs (i < j) of rows that share a value of `group`, in blocks of about `chunk` pairs.

    Cost is the sum over groups of size². Rows of a pair are positions in `group`.
    """
    order = np.argsort(group, kind="stable")
    values = group[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]]) if len(values) else np.empty(0, np.int64)
    sizes = np.diff(np.r_[starts, len(values)])
    # each row is paired with the rows after it in its group
    after = np.repeat(starts + sizes, sizes) - np.arange(len(values)) - 1
    for left, right in pairs_after(after, chunk):
        yield order[left], order[right]


def pairs_after(after: Array, chunk: int = 50_000) -> Iterator[tuple[Array, Array]]:
    """Each row with the `after[row]` rows that follow it, in blocks of about `chunk` pairs."""
    total = np.cumsum(after)
    first = 0
    while first < len(after):
        done = total[first - 1] if first else 0
        last = int(np.searchsorted(total, done + chunk, side="right"))
        last = max(last, first + 1)
        count = after[first:last]
        left = np.repeat(np.arange(first, last), count)
        if len(left):
            offset = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
            yield left, left + 1 + offset
        first = last


def sweep(corners: Array) -> tuple[Array, Array]:
    """An order of boxes (n, 4), and how many of those behind each in that order begin before it ends.

    Two boxes that overlap are always among them. Along x or along y, where fewer pairs are left.
    """
    found = []
    for axis in (0, 1):
        order = np.argsort(corners[:, axis], kind="stable")
        ends = np.searchsorted(corners[order, axis], corners[order, axis + 2], side="left")
        found.append((order, np.maximum(ends - np.arange(len(order)) - 1, 0)))
    return min(found, key=lambda pair: int(pair[1].sum()))


def polygon_area(x: Array, y: Array, starts: Array) -> Array:
    """Areas of polygons given as one run of vertices: x, y (n,), starts (m,) -> (m,). Shoelace formula."""
    if len(starts) == 0:
        return np.empty(0)
    cross = np.empty(len(x))
    np.multiply(x[:-1], y[1:], out=cross[:-1])
    cross[:-1] -= x[1:] * y[:-1]
    last = np.r_[starts[1:], len(x)] - 1
    cross[last] = x[last] * y[starts] - x[starts] * y[last]
    area: Array = np.abs(np.add.reduceat(cross, starts)) / 2
    return area


def group_extents(corners: Array, group: Array, count: int) -> Array:
    """What the boxes of each group cover together: (n, 4) corners, (n,) groups below `count` -> (count, 4).

    A group without boxes, or with an edge that is NaN, is NaN.
    """
    extents = np.full((count, 4), np.nan)
    extents[group] = [np.inf, np.inf, -np.inf, -np.inf]
    with np.errstate(invalid="ignore"):
        for side, reach in enumerate((np.minimum, np.minimum, np.maximum, np.maximum)):
            reach.at(extents[:, side], group, corners[:, side])
    return extents

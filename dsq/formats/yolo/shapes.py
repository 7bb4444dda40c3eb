"""Rows of YOLO label files in columns, and what they are as boxes, polygons and keypoints."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BOX, PREDICTION, POLYGON, POSE = range(4)


class Rows(NamedTuple):
    """Rows (n,) that read well, by file and line.

    file: position of the label file; line: from 1; kind: BOX, PREDICTION, POLYGON or POSE; number: class id; x, y,
    width, height: the four numbers behind it, of polygons none that mean anything. start, columns: where the numbers
    of the rows that are no BOX lie in `values`, class id first.
    """

    file: Array
    line: Array
    kind: Array
    number: Array
    x: Array
    y: Array
    width: Array
    height: Array
    start: Array
    columns: Array
    values: Array

    def others(self, kind: int) -> tuple[Array, Array, Array]:
        """The rows of a kind other than BOX, and their `start` and `columns`."""
        chosen = self.kind[self.kind != BOX] == kind
        return np.flatnonzero(self.kind == kind), self.start[chosen], self.columns[chosen]


def sort_numbers(file: Array, line: Array, kind: Array, start: Array, columns: Array, values: Array) -> Rows:
    """Rows from columns (n,) that say where the numbers of all of them lie in `values`."""
    others = kind != BOX
    points, ends = _gather(values, start[others], columns[others])
    return Rows(
        file.astype(np.int32),
        line,
        kind,
        values[start].astype(np.int64),
        x=values[start + 1],
        y=values[start + 2],
        width=values[start + 3],
        height=values[start + 4],
        start=ends[:-1],
        columns=columns[others],
        values=points,
    )


class RowStack:
    """Rows of many batches as one, in arrays that are made once and filled: they become columns of a table.

    Parts that are joined in the end would need the memory twice.
    """

    def __init__(self) -> None:
        self._columns = [np.empty(0, each.dtype) for each in NO_ROWS]
        self._lengths = [0] * len(NO_ROWS)

    def add(self, rows: Rows, first_file: int, done: float) -> None:
        """The rows of a batch whose files begin at `first_file`. done: the share of all text that is read with it."""
        rows = rows._replace(file=rows.file + np.int32(first_file), start=rows.start + self._lengths[-1])
        for place, values in enumerate(rows):
            length = self._lengths[place]
            end = self._lengths[place] = length + len(values)
            if end > len(self._columns[place]):
                grown = np.empty(int(max(1.02 * end / done, 1.2 * end)), values.dtype)
                grown[:length] = self._columns[place][:length]
                self._columns[place] = grown
            self._columns[place][length:end] = values

    @property
    def rows(self) -> Rows:
        """All of them so far; they are not copied."""
        return Rows(*(column[:length] for column, length in zip(self._columns, self._lengths, strict=True)))


def take_rows(rows: Rows, chosen: Array) -> Rows:
    """Some of the rows, in the order of `chosen`; `values` stays whole."""
    others = rows.kind != BOX
    place = (np.cumsum(others) - 1)[chosen][others[chosen]]
    taken = [*(each[chosen] for each in rows[:8]), rows.start[place], rows.columns[place], rows.values]
    return Rows(*taken)


def shape_boxes(rows: Rows, image: Array, width: Array, height: Array, dims: int = 3) -> dict[str, Any]:
    """Columns of the boxes table, made in place of the numbers of `rows`.

    image (n,): position of each row's image. width, height (images,): its pixels, 1 to keep fractions. dims: numbers a
    keypoint, 2 or 3. A polygon's box is its extents; its points and a pose's keypoints come as JSON in the box's unit.
    """
    columns: dict[str, Any] = {}
    for corner, side in ((rows.x, rows.width), (rows.y, rows.height)):
        corner -= side / 2
    scored, start, _ = rows.others(PREDICTION)
    if len(scored):
        columns["score"] = np.full(len(image), np.nan)
        columns["score"][scored] = rows.values[start + 5]
    shaped, start, count = rows.others(POLYGON)
    if len(shaped):
        points, ends = _gather(rows.values, start + 1, count - 1)
        for axis, (corner, side, scale) in enumerate(((rows.x, rows.width, width), (rows.y, rows.height, height))):
            part = points[axis::2]
            corner[shaped] = np.minimum.reduceat(part, ends[:-1] // 2)
            side[shaped] = np.maximum.reduceat(part, ends[:-1] // 2) - corner[shaped]
            part *= np.repeat(scale[image[shaped]], np.diff(ends) // 2)
        numbers, limits = points.tolist(), ends.tolist()
        columns["segmentation"] = np.full(len(image), None, object)
        columns["segmentation"][shaped] = [msgspec.json.encode([numbers[a:b]]) for a, b in pairwise(limits)]
    posed, start, count = rows.others(POSE)
    if len(posed):
        points = rows.values[start[:, None] + np.arange(5, count[0])].reshape(len(posed), -1, dims)
        columns["keypoints"] = np.full(len(image), None, object)
        columns["keypoints"][posed] = _shape_poses(points, width[image[posed]], height[image[posed]])
    for corner, side, scale in ((rows.x, rows.width, width), (rows.y, rows.height, height)):
        each = scale[image]
        corner *= each
        side *= each
    return columns | {"x": rows.x, "y": rows.y, "width": rows.width, "height": rows.height}


def _gather(values: Array, start: Array, count: Array) -> tuple[Array, Array]:
    """The numbers of ragged slices one after another, and where each begins (with the end of the last)."""
    ends = np.concatenate([[0], np.cumsum(count, dtype=np.int64)])
    return values[np.arange(ends[-1]) + np.repeat(start - ends[:-1], count)], ends


def _shape_poses(points: Array, width: Array, height: Array) -> list[bytes]:
    """Keypoints x, y, v as JSON, from (n, keypoints, 2 or 3); two dimensions say nothing of visibility: 2, seen."""
    full = np.full((*points.shape[:2], 3), 2.0)
    full[:, :, : points.shape[2]] = points
    full[:, :, 0] *= width[:, None]
    full[:, :, 1] *= height[:, None]
    return [msgspec.json.encode(flat) for flat in full.reshape(len(points), -1).tolist()]


_NONE = np.empty(0, np.int64)
NO_ROWS = sort_numbers(_NONE, _NONE, np.empty(0, np.int8), _NONE, _NONE, np.empty(0))

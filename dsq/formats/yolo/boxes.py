"""The rows of the boxes table as rows of label files: boxes, polygons, or each as it was read."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.formats.yolo.lines import (
    UNITS,
    Outlines,
    Text,
    box_lines,
    exact_outlines,
    exact_rows,
    fixed_outlines,
    has_mask,
    iter_outlines,
    joined,
    pose_numbers,
)
from dsq.losses import Losses
from dsq.model import Dataset, Table

Array: TypeAlias = NDArray[Any]

BLOCK = 1 << 13  # boxes that are worked on together: few enough for the processor's cache
#: pixels by which a box may leave its image, or its mask, without a word: decimals that a source cut off
SLACK = 1e-3
APART = 1.0


class Boxes(NamedTuple):
    """Boxes that can be written, by image: `row` in the table, `image` (row of the images), `number` (class id),
    `corners` (n, 4) x0 y0 x1 y1 and `frame` (n, 2) width and height of the image, in the boxes' unit (1 and 1 where
    that is relative), `table` with the other columns. whole: they are all its rows as they stand.
    """

    row: Array
    image: Array
    number: Array
    corners: Array
    frame: Array
    table: Table
    whole: bool = False

    def column(self, name: str) -> Array:
        """A column of the table in the order of the boxes."""
        values: Array = self.table[name].to_numpy()
        return values if self.whole else values[self.row]

    def taken(self, chosen: Array) -> Boxes:
        """Some of the boxes."""
        return Boxes(
            self.row[chosen],
            self.image[chosen],
            self.number[chosen],
            self.corners[chosen],
            self.frame[chosen],
            self.table,
        )


class Rows(NamedTuple):
    """Text of rows, and the image (position) that each belongs to, in order."""

    image: Array
    text: Text


def place_boxes(dataset: Dataset, numbers: Array, losses: Losses) -> Boxes:
    """The boxes by image; those in pixels of an image of unknown size are left out. numbers: class id a category."""
    images, boxes = dataset.images, dataset.boxes
    image = pd.Index(images["image_id"]).get_indexer(boxes["image_id"])
    frame = np.stack([images[side].to_numpy(float, na_value=np.nan) for side in ("width", "height")], axis=1)
    frame[~(frame > 0).all(axis=1)] = np.nan
    frame[(images["unit"] == "relative").to_numpy(bool)] = 1.0
    unknown = np.isnan(frame[:, 0])
    whole = not unknown.any() and bool((image[1:] >= image[:-1]).all())
    row = np.arange(len(image)) if whole else np.argsort(image, kind="stable")
    if unknown.any():
        losses.add("boxes-unsized", unknown[image].sum())
        row = row[~unknown[image[row]]]
    sides = (boxes[name].to_numpy() for name in ("x", "y", "width", "height"))
    x, y, width, height = sides if whole else (side[row] for side in sides)
    category = pd.Index(dataset.categories["category_id"]).get_indexer(boxes["category_id"])
    image = image[row]
    corners = np.stack([x, y, x + width, y + height], axis=1)
    return Boxes(row, image, numbers[category[row]], corners, frame[image], boxes, whole)


def _cut(boxes: Boxes, losses: Losses) -> tuple[Boxes, Array]:
    """Boxes cut to their images, and their corners in whole UNITS; those of which nothing is left are dropped."""
    units = np.empty(boxes.corners.shape, np.int64, order="F")
    held = np.empty(len(units), bool)
    for first in range(0, len(units), BLOCK):
        part = slice(first, first + BLOCK)
        frame = boxes.frame[part][:, [0, 1, 0, 1]]
        fractions = boxes.corners[part] / frame
        inside = np.clip(fractions, 0.0, 1.0)
        whole = units[part] = np.rint(inside * UNITS)
        held[part] = (whole[:, 2] > whole[:, 0]) & (whole[:, 3] > whole[:, 1])
        over = np.abs(inside - fractions) > np.where(frame > 1, SLACK / frame, 1e-6)
        losses.add("boxes-clipped", (held[part] & over.any(axis=1)).sum())
    losses.add("boxes-dropped", (~held).sum())
    return (boxes, units) if held.all() else (boxes.taken(held), units[held])


def detect_rows(boxes: Boxes, losses: Losses) -> Rows:
    """A row of 5 columns a box."""
    losses.add("polygons-dropped", sum(map(has_mask, boxes.column("segmentation"))))
    losses.add("keypoints-dropped", pd.notna(boxes.column("keypoints")).sum())
    boxes, units = _cut(boxes, losses)
    return Rows(boxes.image, box_lines(boxes.number, units))


def segment_rows(boxes: Boxes, losses: Losses) -> Rows:
    """A polygon a box, cut to its image: of its mask, or of its corners where it has none."""
    losses.add("keypoints-dropped", pd.notna(boxes.column("keypoints")).sum())
    boxes, _ = _cut(boxes, losses)
    lines: list[bytes] = []
    held = np.ones(len(boxes.row), bool)
    masks = boxes.column("segmentation")
    for part in iter_outlines(masks, boxes.corners):
        chosen = slice(part.first, part.first + len(part.boxed))
        _tell(part, boxes.corners[chosen], boxes.frame[chosen], losses)
        points, ends = part.points, part.ends
        for axis in (0, 1):
            points[axis::2] /= np.repeat(boxes.frame[chosen, axis], np.diff(ends) // 2)
        np.clip(points, 0.0, 1.0, out=points)
        made = fixed_outlines(boxes.number[chosen], points, ends)
        low, high = _extents(points, ends)
        flat: Array = np.any((high - low) * UNITS < 1, axis=1)
        if flat.any():
            held[chosen] = ~flat
            made = [line for line, gone in zip(made, flat.tolist(), strict=True) if not gone]
        lines += made
        simplified = part.simplified & ~flat
        losses.add("masks-simplified", simplified.sum())
        losses.add("masks-made", (part.boxed & ~part.simplified & ~flat).sum())
    losses.add("boxes-dropped", (~held).sum())
    return Rows(boxes.image[held], joined(lines))


def _extents(points: Array, ends: Array) -> tuple[Array, Array]:
    """Least and greatest x and y of each outline, (n, 2) both."""
    starts = ends[:-1] // 2
    low = np.stack([np.minimum.reduceat(points[axis::2], starts) for axis in (0, 1)], axis=1)
    high = np.stack([np.maximum.reduceat(points[axis::2], starts) for axis in (0, 1)], axis=1)
    return low, high


def _tell(part: Outlines, corners: Array, frame: Array, losses: Losses) -> None:
    """Count boxes that are not where their masks are."""
    low, high = _extents(part.points, part.ends)
    off = np.abs(np.concatenate([low, high], axis=1) - corners).max(axis=1)
    losses.add("boxes-from-masks", (~part.boxed & (off > np.where(frame[:, 0] > 1, APART, 1e-3))).sum())


def read_rows(boxes: Boxes, pose: tuple[int, int] | None, losses: Losses) -> Rows:
    """Each row of the kind that it was read as, its numbers as they were. pose: number and dimensions of keypoints."""
    lines: Array = np.full(len(boxes.row), None, object)
    masks, keypoints, scores = (boxes.column(name) for name in ("segmentation", "keypoints", "score"))
    left = np.ones(len(lines), bool)
    found: dict[int, list[float]] = {}
    for at in np.flatnonzero([blob is not None for blob in keypoints]).tolist():
        points = pose_numbers(keypoints[at], *pose) if pose is not None else None
        if points is not None:
            found[at] = points
        else:
            losses.add("keypoints-dropped", 1)
    if found and pose is not None:
        rows = np.array(list(found))
        values = np.array(list(found.values()), float).reshape(len(rows), pose[0], pose[1])
        values[:, :, :2] /= boxes.frame[rows][:, None]
        flat = np.concatenate([_centres(boxes.taken(rows)), values.reshape(len(rows), -1)], axis=1)
        lines[rows] = exact_rows(boxes.number[rows], flat)
        left[rows] = False
    shaped = np.flatnonzero(left & np.fromiter(map(has_mask, masks), bool, len(masks)))
    for part in iter_outlines(masks[shaped], boxes.corners[shaped]):
        rows = shaped[part.first : part.first + len(part.boxed)]
        losses.add("masks-simplified", part.simplified.sum())
        _tell(part, boxes.corners[rows], boxes.frame[rows], losses)
        for axis in (0, 1):
            part.points[axis::2] /= np.repeat(boxes.frame[rows, axis], np.diff(part.ends) // 2)
        made = exact_outlines(boxes.number[rows], part.points, part.ends)
        lines[rows[~part.boxed]] = [line for line, boxed in zip(made, part.boxed.tolist(), strict=True) if not boxed]
        left[rows[~part.boxed]] = False
    scored = ~np.isnan(scores)
    for rows, more in ((np.flatnonzero(left & ~scored), False), (np.flatnonzero(left & scored), True)):
        if len(rows):
            numbers = _centres(boxes.taken(rows))
            if more:
                numbers = np.concatenate([numbers, scores[rows, None]], axis=1)
            lines[rows] = exact_rows(boxes.number[rows], numbers)
    return Rows(boxes.image, joined(lines.tolist()))


def _centres(boxes: Boxes) -> Array:
    """Middle, width and height in fractions of the image, (n, 4), from the table's own numbers."""
    x, y, width, height = (boxes.column(name) for name in ("x", "y", "width", "height"))
    across, down = boxes.frame.T
    return np.stack([(x + width / 2) / across, (y + height / 2) / down, width / across, height / down], axis=1)

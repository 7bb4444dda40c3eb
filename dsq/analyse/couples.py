"""The boxes of two pictures laid on each other: which belong together, and which have no partner."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.geometry import box_area, box_iou, intersect, pairs_after
from dsq.model import Dataset, Table

Array = NDArray[Any]

#: boxes that overlap less are two things
LEAST_IOU = 0.3
#: of two boxes on one place, the one of the same class is taken
SAME_CLASS = 0.05
#: a box of which less is left inside the other picture is not looked for there
LEAST_VISIBLE = 0.6
#: two pictures with more pairs of boxes than this are not compared
MOST_PAIRS = 1_000_000
#: boxes that are compared at a time
AT_ONCE = 500_000
ROUNDS = 6
UNIT = np.array([[0.0, 0.0, 1.0, 1.0]])


class Compared(NamedTuple):
    """couples: a row a couple of boxes on one thing: `pair`, `one`, `other` (positions in `Labels.corners`), `iou`.
    lone: a row a box without partner that lies in the other picture, too: `pair`, `side` (0: the first picture has
    it, 1: the second), `at` (position in `Labels.corners`), `x0 y0 x1 y1` (its place in the other picture, relative).
    """

    couples: Table
    lone: Table

    def count_lone(self, pairs: int) -> Array:
        """(pairs, 2) boxes of each picture without partner."""
        cells = self.lone["pair"].to_numpy() * 2 + self.lone["side"].to_numpy()
        return np.bincount(cells, minlength=2 * pairs).reshape(pairs, 2)


class Labels:
    """Boxes of all images in fractions of their image, crowd and empty ones left out.

    box (n,): positions in `boxes`, sorted by image; corners (n, 4) relative; category (n,); count, start (images,):
    how many boxes an image has and where they begin; told (images,) bool: its size is known and something is said.
    """

    def __init__(self, dataset: Dataset, image_row: Array) -> None:
        """image_row: (boxes,) position in `images` of each box's image."""
        boxes, images = dataset.boxes, dataset.images
        relative = (images["unit"] == "relative").to_numpy()
        size = images[["width", "height"]].to_numpy(float, na_value=np.nan)
        size[relative] = 1.0
        known = np.isfinite(size).all(1) & (size > 0).all(1)
        x, y, width, height = (boxes[name].to_numpy(float) for name in ("x", "y", "width", "height"))
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            corners = np.stack([x, y, x + width, y + height], 1) / np.tile(size[image_row], 2)
            usable = (width > 0) & (height > 0) & np.isfinite(corners).all(1) & ~boxes["crowd"].to_numpy()
        rows = np.flatnonzero(usable)
        self.box = rows[np.lexsort([boxes["box_id"].to_numpy()[rows], image_row[rows]])]
        self.corners = corners[self.box]
        self.category = boxes["category_id"].to_numpy()[self.box]
        self.count = np.bincount(image_row[self.box], minlength=len(images))
        self.start = np.cumsum(self.count) - self.count
        self.told = (images["label_state"] != "unlabelled").to_numpy() & known

    def of(self, rows: Array) -> tuple[Array, Array]:
        """The boxes of the images at `rows`, one after the other: (positions in `corners`, number in `rows`)."""
        count = self.count[rows]
        number = np.repeat(np.arange(len(rows)), count)
        offset = np.arange(len(number)) - np.repeat(np.cumsum(count) - count, count)
        return self.start[rows][number] + offset, number

    def laid(self, at: Array, affine: Array, back: bool = False) -> Array:
        """The boxes at positions `at` (n,) in `corners` under the maps (n, 6), or under the way back: (n, 4)."""
        return apply_affine(self.corners[at], invert_affine(affine) if back else affine)

    def comparable(self, first: Array, second: Array) -> Array:
        """(pairs,) bool: something is said of both, one has boxes, and they are not too many to compare."""
        many = self.count[first] * self.count[second] <= MOST_PAIRS
        some = (self.count[first] > 0) | (self.count[second] > 0)
        found: Array = self.told[first] & self.told[second] & many & some
        return found

    def compare(self, first: Array, second: Array, affine: Array) -> Compared:
        """What the boxes of pairs of images have in common: first, second (n,) positions in `images`; affine (n, 6)
        maps m00 m01 m02 m10 m11 m12 from relative coordinates of the first to those of the second.
        """
        block = np.cumsum(self.count[first] + self.count[second]) // AT_ONCE
        starts = np.flatnonzero(np.r_[True, block[1:] != block[:-1]]) if len(first) else np.zeros(1, np.int64)
        parts = []
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(first)], strict=True):
            couples, lone = self._compare(first[start:stop], second[start:stop], affine[start:stop])
            parts.append((couples.assign(pair=couples["pair"] + start), lone.assign(pair=lone["pair"] + start)))
        return Compared(*(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True)))

    def _compare(self, first: Array, second: Array, affine: Array) -> Compared:
        one, one_pair = self.of(first)
        other, other_pair = self.of(second)
        laid = apply_affine(self.corners[one], affine[one_pair])
        back = apply_affine(self.corners[other], invert_affine(affine)[other_pair])
        pair, a, b, iou = self._couple(laid, one, one_pair, other, other_pair, len(first))
        alone_one, alone_other = _visible(laid), _visible(back)
        alone_one[a] = alone_other[b] = False
        where = np.concatenate([laid[alone_one], back[alone_other]])
        lone = pd.DataFrame(
            {
                "pair": np.concatenate([one_pair[alone_one], other_pair[alone_other]]),
                "side": np.repeat([0, 1], [alone_one.sum(), alone_other.sum()]),
                "at": np.concatenate([one[alone_one], other[alone_other]]),
                **dict(zip(("x0", "y0", "x1", "y1"), where.T, strict=True)),
            }
        )
        return Compared(pd.DataFrame({"pair": pair, "one": one[a], "other": other[b], "iou": iou}), lone)

    def covered(self, rows: Array, corners: Array, category: Array) -> Array:
        """(n,) how much of each box (n, 4) shares its place with a box of its class in the image at `rows`: what they
        have in common over the smaller of the two; 0 where there is none.
        """
        most = np.zeros(len(rows))
        for left, right in pairs_after(self.count[rows]):
            other = self.start[rows[left]] + (right - left - 1)
            alike = self.category[other] == category[left]
            left, other = left[alike], other[alike]
            a, b = np.clip(corners[left], 0, 1), np.clip(self.corners[other], 0, 1)
            smaller = np.minimum(box_area(a), box_area(b))
            share = np.divide(intersect(a, b), smaller, out=np.zeros(len(a)), where=smaller > 0)
            np.maximum.at(most, left, share)
        return most

    def _couple(
        self, laid: Array, one: Array, one_pair: Array, other: Array, other_pair: Array, pairs: int
    ) -> tuple[Array, Array, Array, Array]:
        """Boxes that are each other's best match, taken in rounds: pair, positions in one and in other, IoU."""
        many = np.bincount(other_pair, minlength=pairs)
        start = np.cumsum(many) - many
        near: list[tuple[Array, ...]] = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        for left, right in pairs_after(many[one_pair]):
            b = start[one_pair[left]] + (right - left - 1)
            iou = box_iou(np.clip(laid[left], 0, 1), np.clip(self.corners[other[b]], 0, 1))
            keep = iou >= LEAST_IOU
            near.append((left[keep], b[keep], iou[keep]))
        a, b, iou = (np.concatenate(part) for part in zip(*near, strict=True))
        score = iou + SAME_CLASS * (self.category[one[a]] == self.category[other[b]])
        order = np.lexsort([b, a, -score])
        a, b, iou = a[order], b[order], iou[order]
        found: list[tuple[Array, ...]] = [(one_pair[a[:0]], a[:0], b[:0], iou[:0])]
        for _ in range(ROUNDS):
            if len(a) == 0:
                break
            best = np.zeros(len(a), bool)
            best[np.intersect1d(np.unique(a, return_index=True)[1], np.unique(b, return_index=True)[1])] = True
            found.append((one_pair[a[best]], a[best], b[best], iou[best]))
            rest = ~np.isin(a, a[best]) & ~np.isin(b, b[best])
            a, b, iou = a[rest], b[rest], iou[rest]
        columns = [np.concatenate(part) for part in zip(*found, strict=True)]
        return columns[0], columns[1], columns[2], columns[3]


def apply_affine(corners: Array, affine: Array) -> Array:
    """Boxes around what the corners (n, 4) become under the maps (n, 6) m00 m01 m02 m10 m11 m12."""
    x, y = corners[:, [0, 2, 0, 2]], corners[:, [1, 1, 3, 3]]
    a, b, c, d, e, f = affine.T[:, :, None]
    over, down = a * x + b * y + c, d * x + e * y + f
    laid: Array = np.stack([over.min(1), down.min(1), over.max(1), down.max(1)], 1)
    return laid


def invert_affine(affine: Array) -> Array:
    """The maps (n, 6) back; NaN where there is none."""
    a, b, c, d, e, f = affine.T
    with np.errstate(invalid="ignore", divide="ignore"):
        det = np.where(a * e - b * d == 0, np.nan, a * e - b * d)
        back: Array = np.stack([e, -b, b * f - e * c, -d, a, d * c - a * f], 1) / det[:, None]
    return back


def _visible(corners: Array) -> Array:
    """(n,) bool: enough of the box lies in the picture 0..1."""
    area = box_area(corners)
    inside = intersect(corners, np.broadcast_to(UNIT, corners.shape))
    with np.errstate(invalid="ignore"):
        found: Array = (inside >= LEAST_VISIBLE * area) & (area > 0)
    return found

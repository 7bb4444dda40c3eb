"""Which boxes of an image overlap, in time and memory that grow with their number however they lie."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array, intersect, pairs_after, pairs_within, sweep

#: pairs of boxes are kept from this overlap on
LEAST_IOU = 0.3
LEAST_INSIDE = 0.8
#: up to so many boxes an image, each is compared with each
CROWDED = 100
#: in images with more, comparisons a box on average that are still made
MOST_COMPARED = 500
#: pairs that are kept: so many, and so many a box
MOST_KEPT, MOST_KEPT_EACH = 1_000_000, 8


class Overlaps:
    """Pairs of boxes that overlap. corners (n, 4), area, image, category, ids (n,): those of all boxes.

    left_out: images some of whose pairs were not looked at, because there are too many of them.
    """

    def __init__(self, corners: Array, area: Array, image: Array, category: Array, ids: Array) -> None:
        self.corners, self.area, self.image, self.category, self.ids = corners, area, image, category, ids
        self.left_out: set[int] = set()
        self._kept: list[tuple[Array, Array, Array, Array]] = []
        self._room = MOST_KEPT + MOST_KEPT_EACH * len(ids)

    def pairs(self) -> tuple[Array, Array, Array, Array]:
        """Positions of both boxes, the lower first; IoU; share of the smaller box inside the larger."""
        if not self._kept:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0)
        first, second, iou, inside = (np.concatenate(part) for part in zip(*self._kept, strict=True))
        return first, second, iou, inside

    def compare(self, usable: Array) -> None:
        """Find the pairs among the boxes at the positions `usable`."""
        usable = usable[np.argsort(self.image[usable], kind="stable")]  # neighbours in memory
        image = self.image[usable]
        crowded = np.bincount(image)[image] > CROWDED if len(image) else np.empty(0, bool)
        if crowded.any():
            self._compare_crowds(self._join_twins(usable[crowded]))
            usable, image = usable[~crowded], image[~crowded]
        for left, right in pairs_within(image):
            if self._room <= 0:
                rest, boxes = np.unique(image[left[0] :], return_counts=True)
                self.left_out.update(rest[boxes > 1].tolist())
                return
            self._keep(usable[left], usable[right])

    def _join_twins(self, rows: Array) -> Array:
        """Pair each box with the first that has its image, class and corners; those that are the first."""
        rows = rows[np.argsort(self.ids[rows], kind="stable")]
        keys = pd.DataFrame(self.corners[rows]).assign(image=self.image[rows], category=self.category[rows])
        code = keys.groupby(keys.columns.tolist(), sort=False).ngroup().to_numpy()
        heads = rows[np.unique(code, return_index=True)[1]]
        first = heads[code]
        twins = first != rows
        first, second = first[twins], rows[twins]
        one = np.ones(len(first))
        self._kept.append((np.minimum(first, second), np.maximum(first, second), one, one))
        return heads[np.argsort(self.image[heads], kind="stable")]

    def _compare_crowds(self, rows: Array) -> None:
        """Pairs in images with many boxes, their rows one after another: those side by side are passed over."""
        image = self.image[rows]
        starts = np.flatnonzero(np.r_[True, image[1:] != image[:-1]])
        for part in np.split(rows, starts[1:]):
            order, after = sweep(self.corners[part])
            part = part[order]
            if after.sum() <= MOST_COMPARED * len(part):
                for left, right in pairs_after(after):
                    if self._room > 0:
                        self._keep(part[left], part[right])
            if self._room <= 0 or after.sum() > MOST_COMPARED * len(part):
                self.left_out.add(int(self.image[part[0]]))

    def _keep(self, left: Array, right: Array) -> None:
        """Keep those pairs that overlap enough."""
        shared = intersect(self.corners[left], self.corners[right])
        hit = np.flatnonzero(shared > 0)
        left, right, shared = left[hit], right[hit], shared[hit]
        one, other = self.area[left], self.area[right]
        iou, inside = shared / (one + other - shared), shared / np.minimum(one, other)
        hit = np.flatnonzero((iou >= LEAST_IOU) | (inside >= LEAST_INSIDE))
        left, right = left[hit], right[hit]
        self._kept.append((np.minimum(left, right), np.maximum(left, right), iou[hit], inside[hit]))
        self._room -= len(hit)

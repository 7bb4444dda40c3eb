"""How large the boxes of a class are, as far as other images tell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: boxes of a class in the other folds under which the sizes of all classes stand in
LEAST_BOXES = 4
#: added to a spread of log sizes
SOFTEN = 0.05
SIZE_FEATURES = 3


class Sizes(NamedTuple):
    """Median and spread of log width and height (in widths of the image) by fold that is left out and class:
    (folds, classes, 2) each.
    """

    middle: Array
    spread: Array

    def compare(self, corners: Array, width: Array, fold: Array, category: Array) -> Array:
        """(n, 4, SIZE_FEATURES) float32 for the left, top, right and bottom side: how far the extent across the side
        is from the usual (in spreads), how far the extent along it is, and the spread itself.
        """
        middle, spread = self.middle[fold, category], self.spread[fold, category]
        away = (log_sizes(corners, width) - middle) / spread
        across, along = [0, 1, 0, 1], [1, 0, 1, 0]
        return np.stack([away[:, across], away[:, along], spread[:, across]], 2).astype(np.float32)


def log_sizes(corners: Array, width: Array) -> Array:
    """(n, 2) log of the width and height of boxes, in widths of their images."""
    sides: Array = np.log(np.maximum(corners[:, 2:] - corners[:, :2], 1.0) / width[:, None])
    return sides


def learn_sizes(corners: Array, width: Array, fold: Array, category: Array) -> Sizes:
    """The sizes of each class, for each fold from the boxes of the other ones; of all classes where a class is rare."""
    logs = log_sizes(corners, width)
    folds, classes = int(fold.max()) + 1, int(category.max()) + 1
    middle, spread = np.empty((folds, classes, 2)), np.empty((folds, classes, 2))
    for left_out in range(folds):
        rest = fold != left_out if folds > 1 else fold >= 0
        middle[left_out], spread[left_out] = _centre(logs[rest])
        order = np.flatnonzero(rest)[np.argsort(category[rest], kind="stable")]
        present, starts = np.unique(category[order], return_index=True)
        for code, members in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
            if len(members) >= LEAST_BOXES:
                middle[left_out, code], spread[left_out, code] = _centre(logs[members])
    return Sizes(middle, spread)


def _centre(logs: Array) -> tuple[Array, Array]:
    """Median and its absolute deviation, as a standard deviation would be, of (n, 2)."""
    middle = np.median(logs, 0)
    return middle, np.median(np.abs(logs - middle), 0) * 1.4826 + SOFTEN

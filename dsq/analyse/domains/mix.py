"""Which classes are more, or less, frequent in one set than in another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset

Array = NDArray[Any]

PERMUTATIONS = 400
LEVEL = 0.01
LEAST_DIFFERENCE = 0.1  # of the boxes: a smaller change of a class's share is not told


class Mix(NamedTuple):
    """p: how likely the two mixes of classes are the same, by permutation of the images. classes: (name, share of the
    boxes in the first, in the second) of the classes that changed, most first; empty where p is above LEVEL.
    """

    p: float
    classes: list[tuple[str, float, float]]


def compare_mixes(first: Dataset, second: Dataset, seed: int = 0) -> Mix | None:
    """The shares of the classes, matched by name, of the labelled images of two datasets; None without boxes."""
    counts = [_count(first), _count(second)]
    if any(part.empty for part in counts):
        return None
    names = sorted(set(counts[0].columns) | set(counts[1].columns))
    stacked = np.vstack([part.reindex(columns=names, fill_value=0).to_numpy(float) for part in counts])
    of_first = np.arange(len(stacked)) < len(counts[0])
    rng = np.random.default_rng(seed)
    drawn = np.vstack([of_first, rng.permuted(np.tile(of_first, (PERMUTATIONS, 1)), axis=1)]).astype(float)
    shares = [part / np.maximum(part.sum(1, keepdims=True), 1) for part in (drawn @ stacked, (1 - drawn) @ stacked)]
    apart = np.abs(shares[0] - shares[1]).sum(1) / 2
    p = float((1 + (apart[1:] >= apart[0]).sum()) / (PERMUTATIONS + 1))
    if p > LEVEL:
        return Mix(p, [])
    one, other = shares[0][0], shares[1][0]
    order = np.argsort(-np.abs(other - one), kind="stable")
    order = order[np.abs(other - one)[order] >= LEAST_DIFFERENCE]
    return Mix(p, [(names[at], float(one[at]), float(other[at])) for at in order])


def _count(dataset: Dataset) -> pd.DataFrame:
    """Boxes by image (rows, those with boxes) and class name (columns)."""
    names = dict(zip(dataset.categories["category_id"], dataset.categories["name"], strict=True))
    boxes = dataset.boxes[~dataset.boxes["crowd"].to_numpy()]
    return pd.crosstab(boxes["image_id"].to_numpy(), boxes["category_id"].map(names).to_numpy())

"""Groups of images that show one picture or one scene, made to keep together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.duplicates import find_pairs, group_pairs
from dsq.measure.images import measure_images
from dsq.measure.store import Cache
from dsq.model import Dataset

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: a group of more than this share of the images cannot be kept together in a split
LARGEST_SHARE = 0.5


class Groups(NamedTuple):
    """keys (images,): the group of each image, None for those alone. notes: what a person should know."""

    keys: list[int | None]
    notes: list[str]


def group_duplicates(
    dataset: Dataset, *, workers: int | None = None, cache: Cache = True, progress: Progress | None = None
) -> Groups:
    """Images that belong in one split: copies of one picture, and pictures of one scene. For `dsq.split(groups=…)`.

    Where more than half of the images show one scene (a camera that stands still), only its copies stay together.
    Every image file is read once and remembered in the cache.
    """
    measured = measure_images(dataset, workers=workers, cache=cache, progress=progress)
    pairs = find_pairs(dataset, measured.table, measured.probes, workers=workers, cache=cache, progress=progress)
    count = len(dataset.images)
    return settle_groups(group_pairs(pairs, count, "same-scene"), group_pairs(pairs, count, "near"))


def settle_groups(scene: Array, near: Array) -> Groups:
    """The groups to keep of two labels an image, -1 for those alone; see `group_duplicates`."""
    keys = scene.copy()
    notes = []
    sizes = np.bincount(scene[scene >= 0])
    for label in np.flatnonzero(sizes > max(1, LARGEST_SHARE * len(scene))).tolist():
        members = scene == label
        keys[members] = np.where(near[members] >= 0, near[members] + len(sizes), -1)
        notes.append(
            f"{int(members.sum()):,} of {len(scene):,} images show one scene: only near copies among them stay together"
        )
    return Groups([key if key >= 0 else None for key in keys.tolist()], notes)

"""How many objects an image holds, how large they are and where they lie: numbers an image, from its boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset

Array = NDArray[Any]

#: in the order of the columns that `describe_objects` gives
OBJECTS = ("count", "size", "class_size", "aspect", "off_centre", "height_in_image", "at_rim", "crowding")
_RIM = 0.005  # of a side: what counts as touching the rim
_SMALLEST = 1e-4  # of the image's side
_LEAST = 3  # boxes of a class, for a usual size of it


def describe_objects(dataset: Dataset, usual: Mapping[str, float] | None = None) -> tuple[Array, Array]:
    """Rows of the images that are labelled and whose size is known (n,), and their numbers (n, len(OBJECTS)).

    count: log of 1 + boxes. Medians over the boxes: size (log of the root of the share of the image's area), aspect
    (log of width/height), off_centre (distance of the box's centre from the image's, in sides), height_in_image (0
    top, 1 bottom); at_rim: share that touch the rim; crowding: distance of a centre to the nearest other, in sides.
    NaN where an image has no or too few boxes. Crowd boxes are left out. class_size: mean of the size less the `usual`
    one of its class (see `usual_sizes`), of boxes whose class has one.
    """
    image, known, columns = _measure_boxes(dataset)
    rows = np.flatnonzero(known)
    columns["class_size"] = columns["size"] - columns["class"].map(dict(usual or {})).astype(float)
    by_image = columns.drop(columns=["class", "rim", "class_size"]).groupby("image")
    found = by_image.median().reindex(rows).reindex(columns=list(OBJECTS))
    found["class_size"] = columns.groupby("image")["class_size"].mean().reindex(rows)
    found["count"] = np.log1p(np.bincount(image, minlength=len(dataset.images))[rows])
    found["at_rim"] = columns.groupby("image")["rim"].mean().reindex(rows)
    return rows, found.to_numpy(float)


def usual_sizes(dataset: Dataset) -> dict[str, float]:
    """The median size of the boxes of each class that has a few, by name."""
    sizes = _measure_boxes(dataset)[2].groupby("class")["size"]
    usual = sizes.median()[sizes.size() >= _LEAST]
    return {str(name): float(size) for name, size in usual.items()}


def _measure_boxes(dataset: Dataset) -> tuple[Array, Array, pd.DataFrame]:
    """Of each box that counts its image's position and its numbers; (images,) whether labelled and of known size."""
    images, boxes = dataset.images, dataset.boxes
    names = dict(zip(dataset.categories["category_id"], dataset.categories["name"], strict=True))
    sides = images[["width", "height"]].to_numpy(float, na_value=np.nan)
    relative = (images["unit"] == "relative").to_numpy()
    sides = np.where(relative[:, None], 1.0, sides)
    known = (images["label_state"] != "unlabelled").to_numpy() & (sides > 0).all(1)
    position = pd.Index(images["image_id"]).get_indexer(pd.Index(boxes["image_id"]))
    held = known[position] & ~boxes["crowd"].to_numpy()
    values = boxes[["x", "y", "width", "height"]].to_numpy()
    held &= np.isfinite(values).all(1) & (values[:, 2:] > 0).all(1)
    image, values = position[held], values[held]
    low = values[:, :2] / sides[image]
    size = values[:, 2:] / sides[image]
    centre = low + size / 2
    rim = ((low < _RIM) | (low + size > 1 - _RIM)).any(1)
    columns = pd.DataFrame(
        {
            "image": image,
            "class": boxes["category_id"].map(names).to_numpy()[held],
            "rim": rim.astype(float),
            "size": np.log(np.maximum(np.sqrt(size.prod(1)), _SMALLEST)),
            "aspect": np.log(np.maximum(values[:, 2], 1e-3) / np.maximum(values[:, 3], 1e-3)),
            "off_centre": np.hypot(*(centre - 0.5).T),
            "height_in_image": centre[:, 1],
            "crowding": _nearest(image, centre),
        }
    )
    return image, known, columns


def _nearest(image: Array, centre: Array) -> Array:
    """(n,) distance of each centre to the nearest other of its image; NaN for the only one."""
    found = np.full(len(image), np.nan)
    order = np.argsort(image, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(image[order])) + 1):
        if 1 < len(rows) <= 1000:
            apart = np.hypot(*(centre[rows, None] - centre[rows]).transpose(2, 0, 1))
            np.fill_diagonal(apart, np.inf)
            found[rows] = apart.min(1)
    return found

"""How many objects an image holds, how large they are and where they lie: numbers an image, from its boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset

Array = NDArray[Any]

#: in the order of the columns that `describe_objects` gives
OBJECTS = ("count", "size", "aspect", "off_centre", "height_in_image", "at_rim", "crowding")
_RIM = 0.005  # of a side: what counts as touching the rim
_SMALLEST = 1e-4  # of the image's side


def describe_objects(dataset: Dataset) -> tuple[Array, Array]:
    """Rows of the images that are labelled and whose size is known (n,), and their numbers (n, len(OBJECTS)).

    count: log of 1 + boxes. Medians over the boxes: size (log of the root of the share of the image's area), aspect
    (log of width/height), off_centre (distance of the box's centre from the image's, in sides), height_in_image (0
    top, 1 bottom); at_rim: share that touch the rim; crowding: distance of a centre to the nearest other, in sides.
    NaN where an image has no or too few boxes. Crowd boxes are left out.
    """
    images, boxes = dataset.images, dataset.boxes
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
            "size": np.log(np.maximum(np.sqrt(size.prod(1)), _SMALLEST)),
            "aspect": np.log(np.maximum(values[:, 2], 1e-3) / np.maximum(values[:, 3], 1e-3)),
            "off_centre": np.hypot(*(centre - 0.5).T),
            "height_in_image": centre[:, 1],
            "crowding": _nearest(image, centre),
        }
    )
    rows = np.flatnonzero(known)
    medians = columns.groupby("image").median().reindex(rows)
    found = medians.reindex(columns=list(OBJECTS))
    found["count"] = np.log1p(np.bincount(image, minlength=len(images))[rows])
    found["at_rim"] = pd.Series(rim.astype(float)).groupby(image).mean().reindex(rows)
    return rows, found.to_numpy(float)


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

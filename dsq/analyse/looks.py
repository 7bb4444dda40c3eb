"""What the boxes of a dataset look like: alike in two pictures, or exchanged between two parts of the set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.crops import Exchange, choose_crops, compare_crops, find_exchanges
from dsq.measure.crops import LEAST_SIDE, read_crops
from dsq.measure.store import Cache
from dsq.model import Dataset, Table, text_or_none

Array = NDArray[Any]

#: EXIF orientations that turn a picture by a quarter
_SIDEWAYS = 5


class Looks:
    """The crops of a dataset, read when they are asked for."""

    def __init__(
        self,
        dataset: Dataset,
        image_row: Array,
        pixels: Table,
        *,
        cache: Cache = True,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """image_row: (boxes,) position in `images` of each box's image; pixels: see `Scan.pixels`."""
        self.dataset, self.image_row = dataset, image_row
        self.cache, self.progress = cache, progress
        rows = pixels["row"].to_numpy()
        self.contents = np.full(len(dataset.images), None, object)
        self.contents[rows] = text_or_none(pixels["content"])
        self.size = np.full((len(dataset.images), 2), np.nan)  # (images, 2) real pixels
        self.size[rows] = pixels[["width", "height"]].to_numpy(float)
        self.sideways = np.zeros(len(dataset.images), bool)
        self.sideways[rows] = pixels["orientation"].to_numpy() >= _SIDEWAYS

    def read(self, rows: Array, corners: Array) -> tuple[Array, Array]:
        """Descriptors of boxes (n, 4) in stored pixels of the images at `rows`, and which there are."""
        contents = self.contents[rows].tolist()
        return read_crops(self.dataset, rows, corners, contents=contents, cache=self.cache, progress=self.progress)

    def compare(self, one: Array, corners: Array, other: Array, other_corners: Array, maps: Array) -> Array:
        """How alike boxes of the images at `one` and at `other` look, -1 to 1; NaN where that cannot be said.

        corners (n, 4) in stored pixels; maps (n, 6): see `dsq.analyse.crops.compare_crops`.
        """
        crops, there = self.read(np.concatenate([one, other]), np.concatenate([corners, other_corners]))
        count = len(one)
        likeness = compare_crops(crops[:count], crops[count:], maps)
        return np.where(there[:count] & there[count:], likeness, np.nan)

    def exchanges(self, part: Array, *, least: int, images: int) -> list[Exchange]:
        """Classes that seem to be exchanged between parts of the set; see `dsq.analyse.crops.find_exchanges`.

        part: (images,) code of each image's part, -1: none.
        """
        boxes, row = self.dataset.boxes, self.image_row
        sides = boxes[["width", "height"]].to_numpy(float)
        size = self.dataset.images[["width", "height"]].to_numpy(float, na_value=np.nan)
        with np.errstate(invalid="ignore"):
            right = (np.abs(size - self.size) < 1).all(1) & ~self.sideways
            able = (sides >= LEAST_SIDE).all(1) & right[row] & ~boxes["crowd"].to_numpy()
        able &= (self.dataset.images["unit"] != "relative").to_numpy()[row]
        rows = np.flatnonzero(able)
        files, places = self.dataset.images["file"].tolist(), boxes[["x", "y", "width", "height"]].to_numpy(float)
        keys = [f"{files[row[at]]} {places[at].round(2).tolist()}" for at in rows.tolist()]
        category, image = boxes["category_id"].to_numpy()[rows], row[rows]
        chosen = choose_crops(keys, category, part[image], image, least=least)
        if not len(chosen):
            return []
        rows = rows[chosen]
        rows = rows[np.argsort(np.array([keys[at] for at in chosen.tolist()], object), kind="stable")]
        x, y = places[rows, 0], places[rows, 1]
        corners = np.stack([x, y, x + places[rows, 2], y + places[rows, 3]], 1)
        crops, there = self.read(row[rows], corners)
        rows, crops = rows[there], crops[there]
        order = pd.factorize(pd.Series([files[at] for at in row[rows].tolist()]))[0]
        category, part_of = boxes["category_id"].to_numpy()[rows], part[row[rows]]
        return find_exchanges(
            crops, sides[rows] / size[row[rows]], category, part_of, order, least=least, images=images
        )

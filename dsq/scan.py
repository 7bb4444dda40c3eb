"""Scan: a dataset with what was derived from its tables and read from its files; all that a rule may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.geometry import box_area
from dsq.headers import Header, read_headers
from dsq.masks import mask_extents
from dsq.model import HEADERS, About, Dataset, make_table, text_or_none
from dsq.names import name_facts, stated_name
from dsq.overlaps import Overlaps
from dsq.source import open_source

Table: TypeAlias = pd.DataFrame
Array = NDArray[Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Geometry:
    """Boxes as arrays, a row a box in the order of `boxes`.

    corners (n, 4) x0 y0 x1 y1 in pixels, NaN where the image's size is unknown; image_width, image_height (n,) in
    pixels, NaN where unknown; image_row (n,) position in `images`.
    """

    corners: Array
    width: Array
    height: Array
    image_width: Array
    image_height: Array
    image_row: Array


class Scan:
    """A dataset as the rules see it; everything is computed once, when first asked for."""

    def __init__(self, dataset: Dataset, *, tables_only: bool = False, progress: Progress | None = None) -> None:
        self.dataset = dataset
        self.tables_only = tables_only
        self._progress = progress

    @property
    def images(self) -> Table:
        return self.dataset.images

    @property
    def boxes(self) -> Table:
        return self.dataset.boxes

    @property
    def categories(self) -> Table:
        return self.dataset.categories

    @property
    def problems(self) -> Table:
        return self.dataset.problems

    @property
    def files(self) -> Table:
        return self.dataset.files

    @property
    def about(self) -> About:
        return self.dataset.about

    def lacks(self, need: str) -> str | None:
        """Why the evidence `need` is not at hand, and how to supply it; None where it is."""
        if need == "files":
            if not self.about.listed:
                return "give the folder or zip instead of the annotation file alone"
        elif need == "headers":
            if self.dataset.headers is not None:
                return None
            if self.tables_only:
                return "left out by --tables-only"
            if not self._readable.any():
                return "no image file was found; add --image-root DIR"
        else:
            raise KeyError(f"no evidence is called {need!r}")
        return None

    @cached_property
    def present(self) -> Array:
        """(images,) bool: whether the image file was found."""
        found: Array = self.images["member"].notna().to_numpy()
        return found

    @cached_property
    def _readable(self) -> Array:
        """(images,) bool: whether an image file was found, and the folder or zip that holds it is known."""
        known: Array = self.present & self.images["root"].notna().to_numpy()
        return known

    @cached_property
    def names(self) -> dict[int, str]:
        """Class name by category_id."""
        return dict(zip(self.categories["category_id"].tolist(), self.categories["name"].tolist(), strict=True))

    @cached_property
    def stated_names(self) -> list[str | None]:
        """The file name that the annotation states for each image; None: none, or the one in `images`."""
        return [stated_name(extras) for extras in text_or_none(self.images["extras"]).tolist()]

    @cached_property
    def stems(self) -> Table:
        """What file names say about their sources, a row an image in the order of `images`: `source`, `stem`,
        `roboflow`, `augmented`, `base`, `distinctive` (see `dsq.names.name_facts`).
        """
        return name_facts(self.images["file"].tolist())

    @cached_property
    def classes_by_image(self) -> Table:
        """Which class occurs in which image, a row a pair: `image_row`, `category_row` (positions in `images` and
        `categories`), `boxes` (their number).
        """
        classes = max(len(self.categories), 1)
        rows = rows_of(self.categories["category_id"].to_numpy(), self.boxes["category_id"].to_numpy())
        codes, pairs = pd.factorize(self.image_row * classes + rows)
        counts = np.bincount(codes, minlength=len(pairs))
        return pd.DataFrame({"image_row": pairs // classes, "category_row": pairs % classes, "boxes": counts})

    @cached_property
    def image_index(self) -> pd.Index[Any]:
        """image_id -> position in `images`."""
        index: pd.Index[Any] = pd.Index(self.images["image_id"])
        return index

    @cached_property
    def box_index(self) -> pd.Index[Any]:
        """box_id -> position in `boxes`."""
        index: pd.Index[Any] = pd.Index(self.boxes["box_id"])
        return index

    @cached_property
    def image_files(self) -> list[str]:
        """File name of each image."""
        return self.images["file"].tolist()

    @cached_property
    def image_origins(self) -> list[str | None]:
        """Annotation file of each image; None: none speaks of it."""
        return [name if isinstance(name, str) else None for name in self.images["origin_file"].tolist()]

    @cached_property
    def relative(self) -> Array:
        """(images,) bool: boxes are in fractions because the image's size is unknown."""
        flags: Array = (self.images["unit"] == "relative").to_numpy()
        return flags

    @cached_property
    def image_row(self) -> Array:
        """(boxes,) position in `images` of each box's image."""
        return rows_of(self.images["image_id"].to_numpy(), self.boxes["image_id"].to_numpy())

    @cached_property
    def image_sizes(self) -> Array:
        """(images, 2) width and height in pixels, NaN where unknown."""
        width, height = self.images["width"], self.images["height"]
        return np.stack([width.to_numpy(float, na_value=np.nan), height.to_numpy(float, na_value=np.nan)], 1)

    @cached_property
    def geometry(self) -> Geometry:
        """The boxes as arrays in pixels."""
        boxes, row = self.boxes, self.image_row
        x, y = boxes["x"].to_numpy(), boxes["y"].to_numpy()
        width, height = boxes["width"].to_numpy(), boxes["height"].to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            corners = np.stack([x, y, x + width, y + height], 1)
        if self.relative.any():
            unknown = self.relative[row]
            corners[unknown] = np.nan
            width, height = np.where(unknown, np.nan, width), np.where(unknown, np.nan, height)
        sizes = self.image_sizes
        return Geometry(corners, width, height, sizes[row, 0], sizes[row, 1], row)

    @cached_property
    def overlaps(self) -> Table:
        """Pairs of boxes in one image that overlap: `first`, `second` (positions in `boxes`, first < second),
        `iou`, `inside` (share of the smaller box inside the larger). Crowd and empty boxes take no part.

        Of boxes that are exactly alike, in images with more than CROWDED, the first alone is paired with others.
        """
        return self._overlaps[0]

    @cached_property
    def uncompared(self) -> Array:
        """Positions in `images` of those with so many boxes on each other that `overlaps` lacks pairs of theirs."""
        return self._overlaps[1]

    @cached_property
    def _overlaps(self) -> tuple[Table, Array]:
        boxes = self.boxes
        area = box_area(self.geometry.corners)
        usable = np.flatnonzero((area > 0) & np.isfinite(area) & ~boxes["crowd"].to_numpy())
        found = Overlaps(
            self.geometry.corners, area, self.image_row, boxes["category_id"].to_numpy(), boxes["box_id"].to_numpy()
        )
        found.compare(usable)
        first, second, iou, inside = found.pairs()
        table = pd.DataFrame({"first": first, "second": second, "iou": iou, "inside": inside})
        return table, np.array(sorted(found.left_out), np.int64)

    @cached_property
    def masks(self) -> Table:
        """What polygons and RLE masks cover, a row a box that has one: `row` (position in `boxes`), `rle` (bool),
        `area` (px²), `x0 y0 x1 y1` (px), `error` ("" or why it cannot be decoded).
        """
        return mask_extents(self.boxes["segmentation"].to_numpy())

    @cached_property
    def headers(self) -> Table:
        """What the image files' headers say, a row an image whose file was found (see HEADERS)."""
        if self.dataset.headers is not None:
            return self.dataset.headers
        images = self.images[self._readable]
        roots = images["root"].astype(object).to_numpy()
        members = images["member"].to_numpy()
        found: list[Header] = []
        order: list[Array] = []
        for root in dict.fromkeys(roots):
            rows = np.flatnonzero(roots == root)
            with open_source(root) as source:
                for start in range(0, len(rows), 500):
                    part = rows[start : start + 500]
                    found += read_headers(source, members[part].tolist())
                    if self._progress:
                        self._progress("reading image headers", len(found), len(images))
            order.append(rows)
        where = np.concatenate(order) if order else np.empty(0, np.int64)
        columns = {name: [getattr(header, name) for header in found] for name in Header._fields}
        table = make_table(HEADERS, len(found), image_id=images["image_id"].to_numpy()[where], **columns)
        return table.sort_values("image_id", ignore_index=True)


def rows_of(keys: Array, wanted: Array) -> Array:
    """Positions in `keys` (unique) of `wanted` values; KeyError where one is missing."""
    if len(wanted) == 0:
        return np.empty(0, np.int64)
    order = np.argsort(keys, kind="stable")
    position = np.searchsorted(keys[order], wanted)
    position = np.minimum(position, len(keys) - 1)
    rows = order[position]
    if len(keys) == 0 or (keys[rows] != wanted).any():
        raise KeyError("a row refers to an id that does not exist")
    found: Array = rows
    return found

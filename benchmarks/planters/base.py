"""What planters share: a field to plant in, changes to its tables, and the places where faults were planted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset, Table

Array = NDArray[Any]
#: one thing that a place is told by: ("box", id), ("image", file), ("class", name), ("subject", text), ("name", a part
#: of the subject), ("file", annotation file), ("place", file, line or id), ("folder", of an image or file)
Token: TypeAlias = tuple[Any, ...]
#: where a fault lies: a finding that has all of its tokens has found it
Fault: TypeAlias = frozenset[Token]
#: the token of every finding, for faults of a whole set
SET: Token = ("set",)
WHOLE: Fault = frozenset([SET])
#: faults planted at a time: a tenth of the boxes, at most so many
MOST = 60


@dataclass(frozen=True)
class Planted:
    """`faulty`: the set with its `faults`. `sound`: the set before; what a rule says of it is its own (None:
    nothing is). decoys: harmless look-alikes planted beside the faults.
    """

    faulty: Dataset
    faults: Sequence[Fault]
    sound: Dataset | None = None
    decoys: int = 0


@dataclass(frozen=True)
class Planter:
    """Plants one kind of fault of a rule; `plant` returns None where a set cannot hold it.

    whole: the fault is one of the whole set; it is planted in every other trial. each_image: a finding that lists
    images counts as one an image. beside: findings about the set are another matter and not counted.
    """

    rule: str
    what: str
    plant: Callable[[Field], Planted | None]
    trials: int = 1
    whole: bool = False
    each_image: bool = False
    beside: bool = False


class Field:
    """A dataset to plant in. own: tokens of what the rule finds in it already. faulty: whether this trial plants."""

    def __init__(self, dataset: Dataset, rng: np.random.Generator, own: frozenset[Token], faulty: bool = True) -> None:
        self.dataset = dataset
        self.rng = rng
        self.own = own
        self.faulty = faulty

    @property
    def format(self) -> str:
        return self.dataset.about.format

    @cached_property
    def image_row(self) -> Array:
        """(boxes,) position in `images` of each box's image."""
        index: pd.Index[Any] = pd.Index(self.dataset.images["image_id"])
        return index.get_indexer(pd.Index(self.dataset.boxes["image_id"]))

    @cached_property
    def sizes(self) -> Array:
        """(boxes, 2) width and height of each box's image, NaN where unknown."""
        table = self.dataset.images[["width", "height"]].to_numpy(float, na_value=np.nan)
        found: Array = table[self.image_row]
        return found

    @cached_property
    def xywh(self) -> Array:
        """(boxes, 4) x, y, width, height."""
        return self.dataset.boxes[["x", "y", "width", "height"]].to_numpy(float)

    @cached_property
    def plain(self) -> Array:
        """(boxes,) bool: boxes in pixels inside an image of known size, with sides of 4 px or more, no crowd, of which
        the rule says nothing yet.
        """
        x, y, width, height = self.xywh.T
        relative = (self.dataset.images["unit"] == "relative").to_numpy()[self.image_row]
        with np.errstate(invalid="ignore"):
            inside = (x >= 0) & (y >= 0) & (x + width <= self.sizes[:, 0]) & (y + height <= self.sizes[:, 1])
        told = self.dataset.boxes["box_id"].isin([token[1] for token in self.own if token[0] == "box"]).to_numpy()
        crowd = self.dataset.boxes["crowd"].to_numpy()
        found: Array = inside & (width >= 4) & (height >= 4) & ~relative & ~told & ~crowd
        return found

    def take(
        self, able: Array, share: float = 0.1, decoys: float = 1.0, of_images: float = 0.33, one: bool = False
    ) -> tuple[Array, Array]:
        """Random positions of boxes for faults and as many (`decoys` times) for look-alikes, among the `able` ones.

        Faults are `share` of all boxes, at most MOST, at least one; they lie in at most `of_images` of the images,
        one an image if `one`.
        """
        wanted = int(np.clip(round(share * len(able)), 1, MOST))
        order = self.rng.permutation(np.flatnonzero(able))
        allowed = max(int(of_images * len(self.dataset.images)), 1)
        faults = self._spread(order, wanted, allowed, one)
        rest = order[~np.isin(order, faults)]
        return faults, self._spread(rest, round(decoys * len(faults)), allowed, one)

    def _spread(self, order: Array, wanted: int, allowed: int, one: bool) -> Array:
        images: set[int] = set()
        chosen: list[int] = []
        for row, image in zip(order.tolist(), self.image_row[order].tolist(), strict=True):
            if len(chosen) == wanted:
                break
            if image in images:
                if one:
                    continue
            elif len(images) == allowed:
                continue
            images.add(image)
            chosen.append(row)
        return np.array(chosen, np.int64)

    def box_faults(self, rows: Array) -> list[Fault]:
        """Faults at boxes, by position."""
        return [frozenset([("box", box)]) for box in self.dataset.boxes["box_id"].to_numpy()[rows].tolist()]

    def set_boxes(self, rows: Array, xywh: Array) -> Dataset:
        """The dataset with other boxes (n, 4) at `rows`."""
        return change(self.dataset, rows, **dict(zip(("x", "y", "width", "height"), xywh.T, strict=True)))


def change(dataset: Dataset, rows: Array, **columns: Any) -> Dataset:
    """Other values in columns of `boxes` at the positions `rows`."""
    boxes = dataset.boxes.copy()
    for name, values in columns.items():
        column = boxes[name].copy()
        column.iloc[rows] = values
        boxes[name] = column
    return dataset.replace(boxes=boxes)


def add_boxes(dataset: Dataset, rows: Array, **columns: Any) -> tuple[Dataset, list[int]]:
    """Copies of the boxes at `rows`, with other values in some columns; their ids."""
    if len(rows) == 0:
        return dataset, []
    first = int(dataset.boxes["box_id"].max()) + 1
    ids = list(range(first, first + len(rows)))
    copies = dataset.boxes.iloc[rows].assign(box_id=ids, **columns)
    return dataset.replace(boxes=pd.concat([dataset.boxes, copies], ignore_index=True)), ids


def keep_images(dataset: Dataset, keep: Array) -> Dataset:
    """The images where `keep` (bool or positions) says so, with their boxes and headers."""
    images = dataset.images[keep] if keep.dtype == bool else dataset.images.iloc[keep]
    images = images.reset_index(drop=True)
    return _fit(dataset.replace(images=images))


def _fit(dataset: Dataset) -> Dataset:
    """The dataset without the boxes and headers of images that it no longer has."""
    ids = dataset.images["image_id"]
    boxes = dataset.boxes[dataset.boxes["image_id"].isin(ids)].reset_index(drop=True)
    headers = dataset.headers
    if headers is not None:
        headers = headers[headers["image_id"].isin(ids)].reset_index(drop=True)
    return dataset.replace(boxes=boxes, headers=headers)


def keep_boxes(dataset: Dataset, keep: Array) -> Dataset:
    """The boxes where `keep` (bool) says so; an image that loses all of them is background."""
    boxes = dataset.boxes[keep].reset_index(drop=True)
    images = dataset.images.copy()
    lost = images["image_id"].isin(dataset.boxes["image_id"]) & ~images["image_id"].isin(boxes["image_id"])
    images["label_state"] = pd.Categorical(images["label_state"].astype(object).mask(lost, "background"))
    return dataset.replace(images=images, boxes=boxes)


def add_images(dataset: Dataset, rows: Array, files: Sequence[str], **columns: Any) -> Dataset:
    """Copies of the images at `rows` under other names, with their boxes."""
    if len(rows) == 0:
        return dataset
    first = int(dataset.images["image_id"].max()) + 1
    ids = np.arange(first, first + len(rows))
    copies = dataset.images.iloc[rows].assign(image_id=ids, file=list(files), **columns)
    old = pd.DataFrame({"old": dataset.images["image_id"].to_numpy()[rows], "new": ids})
    boxes = old.merge(dataset.boxes, left_on="old", right_on="image_id").drop(columns=["old", "image_id"])
    boxes = boxes.rename(columns={"new": "image_id"})[list(dataset.boxes.columns)]
    boxes["box_id"] = np.arange(len(boxes)) + (int(dataset.boxes["box_id"].max()) + 1 if len(dataset.boxes) else 1)
    images = pd.concat([dataset.images, copies], ignore_index=True)
    return dataset.replace(images=images, boxes=pd.concat([dataset.boxes, boxes], ignore_index=True), headers=None)


def replicate(dataset: Dataset, times: int) -> Dataset:
    """The dataset `times` over, every copy of an image under a name of its own."""
    rows = np.tile(np.arange(len(dataset.images)), times - 1)
    number = np.repeat(np.arange(1, times), len(dataset.images))
    files = dataset.images["file"].to_numpy()[rows]
    names = [f"copy{n}/{file}" for n, file in zip(number.tolist(), files.tolist(), strict=True)]
    return add_images(dataset, rows, names)


def add_classes(dataset: Dataset, names: Sequence[str], declared: bool = True) -> tuple[Dataset, list[int]]:
    """More categories; their ids."""
    first = int(dataset.categories["category_id"].max()) + 1 if len(dataset.categories) else 1
    ids = list(range(first, first + len(names)))
    new = pd.DataFrame({"category_id": ids, "name": list(names), "declared": declared})
    table = pd.concat([dataset.categories, new.reindex(columns=dataset.categories.columns)], ignore_index=True)
    table["declared"] = table["declared"].astype(bool)
    table["source_id"] = table["source_id"].astype("Int64")
    return dataset.replace(categories=table), ids


def spoken(dataset: Dataset) -> Dataset:
    """The images that are there and of which something is said, and the classes that a list declares."""
    images = dataset.images
    there = images["member"].notna().to_numpy()
    said = (images["label_state"] != "unlabelled").to_numpy()
    dataset = keep_images(dataset, said & there if there.any() else said)
    declared = dataset.categories[dataset.categories["declared"]].reset_index(drop=True)
    keep = dataset.boxes["category_id"].isin(declared["category_id"]).to_numpy()
    return keep_boxes(dataset, keep).replace(categories=declared)


def some_images(field: Field, least: float = 0.6) -> Dataset:
    """A random part of the set's spoken images, at least the share `least`."""
    dataset = spoken(field.dataset)
    count = max(round(len(dataset) * field.rng.uniform(least, 1)), 1)
    return keep_images(dataset, np.sort(field.rng.permutation(len(dataset))[:count]))


def set_split(dataset: Dataset, names: Array) -> Dataset:
    """Another split name for each image."""
    return dataset.replace(images=dataset.images.assign(split=pd.Categorical(names)))


def draw_splits(rng: np.random.Generator, count: int, **shares: float) -> Array:
    """(count,) split names at random, in these shares."""
    sizes = np.floor(np.cumsum(list(shares.values())) / sum(shares.values()) * count + 1e-9).astype(int)
    names = np.repeat(list(shares), np.diff(np.r_[0, sizes]))
    return rng.permutation(names.astype(object))


def images_table(dataset: Dataset, **columns: Any) -> Dataset:
    """Other columns of `images`."""
    table: Table = dataset.images.assign(**columns)
    return dataset.replace(images=table)

"""A part of a dataset: by class, split, source or number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.diversity import Signatures, pick_diverse
from dsq.errors import ConfigError
from dsq.model import Dataset
from dsq.transform.parts import EMPTIED, close_ids, empty_images, keep_images
from dsq.transform.remap import unknown_class
from dsq.transform.strata import assign, draw_order, label_columns

Array = NDArray[Any]


class Subset(NamedTuple):
    """`dataset`: the part; `emptied`: files that lost all their boxes; `left_out`: images and boxes left out, by
    reason.
    """

    dataset: Dataset
    emptied: list[str]
    left_out: dict[str, dict[str, int]]


def subset(
    dataset: Dataset,
    *,
    classes: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    states: Sequence[str] | None = None,
    count: int | None = None,
    stratified: bool = True,
    diverse: int | None = None,
    signatures: Signatures | None = None,
    emptied: str = "drop",
    seed: int = 0,
) -> Subset:
    """The images and boxes that every given condition keeps.

    classes: names whose boxes stay; the class list shrinks to them. An image that loses all its boxes is dropped
    (its objects are there, only unnamed: as "background" it would teach the opposite) unless `emptied` says
    "background" or "unlabelled"; images that had no box stay as they are. splits, sources, states (labelled,
    background, unlabelled): values to keep; "none" keeps images without split. count: so many images of what is
    left, drawn by `seed`, with the share of each class, of background and of each split kept (`stratified`) or
    by chance alone. diverse: instead of count, so many images that differ most from each other, by what
    `dsq.read_signatures` gives as `signatures`; images that cannot be read are left out. Row order does not matter.
    ConfigError for a class, split or source that does not exist.
    """
    if emptied not in EMPTIED:
        raise ConfigError(f"emptied is {emptied!r};", hint=f"it takes {', '.join(EMPTIED)}.")
    if count is not None and count < 0:
        raise ConfigError(f"count is {count};", hint="it takes the number of images to keep.")
    if diverse is not None:
        _check_diverse(dataset, diverse, count, signatures)
    left_out: dict[str, dict[str, int]] = {}
    part = dataset
    for column, wanted, reason in (
        ("split", splits, "splits"),
        ("source", sources, "sources"),
        ("label_state", states, "states"),
    ):
        if wanted is not None:
            part = _tell(left_out, reason, part, keep_images(part, _having(dataset, part, column, wanted)))
    files: list[str] = []
    if classes is not None:
        names = part.categories["name"].tolist()
        unknown_class(classes, names, "selection")
        before = part
        part, gone = _of_classes(part, set(classes))
        part, files = empty_images(part, gone, emptied)
        _tell(left_out, "classes", before, part)
    if count is not None and count < len(part):
        part = _tell(left_out, "count", part, keep_images(part, _drawn(part, count, stratified, seed)))
    if diverse is not None and signatures is not None:
        rows = pd.Index(dataset.images["image_id"]).get_indexer(pd.Index(part.images["image_id"]))
        kept, _ = pick_diverse(signatures.take(rows), diverse, part.images["file"].tolist())
        chosen = np.zeros(len(part), bool)
        chosen[kept] = True
        part = _tell(left_out, "diverse", part, keep_images(part, chosen))
    return Subset(part, files, left_out)


def _check_diverse(dataset: Dataset, diverse: int, count: int | None, signatures: Signatures | None) -> None:
    if diverse < 0:
        raise ConfigError(f"diverse is {diverse};", hint="it takes the number of images to keep.")
    if count is not None:
        raise ConfigError("count and diverse were both given.", hint="Give one of them.")
    if signatures is None or len(signatures.hashes) != len(dataset):
        told = "no signatures were" if signatures is None else f"{len(signatures.hashes):,} signatures were"
        raise ConfigError(
            f"{told} given for {len(dataset):,} images.", hint="signatures=dsq.read_signatures(dataset) makes them."
        )
    if len(dataset) and not np.isfinite(signatures.levels).any():
        raise ConfigError("no image file could be read.", hint="Add --image-root DIR; without pixels use --count.")


def _having(dataset: Dataset, part: Dataset, column: str, wanted: Sequence[str]) -> Array:
    """(images,) bool: the column holds one of the wanted values."""
    known = sorted({str(value) for value in dataset.images[column].dropna().unique()})
    unsaid = dataset.images[column].isna().any()
    for value in wanted:
        if value not in known and not (value == "none" and unsaid) and column != "label_state":
            there = ", ".join([*known, *(["none"] if unsaid else [])]) or "none"
            raise ConfigError(f"no image has the {column} {value!r}.", hint=f"There are: {there}.")
        if column == "label_state" and value not in ("labelled", "background", "unlabelled"):
            raise ConfigError(f"no image has the state {value!r}.", hint="There are labelled, background, unlabelled.")
    values = part.images[column].astype(object)
    found: Array = (values.isin(list(wanted)) | (values.isna() & ("none" in wanted))).to_numpy(bool)
    return found


def _of_classes(dataset: Dataset, classes: set[str]) -> tuple[Dataset, Array]:
    """Boxes and categories of some classes, and the image ids of the boxes that are gone."""
    table = dataset.categories
    kept = table["name"].isin(classes).to_numpy()
    ids = table["category_id"].to_numpy()[kept]
    boxes = dataset.boxes
    stays = np.isin(boxes["category_id"].to_numpy(), ids)
    gone: Array = boxes["image_id"].to_numpy()[~stays]
    categories = table[kept].reset_index(drop=True)
    boxes = boxes[stays].reset_index(drop=True)
    if dataset.about.format == "yolo" and not kept.all():
        categories = close_ids(categories)
        place = pd.Index(ids).get_indexer(pd.Index(boxes["category_id"]))
        boxes["category_id"] = categories["category_id"].to_numpy()[place]
    return dataset.replace(categories=categories, boxes=boxes), gone


def _drawn(dataset: Dataset, count: int, stratified: bool, seed: int) -> Array:
    """(images,) bool: `count` of them."""
    images = dataset.images
    order = draw_order(images["file"].tolist(), seed, images["source"].astype(object).tolist())
    chosen = np.zeros(len(images), bool)
    if not stratified:
        chosen[order[:count]] = True
        return chosen
    rows, labels = label_columns(dataset, with_split=True)
    parts = assign(np.arange(len(images)), rows, labels, [count, len(images) - count], order)
    drawn: Array = parts == 0
    return drawn


def _tell(left_out: dict[str, dict[str, int]], reason: str, before: Dataset, after: Dataset) -> Dataset:
    left_out[reason] = {
        "images": len(before.images) - len(after.images),
        "boxes": len(before.boxes) - len(after.boxes),
    }
    return after

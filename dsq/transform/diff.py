"""What is another in a second dataset: images, boxes, classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.formats.naming import place_key
from dsq.model import Dataset, Table, text_or_none
from dsq.transform.extras import object_array
from dsq.transform.pairing import codes_of, pair_boxes, pair_images

Array = NDArray[Any]

_FLAGS = ("crowd", "difficult", "truncated", "occluded")
_SIDES = ("x", "y", "width", "height")


class Diff(NamedTuple):
    """How b differs from a.

    images: a row a change: `what` (added, removed, renamed, resized, split, label-state), `file` (in b; in a for
    removed), `old`, `new`; the boxes of an added or removed image are a number there. boxes of images that both
    have: `what` (added, removed, moved, relabelled, moved+relabelled, flags), `file`,
    `old_class`, `new_class`, `iou`, the box in a (`old_x` …) and in b (`new_x` …), in pixels of b's image.
    classes: `what` (added, removed), `name`, `boxes`. same_images, same_boxes: how many did not change.
    """

    images: Table
    boxes: Table
    classes: Table
    same_images: int
    same_boxes: int

    @property
    def summary(self) -> dict[str, dict[str, int]]:
        """Counts of each kind of change, by table."""
        return {
            name: {str(kind): int(count) for kind, count in table["what"].value_counts(sort=False).sort_index().items()}
            for name, table in (("images", self.images), ("boxes", self.boxes), ("classes", self.classes))
        }

    def __bool__(self) -> bool:
        return bool(len(self.images) or len(self.boxes) or len(self.classes))


def diff(
    a: Dataset,
    b: Dataset,
    *,
    hashes: Mapping[tuple[str, str], str] | None = None,
    iou: float = 0.5,
    tolerance: float = 0.01,
) -> Diff:
    """Compare two datasets; ids, row order and formats do not count.

    hashes: {(root, member): digest} of image files, from `dsq.content_hashes([a, b])`: images are paired by content
    first, then by name. iou: boxes of an image are paired from this overlap on; a pair of one class is preferred.
    tolerance: pixels by which an edge may differ in an unchanged box. Where the two sizes of an image differ,
    boxes are compared in fractions of it. ConfigError for an iou outside (0, 1] or a negative tolerance.
    """
    if not 0 < iou <= 1 or not tolerance >= 0:
        raise ConfigError(f"iou is {iou}, tolerance {tolerance};", hint="iou is in (0, 1], tolerance 0 or more.")
    match = pair_images(a.images, b.images, hashes)
    images = _image_changes(a, b, match)
    boxes, same = _box_changes(a, b, match, iou, tolerance)
    touched = images.loc[~images["what"].isin(["added", "removed"]), "file"].nunique()
    return Diff(images, boxes, _class_changes(a, b), int((match >= 0).sum()) - int(touched), same)


def _image_changes(a: Dataset, b: Dataset, match: Array) -> Table:
    rows: list[tuple[str, str, Any, Any]] = []
    names_a, names_b = text_or_none(a.images["file"]), text_or_none(b.images["file"])
    for what, dataset, names, missing in (
        ("removed", a, names_a, np.flatnonzero(match < 0)),
        ("added", b, names_b, np.setdiff1d(np.arange(len(b)), match)),
    ):
        counts = Counter(dataset.boxes["image_id"].tolist())
        held = [f"{counts[number]:,} boxes" for number in dataset.images["image_id"].tolist()]
        gone = what == "removed"
        rows += [
            (what, names[row], held[row] if gone else None, None if gone else held[row]) for row in missing.tolist()
        ]
    paired = np.flatnonzero(match >= 0)
    for row in paired.tolist():
        old, new = names_a[row], names_b[match[row]]
        if old != new and place_key(old) != place_key(new):
            rows.append(("renamed", new, old, new))
    for what, read in (
        ("split", lambda images: text_or_none(images["split"])),
        ("label-state", lambda images: text_or_none(images["label_state"])),
        ("resized", _sizes),
    ):
        before, after = read(a.images), read(b.images)
        for row in paired.tolist():
            old, new = before[row], after[match[row]]
            if old != new and (what != "resized" or (old and new)):
                rows.append((what, names_b[match[row]], old, new))
    rows.sort(key=lambda row: row[:2])
    columns = ("what", "file", "old", "new")
    return pd.DataFrame({name: object_array([row[at] for row in rows]) for at, name in enumerate(columns)})


def _sizes(images: Table) -> Array:
    """(images,) text "640×480"; "" where unknown."""
    width, height = (images[name].to_numpy(np.int64, na_value=0).tolist() for name in ("width", "height"))
    return object_array([f"{w}×{h}" if w and h else "" for w, h in zip(width, height, strict=True)])


def _box_changes(a: Dataset, b: Dataset, match: Array, iou: float, tolerance: float) -> tuple[Table, int]:
    """Changed boxes of images that both have, and how many did not change."""
    row_a, row_b = (pd.Index(d.images["image_id"]).get_indexer(pd.Index(d.boxes["image_id"])) for d in (a, b))
    image_a = match[row_a]
    image_b = np.where(np.isin(row_b, match[match >= 0]), row_b, -1)
    known: dict[str, int] = {}
    class_a, class_b = (
        codes_of(
            d.categories["name"].tolist(),
            lambda name: known.setdefault(name, len(known)),
            d.categories["category_id"].tolist(),
            d.boxes["category_id"].to_numpy(),
        )
        for d in (a, b)
    )
    names = list(known)
    scale = _scales(a.images, b.images, match)
    corners_a, corners_b = _corners(a.boxes, scale[0][row_a]), _corners(b.boxes, scale[1][row_b])
    # classes are ranked by name, so that ties do not hang on the order of class lists
    ranks = np.argsort(np.argsort(np.array(names, dtype=object))) if names else np.empty(0, np.int64)
    pair, overlap = pair_boxes(
        image_a, image_b, corners_a, corners_b,
        ranks[class_a] if len(class_a) else class_a, ranks[class_b] if len(class_b) else class_b,
        iou=iou, tolerance=tolerance,
    )  # fmt: skip
    one = np.flatnonzero(pair >= 0)
    two = pair[one]
    moved = ~(np.abs(corners_a[one] - corners_b[two]) <= tolerance).all(axis=1)
    relabelled = class_a[one] != class_b[two]
    flags = _flags_differ(a.boxes, b.boxes, one, two)
    what = np.select(
        [moved & relabelled, relabelled, moved, flags], ["moved+relabelled", "relabelled", "moved", "flags"], "same"
    )
    changed = what != "same"
    gone = np.flatnonzero((pair < 0) & (image_a >= 0))
    new = np.setdiff1d(np.flatnonzero(image_b >= 0), two)
    none_a, none_b = np.full(len(new), -1), np.full(len(gone), -1)
    left = np.concatenate([one[changed], gone, none_a]).astype(np.int64)
    right = np.concatenate([two[changed], none_b, new]).astype(np.int64)
    kinds = np.concatenate([what[changed], np.full(len(gone), "removed"), np.full(len(new), "added")])
    # appended is what a row of -1 stands for
    image = np.where(right >= 0, np.append(row_b, -1)[right], np.append(image_a, -1)[left])
    labels = object_array([*names, None])
    columns: dict[str, Any] = {
        "what": kinds.astype(object),
        "file": text_or_none(b.images["file"])[image],
        "old_class": labels[np.append(class_a, -1)[left]],
        "new_class": labels[np.append(class_b, -1)[right]],
        "iou": np.where(right >= 0, np.append(overlap, np.nan)[left], np.nan),
    }
    for prefix, corners, rows in (("old", corners_a, left), ("new", corners_b, right)):
        sides = np.vstack([np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]]), np.full(4, np.nan)])
        columns |= {f"{prefix}_{name}": sides[rows, at] for at, name in enumerate(_SIDES)}
    table = pd.DataFrame(columns)
    keys = ["file", "what", "old_class", "new_class", *(f"{p}_{s}" for p in ("old", "new") for s in _SIDES)]
    return table.sort_values(keys, kind="stable", ignore_index=True), int((~changed).sum())


def _corners(boxes: Table, scale: Array) -> Array:
    x, y = boxes["x"].to_numpy(), boxes["y"].to_numpy()
    corners = np.stack([x, y, x + boxes["width"].to_numpy(), y + boxes["height"].to_numpy()], 1)
    scaled: Array = corners * np.concatenate([scale, scale], axis=1)
    return scaled


def _scales(a: Table, b: Table, match: Array) -> tuple[Array, Array]:
    """(images, 2) of each: what brings its boxes to pixels of b's image, or of a's where b's size is unknown."""
    sides = [
        np.stack([table[name].to_numpy(float, na_value=np.nan) for name in ("width", "height")], 1) for table in (a, b)
    ]
    relative = [(table["unit"] == "relative").to_numpy(bool) for table in (a, b)]
    scale_a, scale_b = np.ones((len(a), 2)), np.ones((len(b), 2))
    rows = np.flatnonzero(match >= 0)
    others = match[rows]
    size_a, size_b = sides[0][rows], sides[1][others]
    for axis in range(2):
        target = np.where(np.isnan(size_b[:, axis]), size_a[:, axis], size_b[:, axis])
        known = ~np.isnan(target)
        own_a = np.where(relative[0][rows], 1.0, size_a[:, axis])
        own_b = np.where(relative[1][others], 1.0, size_b[:, axis])
        both_relative = relative[0][rows] & relative[1][others]
        fit_a, fit_b = known & ~both_relative & (own_a > 0), known & ~both_relative & (own_b > 0)
        scale_a[rows[fit_a], axis] = (target / own_a)[fit_a]
        scale_b[others[fit_b], axis] = (target / own_b)[fit_b]
    return scale_a, scale_b


def _flags_differ(a: Table, b: Table, one: Array, two: Array) -> Array:
    """(pairs,) bool: crowd, or a flag that both boxes state, is another."""
    found = np.zeros(len(one), bool)
    for name in _FLAGS:
        left, right = a[name].iloc[one], b[name].iloc[two]
        said = (left.notna().to_numpy() & right.notna().to_numpy()) if name != "crowd" else np.ones(len(one), bool)
        values = [side.fillna(False).to_numpy(bool) for side in (left, right)]
        found |= said & (values[0] != values[1])
    return found


def _class_changes(a: Dataset, b: Dataset) -> Table:
    rows = []
    for what, one, two in (("added", b, a), ("removed", a, b)):
        others = set(two.categories["name"])
        counts = one.boxes["category_id"].value_counts()
        for number, name in zip(one.categories["category_id"].tolist(), one.categories["name"], strict=True):
            if name not in others:
                rows.append((what, name, int(counts.get(number, 0))))
    rows.sort()
    return pd.DataFrame(
        {
            "what": object_array([row[0] for row in rows]),
            "name": object_array([row[1] for row in rows]),
            "boxes": np.array([row[2] for row in rows], np.int64),
        }
    )

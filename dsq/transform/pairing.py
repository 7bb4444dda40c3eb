"""Images and boxes of two datasets that are the same thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.formats.naming import place_key
from dsq.geometry import box_iou
from dsq.model import Table, text_or_none

Array = NDArray[Any]

#: how much a pair of equal classes is preferred to one of a larger overlap
SAME_CLASS = 0.2
#: pairs of boxes that are compared at once
CHUNK = 200_000


def pair_images(a: Table, b: Table, hashes: Mapping[tuple[str, str], str] | None = None) -> Array:
    """(images of a,) position of the same image in b, -1: none.

    Tried in this order: equal content (with the same name first), the same name, the same name but for the folders
    of formats and splits, the same last component without suffix; the last two only where just one fits.
    """
    match = np.full(len(a), -1, np.int64)
    free = np.ones(len(b), bool)
    names_a, names_b = text_or_none(a["file"]), text_or_none(b["file"])
    digest_a, digest_b = (_digests(table, hashes or {}) for table in (a, b))
    both_a = [None if d is None else (d, n) for d, n in zip(digest_a, names_a, strict=True)]
    both_b = [None if d is None else (d, n) for d, n in zip(digest_b, names_b, strict=True)]
    steps: tuple[tuple[Sequence[Any], Sequence[Any], bool], ...] = (
        (both_a, both_b, False),
        (digest_a, digest_b, False),
        (names_a.tolist(), names_b.tolist(), False),
        ([place_key(name) for name in names_a], [place_key(name) for name in names_b], True),
        ([_stem(name) for name in names_a], [_stem(name) for name in names_b], True),
    )
    for keys_a, keys_b, unique in steps:
        _pair(match, free, keys_a, keys_b, (names_a, names_b), unique=unique)
    return match


def _pair(
    match: Array,
    free: Array,
    keys_a: Sequence[Any],
    keys_b: Sequence[Any],
    names: tuple[Array, Array],
    *,
    unique: bool,
) -> None:
    """Pair what is free on both sides and has an equal key, in the order of names; unique: only where one fits."""
    left, right = (
        _by_key(keys, chosen, order)
        for keys, chosen, order in ((keys_a, match < 0, names[0]), (keys_b, free, names[1]))
    )
    for key, rows in left.items():
        others = right.get(key, [])
        if unique and (len(rows) != 1 or len(others) != 1):
            continue
        for row, other in zip(rows, others, strict=False):
            match[row] = other
            free[other] = False


def _by_key(keys: Sequence[Any], chosen: Array, names: Array) -> dict[Any, list[int]]:
    rows = [row for row in np.flatnonzero(chosen).tolist() if keys[row] is not None]
    found: dict[Any, list[int]] = {}
    for row in sorted(rows, key=lambda row: names[row]):
        found.setdefault(keys[row], []).append(row)
    return found


def _digests(images: Table, hashes: Mapping[tuple[str, str], str]) -> list[str | None]:
    places = zip(images["root"].astype(object), images["member"], strict=True)
    return [hashes.get(place) for place in places]


def _stem(name: str) -> str:
    base = name.rpartition("/")[2]
    stem, dot, _ = base.rpartition(".")
    return (stem if dot else base).casefold()


def pair_boxes(
    image_a: Array, image_b: Array, corners_a: Array, corners_b: Array, class_a: Array, class_b: Array,
    *, iou: float, tolerance: float,
) -> tuple[Array, Array]:  # fmt: skip
    """(boxes of a,) position of the same box in b, -1: none, and the IoU of the two.

    image_a, image_b: codes of the images, -1 where an image has no partner. Boxes of one class that agree to
    `tolerance` at each edge go first, then those of two classes; the rest by falling overlap from `iou` on,
    where a pair of one class counts 0.2 more. Ties are settled by place and class, not by the order of rows.
    """
    match = np.full(len(image_a), -1, np.int64)
    overlap = np.full(len(image_a), np.nan)
    taken = np.zeros(len(image_b), bool)
    rank_a, rank_b = _ranks(corners_a, class_a), _ranks(corners_b, class_b)
    left, right = _candidates(image_a, image_b)
    kept: list[tuple[Array, Array, Array, Array]] = []
    for start in range(0, len(left), CHUNK):
        one, two = left[start : start + CHUNK], right[start : start + CHUNK]
        ious = box_iou(corners_a[one], corners_b[two])
        with np.errstate(invalid="ignore"):
            equal = (np.abs(corners_a[one] - corners_b[two]) <= tolerance).all(axis=1)
        same = class_a[one] == class_b[two]
        score = np.where(equal, 10.0 + same, ious + SAME_CLASS * same)
        hit = equal | (ious >= iou)
        kept.append((one[hit], two[hit], score[hit], ious[hit]))
    if kept:
        one, two, score, ious = (np.concatenate(part) for part in zip(*kept, strict=True))
        for place in np.lexsort((rank_b[two], rank_a[one], -np.round(score, 9))).tolist():
            a, b = one[place], two[place]
            if match[a] < 0 and not taken[b]:
                match[a], overlap[a], taken[b] = b, ious[place], True
    return match, overlap


def _ranks(corners: Array, classes: Array) -> Array:
    """The order of boxes by class and place, whatever the order of their rows."""
    order = np.lexsort((*corners.T[::-1], classes)) if len(corners) else np.empty(0, np.int64)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _candidates(image_a: Array, image_b: Array) -> tuple[Array, Array]:
    """All pairs of a box of a and a box of b in one image."""
    usable = np.flatnonzero(image_a >= 0)
    order = np.argsort(image_b, kind="stable")
    values = image_b[order]
    low = np.searchsorted(values, image_a[usable], side="left")
    counts = np.searchsorted(values, image_a[usable], side="right") - low
    left = np.repeat(usable, counts)
    within = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    right: Array = order[np.repeat(low, counts) + within]
    return left, right


def codes_of(names: Sequence[str], classes: Callable[[str], int], ids: Sequence[int], wanted: Array) -> Array:
    """Codes of the class names of boxes, equal in both datasets."""
    codes = np.array([classes(name) for name in names], np.int64)
    found: Array = codes[pd.Index(ids).get_indexer(pd.Index(wanted))] if len(codes) else np.empty(0, np.int64)
    return found

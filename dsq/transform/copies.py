"""The boxes of identical images: which are one in two copies, and what the copies say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.geometry import box_area, box_iou
from dsq.model import Table
from dsq.overlaps import Overlaps

Array = NDArray[Any]

#: pixels by which the edges of one box may differ between two copies without a word
TOLERANCE = 0.01
#: the same in fractions of an image of unknown size
RELATIVE_TOLERANCE = 1e-5
#: boxes of one class are one from this overlap on: what two people draw around one object
SAME_IOU = 0.8
#: and from this one where no edge is further off than so many pixels: a convention or a rounding apart
NEAR_IOU, NEAR_EDGE = 0.5, 1.5
#: how far the corners of one mask may lie apart, in pixels
MASK_TOLERANCE = 0.5
_FLAGS = ("crowd", "difficult", "truncated", "occluded")


class Agreement(NamedTuple):
    """Positions of boxes. taken, given_up (pairs,): the box that is kept and that of a later copy which is the same;
    moved (pairs,): its edges lie elsewhere by more than the tolerance. one, other (places,): boxes of two copies that
    lie at one place under two classes and are the same as no other.
    """

    taken: Array
    given_up: Array
    moved: Array
    one: Array
    other: Array


def match_boxes(boxes: Table, within: Array, group: Array, copy: Array, relative: Array) -> Agreement:
    """Pair the boxes at the positions `within`. group, copy, relative (within,): the image that all copies become, the
    order of the copy that holds the box, whether it is in fractions of the image.

    Copies are taken one after the other: a box that lies within the tolerance of one of an earlier copy is the same,
    of the others each goes with the one box that it overlaps most.
    """
    corners = corners_of(boxes, within)
    label = boxes["category_id"].to_numpy()[within]
    order = np.lexsort((*corners.T[::-1], label, copy))
    within, corners, label, group, copy = within[order], corners[order], label[order], group[order], copy[order]
    tolerance = np.where(relative, RELATIVE_TOLERANCE, TOLERANCE)[order]
    left, right = _candidates(corners, label, pd.factorize(group)[0], copy)
    with np.errstate(invalid="ignore", over="ignore"):  # of edges that are no numbers, or beyond them
        gap = np.abs(corners[left] - corners[right]).max(axis=1, initial=0)
        iou = box_iou(corners[left], corners[right])
    exact = gap <= tolerance[left]
    near = (gap <= NEAR_EDGE) & (iou >= NEAR_IOU) & (tolerance[left] == TOLERANCE)
    alike = label[left] == label[right]
    hit = np.flatnonzero(alike & (exact | near | (iou >= SAME_IOU)))
    hit = hit[np.lexsort((right[hit], left[hit], -np.round(iou[hit], 9), ~exact[hit], copy[right[hit]]))]
    kept: dict[int, int] = {}
    sure_of: set[int] = set()
    used: set[tuple[int, int]] = set()
    whose = copy.tolist()
    for first, second, sure in zip(left[hit].tolist(), right[hit].tolist(), exact[hit].tolist(), strict=True):
        key = first, whose[second]
        if second not in kept and first not in kept and (sure or key not in used):
            kept[second] = first
            used.add(key)
            if sure:
                sure_of.add(second)
    matched = np.zeros(len(within), bool)
    matched[[*kept, *kept.values()]] = True
    elsewhere = np.flatnonzero(~alike & (iou >= SAME_IOU) & ~matched[left] & ~matched[right])
    given_up = np.array(sorted(kept), np.int64)
    taken = np.array([kept[row] for row in given_up.tolist()], np.int64)
    moved = np.array([row not in sure_of for row in given_up.tolist()], bool)
    return Agreement(within[taken], within[given_up], moved, within[left[elsewhere]], within[right[elsewhere]])


def corners_of(boxes: Table, rows: Array) -> Array:
    """(rows, 4) corners."""
    x, y, width, height = (boxes[name].to_numpy()[rows] for name in ("x", "y", "width", "height"))
    return np.stack([x, y, x + width, y + height], 1)


def _candidates(corners: Array, label: Array, group: Array, copy: Array) -> tuple[Array, Array]:
    """Pairs of boxes of different copies of one image that overlap, or are the same and have no area that can be told;
    the one of the earlier copy first.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        area = box_area(corners)
    plain = (area > 0) & np.isfinite(area)
    overlaps = Overlaps(corners, area, group, label, np.arange(len(corners)))
    overlaps.compare(np.flatnonzero(plain))
    left, right = overlaps.pairs()[:2]
    flat = np.flatnonzero(~plain)
    table = pd.DataFrame(np.round(corners[flat], 2)).assign(group=group[flat], label=label[flat])
    code = table.groupby(table.columns.tolist(), sort=False, dropna=False).ngroup().to_numpy()
    first = flat[np.unique(code, return_index=True)[1]][code]
    left, right = np.concatenate([left, first]), np.concatenate([right, flat])
    apart = copy[left] != copy[right]
    return left[apart], right[apart]


def tell_differences(boxes: Table, same: Agreement) -> list[tuple[int, str]]:
    """(position in the pairs, what they say differently) of boxes that are the same."""
    taken, given_up = same.taken, same.given_up
    said: dict[int, list[str]] = {}
    with np.errstate(invalid="ignore", over="ignore"):
        ious = box_iou(corners_of(boxes, taken), corners_of(boxes, given_up))
    sides = boxes[["x", "y", "width", "height"]].to_numpy()
    for row in np.flatnonzero(same.moved).tolist():
        both = (" ".join(f"{side:.7g}" for side in sides[at[row]].tolist()) for at in (taken, given_up))
        said.setdefault(row, []).append(f"{' and '.join(both)} (IoU {ious[row]:.2f})")
    for name in _FLAGS:
        one, two = (boxes[name].array[at] for at in (taken, given_up))
        unlike = (~(pd.isna(one) | pd.isna(two))) & (np.asarray(one.fillna(False)) != np.asarray(two.fillna(False)))
        for row in np.flatnonzero(unlike).tolist():
            said.setdefault(row, []).append(f"{name} {bool(one[row])} and {bool(two[row])}")
    for name, noun in (("segmentation", "masks"), ("keypoints", "keypoints")):
        one, two = (boxes[name].to_numpy(object)[at] for at in (taken, given_up))
        for row in np.flatnonzero((one != two) & pd.notna(one) & pd.notna(two)).tolist():
            if not _is_one_shape(one[row], two[row]):
                said.setdefault(row, []).append(f"{noun} differ")
    return [(row, ", ".join(parts)) for row, parts in sorted(said.items())]


def _is_one_shape(one: bytes, two: bytes) -> bool:
    """Whether two masks, or two runs of keypoints, have the same points."""
    sides = [_numbers(msgspec.json.decode(blob)) for blob in (one, two)]
    if sides[0] is None or sides[1] is None or len(sides[0]) != len(sides[1]):
        return False
    return all(abs(a - b) <= MASK_TOLERANCE for a, b in zip(sides[0], sides[1], strict=True))


def _numbers(value: object) -> Sequence[float] | None:
    """The numbers of a list, or of a list of lists one after the other; None for anything else."""
    if not isinstance(value, list):
        return None
    flat = [part for item in value for part in (item if isinstance(item, list) else [item])]
    return flat if all(isinstance(part, int | float) for part in flat) else None

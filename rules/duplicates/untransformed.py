"""Copies of a picture that was mirrored, turned, resized or cut while its boxes were not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dsq.geometry import Array, box_iou
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .pairs import AFFINE, Copies

SAME = np.array([1.0, 0, 0, 0, 1, 0])
#: what the eight orientations do to a picture
TURNED = (
    "", "mirrored", "upside down and mirrored", "turned by 180°",
    "mirrored at the diagonal", "turned by 90°", "turned by 90°", "mirrored at the diagonal",
)  # fmt: skip
#: a map that differs by no more than this from the identity moves nothing
STILL = 0.02
#: pairs that are compared at a time
AT_ONCE = 10_000
MIN_STAY, MAX_FIT, MIN_SHIFT = 0.85, 0.5, 0.04


class Stayed(NamedTuple):
    """Boxes that did not move, a row each: `pair` (position in the pairs), `one`, `other` (positions in the labels).
    fits (pairs,) bool: the boxes of the pair lie on each other where the map says.
    """

    boxes: Table
    fits: Array


def _pairs(scan: Scan, copies: Copies) -> Table:
    """Near copies that can be compared, and whether one was moved against the other."""
    pairs = copies.alike[(copies.alike["kind"] == "near").to_numpy()]
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    pixels = scan.pixels
    turned = np.ones(len(scan.images), np.int64)
    turned[pixels["row"].to_numpy()] = np.maximum(pixels["orientation"].to_numpy(), 1)
    keep = scan.labels.comparable(first, second) & (turned[first] == turned[second])
    pairs = pairs[keep].reset_index(drop=True)
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    moved = np.abs(pairs[list(AFFINE)].to_numpy(float) - SAME).max(1, initial=0) > STILL
    judged: Table = pairs.assign(moved=moved, resized=_resized(scan, first, second))
    return judged


def _resized(scan: Scan, first: Array, second: Array) -> Array:
    sizes = scan.image_sizes
    with np.errstate(invalid="ignore"):
        ratio = np.abs(np.log(sizes[first] / sizes[second])).max(1, initial=0)
    found: Array = np.nan_to_num(ratio) > STILL
    return found


def _places(scan: Scan, pairs: Table) -> tuple[Array, Array, Array, Array]:
    """Where the first's boxes may lie in the second, as maps (pairs, 6): moved along; same fractions; same pixels; and
    the last one's way back.
    """
    affine = pairs[list(AFFINE)].to_numpy(float)
    sizes = scan.image_sizes
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = sizes[pairs["first"].to_numpy()] / sizes[pairs["second"].to_numpy()]
    scale = np.where(np.isfinite(scale), scale, 1.0)
    pixels, outwards = (np.tile(SAME, (len(pairs), 1)) for _ in range(2))
    pixels[:, [0, 4]], outwards[:, [0, 4]] = scale, 1 / scale
    return affine, np.tile(SAME, (len(pairs), 1)), pixels, outwards


def _judge(scan: Scan, pairs: Table, min_stay: float, max_fit: float, min_shift: float) -> Stayed:
    """Which boxes of the second pictures lie where those of the first lay, and not where they belong."""
    parts = []
    for start in range(0, max(len(pairs), 1), AT_ONCE):
        boxes, fits = _judge_some(scan, pairs[start : start + AT_ONCE], min_stay, max_fit, min_shift)
        parts.append((boxes.assign(pair=boxes["pair"] + start), fits))
    tables, flags = zip(*parts, strict=True)
    return Stayed(pd.concat(tables, ignore_index=True), np.concatenate(flags))


def _judge_some(scan: Scan, pairs: Table, min_stay: float, max_fit: float, min_shift: float) -> Stayed:
    labels = scan.labels
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    affine, fractions, pixels, outwards = _places(scan, pairs)
    found = []
    for place, maps, back in (
        ("fit", affine, False), ("stay", fractions, False), ("stay", pixels, False), ("stay", outwards, True)
    ):  # fmt: skip
        couples = _couples(scan, first, second, maps, back)
        one, other = couples["one"].to_numpy(), couples["other"].to_numpy()
        if place == "fit":  # how much of a box lies beyond the rim counts
            laid = labels.laid(one, affine[couples["pair"].to_numpy()])
            overlaps = (box_iou(labels.corners[other], place) for place in (laid, np.clip(laid, 0, 1)))
            couples = couples.assign(iou=np.maximum(*overlaps))
        found.append(couples[labels.category[one] == labels.category[other]].assign(place=place))
    table = pd.concat(found, ignore_index=True).sort_values(["pair", "other", "iou"], ignore_index=True)
    best = table.drop_duplicates(["pair", "other", "place"], keep="last")
    best = best.pivot(index=["pair", "other"], columns="place")
    best = best.reindex(columns=pd.MultiIndex.from_product([["iou", "one"], ["fit", "stay"]])).reset_index()
    fit, stay = best["iou", "fit"].fillna(0).to_numpy(), best["iou", "stay"].fillna(0).to_numpy()
    pair, other = best["pair"].to_numpy(np.int64), best["other"].to_numpy(np.int64)
    one = best["one", "stay"].fillna(0).to_numpy(np.int64)
    shift = _shift(labels.corners[other], labels.laid(one, affine[pair]))
    stayed = (stay >= min_stay) & (fit < max_fit) & (shift >= min_shift)
    moved = (fit >= max_fit) & (stay < min_stay)
    count = len(pairs)
    many, right = np.bincount(pair[stayed], minlength=count), np.bincount(pair[moved], minlength=count)
    both = np.bincount(pair[(fit >= max_fit) & (stay >= min_stay)], minlength=count)
    least = np.minimum(labels.count[first], labels.count[second])
    wrong = (many > 0) & (many > 3 * right) & (2 * many >= least - both)
    boxes = pd.DataFrame({"pair": pair, "one": one, "other": other})[stayed & wrong[pair]]
    return Stayed(boxes.reset_index(drop=True), (right > 0) & (2 * (right + both) >= least) & ~wrong)


def _couples(scan: Scan, first: Array, second: Array, maps: Array, back: bool) -> Table:
    """Boxes of pairs on one place; `back`: the second's are laid on the first, where those that ended outside fit."""
    if not back:
        return scan.labels.compare(first, second, maps).couples
    couples = scan.labels.compare(second, first, maps).couples
    return couples.rename(columns={"one": "other", "other": "one"})


def _shift(a: Array, b: Array) -> Array:
    """(n,) how far the farthest edges of two boxes lie apart, in fractions of the picture."""
    apart: Array = np.abs(a - b).max(1, initial=0)
    return apart


def _culprits(scan: Scan, copies: Copies, pairs: Table, wrong: Array, fits: Array) -> Array:
    """(pairs,) bool: the first picture of a pair is the one with the wrong boxes, rather than the second.

    The one with fewer copies that agree with it; else the one whose name says that it was made from the other; else
    the one with a plain border; else the one that shows a part of the other; else the smaller; else the second.
    """
    support = np.zeros(len(scan.images), np.int64)
    for side in ("first", "second"):
        support += np.bincount(pairs[side].to_numpy()[fits], minlength=len(support))
    made = scan.stems["augmented"].to_numpy(bool)
    sizes = np.nan_to_num(scan.image_sizes).prod(1)
    border = np.zeros(len(scan.images), bool)
    border[scan.pixels["row"].to_numpy()] = scan.probes[:, 0] != scan.probes[:, -1]
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    a, b, _, c, d, _ = pairs[list(AFFINE)].to_numpy(float).T
    shown = np.abs(a * d - b * c)  # how much of the first's area a picture of the second's would show
    keys = np.stack(
        [
            support[second] - support[first],
            made[first].astype(np.int64) - made[second],
            border[first].astype(np.int64) - border[second],
            (shown < 1 - 2 * STILL).astype(np.int64) - (shown > 1 + 2 * STILL),
            np.sign(sizes[second] - sizes[first]).astype(np.int64),
        ],
        1,
    )
    leading = (keys != 0).argmax(1)
    found: Array = keys[np.arange(len(keys)), leading] > 0
    return found & wrong


def stayed_behind(scan: Scan, copies: Copies, pairs: Table) -> Array:
    """(pairs,) bool: the boxes of one of the two stayed behind, by the rule's own thresholds."""
    suspects = _suspects(scan, copies)
    boxes = _judge(scan, suspects, MIN_STAY, MAX_FIT, MIN_SHIFT).boxes
    told = suspects.iloc[boxes["pair"].unique()]
    mine = set(zip(told["first"].tolist(), told["second"].tolist(), strict=True))
    theirs = zip(pairs["first"].tolist(), pairs["second"].tolist(), strict=True)
    return np.fromiter((pair in mine for pair in theirs), bool, len(pairs))


def _suspects(scan: Scan, copies: Copies) -> Table:
    """The comparable pairs of groups in which a picture was moved or resized."""
    pairs = _pairs(scan, copies)
    group = copies.group[pairs["first"].to_numpy()]
    touched = np.isin(group, group[(pairs["moved"] | pairs["resized"]).to_numpy()])
    return pairs[touched].reset_index(drop=True)


@rule(
    Severity.WARNING,
    message="{name} lies where it lay before the picture was {how}: compare {other}",
    confidence="medium",
    needs=("pixels",),
)
def untransformed_boxes(
    scan: Scan, *, min_stay: float = MIN_STAY, max_fit: float = MAX_FIT, min_shift: float = MIN_SHIFT
) -> Table | None:
    """Boxes that stayed behind when their picture was mirrored, turned, resized or cut.

    A script flips an image and copies its label file as it is: from then on the boxes mark the wrong places, and
    the model learns from them. Of two copies of one picture the map that lays one on the other is known (see
    `dsq.find_duplicates`); a box of the second is told when it lies at the same pixels or the same fractions as a
    box of that class in the first (IoU of `min_stay` or more), and not where the map takes that box (IoU below
    `max_fit`). Most boxes of the picture have to be so. Boxes that fit both places, such as those in the middle of
    a mirrored picture, prove nothing: the two places must lie `min_shift` of the picture apart or more. The three
    numbers (0.85, 0.5, 0.04) are our choice; the map itself is right to about 0.01.

    Which of the two is wrong, the boxes cannot tell. It is taken to be the one that other copies contradict, else
    the one whose name says that it was made (`_flip`, `aug_`), else the one with a plain border, the one that shows
    a part of the other, the smaller, or the later by name: so look at both. Pictures with different EXIF
    orientations are left to `exif-rotated`.

    **Do:** take the proposed box, or make the copy again together with its labels.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 100, 80), ("a_flip.jpg", "cat", 10, 10, 100, 80)])
    >>> mirrored = {"orientation": 1, "m00": -1.0, "m02": 1.0}
    >>> scan = Scan(data, duplicates=[("a.jpg", "a_flip.jpg", "near", mirrored)])
    >>> dsq.audit(scan, select=["untransformed-boxes"]).messages()
    ['cat lies where it lay before the picture was mirrored: compare a.jpg']
    """
    copies = Copies(scan)
    pairs = _suspects(scan, copies)
    if pairs.empty:
        return None
    found = _judge(scan, pairs, min_stay, max_fit, min_shift)
    if found.boxes.empty:
        return None
    wrong = np.zeros(len(pairs), bool)
    wrong[found.boxes["pair"].to_numpy()] = True
    swapped = _culprits(scan, copies, pairs, wrong, found.fits)
    return _tell(scan, pairs, found.boxes, swapped)


def _tell(scan: Scan, pairs: Table, boxes: Table, swapped: Array) -> Table:
    labels = scan.labels
    pair = boxes["pair"].to_numpy()
    turn = swapped[pair]
    one, other = boxes["one"].to_numpy(), boxes["other"].to_numpy()
    wrong, right = np.where(turn, one, other), np.where(turn, other, one)
    first, second = pairs["first"].to_numpy()[pair], pairs["second"].to_numpy()[pair]
    image, sibling = np.where(turn, first, second), np.where(turn, second, first)
    affine = pairs[list(AFFINE)].to_numpy(float)[pair]
    place = np.where(turn[:, None], labels.laid(right, affine, back=True), labels.laid(right, affine))
    size = np.tile(np.where(scan.relative[:, None], 1.0, scan.image_sizes), 2)[image]
    place = np.clip(place, 0, 1) * size
    proposed = np.concatenate([place[:, :2], place[:, 2:] - place[:, :2]], 1).round(2)
    files = np.array(scan.image_files, object)
    orientation = pairs["orientation"].to_numpy()[pair]
    cut = np.where(pairs["resized"].to_numpy()[pair] & ~pairs["moved"].to_numpy()[pair], "resized", "cut or shifted")
    known = scan.boxes["box_id"].to_numpy()
    table = pd.DataFrame(
        {
            "box_id": known[labels.box[wrong]],
            "name": [scan.names[number] for number in labels.category[wrong].tolist()],
            "how": np.where(orientation > 0, np.array(TURNED, object)[orientation], cut),
            "other": files[sibling],
            "proposed_bbox": proposed.tolist(),
            "evidence": "sibling",
        }
    )
    table = table[~scan.relative[image]].sort_values(["box_id", "other"], ignore_index=True)
    told: Table = table.drop_duplicates("box_id", ignore_index=True)
    return told

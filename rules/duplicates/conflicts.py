"""Copies of one picture that are labelled differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .pairs import AFFINE, Copies, gather
from .untransformed import stayed_behind

MIN_IOU, MIN_IOU_NEAR, SLACK, MIN_LIKENESS = 0.95, 0.6, 2.0, 0.7
EDGES = ("left", "top", "right", "bottom")


@dataclass(frozen=True, eq=False)
class Conflicts:
    """Pairs that differ: `first`, `second` (positions in `images`), `exact`, `iou` (the worst; NaN: no boxes are on
    one thing), `what` (text).
    """

    pairs: Table

    def among(self, pairs: Table) -> Array:
        """(pairs,) bool: which of these pairs are among those that differ."""
        mine = set(zip(self.pairs["first"].tolist(), self.pairs["second"].tolist(), strict=True))
        theirs = zip(pairs["first"].tolist(), pairs["second"].tolist(), strict=True)
        return np.fromiter((pair in mine for pair in theirs), bool, len(pairs))


def conflicts(
    copies: Copies,
    *,
    min_iou: float = MIN_IOU,
    min_iou_near: float = MIN_IOU_NEAR,
    slack: float = SLACK,
    min_likeness: float = MIN_LIKENESS,
) -> Conflicts:
    """Exact and near copies, frames of sequences left out, whose labels differ by more than the tolerances."""
    labels = copies.scan.labels
    near = copies.near[~copies.told_by_frames(copies.near)].assign(exact=False)
    exact = copies.exact.assign(exact=True, m00=1.0, m01=0.0, m02=0.0, m10=0.0, m11=1.0, m12=0.0)
    pairs = pd.concat([exact, near], ignore_index=True)[["first", "second", "exact", *AFFINE]]
    pairs = pairs[labels.comparable(pairs["first"].to_numpy(), pairs["second"].to_numpy())]
    pairs = pairs.astype({"exact": bool}).reset_index(drop=True)
    found = _differ(copies.scan, pairs, np.where(pairs["exact"], min_iou, min_iou_near), slack, min_likeness)
    found = found[~stayed_behind(copies.scan, copies, found)]
    return Conflicts(found.reset_index(drop=True))


def _differ(scan: Scan, pairs: Table, tolerance: Array, slack: float, min_likeness: float) -> Table:
    """The pairs in which something differs, with `what` and `iou`."""
    labels, exact = scan.labels, pairs["exact"].to_numpy()
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    maps = pairs[list(AFFINE)].to_numpy(float)
    couples, lone = labels.compare(first, second, maps)
    pair, one, other = (couples[name].to_numpy() for name in ("pair", "one", "other"))
    iou, category = couples["iou"].to_numpy(), labels.category
    sizes = np.tile(np.where(scan.relative[:, None], np.nan, scan.image_sizes), 2)
    here, there = labels.corners[one] * sizes[first[pair]], labels.corners[other] * sizes[second[pair]]
    off = np.abs(here - there)
    with np.errstate(invalid="ignore"):
        moved = (iou < tolerance[pair]) & ~(off.max(1, initial=0) <= slack)
    swapped = category[one] != category[other]
    doubtful = np.flatnonzero((moved | swapped) & ~exact[pair])
    places = labels.laid(one[doubtful], maps[pair[doubtful]])
    unlike = doubtful[
        ~_alike(scan, pairs, pair[doubtful], np.zeros_like(doubtful), one[doubtful], places, min_likeness)
    ]
    moved[unlike] = swapped[unlike] = False
    told: dict[int, list[str]] = {}
    for number, at in _firsts(pair, np.flatnonzero(swapped)):
        names = (scan.names[int(category[side[at]])] for side in (one, other))
        told.setdefault(number, []).append(" against ".join(names))
    alone = _alone(scan, pairs, lone, min_likeness)
    for number in np.flatnonzero(alone.any(1)).tolist():
        boxes, others = (int(labels.count[side[number]]) for side in (first, second))
        told.setdefault(number, []).append(_count(boxes, others, int(alone[number].max())))
    worst = np.flatnonzero(moved)
    for number, at in _firsts(pair, worst[np.argsort(iou[worst], kind="stable")]):
        words = f"{scan.names[int(category[one[at]])]} (IoU {iou[at]:.2f})"
        if exact[number] and np.isfinite(off[at]).all():
            edge = int(off[at].argmax())
            name, _, rest = words.partition(" (")
            words = f"{name}: {EDGES[edge]} edge at {here[at, edge]:.0f} against {there[at, edge]:.0f} ({rest}"
        told.setdefault(number, []).append(words)
    least = np.full(len(pairs), np.nan)
    np.fmin.at(least, pair, iou)
    rows = sorted(told)
    what = [", ".join(told[number][:2]) for number in rows]
    return pairs.iloc[rows].assign(iou=least[rows], what=what).reset_index(drop=True)


def _firsts(pair: Array, rows: Array) -> Iterator[tuple[int, int]]:
    """Each pair that some of the `rows` are of, and the first of these."""
    numbers, at = np.unique(pair[rows], return_index=True)
    return zip(numbers.tolist(), rows[at].tolist(), strict=True)


def _alone(scan: Scan, pairs: Table, lone: Table, min_likeness: float) -> Array:
    """(pairs, 2) boxes of each picture that the other lacks; in near copies where both lack one, and the pixels are
    alike there (missing-label tells the others).
    """
    exact = pairs["exact"].to_numpy()
    pair, side = lone["pair"].to_numpy(), lone["side"].to_numpy()
    counts = np.zeros((len(pairs), 2), np.int64)
    np.add.at(counts, (pair, side), 1)
    kept = exact[pair].copy()
    both: Array = (counts > 0).sum(1) == 2
    near = np.flatnonzero(~kept & both[pair])
    edges = lone[["x0", "y0", "x1", "y1"]].to_numpy()[near]
    kept[near] = _alike(scan, pairs, pair[near], side[near], lone["at"].to_numpy()[near], edges, min_likeness)
    counts[:] = 0
    np.add.at(counts, (pair[kept], side[kept]), 1)
    counts[~exact & (counts == 0).any(axis=1)] = 0
    return counts


def _alike(scan: Scan, pairs: Table, pair: Array, side: Array, at: Array, places: Array, min_likeness: float) -> Array:
    """(n,) bool: the pixels of boxes are alike in both pictures, or cannot be compared.

    pair: position in `pairs`; side: 0 where the first picture has the box; at: position in the labels; places (n, 4):
    the box in the other picture, in fractions.
    """
    ends = pairs[["first", "second"]].to_numpy()[pair]
    source, into = ends[np.arange(len(pair)), side], ends[np.arange(len(pair)), 1 - side]
    sizes = np.tile(np.where(scan.relative[:, None], np.nan, scan.image_sizes), 2)
    own = np.clip(scan.labels.corners[at], 0, 1) * sizes[source]
    there = np.clip(places, 0, 1) * sizes[into]
    maps = pairs[list(AFFINE)].to_numpy(float)[pair]
    maps = np.where((side == 0)[:, None], maps, maps[:, [0, 3, 2, 1, 4, 5]])
    found = np.ones(len(pair), bool)
    rows = np.flatnonzero(np.isfinite(own).all(1) & np.isfinite(there).all(1))
    if len(rows):
        likeness = scan.looks.compare(source[rows], own[rows], into[rows], there[rows], maps[rows])
        found[rows] = ~(likeness < min_likeness)
    return found


def _count(one: int, other: int, alone: int) -> str:
    """In words: how many boxes either picture has, where some have no partner."""
    if one == other:
        return f"{alone:,} of {one:,} boxes elsewhere"
    if one and other:
        return f"{one:,} box{'' if one == 1 else 'es'} against {other:,}"
    return f"{max(one, other):,} box{'' if max(one, other) == 1 else 'es'} against none"


@rule(
    Severity.WARNING,
    message="{kind}, {what}",
    needs=("pixels",),
    collapse=False,
)
def conflicting_duplicates(
    scan: Scan,
    *,
    min_iou: float = MIN_IOU,
    min_iou_near: float = MIN_IOU_NEAR,
    slack: float = SLACK,
    min_likeness: float = MIN_LIKENESS,
) -> Table | None:
    """The same picture with other labels.

    One of the two is wrong, and the trainer is told both. Told are a class against another, a box that only one of
    them has, and boxes on one thing that do not agree: in files of the same bytes boxes with an IoU under `min_iou`
    of which an edge is off by more than `slack` pixels; in near copies, whose boxes are laid on each other by the
    map that lays the pictures on each other, boxes with an IoU under `min_iou_near`, as long as the pixels inside the
    box are alike in both (a correlation of `min_likeness` or more: nothing drove on between two shots). Near copies
    are a hint of medium confidence. Copies of which nothing is said at all (unlabelled) do not contradict.

    A box that one of two near copies lacks is told by `missing-label`, boxes that stayed behind when their picture
    was mirrored, turned or resized by `untransformed-boxes`. Frames of a sequence may differ and are left out. Which
    splits the copies stand in is `leakage`'s affair.

    **Do:** look at both, keep the better one, and drop the other file.

    `min_iou` is 0.95 since people who draw one large box twice with care agree better than that, and `slack` 2 px
    because on small ones they don't, and because conventions differ by a pixel: our own choice. In the raccoon set
    the four pictures that are there twice differ by 0.79 to 0.94. `min_iou_near` 0.6 leaves room for the map;
    `min_likeness` 0.7 is that of `missing-label`.
    Pictures with more than a thousand boxes each are not compared.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([("a.jpg", "cat", 20, 10, 80, 60), ("b.jpg", "cat", 20, 10, 60, 60)])
    >>> scan = Scan(data, duplicates=[("a.jpg", "b.jpg", "exact")])
    >>> dsq.audit(scan, select=["conflicting-duplicates"]).messages()
    ['same pixels, cat: right edge at 100 against 80 (IoU 0.75)']
    """
    copies = Copies(scan)
    given = {"min_iou": min_iou, "min_iou_near": min_iou_near, "slack": slack, "min_likeness": min_likeness}
    pairs = conflicts(copies, **given).pairs
    exact = pairs["exact"].to_numpy()
    rows = gather(scan, pairs, copies.group)
    for row in rows:
        at = int(row["pairs"][np.argmax(exact[row["pairs"]])])
        row["what"] = pairs["what"].iloc[at]
        row["value"] = pairs["iou"].iloc[at]
        row["kind"] = "same pixels" if exact[at] else "near copies"
        if not exact[at]:
            row |= {"severity": Severity.INFO, "confidence": "medium"}
    return pd.DataFrame(rows).drop(columns="pairs") if rows else None

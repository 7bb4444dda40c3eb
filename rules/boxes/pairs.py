"""Two boxes on one object: of one class, or of two."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .convention import misread

#: earlier boxes of other classes that are told for one box
MOST_TOLD = 5
#: how the origin of a box is called, by format
PLACES = {"yolo": "line", "voc": "object", "coco": "annotation id"}


def _pairs(scan: Scan, min_iou: float, same_class: bool) -> Table:
    """Overlapping pairs of boxes: `first`, `second` (positions in `boxes`, by box_id), `iou`, `identical`.

    identical: no corner is off by more than a hundredth of a pixel.
    """
    overlaps = scan.overlaps
    rows = np.flatnonzero(overlaps["iou"].to_numpy() >= min_iou)
    first, second = overlaps["first"].to_numpy()[rows], overlaps["second"].to_numpy()[rows]
    category = scan.boxes["category_id"].to_numpy()
    keep = (category[first] == category[second]) == same_class
    if keep.any():
        keep &= ~misread(scan)[first]
    rows, first, second = rows[keep], first[keep], second[keep]
    ids = scan.boxes["box_id"].to_numpy()
    later = ids[first] > ids[second]
    first, second = np.where(later, second, first), np.where(later, first, second)
    corners = scan.geometry.corners
    identical = np.abs(corners[first] - corners[second]).max(1, initial=0) <= 0.01
    iou = overlaps["iou"].to_numpy()[rows]
    return pd.DataFrame({"first": first, "second": second, "iou": iou, "identical": identical})


def _relation(pairs: Table) -> list[str]:
    """What pairs of boxes have to do with each other, as the beginning of a message."""
    return [
        "identical to" if same else f"IoU {iou:.2f} with"
        for same, iou in zip(pairs["identical"].tolist(), pairs["iou"].tolist(), strict=True)
    ]


def _place_of(scan: Scan, rows: Array) -> Array:
    """(n,) where boxes stand in their files, as text: "line 3", or "another box" where nothing is known."""
    word = PLACES.get(scan.about.format, "place")
    places = scan.boxes["origin_place"].to_numpy()[rows].tolist()
    text = np.empty(len(rows), object)
    text[:] = [f"{word} {place}" if place >= 0 else "another box" for place in places]
    return text


def _with_uncompared(scan: Scan, found: Table | None) -> Table | None:
    """The findings with a note on the images in which boxes lie on each other too often to look at every pair."""
    rows = scan.uncompared
    if not len(rows):
        return found
    first = min(scan.image_files[row] for row in rows.tolist())
    images = f"{len(rows):,} images have" if len(rows) != 1 else "1 image has"
    message = f"{images} too many boxes on each other to compare each with each ({first}): some pairs are not told"
    note = pd.DataFrame([{"subject": "set", "message": message, "value": len(rows), "severity": "info"}])
    return note if found is None else pd.concat([found, note], ignore_index=True)


@rule(Severity.WARNING, message="{relation} {other}, same class")
def duplicate_box(scan: Scan, *, min_iou: float = 0.95, hint_iou: float = 0.8) -> Table | None:
    """A box drawn twice: same class, same place.

    A second copy counts the object twice in every figure: at most one of the two can be matched, the other is
    a miss. It comes from saving twice, from merging exports, from pre-labelling. Identical boxes (to a
    hundredth of a pixel) are proofs; others overlap by `min_iou` or more and are of medium confidence. From
    `hint_iou` on it is a hint: one object drawn twice by hand, or one behind another. Of each set of copies
    the first is kept and every other is told. Crowd regions and boxes without area take no part.

    **Do:** delete the copy; where the two differ, keep the tighter one.

    `min_iou` 0.95 is hotcoco's default. `hint_iou` is our own choice: in seven real sets eight pairs lie
    between the two, and all of them are one object. (Ultralytics removes rows that are exactly alike when it
    reads them.)

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 90, 60), ("a.jpg", "cat", 10, 11, 90, 60)])
    >>> dsq.audit(data, select=["duplicate-box"]).messages()
    ['IoU 0.97 with another box, same class']
    """
    pairs = _pairs(scan, min(min_iou, hint_iou), same_class=True)
    if pairs.empty:
        return _with_uncompared(scan, None)
    # of all earlier boxes that a box copies the one it is most like, then the earliest
    ids = scan.boxes["box_id"].to_numpy()
    order = np.lexsort([ids[pairs["first"]], -pairs["iou"].to_numpy(), ids[pairs["second"]]])
    pairs = pairs.iloc[order]
    pairs = pairs.drop_duplicates("second")
    identical, iou = pairs["identical"].to_numpy(), pairs["iou"].to_numpy()
    hint = (iou < min_iou) & ~identical
    found = pd.DataFrame(
        {
            "box_id": ids[pairs["second"]],
            "value": iou,
            "threshold": np.where(hint, hint_iou, min_iou),
            "relation": _relation(pairs),
            "other": _place_of(scan, pairs["first"].to_numpy()),
            "severity": np.where(hint, "info", "warning").astype(object),
            "confidence": np.where(identical, "high", "medium").astype(object),
        }
    )
    return _with_uncompared(scan, found)


@rule(Severity.INFO, confidence="medium", message="{relation} {other} ({other_class})")
def two_classes_one_object(
    scan: Scan, *, min_iou: float = 0.9, min_pairs: int = 5, min_share: float = 0.5
) -> Table | None:
    """Two boxes of different classes on one object.

    One of the two classes is wrong, or somebody changed the class and kept the old box: the trainer is told
    both that this is a cat and that it is not. Boxes that overlap by `min_iou` or more are a hint;
    identical ones (to a hundredth of a pixel) are a warning. Where two classes lie on each other
    `min_pairs` times or more, and on at least `min_share` of the rarer class's boxes, the set is meant so
    (a helmet on a head, a make and a vehicle): one note about the pair.

    **Do:** keep the right class. Where a pair of classes always goes together, think of one class with an
    attribute.

    All defaults are our own choice: in COCO one box in several hundred overlaps another class by 0.9.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 90, 60), ("a.jpg", "dog", 10, 10, 90, 60)])
    >>> dsq.audit(data, select=["two-classes-one-object"]).messages()
    ['identical to another box (cat)']
    """
    pairs = _pairs(scan, min_iou, same_class=False)
    if pairs.empty:
        return _with_uncompared(scan, None)
    category = scan.boxes["category_id"].to_numpy()
    ids, boxes = np.unique(category, return_counts=True)
    one, other = (np.searchsorted(ids, category[pairs[side]]) for side in ("first", "second"))
    kinds, kind, counts = np.unique(
        np.minimum(one, other) * len(ids) + np.maximum(one, other), return_inverse=True, return_counts=True
    )
    low, high = np.divmod(kinds, len(ids))
    rarer = np.minimum(boxes[low], boxes[high])
    usual = (counts >= min_pairs) & (counts >= min_share * rarer)
    by_design: list[dict[str, object]] = []
    for at in np.flatnonzero(usual).tolist():
        names = sorted((scan.names[int(ids[low[at]])], scan.names[int(ids[high[at]])]))
        by_design.append(
            {
                "subject": " + ".join(names),
                "message": f"{names[0]} and {names[1]} lie on each other {counts[at]:,} times: by design?",
                "value": counts[at] / rarer[at],
                "severity": "info",
                "confidence": "high",
            }
        )
    pairs = pairs[~usual[kind]]
    order = np.lexsort([pairs["first"], -pairs["iou"], pairs["second"]])
    pairs = pairs[(pairs.iloc[order].groupby("second").cumcount() < MOST_TOLD).sort_index()]
    identical = pairs["identical"].to_numpy()
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    single = pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[second],
            "value": pairs["iou"].to_numpy(),
            "threshold": min_iou,
            "relation": _relation(pairs),
            "other": _place_of(scan, first),
            "other_class": [scan.names[number] for number in category[first].tolist()],
            "severity": np.where(identical, "warning", "info").astype(object),
            "confidence": np.where(identical, "high", "medium").astype(object),
        }
    )
    found = pd.concat([single, pd.DataFrame(by_design)], ignore_index=True) if by_design else single
    return _with_uncompared(scan, found)

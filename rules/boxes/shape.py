"""Boxes by their sides: none, tiny, or of an odd shape."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .convention import misread
from .frame import slivers


@rule(Severity.ERROR, message="{box_width:.4g} × {box_height:.4g}{note}")
def degenerate_box(scan: Scan) -> Table | None:
    """A box without an area.

    A click without a drag, or two corners exchanged. Torchvision's detectors stop at such a box, Ultralytics
    keeps it in silence. It has no threshold: a side is zero (under a millionth) or
    negative.

    **Do:** delete the box or draw it again; exchange the corners where a side is negative.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 5, 5, 0, 20), ("b.jpg", "cat", 50, 5, -20, 20)])
    >>> dsq.audit(data, select=["degenerate-box"]).messages()
    ['0 × 20: it has no area', '-20 × 20: its corners are swapped']
    """
    width, height = scan.boxes["width"].to_numpy(), scan.boxes["height"].to_numpy()
    rows = np.flatnonzero((width < 1e-6) | (height < 1e-6))
    if len(rows) == 0:
        return None
    wrong = misread(scan)[rows]
    width, height = width[rows], height[rows]
    negative = (width <= -1e-6) | (height <= -1e-6)
    table = pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[rows],
            "value": np.minimum(width, height),
            "box_width": width,
            "box_height": height,
            "note": np.where(negative, ": its corners are swapped", ": it has no area").astype(object),
        }
    )
    if not wrong.any():
        return table
    message = f"{wrong.sum():,} boxes without an area, because of box-convention"
    told = pd.DataFrame({"subject": ["set"], "message": [message], "severity": ["info"]})
    return told if wrong.all() else pd.concat([table[~wrong], told], ignore_index=True)


@rule(Severity.WARNING, message="{box_width:.3g} × {box_height:.3g} px: {note}")
def tiny_box(
    scan: Scan,
    *,
    min_side: float = 4.0,
    slip_side: float = 2.0,
    imgsz: int = 640,
    min_side_at_imgsz: float = 8.0,
    min_share: float = 0.05,
    thumbnail: int = 40,
) -> Table | None:
    """Boxes too small to learn from.

    A side under `slip_side` pixels is hardly an object: a click that slipped, or the rest of a cut one (thin
    strips at the image's edge are left to `border-sliver`). Under `min_side` it is a hint: a person may know
    what is there, a network with a stride of 8 sees less than one cell of it. In an image whose longer side is
    under `thumbnail` pixels a box is not tiny from a tenth of that side on.

    What counts for training is the side after the image is resized so that its longer side is `imgsz`.
    Where at least `min_share` of the boxes are under `min_side_at_imgsz` pixels then, the set is told so
    once, with the size that would bring all but that share over it, or tiling where none would.

    **Do:** delete slips; train at the larger size or on tiles where the objects are truly small.

    `imgsz` 640 is the trainer's default and 8 pixels its finest stride; Ultralytics' tips for best results
    say to train small objects at a higher size. `min_side`, `slip_side`, `min_share` and `thumbnail` are our own
    choice: in COCO 0.7 % of the boxes are under 4 pixels and next to none under 2.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 1.5, 30), ("a.jpg", "cat", 90, 10, 30, 30)])
    >>> dsq.audit(data, select=["tiny-box"], thresholds={"tiny-box": {"min_share": 0.6}}).messages()
    ['1.5 × 30 px: a slip of the mouse?']
    """
    geometry = scan.geometry
    side = np.minimum(geometry.width, geometry.height)
    side[misread(scan)] = np.nan
    parts = []
    longer = np.fmax(geometry.image_width, geometry.image_height)
    large_enough = (longer < thumbnail) & (side >= 0.1 * longer)
    rows = np.flatnonzero((side < max(min_side, slip_side)) & (side >= 1e-6) & ~large_enough)
    rows = np.setdiff1d(rows, slivers(scan)[0], assume_unique=True) if len(rows) else rows
    if len(rows):
        slip = side[rows] < slip_side
        table = {
            "box_id": scan.boxes["box_id"].to_numpy()[rows],
            "value": side[rows],
            "threshold": np.where(slip, slip_side, min_side),
            "box_width": geometry.width[rows],
            "box_height": geometry.height[rows],
            "note": np.where(slip, "a slip of the mouse?", "too small to learn from?").astype(object),
            "severity": np.where(slip, "warning", "info").astype(object),
            "confidence": np.where(slip, "high", "low").astype(object),
        }
        parts.append(pd.DataFrame(table))
    known = side >= 1e-6
    known &= longer > 0
    share_of_side = side[known] / longer[known]
    small = float((share_of_side * imgsz < min_side_at_imgsz).mean()) if len(share_of_side) >= 20 else 0.0
    if small >= min_share and small > 0:
        parts.append(pd.DataFrame([_small_at(share_of_side, small, imgsz, min_side_at_imgsz, min_share)]))
    return pd.concat(parts, ignore_index=True) if parts else None


def _small_at(sides: Array, share: float, imgsz: int, least: float, min_share: float) -> dict[str, str | float]:
    """The finding about a set of small boxes. sides (n,): shares of the longer side of their images."""
    enough = least / np.quantile(sides, min_share)
    steps = [step for step in (960, 1280, 1600, 1920) if step > imgsz and step >= enough]
    advice = f"train at imgsz {steps[0]}" if steps else "cut the images into tiles"
    return {
        "subject": "set",
        "message": f"{share:.0%} of the boxes are under {least:g} px at imgsz {imgsz}: {advice}",
        "value": round(share, 4),
        "threshold": min_share,
        "severity": "info",
        "confidence": "high",
    }


@rule(
    Severity.INFO,
    confidence="low",
    message="{box_width:.0f} × {box_height:.0f} px: width by height {value:.2g}{note}",
)
def odd_aspect_box(
    scan: Scan, *, min_boxes: int = 20, spreads: float = 1.0, min_times: float = 2.0, max_ratio: float = 20.0
) -> Table | None:
    """A box of a shape that its class does not have.

    A box drawn over two objects, over half of one, or with a stray corner is often too flat or too tall for
    its class. Width over height is held against the class's usual range, from its 10th to its 90th percentile:
    a box is odd where it lies outside by the factor `min_times`, and by `spreads` of that range (both in
    logarithms), in a class of at least `min_boxes` boxes. In smaller classes only a box longer than
    `max_ratio` to 1 is told. Boxes at the image's edge (cut objects), with sides under 4 pixels and of crowds
    are left out.

    **Do:** look at it. It is a hint; a person lying down is right.

    20 to 1 is hotcoco's default. One spread beyond the range is four standard deviations of a normal
    distribution (Datumaro takes five); percentiles bear classes of two shapes, cars along and across, and up
    to a tenth of odd boxes. The others are our own choice.

    >>> import dsq
    >>> usual = [(f"{n}.jpg", "cup", 50, 50, 40 + n % 5, 60) for n in range(30)]
    >>> data = dsq.build_dataset([*usual, ("odd.jpg", "cup", 50, 50, 300, 40)])
    >>> dsq.audit(data, select=["odd-aspect-box"]).messages()
    ['300 × 40 px: width by height 7.5, its class 0.67 to 0.73']
    """
    geometry = scan.geometry
    width, height = geometry.width, geometry.height
    with np.errstate(invalid="ignore", divide="ignore"):
        aspect = np.log(width) - np.log(height)
    aspect[~((width >= 4) & (height >= 4)) | scan.boxes["crowd"].to_numpy()] = np.nan
    groups = scan.boxes["category_id"].to_numpy()
    by_class = pd.Series(aspect).groupby(groups)
    low = by_class.quantile(0.1, interpolation="higher")
    high = by_class.quantile(0.9, interpolation="lower").to_numpy()
    position = low.index.get_indexer(pd.Index(groups))
    gap = np.maximum(np.log(min_times), spreads * (high - low.to_numpy()))
    large = (by_class.count() >= min_boxes).to_numpy()
    least = np.where(large, low.to_numpy() - gap, -np.log(max_ratio))
    most = np.where(large, high + gap, np.log(max_ratio))
    rows = np.flatnonzero((aspect < least[position]) | (aspect > most[position]))
    corners, sizes = geometry.corners[rows], scan.image_sizes[geometry.image_row[rows]]
    rows = rows[(corners[:, :2] > 1).all(1) & ~(corners[:, 2:] >= sizes - 1).any(1)]
    rows = rows[~misread(scan)[rows]]
    if len(rows) == 0:
        return None
    kind = position[rows]
    told = [
        f", its class {a:.2g} to {b:.2g}" if usual else ""
        for a, b, usual in zip(np.exp(low.to_numpy()[kind]), np.exp(high[kind]), large[kind], strict=True)
    ]
    return pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[rows],
            "value": np.exp(aspect[rows]),
            "threshold": np.exp(np.where(aspect[rows] > 0, most[kind], least[kind])),
            "box_width": width[rows],
            "box_height": height[rows],
            "note": told,
        }
    )

"""Boxes against the frame of their image: outside it, filling it, cut to slivers by it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array, box_area
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .convention import frame_sizes, misread

SIDES = np.array(["left", "top", "right", "bottom"], object)


def _overhang(corners: Array, width: Array, height: Array) -> Array:
    """How far boxes (n, 4) reach beyond their images, in pixels; negative inside."""
    with np.errstate(invalid="ignore"):
        over = np.fmax(corners[:, 2] - width, corners[:, 3] - height)
        np.fmax(over, -corners[:, 0], out=over)
        np.fmax(over, -corners[:, 1], out=over)
    found: Array = over
    return found


def _three_digits(values: Array) -> Array:
    """Positive numbers rounded to three digits."""
    unit = 10.0 ** (np.floor(np.log10(values)) - 2)
    rounded: Array = np.round(values / unit) * unit
    return rounded


@rule(Severity.WARNING, message="{far:,.10g} px over the {side} edge{note}", collapse=False)
def box_outside_image(scan: Scan, *, slip: float = 1.0, slip_share: float = 0.002) -> Table | None:
    """A box that reaches beyond its image.

    Its overhang shows nothing that could be learnt; some trainers clip it, some stop, and Ultralytics drops
    the **whole image** where a centre or a side of a YOLO row leaves -0.01..1.01. That, and a box wholly
    outside its image, is an error. Up to `slip` pixels or the share `slip_share` of the image's side (the
    larger of the two) it is the rounding of an export, off by one or by float: a note only. A hundredth of a
    pixel is nothing. What more than half of the images share is told once; errors are told one by one. Where
    the whole set is written differently, `box-convention` says so and this rule tells its boxes in one line.

    **Do:** clip to the image's width and height (not one less: albumentations #1652); look at a box that lies
    far outside, its image may be the wrong one or the wrong size.

    The trainer's limits are those of its own check of labels; the slip is one pixel because Pascal VOC counts
    from 1 and half of the tools count from 0, and 0.2 % because labels are written with three decimals.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 600, 10, 60, 30), ("a.jpg", "cat", 700, 10, 60, 30)])
    >>> dsq.audit(data, select=["box-outside-image"]).messages()
    ['120 px over the right edge: nothing of it lies in the image', '20 px over the right edge']
    """
    geometry = scan.geometry
    over = _overhang(geometry.corners, geometry.image_width, geometry.image_height)
    rows = np.flatnonzero((over > 0.01) & (geometry.width > 0) & (geometry.height > 0))
    if len(rows) == 0:
        return None
    sizes = frame_sizes(scan)[geometry.image_row[rows]]
    corners = geometry.corners[rows]
    over = _overhang(corners, sizes[:, 0], sizes[:, 1])
    keep = over > 0.01
    rows, sizes, corners, over = rows[keep], sizes[keep], corners[keep], over[keep]
    if len(rows) == 0:
        return None
    image = geometry.image_row[rows]
    wrong = misread(scan)[rows]
    parts = []
    if wrong.any():
        told = f"{wrong.sum():,} boxes of {len(np.unique(image[wrong])):,} images, because of box-convention"
        parts.append(pd.DataFrame({"subject": ["set"], "message": [told], "severity": ["info"]}))
        rows, image, sizes, corners, over = (part[~wrong] for part in (rows, image, sizes, corners, over))
    allowed = np.fmax(slip, slip_share * np.nan_to_num(sizes.max(1)))
    with np.errstate(invalid="ignore"):
        gone = (corners[:, :2] >= sizes).any(1) | (corners[:, 2:] <= 0).any(1)
        middle = (corners[:, :2] + corners[:, 2:]) / 2 / sizes
        extent = (corners[:, 2:] - corners[:, :2]) / sizes
        worst = np.maximum(middle, extent).max(1)
        dropped = (worst > 1.01) | (middle.min(1) < -0.01)
    dropped &= scan.about.format == "yolo"
    light = (over <= allowed) & ~gone & ~dropped
    note = np.full(len(rows), "", object)
    note[light] = ": rounding, clip it"
    note[dropped] = ": the trainer drops the whole image"
    note[gone] = ": nothing of it lies in the image"
    beyond = np.stack([-corners[:, 0], -corners[:, 1], *(corners[:, 2:] - sizes).T], 1)
    side = SIDES[np.nan_to_num(beyond, nan=-np.inf).argmax(1)]
    message = np.full(len(rows), None, object)
    for row in np.flatnonzero(dropped & (worst > 2)).tolist():
        number = f"{_three_digits(worst[row : row + 1])[0]:,.10g}"
        message[row] = f"{number} where fractions go up to 1: pixels? The trainer drops the whole image"
    table = pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[rows],
            "value": over,
            "far": _three_digits(over),
            "message": message,
            "threshold": allowed,
            "side": side,
            "note": note,
            "severity": np.select([gone | dropped, light], ["error", "info"], "warning"),
        }
    )
    for severity, name, why in (
        ("warning", "overhang", "drawn so on purpose?"),
        ("info", "rounding", "rounding, clip them"),
    ):
        chosen = table["severity"].to_numpy() == severity
        touched = len(np.unique(image[chosen]))
        if touched >= 10 and touched * 2 > len(scan.images):
            most = table["far"].to_numpy()[chosen].max()
            told = f"{chosen.sum():,} boxes of {touched:,} images, by {most:,.10g} px at most: {why}"
            table, image = table[~chosen], image[~chosen]
            parts.append(pd.DataFrame({"subject": [name], "message": [told], "severity": [severity]}))
    if len(table):
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


@rule(Severity.INFO, message="covers {value:.1%} of the image{note}", collapse=False)
def whole_image_box(scan: Scan, *, min_cover: float = 0.98, min_share: float = 0.2) -> Table | None:
    """A box that covers the whole image.

    On a tight product shot that is right, so a lone box is a note. Around other boxes it may be the table they
    stand on, or a slip of the mouse: a hint of low confidence. Where at least `min_share` of the images (and
    ten or more) have one it is told once: the set looks like one for classification, and a detector learns
    nothing about place from it.

    **Do:** look at it; nothing where the object fills the picture. Many of them call for other pictures.

    `min_cover` is the share of the image's area that the box covers; 0.98 leaves a pixel or so on every
    side of a small picture. Both defaults are our own choice (of seven real sets, three hold one or two
    such boxes).

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "pen", 0, 0, 640, 480), ("b.jpg", "pen", 20, 20, 500, 400)])
    >>> dsq.audit(data, select=["whole-image-box"]).messages()
    ['covers 100.0% of the image']
    """
    geometry = scan.geometry
    frame = geometry.image_width * geometry.image_height
    rows = np.flatnonzero(geometry.width * geometry.height >= min_cover * frame)
    corners, image = geometry.corners[rows], geometry.image_row[rows]
    inside = np.clip(corners, 0, scan.image_sizes[image][:, [0, 1, 0, 1]])
    cover = box_area(inside) / frame[rows]
    keep = cover >= min_cover
    if keep.any():
        keep &= ~misread(scan)[rows]
    rows, image, cover = rows[keep], image[keep], cover[keep]
    if len(rows) == 0:
        return None
    touched, images = len(np.unique(image)), int((scan.images["label_state"] == "labelled").sum())
    if touched >= 10 and touched >= min_share * images:
        message = (
            f"{touched:,} of {images:,} labelled images have a box that covers them whole: is this a "
            "classification set?"
        )
        return pd.DataFrame({"subject": ["set"], "message": [message], "value": [touched / images]})
    others = np.bincount(geometry.image_row, minlength=len(scan.images))[image] - 1
    return pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[rows],
            "value": cover,
            "threshold": min_cover,
            "note": np.where(others > 0, ", around other boxes", "").astype(object),
            "confidence": np.where(others > 0, "low", "high").astype(object),
        }
    )


@rule(
    Severity.INFO,
    confidence="medium",
    message="{thick:.3g} × {long:.0f} px along the {side} edge: the rest of it was cut off",
)
def border_sliver(
    scan: Scan, *, max_thickness: float = 0.15, max_share: float = 0.03, min_ratio: float = 4.0
) -> Table | None:
    """A thin strip at the edge of an image, left over where the picture was cut.

    Tiling, cropping and mosaic augmentation leave the last pixels of an object and keep its label: the
    strip shows nothing of the object, and the model learns to see it in every edge. The box touches the
    edge (within a pixel or 0.2 % of the side), its thickness across that edge is at most `max_thickness` of
    what is usual for its class there, at most `max_share` of the image, and it is `min_ratio` times as long
    as thick.

    **Do:** drop strips when you tile (keep an object from a fifth of its area on; alwaysAI's guide does not
    annotate what is seen less than 20 %), or delete these boxes.

    `max_thickness` follows that fifth; `max_share` and `min_ratio` are our own choice and keep poles and the
    feet of cut people out.

    >>> import dsq
    >>> whole = [(f"{n}.jpg", "cat", 100, 100, 120, 90) for n in range(8)]
    >>> data = dsq.build_dataset([*whole, ("cut.jpg", "cat", 637, 50, 3, 88)])
    >>> dsq.audit(data, select=["border-sliver"]).messages()
    ['3 × 88 px along the right edge: the rest of it was cut off']
    """
    rows, side = slivers(scan, max_thickness, max_share, min_ratio)
    if len(rows):
        right = ~misread(scan)[rows]
        rows, side = rows[right], side[right]
    if len(rows) == 0:
        return None
    width, height = scan.geometry.width[rows], scan.geometry.height[rows]
    across = side % 2 == 0
    thick = np.where(across, width, height)
    return pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[rows],
            "value": thick,
            "thick": thick,
            "long": np.where(across, height, width),
            "side": SIDES[side],
        }
    )


def slivers(
    scan: Scan, max_thickness: float = 0.15, max_share: float = 0.03, min_ratio: float = 4.0
) -> tuple[Array, Array]:
    """Positions in `boxes` of thin strips at an edge, and which edge (0 left, 1 top, 2 right, 3 bottom)."""
    geometry = scan.geometry
    candidates: list[Array] = []
    for thick, long, frame in (
        (geometry.width, geometry.height, geometry.image_width),
        (geometry.height, geometry.width, geometry.image_height),
    ):
        candidates.append(np.flatnonzero((thick > 0) & (thick <= max_share * frame) & (min_ratio * thick <= long)))
    found: list[Array] = []
    sides: list[Array] = []
    for axis, rows in enumerate(candidates):
        frame = (geometry.image_height if axis else geometry.image_width)[rows]
        low, high = geometry.corners[rows, axis], geometry.corners[rows, axis + 2]
        near = np.maximum(1.0, 0.002 * frame)
        touches = np.select([low <= near, high >= frame - near], [axis, axis + 2], -1)
        rows, touches = rows[touches >= 0], touches[touches >= 0]
        usual = _usual_side(scan, rows, "height" if axis else "width")
        keep = (geometry.height if axis else geometry.width)[rows] <= max_thickness * usual
        found.append(rows[keep])
        sides.append(touches[keep])
    return np.concatenate(found), np.concatenate(sides)


def _usual_side(scan: Scan, rows: Array, name: str) -> Array:
    """Median side in pixels of each box's class (of all boxes where the class has under five)."""
    if len(rows) == 0:
        return np.empty(0)
    category = scan.boxes["category_id"]
    wanted = category.to_numpy()[rows]
    chosen = category.isin(np.unique(wanted)).to_numpy()
    sides = pd.Series(getattr(scan.geometry, name)[chosen])
    by_class = sides.groupby(category.to_numpy()[chosen]).agg(["median", "count"])
    usual = by_class["median"].where(by_class["count"] >= 5, np.nanmedian(getattr(scan.geometry, name)))
    found: Array = usual.reindex(wanted).to_numpy()
    return found

"""Boxes against their masks, and what a COCO record says of its mask: area and crowd flag."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array, box_iou
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table


@rule(Severity.WARNING, message="box and mask disagree by {value:.0f} px (IoU {iou:.2f})", collapse=False)
def box_polygon_mismatch(
    scan: Scan, *, max_off: float = 2.0, max_off_share: float = 0.05, max_share: float = 0.2
) -> Table | None:
    """A box that is not the frame of its own mask.

    Somebody moved one and not the other, or a resize touched only one of them. The box is what a detector
    trains on, and many tools draw it anew from the mask: the two give different datasets. An edge may be
    off by `max_off` pixels or the share `max_off_share` of the box's longer side, whichever is more; a mask
    that reaches beyond the image may be clipped to it. Where more than `max_share` of the masks (and ten or
    more) disagree, one finding tells it for the set. A mask that cannot be decoded is told as well.

    **Do:** look which of the two is right. The box stays what counts until you say otherwise.

    All defaults are our own choice: genuine COCO is off by a pixel at most (its run-length masks leave out
    the last column and row), and tools that round do the same.

    >>> import dsq
    >>> mask = b"[[100, 100, 160, 100, 160, 150, 100, 150]]"
    >>> box = {"file": "a.jpg", "category": "cat", "x": 80, "y": 100, "width": 60, "height": 50}
    >>> data = dsq.build_dataset([box | {"segmentation": mask}])
    >>> dsq.audit(data, select=["box-polygon-mismatch"]).messages()
    ['box and mask disagree by 20 px (IoU 0.50)']
    """
    masks = scan.masks
    if masks.empty:
        return None
    rows = masks["row"].to_numpy()
    corners = scan.geometry.corners[rows]
    extents = masks[["x0", "y0", "x1", "y1"]].to_numpy()
    off = np.abs(corners - extents).max(1)
    allowed = np.maximum(max_off, max_off_share * np.maximum(*(corners[:, 2:] - corners[:, :2]).T))
    far = np.flatnonzero(off > allowed)
    corners, extents, allowed, off = corners[far], extents[far], allowed[far], off[far]
    frame = scan.image_sizes[scan.image_row[rows[far]]][:, [0, 1, 0, 1]]
    off = np.minimum(off, np.abs(corners - np.fmin(np.clip(extents, 0, None), frame)).max(1))
    wrong = np.flatnonzero(off > allowed)
    ids = scan.boxes["box_id"].to_numpy()
    table = pd.DataFrame(
        {
            "box_id": ids[rows[far[wrong]]],
            "value": off[wrong],
            "threshold": allowed[wrong],
            "iou": box_iou(corners[wrong], extents[wrong]),
        }
    )
    if len(wrong) >= 10 and len(wrong) > max_share * len(rows):
        middle = np.median(off[wrong])
        message = f"{len(wrong):,} of {len(rows):,} boxes and masks disagree, half of them by {middle:.0f} px or more"
        table = pd.DataFrame({"subject": ["set"], "message": [message], "value": [len(wrong) / len(rows)]})
    broken = masks[masks["error"] != ""]
    if broken.empty:
        return table
    told = pd.DataFrame(
        {
            "box_id": ids[broken["row"].to_numpy()],
            "message": [f"the mask cannot be read: {why}" for why in broken["error"]],
        }
    )
    return pd.concat([table, told], ignore_index=True) if len(table) else told


@rule(Severity.WARNING, message="area says {value:,.0f} px², {what} {expected:,.0f}{note}", collapse=False)
def area_mismatch(
    scan: Scan, *, max_error: float = 0.1, min_alike: float = 0.5, max_share: float = 0.2
) -> Table | None:
    """A declared area that is not the area of the object.

    COCO's evaluation sorts objects into small, medium and large by `area` alone, and some trainers drop
    objects by it. With a mask the area should be the mask's, and the box's own area is taken as well (many
    exporters write that); without one it should be the box's where at least `min_alike` of the set's boxes
    say so, otherwise it may be that of a mask that was left out, anything up to the box. It may be off by
    the share `max_error` and by half the box's outline in pixels. Crowd regions are only held against their
    box: COCO's own areas are rough there. Where more than `max_share` of the areas (and ten or more) are
    wrong, one finding tells it for the set.

    **Do:** leave the key out, or compute it anew. An area that equals the whole image comes from an exporter
    that took the wrong variable (sahi did).

    The tolerance covers the difference between a polygon and its pixels; genuine COCO polygons agree to the
    last digit. All defaults are our own choice.

    >>> import dsq
    >>> box = {"file": "a.jpg", "category": "cat", "x": 80, "y": 100, "width": 60, "height": 50}
    >>> dsq.audit(dsq.build_dataset([box | {"area": 307200}]), select=["area-mismatch"]).messages()
    ['area says 307,200 px², the box has 3,000: that is the whole image']
    """
    declared = scan.boxes["area"].to_numpy()
    geometry = scan.geometry
    boxed = geometry.width * geometry.height
    rows = np.flatnonzero(~np.isnan(declared) & (boxed > 0))
    if len(rows) == 0:
        return None
    declared, boxed = declared[rows], boxed[rows]
    slack = geometry.width[rows] + geometry.height[rows]
    near_box = np.abs(declared - boxed) <= max_error * boxed + slack
    most = boxed * (1 + max_error) + slack
    masked = scan.boxes["segmentation"].notna().to_numpy()[rows]
    crowd = scan.boxes["crowd"].to_numpy()[rows]
    boxes_only = bool(near_box[~masked].mean() >= min_alike) if not masked.all() else False
    expected, wrong = boxed.copy(), ~near_box
    if not boxes_only:
        wrong[~masked] = ((declared > most) | (declared <= 0))[~masked]
    wrong[crowd] = ((declared > most) | (declared <= 0))[crowd]
    by_mask = np.zeros(len(rows), bool)
    if masked.any():
        area = np.full(len(scan.boxes), np.nan)
        area[scan.masks["row"].to_numpy()] = scan.masks["area"].to_numpy()
        area = area[rows]
        by_mask = masked & ~crowd & ~np.isnan(area)
        expected[by_mask] = area[by_mask]
        wrong[by_mask] &= (np.abs(declared - area) > max_error * area + slack)[by_mask]
    wrong &= np.abs(declared - expected) > 1
    found = np.flatnonzero(wrong)
    if len(found) == 0:
        return None
    frame = geometry.image_width[rows[found]] * geometry.image_height[rows[found]]
    whole = declared[found] == frame
    if len(found) >= 10 and len(found) > max_share * len(rows):
        cause = ": the area of the whole image" if whole.mean() > 0.5 else ""
        message = f"{len(found):,} of {len(rows):,} areas are not those of their masks or boxes{cause}"
        return pd.DataFrame({"subject": ["set"], "message": [message], "value": [len(found) / len(rows)]})
    return pd.DataFrame(
        {
            "box_id": scan.boxes["box_id"].to_numpy()[rows[found]],
            "value": declared[found],
            "threshold": max_error,
            "expected": expected[found],
            "what": np.where(by_mask[found], "the mask has", "the box has").astype(object),
            "note": np.where(whole, ": that is the whole image", "").astype(object),
        }
    )


@rule(Severity.ERROR, message="{value:.0%} of the boxes are marked as crowds: trainers leave them out")
def crowd_everywhere(
    scan: Scan, *, min_share: float = 0.5, error_share: float = 0.9, min_boxes: int = 10
) -> Table | None:
    """A set whose boxes are nearly all marked as crowds.

    `iscrowd` 1 means a region of many objects that nobody counted. Trainers leave such boxes out and the
    evaluation forgives everything inside them: a set full of them trains on nothing. Some exporters set the
    flag on every run-length mask (CVAT #6392, #7030). From `min_share` of the boxes on it is a warning, from
    `error_share` on an error; sets of under `min_boxes` boxes are left alone.

    **Do:** set `iscrowd` to 0 where a mask is one object.

    In COCO one box in a hundred is a crowd; the defaults are our own choice and far from it.

    >>> import dsq
    >>> box = {"file": "a.jpg", "category": "cat", "y": 9, "width": 9, "height": 9, "crowd": True}
    >>> data = dsq.build_dataset([box | {"x": 20 * n} for n in range(12)])
    >>> dsq.audit(data, select=["crowd-everywhere"]).messages()
    ['100% of the boxes are marked as crowds: trainers leave them out']
    """
    crowd: Array = scan.boxes["crowd"].to_numpy()
    if len(crowd) < min_boxes or crowd.mean() < min_share:
        return None
    share = float(crowd.mean())
    severity = "error" if share >= error_share else "warning"
    return pd.DataFrame({"subject": ["set"], "value": [share], "threshold": [min_share], "severity": [severity]})

"""What the label files say about whole images: nothing at all, or that nothing is there."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

#: how a format says nothing about an image, and what a person may do about it
SILENCE = {
    "yolo": ("no label file", "label it; if it shows nothing to find: --no-label-file background"),
    "voc": ("no XML", "label it, or add an XML without objects if it shows nothing to find"),
    "images": ("no annotation", "label it"),
}
#: names under which people keep pictures that are meant to show nothing
MEANT_EMPTY = re.compile(r"neg|background|\bbg\b|empty|null|nothing|none|without|no[-_ ]|normal|good|clear", re.I)


@rule(Severity.WARNING, message="{silence}: {remedy}", collapse=False)
def unlabelled_image(scan: Scan, *, most: float = 0.5) -> Table | None:
    """Images about which no annotation says anything.

    An image without a label file, an XML or a record is not a background: it may hold any number of objects
    that nobody marked. YOLO trainers take it for a background and so learn that its objects are none. Label
    it, leave it out, or say that it shows nothing to find: for YOLO with `--no-label-file background`, for
    VOC with an XML without objects. COCO images without a record are told by `orphan-image`, annotation
    files that cannot be read by `malformed-record`.

    Where more than `most` (half) of ten or more images are so, it is told once, as a property of the set (as
    CleanVision does with what most images share); a set of bare pictures is told as a fact.

    >>> import dsq
    >>> images = [{"file": "b.jpg", "label_state": "unlabelled"}]
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 20, 30)], images=images)
    >>> dsq.audit(data, select=["unlabelled-image"]).messages()
    ['no annotation: label it']
    """
    images = scan.images
    unlabelled = ((images["label_state"] == "unlabelled") & images["origin_file"].isna()).to_numpy()
    count = int(unlabelled.sum())
    if count == 0 or scan.about.format == "coco":
        return None
    silence, remedy = SILENCE.get(scan.about.format, SILENCE["images"])
    if count == len(images):
        message = f"{count:,} images, and no annotation was recognised: only the pictures can be checked"
        return pd.DataFrame([{"subject": "set", "message": message, "value": 1.0, "severity": Severity.INFO}])
    share = count / len(images)
    if share > most and len(images) >= 10:
        message = f"{count:,} of {len(images):,} images ({share:.0%}) have {silence}: {remedy}"
        message = message.replace("label it", "label them").replace("it shows", "they show")
        return pd.DataFrame([{"subject": "set", "message": message, "value": round(share, 4), "threshold": most}])
    return pd.DataFrame({"image_id": images["image_id"].to_numpy()[unlabelled], "silence": silence, "remedy": remedy})


@rule(
    Severity.INFO,
    confidence="medium",
    message="{count:,} of {labelled:,} images ({value:.0%}) are background: guides say up to {max_share:.0%}",
)
def too_many_backgrounds(scan: Scan, *, max_share: float = 0.1, far: float = 0.5, min_images: int = 20) -> Table | None:
    """More images without objects than the guides advise.

    Some images with nothing to find teach a model to keep quiet; too many slow it down and hide the objects.
    The Ultralytics guide advises 0–10 % (`max_share`) of backgrounds, and none is within that. Look at a
    few: if they do show objects, their labels were lost; if not, a part of them can be left out. Beyond a
    share of `far` (half, our choice) it is a warning, for then lost labels are the likelier cause. Sets of
    fewer than `min_images` (20, our choice) labelled images are too small for a share.

    >>> import dsq
    >>> boxes = [(f"{n}.jpg", "cat", 10, 10, 20, 30) for n in range(30)]
    >>> data = dsq.build_dataset(boxes, images=[f"empty{n}.jpg" for n in range(10)])
    >>> dsq.audit(data, select=["too-many-backgrounds"]).messages()
    ['10 of 40 images (25%) are background: guides say up to 10%']
    """
    states = scan.images["label_state"]
    background = int((states == "background").sum())
    labelled = background + int((states == "labelled").sum())
    if len(scan.boxes) == 0 or labelled < min_images or background <= max_share * labelled:
        return None
    share = background / labelled
    row: dict[str, Any] = {"subject": "set", "count": background, "labelled": labelled}
    row |= {"value": round(share, 4), "threshold": max_share}
    if share > far:
        row["severity"] = Severity.WARNING
        row["message"] = (
            f"{background:,} of {labelled:,} images ({share:.0%}) are background: were their objects lost? "
            f"Guides say {max_share:.0%} at most"
        )
    return pd.DataFrame([row])


@rule(
    Severity.INFO,
    confidence="medium",
    message="{where}: {empty:,} of {count:,} images are empty, {elsewhere:.0%} elsewhere: objects left out?",
)
def suspicious_empties(
    scan: Scan, *, min_images: int = 10, min_share: float = 0.9, max_elsewhere: float = 0.05
) -> Table | None:
    """Empty labels that lie together, while nearly every other image holds an object.

    Export tools write an empty label file for an image whose objects the format cannot hold: CVAT does so
    with polygons and rotated boxes in its YOLO 1.1 export. An annotator who stopped half-way leaves the same
    trace. So a split, a folder or a numbered sequence of at least `min_images` images of which `min_share`
    (90 %) are empty is suspicious when at most `max_elsewhere` (5 %) of the others are. The numbers are our
    choice. Open a few of the images; if they hold objects, export again with boxes. Folders whose name says
    that they are meant to be empty (negatives, background, …) are left alone. That no image of the whole set
    holds a box is a warning.

    >>> import dsq
    >>> boxes = [(f"a/{n}.jpg", "cat", 10, 10, 20, 30) for n in range(20)]
    >>> data = dsq.build_dataset(boxes, images=[f"b/{n}.jpg" for n in range(12)])
    >>> dsq.audit(data, select=["suspicious-empties"]).messages()
    ['folder b: 12 of 12 images are empty, 0% elsewhere: objects left out?']
    """
    states = scan.images["label_state"]
    empty = (states == "background").to_numpy()
    judged = empty | (states == "labelled").to_numpy()
    if int(empty.sum()) < min_images:
        return None
    if len(scan.boxes) == 0:
        message = (
            f"not one of {int(judged.sum()):,} images holds a box: were polygons or rotated boxes left out on export?"
        )
        row = {"subject": "set", "message": message, "severity": Severity.WARNING, "confidence": "high"}
        return pd.DataFrame([row])
    rows: list[dict[str, Any]] = []
    told = np.zeros(len(empty), bool)
    for kind, groups in _groupings(scan):
        table = pd.DataFrame({"group": groups, "empty": empty})[judged]
        sums = table.groupby("group", observed=True)["empty"].agg(["sum", "size"])
        odd = sums[(sums["size"] >= min_images) & (sums["sum"] >= min_share * sums["size"])]
        inside = pd.Series(groups).isin(odd.index).to_numpy() & judged
        rest = judged & ~inside
        if len(odd) == 0 or rest.sum() < min_images or empty[rest].mean() > max_elsewhere:
            continue
        for name, (count, size) in odd.iterrows():
            members = inside & (groups == name)
            if MEANT_EMPTY.search(str(name)) or told[members].all():
                continue
            told |= members
            facts = {"where": f"{kind} {name}", "empty": int(count), "count": int(size)}
            share = {
                "elsewhere": float(empty[rest].mean()),
                "value": round(count / size, 4),
                "threshold": min_share,
            }
            rows.append({"subject": f"{kind} {name}", **facts, **share})
    return pd.DataFrame(rows) if rows else None


def _groupings(scan: Scan) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Ways to put images together: (what a group is called, group of each image or None)."""
    folder = pd.Series([file.rpartition("/")[0] for file in scan.images["file"]], dtype=object)
    split = scan.images["split"].astype(object)
    stem = scan.stems["stem"].astype(object).str.replace(r"[-_ .]*\d+$", "", regex=True)
    found = [("split", split), ("folder", folder), ("sequence", stem)]
    named = ((kind, groups.where(groups.notna() & (groups != ""), None)) for kind, groups in found)
    return [(kind, groups.to_numpy(object)) for kind, groups in named]

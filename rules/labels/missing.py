"""Objects that nobody marked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array, box_iou
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

AFFINE = ("m00", "m01", "m02", "m10", "m11", "m12")
EDGES = ("x0", "y0", "x1", "y1")
#: two boxes that share so much of the smaller are about one thing
COVERED = 0.5
#: pairs that are compared at a time
AT_ONCE = 50_000


@rule(
    Severity.INFO,
    message="{name} at {where}: has a box in {other}, the same picture, and none here",
    confidence="medium",
    needs=("pixels",),
    collapse=False,
)
def missing_label(scan: Scan, *, min_likeness: float = 0.7) -> Table | None:
    """Objects without a box.

    An object that is not marked counts as background: the model is punished for finding it.

    The evidence is named in each finding. `sibling`: a near copy of the picture has a box where this one has none. The
    box is carried over by the map that lays one copy on the other (see `dsq.find_duplicates`). It is told if nothing of
    its class lies there, and if the pixels inside look alike in both: a correlation of `min_likeness` (0.7, our
    choice) or more, so that what drove on between two frames is not missed. Where most copies lack the box the
    confidence is low: it may be one too many in the other. A picture without any box that lacks several is told once.

    Where each of the two copies has a box that the other lacks, or where they are the same file, the labels
    contradict each other: `conflicting-duplicates` tells of those. Of an image about which nothing at all is said,
    `unlabelled-image` tells.

    **Do:** look, and draw the proposed box or delete the other one.

    >>> import dsq, tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     picture = Image.effect_mandelbrot((128, 96), (-2, -1.5, 1, 1.5), 60)
    ...     picture.save(f"{folder}/a.png")
    ...     picture.resize((256, 192)).save(f"{folder}/b.png")
    ...     images = [{"file": "a.png", "root": folder, "width": 128, "height": 96}]
    ...     images += [{"file": "b.png", "root": folder, "width": 256, "height": 192}]
    ...     data = dsq.build_dataset([("a.png", "cat", 30, 30, 60, 40)], images=images)
    ...     dsq.audit(data, select=["missing-label"]).messages()
    ['cat at (60, 52): has a box in a.png, the same picture, and none here']
    """
    found = [table for table in (_by_siblings(scan, min_likeness),) if table is not None]
    return pd.concat(found, ignore_index=True) if found else None


def _by_siblings(scan: Scan, min_likeness: float) -> Table | None:
    """Boxes that a near copy of the picture has."""
    pairs = _pairs(scan)
    if pairs.empty:
        return None
    labels = scan.labels
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    table, agree = _lone(scan, pairs)
    pair, side = table["pair"].to_numpy(), table["side"].to_numpy()
    at = table["at"].to_numpy()
    table = table.assign(
        into=np.where(side == 0, second[pair], first[pair]),
        source=np.where(side == 0, first[pair], second[pair]),
        category=labels.category[at],
        agreement=pairs["agreement"].to_numpy()[pair],
        inner=np.clip(table[list(EDGES)].to_numpy(), 0, 1).tolist(),
    )
    covered = labels.covered(table["into"].to_numpy(), table[list(EDGES)].to_numpy(), table["category"].to_numpy())
    table = table[(covered < COVERED) & ~scan.relative[table["into"].to_numpy()]]
    table = _unite(scan, table)
    table = _look(scan, table, pairs, min_likeness)
    if table.empty:
        return None
    siblings = np.bincount(np.concatenate([first[agree], second[agree]]), minlength=len(scan.images))
    return _tell(scan, table, siblings, min_likeness)


def _lone(scan: Scan, pairs: Table) -> tuple[Table, Array]:
    """Boxes without partner, see `Compared` in dsq.analyse.couples; (pairs,) bool: at most one picture has such."""
    tables, agree = [], np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), AT_ONCE):
        part = pairs[start : start + AT_ONCE]
        first, second = part["first"].to_numpy(), part["second"].to_numpy()
        compared = scan.labels.compare(first, second, part[list(AFFINE)].to_numpy(float))
        one_sided = np.logical_not(compared.count_lone(len(part)).all(axis=1)).reshape(-1)
        agree[start : start + AT_ONCE] = one_sided
        lone = compared.lone[one_sided[compared.lone["pair"].to_numpy()]]
        tables.append(lone.assign(pair=lone["pair"] + start))
    return pd.concat(tables, ignore_index=True), agree


def _pairs(scan: Scan) -> Table:
    """Near copies that can be compared; those that EXIF turns differently are left to exif-rotated."""
    pairs = scan.duplicates
    pairs = pairs[pairs["kind"] == "near"]
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    turned = np.ones(len(scan.images), np.int64)
    turned[scan.pixels["row"].to_numpy()] = np.maximum(scan.pixels["orientation"].to_numpy(), 1)
    keep = scan.labels.comparable(first, second) & (turned[first] == turned[second])
    found: Table = pairs[keep].reset_index(drop=True)
    return found


def _unite(scan: Scan, table: Table) -> Table:
    """One row a place that lacks a box, that of the copy which agrees best; `having`: how many copies have the box."""
    files = np.array(scan.image_files, object)
    table = table.assign(other=files[table["source"].to_numpy()])
    table = table.sort_values(
        ["into", "category", "agreement", "other", *EDGES], ascending=[True, True, False, *[True] * 5]
    )
    kept: list[int] = []
    having: list[int] = []
    group: tuple[int, int] | None = None
    start = 0
    corners = np.array(table["inner"].tolist()).reshape(-1, 4)
    keys = zip(table["into"].tolist(), table["category"].tolist(), strict=True)
    for number, key in enumerate(keys):
        if key != group:
            group, start = key, len(kept)
        same = box_iou(corners[kept[start:]], np.broadcast_to(corners[number], (len(kept) - start, 4))) >= COVERED
        if same.any():
            having[start + int(same.argmax())] += 1
        else:
            kept.append(number)
            having.append(1)
    return table.iloc[kept].assign(having=having)


def _look(scan: Scan, table: Table, pairs: Table, min_likeness: float) -> Table:
    """Those whose pixels in the two pictures look alike, with their `likeness`."""
    sizes = np.tile(scan.image_sizes, 2)
    source, into = table["source"].to_numpy(), table["into"].to_numpy()
    own = np.clip(scan.labels.corners[table["at"].to_numpy()], 0, 1) * sizes[source]
    there = np.array(table["inner"].tolist()).reshape(-1, 4) * sizes[into]
    maps = pairs[list(AFFINE)].to_numpy(float)[table["pair"].to_numpy()]
    maps = np.where((table["side"].to_numpy() == 0)[:, None], maps, maps[:, [0, 3, 2, 1, 4, 5]])  # the way back
    likeness = scan.looks.compare(source, own, into, there, maps)
    with np.errstate(invalid="ignore"):
        return table.assign(likeness=likeness)[likeness >= min_likeness]


def _tell(scan: Scan, table: Table, siblings: Array, min_likeness: float) -> Table:
    into = table["into"].to_numpy()
    place = np.array(table["inner"].tolist()) * np.tile(scan.image_sizes, 2)[into]
    proposed = np.concatenate([place[:, :2], place[:, 2:] - place[:, :2]], 1).round(1)
    outvoted = 2 * table["having"].to_numpy() < siblings[into]
    told = pd.DataFrame(
        {
            "image_id": scan.images["image_id"].to_numpy()[into],
            "file_name": np.array(scan.image_files, object)[into],
            "category_id": table["category"].to_numpy(),
            "name": [scan.names[number] for number in table["category"].tolist()],
            "other": table["other"].to_numpy(),
            "where": [f"({x:,.0f}, {y:,.0f})" for x, y in proposed[:, :2].tolist()],
            "value": table["likeness"].astype(float).round(3).to_numpy(),
            "threshold": min_likeness,
            "confidence": np.where(outvoted, "low", "medium").astype(object),
            "evidence": "sibling",
            "proposed_bbox": proposed.tolist(),
        }
    )
    told["order"] = [tuple(box) for box in proposed.tolist()]
    told = told.sort_values(["file_name", "name", "order"], ignore_index=True)
    return _tell_bare(scan, told).drop(columns=["file_name", "order"])


def _tell_bare(scan: Scan, told: Table) -> Table:
    """The findings, with one instead of several about an image that has no box at all."""
    boxed = scan.images["image_id"].isin(scan.boxes["image_id"]).to_numpy()
    bare = told["image_id"].isin(scan.images["image_id"][~boxed]) & told["image_id"].duplicated(keep=False)
    if not bare.any():
        return told
    rows = {file: row for row, file in enumerate(scan.image_files)}
    held = np.bincount(scan.image_row, minlength=len(scan.images))
    lines = []
    for _, part in told[bare].groupby("file_name", sort=False):
        other = part["other"].mode().iloc[0]
        count = int(held[rows[other]])
        first = part.iloc[0].to_dict()
        sure = (part["confidence"] == "medium").any()
        lines.append(
            {
                **first,
                "category_id": pd.NA,
                "other": other,
                "value": part["value"].min(),
                "confidence": "medium" if sure else "low",
                "proposed_bbox": None,
                "message": f"no label at all; its copy {other} has {count:,} boxes",
            }
        )
    both = pd.concat([told[~bare], pd.DataFrame(lines)], ignore_index=True)
    both["category_id"] = both["category_id"].astype("Int64")
    return both.sort_values(["file_name", "name"], kind="stable", ignore_index=True)

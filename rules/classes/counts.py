"""Classes by how often they occur, in all and in each part of the set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dsq.rule import Severity, list_some, rule
from dsq.scan import Scan, Table


def _counts(scan: Scan) -> Table:
    """Declared classes (all, where no list declares any) with a box: name, category_id, boxes, images."""
    table = scan.categories
    pairs = scan.classes_by_image
    boxes = np.bincount(pairs["category_row"], weights=pairs["boxes"], minlength=len(table)).astype(np.int64)
    images = np.bincount(pairs["category_row"], minlength=len(table))
    declared = table["declared"].to_numpy()
    kept = (boxes > 0) & (declared | ~declared.any())
    counts = table[["name", "category_id"]].assign(boxes=boxes, images=images)[kept]
    counts["name"] = [f"id {name}" if name.isdigit() else name for name in counts["name"]]
    return counts.sort_values("name", ignore_index=True)


@rule(Severity.INFO, message="{most} has {ratio:,.0f} times the boxes of {least} ({many:,} to {few:,})")
def class_imbalance(
    scan: Scan, *, max_ratio: float = 50.0, max_share: float = 0.8, min_boxes: int = 100
) -> Table | None:
    """Classes of very unequal size.

    A model sees the large class all the time and hardly learns the small one. The most frequent class with
    more than `max_ratio` (50, as in Datumaro's imbalance_ratio) times the boxes of the rarest is worth
    knowing, and so is one that holds more than `max_share` (0.8, Datumaro's dominance) of all boxes among
    three classes or more. Collect more of the rare class, leave it out, or judge it by its own score; a mean
    over classes hides it. Sets of fewer than `min_boxes` (100, our choice) boxes are left alone.

    >>> import dsq
    >>> boxes = [(f"{n}.jpg", "car", 10, 10, 20, 30) for n in range(120)] + [("0.jpg", "bus", 50, 50, 60, 60)]
    >>> dsq.audit(dsq.build_dataset(boxes), select=["class-imbalance"]).messages()
    ['car has 120 times the boxes of bus (120 to 1)']
    """
    counts = _counts(scan).sort_values(["boxes", "name"], ignore_index=True)
    total = int(counts["boxes"].sum())
    if len(counts) < 2 or total < min_boxes:
        return None
    least, most = counts.iloc[0], counts.iloc[-1]
    few, many = int(least["boxes"]), int(most["boxes"])
    row: dict[str, Any] = {"subject": "set", "value": round(many / few, 2), "threshold": max_ratio}
    if many > max_ratio * few:
        row |= {"most": most["name"], "least": least["name"], "ratio": many / few, "many": many, "few": few}
    elif len(counts) > 2 and many > max_share * total:
        share = many / total
        row |= {"value": round(share, 4), "threshold": max_share}
        row["message"] = f"{most['name']} holds {share:.0%} of all boxes; {least['name']} has {few:,}"
    else:
        return None
    return pd.DataFrame([row])


@rule(Severity.INFO, message="{name}: {value:,} of the {threshold:,} images advised")
def too_few_images_per_class(scan: Scan, *, tiers: tuple[int, ...] = (50, 300, 1500)) -> Table | None:
    """Classes in fewer images than the guides advise.

    The `tiers` are the guides' own marks: 50 images to start with (Roboflow: 50 to 150), 300 a label
    (alwaysAI), 1500 a class (Ultralytics). They are advice: an easy class in one fixed scene needs fewer, a
    varied one more. A class is told with the next mark it has not reached, and all together where every
    class is short.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 10, 10, 20, 30), ("b.jpg", "dog", 10, 10, 20, 30)])
    >>> dsq.audit(data, select=["too-few-images-per-class"]).messages()
    ['2 of 2 classes under 50 images: cat (1), dog (1)']
    """
    return _short(_counts(scan), "images", tiers)


@rule(Severity.INFO, message="{name}: {value:,} of the {threshold:,} boxes advised")
def too_few_instances_per_class(scan: Scan, *, tiers: tuple[int, ...] = (10, 10000)) -> Table | None:
    """Classes with fewer boxes than the guides advise.

    The `tiers`: below 10 boxes nothing can be learned or measured (hotcoco and labellint warn there); 10,000
    instances a class is what the Ultralytics guide advises for the best results. They are advice, as for
    `too-few-images-per-class`.

    >>> import dsq
    >>> boxes = [("a.jpg", "cat", 10, 10, 20, 30), ("b.jpg", "dog", 10, 10, 20, 30)]
    >>> dsq.audit(dsq.build_dataset(boxes), select=["too-few-instances-per-class"]).messages()
    ['2 of 2 classes under 10 boxes: cat (1), dog (1)']
    """
    return _short(_counts(scan), "boxes", tiers)


def _short(counts: Table, what: str, tiers: Sequence[int]) -> Table | None:
    """A row for each class below the highest tier; one in all where every class, or most of many, is."""
    marks = np.array(sorted(tiers), np.int64)
    if len(marks) == 0:
        return None
    short = counts[counts[what] < marks[-1]].sort_values([what, "name"])
    if len(short) == 0:
        return None
    values = short[what].to_numpy()
    following = marks[np.searchsorted(marks, values, side="right")]
    if len(short) > 1 and (len(short) == len(counts) or (len(counts) >= 10 and len(short) * 2 > len(counts))):
        told = list_some(f"{name} ({value:,})" for name, value in zip(short["name"], values, strict=True))
        lowest = int((values < marks[0]).sum())
        least = f" ({lowest:,} under {marks[0]:,})" if lowest and following[-1] > marks[0] else ""
        message = f"{len(short):,} of {len(counts):,} classes under {following[-1]:,} {what}{least}: {told}"
        row = {"subject": "set", "message": message, "value": int(values[0]), "threshold": int(following[-1])}
        return pd.DataFrame([row])
    names = short["name"].tolist()
    return pd.DataFrame(
        {
            "subject": names,
            "name": names,
            "category_id": short["category_id"].to_numpy(),
            "value": values,
            "threshold": following,
        }
    )


@rule(
    Severity.INFO,
    confidence="medium",
    message="{name}: {boxes:,} boxes in {where}, none in {value:,} images of {missing}: labelled there?",
)
def class_coverage(
    scan: Scan, *, min_images: int = 20, min_expected: float = 10.0, max_folders: int = 8
) -> Table | None:
    """A class that one part of the set labels and another never does.

    Where sets with different class lists are put together, the objects of a class that one of them did not
    label become background there, and the model is punished for finding them. The parts are the sources of a
    merge, or the first folders by which the files differ (train, val, images, labels and the like are no
    parts: see `class-missing-from-split`; nor are folders named after a class).

    A part of at least `min_images` images without the class is told when the class's share elsewhere lets
    one expect it in `min_expected` (10) images or more of the part. Folders of more than `max_folders` (8)
    kinds are taken for scenes or recordings, in which classes come and go. The three numbers are our choice.
    Look at some images of the part: if the class is there, label it, or leave the class or the part out.

    >>> import dsq
    >>> boxes = [(f"a/{n}.jpg", name, 10, 10, 20, 30) for n in range(30) for name in ("car", "bus")]
    >>> boxes += [(f"b/{n}.jpg", "car", 10, 10, 20, 30) for n in range(40)]
    >>> dsq.audit(dsq.build_dataset(boxes), select=["class-coverage"]).messages()
    ['bus: 30 boxes in a, none in 40 images of b: labelled there?']
    """
    if len(scan.boxes) == 0:
        return None
    spoken = (scan.images["label_state"] != "unlabelled").to_numpy()
    found = scan.parts(max_folders)
    if found is None:
        return None
    codes, parts = found
    sizes = np.bincount(codes[spoken], minlength=len(parts))
    pairs = scan.classes_by_image
    grid = (len(scan.categories), len(parts))
    cells = pairs["category_row"].to_numpy() * len(parts) + codes[pairs["image_row"].to_numpy()]
    images = np.bincount(cells, minlength=grid[0] * grid[1]).reshape(grid)
    boxes = np.bincount(cells, weights=pairs["boxes"], minlength=grid[0] * grid[1]).reshape(grid).astype(np.int64)
    labelling = images > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.nan_to_num(images.sum(1) / (labelling * sizes).sum(1))
    lacking = ~labelling & (sizes >= min_images) & (np.outer(rate, sizes) >= min_expected)
    rows = []
    declared = scan.categories["declared"].to_numpy()
    for row in np.flatnonzero(lacking.any(1) & declared):
        name = scan.categories["name"].iloc[row]
        facts = {"subject": name, "name": name, "category_id": scan.categories["category_id"].iloc[row]}
        facts |= {
            "boxes": boxes[row].sum(),
            "value": int(sizes[lacking[row]].sum()),
            "threshold": min_expected,
        }
        facts["where"] = list_some(np.array(parts)[labelling[row]], 3)
        facts["missing"] = list_some(np.array(parts)[lacking[row]], 3)
        rows.append(facts)
    return pd.DataFrame(rows).sort_values("name") if rows else None

"""How large the splits are, and which classes each can teach or measure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dsq.rule import Severity, list_some, rule
from dsq.scan import Scan, Table

#: names of lists that hold all images of a set
WHOLE = ("default", "trainval", "all")
#: the reader's notice of splits that are one
SAME_IMAGES = "same-images-in-two-splits"


def _split_size(scan: Scan, name: str) -> tuple[int, int]:
    """Images and boxes of a split; images about which nothing is said or that are not there are left out."""
    chosen = ((scan.images["split"] == name) & (scan.images["label_state"] != "unlabelled")).to_numpy(bool)
    chosen = chosen & (scan.present | ~scan.present.any())
    return int(chosen.sum()), int(chosen[scan.image_row].sum())


@rule(Severity.WARNING, message="a train split and no val: nothing says when to stop or which model is better")
def no_validation_split(scan: Scan) -> Table | None:
    """No images are set aside for validation.

    What a model scores on the images it was trained on says nothing about new ones; trainers also choose the
    best epoch on the validation split, and some refuse to start without it. The usual advice is a fifth of
    the images (alwaysAI: 80/20, and the 80 again into train and val), chosen so that pictures of one scene
    stay together. A set without any split is told as a fact, and one list of all images (`default`, `trainval`,
    `all`) is no split; an annotation file given alone is not judged. A data.yaml that says in a comment of `dsq`
    that its val only stands in for one has none; where val is train without a word, that is told as an error
    by `same-source-in-two-splits`, and not here again.

    >>> import dsq
    >>> data = dsq.build_dataset([("a.jpg", "cat", 1, 1, 9, 9)], images=[{"file": "a.jpg", "split": "train"}])
    >>> dsq.audit(data, select=["no-validation-split"]).messages()
    ['a train split and no val: nothing says when to stop or which model is better']
    """
    splits = {split for split in scan.images["split"].dropna().unique() if split.lower() not in WHOLE}
    if len(scan.boxes) == 0 or not scan.about.listed or _is_trained_on(scan):
        return None
    if not splits:
        message = "no splits yet: set about a fifth aside for validation"
        return pd.DataFrame([{"subject": "set", "message": message, "severity": Severity.INFO}])
    if "train" not in splits or "val" in splits:
        return None
    row = {"subject": "set"}
    if "test" in splits:
        row["message"] = "train and test, but no val: the best model would be chosen on test"
    return pd.DataFrame([row])


def _is_trained_on(scan: Scan) -> bool:
    """Whether the reader found val to be the images of another split."""
    named = [notice.text.partition(" are the same ")[0] for notice in scan.about.notices if notice.kind == SAME_IMAGES]
    return any("val" in text.split(" and ") for text in named)


@rule(Severity.INFO, message="val is {count}: recall of two models differs by chance by up to {points:.0f} points")
def tiny_validation_split(
    scan: Scan, *, few: int = 5, min_share: float = 0.02, min_images: int = 100, max_points: float = 5.0
) -> Table | None:
    """A validation split too small to tell models apart.

    Of n objects a share is found; by chance alone that share lies within about ± 98/√n points of the truth
    (the 95 % interval of a binomial at one half; wider where the objects stand in few images, and AP also
    depends on the false alarms). With 30 objects that is 18 points: two trainings that differ by less cannot
    be told apart.

    `few` (5) images or fewer are a warning: a validation set of 2 to 5 images means nothing (Roboflow's
    guide). So is a split of less than `min_share` (2 %, our choice) of the training images while under
    `min_images` (100, our choice); any other under `min_images` is told with what it can show, where that is
    no better than ± `max_points` (5 points, our choice). Move images from train, whole scenes at a time, or
    validate in turns (folds).

    >>> import dsq
    >>> images = [{"file": f"{n}.jpg", "split": "train" if n < 40 else "val"} for n in range(44)]
    >>> data = dsq.build_dataset([(f"{n}.jpg", "cat", 1, 1, 9, 9) for n in range(44)], images=images)
    >>> dsq.audit(data, select=["tiny-validation-split"]).messages()
    ['val is 4 images with 4 boxes: that measures nothing (recall ± 49 points)']
    """
    images, boxes = _split_size(scan, "val")
    trained, _ = _split_size(scan, "train")
    if len(scan.boxes) == 0 or trained == 0 or images >= min_images or not (scan.images["split"] == "val").any():
        return None
    points = min(98 / max(boxes, 1) ** 0.5, 50.0)
    row: dict[str, Any] = {"subject": "val", "value": images, "threshold": min_images, "points": points}
    row["count"] = f"{images:,} {'image' if images == 1 else 'images'} with {boxes:,} boxes"
    if boxes == 0:
        row |= {
            "severity": Severity.WARNING,
            "message": f"val is {row['count']}: there is nothing to measure",
        }
    elif images <= few or images < min_share * trained:
        said = f"val is {row['count']}: that measures nothing (recall ± {points:.0f} points)"
        row |= {
            "severity": Severity.WARNING,
            "threshold": few if images <= few else min_images,
            "message": said,
        }
    elif points <= max_points:
        return None
    return pd.DataFrame([row])


@rule(Severity.WARNING, message="{name}: in {split} ({value:,}), not in train: it is never learned")
def class_missing_from_split(scan: Scan, *, min_boxes: int = 10, most: float = 0.5) -> Table | None:
    """A class that one split has and another lacks.

    A class in val or test that train does not have is never learned and pulls the score down. A class with
    `min_boxes` (10, our choice: below that a split by chance may miss it) or more in train and none in val
    is never measured: the mean leaves it out and looks better than it is. That is a fact to know, not a
    fault. Where more than `most` (half) of ten or more classes are so, it is told once. Split again, class
    by class.

    >>> import dsq
    >>> images = [{"file": "a.jpg", "split": "train"}, {"file": "b.jpg", "split": "val"}]
    >>> boxes = [("a.jpg", "cat", 1, 1, 9, 9), ("b.jpg", "cat", 1, 1, 9, 9), ("b.jpg", "dog", 20, 1, 9, 9)]
    >>> dsq.audit(dsq.build_dataset(boxes, images=images), select=["class-missing-from-split"]).messages()
    ['dog: in val (1), not in train: it is never learned']
    """
    table = scan.categories
    pairs = scan.classes_by_image
    split = scan.images["split"].astype(object).to_numpy()[pairs["image_row"].to_numpy()]
    boxes = {}
    for name in ("train", "val", "test"):
        chosen = pairs[split == name]
        boxes[name] = np.bincount(chosen["category_row"], weights=chosen["boxes"], minlength=len(table)).astype(int)
    if boxes["train"].sum() == 0:
        return None
    known = table["declared"].to_numpy()
    unlearned = {name: known & (boxes["train"] == 0) & (boxes[name] > 0) for name in ("val", "test")}
    parts = [_lacking(table, boxes[name], chosen, name) for name, chosen in unlearned.items()]
    unmeasured = known & (boxes["val"] == 0) & (boxes["train"] >= min_boxes) & (boxes["val"].sum() > 0)
    told = _lacking(table, boxes["train"], unmeasured, "train").assign(severity=Severity.INFO, threshold=min_boxes)
    used = int((known & (boxes["train"] > 0)).sum())
    if used >= 10 and len(told) > most * used:
        message = f"{len(told):,} of {used:,} classes of train are not in val: {list_some(told['name'])}"
        told = pd.DataFrame([{"subject": "set", "message": message, "value": len(told), "severity": Severity.INFO}])
    elif len(told):
        told["message"] = [
            f"{name}: in train ({value:,}), not in val: it is never measured"
            for name, value in zip(told["name"], told["value"], strict=True)
        ]
    kept = [part for part in [*parts, told] if len(part)]
    return pd.concat(kept, ignore_index=True) if kept else None


def _lacking(table: Table, boxes: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any], split: str) -> Table:
    names = table["name"].to_numpy(object)[chosen]
    rows = pd.DataFrame(
        {
            "subject": [f"{name} only in {split}" for name in names],
            "name": names,
            "category_id": table["category_id"].to_numpy()[chosen],
            "value": boxes[chosen],
            "split": split,
        }
    )
    return rows.sort_values("name", ignore_index=True)


@rule(Severity.INFO, message="{shares}: {advice}; 80/20 or 70/20/10 are usual")
def split_ratio(
    scan: Scan, *, min_train: float = 0.5, min_val: float = 0.05, enough: int = 500, min_images: int = 20
) -> Table | None:
    """Splits of unusual shares.

    Less than `min_train` (half) of the images in train gives away what could be learned from; a val of less
    than `min_val` (5 %) and of fewer than `enough` (500) images is noisy. The guides say 80/20 (alwaysAI) or
    70/20/10; the bounds are ours and wide. A note only: a fixed test set of any size is fine. Sets of fewer
    than `min_images` (20) images are left alone, and a val that `tiny-validation-split` calls too small is
    not told again.

    >>> import dsq
    >>> images = [{"file": f"{n}.jpg", "split": "train" if n < 10 else "val"} for n in range(40)]
    >>> data = dsq.build_dataset([("1.jpg", "cat", 1, 1, 9, 9)], images=images)
    >>> dsq.audit(data, select=["split-ratio"]).messages()
    ['train 25%, val 75%: a small part is trained on; 80/20 or 70/20/10 are usual']
    """
    sizes = scan.images["split"].dropna().astype(object).value_counts()
    total = int(sizes.sum())
    if total < min_images or not {"train", "val"} <= set(sizes.index):
        return None
    shares = {name: float(sizes[name]) / total for name in ("train", "val", "test") if name in sizes.index}
    if shares["train"] < min_train:
        advice, value, threshold = "a small part is trained on", shares["train"], min_train
    elif shares["val"] < min_val and 100 <= sizes["val"] < enough:
        advice, value, threshold = "a small part is validated on", shares["val"], min_val
    else:
        return None
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    row = {
        "subject": "set",
        "shares": told,
        "advice": advice,
        "value": round(value, 4),
        "threshold": threshold,
    }
    return pd.DataFrame([row])

"""A dataset's health in numbers: what `dsq info` prints and a report begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dsq.model import Dataset
from dsq.names import source_stems

SPLIT_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class Health:
    """Numbers about a dataset. `images` counts image rows whose file was found, or all rows where none was."""

    images: int
    without_file: int
    boxes: int
    classes: int
    background: int
    unlabelled: int
    problems: int
    splits: Mapping[str, int]  # images by split; "none": said of no split
    boxes_by_class: Mapping[str, int]
    images_by_class: Mapping[str, int]
    sizes: Mapping[str, int]  # "640x480" -> images, the most common first
    objects: tuple[float, int, int]  # objects a labelled image: mean, median, most
    sources: int  # distinct source images by name (Roboflow versions counted once)
    masks: int
    keypoints: int

    def counts(self) -> dict[str, Any]:
        """The counts as plain data, for JSON."""
        return {
            "images": self.images,
            "records_without_image": self.without_file,
            "boxes": self.boxes,
            "classes": self.classes,
            "background": self.background,
            "unlabelled": self.unlabelled,
            "problems": self.problems,
            "splits": dict(self.splits),
            "boxes_by_class": dict(self.boxes_by_class),
            "source_images": self.sources,
        }


def health(dataset: Dataset) -> Health:
    """Count what a person asks first."""
    images, boxes = dataset.images, dataset.boxes
    found = images["member"].notna().to_numpy()
    counted = images[found] if found.any() else images
    split = counted["split"].astype(object).where(counted["split"].notna(), "none")
    by_split = split.value_counts()
    order = [s for s in (*SPLIT_ORDER, *sorted(set(by_split.index) - set(SPLIT_ORDER))) if s in by_split.index]
    names = dict(zip(dataset.categories["category_id"], dataset.categories["name"], strict=True))
    per_class = boxes.groupby("category_id", sort=False)["image_id"].agg(["size", "nunique"])
    per_class = per_class.reindex(list(names), fill_value=0)
    per_class = per_class.sort_values("size", ascending=False, kind="stable")
    per_image = boxes["image_id"].value_counts().to_numpy()
    state = counted["label_state"].astype(str)
    return Health(
        images=len(counted),
        without_file=int((~found).sum()) if found.any() else 0,
        boxes=len(boxes),
        classes=int(dataset.categories["declared"].sum()),
        background=int((state == "background").sum()),
        unlabelled=int((state == "unlabelled").sum()),
        problems=len(dataset.problems),
        splits={str(name): int(by_split[name]) for name in order},
        boxes_by_class={str(names[i]): int(n) for i, n in per_class["size"].items()},
        images_by_class={str(names[i]): int(n) for i, n in per_class["nunique"].items()},
        sizes=_sizes(counted),
        objects=(
            (float(per_image.mean()), int(np.median(per_image)), int(per_image.max()))
            if len(per_image)
            else (0.0, 0, 0)
        ),
        sources=len(set(source_stems(counted["file"].tolist()))),
        masks=sum(len(bytes(mask)) > 2 for mask in boxes["segmentation"].dropna()),
        keypoints=int(boxes["keypoints"].notna().sum()),
    )


def _sizes(images: pd.DataFrame) -> dict[str, int]:
    known = images[images["width"].notna() & images["height"].notna()]
    counts = known.groupby(["width", "height"]).size().sort_values(ascending=False, kind="stable")
    sizes = counts.index.to_frame(index=False).astype(int).itertuples(index=False)
    return {f"{width}×{height}": int(n) for (width, height), n in zip(sizes, counts, strict=True)}

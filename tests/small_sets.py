"""Small datasets for the tests of the transforms."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from dsq.model import Dataset, build_dataset

CLASSES = ("car", "dog", "person", "van")
SPLITS = (None, "train", "val")


@st.composite
def datasets(draw: st.DrawFn, *, most: int = 12, folder: str = "") -> Dataset:
    """Datasets of a few images with boxes inside them, in every label state and split."""
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, most))):
        width, height = draw(st.integers(20, 900)), draw(st.integers(20, 900))
        state = draw(st.sampled_from(["labelled", "labelled", "background", "unlabelled"]))
        file = f"{folder}{draw(st.sampled_from(['', 'a/', 'b/']))}{number}.jpg"
        images.append(
            {
                "file": file, "width": width, "height": height, "label_state": state,
                "split": draw(st.sampled_from(SPLITS)), "source": "set",
            }
        )  # fmt: skip
        for _ in range(draw(st.integers(1, 3)) if state == "labelled" else 0):
            x, y = draw(st.integers(0, width - 10)), draw(st.integers(0, height - 10))
            boxes.append(
                {
                    "file": file, "category": draw(st.sampled_from(CLASSES)), "x": float(x), "y": float(y),
                    "width": float(draw(st.integers(1, width - x))), "height": float(draw(st.integers(1, height - y))),
                    "difficult": draw(st.sampled_from([None, True, False])),
                }
            )  # fmt: skip
    return build_dataset(boxes, images=images, classes=CLASSES)


def shuffled(dataset: Dataset, seed: int) -> Dataset:
    """The same dataset with its images and boxes in another order."""
    random = np.random.default_rng(seed)
    return dataset.replace(
        images=dataset.images.iloc[random.permutation(len(dataset.images))].reset_index(drop=True),
        boxes=dataset.boxes.iloc[random.permutation(len(dataset.boxes))].reset_index(drop=True),
    )


def said(dataset: Dataset) -> list[Any]:
    """What a dataset says, without ids and order: for comparison."""
    names = dict(zip(dataset.categories["category_id"], dataset.categories["name"], strict=True))
    boxes: dict[int, list[Any]] = {}
    for box in dataset.boxes.itertuples():
        row = (
            names[box.category_id],
            *(round(v, 6) for v in (box.x, box.y, box.width, box.height)),
            str(box.difficult),
        )
        boxes.setdefault(box.image_id, []).append(row)
    return sorted(
        (i.file, str(i.split), i.label_state, str(i.width), str(i.height), tuple(sorted(boxes.get(i.image_id, ()))))
        for i in dataset.images.itertuples()
    )

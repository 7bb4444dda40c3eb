"""Datasets made by hypothesis: what real sets hold, in small, with the oddities that break converters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from PIL import Image

from dsq.model import BOXES, CATEGORIES, FILES, IMAGES, PROBLEMS, About, Dataset, make_table

SIZES = ((64, 48), (33, 50), (120, 90), (640, 480))
SUFFIXES = (".jpg", ".png", ".JPG", ".jpeg")
FOLDERS = ("", "", "", "a/", "b/", "a/b/", "images/", "train/", "Straße 7/", "日本/", "v1.0/")
STEMS = (
    "1", "img", "img.v2", "000000000139", "IMG_0001", "a b", "écran", "猫", "x+y", "no", "-dash", "tail_", "a&b",
    "it's",
)  # fmt: skip
CLASSES = ("cat", "dog", "traffic light", "no", "yes", "0", "7", "naïve", "猫", 'a "b"', "c<d>&e", "x:y", "person")
SPLITS: tuple[tuple[str | None, ...], ...] = (
    (None,), (None,), ("train",), ("train", "val"), ("train", "val", "test"), ("train", None), ("fold1", "fold2"),
)  # fmt: skip
FLAG = st.sampled_from([None, None, False, True])


def make_pool(folder: Path) -> Path:
    """A small picture of each size and suffix, to which the images of made datasets point."""
    for size in SIZES:
        for suffix in SUFFIXES:
            shade = (40 + size[0] // 4, 120, 10 + 60 * SUFFIXES.index(suffix))
            Image.new("RGB", size, shade).save(folder / _in_pool(size, suffix))
    return folder


def _in_pool(size: tuple[int, int], suffix: str) -> str:
    return f"{size[0]}x{size[1]}{suffix}"


@st.composite
def datasets(
    draw: st.DrawFn,
    pool: Path,
    *,
    inside: bool = False,
    flags: bool = True,
    crowd: bool = True,
    masks: bool = True,
    keypoints: bool = False,
    scores: bool = False,
    undeclared: bool = False,
    most: int = 7,
) -> Dataset:
    """A dataset of no format whose images lie in `pool` (see `make_pool`): file names, and even stems in one folder,
    that collide but for case and suffix, splits or none, background and unlabelled images, unused classes.

    inside: boxes have an area and lie in their image. crowd: some boxes are crowds, with run lengths where masks are
    asked for. undeclared: the last class may be one that no list declares. most: images at most.
    """
    classes = draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=5, unique=True))
    first = draw(st.sampled_from([0, 1, 1, 5]))
    category_ids = [first + step * draw(st.sampled_from([1, 1, 3])) for step in range(len(classes))]
    if len(set(category_ids)) < len(classes):
        category_ids = list(range(first, first + len(classes)))
    names = draw(
        st.lists(
            st.builds(lambda *parts: "".join(parts), *map(st.sampled_from, (FOLDERS, STEMS, SUFFIXES))),
            min_size=1, max_size=most, unique=True,
        )
    )  # fmt: skip
    splits = draw(st.sampled_from(SPLITS))
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    shape = _Shape(inside, flags, crowd, masks, keypoints, scores)
    ids = draw(st.permutations(range(1, 4 * len(names) + 1)))
    for name, number in zip(names, ids, strict=False):
        width, height = draw(st.sampled_from(SIZES))
        state = draw(st.sampled_from(["labelled", "labelled", "background", "unlabelled"]))
        images.append(
            {
                "image_id": number, "file": name, "root": str(pool),
                "member": _in_pool((width, height), name[name.rindex(".") :]), "width": width, "height": height,
                "split": draw(st.sampled_from(splits)), "label_state": state,
            }
        )  # fmt: skip
        for _ in range(draw(st.integers(1, 4)) if state == "labelled" else 0):
            box = draw(_box(width, height, shape))
            boxes.append(box | {"image_id": number, "category_id": draw(st.sampled_from(category_ids))})
    boxes = draw(st.permutations(boxes))
    numbers = draw(st.permutations(range(1, 3 * len(boxes) + 1)))
    table = make_table(
        CATEGORIES, len(classes), category_id=category_ids, name=classes,
        supercategory=[draw(st.sampled_from([None, "thing"])) for _ in classes],
        declared=[True] * (len(classes) - 1) + [not (undeclared and len(classes) > 1)],
    )  # fmt: skip
    return Dataset(
        images=_table(IMAGES, images),
        boxes=_table(BOXES, [box | {"box_id": number} for box, number in zip(boxes, numbers, strict=False)]),
        categories=table,
        problems=make_table(PROBLEMS, 0),
        files=make_table(FILES, 0),
        about=About(format="none", root=str(pool)),
    )


class _Shape:
    def __init__(self, inside: bool, flags: bool, crowd: bool, masks: bool, keypoints: bool, scores: bool) -> None:
        self.inside, self.flags, self.crowd, self.masks = inside, flags, crowd, masks
        self.keypoints, self.scores = keypoints, scores


@st.composite
def _box(draw: st.DrawFn, width: int, height: int, shape: _Shape) -> dict[str, Any]:
    x, y = draw(_length(0, width - 2)), draw(_length(0, height - 2))
    box: dict[str, Any] = {
        "x": x, "y": y, "width": draw(_length(1, width - x)), "height": draw(_length(1, height - y)),
        "crowd": shape.crowd and draw(st.integers(0, 5)) == 0,
    }  # fmt: skip
    if not shape.inside:
        odd = draw(st.sampled_from([None] * 8 + ["past", "before", "flat"]))
        if odd == "past":
            box["width"] += width
        elif odd == "before":
            box["x"] -= 5.5
        elif odd == "flat":
            box["height"] = 0.0
    if shape.masks and (box["crowd"] or draw(st.booleans())):
        box["segmentation"] = _run_lengths(box, width, height) if box["crowd"] else draw(_polygons(box))
    if shape.keypoints and draw(st.booleans()):
        points = [[draw(_length(0, width)), draw(_length(0, height)), draw(st.sampled_from([1, 2]))] for _ in range(3)]
        box["keypoints"] = json.dumps([value for point in [*points[:2], [0, 0, 0]] for value in point]).encode()
    if shape.flags:
        box |= {flag: draw(FLAG) for flag in ("difficult", "truncated", "occluded")}
    if shape.scores:
        box["score"] = draw(st.sampled_from([0.25, 0.5, 0.875]))
    area = draw(st.sampled_from(["none", "none", "box", "own"]))
    if area != "none":
        box["area"] = box["width"] * box["height"] * (1.0 if area == "box" else 0.6)
    return box


def _length(low: float, high: float) -> st.SearchStrategy[float]:
    """Pixels: whole, with two decimals, or any."""
    whole = st.integers(int(np.ceil(low)), max(int(np.ceil(low)), int(high))).map(float)
    hundredths = st.integers(int(np.ceil(low * 100)), int(high * 100)).map(lambda value: value / 100)
    return st.one_of(whole, hundredths, st.floats(low, high, allow_subnormal=False)).filter(lambda v: low <= v <= high)


@st.composite
def _polygons(draw: st.DrawFn, box: dict[str, Any]) -> bytes:
    """One or two polygons that together span the box."""
    x, y = box["x"], box["y"]
    right, bottom = x + box["width"], y + box["height"]
    if draw(st.booleans()):
        return json.dumps([[x, y, right, y, right, bottom, x, bottom]]).encode()
    middle = (x + right) / 2
    return json.dumps([[x, y, middle, y, x, bottom], [middle, bottom, right, bottom, right, y]]).encode()


def _run_lengths(box: dict[str, Any], width: int, height: int) -> bytes:
    """The pixels of the box as run lengths, column by column."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[int(max(box["y"], 0)) : int(box["y"] + box["height"]) + 1, int(max(box["x"], 0)) :][
        :, : int(box["width"]) + 1
    ] = 1
    flat = pixels.ravel(order="F")
    ends = np.r_[np.flatnonzero(np.diff(flat)) + 1, len(flat)]
    counts = np.diff(np.r_[0, ends]).tolist()
    return json.dumps({"size": [height, width], "counts": counts if not flat[0] else [0, *counts]}).encode()


def _table(schema: dict[str, str], rows: list[dict[str, Any]]) -> pd.DataFrame:
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = {key: [row.get(key, np.nan if schema[key] == "float" else None) for row in rows] for key in keys}
    return make_table(schema, len(rows), **columns)

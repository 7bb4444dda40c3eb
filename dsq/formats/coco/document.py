"""One COCO file as columns: its images, its boxes, its categories and what belongs to none of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from dsq.formats.coco.columns import Annotations, Images
from dsq.formats.coco.json import read_json
from dsq.formats.coco.records import Problem
from dsq.formats.coco.values import as_int, kind_of, pack, place_of, rest_of, show, stand_in
from dsq.formats.json_values import value_of
from dsq.formats.layout import Request, no_collection, split_of, split_of_path, stem
from dsq.formats.naming import UNASSIGNED
from dsq.masks import mask_extents

Array: TypeAlias = NDArray[Any]

#: what a file holds, by the first word of its name
_TASKS = {
    "instances": "boxes", "person_keypoints": "keypoints", "keypoints": "keypoints", "captions": "captions",
    "panoptic": "panoptic segments", "stuff": "stuff", "image_info": "image records only",
    "labels": "labels without boxes",
}  # fmt: skip
_NAME = re.compile(rf"({'|'.join(_TASKS)})_(.+)")
_IMAGES = {
    "id": np.int64, "name": object, "width": np.int64, "height": np.int64, "extras": object, "index": np.int64
}  # fmt: skip
_BOXES = {
    "id": np.int64, "image_id": np.int64, "category_id": np.int64, "x": np.float64, "y": np.float64,
    "width": np.float64, "height": np.float64, "area": np.float64,
    "crowd": np.bool_, "segmentation": object, "keypoints": object, "score": np.float64, "difficult": np.int8,
    "truncated": np.int8, "occluded": np.int8, "extras": object, "index": np.int64,
}  # fmt: skip


@dataclass
class Category:
    """A category record; id at or below STAND_IN: the file states no usable one."""

    id: int
    name: str
    supercategory: str | None
    extras: bytes | None


@dataclass
class Document:
    """One COCO file. images and boxes: columns by name (see coco_columns); an id at or below STAND_IN is made up.

    task: "boxes", "keypoints", "stuff" and so on. lost: ids of images whose boxes were left out. class_texts:
    category ids that are text, by the number that stands for them. nameless: numbers of image records without an
    id.
    outline: raw text by top-level key, the two long lists empty. problems: (kind, place, what).
    """

    name: str
    task: str
    split: str | None
    images: dict[str, Array]
    boxes: dict[str, Array]
    categories: list[Category]
    outline: dict[str, bytes]
    problems: list[Problem]
    lost: list[int]
    without_crowd: int
    class_texts: dict[int, str]
    nameless: list[int]

    @property
    def counts(self) -> str:
        """Its size in words."""
        return f"{len(self.images['id']):,} images, {len(self.boxes['id']):,} boxes"


class _Lists:
    """The two lists of a file, being read."""

    def __init__(self) -> None:
        images: dict[str | int, int] = {}
        self.classes: dict[str | int, int] = {}
        self.images = Images(images)
        self.annotations = Annotations(images, self.classes)

    def take(self, key: str, text: memoryview | bytes) -> None:
        (self.images if key == "images" else self.annotations).take(text)


def read_document(request: Request, name: str) -> Document:
    """Read one file. Raises ReadError where it is no JSON, OtherTaskError where it holds captions or segments."""
    with no_collection():
        lists, outline = read_json(request.source, name, _Lists, request.progress)
        images = {key: lists.images.joined(key, dtype) for key, dtype in _IMAGES.items()}
        boxes = {key: lists.annotations.joined(key, dtype) for key, dtype in _BOXES.items()}
    annotations = lists.annotations
    boxes = _boxes_from_masks(boxes, annotations)
    problems = lists.images.all_problems() + annotations.all_problems()
    for key in ("images", "annotations"):
        if outline.get(key, b"[]") not in (b"[]", b"null"):
            text = show(Raw(outline[key]))
            problems.append(("malformed-record", "", f"{key} is {text} where a list belongs; it was left out"))
    return Document(
        name=name,
        task=_task(name, annotations, outline),
        split=split_of_name(request, name),
        images=images,
        boxes=boxes,
        categories=read_categories(outline, lists.classes, problems),
        outline=outline,
        problems=problems,
        lost=annotations.lost,
        without_crowd=annotations.without_crowd,
        class_texts={number: text for text, number in lists.classes.items() if isinstance(text, str)},
        nameless=[number for text, number in lists.images.aliases.items() if isinstance(text, int)],
    )


def task_of(name: str) -> tuple[str, str] | None:
    """(task, subset) that a file's name states in COCO's way, "captions_val2017.json"; None where it does not."""
    found = _NAME.fullmatch(stem(name).lower())
    return (_TASKS[found[1]], found[2]) if found else None


def subset_of(name: str) -> str:
    """The word of a file's name that may name its images' folder: "instances_val2017.json" -> "val2017"."""
    base = re.sub(r"\.coco$", "", stem(name))
    found = re.fullmatch(rf"(?:{'|'.join(_TASKS)}|annotations?|coco)[_\-.](.+)", base, re.IGNORECASE)
    return found[1] if found else base


def split_of_name(request: Request, name: str) -> str | None:
    """The split that a file's name or folder says."""
    base = re.sub(r"\.coco$", "", stem(name))
    split = split_of(base)
    for word in re.split(r"[_\-. ]+", base):
        split = split or split_of(word)
    named = task_of(name)
    if named and named[1] == UNASSIGNED:
        return None
    if split is None and named and named[0] in ("boxes", "keypoints") and named[1] != "default":
        split = subset_of(name)
    if split is None:
        split = split_of_path(name)
    if split is None and request.focus is not None:
        split = split_of(Path(request.source.root).name)
    return split


def _task(name: str, annotations: Annotations, outline: dict[str, bytes]) -> str:
    named = task_of(name)
    if annotations.count and not annotations.boxed:
        return "labels without boxes"
    if not annotations.count and ((named and named[0] == "image records only") or "annotations" not in outline):
        return "image records only"
    return named[0] if named and named[0] in ("keypoints", "stuff") else "boxes"


def _boxes_from_masks(boxes: dict[str, Array], annotations: Annotations) -> dict[str, Array]:
    """Fill in boxes that only the mask tells; what cannot be told is taken out."""
    rows = np.flatnonzero(np.isnan(boxes["x"]))
    if not len(rows):
        return boxes
    extents = mask_extents(boxes["segmentation"][rows])
    good = extents[extents["error"] == ""]
    filled = rows[good["row"].to_numpy()]
    boxes["x"][filled], boxes["y"][filled] = good["x0"], good["y0"]
    boxes["width"][filled], boxes["height"][filled] = good["x1"] - good["x0"], good["y1"] - good["y0"]
    errors = dict(zip(rows[extents["row"].to_numpy()].tolist(), extents["error"].tolist(), strict=True))
    bad = []
    columns = (boxes[name][rows].tolist() for name in ("id", "index"))
    for row, number, index in zip(rows.tolist(), *columns, strict=True):
        place = place_of("annotation", number, index)
        why = errors.get(row, "it is empty")
        if why:
            bad.append(row)
            annotations.lose(place, f"it has no bbox, and its mask tells none: {why}; the box was left out")
        else:
            annotations.note("it has no bbox; the extents of its mask were taken", place)
    annotations.lost += boxes["image_id"][bad].tolist()
    return {key: np.delete(values, bad, axis=0) for key, values in boxes.items()} if bad else boxes


def read_categories(
    outline: dict[str, bytes], aliases: dict[str | int, int], problems: list[Problem]
) -> list[Category]:
    """The category records, with a problem for each that is odd."""
    text = outline.get("categories", b"[]")
    try:
        raws = msgspec.json.decode(text, type=list[Raw])
    except msgspec.ValidationError:
        if text != b"null":
            problems.append(("malformed-record", "", f"categories is {show(Raw(text))} where a list belongs"))
        return []
    found: list[Category] = []
    names: dict[int, str] = {}
    for index, raw in enumerate(raws):
        try:
            record = msgspec.json.decode(raw, type=dict[str, Raw])
        except msgspec.ValidationError:
            what = f"{show(raw)} stands where a category belongs; it was left out"
            problems.append(("malformed-record", f"categories[{index}]", what))
            continue
        extras = rest_of(record, ("id", "name", "supercategory"))
        stated = value_of(record["id"]) if "id" in record else None
        number = as_int(stated)
        place = f"category id {number}" if number is not None else f"categories[{index}]"
        if type(stated) is not int or number is None:
            extras |= {"id": bytes(record["id"])} if "id" in record else {}
            said = "it has no id"
            if "id" in record:
                said = f"its id is {kind_of(record['id'])}, not a whole number"
            problems.append(("malformed-record", place, said))
        if number is None:
            number = stand_in(aliases, stated if isinstance(stated, str) and stated.strip() else index)
        name = value_of(record["name"]) if "name" in record else None
        if not isinstance(name, str):
            extras |= {"name": bytes(record["name"])} if "name" in record else {}
            said = show(record.get("name"))
            name = said if "name" in record and name is not None else str(number)
            what = f"its name is {said}, not text; it is called {name} here"
            problems.append(("malformed-record", place, what))
        above = value_of(record["supercategory"]) if "supercategory" in record else None
        if "supercategory" in record and not isinstance(above, str):
            extras["supercategory"] = bytes(record["supercategory"])
            above = None
        if number in names:
            other = names[number]
            what = f"id {number} is {other} and {name}; its boxes are taken for {other}"
            if other == name:
                what = f"id {number} ({name}) is listed twice; the second is left out"
            problems.append(("duplicate-id", place, what))
            if other == name:
                continue
        else:
            names[number] = name
        found.append(Category(number, name, above, pack(extras)))
    return found

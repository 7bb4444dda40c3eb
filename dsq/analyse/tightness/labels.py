"""The boxes of a dataset whose sides can be judged, in an order that is theirs and not the table's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.planting import box_keys, clip_boxes, draw, text_key
from dsq.model import Dataset, Table, text_or_none

Array = NDArray[Any]

#: pixels: boxes with a shorter side have no score; with a side shorter than the second one they are not judged
LEAST_SIDE, JUDGED_SIDE = 4.0, 12.0
#: pixels from the rim of the image within which a side lies at it: there a box ends where the image does
RIM = 2.0


class Labels(NamedTuple):
    """Boxes in the order of their images' content, class and corners; m of them.

    row: position in `boxes`. image: position in `images`. corners (m, 4) and size (m, 2) of the image in stored pixels.
    category: (m,) code of the class. key: (m,) uint64, what draws come from. group: (m,) which images belong together.
    judged: (m,) bool: the method can tell whether the box is loose or cut. content: (m,) SHA-256 in hex.
    """

    row: Array
    image: Array
    corners: Array
    size: Array
    category: Array
    key: Array
    group: Array
    judged: Array
    content: Array

    def __len__(self) -> int:
        return len(self.row)


def take_labels(dataset: Dataset, pixels: Table, groups: Array | None = None) -> Labels:
    """The boxes with a side of LEAST_SIDE or more inside images that can be decoded, no crowds.

    pixels: as `measure_images` gives them. groups: (images,) labels of images that belong together, -1: alone.
    Boxes that touch the rim of their image, that are flagged truncated or have a side under JUDGED_SIDE aren't judged.
    """
    images, boxes = dataset.images, dataset.boxes
    sound = pixels[(pixels["error"] == "") & pixels["content"].notna()]
    place = np.full(len(images), -1, np.int64)
    place[sound["row"].to_numpy()] = np.arange(len(sound))
    order = np.argsort(images["image_id"].to_numpy(), kind="stable")
    at = np.searchsorted(images["image_id"].to_numpy()[order], boxes["image_id"].to_numpy())
    image = order[at] if len(boxes) else np.empty(0, np.int64)
    x, y, width, height = (boxes[name].to_numpy(float) for name in ("x", "y", "width", "height"))
    able = (place[image] >= 0) & ~boxes["crowd"].to_numpy()
    able &= ~(images["unit"] == "relative").to_numpy()[image]
    with np.errstate(invalid="ignore", over="ignore"):
        corners = np.stack([x, y, x + width, y + height], 1)
        size = sound[["width", "height"]].to_numpy(float)[place[image]] if len(sound) else np.zeros((len(boxes), 2))
        corners = clip_boxes(corners, size)
        able &= ((corners[:, 2:] - corners[:, :2]) >= LEAST_SIDE).all(1)
    row = np.flatnonzero(able)
    image, corners, size = image[row], corners[row], size[row]
    content = text_or_none(sound["content"])[place[image]].astype(str)
    names = dict(zip(dataset.categories["category_id"].tolist(), dataset.categories["name"].tolist(), strict=True))
    classes = [names[number] for number in boxes["category_id"].to_numpy()[row].tolist()]
    category = np.unique(np.array(classes, object), return_inverse=True)[1] if classes else row
    contents, code = np.unique(content, return_inverse=True)
    key = box_keys(contents.tolist(), code, corners, classes)
    judged = judge_places(corners, size) & ~boxes["truncated"].fillna(False).to_numpy(bool)[row]
    group = _join(code, contents.tolist(), image, groups)
    order = np.lexsort((*corners.T[::-1], category, code))
    found = Labels(row, image, corners, size, category, key, group, judged, content)
    return Labels(*(values[order] for values in found))


def judge_places(corners: Array, size: Array) -> Array:
    """(n,) bool: boxes that are large enough and away from the rim of their image."""
    with np.errstate(invalid="ignore"):
        large = ((corners[:, 2:] - corners[:, :2]) >= JUDGED_SIDE).all(1)
        judged: Array = large & (corners[:, :2] > RIM).all(1) & (corners[:, 2:] < size - RIM).all(1)
    return judged


def _join(code: Array, contents: list[str], image: Array, groups: Array | None) -> Array:
    """A label a box: images of one content, and those that `groups` joins; numbered by the content that sorts first."""
    parent = np.arange(len(contents))

    def root(member: int) -> int:
        while parent[member] != member:
            parent[member] = member = parent[parent[member]]
        return int(member)

    if groups is not None and len(code):
        label = groups[image]
        joined = np.flatnonzero(label >= 0)
        first: dict[int, int] = {}
        pairs = np.unique(np.stack([label[joined], code[joined]], 1), axis=0)
        for number, member in pairs.tolist():
            one, other = sorted((root(first.setdefault(number, member)), root(member)))
            parent[other] = one
    return np.array([root(member) for member in range(len(contents))], np.int64)[code]


def draw_folds(labels: Labels, count: int) -> Array:
    """(m,) fold of each box, 0 to `count` - 1: groups stay together, folds hold about as many boxes.

    There are fewer folds where there are fewer groups.
    """
    groups, number, boxes = np.unique(labels.group, return_inverse=True, return_counts=True)
    first = np.full(len(groups), len(labels), np.int64)
    np.minimum.at(first, number, np.arange(len(labels)))
    names = np.array([text_key(text) for text in labels.content[first].tolist()], np.uint64)
    lot = draw(names, 1, 11)[:, 0]
    load = np.zeros(min(count, len(groups)), np.int64)
    fold = np.zeros(len(groups), np.int64)
    for group in np.lexsort((lot, -boxes)).tolist():
        fold[group] = np.argmin(load)
        load[fold[group]] += boxes[group]
    found: Array = fold[number]
    return found

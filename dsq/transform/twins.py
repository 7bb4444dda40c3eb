"""Byte-identical images made one: their boxes united, what disagrees told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset, Table, text_or_none
from dsq.transform.copies import Agreement, match_boxes, tell_differences
from dsq.transform.extras import object_array

Array = NDArray[Any]

_FILLED = ("difficult", "truncated", "occluded", "area", "score", "segmentation", "keypoints", "extras")
_CONFLICTS = ("kind", "file", "first", "second", "copy", "what")


class United(NamedTuple):
    """`dataset` with one image for all copies; `conflicts`: `kind`, `file` (of the first copy), `first` and `second`
    (sources), `copy` (file of the second), `what`; `kept`: positions of the images that are left; `copy_of`: (images
    before,) position in `kept` of the image that each became; `boxes`: how many boxes were the same as another's.
    """

    dataset: Dataset
    conflicts: Table
    kept: Array
    copy_of: Array
    boxes: int


def unite_twins(dataset: Dataset, digests: Sequence[str | None], known: Mapping[str, set[int]], rank: Array) -> United:
    """Unite images with an equal digest (None: never equal). The first by `rank` (images,) of them keeps its name,
    split and source.

    A box that two copies have is taken once, as the first states it, and what that does not say is filled in from the
    second; all others are kept. Two boxes of one class are one where their IoU is at least 0.8, or 0.5 where no edge is
    more than 1.5 pixels off (see `dsq.transform.copies`). Copies whose boxes are in different units, or that are to be
    resized differently, stay apart.

    Told are copies that disagree on the split, the size or the label state (`split-differs` …), on the corners, flags
    or masks of one box (`box-differs`), on the class of what lies at one place (`class-differs`; both are kept), and
    copies that lack a box of a class which their source (`known`: ids of the classes a source lists) labels
    (`boxes-differ`).
    """
    images = dataset.images
    frames = zip(digests, images["unit"], text_or_none(images["pixel_ops"]), strict=True)
    keys = [None if digest is None else f"{digest} {unit} {ops}" for digest, unit, ops in frames]
    codes = pd.factorize(pd.Series(keys, dtype=object))[0]
    first = np.arange(len(images))
    seen: dict[int, int] = {}
    order = np.argsort(rank, kind="stable")
    for row in order[codes[order] >= 0].tolist():
        first[row] = seen.setdefault(int(codes[row]), row)
    kept = np.flatnonzero(first == np.arange(len(images)))
    position = np.cumsum(first == np.arange(len(images))) - 1
    copy_of = position[first]
    copies = order[(first != np.arange(len(images)))[order]]
    if not len(copies):
        return United(dataset, _table([]), kept, copy_of, 0)
    boxes = dataset.boxes
    image_row = pd.Index(images["image_id"]).get_indexer(pd.Index(boxes["image_id"]))
    within = np.flatnonzero(np.isin(first[image_row], first[copies]))
    relative = (images["unit"] == "relative").to_numpy(bool)[image_row]
    same = match_boxes(boxes, within, first[image_row[within]], rank[image_row[within]], relative[within])
    conflicts = _disagreements(images, copies, first)
    conflicts += _unlike_boxes(dataset, same, image_row)
    conflicts += _missing_boxes(dataset, known, within, image_row, first, copies, same)
    filled, gone = _fill(boxes, same)
    ids = images["image_id"].to_numpy()
    filled["image_id"] = ids[first[image_row]]
    table = _states(images, first, copies)
    headers = dataset.headers
    if headers is not None:
        headers = headers[np.isin(headers["image_id"].to_numpy(), ids[kept])].reset_index(drop=True)
    stays = np.ones(len(boxes), bool)
    stays[gone] = False
    united = dataset.replace(
        images=table.iloc[kept].reset_index(drop=True), boxes=filled[stays].reset_index(drop=True), headers=headers
    )
    return United(united, _table(conflicts), kept, copy_of, len(gone))


def _disagreements(images: Table, copies: Array, first: Array) -> list[tuple[str, ...]]:
    """Copies whose split, size or state is another than that of the first."""
    found: list[tuple[str, ...]] = []
    files = images["file"].tolist()
    source, state = (images[name].astype(object).tolist() for name in ("source", "label_state"))
    split = text_or_none(images["split"]).tolist()
    settled = _settled_splits(images, first, copies).tolist()
    sides = [[None if value is pd.NA else value for value in images[name].tolist()] for name in ("width", "height")]
    for row in copies.tolist():
        head = int(first[row])
        who = (files[head], str(source[head]), str(source[row]), files[row])
        if split[row] and split[row] != settled[head]:
            found.append(("split-differs", *who, f"{settled[head]} and {split[row]}; it stays in {settled[head]}"))
        sizes = [(sides[0][at], sides[1][at]) for at in (head, row)]
        if None not in (*sizes[0], *sizes[1]) and sizes[0] != sizes[1]:
            said = " and ".join(f"{width}×{height}" for width, height in sizes)
            found.append(("size-differs", *who, f"declared {said}; the first was taken"))
        if {state[row], state[head]} == {"labelled", "background"}:
            found.append(("state-differs", *who, f"{state[head]} and {state[row]}; its boxes were kept"))
    return found


def _unlike_boxes(dataset: Dataset, same: Agreement, image_row: Array) -> list[tuple[str, ...]]:
    """Boxes that are one and of which two copies say different things; places to which they give two classes."""
    images, boxes = dataset.images, dataset.boxes
    files, source = images["file"].tolist(), images["source"].astype(object).tolist()
    names = dict(zip(dataset.categories["category_id"].tolist(), dataset.categories["name"], strict=True))
    label = [names[number] for number in boxes["category_id"].tolist()]
    found: list[tuple[str, ...]] = []

    def tell(kind: str, one: int, two: int, what: str) -> None:
        head, row = int(image_row[one]), int(image_row[two])
        found.append((kind, files[head], str(source[head]), str(source[row]), files[row], what))

    for row, what in tell_differences(boxes, same):
        one, two = int(same.taken[row]), int(same.given_up[row])
        tell("box-differs", one, two, f"{label[one]}: {what}; the first was kept")
    sides = boxes[["x", "y", "width", "height"]].to_numpy()
    for one, two in zip(same.one.tolist(), same.other.tolist(), strict=True):
        both = (f"{label[row]} {' '.join(f'{side:.7g}' for side in sides[row].tolist())}" for row in (one, two))
        tell("class-differs", one, two, f"{' and '.join(both)}; both were kept")
    return found


def _missing_boxes(
    dataset: Dataset,
    known: Mapping[str, set[int]],
    within: Array,
    image_row: Array,
    first: Array,
    copies: Array,
    same: Agreement,
) -> list[tuple[str, ...]]:
    """Copies that lack a box of a class which their source labels, one row a pair of copies."""
    images = dataset.images
    classes = dataset.boxes["category_id"].to_numpy()
    source = images["source"].astype(object).tolist()
    state = images["label_state"].astype(object).tolist()
    files = images["file"].tolist()
    met: dict[int, set[int]] = {}  # box -> images that have it, too
    for ones, twos in ((same.taken, same.given_up), (same.one, same.other)):
        for one, two in zip(ones.tolist(), twos.tolist(), strict=True):
            met.setdefault(one, set()).add(int(image_row[two]))
            met.setdefault(two, set()).add(int(image_row[one]))
    own: dict[int, list[int]] = {}
    for box in within.tolist():
        own.setdefault(int(image_row[box]), []).append(box)
    found: list[tuple[str, ...]] = []
    for row in copies.tolist():
        head = int(first[row])
        if state[head] != "labelled" or state[row] != "labelled":
            continue
        lacking = [
            sum(
                other not in met.get(box, ()) and int(classes[box]) in known.get(source[other], ())
                for box in own.get(at, ())
            )
            for at, other in ((head, row), (row, head))
        ]
        if any(lacking):
            what = f"boxes in the first alone: {lacking[0]}, in the second alone: {lacking[1]}; all were kept"
            found.append(("boxes-differ", files[head], str(source[head]), str(source[row]), files[row], what))
    return found


def _fill(boxes: Table, same: Agreement) -> tuple[Table, Array]:
    """The boxes with what later copies add, and the positions of those that an earlier copy has."""
    table = boxes.copy()
    later, earlier = same.given_up[::-1], same.taken[::-1]  # of several that add something the first has the last word
    masked = boxes["segmentation"].notna().to_numpy()
    fits = ~same.moved[::-1] | (masked[later] & ~masked[earlier])  # an area is that of its own box or mask
    for name in _FILLED if len(later) else ():
        column = boxes[name]
        unsaid = column.isna().to_numpy()
        adds = unsaid[earlier] & ~unsaid[later] & (fits if name == "area" else True)
        if adds.any():
            values = column.array.copy()
            values[earlier[adds]] = column.array[later[adds]]
            table[name] = values
    return table, np.sort(later)


def _states(images: Table, first: Array, copies: Array) -> Table:
    """The images with the state of the copy that says most: labelled, then background, then unlabelled."""
    rank = images["label_state"].astype(object).map({"labelled": 2, "background": 1, "unlabelled": 0}).to_numpy()
    best = rank.copy()
    np.maximum.at(best, first[copies], rank[copies])
    names = object_array(["unlabelled", "background", "labelled"])
    return images.assign(
        label_state=pd.Categorical(names[best.astype(np.int64)]),
        split=pd.Categorical(_settled_splits(images, first, copies)),
    )


def _settled_splits(images: Table, first: Array, copies: Array) -> Array:
    """(images,) the split of each; of a first copy that has none that of the next which has one."""
    splits = text_or_none(images["split"]).copy()
    for row in copies.tolist():
        if splits[first[row]] is None:
            splits[first[row]] = splits[row]
    return splits


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    return pd.DataFrame({name: object_array([row[at] for row in rows]) for at, name in enumerate(_CONFLICTS)})

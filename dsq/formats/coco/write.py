"""Write COCO: a JSON file a split, and for a COCO source the files it had."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from msgspec import UNSET, Raw
from numpy.typing import NDArray

from dsq.formats.coco.document import task_of
from dsq.formats.coco.extras import BOX_KEYS, IMAGE_KEYS, json_extras, said_extras, spelled, without_known
from dsq.formats.coco.kept import class_numbers, keep_files
from dsq.formats.coco.sheets import Plan, Records, Sheet, box_columns, class_list, write_sheets
from dsq.formats.coco.tables import rows_of
from dsq.formats.coco.text import Column, Derived, Numbers, numbers, values
from dsq.formats.layout import WriteOptions, split_of
from dsq.formats.leftovers import says_more
from dsq.formats.naming import fresh_names, split_folders
from dsq.losses import Losses
from dsq.masks import mask_extents
from dsq.model import Dataset, Table, text_or_none
from dsq.target import Target

Array: TypeAlias = NDArray[Any]

DECIMALS = 9  # of a pixel: what arithmetic leaves beyond them is noise
_NOISE = 1e-10
_LISTS = ("images", "annotations", "categories")
_EMPTY = (b"{}", b"[]", b"null", b'""')


def write(dataset: Dataset, target: Target, options: WriteOptions, losses: Losses) -> list[str]:
    """Write the JSON files; the name in the target of every image.

    A dataset that was read from COCO keeps its files, ids and keys, unless its splits are others now or a style asks
    for another layout. Any other gets annotations/instances_<split>.json and images/<split>. Unlabelled images are
    in no file.
    """
    plan = keep_files(dataset, losses) if options.style is None else None
    plan = plan or _lay_out(dataset, options.style, losses)
    write_sheets(plan, target, options.progress)
    return plan.names


def _lay_out(dataset: Dataset, style: str | None, losses: Losses) -> Plan:
    """The files of a dataset that gets a layout of its own."""
    images, boxes = dataset.images, dataset.boxes
    single = style == "alwaysai"
    folder = "JPEGImages" if single else "images"
    names, renamed = fresh_names(dataset, folder=folder, by_split=not single, pair_by_stem=False)
    losses.add("images-renamed", renamed)
    box_row = rows_of(images["image_id"].to_numpy(), boxes["image_id"].to_numpy())[0]
    recorded = _recorded(images, box_row, losses)
    image_ids = _ids(images, recorded, 0, losses)
    box_ids = _ids(boxes, recorded[box_row], 1, losses)
    classes = class_numbers(dataset.categories) if dataset.about.format == "coco" else None
    if classes is None:
        classes = np.arange(1, len(dataset.categories) + 1)
    losses.add_class_ids(dataset.categories["source_id"], classes)
    class_row = rows_of(dataset.categories["category_id"].to_numpy(), boxes["category_id"].to_numpy())[0]
    entries, unexplained = _shared_entries(dataset, losses)
    entries["categories"] = class_list(dataset.categories, classes.tolist(), losses)
    splits = text_or_none(images["split"])
    if single:
        losses.add("splits-dropped", sum(split is not None for split in splits.tolist()))
        sheet_names = [f"Annotations/{_set_name(images)}.json"]
        place, prefixes = np.zeros(len(images), np.int64), [f"{folder}/"]
    else:
        folders = split_folders(images)
        order = {split: at for at, split in enumerate(folders)}
        place = np.array([order.get(split, 0) for split in splits.tolist()], np.int64)
        sheet_names = [f"annotations/instances_{each}.json" for each in folders.values()]
        prefixes = [f"{folder}/{each}/" for each in folders.values()]
        if not folders:
            sheet_names, prefixes = ["annotations/instances.json"], [f"{folder}/"]
    sheets = []
    for at, name in enumerate(sheet_names):
        mine = recorded & (place == at)
        sheets.append(Sheet(name, entries, np.flatnonzero(mine), np.flatnonzero(mine[box_row])))
    held = (
        box_ids,
        Derived(len(box_row), np.int64, lambda rows: image_ids[box_row[rows]]),
        Derived(len(class_row), np.int64, lambda rows: classes[class_row[rows]]),
    )

    def files(rows: Array) -> list[str]:
        return [names[row].removeprefix(prefixes[at]) for row, at in zip(rows.tolist(), place[rows], strict=True)]

    keys = (*IMAGE_KEYS, "license") if unexplained else IMAGE_KEYS
    records = _image_records(images, image_ids, files, keys, losses)
    return Plan(names, sheets, records, _box_records(dataset, held, losses))


def _recorded(images: Table, box_row: Array, losses: Losses) -> Array:
    """(images,) bool: it gets a record, with boxes or as background. One without counts as unlabelled."""
    held = np.bincount(box_row, minlength=len(images)) > 0
    unsized = held & (images["unit"] == "relative").to_numpy(bool)
    emptied = (~held | unsized) & (images["label_state"] == "labelled").to_numpy(bool)
    absent = images["member"].isna().to_numpy(bool)
    losses.add("boxes-unsized", unsized[box_row].sum())
    losses.add("images-emptied", (emptied & ~absent).sum())
    found: Array = (held & ~unsized) | (~held & (images["label_state"] == "background").to_numpy(bool))
    losses.add("images-left-out", (absent & ~found).sum())
    return found


def _ids(table: Table, chosen: Array, lowest: int, losses: Losses) -> Array:
    """(n,) ids of the rows that are `chosen`: the source's where they tell rows apart, else the model's; those
    below `lowest` are made.
    """
    stated = table["source_id"].array
    known = ~np.asarray(stated.isna()) & chosen
    column = table.columns[0]
    ids: Array = table[column].to_numpy(np.int64)
    source: Array = stated.to_numpy(np.int64, na_value=0) if known.any() else ids
    if known[chosen].all() and len(np.unique(source[chosen])) == chosen.sum():
        ids = source
    low = chosen & (ids < lowest)
    if low.any():
        first = max(int(ids[chosen].max()), 0) + 1
        ids = ids.copy()
        ids[low] = np.arange(first, first + int(low.sum()))
    nought = known & (source == 0) & (ids != 0) & (lowest > 0)
    losses.add("annotation-id-zero", nought.sum())
    losses.add("ids-changed", (known & (ids != source) & ~nought).sum())
    return ids


def _image_records(images: Table, ids: Array, files: Column, keys: Sequence[str], losses: Losses) -> Records:
    """keys: what extras do not say of an image any more."""
    extras, others = json_extras(said_extras(images))
    losses.add("extras-dropped", others)
    losses.add("licences-dropped", len(spelled(extras, ("license",))) if "license" in keys else 0)
    columns: dict[str, Column] = {"id": numbers(ids), "file_name": files}
    for key in ("width", "height"):
        side = images[key].array
        columns[key] = numbers(side.to_numpy(np.int64, na_value=0), np.asarray(side.isna()))
    return Records(columns, without_known(extras, keys), {})


def _box_records(dataset: Dataset, ids: Sequence[Numbers], losses: Losses) -> Records:
    boxes = dataset.boxes
    sides: list[Numbers] = [boxes[key].to_numpy() for key in ("x", "y", "width", "height")]
    if dataset.about.format != "coco":
        sides = [_tidied(side) for side in sides]
    extras, others = json_extras(said_extras(boxes))
    losses.add("extras-dropped", others)
    area = _areas(boxes, sides[2], sides[3])
    columns, extras = box_columns(boxes, ids, sides, area, without_known(extras, BOX_KEYS), losses)
    if "keypoints" in columns:
        columns["num_keypoints"] = values(_count_keypoints(boxes["keypoints"].to_numpy(object), extras))
    return Records(columns, extras, {})


def _tidied(side: Numbers) -> Derived:
    return Derived(len(side), np.float64, lambda rows: _without_noise(side[rows]))


def _without_noise(side: Array) -> Array:
    """Lengths (n,) in pixels without what arithmetic left in the last digits."""
    rounded = np.round(side, DECIMALS)
    cleaned: Array = np.where(np.abs(rounded - side) < _NOISE, rounded, side)
    return cleaned


def _areas(boxes: Table, width: Numbers, height: Numbers) -> Numbers:
    """(n,) the declared areas, else those of the masks, else width x height."""
    area = boxes["area"].to_numpy()
    rows = np.flatnonzero(np.isnan(area))
    if not len(rows):
        return area
    if boxes["segmentation"].notna().any():
        masks = mask_extents(boxes["segmentation"].to_numpy(object)[rows])
        masks = masks[masks["error"] == ""]
        area = area.copy()
        area[rows[masks["row"].to_numpy()]] = masks["area"].to_numpy()

    def fill(rows: Any) -> Array:
        said = area[rows]
        made = _without_noise(np.maximum(width[rows], 0) * np.maximum(height[rows], 0))
        return np.where(np.isnan(said), made, said)

    return Derived(len(area), np.float64, fill)


def _count_keypoints(blobs: Array, extras: Array | None) -> Array:
    """(n,) how many keypoints are labelled, UNSET where there are none or extras say it."""
    found = np.full(len(blobs), UNSET, object)
    for row in np.flatnonzero(pd.notna(blobs)).tolist():
        if extras is None or b'"num_keypoints":' not in (extras[row] or b""):
            points = msgspec.json.decode(blobs[row])
            found[row] = sum(bool(seen) for seen in points[2::3]) if isinstance(points, list) else UNSET
    return found


def _shared_entries(dataset: Dataset, losses: Losses) -> tuple[dict[str, bytes], bool]:
    """The top level of every file: what all documents of a COCO source agree on, of one source among others its
    licences. A number stands for a list. And whether the documents list other licences each, so that none is written.
    """
    entries = {"info": b"{}", "licenses": b"[]"}
    documents = dataset.about.documents
    as_read = dataset.about.format == "coco"
    stated = {
        name: msgspec.json.decode(raw, type=dict[str, Raw])
        for name, raw in documents.items()
        if as_read or (dataset.about.format == "mixed" and name.lower().endswith(".json"))
    }
    said: dict[str, list[Raw]] = {}
    for document in stated.values():
        for key, raw in document.items():
            if key not in _LISTS and (as_read or key == "licenses"):
                said.setdefault(key, []).append(raw)
    agreed = {key: raws[0] for key, raws in said.items() if all(raw == raws[0] for raw in raws)}
    entries |= {key: bytes(raw) for key, raw in agreed.items()}
    lost = sum(
        any(key not in agreed and key not in _LISTS and bytes(raw) not in _EMPTY for key, raw in document.items())
        for document in stated.values()
    )
    lost += sum(says_more(name, raw) for name, raw in documents.items() if name not in stated)
    losses.add("documents-dropped", lost)
    return entries | {"images": b"0", "annotations": b"0"}, "licenses" in said and "licenses" not in agreed


def _set_name(images: Table) -> str:
    """The name of the one annotation file: its source's, where no reader takes it for a split or another task."""
    sources = images["source"].dropna().unique().tolist()
    name = re.sub(r"[^\w\- ]+", "_", str(sources[0])).strip("_ ") if len(sources) == 1 else ""
    words = re.split(r"[_\- ]+", name)
    return name if name and task_of(name) is None and not any(map(split_of, words)) else "annotations"

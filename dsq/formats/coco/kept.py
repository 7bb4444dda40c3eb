"""COCO written as it was read: the same JSON files with the same records, but for what was changed since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from msgspec import Raw
from numpy.typing import NDArray

from dsq.formats.coco.document import read_categories
from dsq.formats.coco.extras import BOX_KEYS, IMAGE_KEYS, own_spelling, said_extras
from dsq.formats.coco.sheets import Plan, Records, Sheet, box_columns, class_list
from dsq.formats.coco.tables import Classes, integers, rows_of
from dsq.formats.coco.text import numbers, values
from dsq.formats.layout import escapes
from dsq.losses import Losses
from dsq.model import Dataset, Table, text_or_none

Array: TypeAlias = NDArray[Any]

_NO_CLASS = -(1 << 62)
_record = msgspec.json.Decoder(dict[str, Raw])


def keep_files(dataset: Dataset, losses: Losses) -> Plan | None:
    """The files as they were; None where the dataset is no longer laid out in the files it was read from."""
    images, boxes, about = dataset.images, dataset.boxes, dataset.about
    if about.format != "coco":
        return None
    files: list[str] = images["file"].tolist()
    origin = images["origin_file"].array
    assert isinstance(origin, pd.Categorical)
    names = [str(name) for name in origin.categories]
    code = np.asarray(origin.codes, np.int64)
    spoken = code >= 0
    box_row = rows_of(images["image_id"].to_numpy(), boxes["image_id"].to_numpy())[0]
    if (
        not spoken.any()
        or not spoken[box_row].all()
        or (images["label_state"][~spoken] != "unlabelled").any()
        or not {names[each] for each in np.unique(code[spoken])} <= set(about.documents)
        or set(about.documents) & set(files)
        or any(map(escapes, files))
    ):
        return None
    documents = {name: _entries(raw) for name, raw in about.documents.items()}
    order = {name: place for place, name in enumerate(documents)}
    places = np.array([order.get(name, -1) for name in names], np.int64)[code]  # of unspoken ones never used
    box_place = places[box_row]
    class_row = rows_of(dataset.categories["category_id"].to_numpy(), boxes["category_id"].to_numpy())[0]
    table = _class_numbers(dataset, documents, box_place, class_row, losses)
    image_ids = _ids(images, np.where(spoken, places, -1), losses, zero=True)
    losses.add("images-left-out", (images["member"].isna().to_numpy(bool) & ~spoken).sum())
    box_ids = _ids(boxes, box_place, losses, zero=False)
    resized = images["pixel_ops"].notna().to_numpy()
    return Plan(
        files,
        list(_sheets(documents, np.where(spoken, places, -1), box_place)),
        _image_records(images, image_ids, resized),
        _box_records(boxes, (box_ids, image_ids[box_row], table[box_place, class_row]), losses),
    )


def _entries(document: bytes) -> dict[str, bytes]:
    return {key: bytes(raw) for key, raw in _record.decode(document).items()}


def _sheets(documents: Mapping[str, Mapping[str, bytes]], image_place: Array, box_place: Array) -> Sequence[Sheet]:
    """A sheet a document, but for those that lost all their images."""
    sheets = []
    for place, (name, entries) in enumerate(documents.items()):
        rows, boxes = np.flatnonzero(image_place == place), np.flatnonzero(box_place == place)
        if len(rows) or entries.get("images", b"0") in (b"0", b"null"):
            sheets.append(Sheet(name, entries, rows, boxes))
    return sheets


def _image_records(images: Table, ids: Array, resized: Array) -> Records:
    sides = {key: images[key].array for key in ("width", "height")}
    columns = {
        "id": numbers(ids),
        "file_name": values(images["file"].to_numpy(object)),
        **{key: numbers(side.to_numpy(np.int64, na_value=0), np.asarray(side.isna())) for key, side in sides.items()},
    }
    extras = said_extras(images)
    return Records(columns, extras, own_spelling(extras, columns, IMAGE_KEYS, resized))


def _box_records(boxes: Table, ids: tuple[Array, Array, Array], losses: Losses) -> Records:
    sides = [boxes[key].to_numpy() for key in ("x", "y", "width", "height")]
    columns, extras = box_columns(boxes, ids, sides, boxes["area"].to_numpy(), said_extras(boxes), losses)
    return Records(columns, extras, own_spelling(extras, columns, BOX_KEYS, np.zeros(len(boxes), np.bool_)))


def _ids(table: Table, place: Array, losses: Losses, *, zero: bool) -> Array:
    """The id of each row in its document: the source's own, else one after the largest. zero: 0 is an id like any."""
    stated = table["source_id"].array
    ids: Array = stated.to_numpy(np.int64, na_value=0)
    missing = np.asarray(stated.isna())
    nought = (ids == 0) & ~missing & (not zero)
    made = missing | nought
    if made.any():
        ids = ids.copy()
        for each in np.unique(place[made]):
            mine = place == each
            first = max(int(ids[mine & ~made].max(initial=0)), 0) + 1
            ids[mine & made] = np.arange(first, first + int((mine & made).sum()))
    losses.add("annotation-id-zero", nought.sum())
    extras = table["extras"].to_numpy(object)
    stray = np.flatnonzero(missing & (place >= 0)).tolist()
    losses.add("ids-changed", sum(not _has_text_id(extras[row]) for row in stray))
    return ids


def _has_text_id(blob: bytes | None) -> bool:
    said = bytes(_record.decode(blob).get("id", b"")) if blob is not None else b""
    return said.startswith(b'"')


def _class_numbers(
    dataset: Dataset, documents: dict[str, dict[str, bytes]], box_place: Array, class_row: Array, losses: Losses
) -> Array:
    """The category id of each class in each document (documents, classes).

    Where the classes are others than the documents list, these get a new list, the same for all.
    """
    table = dataset.categories
    declared = np.flatnonzero(table["declared"].to_numpy(bool))
    own = class_numbers(table)
    found = np.full((len(documents), len(table)), _NO_CLASS, np.int64)
    found[:, ~table["declared"].to_numpy(bool)] = own[~table["declared"].to_numpy(bool)]
    classes = Classes()
    lookups = [classes.unite(read_categories(entries, {}, [])) for entries in documents.values()]
    listed = table.iloc[declared]
    if (
        listed["name"].tolist() == classes.names
        and text_or_none(listed["supercategory"]).tolist() == classes.above
        and listed["source_id"].tolist() == list(integers(classes.source_ids))
    ):
        for place, lookup in enumerate(lookups):
            for number, row in reversed(lookup.items()):
                found[place, declared[row]] = number
        if (found[box_place, class_row] != _NO_CLASS).all():
            return found
    text = class_list(listed, own[declared].tolist(), losses)
    for entries in documents.values():
        entries["categories"] = text
    stated = listed["source_id"].array
    losses.add("class-ids-changed", (stated.to_numpy(np.int64, na_value=0) != own[declared])[~stated.isna()].sum())
    found[:] = own
    return found


def class_numbers(table: Table) -> Array:
    """The category ids of a COCO dataset: the source's own where no two classes share one."""
    stated = table["source_id"]
    if stated.isna().any() or stated.duplicated().any():
        return table["category_id"].to_numpy(np.int64)
    return stated.to_numpy(np.int64)

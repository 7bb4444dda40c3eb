"""What is to be written as COCO: records in columns, dealt out to one or more JSON files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from dsq.formats.coco.extras import CLASS_KEYS, flag_attributes, json_extras, without_known
from dsq.formats.coco.text import (
    CHUNK,
    Column,
    Numbers,
    constant,
    corners,
    numbers,
    raws,
    values,
    write_list,
    write_object,
)
from dsq.losses import Losses
from dsq.model import Table, text_or_none
from dsq.target import Target

Array: TypeAlias = NDArray[Any]


class Records(NamedTuple):
    """All rows of a list, whichever file each goes to: see `dsq.formats.coco.text.write_list`."""

    columns: Mapping[str, Column]
    extras: Array | None
    whole: Mapping[int, bytes]


class Sheet(NamedTuple):
    """One JSON file: its name, its entries (raw; a number stands for a list), and the rows of its two lists."""

    name: str
    entries: Mapping[str, bytes]
    images: Array
    boxes: Array


class Plan(NamedTuple):
    """names: of every image in the target; `images` and `boxes`: the records that the sheets share out."""

    names: list[str]
    sheets: Sequence[Sheet]
    images: Records
    boxes: Records


def box_columns(
    boxes: Table,
    ids: Sequence[Numbers],
    sides: Sequence[Numbers],
    area: Numbers,
    extras: Array | None,
    losses: Losses,
) -> tuple[dict[str, Column], Array | None]:
    """Columns of the annotations, and their extras without what the columns say.

    ids: (n,) of the box, its image and its category. sides: x, y, width, height. extras (n,): JSON objects or None.
    """
    crowd = boxes["crowd"].to_numpy(bool)
    attributes, extras, lost = flag_attributes(boxes, extras)
    losses.add("flags-dropped", lost)
    columns = {
        **{key: numbers(each) for key, each in zip(("id", "image_id", "category_id"), ids, strict=True)},
        "bbox": corners(sides),
        "area": numbers(area),
        "iscrowd": numbers(crowd.astype(np.int64)) if crowd.any() else constant(0),
    }
    for key in ("segmentation", "keypoints"):
        if boxes[key].notna().any():
            columns[key] = raws(boxes[key].to_numpy(object))
    if boxes["score"].notna().any():
        columns["score"] = numbers(boxes["score"].to_numpy())
    if attributes is not None:
        columns["attributes"] = values(attributes)
    return columns, extras


def class_list(table: Table, ids: Sequence[int], losses: Losses) -> bytes:
    """The categories as a JSON list."""
    blobs, others = json_extras(table["extras"].to_numpy(object))
    losses.add("extras-dropped", others)
    kept = without_known(blobs, CLASS_KEYS)
    above = text_or_none(table["supercategory"])
    records = []
    for number, name, parent, blob in zip(
        ids, table["name"], above, [None] * len(table) if kept is None else kept.tolist(), strict=True
    ):
        known = {"id": number, "name": name} | ({"supercategory": parent} if parent is not None else {})
        records.append(known | (msgspec.json.decode(blob, type=dict[str, Raw]) if blob else {}))
    return msgspec.json.encode(records)


def write_sheets(plan: Plan, target: Target, progress: Callable[[str, int, int], None] | None) -> None:
    """Write the JSON files."""
    for sheet in plan.sheets:
        entries: dict[str, bytes | Iterator[memoryview]] = dict(sheet.entries)
        for key, records, rows in (
            ("images", plan.images, sheet.images),
            ("annotations", plan.boxes, sheet.boxes),
        ):
            if len(rows) or sheet.entries.get(key, b"").isdigit():
                parts = write_list(records.columns, rows, records.extras, records.whole)
                entries[key] = _told(parts, progress, f"writing {sheet.name}", len(rows)) if progress else parts
        target.stream(sheet.name, write_object(entries))


def _told(
    parts: Iterator[memoryview], progress: Callable[[str, int, int], None], what: str, total: int
) -> Iterator[memoryview]:
    for count, part in enumerate(parts, 1):  # two parts a chunk
        yield part
        progress(what, min(count // 2 * CHUNK, total), total)

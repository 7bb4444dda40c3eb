"""What records say beyond the columns, on its way back into a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from msgspec import UNSET, Raw
from numpy.typing import NDArray

from dsq.formats.coco.text import Column
from dsq.formats.coco.values import ABSENT, FLAGS, as_int, as_number, flags_of
from dsq.formats.json_values import value_of
from dsq.formats.leftovers import count_extras
from dsq.model import Table

Array: TypeAlias = NDArray[Any]

IMAGE_KEYS = ("id", "file_name", "width", "height")
BOX_KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "keypoints", "score")
CLASS_KEYS = ("id", "name", "supercategory")

_ATTRIBUTES = b'"attributes":'
_encode = msgspec.json.Encoder().encode
_record = msgspec.json.Decoder(dict[str, Raw])


def said_extras(table: Table) -> Array | None:
    """The extras (n,) of a table; None where no row has any."""
    blobs = table["extras"].to_numpy(object)
    return blobs if pd.notna(blobs).any() else None


def json_extras(blobs: Array | None) -> tuple[Array | None, int]:
    """Extras (n,) that are JSON objects, and how many are the XML of another format that says something."""
    if blobs is None:
        return None, 0
    codes, kinds = pd.factorize(blobs)
    others = np.array([*(kind[:1] != b"{" for kind in kinds.tolist()), False], bool)[codes]
    if not others.any():
        return blobs, 0
    lost = count_extras(blobs[others])
    blobs = blobs.copy()
    blobs[others] = None
    return (blobs if pd.notna(blobs).any() else None), lost


def spelled(blobs: Array | None, keys: Sequence[str]) -> list[int]:
    """Rows whose extras speak of known keys: those of `keys` in a spelling of their own, or that they are absent."""
    if blobs is None:
        return []
    mark = re.compile(f'"(?:{"|".join((*keys, ABSENT))})":'.encode()).search
    return [row for row, blob in enumerate(blobs.tolist()) if blob is not None and mark(blob)]


def without_known(blobs: Array | None, keys: Sequence[str]) -> Array | None:
    """Extras (n,) without what they say of known keys."""
    rows = spelled(blobs, keys)
    if blobs is None or not rows:
        return blobs
    blobs = blobs.copy()
    for row in rows:
        rest = {key: raw for key, raw in _record.decode(blobs[row]).items() if key not in keys and key != ABSENT}
        blobs[row] = _encode(rest) if rest else None
    return blobs


def own_spelling(
    blobs: Array | None, columns: Mapping[str, Column], keys: Sequence[str], resized: Array
) -> dict[int, bytes]:
    """The whole record of each row whose extras speak of known keys, by row: a value as its source spelled it,
    unless the column says another one now; keys that were absent are left out.

    resized (n,): rows whose width and height are new.
    """
    rows = spelled(blobs, keys)
    places = np.array(rows, np.int64)
    found: dict[int, bytes] = {}
    if blobs is None:
        return found
    for row, *values in zip(rows, *(column(places) for column in columns.values()), strict=False):
        said = _record.decode(blobs[row])
        absent = set(msgspec.json.decode(said.pop(ABSENT, Raw(b"[]"))))
        if resized[row]:
            absent -= {"width", "height"}
        record = {}
        for key, value in zip(columns, values, strict=True):
            raw = said.pop(key, None) if key in keys else None
            if raw is not None and _says(key, raw, value):
                record[key] = raw
            elif value is not UNSET and not (key in absent and (key != "iscrowd" or not value)):
                record[key] = value
        found[row] = _encode(record | said)
    return found


def _says(key: str, raw: Raw, value: Any) -> bool:
    """Whether a reader takes the raw value for `value`, or for nothing that a column could hold."""
    said = value_of(raw)
    if key in ("id", "image_id", "category_id"):
        number = as_int(said)
        return number == value if number is not None else isinstance(said, str) and bool(said.strip())
    if key in ("width", "height"):
        size = as_number(said)
        return size is None or not size > 0 or value is UNSET or round(size) == value
    if key == "iscrowd":
        return bool(float(said) if isinstance(said, bool) else as_number(said)) == bool(value)
    if key == "bbox":
        return isinstance(said, list) and [as_number(part) for part in said] == list(value)
    if key in ("area", "score"):
        stated = as_number(said)
        return value is UNSET if stated is None else stated == value
    return key == "file_name" or value is UNSET


def flag_attributes(boxes: Table, blobs: Array | None) -> tuple[Array | None, Array | None, int]:
    """(n,) Raw `attributes` that tell the flags, or UNSET (None: no row has any), extras without a second such key,
    and how many rows have no place for their flags.

    Attributes that extras hold already get the flags where they do not say them.
    """
    if not any(boxes[flag].notna().any() for flag in FLAGS):
        return None, blobs, 0
    code = np.zeros(len(boxes), np.int8)
    for flag in FLAGS:
        code = 3 * code + boxes[flag].array.to_numpy(np.int8, na_value=-1) + 1
    texts = [_flags_text(number) for number in range(3 ** len(FLAGS))]
    lost = 0
    if blobs is not None:
        rows = [row for row in np.flatnonzero(code).tolist() if blobs[row] is not None and _ATTRIBUTES in blobs[row]]
        blobs = blobs.copy() if rows else blobs
        merged: dict[tuple[int, bytes], tuple[int, bytes, bool]] = {}
        for row in rows:
            key = int(code[row]), blobs[row]
            if key not in merged:
                merged[key] = _merge(*key, texts[key[0]])
            code[row], blobs[row], is_lost = merged[key]
            lost += is_lost
    told = np.array([Raw(text) if text else UNSET for text in texts], object)
    return told[code], blobs, lost


def _flags_text(code: int) -> bytes:
    states = {flag: code // 3 ** (len(FLAGS) - 1 - place) % 3 for place, flag in enumerate(FLAGS)}
    known = {flag: state == 2 for flag, state in states.items() if state}
    return _encode(known) if known else b""


def _merge(code: int, blob: bytes, told: bytes) -> tuple[int, bytes, bool]:
    """For extras in which `"attributes":` stands somewhere: the flags to write beside them (0: none), the extras, and
    whether flags are lost.
    """
    record = _record.decode(blob)
    if "attributes" not in record:
        return code, blob, False
    if flags_of(bytes(record["attributes"])).told == told:
        return 0, blob, False
    try:
        known = msgspec.json.decode(record["attributes"], type=dict[str, Raw])
    except msgspec.ValidationError:  # no object: another tool's attributes
        return 0, blob, True
    record["attributes"] = Raw(_encode(known | msgspec.json.decode(told, type=dict[str, Raw])))
    return 0, _encode(record), False

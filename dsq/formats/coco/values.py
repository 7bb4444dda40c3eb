"""Values in the records of a COCO file, and what is kept of them beside the columns.

Whatever a record says beyond the columns is kept in `extras`, a raw JSON object. Where the file spells a
known key in another way (`"id": "7"`, `"iscrowd": null`), `extras` holds that spelling under the known key;
known keys that are not there at all, though the column has a value, are listed under ABSENT.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from dsq.formats.json_values import value_of
from dsq.formats.leftovers import ABSENT as ABSENT

#: pixels: a coordinate beyond it is no coordinate
LIMIT = 1e9
#: ids at and below it stand for ids that are missing or no numbers
STAND_IN = -(1 << 60)
#: what a key holds that a record does not have
NOTHING = Raw(b"")

#: flags that tools keep in an annotation's `attributes`
FLAGS = ("difficult", "truncated", "occluded")
_TRUTH = {b"true": True, b"false": False, b"1": True, b"0": False}

_WITHOUT_CROWD = b'{"%s":["iscrowd"]}' % ABSENT.encode()


def blobs(raws: list[Raw]) -> list[bytes | None] | None:
    """Raw values as bytes of their own, None where there is none; None for the whole where one is null."""
    values: list[bytes | None] = [bytes(raw) for raw in raws]
    if b"null" in values:
        return None
    if b"" in values:
        return [value or None for value in values]
    return values


def pack(extras: Mapping[str, bytes], absent: Sequence[str] = ()) -> bytes | None:
    """A JSON object of raw values; None where there is nothing to keep."""
    parts = [msgspec.json.encode(key) + b":" + raw for key, raw in extras.items()]
    if absent:
        parts.append(msgspec.json.encode(ABSENT) + b":" + msgspec.json.encode(list(absent)))
    return b"{" + b",".join(parts) + b"}" if parts else None


def add_absent(blob: bytes | None, key: str) -> bytes:
    """Extras that say that the record lacks `iscrowd`."""
    if blob is None:
        return _WITHOUT_CROWD
    return blob[:-1] + b"," + _WITHOUT_CROWD[1:]


def rest_of(record: Mapping[str, Raw], known: Sequence[str]) -> dict[str, bytes]:
    return {key: bytes(raw) for key, raw in record.items() if key not in known}


class Flags(NamedTuple):
    """What `attributes` say: a value for each of FLAGS, these as JSON (None: no flag), and whether that is all."""

    values: tuple[bool | None, ...]
    told: bytes | None
    alone: bool


@lru_cache(maxsize=4096)
def flags_of(raw: bytes) -> Flags:
    """The flags in the raw `attributes` of an annotation; none in nothing."""
    try:
        record = msgspec.json.decode(raw or b"{}", type=dict[str, Raw])
    except msgspec.ValidationError:
        return Flags((None,) * len(FLAGS), None, False)
    said = {flag: _TRUTH[text] for flag in FLAGS if (text := bytes(record.get(flag, NOTHING))) in _TRUTH}
    told = msgspec.json.encode(said) if said else None
    plain = [bytes(value) in (b"true", b"false") for value in record.values()]
    alone = bool(said) and len(said) == len(record) and all(plain)
    return Flags(tuple(map(said.get, FLAGS)), told, alone)


def stand_in(aliases: dict[str | int, int], text: str | int) -> int:
    """The number that stands for an id that is text, or for the missing id of the record at an index."""
    return aliases.setdefault(text, STAND_IN - 1 - len(aliases))


def as_number(value: Any) -> float | None:
    """A finite or infinite number from a number or a text; None: it is none, as true and false are."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def as_int(value: Any) -> int | None:
    """A whole number that int64 holds, also from `7.0` and `"7"`; None: it is none."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        try:
            value = int(value)
        except ValueError:  # thousands of digits
            return None
    number = as_number(value)
    if number is None or not math.isfinite(number) or number != math.floor(number):
        return None
    whole = value if isinstance(value, int) else int(number)
    return whole if STAND_IN < whole < 1 << 63 else None


def none_as_nan(value: float | None) -> float:
    return math.nan if value is None else value


def show(raw: Raw | None) -> str:
    """A raw value for a message, cut to a readable length."""
    if raw is None:
        return "missing"
    text = bytes(memoryview(raw)[:61]).decode("utf-8", "replace")
    return text if len(text) <= 60 else text[:57] + "..."


def kind_of(raw: Raw) -> str:
    """What a raw value is, for a message."""
    value = value_of(raw)
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "true or false"
    return "a fraction" if isinstance(value, float) else "null" if value is None else "a list or object"


def place_of(noun: str, number: int, index: int) -> str:
    """Where a record stands, in words: by its id, else by its position in the list."""
    return f"{noun} id {number}" if number > STAND_IN else f"{noun}s[{index}]"

"""COCO's long lists as JSON text, many records at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import UNSET, Raw
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
#: values of one key for the rows (n,) asked for; UNSET where a record does not have the key
Column: TypeAlias = Callable[[Array], Any]

CHUNK = 8192  # records encoded at once: few enough that their text stays in the processor's cache

_encoder = msgspec.json.Encoder()
_UNSAFE_INTEGER = 1 << 53


def numbers(values: Array, missing: Array | None = None) -> Column:
    """A key that holds a number: whole ones without a fraction where all are whole. NaN and `missing`: no key."""
    if values.dtype.kind == "f":
        absent = np.isnan(values)
        missing = absent if missing is None else missing | absent
        values = _whole_if_all([values], ~missing)[0]
    if missing is None or not missing.any():
        return lambda rows: values[rows].tolist()
    gaps = missing

    def take(rows: Array) -> list[Any]:
        found: list[Any] = values[rows].tolist()
        for at in np.flatnonzero(gaps[rows]).tolist():
            found[at] = UNSET
        return found

    return take


def corners(sides: Sequence[Array]) -> Column:
    """A key that holds one number of each of `sides`, all (n,)."""
    columns = _whole_if_all(sides, slice(None))
    return lambda rows: zip(*(column[rows].tolist() for column in columns), strict=True)


def _whole_if_all(columns: Sequence[Array], where: Any) -> list[Array]:
    """The columns as integers where everything in them is whole."""
    for column in columns:
        held = column[where]
        if not ((held == np.floor(held)) & (np.abs(held) < _UNSAFE_INTEGER)).all():
            return list(columns)
    return [np.where(np.isnan(column), 0, column).astype(np.int64) for column in columns]


def values(objects: Array) -> Column:
    """A key that holds any value that msgspec encodes."""
    return lambda rows: objects[rows].tolist()


def raws(blobs: Array) -> Column:
    """A key whose value is raw JSON, None: no key."""
    return lambda rows: [UNSET if blob is None else Raw(blob) for blob in blobs[rows].tolist()]


def constant(value: Any) -> Column:
    """A key that holds the same everywhere."""
    return lambda _: repeat(value)


def write_list(
    columns: Mapping[str, Column],
    rows: Array,
    extras: Array | None = None,
    whole: Mapping[int, bytes] | None = None,
) -> Iterator[memoryview]:
    """A JSON list of the records at `rows`, in pieces.

    extras (all rows,): JSON objects whose keys are added, or None. whole: records that are given as they are, by row.
    """
    record = msgspec.defstruct("Record", [(key, Any, UNSET) for key in columns], gc=False)
    make: Callable[..., Any] = record
    lead = b"["
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        made = list(map(make, *(column(part) for column in columns.values())))
        yield memoryview(lead)
        lead = b","
        more = None if extras is None else extras[part].tolist()
        if whole or (more is not None and more != [None] * len(more)):
            yield memoryview(b",".join(_spliced(made, more or [None] * len(made), part.tolist(), whole or {})))
        else:
            yield memoryview(_encoder.encode(made))[1:-1]
    yield memoryview(b"]" if len(rows) else b"[]")


def _spliced(
    made: Sequence[Any], more: Sequence[bytes | None], rows: Sequence[int], whole: Mapping[int, bytes]
) -> Iterator[bytes]:
    encode = _encoder.encode
    for record, blob, row in zip(made, more, rows, strict=True):
        if row in whole:
            yield whole[row]
        elif blob is None:
            yield encode(record)
        else:
            yield encode(record)[:-1] + b"," + blob[1:]


def write_object(entries: Mapping[str, bytes | Iterator[memoryview]]) -> Iterator[bytes | memoryview]:
    """A JSON object of raw values, some of which come in pieces."""
    lead = b"{"
    for key, value in entries.items():
        yield lead + _encoder.encode(key) + b":"
        lead = b","
        if isinstance(value, bytes):
            yield value
        else:
            yield from value
    yield b"}" if entries else b"{}"

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

PART = 1 << 16  # numbers that are looked at together
CHUNK = 8192  # records encoded at once: few enough that their text stays in the processor's cache

_encoder = msgspec.json.Encoder()
_UNSAFE_INTEGER = 1 << 53


class Derived:
    """An array (n,) of numbers that are worked out for the rows asked for, and never held whole."""

    def __init__(self, length: int, dtype: Any, take: Callable[[Any], Array]) -> None:
        self.length, self.dtype, self.take = length, np.dtype(dtype), take

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, rows: Any) -> Array:
        return self.take(rows)


Numbers: TypeAlias = Array | Derived


def numbers(values: Numbers, missing: Array | None = None) -> Column:
    """A key that holds a number: whole ones without a fraction where all are whole. NaN and `missing`: no key."""
    whole = False
    if values.dtype.kind == "f":
        absent = np.concatenate([np.isnan(values[part]) for part in _parts(len(values))])
        missing = absent if missing is None else missing | absent
        whole = _are_whole(values, missing)
    if missing is None or not missing.any():
        return lambda rows: _plain(values[rows], whole)
    gaps = missing

    def take(rows: Array) -> list[Any]:
        found: list[Any] = _plain(values[rows], whole)
        for at in np.flatnonzero(gaps[rows]).tolist():
            found[at] = UNSET
        return found

    return take


def corners(sides: Sequence[Numbers]) -> Column:
    """A key that holds one number of each of `sides`, all (n,)."""
    whole = all(map(_are_whole, sides))
    return lambda rows: zip(*(_plain(side[rows], whole) for side in sides), strict=True)


def _parts(length: int) -> Iterator[slice]:
    """All rows in parts, one at least."""
    return (slice(first, first + PART) for first in range(0, max(length, 1), PART))


def _are_whole(values: Numbers, missing: Array | None = None) -> bool:
    """Whether all numbers are whole, those that are missing aside."""
    for part in _parts(len(values)):
        held = values[part] if missing is None else values[part][~missing[part]]
        if not ((held == np.floor(held)) & (np.abs(held) < _UNSAFE_INTEGER)).all():
            return False
    return True


def _plain(values: Array, whole: bool) -> list[Any]:
    """Python's numbers; as integers where they are `whole`, NaN as 0."""
    found: list[Any] = (np.where(np.isnan(values), 0, values).astype(np.int64) if whole else values).tolist()
    return found


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

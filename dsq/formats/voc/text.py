"""Text of a Pascal VOC XML: names escaped, numbers in their shortest form."""

from __future__ import annotations

import re
from typing import Any
from xml.sax.saxutils import escape

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_PRECISION = 9  # decimals
_GRIDS = (1, 10, 100, 1000)  # parts of a pixel
_MOST_POINTS = 1 << 22  # of a grid
_SAMPLE = 10_000  # boxes
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile(f"[&<>\r]|{_UNFIT.pattern}")


def plain(text: str) -> str:
    """The text with U+FFFD for characters that XML cannot hold."""
    return _UNFIT.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Text as it stands between tags."""
    return escape(plain(text), {"\r": "&#13;"}) if _SPECIAL.search(text) else text


def as_written(values: Array, offsets: Any, *, exact: bool) -> Array:
    """Coordinates that lie `offsets` beyond those of the model.

    exact: those that read as `values` to the last bit, the shorter one where two do; else rounded to 1e-9.
    """
    moved = values + offsets
    rounded: Array = np.round(moved, _PRECISION) + 0.0
    return np.where(rounded - offsets == values, rounded, moved) if exact else rounded


def far_edges(low: Array, sides: Array, *, exact: bool) -> Array:
    """The right and lower edges to `low`, as `as_written` has them: exact where the reader makes `sides` of them.

    Where no side leads from `low` to an edge exactly, two edges have one side; the shorter one is taken.
    """
    high = low + sides
    rounded: Array = np.round(high, _PRECISION) + 0.0
    if not exact:
        return rounded
    alike = (rounded != high) & (rounded - low == sides)
    for limit in (-np.inf, np.inf):
        alike &= low + np.nextafter(sides, limit) != rounded
    return np.where(alike, rounded, high)


def texts_of(values: Array) -> list[str]:
    """The shortest text of each number that reads as the same float; integers without a fraction."""
    text = msgspec.json.encode(values.tolist()).decode()[1:-1]
    return f"{text},".replace(".0,", ",")[:-1].split(",") if text else []


class NumberTexts:
    """The texts of many numbers (any shape). Where all lie on a grid, as in most sets, each is made once."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.texts: Array | None = None
        if not values.size:
            return
        some = values[:_SAMPLE]
        parts = next((parts for parts in _GRIDS if (np.rint(some * parts) / parts == some).all()), None)
        if parts is None:
            return
        low, high = np.rint(values.min() * parts), np.rint(values.max() * parts)
        if high - low >= _MOST_POINTS:
            return
        places = np.empty(values.shape, np.int32)
        for first in range(0, len(values), _SAMPLE):
            rows = slice(first, first + _SAMPLE)
            steps = np.rint(values[rows] * parts)
            if (steps / parts != values[rows]).any():
                return
            places[rows] = steps - low
        self.values = places
        used = np.flatnonzero(np.bincount(places.ravel(), minlength=1))
        self.texts = np.empty(int(high - low) + 1, object)
        self.texts[used] = texts_of((used + low) / parts + 0.0)

    def take(self, rows: slice | Array) -> Array:
        """The texts of some rows: an object array of their shape."""
        part = self.values[rows]
        if self.texts is not None:
            return self.texts[part]
        found = np.empty(part.size, object)
        found[:] = texts_of(part.ravel())
        return found.reshape(part.shape)

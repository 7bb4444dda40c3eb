"""Extras that a change has made wrong: what a source said in its own spelling of a value that is another now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

Array = NDArray[Any]


def without_keys(blobs: Array, keys: Sequence[str], rows: Array | None = None) -> Array:
    """Extras (n,) without some keys of JSON objects; XML and None stay. rows: positions to look at (default all)."""
    found = blobs.copy()
    marks = [f'"{key}"'.encode() for key in keys]
    for row in range(len(blobs)) if rows is None else rows.tolist():
        blob = blobs[row]
        if not isinstance(blob, bytes) or blob[:1] != b"{" or not any(mark in blob for mark in marks):
            continue
        record = msgspec.json.decode(blob, type=dict[str, Raw])
        kept = {key: raw for key, raw in record.items() if key not in keys}
        found[row] = msgspec.json.encode(kept) if kept else None
    return found


def without_elements(blobs: Array, tags: Sequence[str]) -> tuple[Array, int]:
    """Extras (n,) without some elements of XML, and how many blobs had one; JSON and None stay."""
    found = blobs.copy()
    patterns = [re.compile(rf"<{tag}\b[^>]*(?:/>|>.*?</{tag}>)".encode(), re.DOTALL) for tag in tags]
    marks = [f"<{tag}".encode() for tag in tags]
    lost = 0
    for row, blob in enumerate(blobs.tolist()):
        if not isinstance(blob, bytes) or blob[:1] != b"<" or not any(mark in blob for mark in marks):
            continue
        kept = blob
        for pattern in patterns:
            kept = pattern.sub(b"", kept)
        lost += kept != blob
        found[row] = kept or None
    return found, lost


def object_array(values: Sequence[Any]) -> Array:
    """Values as an object array of one dimension."""
    out = np.empty(len(values), object)
    out[:] = values
    return out

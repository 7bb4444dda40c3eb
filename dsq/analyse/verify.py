"""Candidates looked at: pairs of images judged by their small grey versions, remembered in the cache."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.agreement import NAME, VERSION, Verdicts, judge
from dsq.analyse.alignment import SIDE, prepare
from dsq.analyse.starts import first_guesses
from dsq.measure import thumbs
from dsq.measure.decode import decoder
from dsq.measure.store import Cache, Store, open_store
from dsq.measure.thumbs import read_thumbs
from dsq.model import Dataset, Table

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: pairs that are looked at together, and thumbs kept at hand for the next ones (4 KiB each)
TOGETHER, AT_HAND = 4096, 8192
_ROW = struct.Struct("<B7d")


class Images:
    """Images to be looked at: rows (n,) positions in `images`, contents (SHA-256), probes (n, PROBES); pixels: the
    table that they come from.
    """

    def __init__(self, dataset: Dataset, pixels: Table, rows: Array, contents: Sequence[bytes], probes: Array) -> None:
        self.dataset, self.pixels = dataset, pixels
        self.rows, self.contents, self.probes = rows, contents, probes


def verify(
    images: Images,
    first: Array,
    second: Array,
    *,
    workers: int | None = None,
    cache: Cache = True,
    progress: Progress | None = None,
) -> Verdicts:
    """Judge pairs of `images` (positions); what the cache knows of two contents is not looked at again."""
    verdicts = Verdicts(np.zeros(len(first), np.int8), np.zeros(len(first)), np.zeros((len(first), 2, 3)))
    shelf = _Shelf(images, workers, cache)
    # like the thumbs, but for both: what it depends on
    kind = f"{NAME}-{VERSION} {thumbs.NAME}-{thumbs.VERSION} {decoder()}"
    with open_store(cache) as store:
        for start in range(0, len(first), TOGETHER):
            rows = np.arange(start, min(start + TOGETHER, len(first)))
            keys = [images.contents[a] + images.contents[b] for a, b in zip(first[rows], second[rows], strict=True)]
            unknown = _recall(store, kind, keys, rows, verdicts)
            if len(unknown):
                found = _look(shelf, first[unknown], second[unknown])
                for whole, part in zip(verdicts, found, strict=True):
                    whole[unknown] = part
                store.keep(kind, [(keys[row - start], _pack(verdicts, row)) for row in unknown.tolist()])
            if progress is not None:
                progress("comparing images", int(rows[-1]) + 1, len(first))
    return verdicts


def _recall(store: Store, kind: str, keys: Sequence[bytes], rows: Array, verdicts: Verdicts) -> Array:
    """Fill in what is known; the rows that are not."""
    known = store.recall(kind, keys)
    unknown = []
    for row, key in zip(rows.tolist(), keys, strict=True):
        data = known.get(key)
        if data is None or len(data) != _ROW.size:
            unknown.append(row)
            continue
        kind_, agreement, *numbers = _ROW.unpack(data)
        verdicts.kind[row], verdicts.agreement[row] = kind_, agreement
        verdicts.maps[row] = np.reshape(numbers, (2, 3))
    return np.array(unknown, np.int64)


def _pack(verdicts: Verdicts, row: int) -> bytes:
    return _ROW.pack(verdicts.kind[row], verdicts.agreement[row], *verdicts.maps[row].ravel().tolist())


def _look(shelf: _Shelf, first: Array, second: Array) -> Verdicts:
    """Judge pairs of positions by their thumbs."""
    positions, places = np.unique(np.r_[first, second], return_inverse=True)
    a, b = places.reshape(2, -1)
    seen = shelf.take(positions)
    pictures = prepare(np.nan_to_num(seen))
    probes = shelf.images.probes[positions]
    guesses = first_guesses(probes[a], probes[b], pictures.frames[a], pictures.frames[b])
    verdicts = judge(pictures, a, b, guesses)
    blind = np.isnan(seen[:, 0, 0])
    verdicts.kind[blind[a] | blind[b]] = 0
    return verdicts


class _Shelf:
    """The thumbs of images, those used last at hand."""

    def __init__(self, images: Images, workers: int | None, cache: Cache) -> None:
        self.images, self._workers, self._cache = images, workers, cache
        self._held: dict[int, Array | None] = {}

    def take(self, positions: Array) -> Array:
        """(n, 64, 64) float32, NaN where an image cannot be decoded."""
        missing = [position for position in positions.tolist() if position not in self._held]
        if missing:
            images, rows = self.images, self.images.rows[missing].tolist()
            read = read_thumbs(
                images.dataset, rows, size=SIDE, pixels=images.pixels, workers=self._workers, cache=self._cache
            )
            for position, thumb in zip(missing, read, strict=True):
                self._held[position] = None if np.isnan(thumb[0, 0]) else thumb.astype(np.uint8)
        out = np.full((len(positions), SIDE, SIDE), np.nan, np.float32)
        for place, position in enumerate(positions.tolist()):
            held = self._held[position] = self._held.pop(position)
            if held is not None:
                out[place] = held
        for position in list(self._held)[: max(0, len(self._held) - AT_HAND)]:
            del self._held[position]
        return out

"""Small square grey versions of images, to be laid over one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.headers import parse_header
from dsq.measure.decode import DecodeError, decode_small, decoder
from dsq.measure.derive import derive
from dsq.measure.store import Cache
from dsq.model import Dataset, Table, text_or_none

Array = NDArray[Any]

NAME = "thumbs"
VERSION = 2
SIZE, LARGEST = 64, 256


def read_thumbs(
    dataset: Dataset,
    rows: Sequence[int],
    *,
    size: int = SIZE,
    pixels: Table | None = None,
    workers: int | None = None,
    cache: Cache = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Array:
    """(n, size, size) float32 luma of the images at `rows`, 0 to 255; NaN where one cannot be decoded."""
    if size > LARGEST:
        raise ValueError(f"a thumb has at most {LARGEST} pixels a side")
    contents = None
    if pixels is not None:
        stated = dict(zip(pixels["row"].tolist(), text_or_none(pixels["content"]).tolist(), strict=True))
        contents = [None if (text := stated.get(row)) is None else bytes.fromhex(text) for row in rows]
    derived = derive(
        dataset,
        rows,
        partial(draw_thumb, size=size),
        f"{NAME}-{VERSION} {size} {decoder()}",
        contents=contents,
        workers=workers,
        cache=cache,
        progress=progress,
        doing="comparing images",
    )
    thumbs = np.full((len(rows), size, size), np.nan, np.float32)
    for number, data in enumerate(derived.data):
        if data:
            thumbs[number] = np.frombuffer(data, np.uint8).reshape(size, size)
    return thumbs


def draw_thumb(data: bytes, size: int) -> bytes:
    """The thumb of an image file in memory, size × size bytes; none where it cannot be decoded."""
    header = parse_header(data)
    try:
        small = decode_small(data, header)
    except DecodeError:
        return b""
    # the last row and column of a reduced picture may stand for less than a whole step of pixels
    return shrink(small.y, size, (header.height / small.scale, header.width / small.scale)).tobytes()


def shrink(y: Array, size: int, extent: tuple[float, float] | None = None) -> Array:
    """The plane (h, w) as (size, size) uint8: each pixel the mean of the area that it covers. extent: how many of the
    rows and columns are picture; taken where it is that many but for a part of the last.
    """
    height, width = y.shape
    down, across = extent or (height, width)
    down, across = (e if n - 1 < e < n else n for e, n in ((down, height), (across, width)))
    levels = _areas(height, down, size) @ y.astype(np.float32) @ _areas(width, across, size).T
    shrunk: Array = np.rint(levels).clip(0, 255).astype(np.uint8)
    return shrunk


@lru_cache(maxsize=512)
def _areas(length: int, extent: float, size: int) -> Array:
    """(size, length) float32: how much of each old pixel lies in each new one; rows add up to 1."""
    edges = np.arange(size + 1) * (extent / size)
    upper = np.minimum(edges[1:, None], np.arange(1, length + 1))
    lower = np.maximum(edges[:-1, None], np.arange(length))
    shares: Array = np.clip(upper - lower, 0, None) * (size / extent)
    return shares.astype(np.float32)

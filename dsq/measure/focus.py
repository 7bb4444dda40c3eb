"""How sharp an image is at a size that a detector sees: dearer than the basics, for images that these make suspect."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.headers import parse_header
from dsq.measure.decode import DecodeError, decode_large, decoder
from dsq.measure.derive import derive
from dsq.measure.store import Cache
from dsq.model import Dataset

Array = NDArray[Any]

NAME = "focus"
VERSION = 1

LEAST_SIDE = 320  # px: the short side is not made smaller; the grain that is looked at is 1/320 of it
_WIDE = 4  # grains: the width of the step that a grain's step is compared with
_BLOCK = 16  # grains
_STRONGEST = 0.25  # share of the blocks, those with the largest steps: a subject before a soft background counts


def measure_focus(data: bytes) -> float:
    """The luma step over a grain divided by the step over four, along rows or columns, whichever is smaller, where
    the picture changes most: .25 for smooth ramps, 1 for noise or for a picture where nothing changes.

    data: an image file. Raises DecodeError.
    """
    luma = decode_about(data, LEAST_SIDE)[..., 0]
    grain = max(1, round(min(luma.shape) / LEAST_SIDE))
    return min(_compare_steps(luma, grain), _compare_steps(luma.T, grain))


def decode_about(data: bytes, least: int) -> Array:
    """Decode an image file, reduced by whole numbers so far that its short side is still `least`: (height, width, 3)
    float32 luma and chroma. Raises DecodeError.
    """
    header = parse_header(data)
    planes = decode_large(data, min(header.width, header.height) // least, header)
    by = max(1, min(planes.shape[:2]) // least)
    if by == 1:
        return planes.astype(np.float32)
    height, width = (length // by for length in planes.shape[:2])
    rows = np.add.reduceat(planes[: height * by], np.arange(0, height * by, by), axis=0, dtype=np.float32)
    blocks = np.add.reduceat(rows[:, : width * by], np.arange(0, width * by, by), axis=1)
    means: Array = blocks / np.float32(by * by)
    return means


def _compare_steps(luma: Array, grain: int) -> float:
    """The ratio along the rows of (height, width)."""
    wide = _WIDE * grain
    if luma.shape[1] <= wide:
        return 1.0
    start = (wide - grain) // 2
    coarse = luma[:, wide:] - luma[:, :-wide]
    middle = luma[:, start : start + coarse.shape[1] + grain]
    fine = middle[:, grain:] - middle[:, :-grain]
    fine, coarse = _sum_blocks(fine, _BLOCK * grain), _sum_blocks(coarse, _BLOCK * grain)
    count = max(1, int(len(coarse) * _STRONGEST))
    strongest = np.argpartition(coarse, -count)[-count:]
    whole = float(coarse[strongest].sum())
    return float(np.sqrt(fine[strongest].sum() / whole)) if whole > 0 else 1.0


def _sum_blocks(steps: Array, size: int) -> Array:
    """Sums of squares over blocks, as one row; what does not fill a block is left out, unless nothing does."""
    squares = np.square(steps)
    height, width = (length // size for length in squares.shape)
    sums: Array = squares.sum(keepdims=True)
    if height and width:
        sums = squares[: height * size, : width * size].reshape(height, size, width, size).sum((1, 3))
    return sums.ravel()


def read_focus(
    dataset: Dataset,
    rows: Sequence[int],
    *,
    contents: Sequence[bytes | None] | None = None,
    workers: int | None = None,
    cache: Cache = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Array:
    """(n,) `measure_focus` of the images at `rows`; NaN where one cannot be decoded. contents: see `derive`."""
    derived = derive(
        dataset,
        rows,
        _pack_focus,
        f"{NAME}-{VERSION} {decoder()}",
        contents=contents,
        workers=workers,
        cache=cache,
        progress=progress,
        doing="looking at sharpness",
    )
    found: Array = np.array([struct.unpack("<d", data)[0] if data else np.nan for data in derived.data], float)
    return found


def _pack_focus(data: bytes) -> bytes:
    try:
        return struct.pack("<d", measure_focus(data))
    except DecodeError:
        return b""

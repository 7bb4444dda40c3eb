"""Polygons, run-length masks and keypoints that follow their image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.masks import mask_extents, pack_runs, runs_of
from dsq.transform.affine import Moves

Array = NDArray[Any]

#: pixels of a mask that is decoded; a larger one is dropped
MOST_PIXELS = 100_000_000
#: what `mask_extents` says of a mask without a pixel, which moves like any other
EMPTY = "it covers no pixel"

_polygons = msgspec.json.Decoder(list[list[float]])
_flat = msgspec.json.Decoder(list[float])
_encode = msgspec.json.Encoder().encode


def move_masks(blobs: Array, image_row: Array, moves: Moves, coefficients: Array) -> tuple[Array, Array]:
    """Masks (n,) as raw JSON after the move of their image, and (n,) bool: could not be moved, now None.

    coefficients: those of `moves`, (images, 6).
    Polygons move exactly; run-length masks are decoded, resampled by nearest neighbour and encoded as they were
    (a list of counts stays a list).
    """
    moved = blobs.copy()
    lost = np.zeros(len(blobs), bool)
    steps = coefficients.tolist()
    rle: list[int] = []
    for row in np.flatnonzero(pd.notna(blobs)).tolist():
        blob = bytes(blobs[row])
        if blob.lstrip()[:1] == b"{":
            rle.append(row)
            continue
        shape = _decode(blob)
        if shape is None:
            moved[row], lost[row] = None, True
            continue
        moved[row] = _encode([_move_points(points, steps[image_row[row]]) for points in shape])
    broken = {rle[row] for row, error in _errors(blobs[rle]) if error}
    for row in rle:
        moved[row] = None if row in broken else _move_runs(blobs[row], moves, int(image_row[row]))
        lost[row] = moved[row] is None
    return moved, lost


def move_keypoints(blobs: Array, coefficients: Array) -> tuple[Array, Array]:
    """Keypoints [x, y, v, …] (n,) as raw JSON after the moves (n, 6), and which could not be moved, now None.

    A point that is not labelled (0, 0, 0) stays so.
    """
    moved = blobs.copy()
    lost = np.zeros(len(blobs), bool)
    for row in np.flatnonzero(pd.notna(blobs)).tolist():
        try:
            points = np.array(_flat.decode(blobs[row])).reshape(-1, 3)
        except (msgspec.DecodeError, ValueError):
            moved[row], lost[row] = None, True
            continue
        a, b, c, d, e, f = coefficients[row]
        said = points.any(axis=1)
        x, y = points[said, 0], points[said, 1]
        points[said, 0], points[said, 1] = a * x + b * y + c, d * x + e * y + f
        moved[row] = _encode([int(v) if at % 3 == 2 else v for at, v in enumerate(points.ravel().tolist())])
    return moved, lost


def _decode(blob: bytes) -> list[list[float]] | None:
    """The polygons of a mask (one given flat is one of a list); None where it is neither."""
    try:
        return _polygons.decode(blob)
    except msgspec.DecodeError:
        try:
            return [_flat.decode(blob)]
        except msgspec.DecodeError:
            return None


def _move_points(points: Sequence[float], move: Sequence[float]) -> list[float]:
    a, b, c, d, e, f = move
    xs, ys = points[0::2], points[1::2]
    out = [0.0] * (2 * len(ys))
    if b == 0 and d == 0:
        out[0::2] = [a * x + c for x in xs[: len(ys)]]
        out[1::2] = [e * y + f for y in ys]
    else:
        out[0::2] = [a * x + b * y + c for x, y in zip(xs, ys, strict=False)]
        out[1::2] = [d * x + e * y + f for x, y in zip(xs, ys, strict=False)]
    return out


def _errors(blobs: Array) -> list[tuple[int, str]]:
    if not len(blobs):
        return []
    table = mask_extents(blobs)
    return [(row, error) for row, error in zip(table["row"], table["error"], strict=True) if error != EMPTY]


def _move_runs(blob: Any, moves: Moves, row: int) -> bytes | None:
    """A run-length mask after its image's move; None where its size is not the image's."""
    height, width, runs, as_list = runs_of(bytes(blob))
    if (width, height) != (moves.width[row], moves.height[row]) or width * height > MOST_PIXELS:
        return None
    full_width, full_height = int(moves.full_width[row]), int(moves.full_height[row])
    if full_width * full_height > MOST_PIXELS:
        return None
    flat = np.repeat(np.arange(len(runs), dtype=np.uint8) & 1, runs)
    pixels = _turn(flat.reshape(height, width, order="F"), int(moves.orient[row]))
    new_width, new_height = int(moves.new_width[row]), int(moves.new_height[row])
    ys = ((np.arange(new_height) + 0.5) * pixels.shape[0] / new_height).astype(np.int64)
    xs = ((np.arange(new_width) + 0.5) * pixels.shape[1] / new_width).astype(np.int64)
    full = np.zeros((full_height, full_width), np.uint8, order="F")
    left, top = int(moves.left[row]), int(moves.top[row])
    full[top : top + new_height, left : left + new_width] = pixels[np.ix_(ys, xs)]
    counts = run_lengths(full)
    return _encode({"size": [full_height, full_width], "counts": counts if as_list else pack_runs(counts)})


def run_lengths(pixels: Array) -> list[int]:
    """Lengths of the runs of a mask, column by column, the zeros first."""
    flat = pixels.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], changes, [len(flat)]])).tolist()
    return [0, *runs] if len(flat) and flat[0] else runs


def _turn(pixels: Array, orient: int) -> Array:
    """Pixels (height, width) turned as the EXIF orientation asks."""
    if orient >= 5:
        pixels = pixels.T
    if orient in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orient in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels

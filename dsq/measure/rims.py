"""Crops around boxes, all of one size, and what the pixels across each of their four sides look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

Array = NDArray[Any]

#: pixels: the crop, of it the ring on each side, the box in the middle
SIDE, RING = 96, 20
BOX = SIDE - 2 * RING
CELL = 4  # pixels of a crop that are one cell of a profile
CELLS = SIDE // CELL
#: cells along a profile, from the rim of the crop to just past the middle of the box; cells across it
DEPTH, ALONG = 13, slice(RING // CELL - 1, CELLS - RING // CELL + 1)
BINS = 8  # of each colour channel
_HALF = SIDE // 2


class Levels:
    """An image (YCbCr) and its halvings, made when a crop asks for them. scale: stored pixels a pixel of `image`."""

    def __init__(self, image: Image, size: tuple[int, int]) -> None:
        self.size = size
        self._levels = {1: image}
        self._scale = (size[0] / image.width, size[1] / image.height)

    def cut(self, corners: Array) -> tuple[Array, Array]:
        """Crops of boxes (n, 4) in stored pixels: (n, SIDE, SIDE, 3) uint8, the box in the middle; (n, 4) float32: the
        share of the ring that lies beyond the image at each side, where its last pixels are repeated.
        """
        crops = np.empty((len(corners), SIDE, SIDE, 3), np.uint8)
        beyond = np.empty((len(corners), 4), np.float32)
        for number, (x0, y0, x1, y1) in enumerate(corners.tolist()):
            self._cut_one(x0, y0, x1, y1, crops[number], beyond[number])
        return crops, beyond

    def _cut_one(self, x0: float, y0: float, x1: float, y1: float, crop: Array, beyond: Array) -> None:
        steps = max(x1 - x0, 2.0) / BOX, max(y1 - y0, 2.0) / BOX  # stored pixels a pixel of the crop
        spans = [
            _span((x0 + x1) / 2, steps[0], self.size[0]),
            _span((y0 + y1) / 2, steps[1], self.size[1]),
        ]
        (left, right, low_x, high_x), (top, bottom, low_y, high_y) = spans
        factor = 1
        while factor * 2 <= min(steps[0] / self._scale[0], steps[1] / self._scale[1]) and factor < 64:
            factor *= 2
        level = self._reduced(factor)
        across, down = level.width / self.size[0], level.height / self.size[1]
        part = level.resize(
            (right - left, bottom - top), 2, box=(low_x * across, low_y * down, high_x * across, high_y * down)
        )
        inner = np.frombuffer(part.tobytes(), np.uint8).reshape(bottom - top, right - left, 3)
        crop[top:bottom, left:right] = inner
        if (left, right, top, bottom) != (0, SIDE, 0, SIDE):
            crop[top:bottom, :left] = inner[:, :1]
            crop[top:bottom, right:] = inner[:, -1:]
            crop[:top] = crop[top]
            crop[bottom:] = crop[bottom - 1]
        beyond[:] = (
            min(left / RING, 1),
            min(top / RING, 1),
            min((SIDE - right) / RING, 1),
            min((SIDE - bottom) / RING, 1),
        )

    def _reduced(self, factor: int) -> Image:
        if factor not in self._levels:
            self._levels[factor] = self._reduced(factor // 2).reduce(2)
        return self._levels[factor]


def _span(centre: float, step: float, size: int) -> tuple[int, int, float, float]:
    """Which pixels of a crop lie inside the image along an axis, and from where to where they reach in it."""
    start = centre - SIDE / 2 * step
    first = int(np.clip(np.ceil(-start / step - 0.5), 0, SIDE - 1))
    last = int(np.clip(np.floor((size - start) / step - 0.5) + 1, first + 1, SIDE))
    low = min(max(start + first * step, 0.0), size - 1e-3)
    return first, last, low, max(min(start + last * step, float(size)), low + 1e-3)


def _pool(planes: Array, by: int) -> Array:
    """Means of `by` × `by` blocks of (n, height, width, …) as float32."""
    n, height, width, *rest = planes.shape
    rows = planes.reshape(n, height // by, by, width, *rest).sum(2, dtype=np.float32)
    return rows.reshape(n, height // by, width // by, by, *rest).sum(3) / np.float32(by * by)


def _bell() -> Array:
    """(24·2, 24·2) weights of the middle of a box, 0 outside of it."""
    at = (np.arange(_HALF) + 0.5) / _HALF * SIDE - SIDE / 2
    along = np.where(np.abs(at) < BOX / 2, np.exp(-0.5 * (at / (0.3 * BOX)) ** 2), 0)
    weights: Array = np.outer(along, along).astype(np.float32)
    return weights


_BELL = _bell()
_SMOOTH = (np.eye(BINS) * 0.5 + np.eye(BINS, k=1) * 0.25 + np.eye(BINS, k=-1) * 0.25).astype(np.float32)


def _ring_weights(beyond: Array) -> Array:
    """(n, 48, 48) float32: 1 in the ring where the image is, else 0."""
    at = np.arange(_HALF) + 0.5
    ring = RING / 2
    lost = beyond * ring
    x = (at >= lost[:, :1]) & (at < _HALF - lost[:, 2:3])
    y = (at >= lost[:, 1:2]) & (at < _HALF - lost[:, 3:4])
    seen = y[:, :, None] & x[:, None, :]
    middle = (at > ring) & (at < _HALF - ring)
    return (seen & ~np.outer(middle, middle)).astype(np.float32)


def colour_codes(half: Array) -> Array:
    """(…, 3) YCbCr as float -> (…) int: which of BINS³ bins; chroma is taken twice as finely around grey."""
    luma = half[..., 0].astype(np.int32) >> 5
    chroma = np.clip((half[..., 1:] - 64).astype(np.int32) >> 4, 0, BINS - 1)
    return (luma * BINS + chroma[..., 0]) * BINS + chroma[..., 1]


def _histogram(codes: Array, weights: Array) -> Array:
    """Smoothed colour histograms (n, BINS³) that sum to 1."""
    n = len(codes)
    size = BINS**3
    where = codes.reshape(n, -1) + (np.arange(n) * size)[:, None]
    counts = np.bincount(where.ravel(), weights.reshape(n, -1).ravel(), n * size)
    cube = counts.reshape(n, BINS, BINS, BINS).astype(np.float32)
    cube = np.einsum("nabc,ai->nibc", cube, _SMOOTH)
    cube = cube @ _SMOOTH
    cube = (cube.swapaxes(2, 3) @ _SMOOTH).reshape(n, -1)
    return cube / (cube.sum(1, keepdims=True) + 1e-6)


def foreground(half: Array, beyond: Array) -> Array:
    """(n, 24, 24) in -1..1: how much more the colours there belong to the middle of the box than to the ring."""
    codes = colour_codes(half)
    inside = _histogram(codes, np.broadcast_to(_BELL, codes.shape))
    around = _histogram(codes, _ring_weights(beyond))
    ratio = (inside - around) / (inside + around + 2e-4)
    flat = codes.reshape(len(codes), -1)
    fine = np.take_along_axis(ratio, flat, 1).reshape(codes.shape)
    fine = _blur3(fine)
    return _pool(fine, 2)


def _blur3(maps: Array) -> Array:
    """3 × 3 means of (n, h, w), the edges repeated."""
    wide = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    out: Array = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / np.float32(9)
    return out


_TURNS: tuple[Callable[[Array], Array], ...] = (
    lambda a: a,
    lambda a: a.swapaxes(1, 2),
    lambda a: a[:, :, ::-1],
    lambda a: a.swapaxes(1, 2)[:, :, ::-1],
)


def profile_rims(crops: Array, beyond: Array) -> Array:
    """(n, 4, F) float32: what lies across the left, top, right and bottom side of each box, each seen as a left one."""
    half = _pool(crops, 2)
    cells = _pool(half, 2)
    luma = crops[..., 0].astype(np.int16)
    across = np.zeros(luma.shape, np.uint8)
    down = np.zeros(luma.shape, np.uint8)
    across[:, :, 1:] = np.abs(np.diff(luma, axis=2))
    down[:, 1:] = np.abs(np.diff(luma, axis=1))
    edges = _pool(across, CELL), _pool(down, CELL)
    fore = foreground(half, beyond)
    ring = RING // CELL
    box = cells[:, ring:-ring, ring:-ring]
    spread = box.std((1, 2)).mean(1) + 4
    quarter = ring + BOX // CELL // 4
    core = cells[:, quarter:-quarter, quarter:-quarter].mean((1, 2))
    parts = []
    for side, turn in enumerate(_TURNS):
        c, f = turn(cells)[:, ALONG, :DEPTH], turn(fore)[:, ALONG, :DEPTH]
        gx, gy = (turn(edge)[:, ALONG, :DEPTH] for edge in (edges if side % 2 == 0 else edges[::-1]))
        parts.append(_describe_side(c, f, gx, gy, core, spread, beyond[:, [side, (side + 2) % 4]]))
    return np.stack(parts, 1).astype(np.float32)


def _describe_side(c: Array, f: Array, gx: Array, gy: Array, core: Array, spread: Array, beyond: Array) -> Array:
    rim = c[:, :, :2].mean(2, keepdims=True)
    scale = spread[:, None, None]
    row_step = _distance(c, rim) / scale
    rim_step = _distance(c, rim.mean(1, keepdims=True)) / scale
    core_step = _distance(c, core[:, None, None]) / scale
    change = np.zeros(c.shape[:3], np.float32)
    change[:, :, 1:] = np.sqrt(np.abs(np.diff(c, axis=2)).sum(3)) / np.sqrt(scale)
    busy = (gx.mean((1, 2)) + gy.mean((1, 2)) + 1)[:, None]
    columns = [f.mean(1), third(f)]
    for values in (row_step, rim_step, change):
        columns += [values.mean(1), third(values)]
    columns += [core_step.mean(1), -third(-core_step), gx.mean(1) / busy, third(gx) / busy, gy.mean(1) / busy]
    return np.concatenate([*columns, beyond, np.log(spread)[:, None]], 1)


def _distance(cells: Array, to: Array) -> Array:
    gap = cells - to
    out: Array = np.sqrt(np.einsum("nhwc,nhwc->nhw", gap, gap))
    return out


def third(values: Array) -> Array:
    """The third highest of each column (n, rows, columns) -> (n, columns)."""
    out: Array = np.partition(values, -3, axis=1)[:, -3]
    return out

"""An affine map fitted between small grey pictures, many pairs at a time: robust Gauss-Newton steps, coarse to fine.

Coordinates in here run from -1 to 1 along each axis of a picture; brightness and contrast may differ between the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.measure.probes import plain_border

Array = NDArray[Any]

SIDE = 64
#: side of the picture, steps at that size, and the correlation below which a pair is dropped afterwards
LEVELS = ((16, 7, 0.7), (32, 5, 0.9), (64, 3, 0.0))
#: pixels that are worked on at a time: few enough for a processor's cache, many enough to be worth the calls
BATCH = 1 << 17
#: pixels along the rim that are left out: a border's last line is mixed with the picture's first
RIM = 3.0
#: a plain border is believed where what it encloses has this share of the picture at least
LEAST_INSIDE = 0.15
#: relative gain of a fit below which the first guess is taken as it is, and grey levels that count for nothing
KEEP, NOISE = 0.1, 0.02

_STEP = 0.2  # no step moves a corner further, in half sides
_DAMPING = 0.002
_CORNERS = np.array([[-1, 1, -1, 1], [-1, -1, 1, 1], [1, 1, 1, 1]], float)


class Pictures(NamedTuple):
    """Pictures made ready: levels by side (n, side, side) float32, smoothed; frames (n, 4) left right top bottom of
    what a plain border encloses, 0 to 1; bordered (n,) bool: whether there is one.
    """

    levels: dict[int, Array]
    frames: Array
    bordered: Array

    def take(self, rows: Array) -> Pictures:
        """Some of the pictures."""
        return Pictures({side: x[rows] for side, x in self.levels.items()}, self.frames[rows], self.bordered[rows])


class Fit(NamedTuple):
    """maps (n, 2, 3) from the first to the second; kept (n,) bool: the first guess was as good, and stands; moved (n,)
    how far the fit took a corner from where the guess had it, in sides; alive (n,) bool: the pictures may be alike.
    """

    maps: Array
    kept: Array
    moved: Array
    alive: Array


def prepare(thumbs: Array) -> Pictures:
    """Pictures from grey levels (n, 64, 64)."""
    smooth = smoother(SIDE)
    finest = np.asarray(thumbs, np.float32)
    levels = {SIDE: smooth @ finest @ smooth.T}
    for side, _, _ in reversed(LEVELS[:-1]):
        shrink = _halver(2 * side)
        levels[side] = shrink @ levels[2 * side] @ shrink.T
    frames = np.tile([0.0, 1.0, 0.0, 1.0], (len(thumbs), 1))
    bordered = np.zeros(len(thumbs), bool)
    for row, picture in enumerate(finest.clip(0, 255).astype(np.uint8)):
        inside = plain_border(picture)
        if inside is not None:
            top, bottom, left, right = inside
            if (bottom - top) * (right - left) >= LEAST_INSIDE * SIDE * SIDE:
                frames[row] = np.array([left, right, top, bottom]) / SIDE
                bordered[row] = True
    return Pictures(levels, frames, bordered)


def fit(first: Pictures, second: Pictures, guesses: Array, *, framed: bool) -> Fit:
    """Fit maps from guesses (n, k, 2, 3); `framed`: look only at what the plain borders enclose."""
    n, count = guesses.shape[:2]
    frames_a, frames_b = (_rims(p, framed) for p in (first, second))
    side, steps, least = LEVELS[0]
    tried, quality = guesses.reshape(-1, 2, 3).copy(), np.zeros(n * count)
    for rows in batches(n * count, side):
        pairs = rows // count
        a, b = first.levels[side][pairs], second.levels[side][pairs]
        tried[rows], quality[rows] = _improve(a, b, tried[rows], steps, frames_a[pairs], frames_b[pairs])
    best = np.arange(n) * count + quality.reshape(n, count).argmax(1)
    maps, quality, chosen = tried[best], quality[best], guesses.reshape(-1, 2, 3)[best]
    alive = np.flatnonzero(quality >= least)
    for side, steps, least in LEVELS[1:]:
        for part in batches(len(alive), side):
            rows = alive[part]
            a, b = first.levels[side][rows], second.levels[side][rows]
            maps[rows], quality[rows] = _improve(a, b, maps[rows], steps, frames_a[rows], frames_b[rows])
        alive = alive[quality[alive] >= least]
    kept, living = np.zeros(n, bool), np.zeros(n, bool)
    living[alive] = True
    for part in batches(len(alive), SIDE):
        rows = alive[part]
        a, b = first.levels[SIDE][rows], second.levels[SIDE][rows]
        before, after = (_error(a, b, m[rows], frames_a[rows], frames_b[rows]) for m in (chosen, maps))
        kept[rows] = before <= (1 + KEEP) * after + NOISE
    maps[kept] = chosen[kept]
    moved = np.abs((maps - chosen) @ _CORNERS).max((1, 2)) / 2
    return Fit(maps, kept, moved, living)


def batches(count: int, side: int) -> Iterator[Array]:
    """Rows 0 to count in parts of about BATCH pixels."""
    size = max(1, BATCH // (side * side))
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))


def warp(pictures: Array, maps: Array, frames: Array) -> tuple[Array, Array]:
    """Each picture (n, side, side) at the places that its map gives, and which of those lie in its frame."""
    side = pictures.shape[1]
    axis = _axis(side)
    half = np.float32(side / 2)
    scaled = maps.astype(np.float32) * half
    inside: Array | None = None
    places = []
    for row in (0, 1):
        factors = scaled[:, row]
        down = factors[:, 1, None] * axis + (factors[:, 2, None] + (half - np.float32(0.5)))
        place = factors[:, 0, None, None] * axis + down[:, :, None]
        limits = ((frames[:, 2 * row : 2 * row + 2] + 1) * half - 0.5).astype(np.float32)
        within = (place > limits[:, :1, None]) & (place < limits[:, 1:, None])
        inside = within if inside is None else inside & within
        np.clip(place, 0, side - 1.001, out=place)
        places.append(place)
    assert inside is not None
    return _sample(pictures, *places), inside


def _sample(pictures: Array, across: Array, down: Array) -> Array:
    """Bilinear samples at pixel coordinates, which are overwritten."""
    n, side, _ = pictures.shape
    left, top = across.astype(np.int32), down.astype(np.int32)
    across -= left
    down -= top
    top *= side
    top += left
    place = top.astype(np.intp)
    place += (np.arange(n) * (side * side))[:, None, None]
    flat = pictures.ravel()
    corners = []
    for step in (0, 1, side, -1):  # upper left, upper right, lower right, lower left
        place += step
        corners.append(flat.take(place, mode="clip"))
    upper, right, lower_right, lower = corners
    right -= upper
    right *= across
    upper += right
    lower_right -= lower
    lower_right *= across
    lower += lower_right
    lower -= upper
    lower *= down
    upper += lower
    return upper


def inside_frame(frames: Array, side: int) -> Array:
    """(n, side, side) bool: the pixels whose middle lies in the frame."""
    axis = _axis(side)
    across = (axis > frames[:, 0, None]) & (axis < frames[:, 1, None])
    down = (axis > frames[:, 2, None]) & (axis < frames[:, 3, None])
    inside: Array = down[:, :, None] & across[:, None, :]
    return inside


def rim_off(frames_a: Array, frames_b: Array, maps: Array, pixels: float = RIM) -> tuple[Array, Array]:
    """The frames without `pixels` along their rims; as many of the coarser picture's where the map scales."""
    scale = np.sqrt(np.abs(np.linalg.det(maps[:, :, :2]))).clip(0.3, 3)
    inwards = np.array([1, -1, 1, -1]) * (2 * pixels / SIDE)
    return frames_a + inwards / np.minimum(scale, 1)[:, None], frames_b + inwards * np.maximum(scale, 1)[:, None]


def centred(maps: Array) -> Array:
    """Maps of coordinates in 0..1 as maps of coordinates in -1..1."""
    shift = 2 * maps[..., 2:] + maps[..., :2].sum(-1, keepdims=True) - 1
    return np.concatenate([maps[..., :2], shift], axis=-1)


def relative(maps: Array) -> Array:
    """Maps of coordinates in -1..1 as maps of coordinates in 0..1."""
    shift = (maps[..., 2:] + 1 - maps[..., :2].sum(-1, keepdims=True)) / 2
    return np.concatenate([maps[..., :2], shift], axis=-1)


@lru_cache(maxsize=8)
def smoother(side: int) -> Array:
    """(side, side): the weights 1 2 1 along an axis, edges repeated."""
    weights = np.eye(side) / 2
    for row in range(side):
        weights[row, max(row - 1, 0)] += 0.25
        weights[row, min(row + 1, side - 1)] += 0.25
    return weights.astype(np.float32)


@lru_cache(maxsize=8)
def _halver(side: int) -> Array:
    return np.kron(np.eye(side // 2), [[0.5, 0.5]]).astype(np.float32)


@lru_cache(maxsize=8)
def _axis(side: int) -> Array:
    """Middles of the pixels."""
    return ((np.arange(side) + 0.5) * (2 / side) - 1).astype(np.float32)


def _rims(pictures: Pictures, framed: bool) -> Array:
    if framed:
        return 2 * pictures.frames - 1
    return np.tile([-1.0, 1.0, -1.0, 1.0], (len(pictures.frames), 1))


def _improve(a: Array, b: Array, maps: Array, steps: int, frames_a: Array, frames_b: Array) -> tuple[Array, Array]:
    """The maps after some steps, and the correlation before the last of them.

    A step looks for the small affine change of `a` that explains what is left of the difference (inverse
    compositional), weighs pixels down where much is left (a text, a moved object), and takes the
    change off the map.
    """
    n, side, _ = a.shape
    axis = _axis(side)
    powers = np.stack([np.ones_like(axis), axis, axis * axis], axis=1)
    across, down = np.zeros_like(a), np.zeros_like(a)
    across[:, :, 1:-1] = (a[:, :, 2:] - a[:, :, :-2]) * np.float32(side / 4)
    down[:, 1:-1] = (a[:, 2:] - a[:, :-2]) * np.float32(side / 4)
    squares = across * across, across * down, down * down
    edges = squares[0] + squares[2]
    maps = maps.copy()
    frames_a, frames_b = rim_off(frames_a, frames_b, maps)
    own = inside_frame(frames_a, side)
    weights: Array | None = None
    quality = np.zeros(n)
    for _ in range(steps):
        warped, inside = warp(b, maps, frames_b)
        inside &= own
        weights = inside.astype(np.float32) if weights is None else weights * inside
        gain, offset, quality = match_levels(a, warped, weights)
        left = warped - gain[:, None, None] * a
        left -= offset[:, None, None]
        square = left * left
        np.multiply(weights, edges, out=weights)
        spread = np.einsum("nij,nij->n", weights, square) / np.maximum(weights.sum((1, 2)), 1e-6)
        square *= (1 / (3 * spread + 1e-3)).astype(np.float32)[:, None, None]
        square += 1
        weights = inside / square
        left *= weights
        right = [_moments(left * slope, powers[:, :2]) for slope in (across, down)]
        curves = [_moments(weights * product, powers) for product in squares]
        change = _solve(curves, right) / np.where(gain > 0.05, gain, np.inf)[:, None]
        maps = _undo(maps, np.clip(change, -_STEP, _STEP))
    return maps, quality


def match_levels(a: Array, b: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Weighted regression b = gain * a + offset of each pair, and their correlation: (n,) float32 each."""
    weighed = weights * a
    total = np.maximum(weights.sum((1, 2)), 1e-6)
    mean_a, mean_b = weighed.sum((1, 2)) / total, np.einsum("nij,nij->n", weights, b) / total
    var_a = np.einsum("nij,nij->n", weighed, a) / total - mean_a * mean_a
    shared = np.einsum("nij,nij->n", weighed, b) / total - mean_a * mean_b
    np.multiply(weights, b, out=weighed)
    var_b = np.einsum("nij,nij->n", weighed, b) / total - mean_b * mean_b
    gain = shared / (var_a + np.float32(1e-2))
    quality = shared / np.sqrt(np.maximum(var_a, 1e-2) * np.maximum(var_b, 1e-2))
    return gain, mean_b - gain * mean_a, quality


def _error(a: Array, b: Array, maps: Array, frames_a: Array, frames_b: Array) -> Array:
    """Mean absolute difference of each pair under a map, grey levels."""
    frames_a, frames_b = rim_off(frames_a, frames_b, maps)
    warped, inside = warp(b, maps, frames_b)
    weights = (inside & inside_frame(frames_a, a.shape[1])).astype(np.float32)
    gain, offset, _ = match_levels(a, warped, weights)
    left = np.abs(warped - gain[:, None, None] * a - offset[:, None, None])
    error: Array = np.einsum("nij,nij->n", left, weights) / np.maximum(weights.sum((1, 2)), 1)
    return error


def _moments(values: Array, powers: Array) -> Array:
    """(n, side, side) -> (n, p, p): sums of values times y**i x**j."""
    moments: Array = powers.T @ (values @ powers)
    return moments


def _solve(curves: Sequence[Array], right: Sequence[Array]) -> Array:
    """(n, 6): the change moves a place by s0 x + s1 y + s2 along x and by s3 x + s4 y + s5 along y."""
    n = len(curves[0])
    terms = ((0, 1), (1, 0), (0, 0))  # powers of y and x
    system, wanted = np.empty((n, 6, 6)), np.empty((n, 6, 1))
    for i, (yi, xi) in enumerate(terms):
        wanted[:, i, 0], wanted[:, 3 + i, 0] = right[0][:, yi, xi], right[1][:, yi, xi]
        for j, (yj, xj) in enumerate(terms):
            along, mixed, upright = (curve[:, yi + yj, xi + xj] for curve in curves)
            system[:, i, j], system[:, 3 + i, 3 + j] = along, upright
            system[:, i, 3 + j] = system[:, 3 + i, j] = mixed
    diagonal = np.einsum("nii->ni", system)
    diagonal += _DAMPING * (diagonal + diagonal.mean(1, keepdims=True)) + 1e-3
    return np.linalg.solve(system, wanted)[:, :, 0]


def _undo(maps: Array, change: Array) -> Array:
    """The maps after the inverse of the change."""
    moved = np.zeros((len(maps), 3, 3))
    moved[:, :2] = change.reshape(-1, 2, 3)
    moved += np.eye(3)
    undone: Array = maps @ np.linalg.inv(moved)
    return undone

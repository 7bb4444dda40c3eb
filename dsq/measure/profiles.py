"""What the pixels across each side of a box look like: profiles from the ring into the box, some 170 numbers a side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.measure.rims import BOX, COARSE, RING, SIDE, Crops

Array = NDArray[Any]

CELL = 4  # pixels of a crop that are one cell of a profile
#: cells of a profile: along it, from the rim of the crop to just past the middle of the box; rows of them across it
DEPTH, ROWS = 13, slice(RING // CELL - 1, (SIDE - RING) // CELL + 1)
BINS = 8  # of each colour channel
#: profiles a side, and numbers beside them; the first BROAD profiles are also given as their means over the four sides
PROFILES, SINGLE, BROAD = 13, 3, 2
FEATURES = (PROFILES + BROAD) * DEPTH + SINGLE
_RARE = 2e-4  # share of pixels under which a colour says little

#: a crop turned so that its left, top, right, bottom side comes to lie on the left
_TURNS: tuple[Callable[[Array], Array], ...] = (
    lambda a: a,
    lambda a: a.swapaxes(-1, -2),
    lambda a: a[..., ::-1],
    lambda a: a.swapaxes(-1, -2)[..., ::-1],
)


def profile_sides(crops: Crops) -> Array:
    """(n, 4, FEATURES) float32: what lies across the left, top, right and bottom side of each box, each seen as a left
    one: DEPTH cells of PROFILES kinds (how much the colours are those of the middle of the box; distances to the
    colour of the rim and of the middle; change and edges), contrast and share of the ring beyond the image, means over
    all four sides.
    """
    fine = _halve(crops.luma)
    coarse = np.stack([fine, *crops.chroma.astype(np.float32).swapaxes(0, 1)], 1)
    cells = _halve(coarse)
    edges = _find_edges(crops.luma)
    inner = _halve(tell_foreground(coarse, crops.beyond))
    ring, quarter = RING // CELL, (RING + BOX // 4) // CELL
    spread = cells[..., ring:-ring, ring:-ring].std((2, 3)).mean(1) + 4
    core = cells[..., quarter:-quarter, quarter:-quarter].mean((2, 3))
    sides = []
    for side, turn in enumerate(_TURNS):
        planes = [np.ascontiguousarray(turn(plane)[..., ROWS, :DEPTH]) for plane in (cells, inner, *edges)]
        if side % 2:
            planes[2:] = planes[:1:-1]
        profiles = _describe(*planes, core, spread)
        single = [crops.beyond[:, side], crops.beyond[:, (side + 2) % 4], np.log(spread)]
        sides.append(np.concatenate([*profiles, np.stack(single, 1)], 1))
    own = np.stack(sides, 1)
    broad = own[:, :, : BROAD * DEPTH].mean(1, keepdims=True)
    return np.concatenate([own, np.broadcast_to(broad, (*own.shape[:2], BROAD * DEPTH))], 2).astype(np.float32)


def _describe(cells: Array, inner: Array, across: Array, along: Array, core: Array, spread: Array) -> list[Array]:
    """The profiles of one side: cells (n, 3, rows, DEPTH), the others (n, rows, DEPTH) -> PROFILES × (n, DEPTH)."""
    scale = spread[:, None, None]
    rim = cells[..., :2].mean(3, keepdims=True)
    to_row = _distance(cells, rim) / scale
    to_rim = _distance(cells, rim.mean(2, keepdims=True)) / scale
    to_core = _distance(cells, core[:, :, None, None]) / scale
    change = np.zeros(inner.shape, np.float32)
    change[..., 1:] = np.sqrt(np.abs(np.diff(cells, axis=3)).sum(1) / scale)
    busy = (across.mean((1, 2)) + along.mean((1, 2)) + 1)[:, None]
    found = []
    for values in (inner, to_row, to_rim, change):
        found += [values.mean(1), _third(values)]
    return [
        *found,
        to_core.mean(1),
        -_third(-to_core),
        across.mean(1) / busy,
        _third(across) / busy,
        along.mean(1) / busy,
    ]


def _distance(cells: Array, to: Array) -> Array:
    """(n, 3, …) colours -> (n, …) distances."""
    gap = cells - to
    gap *= gap
    found: Array = np.sqrt(gap[:, 0] + gap[:, 1] + gap[:, 2])
    return found


def _third(values: Array) -> Array:
    """The third highest of the rows: (n, rows, DEPTH) -> (n, DEPTH)."""
    found: Array = np.partition(values, -3, axis=1)[:, -3]
    return found


def _halve(planes: Array) -> Array:
    """Means of 2 × 2 blocks of (…, h, w), as float32."""
    rows = planes[..., ::2, :] + planes[..., 1::2, :].astype(np.float32)
    halved: Array = (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)
    return halved


def _find_edges(luma: Array) -> tuple[Array, Array]:
    """How much neighbours differ along x and along y: (n, SIDE, SIDE) uint8 -> two (n, cells, cells) float32."""
    found = []
    for axis in (2, 1):
        low, high = (luma[:, :, :-1], luma[:, :, 1:]) if axis == 2 else (luma[:, :-1], luma[:, 1:])
        steps = np.zeros(luma.shape, np.uint8)
        place = steps[:, :, 1:] if axis == 2 else steps[:, 1:]
        np.subtract(np.maximum(low, high), np.minimum(low, high), out=place)
        found.append(_halve(_halve(steps)))
    return found[0], found[1]


def _weigh_middle() -> Array:
    """(COARSE, COARSE) how much a pixel counts as the middle of the box: a bell, 0 outside of the box."""
    at = (np.arange(COARSE) + 0.5) / COARSE * SIDE - SIDE / 2
    bell = np.where(np.abs(at) < BOX / 2, np.exp(-0.5 * (at / (0.3 * BOX)) ** 2), 0)
    return np.outer(bell, bell)


_MIDDLE = _weigh_middle()
_SMOOTH = (np.eye(BINS) * 0.5 + np.eye(BINS, k=1) * 0.25 + np.eye(BINS, k=-1) * 0.25).astype(np.float32)


def _weigh_ring(beyond: Array) -> Array:
    """(n, COARSE, COARSE) 1 in the ring where the image is, else 0."""
    at = np.arange(COARSE) + 0.5
    ring = RING * COARSE / SIDE
    lost = beyond * ring
    x = (at >= lost[:, :1]) & (at < COARSE - lost[:, 2:3])
    y = (at >= lost[:, 1:2]) & (at < COARSE - lost[:, 3:])
    inside = (at > ring) & (at < COARSE - ring)
    seen: Array = (y[:, :, None] & x[:, None, :] & ~np.outer(inside, inside)).astype(float)
    return seen


def tell_foreground(coarse: Array, beyond: Array) -> Array:
    """(n, COARSE, COARSE) in -1..1: how much more often a pixel's colour occurs in the middle of the box than in the
    ring.

    coarse: (n, 3, COARSE, COARSE) float32.
    """
    count, size = len(coarse), BINS**3
    luma = coarse[:, 0].astype(np.int32) >> 5
    chroma = np.clip((coarse[:, 1:].astype(np.int32) - 64) >> 4, 0, BINS - 1)  # twice as finely around grey
    codes = (((luma * BINS) + chroma[:, 0]) * BINS + chroma[:, 1]).reshape(count, -1)
    codes += (np.arange(count, dtype=np.int32) * size)[:, None]
    middle = _count(codes, np.broadcast_to(_MIDDLE, (count, COARSE, COARSE)))
    ring = _count(codes, _weigh_ring(beyond))
    ratio = (middle - ring) / (middle + ring + np.float32(_RARE))
    found = ratio.ravel()[codes].reshape(count, COARSE, COARSE)
    wide = np.pad(found, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    smooth: Array = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) * np.float32(1 / 9)
    return smooth


def _count(codes: Array, weights: Array) -> Array:
    """Smoothed histograms of colours, (n, BINS³) that sum to 1."""
    count = len(codes)
    counts = np.bincount(codes.ravel(), weights.reshape(-1), count * BINS**3)
    cube = counts.astype(np.float32).reshape(count, BINS, BINS * BINS)
    cube = (_SMOOTH @ cube).reshape(count, BINS, BINS, BINS) @ _SMOOTH
    cube = (cube.swapaxes(2, 3) @ _SMOOTH).reshape(count, -1)
    return cube / (cube.sum(1, keepdims=True) + np.float32(1e-6))

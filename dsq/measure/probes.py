"""Perceptual hashes of an image: of the whole in its eight orientations, of ten crops, and without a plain border."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NAME = "probes"
VERSION = 1
#: shares of a side that the crops keep; each is cut at the middle and at the four corners
CROPS = (0.92, 0.82)
ORIENTATIONS = 8
#: position of the hash without the border
TRIMMED = ORIENTATIONS + 5 * len(CROPS)
PROBES = TRIMMED + 1
#: an image whose coarse structure has a standard deviation below this (grey levels) has no hash: 0
FLAT = 0.5
#: grey levels by which a line of a plain border may differ within itself and from the outermost one
PLAIN = 12
#: a border ends at this share of a side, and what is left inside has at least MIN_INSIDE pixels a side
MOST_BORDER = 0.45
MIN_INSIDE = 8

_GRID, _KEPT = 32, 8
_MIDDLE = (_KEPT * _KEPT - 1) // 2


def probe_hashes(y: Array) -> Array:
    """Hashes of the luma `y` (h, w) uint8 -> (PROBES,) uint64; 0 stands for a picture too flat to have one.

    0..7: the image turned as `turn` does it; then crops of 92 % and 82 % of each side at the middle, top left, top
    right, bottom left, bottom right; last the image without its plain border (equal to the first where it has none).
    A hash is that of the 8×8 lowest DCT frequencies of the image shrunk to 32×32: which lie above their median.
    """
    hashes: Array = probe_many(y[None])[0]
    return hashes


def probe_many(y: Array) -> Array:
    """`probe_hashes` of images of one size: (n, h, w) uint8 -> (n, PROBES) uint64."""
    count, height, width = y.shape
    spectra = _side(height) @ y.astype(np.float32) @ _side(width).T
    values = np.empty((count, PROBES, _KEPT * _KEPT), np.float32)
    np.multiply(spectra.reshape(count, -1)[:, _PICK], _SIGN, out=values[:, :TRIMMED])
    values[:, TRIMMED] = values[:, 0]
    for number in np.flatnonzero(_may_have_border(y)).tolist():
        inside = plain_border(y[number])
        if inside is not None:
            top, bottom, left, right = inside
            inner = y[number, top:bottom, left:right].astype(np.float32)
            values[number, TRIMMED] = (_whole(bottom - top) @ inner @ _whole(right - left).T).ravel()
    median = np.sort(values[..., 1:], axis=2)[..., _MIDDLE]
    bits = values > median[..., None]
    hashes = np.packbits(bits, axis=2, bitorder="little").view("<u8")[..., 0].astype(np.uint64)
    energy = np.einsum("nij,nij->ni", values[..., 1:], values[..., 1:])
    hashes[energy < (FLAT * _GRID) ** 2] = 0
    return hashes


def _may_have_border(y: Array) -> Array:
    """(n,) bool: whether one of the outermost lines is of one grey level."""
    found = np.zeros(len(y), bool)
    for line in (y[:, 0], y[:, -1], y[:, :, 0], y[:, :, -1]):
        found |= np.ptp(line, axis=1) <= PLAIN
    return found


def turn(image: Array, orientation: int) -> Array:
    """A view of `image` (..., h, w) in one of the eight orientations: 4 mirrors it at the main diagonal first, then
    1 left to right, 2 upside down; the numbers add up.
    """
    if orientation & 4:
        image = image.swapaxes(-1, -2)
    if orientation & 1:
        image = image[..., ::-1]
    if orientation & 2:
        image = image[..., ::-1, :]
    return image


def plain_border(y: Array) -> tuple[int, int, int, int] | None:
    """Top, bottom, left, right of what lies inside a border of one grey level; None where there is no such border."""
    height, width = y.shape
    cuts = [_plain_lines(lines) for lines in (y, y[::-1], y.T, y.T[::-1])]
    if not any(cuts):
        return None
    top, bottom, left, right = cuts[0], height - cuts[1], cuts[2], width - cuts[3]
    if bottom - top < MIN_INSIDE or right - left < MIN_INSIDE:
        return None
    return top, bottom, left, right


def _plain_lines(lines: Array) -> int:
    """How many of the first lines are of one grey level; 0 where that never ends."""
    outermost = lines[0].tobytes()
    low, high = min(outermost), max(outermost)
    if high - low > PLAIN:
        return 0
    most = int(len(lines) * MOST_BORDER)
    part = lines[: most + 1]
    least, greatest = part.min(axis=1).astype(np.int16), part.max(axis=1).astype(np.int16)
    level = (low + high) / 2
    plain = (greatest - least <= PLAIN) & (greatest - level <= PLAIN) & (level - least <= PLAIN)
    if plain.all():
        return 0
    return int(plain.argmin())


@lru_cache(maxsize=256)
def _side(length: int) -> Array:
    """(56, length) operator of one axis: the low frequencies of the whole and of each crop, lowest offset first."""
    parts = [_operator(length, 0.0, length)]
    for share in CROPS:
        kept = share * length
        parts += [_operator(length, place * (length - kept), kept) for place in (0.0, 0.5, 1.0)]
    return np.ascontiguousarray(np.concatenate(parts), np.float32)


@lru_cache(maxsize=512)
def _whole(length: int) -> Array:
    """(8, length) operator of one axis: the low frequencies of the whole."""
    return _operator(length, 0.0, length).astype(np.float32)


def _operator(length: int, start: float, kept: float) -> Array:
    """(8, length): the low DCT frequencies of a part of an axis shrunk to 32 samples by area."""
    edges = start + np.arange(_GRID + 1) * (kept / _GRID)
    pixels = np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shrink = np.clip(shared, 0, None) * (_GRID / kept)
    angles = (np.arange(_GRID) + 0.5) * np.arange(_KEPT)[:, None] * (np.pi / _GRID)
    cosines = np.cos(angles) * np.sqrt(2 / _GRID)
    cosines[0] = np.sqrt(1 / _GRID)
    low: Array = cosines @ shrink
    return low


def _tables() -> tuple[Array, Array]:
    """Where in the product of `_side` the values of each probe lie, and their signs: (TRIMMED, 64) each."""
    rows = np.arange(_KEPT)
    stride = _KEPT * (1 + 3 * len(CROPS))
    picks, signs = [], []
    for orientation in range(ORIENTATIONS):
        place = rows[:, None] * stride + rows
        across = (-1.0) ** (rows * (orientation & 1))
        down = (-1.0) ** (rows * (orientation >> 1 & 1))
        picks.append(place.T if orientation & 4 else place)
        signs.append(down[:, None] * across)
    for number in range(len(CROPS)):
        first = 1 + 3 * number
        for down_by, across_by in ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2)):
            block = (rows + _KEPT * (first + down_by))[:, None] * stride + rows + _KEPT * (first + across_by)
            picks.append(block)
            signs.append(np.ones((_KEPT, _KEPT)))
    return np.stack(picks).reshape(TRIMMED, -1), np.stack(signs).reshape(TRIMMED, -1).astype(np.float32)


_PICK, _SIGN = _tables()

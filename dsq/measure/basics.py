"""Brightness, contrast, colour, information and sharpness of one image, from its small version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.measure.decode import TOGETHER

if TYPE_CHECKING:
    from dsq.measure.decode import Small

Array = NDArray[Any]

NAME = "basics"
VERSION = 5

#: share of pixels at or below luma_min, luma_p1 … luma_p99, luma_max
_SHARES = np.array([1e-9, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0])
_PERCENTILES = ("luma_min", "luma_p1", "luma_p5", "luma_p50", "luma_p95", "luma_p99", "luma_max")
_LEVELS = np.arange(256.0)
_SQUARES = _LEVELS**2


class Basics(NamedTuple):
    """Numbers of one image.

    luma_mean, luma_sd, luma_min, luma_p1 to luma_p99 (percentiles), luma_max: levels 0 to 255. rim: the luma under
    which a twentieth of the outermost pixels lie. colour: root mean square distance of Cb, Cr from grey, levels.
    colour_sd: how far Cb, Cr spread around their mean, levels. information: entropy of the luma histogram, 0 to 8
    bits. steps: root mean square luma step between neighbours, levels. sharpness: that step over the one two pixels
    wide, along rows or columns, whichever is smaller: .5 in smooth and 1 in noisy pictures, 1 where nothing changes.
    """

    luma_mean: float
    luma_sd: float
    luma_min: float
    luma_p1: float
    luma_p5: float
    luma_p50: float
    luma_p95: float
    luma_p99: float
    luma_max: float
    rim: float
    colour: float
    colour_sd: float
    information: float
    steps: float
    sharpness: float


def describe(small: Small) -> Basics:
    """The numbers of an image whose planes y, cb, cr are (height, width) uint8."""
    return Basics(*describe_all([small])[0].tolist())


def describe_all(smalls: Sequence[Small], stacks: Iterable[tuple[list[int], Array]] | None = None) -> Array:
    """`describe` of some images: (n, fields) float64. Those of one size are treated together, which is faster.

    stacks: what `stack_by_size` makes of their luma, if known. Every sum is one of whole numbers or runs along one
    line, so that neither the number of images nor of threads changes a bit of the result.
    """
    luma = _count_levels([small.y for small in smalls])
    total = luma.sum(1, keepdims=True)
    shares = luma / total
    mean, variance = _moments(luma)
    spread = square = np.zeros(len(smalls))
    for planes in ([small.cb[::2] for small in smalls], [small.cr[::2] for small in smalls]):  # half of it will do
        middle, around = _moments(_count_levels(planes))
        spread = spread + around
        square = square + around + (middle - 128) ** 2
    numbers = {
        "luma_mean": mean,
        "luma_sd": np.sqrt(variance),
        **dict(zip(_PERCENTILES, _percentiles(luma, total), strict=True)),
        "colour": np.sqrt(square),
        "colour_sd": np.sqrt(spread),
        "information": np.abs((shares * np.log2(np.where(luma > 0, shares, 1.0))).sum(1)),
        **{name: np.empty(len(smalls)) for name in ("rim", "steps", "sharpness")},
    }
    for rows, stacked in stacks or stack_by_size([small.y for small in smalls]):
        fine_x, fine_y, wide_x, wide_y = _steps(stacked)
        numbers["rim"][rows] = _rim(stacked)
        numbers["steps"][rows] = np.sqrt((fine_x + fine_y) / 2)
        numbers["sharpness"][rows] = np.sqrt(np.minimum(_ratio(fine_x, wide_x), _ratio(fine_y, wide_y)))
    return np.stack([numbers[name] for name in Basics._fields], 1)


def stack_by_size(planes: Sequence[Array]) -> Iterator[tuple[list[int], Array]]:
    """Positions of the planes of one size, a few at a time so that they stay in the processor's cache, and the planes
    as (n, h, w).
    """
    sizes: dict[tuple[int, ...], list[int]] = {}
    for number, plane in enumerate(planes):
        sizes.setdefault(plane.shape, []).append(number)
    for rows in sizes.values():
        for start in range(0, len(rows), TOGETHER):
            part = rows[start : start + TOGETHER]
            yield part, np.stack([planes[row] for row in part])


def _count_levels(planes: Sequence[Array]) -> Array:
    """(n, 256) float64: pixels of each level."""
    return np.array([np.bincount(plane.ravel(), minlength=256) for plane in planes], np.float64)


def _moments(counts: Array) -> tuple[Array, Array]:
    """Mean and variance of each histogram."""
    total = counts.sum(1)
    mean = (counts * _LEVELS).sum(1) / total
    return mean, np.maximum((counts * _SQUARES).sum(1) / total - mean * mean, 0.0)


def _percentiles(counts: Array, total: Array) -> Array:
    """(shares, n): the level up to which each of _SHARES of the pixels lie."""
    below = counts.cumsum(1)
    return np.array([(below < share * total).sum(1) for share in _SHARES], np.float64)


def _rim(luma: Array) -> Array:
    lines = np.concatenate((luma[:, 0], luma[:, -1], luma[:, :, 0], luma[:, :, -1]), 1)
    place = lines.shape[1] // 20
    rim: Array = np.partition(lines, place, axis=1)[:, place].astype(np.float64)
    return rim


def _steps(luma: Array) -> tuple[Array, Array, Array, Array]:
    """Mean square difference of pixels one apart along x and y, then two apart; 0 where there is no such pair."""
    levels = luma.astype(np.float32)
    found = []
    for apart in (1, 2):
        for change in (levels[:, :, apart:] - levels[:, :, :-apart], levels[:, apart:] - levels[:, :-apart]):
            lines = np.einsum("nij,nij->ni", change, change)
            found.append(lines.sum(1, dtype=np.float64) / max(change[0].size, 1))
    return found[0], found[1], found[2], found[3]


def _ratio(fine: Array, wide: Array) -> Array:
    return np.divide(fine, wide, out=np.ones_like(fine), where=wide > 0)

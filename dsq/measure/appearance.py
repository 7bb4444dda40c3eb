"""What a picture looks like, in numbers that a person can act on and in a descriptor: for comparing two sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.headers import parse_header
from dsq.measure.decode import DecodeError, decode_large, decoder
from dsq.measure.derive import derive
from dsq.measure.store import Cache
from dsq.model import Dataset

Array = NDArray[Any]

NAME = "appearance"
VERSION = 2

#: in the order of `Appearance.stats`
STATS = (
    "width", "height", "aspect", "lightness", "contrast", "dark_share", "bright_share", "saturation", "warm_share",
    "red", "blue", "cast", "sharpness", "noise", "edges", "vertical_edges", "horizontal_edges", "information",
    "top_light", "centre_light", "top_edge", "bottom_edge", "blockiness",
)  # fmt: skip
LONG_SIDE = 256  # px: of the small version that most is measured on
PATCH = 256  # px: of the patch in the middle at full size, for what resizing hides
_EDGE = 60.0  # levels of gradient
_DARK, _BRIGHT, _WARM = 40, 225, 10  # levels
_STRIP = 16  # of the height: along the edges, where cameras write the time and letterboxes put bars
_GRID = 4  # cells a side of the map of edge directions
_DIRECTIONS = 6
_THUMB = 8
#: how much each part of the descriptor weighs
_WEIGHTS = {"thumb": 1 / 30, "edges": 1 / 4, "texture": 3.0, "chroma": 3.0}
_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


class Appearance(NamedTuple):
    """stats: (n, len(STATS)) float64; descriptor: (n, LENGTH) float32. NaN where an image cannot be decoded.

    Of the stats: width, height in log px, aspect the log of width/height; lightness, contrast (mean and sd of luma),
    saturation (mean distance of the chroma from grey), red, blue (mean Cr and Cb from grey), cast (distance of the
    mean chroma from grey), top_light, centre_light, top_edge, bottom_edge (mean luma of the upper less the lower half,
    of the middle, of a strip along the edge less the whole) in levels of 255; the shares 0 to 1; sharpness and noise
    as logs of levels at full size; information in bits; blockiness 1 where JPEG's 8 × 8 blocks do not show.
    """

    stats: Array
    descriptor: Array


def measure_appearance(
    dataset: Dataset,
    rows: Sequence[int],
    *,
    workers: int | None = None,
    rehash: bool = False,
    cache: Cache = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Appearance:
    """The appearance of the images at `rows` (positions in `images`); each is decoded once and then cached."""
    derived = derive(
        dataset,
        rows,
        describe_appearance,
        f"{NAME}-{VERSION} {decoder()}",
        workers=workers,
        rehash=rehash,
        cache=cache,
        progress=progress,
        doing="comparing appearances",
    )
    table = np.full((len(rows), len(STATS) + LENGTH), np.nan, np.float32)
    for at, packed in enumerate(derived.data):
        if packed:
            table[at] = np.frombuffer(packed, "<f4")
    return Appearance(table[:, : len(STATS)].astype(np.float64), table[:, len(STATS) :])


def describe_appearance(data: bytes) -> bytes:
    """Stats and descriptor of an image file as packed float32; nothing where it cannot be decoded."""
    header = parse_header(data)
    try:
        planes = decode_large(data, 1, header)
    except DecodeError:
        return b""
    return np.concatenate(_describe(planes)).astype("<f4").tobytes()


def _describe(planes: Array) -> tuple[Array, Array]:
    """Stats and descriptor of luma and chroma (height, width, 3) uint8 at full size."""
    height, width = planes.shape[:2]
    small = _shrink(planes)
    luma, blue, red = small[..., 0], small[..., 1] - 128, small[..., 2] - 128
    across, down = _gradients(luma)
    strength = np.hypot(across, down) + 1e-6
    angle = np.arctan2(down, across) % np.pi  # 0: a vertical edge
    lean = np.minimum(angle, np.pi - angle)
    strip = max(1, len(luma) // _STRIP)
    half, quarter_y, quarter_x = len(luma) // 2, len(luma) // 4, luma.shape[1] // 4
    middle = luma[quarter_y : len(luma) - quarter_y, quarter_x : luma.shape[1] - quarter_x]
    levels = np.bincount(luma.astype(np.uint8).ravel() >> 3, minlength=32) / luma.size
    total = strength.sum()
    mean, blue_mean, red_mean = luma.mean(), blue.mean(), red.mean()
    sharpness, noise, blockiness = _grain(_middle_patch(planes[..., 0]))
    stats = np.array(
        [
            np.log(width),
            np.log(height),
            np.log(width / height),
            mean,
            luma.std(),
            (luma < _DARK).mean(),
            (luma > _BRIGHT).mean(),
            np.hypot(blue, red).mean(),
            ((red > _WARM) & (blue < 0)).mean(),
            red_mean,
            blue_mean,
            np.hypot(blue_mean, red_mean),
            sharpness,
            noise,
            (strength > _EDGE).mean(),
            strength[lean < np.pi / 8].sum() / total,
            strength[lean > 3 * np.pi / 8].sum() / total,
            -(levels[levels > 0] * np.log2(levels[levels > 0])).sum(),
            luma[:half].mean() - luma[half:].mean(),
            middle.mean() - mean,
            luma[:strip].mean() - mean,
            luma[-strip:].mean() - mean,
            blockiness,
        ]
    )
    parts = (
        _thumb(small).ravel() * _WEIGHTS["thumb"],
        _edge_map(strength, angle) * _WEIGHTS["edges"],
        np.sqrt(_texture(luma)) * _WEIGHTS["texture"],
        np.sqrt(np.concatenate([_spread(blue), _spread(red)])) * _WEIGHTS["chroma"],
    )
    return stats, np.concatenate(parts)


#: of the descriptor: thumb, edge directions at two scales, texture, chroma
LENGTH = _THUMB * _THUMB * 3 + 2 * _GRID * _GRID * _DIRECTIONS + 10 + 16


def _shrink(planes: Array) -> Array:
    """(h, w, 3) float32 with a long side of LONG_SIDE and a short one of at least 32."""
    from PIL import Image

    height, width = planes.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = max(32, round(width * scale)), max(32, round(height * scale))
    image = Image.fromarray(np.ascontiguousarray(planes))
    return np.asarray(image.resize(size, Image.Resampling.BOX), np.float32)


def _gradients(luma: Array) -> tuple[Array, Array]:
    """Sobel's, across and down, (h, w) each; the rim repeats."""
    padded = np.pad(luma, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    return rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]


def _middle_patch(luma: Array) -> Array:
    height, width = min(PATCH, luma.shape[0]), min(PATCH, luma.shape[1])
    top, left = (luma.shape[0] - height) // 2, (luma.shape[1] - width) // 2
    return luma[top : top + height, left : left + width].astype(np.float32)


def _grain(patch: Array) -> tuple[float, float, float]:
    """Log of the strong local steps, log of the noise's sd, and the steps at JPEG's block borders over the others."""
    if min(patch.shape) < 3:
        return 0.0, float(np.log(0.1)), 1.0
    core = patch[1:-1, 1:-1]
    sides = patch[:-2, 1:-1] + patch[2:, 1:-1] + patch[1:-1, :-2] + patch[1:-1, 2:]
    corners = patch[:-2, :-2] + patch[:-2, 2:] + patch[2:, :-2] + patch[2:, 2:]
    sharpness = np.log(np.percentile(np.abs(4 * core - sides), 95) + 1)
    # Immerkær's mask is blind to edges; the median keeps texture out, 1.4826 turns it into a standard deviation
    noise = np.median(np.abs(4 * core - 2 * sides + corners)) / 6 * 1.4826
    steps = np.abs(np.diff(patch, axis=1)).mean(0)
    # the patch need not begin at a block: the phase with the largest steps is taken
    phases = [steps[phase::8].mean() for phase in range(8)] if len(steps) >= 16 else [1.0]
    blockiness = (max(phases) + 0.1) / (steps.mean() + 0.1) if len(steps) >= 16 else 1.0
    return float(sharpness), float(np.log(noise + 0.1)), float(blockiness)


@lru_cache(256)
def _pooling(length: int, cells: int) -> Array:
    """(cells, length): means over equal stretches of an axis, parts of pixels weighted."""
    edges = np.linspace(0, length, cells + 1)
    at = np.arange(length)
    share = np.minimum(at + 1, edges[1:, None]) - np.maximum(at, edges[:-1, None])
    pooled: Array = (np.clip(share, 0, 1) / (length / cells)).astype(np.float32)
    return pooled


def _thumb(small: Array) -> Array:
    """(8, 8, 3) means, chroma from grey."""
    rows, columns = _pooling(small.shape[0], _THUMB), _pooling(small.shape[1], _THUMB)
    thumb: Array = np.einsum("rh,hwc,kw->rkc", rows, small, columns, optimize=True)
    return thumb - np.array([0, 128, 128], np.float32)


def _edge_map(strength: Array, angle: Array) -> Array:
    """Root of the mean edge strength by cell and direction, at full and at half size."""
    direction = np.minimum((angle * (_DIRECTIONS / np.pi)).astype(np.int64), _DIRECTIONS - 1)
    found = []
    for step in (1, 2):
        strong, turned = strength[::step, ::step], direction[::step, ::step]
        rows, columns = _pooling(strong.shape[0], _GRID), _pooling(strong.shape[1], _GRID)
        found += [
            (rows @ np.where(turned == number, strong, np.float32(0)) @ columns.T).ravel()
            for number in range(_DIRECTIONS)
        ]
    root: Array = np.sqrt(np.concatenate(found))
    return root


def _texture(luma: Array) -> Array:
    """(10,) shares of the uniform local binary patterns by their number of brighter neighbours, and of the others."""
    height, width = luma.shape
    core = luma[1:-1, 1:-1] + 2
    code = np.zeros(core.shape, np.uint8)
    for bit, (down, across) in enumerate(_AROUND):
        code |= (luma[1 + down : height - 1 + down, 1 + across : width - 1 + across] > core).astype(np.uint8) << bit
    turned = (code << 1) | (code >> 7)
    kind = np.where(np.bitwise_count(code ^ turned) <= 2, np.bitwise_count(code), 9)
    shares: Array = np.bincount(kind.ravel(), minlength=10) / code.size
    return shares


def _spread(chroma: Array) -> Array:
    """(8,) shares of a chroma plane's levels, in steps of 12 around grey."""
    shares: Array = np.bincount(np.clip(chroma / 12 + 4, 0, 7).astype(np.int64).ravel(), minlength=8) / chroma.size
    return shares

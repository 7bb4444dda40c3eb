"""The most different images of a set: each one chosen is the farthest from those chosen before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.measure.images import measure_images
from dsq.measure.probes import TRIMMED
from dsq.measure.store import Cache
from dsq.model import Dataset

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: the hashes that count: of the whole image in its eight orientations, as it is stored first, and of its crops
HASHES = tuple(range(TRIMMED))
#: the numbers that count
LEVELS = ("luma_mean", "luma_sd", "luma_p5", "luma_p50", "luma_p95", "colour", "colour_sd", "information", "steps")
#: what a standard deviation of them weighs beside a share of bits
WEIGHT = 0.2
#: standard deviations beyond which a number counts as no farther off
FAR = 3.0


class Signatures(NamedTuple):
    """What images look like: hashes (images, len(HASHES)) uint64, levels (images, len(LEVELS)) float32, see
    `dsq.measure.basics.Basics`; NaN for images that cannot be read.
    """

    hashes: Array
    levels: Array

    def take(self, rows: Array) -> Signatures:
        """Those of some images."""
        return Signatures(self.hashes[rows], self.levels[rows])


def read_signatures(
    dataset: Dataset, *, workers: int | None = None, cache: Cache = True, progress: Progress | None = None
) -> Signatures:
    """What each image looks like, in the order of `images`; for `dsq.subset(diverse=…)`.

    Every file is read once, by `workers` processes, and remembered in the cache.
    """
    table, probes = measure_images(dataset, workers=workers, cache=cache, progress=progress)
    count = len(dataset.images)
    found = Signatures(np.zeros((count, len(HASHES)), np.uint64), np.full((count, len(LEVELS)), np.nan, np.float32))
    good = (table["error"] == "").to_numpy()
    rows = table["row"].to_numpy()[good]
    found.hashes[rows] = probes[good][:, HASHES]
    found.levels[rows] = table[list(LEVELS)].to_numpy(np.float32)[good]
    return found


def pick_diverse(
    signatures: Signatures, count: int, names: Sequence[str], *, progress: Progress | None = None
) -> tuple[Array, Array]:
    """Positions of the `count` most different images in the order of their choice, and how far each was from the
    nearest of those before it (the first: infinity).

    The distance is the share of bits in which the hash of one image differs from the nearest one of the other's crops
    and orientations, so that a camera that moves a little and a mirrored copy change little, and WEIGHT times the root
    mean square difference of their LEVELS in robust standard deviations of the set. The first image is the most typical
    one. Images that cannot be read are never chosen. Equal distances are settled by `names`; the order of rows does not
    matter.
    """
    readable = np.flatnonzero(np.isfinite(signatures.levels).all(1))
    readable = readable[np.argsort(np.array([names[row] for row in readable.tolist()], object), kind="stable")]
    hashes = np.ascontiguousarray(signatures.hashes[readable].T)
    levels = _standard(signatures.levels[readable])
    count = min(count, len(readable))
    chosen, apart = np.zeros(count, np.int64), np.full(count, np.inf)
    if count == 0:
        return chosen, apart
    at = int((levels**2).mean(1).argmin())
    nearest = np.full(len(readable), np.inf)
    for number in range(count):
        chosen[number], apart[number] = readable[at], nearest[at]
        nearest = np.minimum(nearest, _distance(hashes, levels, at))
        nearest[at] = -1
        at = int(nearest.argmax())
        if progress is not None and number % 50 == 0:
            progress("choosing images", number, count)
    return chosen, apart


def _standard(levels: Array) -> Array:
    """Columns from their median, in robust standard deviations, cut at FAR."""
    if not len(levels):
        return levels
    low, middle, high = np.percentile(levels.astype(np.float64), [16, 50, 84], axis=0)
    spread = np.maximum((high - low) / 2, 1e-3 * np.abs(levels).max(0) + 1e-9)
    standard: Array = np.clip((levels - middle) / spread, -FAR, FAR).astype(np.float32)
    return standard


def _distance(hashes: Array, levels: Array, at: int) -> Array:
    """(n,) how far each image is from the one `at`: hashes (k, n), levels (n, l)."""
    bits = np.full(hashes.shape[1], 64, np.uint8)
    for row, own in zip(hashes, hashes[:, at], strict=True):
        np.minimum(bits, np.bitwise_count(row ^ hashes[0, at]), out=bits)  # what it holds against the whole of `at`
        np.minimum(bits, np.bitwise_count(hashes[0] ^ own), out=bits)
    off = levels - levels[at]
    gaps: Array = bits * np.float32(1 / 64) + WEIGHT * np.sqrt(np.einsum("ij,ij->i", off, off) / len(LEVELS))
    return gaps

"""Which images of one set are farther from another set than that set's images are from each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

USUAL = 0.95  # share of the first set's images that are nearer to another of it than the limit
_DIRECTIONS = 24  # of the descriptor's, those in which the first set varies most
_CLIP = 6.0


class Coverage(NamedTuple):
    """share: of the second set's images that are not covered. p: how likely so many are by chance. distance (m,):
    of each to the nearest of the first set, in units of the limit: over 1 is not covered. nearest (m,): its row.
    """

    share: float
    p: float
    distance: Array
    nearest: Array


def find_coverage(stats: Array, descriptor: Array, other_stats: Array, other_descriptor: Array) -> Coverage:
    """How the images of the second set, (m, k) and (m, d), lie to those of the first, (n, k) and (n, d)."""
    from scipy.stats import binom

    own, other, limit = place_images(stats, descriptor, other_stats, other_descriptor)
    between = distances(other, own)
    found = between.min(1) / limit
    out = int((found > 1).sum())
    p = float(binom.sf(out - 1, len(found), 1 - USUAL))
    return Coverage(out / len(found), p, found, between.argmin(1))


def place_images(
    stats: Array, descriptor: Array, other_stats: Array, other_descriptor: Array
) -> tuple[Array, Array, float]:
    """Both sets' images as points, and the limit: how far USUAL of the first set's are at most from the nearest."""
    place = _Places(stats, descriptor)
    own, other = place(stats, descriptor), place(other_stats, other_descriptor)
    among = distances(own, own)
    np.fill_diagonal(among, np.inf)
    nearest = among.min(1)
    limit = float(np.quantile(nearest, USUAL)) if len(own) > 1 else 1.0
    return own, other, max(limit, 1e-9)


class _Places:
    """Images as points: their numbers in standard units of the first set, and the main directions of descriptors."""

    def __init__(self, stats: Array, descriptor: Array) -> None:
        self._mean, self._spread = stats.mean(0), stats.std(0)
        self._spread = self._spread + 0.05 * np.abs(self._mean) + 1e-3
        self._centre = descriptor.mean(0)
        around = descriptor - self._centre
        self._scale = max(float(np.sqrt(np.square(around).sum(1).mean())), 1e-9)
        self._axes = np.linalg.svd(around, full_matrices=False)[2][:_DIRECTIONS].T

    def __call__(self, stats: Array, descriptor: Array) -> Array:
        scaled = np.clip((stats - self._mean) / self._spread, -_CLIP, _CLIP) / np.sqrt(stats.shape[1])
        return np.concatenate([scaled, (descriptor - self._centre) @ self._axes / self._scale], 1)


def distances(one: Array, other: Array) -> Array:
    """(n, m) Euclidean distances of points (n, k) and (m, k)."""
    squares = np.square(one).sum(1)[:, None] + np.square(other).sum(1) - 2 * one @ other.T
    found: Array = np.sqrt(np.maximum(squares, 0))
    return found

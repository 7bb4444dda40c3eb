"""Crowds of images with nearly the same hash (frames of a still camera), thinned so that no search explodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: a crowd: more than DENSE images within NEARBY bits of one
NEARBY, DENSE = 3, 32
#: the nearest of those kept, and the last of those left out beside it, that one that is left out is compared with
NEIGHBOURS, FOLLOWERS = 2, 2
_BANDS = 4  # more than NEARBY, so that two hashes within it are equal in one


def thin(hashes: Array) -> tuple[Array, tuple[Array, Array]]:
    """Rows of `hashes` (n,) uint64 that take part in a search, and pairs of rows for those left out.

    Of images that lie within NEARBY bits of each other about DENSE are kept, the first ones. One that is left out is
    paired with the nearest of those and with the last that were left out beside the same one: a chain that holds the
    crowd together with few pairs an image.
    """
    suspects = np.flatnonzero(_is_crowded(hashes))
    left_out = np.zeros(len(hashes), bool)
    links: list[tuple[int, int]] = []
    followers: dict[int, list[int]] = {}
    kept, kept_rows, size = np.empty(len(suspects), np.uint64), np.empty(len(suspects), np.int64), 0
    for row in suspects.tolist():
        distance = np.bitwise_count(kept[:size] ^ hashes[row])
        near = np.flatnonzero(distance <= NEARBY)
        if len(near) < DENSE:
            kept[size], kept_rows[size] = hashes[row], row
            size += 1
            continue
        left_out[row] = True
        nearest = near[np.lexsort((-near, distance[near]))][:NEIGHBOURS]
        crowd = followers.setdefault(int(nearest[0]), [])
        links += [(int(kept_rows[other]), row) for other in nearest]
        links += [(other, row) for other in crowd[-FOLLOWERS:]]
        crowd.append(row)
    pairs = np.array(links, np.int64).reshape(-1, 2)
    return np.flatnonzero(~left_out), (pairs[:, 0], pairs[:, 1])


def _is_crowded(hashes: Array) -> Array:
    """(n,) bool: whether so many share a band of bits with it that it may stand in a crowd."""
    crowded = np.zeros(len(hashes), bool)
    usual = 8 * len(hashes) // (1 << (64 // _BANDS))
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * 16)) & np.uint64(0xFFFF)
        crowded |= np.bincount(keys.astype(np.int64), minlength=1 << 16)[keys.astype(np.int64)] > max(
            DENSE // _BANDS, usual
        )
    return crowded

"""Crowds of images with nearly the same hash (frames of a still camera), thinned so that no search explodes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: a crowd: DENSE images within NEARBY bits of one. Pairs that near are mostly meant
NEARBY, DENSE = 6, 32
#: the most alike of those before it that one that is left out, or one beside a crowd, is compared with
BESIDE = 4
_FAR = 99
_BANDS, _WIDTH = 4, 16  # of two hashes within NEARBY bits, some band differs in at most one


class Thinned(NamedTuple):
    """kept (m,) rows that take part in a search; later, earlier (k,): pairs of rows with those left out."""

    kept: Array
    later: Array
    earlier: Array


def thin(hashes: Array) -> Thinned:
    """Rows of `hashes` (n,) uint64 that take part in a search, and pairs of rows for those left out.

    One that has DENSE of those kept before it within NEARBY bits is left out, and paired with the most alike of all
    before it (the last ones of those equally alike): a chain that holds the crowd together with few pairs an image,
    and finds the copy of one in the crowd. One that is kept is paired with the most alike of those left out.
    """
    suspects = np.flatnonzero(_is_crowded(hashes))
    seen = np.ascontiguousarray(hashes[suspects])
    kept = np.zeros(len(suspects), bool)
    pairs: list[tuple[int, int]] = []
    for place in range(len(suspects)):
        distance = np.bitwise_count(seen[:place] ^ seen[place])
        if np.count_nonzero((distance <= NEARBY) & kept[:place]) < DENSE:
            distance[kept[:place]] = _FAR
            kept[place] = True
        pairs += [(place, other) for other in _most_alike(distance)]
    rows = suspects[np.array(pairs, np.int64).reshape(-1, 2)]
    taking_part = np.ones(len(hashes), bool)
    taking_part[suspects[~kept]] = False
    return Thinned(np.flatnonzero(taking_part), rows[:, 0], rows[:, 1])


def _most_alike(distance: Array) -> list[int]:
    """Places of the BESIDE smallest distances, the last ones of equal ones."""
    found: list[int] = []
    for bits in range(int(distance.min(initial=_FAR)), NEARBY + 1):
        found += np.flatnonzero(distance == bits)[: -(BESIDE - len(found)) - 1 : -1].tolist()
        if len(found) == BESIDE:
            break
    return found


def _is_crowded(hashes: Array) -> Array:
    """(n,) bool: whether so many share a band of bits with it, or nearly, that it may stand in a crowd."""
    crowded = np.zeros(len(hashes), bool)
    nearly = np.array([0, *(1 << np.arange(_WIDTH))])
    usual = 2 * len(nearly) * len(hashes) / (1 << _WIDTH)
    for band in range(_BANDS):
        keys = ((hashes >> np.uint64(band * _WIDTH)) & np.uint64((1 << _WIDTH) - 1)).astype(np.int64)
        counts = np.bincount(keys, minlength=1 << _WIDTH)
        neighbours = sum(counts[np.arange(1 << _WIDTH) ^ flip] for flip in nearly)
        crowded |= neighbours[keys] > DENSE / _BANDS + usual
    return crowded

"""Pairs of images whose probe hashes are alike, without comparing all with all where there are many."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.crowds import thin
from dsq.measure.probes import ORIENTATIONS, PROBES, TRIMMED

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: bits that count as different before the first is compared: a turned or cut image must be the more alike
HANDICAPS = np.array([0, *[4] * (ORIENTATIONS - 1), *[2] * (TRIMMED - ORIENTATIONS), 0], np.uint8)
#: widest and narrowest search; between them the widest that finds at most so many pairs that mean nothing: MANY, or
#: one to SHARE images
WIDEST, NARROWEST, MANY, SHARE = 18, 8, 5000, 2
#: pairs up to this distance are taken for true when those that mean nothing are counted
MEANT = 6
#: up to so many images all are compared with all
BRUTE = 3000
#: images whose distances to all others are looked at to choose the width of the search
SAMPLE = 200
#: an image keeps no more candidates than this, the most alike, and no more that are meant
MOST, MOST_MEANT = 64, 16

_BITS = 64
_DISTANCES = _BITS + int(HANDICAPS.max()) + 1
_BLOCK = 1 << 18  # distances, or places looked up, at a time


class Candidates(NamedTuple):
    """Pairs: first < second (rows), distance (bits, handicap added); sorted by first, second."""

    first: Array
    second: Array
    distance: Array


def find_candidates(probes: Array, progress: Progress | None = None) -> Candidates:
    """Pairs of rows of `probes` (n, PROBES) uint64 of which one's whole, or whole without its border, is like any probe
    of the other. Rows whose first hash is 0 have none.

    How alike they must be depends on the set: where pictures resemble each other, or where there are many, the search
    is narrower. Crowds of nearly equal hashes are thinned first (see `crowds`). Rows in another order find other
    neighbours within a crowd, so give them in an order that means something.
    """
    whole = np.ascontiguousarray(probes[:, 0])
    usable = np.flatnonzero(whole != 0)
    kept, links = thin(whole[usable])
    own, active = links, usable[kept]
    stored = _stored(probes[active])
    radius = choose_radius(probes[active], stored)
    parts = list(_search(probes[active], stored, radius, progress))
    pairs = [(active[a], active[b], distance) for a, b, distance in parts]
    pairs.append((usable[own[0]], usable[own[1]], np.bitwise_count(whole[usable[own[0]]] ^ whole[usable[own[1]]])))
    columns = [np.concatenate(column) for column in zip(*pairs, strict=True)]
    a, b, distances = columns
    return _nearest(*_unique(a, b, distances, len(probes)), len(probes))


class Stored(NamedTuple):
    """The hashes that are searched: those of the wholes, then those without border where they differ, and whose."""

    hashes: Array
    rows: Array


def _stored(probes: Array) -> Stored:
    trimmed = np.flatnonzero((probes[:, TRIMMED] != probes[:, 0]) & (probes[:, TRIMMED] != 0))
    hashes = np.concatenate([probes[:, 0], probes[trimmed, TRIMMED]])
    return Stored(hashes, np.concatenate([np.arange(len(probes)), trimmed]))


def choose_radius(probes: Array, stored: Stored) -> int:
    """The widest search that keeps pairs that mean nothing few, judged by a sample of the rows."""
    n = len(probes)
    if n < 2:
        return WIDEST
    rows = np.unique(np.linspace(0, n - 1, min(SAMPLE, n)).astype(np.int64))
    counts = np.zeros(_DISTANCES, np.int64)
    for _, best in _brute_blocks(probes, stored, rows):
        counts += np.bincount(best.ravel(), minlength=_DISTANCES)[:_DISTANCES]
    # every pair is seen from one side in the sample, from both in the search
    beyond = np.cumsum(counts)[: WIDEST + 1] - counts[: MEANT + 1].sum()
    expected = beyond * (n / len(rows))
    allowed = np.flatnonzero(expected <= max(MANY, n / SHARE))
    return max(NARROWEST, int(allowed[-1])) if len(allowed) else NARROWEST


def _search(
    probes: Array, stored: Stored, radius: int, progress: Progress | None
) -> Iterator[tuple[Array, Array, Array]]:
    """Pairs of rows with their distances, each perhaps several times and in either order."""
    n = len(probes)
    if n <= BRUTE:
        for rows, best in _brute_blocks(probes, stored, np.arange(n)):
            query, column = np.nonzero(best <= radius)
            yield rows[query], stored.rows[column], best[query, column]
        return
    done = 0
    for handicap in np.unique(HANDICAPS):
        bits = radius - int(handicap)
        if bits < 0:
            continue
        table = _Table(stored.hashes, bits)
        for probe in np.flatnonzero(handicap == HANDICAPS):
            asking = np.flatnonzero((probes[:, probe] != 0) & ((probe == 0) | (probes[:, probe] != probes[:, 0])))
            for query, column, distance in table.within(np.ascontiguousarray(probes[asking, probe])):
                yield asking[query], stored.rows[column], distance + handicap
            done += 1
            if progress is not None:
                progress("searching for copies", done, PROBES)


def _brute_blocks(probes: Array, stored: Stored, rows: Array) -> Iterator[tuple[Array, Array]]:
    """Some rows and the least distance of any probe of theirs to each hash stored: (rows, stored) uint8."""
    size = max(1, _BLOCK // max(len(stored.hashes), 1))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        best = np.full((len(part), len(stored.hashes)), _DISTANCES - 1, np.uint8)
        for probe, handicap in enumerate(HANDICAPS):
            hashes = probes[part, probe]
            distance = np.bitwise_count(hashes[:, None] ^ stored.hashes)
            distance += handicap
            distance[hashes == 0] = _DISTANCES - 1
            np.minimum(best, distance, out=best)
        best[part[:, None] == stored.rows] = _DISTANCES - 1
        yield part, best


class _Table:
    """Hashes filed by bands of their bits: two that differ in at most `bits` differ little in some band."""

    def __init__(self, hashes: Array, bits: int) -> None:
        self.hashes, self.bits = hashes, bits
        count = max(2, min(8, round((_BITS - 1) / max(np.log2(len(hashes)), 8))))
        # the first bit is the mean, which tells nothing; neighbours among the frequencies go to different bands
        self.bands = [np.arange(1 + band, _BITS, count) for band in range(count)]
        allowed = [(bits + 1 + count - 1 - band) // count - 1 for band in range(count)]
        assert sum(flips + 1 for flips in allowed) == bits + 1
        self.masks = [_masks(len(band), flips) for band, flips in zip(self.bands, allowed, strict=True)]
        self.orders, self.starts, self.sorted = [], [], []
        for band in self.bands:
            keys = _keys(hashes, band)
            order = np.argsort(keys, kind="stable").astype(np.int32)
            self.orders.append(order)
            self.sorted.append(hashes[order])
            self.starts.append(np.searchsorted(keys[order], np.arange((1 << len(band)) + 1)).astype(np.int32))

    def within(self, queries: Array) -> Iterator[tuple[Array, Array, Array]]:
        """(query, position among the hashes, distance) of all within reach, each perhaps several times."""
        for band, masks, order, starts, hashes in zip(
            self.bands, self.masks, self.orders, self.starts, self.sorted, strict=True
        ):
            keys = _keys(queries, band)
            sizes = np.diff(starts)
            step = max(1, _BLOCK // max(len(masks), 1))
            for start in range(0, len(queries), step):
                places = (keys[start : start + step, None] ^ masks).ravel()
                yield from self._look_up(queries[start : start + step], places, sizes, starts, order, hashes, start)

    def _look_up(
        self, queries: Array, places: Array, sizes: Array, starts: Array, order: Array, hashes: Array, first: int
    ) -> Iterator[tuple[Array, Array, Array]]:
        counts = sizes[places]
        looked = len(places) // len(queries)
        total = np.cumsum(counts, dtype=np.int64)
        begin = 0
        while begin < len(places):
            done = int(total[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(total, done + 4 * _BLOCK, side="right")))
            some = counts[begin:end]
            before = total[begin:end] - done - some
            inside = np.arange(int(total[end - 1]) - done, dtype=np.int32)
            inside += np.repeat((starts[places[begin:end]] - before).astype(np.int32), some)
            asked = np.repeat(np.arange(begin, end, dtype=np.int32) // looked, some)
            distance = np.bitwise_count(hashes.take(inside) ^ queries.take(asked))
            hits = np.flatnonzero(distance <= self.bits)
            if len(hits):
                yield first + asked[hits].astype(np.int64), order[inside[hits]].astype(np.int64), distance[hits]
            begin = end


def _keys(hashes: Array, band: Array) -> Array:
    """The bits of a band, packed (n,) int32."""
    keys = np.zeros(len(hashes), np.int32)
    for place, bit in enumerate(band):
        keys |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.int32) << place
    return keys


def _masks(width: int, flips: int) -> Array:
    """Every way to flip at most `flips` of `width` bits."""
    found = [
        sum(1 << bit for bit in chosen)
        for count in range(flips + 1)
        for chosen in itertools.combinations(range(width), count)
    ]
    return np.array(found, np.int32)


def _unique(a: Array, b: Array, distance: Array, n: int) -> Candidates:
    """Each pair once, with its least distance."""
    first, second = np.minimum(a, b), np.maximum(a, b)
    apart = first != second
    key = (first[apart].astype(np.int64) * n + second[apart]) * _DISTANCES + distance[apart]
    key = np.unique(key)
    pair, distance = key // _DISTANCES, key % _DISTANCES
    least = np.r_[True, pair[1:] != pair[:-1]][: len(pair)]
    return Candidates(pair[least] // n, pair[least] % n, distance[least].astype(np.int64))


def _nearest(first: Array, second: Array, distance: Array, n: int) -> Candidates:
    """The pairs that are among the nearest of one of their two rows; of those equally alike, rows close by."""
    row, other, far = np.r_[first, second], np.r_[second, first], np.r_[distance, distance]
    order = np.lexsort((other, np.abs(other - row), far, row))
    begin = np.searchsorted(row[order], np.arange(n))
    rank = np.empty(len(row), np.int64)
    rank[order] = np.arange(len(row)) - begin[row[order]]
    near = (rank < np.where(far <= MEANT, MOST_MEANT, MOST)).reshape(2, -1).any(0)
    return Candidates(first[near], second[near], distance[near])

"""Pairs of images whose probe hashes are alike, without comparing all with all where there are many."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.crowds import NEARBY as MEANT
from dsq.analyse.crowds import thin
from dsq.measure.probes import ORIENTATIONS, PROBES, TRIMMED

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: bits that count as different before the first is compared: a turned or cut image must be the more alike
HANDICAPS = np.array([0, *[4] * (ORIENTATIONS - 1), *[2] * (TRIMMED - ORIENTATIONS), 0], np.uint8)
#: widest and narrowest search; between them the widest that finds few pairs that are looked at for nothing: MANY at
#: most, and EACH for an image; in large sets one to SHARE images
WIDEST, NARROWEST, MANY, EACH, SHARE = 18, 6, 6000, 24, 8
#: up to so many images all are compared with all; so many times that costs less a pair than looking up does
BRUTE, LOOK_UP = 3000, 10
#: images whose distances to all others are looked at to choose the width of the search
SAMPLE, TRIMMED_OFF = 200, 1 / 3
#: an image keeps no more candidates than this, the most alike, and no more that are meant
MOST, MOST_MEANT = 32, 24

_BITS = 64
_DISTANCES = _BITS + int(HANDICAPS.max()) + 1
_BLOCK = 1 << 18  # distances, or places looked up, at a time
_HELD = 1 << 22  # pairs held before the nearest are picked


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
    kept, later, earlier = thin(whole[usable])
    active, pair = usable[kept], (usable[later], usable[earlier])
    found = _Found(len(probes))
    found.add(*pair, np.bitwise_count(whole[pair[0]] ^ whole[pair[1]]))
    stored = _stored(probes[active])
    radius = choose_radius(probes[active], stored)
    for one, other, distance in _search(probes[active], stored, radius, progress):
        found.add(active[one], active[other], distance)
    return found.nearest()


class Stored(NamedTuple):
    """The hashes that are searched: those of the wholes, then those without border where they differ, and whose."""

    hashes: Array
    rows: Array


def _stored(probes: Array) -> Stored:
    trimmed = np.flatnonzero((probes[:, TRIMMED] != probes[:, 0]) & (probes[:, TRIMMED] != 0))
    hashes = np.concatenate([probes[:, 0], probes[trimmed, TRIMMED]])
    return Stored(hashes, np.concatenate([np.arange(len(probes)), trimmed]))


def choose_radius(probes: Array, stored: Stored) -> int:
    """The widest search that keeps pairs that mean nothing few, judged by a sample of the rows; those rows of it that
    have the most, TRIMMED_OFF of them, are left out, for a camera's frames shall not narrow the search for the rest.
    """
    n = len(probes)
    if n < 2:
        return WIDEST
    rows = np.unique(np.linspace(0, n - 1, min(SAMPLE, n)).astype(np.int64))
    counts = np.zeros((len(rows), WIDEST + 1), np.int64)
    done = 0
    for part, best in _brute_blocks(probes, stored, rows, range(PROBES)):
        for bits in range(WIDEST + 1):
            counts[done : done + len(part), bits] = np.count_nonzero(best == bits, axis=1)
        done += len(part)
    counts[:, : MEANT + 1] = 0
    beyond = np.sort(np.cumsum(counts, axis=1), axis=0)[: max(1, round(len(rows) * (1 - TRIMMED_OFF)))]
    allowed = np.flatnonzero(beyond.mean(0) * n <= max(min(MANY, n * EACH), n / SHARE))
    return max(NARROWEST, int(allowed[-1]))


def _search(
    probes: Array, stored: Stored, radius: int, progress: Progress | None
) -> Iterator[tuple[Array, Array, Array]]:
    """Pairs of rows with their distances, each perhaps several times and in either order."""
    n = len(probes)
    if n < 2:
        return
    if n <= BRUTE:
        yield from _compare_all(probes, stored, range(PROBES), radius)
        return
    done = 0
    for handicap in np.unique(HANDICAPS):
        numbers = np.flatnonzero(handicap == HANDICAPS).tolist()
        table = _Table(stored.hashes, radius - int(handicap))
        if table.looked_at(probes[:, numbers[0]]) * LOOK_UP > len(stored.hashes):
            yield from _compare_all(probes, stored, numbers, radius)
        else:
            for probe in numbers:
                hashes = probes[:, probe]
                asking = np.flatnonzero((hashes != 0) & ((probe == 0) | (hashes != probes[:, 0])))
                for query, column, distance in table.within(hashes[asking]):
                    yield asking[query], stored.rows[column], distance + handicap
        done += len(numbers)
        if progress is not None:
            progress("searching for copies", done, PROBES)


def _compare_all(
    probes: Array, stored: Stored, numbers: Sequence[int], radius: int
) -> Iterator[tuple[Array, Array, Array]]:
    for rows, best in _brute_blocks(probes, stored, np.arange(len(probes)), numbers):
        query, column = np.nonzero(best <= radius)
        yield rows[query], stored.rows[column], best[query, column]


def _brute_blocks(probes: Array, stored: Stored, rows: Array, numbers: Sequence[int]) -> Iterator[tuple[Array, Array]]:
    """Some rows and the least distance of some of their probes to each hash stored: (rows, stored) uint8."""
    size = max(1, _BLOCK // len(stored.hashes))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        best = np.full((len(part), len(stored.hashes)), _DISTANCES - 1, np.uint8)
        for probe in numbers:
            hashes = probes[part, probe]
            distance = np.bitwise_count(hashes[:, None] ^ stored.hashes)
            distance += HANDICAPS[probe]
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

    def looked_at(self, queries: Array) -> float:
        """How many hashes a query is compared with, on average of a sample."""
        sample = queries[np.linspace(0, len(queries) - 1, SAMPLE).astype(np.int64)]
        places = zip(self.bands, self.masks, self.starts, strict=True)
        found = [np.diff(starts)[_keys(sample, band)[:, None] ^ masks].sum() for band, masks, starts in places]
        return float(sum(found)) / SAMPLE

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


class _Found:
    """Pairs as they are found: each once, and no more of a row's than are kept."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._parts: list[tuple[Array, Array, Array]] = []
        self._size = 0

    def add(self, one: Array, other: Array, distance: Array) -> None:
        """Pairs in either order, perhaps found before, perhaps of a row with itself."""
        self._parts.append((one, other, distance))
        self._size += len(one)
        if self._size > _HELD:
            self._parts = [self.nearest()]
            self._size = len(self._parts[0][0]) // 2  # what is left must not be sorted again for every little

    def nearest(self) -> Candidates:
        """The pairs that are among the nearest of one of their two rows; of those equally alike, rows close by."""
        one, other, distance = (np.concatenate(columns) for columns in zip(*self._parts, strict=True))
        first, second, distance = self._unique(one, other, distance)
        row, mate, far = np.r_[first, second], np.r_[second, first], np.r_[distance, distance]
        order = np.lexsort((mate, np.abs(mate - row), far, row))
        begin = np.searchsorted(row[order], np.arange(self._rows))
        rank = np.empty(len(row), np.int64)
        rank[order] = np.arange(len(row)) - begin[row[order]]
        near = (rank < np.where(far <= MEANT, MOST_MEANT, MOST)).reshape(2, -1).any(0)
        return Candidates(first[near], second[near], distance[near])

    def _unique(self, one: Array, other: Array, distance: Array) -> tuple[Array, Array, Array]:
        """Each pair once, with its least distance."""
        apart = one != other
        first, second = np.minimum(one, other)[apart].astype(np.int64), np.maximum(one, other)[apart]
        key = np.unique((first * self._rows + second) * _DISTANCES + distance[apart])
        pair, least = key // _DISTANCES, key % _DISTANCES
        new = np.r_[True, pair[1:] != pair[:-1]][: len(pair)]
        return pair[new] // self._rows, pair[new] % self._rows, least[new]

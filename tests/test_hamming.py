"""The search for hashes that are alike: the same pairs as comparing all with all, and no explosion in crowds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dsq.analyse import crowds, hamming
from dsq.analyse.duplicates import group_pairs
from dsq.analyse.hamming import HANDICAPS, MOST, MOST_MEANT, WIDEST, find_candidates
from dsq.measure.probes import PROBES, TRIMMED


def random_probes(count: int, seed: int = 0) -> np.ndarray:
    """Hashes without likeness; without a border."""
    rng = np.random.default_rng(seed)
    probes = rng.integers(0, 1 << 63, (count, PROBES), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    probes[:, TRIMMED] = probes[:, 0]
    return probes


def flip(hashes: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Each hash with so many other bits."""
    out = hashes.copy()
    for row in range(len(out)):
        for bit in rng.choice(np.arange(1, 64), bits, replace=False):
            out[row] ^= np.uint64(1) << np.uint64(bit)
    return out


def compare_all(probes: np.ndarray, radius: int) -> dict[tuple[int, int], int]:
    """Every pair within the radius, with its distance."""
    found = {}
    for a in range(len(probes)):
        for stored in (0, TRIMMED):
            distance = np.bitwise_count(probes[a] ^ probes[:, stored, None]) + HANDICAPS
            distance[:, probes[a] == 0] = 99
            distance[probes[:, stored] == 0] = 99
            for b in np.flatnonzero(distance.min(1) <= radius).tolist():
                if a != b:
                    pair = min(a, b), max(a, b)
                    found[pair] = min(found.get(pair, 99), int(distance[b].min()))
    return found


def as_dict(found: hamming.Candidates) -> dict[tuple[int, int], int]:
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    return dict(zip(pairs, found.distance.tolist(), strict=True))


def plant(probes: np.ndarray, seed: int) -> None:
    """Every fifth of the later half is like some probe of one in the first half."""
    rng = np.random.default_rng(seed)
    half = len(probes) // 2
    for row in range(half, len(probes), 5):
        probe, bits = int(rng.integers(0, PROBES)), int(rng.integers(0, 12))
        probes[row, 0] = flip(probes[row - half, probe : probe + 1], bits, rng)[0]
        probes[row, TRIMMED] = probes[row, 0]


@pytest.mark.parametrize("brute", [10_000, 1])
def test_same_pairs_as_comparing_all(brute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "BRUTE", brute)
    monkeypatch.setattr(hamming, "LOOK_UP", 0)
    probes = random_probes(600)
    plant(probes, 1)
    probes[7] = 0
    probes[9:40:3, TRIMMED] = random_probes(600, 5)[9:40:3, 0]
    found = find_candidates(probes)
    assert as_dict(found) == compare_all(probes, WIDEST)
    order = np.lexsort((found.second, found.first))
    np.testing.assert_array_equal(order, np.arange(len(order)))


@pytest.mark.parametrize("radius", [0, 3, 8, 11, 14])
def test_lookups_miss_nothing(radius: int) -> None:
    probes = random_probes(400, 2)
    rng = np.random.default_rng(3)
    queries = flip(np.repeat(probes[:, 0], 2), radius, rng)
    table = hamming._Table(probes[:, 0], radius)
    found = {(a, b) for asked, at, _ in table.within(queries) for a, b in zip(asked.tolist(), at.tolist(), strict=True)}
    assert {(row, row // 2) for row in range(len(queries))} <= found
    distances = np.bitwise_count(queries[:, None] ^ probes[:, 0])
    assert found == set(zip(*(part.tolist() for part in np.nonzero(distances <= radius)), strict=True))


def test_dense_sets_fall_back_to_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = random_probes(300, 4)
    plant(probes, 5)
    monkeypatch.setattr(hamming, "BRUTE", 1)
    monkeypatch.setattr(hamming, "LOOK_UP", 1e9)
    assert as_dict(find_candidates(probes)) == compare_all(probes, WIDEST)


def test_the_search_is_narrower_where_pictures_resemble_each_other() -> None:
    probes = random_probes(500, 6)
    assert hamming.choose_radius(probes, hamming._stored(probes)) == WIDEST
    rng = np.random.default_rng(7)
    probes[:, 0] = probes[:, TRIMMED] = flip(np.repeat(probes[:1, 0], 500), 7, rng)
    assert hamming.choose_radius(probes, hamming._stored(probes)) < WIDEST
    # where some of the images are frames of one camera the rest does not suffer
    probes[150:] = random_probes(500, 8)[150:]
    assert hamming.choose_radius(probes, hamming._stored(probes)) == WIDEST


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_a_crowd_stays_bounded_and_together(bits: int) -> None:
    rng = np.random.default_rng(9)
    probes = random_probes(3000, 10)
    crowd = rng.permutation(3000)[:2500]
    probes[crowd, 0] = probes[crowd, TRIMMED] = flip(np.repeat(probes[:1, 0], 2500), bits, rng)
    found = find_candidates(probes)
    assert len(found.first) < 3000 * (MOST + MOST_MEANT)
    pairs = pd.DataFrame({"first": found.first, "second": found.second, "kind": "near"})
    assert len(set(group_pairs(pairs, 3000, "near")[crowd].tolist())) == 1


def test_the_copy_of_one_in_a_crowd_is_found() -> None:
    rng = np.random.default_rng(11)
    hashes = flip(np.repeat(random_probes(1)[:1, 0], 1000), 3, rng)
    hashes[-1] = flip(hashes[500:501], 1, rng)[0]
    thinned = crowds.thin(hashes)
    assert crowds.DENSE <= len(thinned.kept) < 300
    assert 500 in thinned.earlier[thinned.later == 999]


def test_images_without_a_hash_have_no_candidates() -> None:
    probes = random_probes(50)
    probes[:] = 0
    assert len(find_candidates(probes).first) == 0
    assert len(find_candidates(probes[:0]).first) == 0
    probes[3, :] = 5
    assert len(find_candidates(probes).first) == 0


def test_groups_are_numbered_as_they_appear() -> None:
    pairs = pd.DataFrame({"first": [4, 1, 2], "second": [5, 2, 9], "kind": ["exact", "near", "same-scene"]})
    assert group_pairs(pairs, 10, "exact").tolist() == [-1, -1, -1, -1, 0, 0, -1, -1, -1, -1]
    assert group_pairs(pairs, 10, "near").tolist() == [-1, 1, 1, -1, 0, 0, -1, -1, -1, -1]
    assert group_pairs(pairs, 10, "same-scene").tolist() == [-1, 1, 1, -1, 0, 0, -1, -1, -1, 1]
    assert group_pairs(pairs[:0], 3, "near").tolist() == [-1, -1, -1]

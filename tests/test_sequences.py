"""Runs of frames by name and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dsq.analyse.sequences import LEAST_FRAMES, NEAR_BITS, find_sequences

Array = Any


def hashes_of(count: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(1, 2**63, (count, 8)).astype(np.uint64)


def drifting(count: int, bits: int, seed: int = 1) -> Array:
    """Hashes of a camera that moves: each differs from the one before in so many bits."""
    rng = np.random.default_rng(seed)
    hashes = hashes_of(count, seed)
    for row in range(1, count):
        flips = np.bitwise_or.reduce(np.uint64(1) << rng.permutation(64)[:bits].astype(np.uint64))
        hashes[row, 0] = hashes[row - 1, 0] ^ flips
    return hashes


def find(files: list[str], hashes: Array, scene: Array | None = None, stems: list[str] | None = None) -> list[int]:
    count = len(files)
    names = stems or [file.rpartition("/")[2].rpartition(".")[0] for file in files]
    scene = np.full(count, -1) if scene is None else scene
    return find_sequences(files, names, [""] * count, hashes, np.ones(count, bool), scene).tolist()


def mixed(run: int, bits: int) -> tuple[list[str], Array]:
    """Frames of a moving camera among numbered pictures that have nothing in common."""
    files = [f"frame_{n}.jpg" for n in range(run)] + [f"photo_{n}.jpg" for n in range(60)]
    return files, np.concatenate([drifting(run, bits), hashes_of(60, 2)])


def test_a_moving_camera_is_followed() -> None:
    files, hashes = mixed(12, NEAR_BITS)
    assert find(files, hashes) == [0] * 12 + [-1] * 60
    assert find(*mixed(12, NEAR_BITS + 6)) == [-1] * 72
    assert find(*mixed(LEAST_FRAMES - 1, 4)) == [-1] * (60 + LEAST_FRAMES - 1)


def test_split_folders_do_not_part_a_sequence() -> None:
    files, hashes = mixed(12, 8)
    files = [f"{'val' if n % 3 else 'train'}/images/{file}" for n, file in enumerate(files)]
    assert find(files, hashes)[:12] == [0] * 12
    apart = [f"clip{n % 2}/{file}" for n, file in enumerate(files)]
    assert set(find(apart, hashes)) == {-1}


def test_where_all_hashes_are_near_only_scenes_count() -> None:
    files = [f"{n:02}.jpg" for n in range(20)]
    hashes = np.full((20, 8), 5, np.uint64)
    assert set(find(files, hashes)) == {-1}
    scene = np.array([3] * 8 + [-1] * 12)
    assert find(files, hashes, scene) == [0] * 8 + [-1] * 12


def test_versions_count_once() -> None:
    stems = [f"f_{n // 3}_jpg" for n in range(12)]
    files = [f"{stem}.rf.{n}.jpg" for n, stem in enumerate(stems)]
    scene = np.zeros(12, np.int64)
    assert set(find(files, hashes_of(12) * 0, scene, stems)) == {-1}
    stems = [f"f_{n // 3}_jpg" for n in range(15)]
    files = [f"{stem}.rf.{n}.jpg" for n, stem in enumerate(stems)]
    assert find(files, np.zeros((15, 8), np.uint64), np.zeros(15, np.int64), stems) == [0] * 15


@given(st.permutations(range(20)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    files, hashes = [f"a_{n}.jpg" for n in range(20)], drifting(20, 6)
    hashes[10:] = hashes_of(10, 3)
    found = find(files, hashes)
    assert find([files[row] for row in order], hashes[order]) == [found[row] for row in order]

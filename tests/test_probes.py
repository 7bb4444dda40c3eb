"""Perceptual hashes: what they are indifferent to, and what they tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dsq.measure.probes import CROPS, ORIENTATIONS, PROBES, TRIMMED, plain_border, probe_hashes, turn


def scene(seed: int, height: int = 60, width: int = 80) -> np.ndarray:
    """A picture with structure at all sizes."""
    rng = np.random.default_rng(seed)
    out = np.zeros((height, width))
    for size in (3, 6, 12, 24):
        coarse = Image.fromarray(rng.normal(0, 1, (size, size)).astype(np.float32))
        out += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / size**0.5
    out -= out.min()
    return (out * (255 / out.max())).astype(np.uint8)


def bits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.bitwise_count(a ^ b)


def test_one_hash_a_probe() -> None:
    hashes = probe_hashes(scene(0))
    assert hashes.shape == (PROBES,)
    assert hashes.dtype == np.uint64
    assert ORIENTATIONS + 5 * len(CROPS) + 1 == PROBES
    assert len(set(hashes.tolist())) > ORIENTATIONS
    np.testing.assert_array_equal(hashes, probe_hashes(scene(0)))


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_orientations_are_those_of_the_turned_picture(orientation: int) -> None:
    for seed in range(5):
        y = scene(seed)
        turned = np.ascontiguousarray(turn(y, orientation))
        assert bits(probe_hashes(y)[orientation], probe_hashes(turned)[0]) <= 1


def test_turning_is_mirroring_first() -> None:
    y = np.array([[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(turn(y, 1), [[3, 2, 1], [6, 5, 4]])
    np.testing.assert_array_equal(turn(y, 2), [[4, 5, 6], [1, 2, 3]])
    np.testing.assert_array_equal(turn(y, 4), [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(turn(y, 5), [[4, 1], [5, 2], [6, 3]])


@pytest.mark.parametrize("number", range(5 * len(CROPS)))
def test_crops_are_those_of_the_cut_picture(number: int) -> None:
    share = CROPS[number // 5]
    down, across = ((0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1))[number % 5]
    for seed in range(5):
        y = scene(seed, 500, 600)
        height, width = round(500 * share), round(600 * share)
        top, left = round(down * (500 - height)), round(across * (600 - width))
        cut = np.ascontiguousarray(y[top : top + height, left : left + width])
        assert bits(probe_hashes(y)[ORIENTATIONS + number], probe_hashes(cut)[0]) <= 2


def test_light_and_size_change_few_bits() -> None:
    y = scene(3, 240, 320)
    first = probe_hashes(y)[0]
    assert bits(first, probe_hashes((y * 0.6 + 40).astype(np.uint8))[0]) <= 2
    small = np.asarray(Image.fromarray(y).reduce(4))
    assert bits(first, probe_hashes(small)[0]) <= 2
    assert bits(first, probe_hashes(scene(4, 240, 320))[0]) > 14


@pytest.mark.parametrize("level", [0, 114, 255])
def test_a_plain_border_is_taken_off(level: int) -> None:
    y = scene(1)
    padded = np.full((80, 80), level, np.uint8)
    padded[10:70] = y
    assert plain_border(padded) == (10, 70, 0, 80)
    hashes = probe_hashes(padded)
    assert bits(hashes[TRIMMED], probe_hashes(y)[0]) <= 1
    assert bits(hashes[0], probe_hashes(y)[0]) > 8


def test_no_border_no_second_hash() -> None:
    hashes = probe_hashes(scene(2))
    assert plain_border(scene(2)) is None
    assert hashes[TRIMMED] == hashes[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (300, 2), (7, 9), (60, 800)])
def test_any_size(shape: tuple[int, int]) -> None:
    y = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert probe_hashes(y).shape == (PROBES,)
    assert (probe_hashes(np.full(shape, 7, np.uint8)) == 0).all()


def test_a_flat_picture_has_none() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(30, 33, (60, 80)).astype(np.uint8)
    assert (probe_hashes(noise) == 0).all()

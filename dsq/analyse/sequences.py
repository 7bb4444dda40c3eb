"""Frames that follow each other: by the order of their names, and by their pixels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: so many pictures in a row make a sequence
LEAST_FRAMES = 5
#: bits of the hashes in which neighbours differ at most
NEAR_BITS = 14
#: the same where both are known to show one scene
SCENE_BITS = 22
#: hashes alone are trusted where no more than this share of other pairs is as near
RARE = 0.05
SAMPLED = 4000
ORIENTATIONS = 8
#: folders that say nothing about where a picture comes from
_COMMON = re.compile(
    r"(?:train(?:ing)?|val(?:id(?:at(?:ion|e))?)?|test(?:ing)?|images?|img|labels?|jpegimages|data)\d*\Z", re.IGNORECASE
)
_DIGITS = re.compile(r"\d+")


def find_sequences(
    files: Sequence[str], stems: Sequence[str], sources: Sequence[str], hashes: Array, readable: Array, scene: Array
) -> Array:
    """The run of frames that each image belongs to, (n,) int64 from 0; -1: none.

    Images are put in the order of their names, split folders left out; names of a run differ in their numbers alone.
    Neighbours are joined where their hashes are near. files, stems (versions of one picture share theirs), sources:
    (n,) names; hashes (n, 8 or more) uint64, the whole image in eight orientations first; readable (n,) bool; scene
    (n,) labels of images that show one scene, -1: alone. A run has LEAST_FRAMES stems or more.
    """
    runs = np.full(len(files), -1, np.int64)
    keys: dict[tuple[str, str, str], list[int]] = {}
    for row in np.flatnonzero(readable).tolist():
        folders = [part for part in files[row].split("/")[:-1] if not _COMMON.match(part)]
        keys.setdefault((sources[row], "/".join(folders), stems[row]), []).append(row)
    ordered = sorted(keys, key=lambda key: (key[0], key[1], *_order(key[2]), key[2]))
    heads = np.array([min(keys[key], key=lambda row: files[row]) for key in ordered], np.int64)
    if len(heads) < LEAST_FRAMES:
        return runs
    alike = np.array([(key[0], key[1], _order(key[2])[0]) for key in ordered], object)
    series = (alike[1:] == alike[:-1]).all(1)
    bits = _distance(hashes, heads[:-1], heads[1:])
    joined = series & (scene[heads[:-1]] >= 0) & (scene[heads[:-1]] == scene[heads[1:]]) & (bits <= SCENE_BITS)
    near = series & (bits <= NEAR_BITS)
    if (near & ~joined).any() and _base_rate(hashes, heads) <= RARE:
        joined |= near
    label = np.cumsum(np.r_[False, ~joined])
    long = np.bincount(label) >= LEAST_FRAMES
    number = np.where(long, np.cumsum(long) - 1, -1)[label]
    for key, run in zip(ordered, number.tolist(), strict=True):
        if run >= 0:
            runs[keys[key]] = run
    return runs


def _order(stem: str) -> tuple[str, tuple[int, ...]]:
    """A name without its numbers, and the numbers."""
    return _DIGITS.sub("#", stem), tuple(int(run[:18]) for run in _DIGITS.findall(stem))


def _distance(hashes: Array, first: Array, second: Array) -> Array:
    """Bits in which `second` differs from the nearest orientation of `first`; where one has no hash (0), as many as
    one scene may differ in.
    """
    bits: Array = np.bitwise_count(hashes[first, :ORIENTATIONS] ^ hashes[second, :1]).min(1)
    bits[(hashes[first, 0] == 0) | (hashes[second, 0] == 0)] = SCENE_BITS
    return bits


def _base_rate(hashes: Array, heads: Array) -> float:
    """The share of pairs that do not follow each other whose hashes are near all the same."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(heads), (2, SAMPLED))
    apart = np.abs(first - second) > 1
    if not apart.any():
        return 1.0
    return float((_distance(hashes, heads[first[apart]], heads[second[apart]]) <= NEAR_BITS).mean())

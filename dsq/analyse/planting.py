"""Faults planted on purpose: boxes that are moved in a known way, so that one can count how many are found again.

Every draw comes from a key of the box itself and a seed (splitmix64, no state), so that neither the order of rows nor
what else is in the set changes what is planted. A box is (x0, y0, x1, y1); sides move by shares of the box's own width
and height and stop at the rim of the image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.geometry import box_iou

Array = NDArray[Any]

#: kind -> what is done to a box
KINDS = {
    "loose": "every side moved outwards by 15–60 % of the box's side",
    "cut": "every side moved inwards by 15–35 %",
    "loose-side": "one side moved outwards by 30–80 %, the others stay",
    "cut-side": "one side moved inwards by 30–60 %, the others stay",
    "shifted": "the whole box moved by 20–50 % of its sides in a random direction",
}
#: a planted fault overlaps with the box that it was made of by less than this IoU; others are not planted at all
MOST_IOU = 0.8
_SIGNS = np.array([-1.0, -1.0, 1.0, 1.0])  # outwards, a side


class Planted(NamedTuple):
    """`corners` (n, 4) with the faults in them, `fault` (n,) bool: where they lie."""

    corners: Array
    fault: Array


def text_key(text: str) -> int:
    """64 bits of the SHA-256 of a text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "little")


def mix(keys: Array) -> Array:
    """(n,) uint64 scrambled: the finaliser of splitmix64."""
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out: Array = z ^ (z >> np.uint64(31))
    return out


def draw(keys: Array, count: int, seed: int) -> Array:
    """(n, count) uniform numbers in [0, 1) for (n,) uint64 keys; the same key and seed give the same row."""
    with np.errstate(over="ignore"):
        start = mix(keys ^ mix(np.array([seed], np.uint64)))[:, None]
        bits = mix(start + np.arange(count, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95))
    uniform: Array = (bits >> np.uint64(11)) * 2.0**-53
    return uniform


def draw_normal(keys: Array, count: int, seed: int) -> Array:
    """(n, count) standard normal numbers, as `draw`."""
    u = draw(keys, 2 * count, seed)
    normal: Array = np.sqrt(-2 * np.log1p(-u[:, :count])) * np.cos(2 * np.pi * u[:, count:])
    return normal


def box_keys(images: Sequence[str], image_row: Array, corners: Array, classes: Sequence[str]) -> Array:
    """(n,) uint64: a key a box of what its image is called (a name or a content hash), its class and its corners.

    images: (images,) text; image_row: (n,) position in it; classes: (n,) class names.
    """
    image = np.array([text_key(name) for name in images], np.uint64)
    known = {name: text_key(name) for name in set(classes)}
    keys = mix(image[image_row]) ^ np.array([known[name] for name in classes], np.uint64)
    for side in np.round(np.asarray(corners) * 100).astype(np.int64).view(np.uint64).reshape(len(corners), 4).T:
        keys = mix(keys ^ side)
    return keys


def choose(keys: Array, able: Array, share: float, seed: int) -> Array:
    """(n,) bool: `share` of the `able` boxes, rounded, at least one where there is one: those of the smallest draws."""
    rows = np.flatnonzero(able)
    wanted = min(max(round(share * len(rows)), 1), len(rows))
    lot = draw(keys[rows], 1, seed)[:, 0]
    chosen = np.zeros(len(keys), np.bool_)
    chosen[rows[np.argsort(lot, kind="stable")[:wanted]]] = True
    return chosen


def spoil(kind: str, corners: Array, sizes: Array, keys: Array, seed: int) -> Array:
    """(n, 4) corners after the fault `kind` was done to every box; NaN where it leaves the box (nearly) as it was.

    sizes: (n, 2) width and height of the images. KeyError for a kind that is not in KINDS.
    """
    if kind not in KINDS:
        raise KeyError(f"no kind of fault is called {kind!r}")
    corners = np.asarray(corners, float)
    u = draw(keys, 8, seed)
    sides = np.concatenate([corners[:, 2:] - corners[:, :2]] * 2, 1)
    if kind == "shifted":
        angle, far = 2 * np.pi * u[:, 0], 0.2 + 0.3 * u[:, 1]
        move = np.stack([np.cos(angle), np.sin(angle)] * 2, 1) * far[:, None] * sides
    else:
        low, high = {"loose": (0.15, 0.6), "cut": (-0.15, -0.35), "loose-side": (0.3, 0.8), "cut-side": (-0.3, -0.6)}[
            kind
        ]
        move = _SIGNS * (low + (high - low) * u[:, :4]) * sides
        if kind.endswith("-side"):
            move[np.arange(4) != (u[:, 4] * 4).astype(int)[:, None]] = 0
    spoiled = clip_boxes(corners + move, sizes)
    spoiled[~(box_iou(spoiled, corners) < MOST_IOU)] = np.nan
    return spoiled


def plant_boxes(
    kind: str,
    corners: Array,
    sizes: Array,
    keys: Array,
    *,
    able: Array | None = None,
    share: float = 0.1,
    seed: int = 0,
) -> Planted:
    """`share` of the boxes (of those that are `able`) spoiled as `kind` says; boxes that cannot be are left out first.

    A loose box cannot be planted where the box fills its image, for instance. Raises as `spoil`.
    """
    spoiled = spoil(kind, corners, sizes, keys, seed)
    fit = np.isfinite(spoiled).all(1) & (True if able is None else able)
    fault = choose(keys, fit, share, seed + 1)
    return Planted(np.where(fault[:, None], spoiled, corners), fault)


def clip_boxes(corners: Array, sizes: Array) -> Array:
    """Corners kept inside their images."""
    clipped: Array = np.clip(corners, 0, np.concatenate([sizes, sizes], 1))
    return clipped

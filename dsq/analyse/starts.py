"""Affine maps between pictures in relative coordinates (0 to 1 along each axis), and first guesses from probes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsq.measure.probes import CROPS, ORIENTATIONS, PROBES, TRIMMED

Array = NDArray[Any]

#: first guesses that are tried for each pair
GUESSES = 3
#: what a copy is enlarged by along an axis; tangents of how far it is turned beside the quarters and sheared, and the
#: greatest entry off the diagonal: in a wide picture a turn moves one axis further than the other
SCALES, TURN, SHEAR, SLANT = (0.6, 1.67), 0.4, 0.18, 0.55
_CORNERS = np.array([[0, 1, 0, 1], [0, 0, 1, 1]], float)
_SIDES, _STORED = 2, (0, TRIMMED)


def compose(outer: Array, inner: Array) -> Array:
    """`outer` after `inner`: maps (..., 2, 3)."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = outer[..., :2] @ inner[..., 2:] + outer[..., 2:]
    composed: Array = np.concatenate([linear, shift], axis=-1)
    return composed


def invert(maps: Array) -> Array:
    """The maps the other way: (..., 2, 3)."""
    linear = np.linalg.inv(maps[..., :2])
    return np.concatenate([linear, -linear @ maps[..., 2:]], axis=-1)


def frame_maps(frames: Array) -> Array:
    """Maps that take each frame (n, 4), left right top bottom, to the whole of 0..1: (n, 2, 3)."""
    maps = np.zeros((len(frames), 2, 3))
    for axis in (0, 1):
        low, high = frames[:, 2 * axis], frames[:, 2 * axis + 1]
        maps[:, axis, axis] = 1 / (high - low)
        maps[:, axis, 2] = -low / (high - low)
    return maps


def turn_maps() -> Array:
    """(8, 2, 3): where `dsq.measure.probes.turn` takes the places of a picture."""
    maps = np.zeros((ORIENTATIONS, 2, 3))
    for orientation in range(ORIENTATIONS):
        linear = np.eye(2)[::-1] if orientation & 4 else np.eye(2)
        for axis in (0, 1):
            mirrored = orientation >> axis & 1
            maps[orientation, axis, :2] = -linear[axis] if mirrored else linear[axis]
            maps[orientation, axis, 2] = mirrored
    return maps


def nearest_turn(maps: Array) -> Array:
    """(n,) which of the eight orientations each map (n, 2, 3) is most like."""
    sizes = np.linalg.norm(maps[:, :, :2], axis=(1, 2), keepdims=True)
    likeness = np.einsum("nij,oij->no", maps[:, :, :2] / np.maximum(sizes, 1e-9), TURNS[:, :, :2])
    best: Array = likeness.argmax(1)
    return best


def are_plausible(maps: Array) -> Array:
    """(n,) bool: one of the eight orientations, and beside it no more than SCALES along an axis, TURN and SHEAR."""
    straight = maps[:, :, :2] @ TURNS[nearest_turn(maps), :, :2].swapaxes(1, 2)
    scales = straight[:, (0, 1), (0, 1)]
    within = ((scales > SCALES[0]) & (scales < SCALES[1])).all(1)
    size = np.sqrt(np.abs(scales[:, 0] * scales[:, 1]))
    slants = straight[:, (0, 1), (1, 0)] / np.maximum(size, 1e-9)[:, None]
    slant = np.sqrt(np.abs(slants[:, 0] * slants[:, 1]))
    like_a_turn = slants[:, 0] * slants[:, 1] < 0
    plausible: Array = within & (np.abs(slants) < SLANT).all(1) & (slant < np.where(like_a_turn, TURN, SHEAR))
    return plausible


def overhang(maps: Array) -> Array:
    """(n,) by how much of a side neither picture holds the whole of the other: 0 where one is cut from the other."""
    lacking = []
    for around in (maps, invert(maps)):
        corners = np.sort(around[:, :, :2] @ _CORNERS + around[:, :, 2:], axis=2)
        low, high = corners[:, :, :2].mean(2), corners[:, :, 2:].mean(2)  # the middles of opposite sides
        lacking.append(np.maximum(low, 1 - high).max(1))
    least: Array = np.maximum(np.minimum(*lacking), 0)
    return least


def _crop_maps() -> Array:
    frames = []
    for share in CROPS:
        for down, across in ((0.5, 0.5), (0, 0), (0, 1), (1, 0), (1, 1)):
            left, top = across * (1 - share), down * (1 - share)
            frames.append([left, left + share, top, top + share])
    return frame_maps(np.array(frames, float))


TURNS = turn_maps()
_FIXED = np.concatenate([TURNS, _crop_maps()])


def first_guesses(probes_a: Array, probes_b: Array, frames_a: Array, frames_b: Array) -> Array:
    """Maps from `a` to `b` that the most alike hashes speak for, best first: (n, GUESSES, 2, 3).

    probes (n, PROBES) uint64; frames (n, 4): what lies inside the plain border of each picture.
    """
    n = len(probes_a)
    likeness = np.stack([_distances(probes_a, probes_b), _distances(probes_b, probes_a)], axis=1)
    # the whole against the whole, and orientations that are their own inverse, are the same from both sides
    likeness[:, 1, [0, 1, 2, 3, 4, 7], 0] = 99
    likeness[:, 0, 0, 0] -= 1
    order = np.argsort(likeness.reshape(n, -1), axis=1, kind="stable")[:, :GUESSES]
    side, probe, stored = np.unravel_index(order, (_SIDES, PROBES, len(_STORED)))
    trims_a, trims_b = frame_maps(frames_a), frame_maps(frames_b)
    guesses = np.empty((n, GUESSES, 2, 3))
    for number in range(GUESSES):
        turned = side[:, number] == 1
        asking = np.where(turned[:, None, None], trims_b, trims_a)
        asked = np.where(turned[:, None, None], trims_a, trims_b)
        fixed = _FIXED[np.minimum(probe[:, number], TRIMMED - 1)]
        maps = np.where((probe[:, number] == TRIMMED)[:, None, None], asking, fixed)
        maps = np.where((stored[:, number] == 1)[:, None, None], compose(invert(asked), maps), maps)
        guesses[:, number] = np.where(turned[:, None, None], invert(maps), maps)
    return guesses


def _distances(asking: Array, asked: Array) -> Array:
    """(n, PROBES, 2): bits that each probe differs by from the whole of the other, and from it without its border."""
    found = np.bitwise_count(asking[:, :, None] ^ asked[:, None, _STORED]).astype(np.int16)
    plain = asked[:, TRIMMED] == asked[:, 0]
    found[plain, :, 1] = 99
    found[asking[:, TRIMMED] == asking[:, 0], TRIMMED] = 99
    return found

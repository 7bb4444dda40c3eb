"""Whether two pictures that were laid over one another show the same: their textured blocks are compared."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.alignment import RIM, SIDE, Pictures, batches, centred, fit, inside_frame, relative, rim_off, warp
from dsq.analyse.starts import are_plausible, compose, frame_maps, invert, overhang

Array = NDArray[Any]

NAME, VERSION = "pairs", 1
#: side of a block in pixels, and the correlation from which on it agrees
BLOCK, AGREES = 8, 0.75
#: share of the textured blocks that agree in a near-duplicate, and in another view of the same scene
NEAR, SAME_SCENE = 0.88, 0.5
#: standard deviations that make a block textured: the first that ENOUGH blocks reach, else the last
TEXTURE, ENOUGH = (4.0, 2.0, 1.0), 12
#: a block also agrees where what differs has a variance below this (grey levels squared)
UNSEEN = 0.5
#: variance of the grain that rounding and compression leave in a picture (grey levels squared)
GRAIN = 0.03
#: with fewer textured blocks than FEW_MOVED (a lamp at night) the fit may take a corner this far from the first guess
FEW_MOVED, FREE = 10, 0.15
#: with fewer than FEW_CUT (one thing on a plain ground) one picture must hold the other but for this share of a side:
#: else it is the same thing, or its like, at another place
FEW_CUT, OVERHANG = 24, 0.06
#: with fewer than twice FEW (a spot) and a fit of its own, the detail must be alike to this correlation
SAME_SPOT = 0.997
#: pictures with fewer textured blocks than FEW count as flat: they must be equal to EQUAL grey levels. Below a standard
#: deviation of DULL no fit is expected
FEW, EQUAL, DULL = 3, 1.5, 3.0
#: share of a block's pixels, and of the textured blocks of a picture, that must overlap
BLOCK_INSIDE, COVERED = 0.5, 0.4
#: pairs whose pictures are taken together
CHUNK = 512

NOTHING, SCENE, COPY = 0, 1, 2
#: a picture enlarged s times is duller by this much (1/s² - 1) pixels squared
SPREAD = 0.6
_WIDTH = 7  # pixels; detail is what a mean of that width leaves


class Verdicts(NamedTuple):
    """Of each pair: kind (NOTHING, SCENE, COPY), agreement 0 to 1, maps (n, 2, 3) in relative coordinates."""

    kind: Array
    agreement: Array
    maps: Array


class Compared(NamedTuple):
    """Of each pair: textured blocks, share that agrees, correlation of the detail in textured blocks, number and
    correlation of the detail in those that agree, greatest difference in grey levels, share of blocks covered.
    """

    textured: Array
    agreement: Array
    detail: Array
    agreeing: Array
    agreeing_detail: Array
    difference: Array
    covered: Array


def judge(pictures: Pictures, first: Array, second: Array, guesses: Array) -> Verdicts:
    """Judge pairs: positions in `pictures` (n,), first guesses of their maps (n, k, 2, 3) in relative coordinates."""
    n = len(first)
    verdicts = Verdicts(np.zeros(n, np.int8), np.zeros(n), guesses[:, 0].copy())
    bordered = pictures.bordered[first] | pictures.bordered[second]
    for start in range(0, n, CHUNK):
        rows = np.arange(start, min(start + CHUNK, n))
        _judge(pictures, first, second, guesses, rows, verdicts, framed=False)
        rows = rows[bordered[rows] & (verdicts.kind[rows] != COPY)]
        _judge(pictures, first, second, guesses, rows, verdicts, framed=True)
    return verdicts


def _judge(
    pictures: Pictures, first: Array, second: Array, guesses: Array, rows: Array, verdicts: Verdicts, *, framed: bool
) -> None:
    """Judge some of the pairs; write where the kind is better than what is there."""
    a, b = pictures.take(first[rows]), pictures.take(second[rows])
    fitted = fit(a, b, centred(guesses[rows]), framed=framed)
    maps = relative(fitted.maps)
    inner = compose(frame_maps(b.frames), compose(maps, invert(frame_maps(a.frames))))
    # where there is next to nothing to be fitted, the first guess is all there is
    dull = ~fitted.alive & _is_dull(a) & _is_dull(b)
    maps[dull] = guesses[rows[dull], 0]
    alive = np.flatnonzero(dull | fitted.alive & (are_plausible(maps) | are_plausible(inner)))
    for part in batches(len(alive), SIDE):
        own = alive[part]
        compared = compare(a.take(own), b.take(own), centred(maps[own]), framed=framed)
        moved = np.where(dull[own], 0, fitted.moved[own])
        kind = grade(compared, moved, overhang(maps[own]), framed=framed)
        better = kind > verdicts.kind[rows[own]]
        places = rows[own[better]]
        agreement = np.where(compared.textured < FEW, 1.0, compared.agreement)
        verdicts.kind[places], verdicts.agreement[places] = kind[better], agreement[better]
        verdicts.maps[places] = maps[own[better]]


def _is_dull(pictures: Pictures) -> Array:
    found: Array = pictures.levels[SIDE].std((1, 2)) < DULL
    return found


def grade(compared: Compared, moved: Array, over: Array, *, framed: bool) -> Array:
    """(n,) NOTHING, SCENE or COPY. moved: how far the map is from the first guess; over: see `overhang`."""
    textured, agreeing = compared.textured, compared.agreeing
    flat = (textured < FEW) & (moved == 0) & (compared.difference <= EQUAL)
    covered = (compared.covered >= COVERED) & ((moved <= FREE) | (textured >= FEW_MOVED))
    covered &= (over <= OVERHANG) | (textured >= FEW_CUT)
    covered &= (moved == 0) | (compared.detail >= SAME_SPOT) | (textured >= 2 * FEW)
    near = (textured >= FEW) & (compared.agreement >= NEAR) & (compared.detail >= least_detail(textured)) & covered
    scene = (agreeing >= 3 * FEW) & (compared.agreement >= SAME_SCENE) & covered
    scene &= compared.agreeing_detail >= least_detail(agreeing)
    copy = near if framed else near | flat
    return np.where(copy, COPY, np.where(scene, SCENE, NOTHING)).astype(np.int8)


def least_detail(blocks: Array) -> Array:
    """Correlation of the detail that is asked for: the fewer the blocks, the easier an affine map makes two different
    things alike (a pen is much like another pen).
    """
    least: Array = np.maximum(np.where(blocks <= 30, 0.99 - 0.001 * blocks, 0.96 - 0.03 * (blocks - 30)), 0.6)
    return least


def compare(first: Pictures, second: Pictures, maps: Array, *, framed: bool) -> Compared:
    """Compare pictures under maps from the first to the second, in coordinates from -1 to 1."""
    a, b = first.levels[SIDE], second.levels[SIDE]
    frames = [2 * p.frames - 1 if framed else np.tile([-1.0, 1.0, -1.0, 1.0], (len(a), 1)) for p in (first, second)]
    a, b = _equally_sharp(a, b, maps)
    frames_a, frames_b = rim_off(frames[0], frames[1], maps, RIM)
    warped, inside = warp(b, maps, frames_b)
    inside &= inside_frame(frames_a, SIDE)
    difference = np.where(inside, np.abs(a - warped), 0).max((1, 2))
    a, warped = _equal_tones(a, warped, inside)
    weights = _blocks(inside).astype(np.float32)
    counted = weights.sum(2)
    usable = counted >= BLOCK_INSIDE * BLOCK * BLOCK
    var_a, var_b, shared = _covariances(_blocks(a), _blocks(warped), weights)
    deviation = np.sqrt(np.maximum(var_a, var_b))
    threshold = np.full(len(a), TEXTURE[0])
    for lower in TEXTURE[1:]:
        threshold[(usable & (deviation > threshold[:, None])).sum(1) < ENOUGH] = lower
    textured = usable & (deviation > threshold[:, None])
    count = textured.sum(1)
    unlike = var_b - np.maximum(shared, 0) ** 2 / np.maximum(var_a, 1e-3)
    agrees = textured & ((shared > AGREES * np.sqrt(var_a * var_b + 1e-3)) | (unlike < UNSEEN))
    local = _local_mean()
    sharp_a, sharp_b = (_blocks(x - local @ x @ local.T) for x in (a, warped))
    return Compared(
        count,
        agrees.sum(1) / np.maximum(count, 1),
        _correlation(sharp_a, sharp_b, weights * textured[:, :, None]),
        agrees.sum(1),
        _correlation(sharp_a, sharp_b, weights * agrees[:, :, None]),
        difference,
        np.minimum(
            _covered(first.levels[SIDE], maps, threshold, 2 * first.frames - 1),
            _covered(b, invert(maps), threshold, 2 * second.frames - 1),
        ),
    )


def _covered(pictures: Array, maps: Array, threshold: Array, frames: Array) -> Array:
    """(n,) share of the textured blocks inside the frame whose middle the map takes into the other picture."""
    middles = (np.arange(SIDE // BLOCK) + 0.5) * (2 * BLOCK / SIDE) - 1
    across, down = np.meshgrid(middles, middles)
    places = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
    within = (np.abs(maps @ places) < 1).all(1)
    textured = _blocks(pictures).std(2) > threshold[:, None]
    inner = frames + np.array([1, -1, 1, -1]) * np.where(np.abs(frames) < 1, BLOCK / SIDE, 0)
    textured &= (places[0] > inner[:, :1]) & (places[0] < inner[:, 1:2])
    textured &= (places[1] > inner[:, 2:3]) & (places[1] < inner[:, 3:])
    count = textured.sum(1)
    share: Array = np.where(count > 0, (textured & within).sum(1) / np.maximum(count, 1), 1)
    return share


def _covariances(a: Array, b: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Variance of each block (n, blocks, pixels) of `a` and of `b`, and their covariance: (n, blocks) each."""
    total = np.maximum(weights.sum(2), 1)
    means = [np.einsum("nbp,nbp->nb", weights, x) / total for x in (a, b)]
    apart = [x - mean[:, :, None] for x, mean in zip((a, b), means, strict=True)]
    weighed = [x * weights for x in apart]
    pairs = ((0, 0), (1, 1), (0, 1))
    found = [np.einsum("nbp,nbp->nb", weighed[i], apart[j]) / total for i, j in pairs]
    return found[0], found[1], found[2]


def _correlation(a: Array, b: Array, weights: Array) -> Array:
    """(n,) correlation of the values (n, blocks, pixels) under weights, 0 where nothing has weight."""
    weights = weights / np.maximum(weights.sum((1, 2)), 1)[:, None, None]
    means = [np.einsum("nbp,nbp->n", weights, x)[:, None, None] for x in (a, b)]
    a, b = a - means[0], b - means[1]
    var_a, var_b, shared = (np.einsum("nbp,nbp->n", weights * x, y) for x, y in ((a, a), (b, b), (a, b)))
    found: Array = shared / np.sqrt(np.maximum(var_a - GRAIN, GRAIN) * np.maximum(var_b - GRAIN, GRAIN))
    return np.minimum(found, 1)


def _equal_tones(a: Array, b: Array, inside: Array) -> tuple[Array, Array]:
    """The pair with one of the two put through the tone curve (a cubic) that makes it most like the other: brightness,
    contrast and gamma may differ, and what is clipped in one cannot be made from it.
    """
    shape, n = a.shape, len(a)
    weights = inside.reshape(n, -1).astype(np.float32)
    flat = a.reshape(n, -1), b.reshape(n, -1)
    found = [_through_curve(x, y, weights) for x, y in (flat, flat[::-1])]
    forth = found[0][1] * found[1][2] <= found[1][1] * found[0][2]
    a = np.where(forth[:, None], found[0][0], flat[0])
    b = np.where(forth[:, None], flat[1], found[1][0])
    return a.reshape(shape), b.reshape(shape)


def _through_curve(x: Array, y: Array, weights: Array) -> tuple[Array, Array, Array]:
    """`x` through the cubic that fits `y` best, the squared error that is left, and the variance of `y` (n,)."""
    total = np.maximum(weights.sum(1), 1)
    scaled = x * np.float32(2 / 255) - 1
    powers = np.stack([np.ones_like(scaled), scaled, scaled * scaled, scaled * scaled * scaled], axis=1)
    weighed = powers * weights[:, None]
    system = (weighed @ powers.swapaxes(1, 2)).astype(np.float64) / total[:, None, None]
    wanted = (weighed @ y[:, :, None]).astype(np.float64) / total[:, None, None]
    np.einsum("nii->ni", system)[:] += 1e-5
    curve = np.linalg.solve(system, wanted).astype(np.float32)
    out = (curve.swapaxes(1, 2) @ powers)[:, 0]
    mean = np.einsum("np,np->n", weights, y) / total
    error = np.einsum("np,np->n", weights, (y - out) ** 2)
    return out, error, np.einsum("np,np->n", weights, (y - mean[:, None]) ** 2) + 1


def _equally_sharp(a: Array, b: Array, maps: Array) -> tuple[Array, Array]:
    """The pair with the finer picture blurred as the map enlarges the other, along each axis."""
    return _blur(a, _enlarged(maps)), _blur(b, _enlarged(invert(maps)))


def _enlarged(maps: Array) -> Array:
    """(n, 2): variance (pixels squared) by which each axis of the first must be blurred to be as dull as the second."""
    lengths = np.linalg.norm(maps[:, :, :2], axis=1)
    wanted: Array = np.maximum(SPREAD * (1 / np.maximum(lengths, 0.1) ** 2 - 1), 0)
    return wanted


def _blur(pictures: Array, variances: Array) -> Array:
    """Each picture under a Gaussian of its own along each axis."""
    rows = np.flatnonzero(variances.max(1) > 0.05)
    if not len(rows):
        return pictures
    apart = np.subtract.outer(np.arange(SIDE), np.arange(SIDE), dtype=np.float32) ** 2
    kernels = np.exp(-apart / (2 * np.maximum(variances[rows], 0.01)[:, :, None, None].astype(np.float32)))
    kernels /= kernels.sum(3, keepdims=True)
    out = pictures.copy()
    out[rows] = kernels[:, 1] @ pictures[rows] @ kernels[:, 0].swapaxes(1, 2)
    return out


@lru_cache(maxsize=1)
def _local_mean() -> Array:
    """(SIDE, SIDE): mean of _WIDTH pixels along an axis, fewer at the ends."""
    apart = np.abs(np.subtract.outer(np.arange(SIDE), np.arange(SIDE))) <= _WIDTH // 2
    mean: Array = (apart / apart.sum(1, keepdims=True)).astype(np.float32)
    return mean


def _blocks(pictures: Array) -> Array:
    """(n, 64, 64) -> (n, blocks, pixels)."""
    n, count = len(pictures), SIDE // BLOCK
    return pictures.reshape(n, count, BLOCK, count, BLOCK).swapaxes(2, 3).reshape(n, count * count, BLOCK * BLOCK)

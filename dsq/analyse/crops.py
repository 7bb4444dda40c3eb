"""Do boxes of one class look alike in two parts of a set, or does a class of one look like another class of the other?

Crops are told apart by kernel ridge regression over all classes that two parts share; each part judges the other. The
features are centred part by part, so that another light or camera does not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.assignment import assign_rows
from dsq.measure.crops import CELLS, CROP_SIZE, EDGES_SIZE, THUMB, THUMB_SIZE

Array = NDArray[Any]

#: crops of a class in a part, and of all classes in a part, that are looked at
MOST_OF_CLASS, MOST_OF_PART = 60, 1500
#: parts that are compared, the largest first
MOST_PARTS = 12
#: a crop whose brightness spreads by less (levels) is plain
PLAIN = 2.0
RIDGE = 0.1
FOLDS = 4
DRAWS = 999
#: a kind of feature has a voice where it tells the classes apart so well (area under the curve)
AUDIBLE = 0.65
#: and is against an exchange that loses so much of what it should gain
AGAINST = 0.3


def compare_crops(one: Array, other: Array, maps: Array) -> Array:
    """How alike crops (n, CROP_SIZE) are, -1 to 1: the correlation of their brightness when the first is turned as the
    maps (n, 6) m00 m01 m02 m10 m11 m12 between their pictures say. NaN where one is plain.
    """
    a, b = (crops[:, :THUMB_SIZE].reshape(-1, THUMB, THUMB, 3)[..., 0].astype(np.float32) for crops in (one, other))
    turned = a.copy()
    swap = np.abs(maps[:, [1, 3]]).sum(1) > np.abs(maps[:, [0, 4]]).sum(1)
    turned[swap] = turned[swap].swapaxes(1, 2)
    across, down = np.where(swap, maps[:, 1], maps[:, 0]) < 0, np.where(swap, maps[:, 3], maps[:, 4]) < 0
    turned[across] = turned[across][:, :, ::-1]
    turned[down] = turned[down][:, ::-1]
    a, b = (planes.reshape(-1, THUMB * THUMB) - planes.mean((1, 2))[:, None] for planes in (turned, b))
    spread = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    likeness: Array = np.where(spread > PLAIN**2 * THUMB**2, (a * b).sum(1) / np.maximum(spread, 1e-9), np.nan)
    return likeness


class Exchange(NamedTuple):
    """Classes that are exchanged between the parts `first` and `second`: what `second` calls `classes[i]` looks like
    what `first` calls `classes[i + 1]`, and the last like the first.

    gain: how much better the exchange explains the crops, over what is to be expected if it is real (0: not at all,
    1: wholly; negative: the names are right). weakest: the same for the class that gains least. separation: how well
    a part tells these classes apart by itself, area under the curve, the worst of all. chance: the share of random
    renamings that gain as much. agreed: no kind of feature (shape, colour, form) speaks against it.
    crops: how many were looked at of the rarest class.
    """

    first: int
    second: int
    classes: tuple[int, ...]
    gain: float
    weakest: float
    separation: float
    chance: float
    agreed: bool
    crops: int


def choose_crops(keys: Sequence[str], category: Array, part: Array, image: Array, *, least: int) -> Array:
    """Positions of the boxes to look at, sorted: of each class and part the first by the hash of their key, one an
    image before a second.

    Only classes with `least` boxes or more in two parts; part -1 is left out.
    """
    table = pd.DataFrame({"category": category, "part": part, "image": image})
    table = table[table["part"] >= 0]
    counts = table.groupby(["category", "part"], as_index=False).size()
    counts = counts[counts["size"] >= least]
    counts = counts[counts["category"].duplicated(keep=False)]
    share = {number: max(least, MOST_OF_PART // len(rows)) for number, rows in counts.groupby("part")}
    table = table.reset_index(names="at").merge(counts[["category", "part"]], on=["category", "part"])
    table["draw"] = [_draw(keys[at]) for at in table["at"].tolist()]
    table = table.sort_values(["category", "part", "draw", "at"], kind="stable")
    table["turn"] = table.groupby(["category", "part", "image"]).cumcount()
    table = table.sort_values(["category", "part", "turn", "draw", "at"], kind="stable")
    place = table.groupby(["category", "part"]).cumcount().to_numpy()
    most = np.minimum(table["part"].map(share).to_numpy(np.int64), MOST_OF_CLASS)
    chosen: Array = np.sort(table["at"].to_numpy(np.int64)[place < most])
    return chosen


def _draw(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def find_exchanges(
    crops: Array, sides: Array, category: Array, part: Array, image: Array, *, least: int, images: int
) -> list[Exchange]:
    """Every exchange of classes that explains the crops of two parts better than the names do, however weakly.

    crops (n, CROP_SIZE) uint8, see `describe_crops`; sides (n, 2) width and height of each box as shares of its
    image's; category, part, image (n,) int. Only classes with `least` crops from `images` images or more in both
    parts are compared; the 12 largest parts are.
    """
    features = _features(crops, sides)
    sizes = np.bincount(part)
    largest = np.sort(np.argsort(-sizes, kind="stable")[:MOST_PARTS])
    found: list[Exchange] = []
    for first, second in combinations(largest.tolist(), 2):
        members = [np.flatnonzero(part == number) for number in (first, second)]
        shared = set.intersection(*(_full(category[rows], image[rows], least, images) for rows in members))
        if len(shared) < 2:
            continue
        names = np.array(sorted(shared))
        kept = [rows[np.isin(category[rows], names)] for rows in members]
        pair = [_Side(features, np.searchsorted(names, category[rows]), image[rows], rows) for rows in kept]
        for cycle, numbers in _exchanges(*pair):
            crops_of = min(int(np.bincount(side.label, minlength=len(names))[list(cycle)].min()) for side in pair)
            classes = tuple(int(names[place]) for place in cycle)
            found.append(Exchange(first, second, classes, *numbers, crops_of))
    return found


def _full(category: Array, image: Array, least: int, images: int) -> set[int]:
    """Classes with enough crops from enough images."""
    table = pd.DataFrame({"category": category, "image": image}).groupby("category")["image"].agg(["size", "nunique"])
    return set(table.index[(table["size"] >= least) & (table["nunique"] >= images)].tolist())


def _features(crops: Array, sides: Array) -> dict[str, Array]:
    """Kinds of features: shape (edges and where it is light), colour (and brightness), form (aspect and size)."""
    assert crops.shape[1:] == (CROP_SIZE,) and EDGES_SIZE == CELLS * CELLS * 8
    thumbs = crops[:, :THUMB_SIZE].reshape(len(crops), THUMB * THUMB, 3).astype(np.float32)
    luma = thumbs[..., 0]
    mean, spread = luma.mean(1, keepdims=True), luma.std(1, keepdims=True)
    edges = crops[:, THUMB_SIZE:].astype(np.float32) / 255
    light = (luma - mean) / (spread + 5)
    colour = [thumbs[..., 1:].reshape(len(crops), -1) / 32, mean / 64, spread / 32]
    width, height = np.log(np.maximum(sides, 1e-6)).T.astype(np.float32)
    return {
        "shape": np.concatenate([_level(edges), _level(light)], 1),
        "colour": np.concatenate(colour, 1),
        "form": np.stack([2 * (width - height), (width + height) / 2], 1),
    }


def _level(values: Array) -> Array:
    """Scaled to a total variance of 1."""
    scaled: Array = values / np.sqrt(values.var(0).sum() + 1e-9)
    return scaled


class _Side:
    """The crops of one part: label (n,) from 0, image (n,), kinds of features, centred on the mean of the classes."""

    def __init__(self, features: dict[str, Array], label: Array, image: Array, rows: Array) -> None:
        self.label, self.image = label, image
        self.classes = int(label.max()) + 1
        self.kinds = {name: _centre(values[rows], label) for name, values in features.items()}
        self.all = np.concatenate(list(self.kinds.values()), 1)


def _centre(values: Array, label: Array) -> Array:
    centred = values - _by_class(values, label).mean(0)
    scaled: Array = centred / np.sqrt((centred**2).sum(1).mean() + 1e-9)
    return scaled


def _by_class(values: Array, label: Array) -> Array:
    """(n, k) -> (classes, k) means."""
    classes = int(label.max()) + 1
    sums = np.zeros((classes, values.shape[1]))
    np.add.at(sums, label, values)
    means: Array = sums / np.bincount(label, minlength=classes)[:, None]
    return means


class _Judged(NamedTuple):
    """Scores (n, classes) of the crops of both parts: by the part itself (left out in turn), and by the other."""

    own: tuple[Array, Array]
    by_other: tuple[Array, Array]


def _judge(sides: Sequence[_Side], values: Sequence[Array]) -> _Judged:
    scale = _median_distance(values[0])
    across = _kernel(values[0], values[1], scale)
    fits = [_fit(_kernel(v, v, scale), side.label, side.image) for v, side in zip(values, sides, strict=True)]
    (weights_a, own_a), (weights_b, own_b) = fits
    return _Judged((own_a, own_b), (across @ weights_b, across.T @ weights_a))


def _median_distance(values: Array) -> float:
    some = values[:: max(1, len(values) // 300)]
    return float(np.median(((some[:, None] - some[None]) ** 2).sum(2))) + 1e-9


def _kernel(a: Array, b: Array, scale: float) -> Array:
    distance = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    kernel: Array = np.exp(-np.maximum(distance, 0) / scale).astype(np.float64)
    return kernel


def _fit(kernel: Array, label: Array, image: Array) -> tuple[Array, Array]:
    """Weights (n, classes) of a balanced ridge regression on class membership, and what it says of each crop when the
    crops of that fold of images are left out.
    """
    classes = int(label.max()) + 1
    counts = np.bincount(label, minlength=classes)[label]
    wanted = np.eye(classes)[label] - 1 / classes
    inverse = np.linalg.inv(kernel + np.diag(RIDGE * np.trace(kernel) / len(label) * counts / counts.mean()))
    weights = inverse @ wanted
    fold = pd.factorize(image)[0] % FOLDS
    held_out = np.empty_like(wanted)
    for number in range(FOLDS):
        rows = np.flatnonzero(fold == number)
        held_out[rows] = wanted[rows] - np.linalg.solve(inverse[np.ix_(rows, rows)], weights[rows])
    return weights, held_out


def _tables(judged: _Judged, sides: Sequence[_Side]) -> tuple[Array, Array]:
    """(classes, classes) each: how much what the second part calls a (row) looks like what the first calls b (column),
    and what it would be if names and looks agreed.
    """
    first, second = sides
    between = _by_class(judged.by_other[1], second.label) + _by_class(judged.by_other[0], first.label).T
    within = sum(_by_class(own, side.label) for own, side in zip(judged.own, sides, strict=True))
    return between, np.asarray(within)


def _exchanges(first: _Side, second: _Side) -> list[tuple[tuple[int, ...], tuple[float, float, float, float, bool]]]:
    """Cycles of classes, each with gain, weakest, separation, chance and agreement (see Exchange)."""
    sides = (first, second)
    judged = _judge(sides, (first.all, second.all))
    between, within = _tables(judged, sides)
    found = []
    for cycle in _cycles(assign_rows(between)):
        if len(cycle) < 2:
            continue
        gain, weakest = _gain(between, within, cycle)
        if gain <= 0:
            continue
        separation = min(_separation(judged.own[at], sides[at].label, cycle) for at in (0, 1))
        chance = _chance(judged, sides, cycle)
        found.append((cycle, (gain, weakest, separation, chance, _agreed(sides, cycle))))
    return found


def _cycles(target: Array) -> list[tuple[int, ...]]:
    """The cycles of a permutation, each from its smallest member on."""
    seen: set[int] = set()
    found = []
    for start in range(len(target)):
        if start in seen:
            continue
        cycle = [start]
        while (following := int(target[cycle[-1]])) != start:
            cycle.append(following)
        seen.update(cycle)
        found.append(tuple(cycle))
    return found


def _gain(between: Array, within: Array, cycle: Sequence[int]) -> tuple[float, float]:
    """What the exchange gains over the names, as a share of what it would gain if real: in all, and at its weakest."""
    at, to = np.array(cycle), np.roll(cycle, -1)
    gained = between[at, to] - between[at, at]
    expected = (within[to, to] - within[to, at]).sum()
    if expected <= 1e-6:
        return 0.0, 0.0
    return float(gained.sum() / expected), float(gained.min() * len(cycle) / expected)


def _separation(own: Array, label: Array, cycle: Sequence[int]) -> float:
    """How well a part tells each class of the cycle from the next: the least area under the curve."""
    worst = 1.0
    for a, b in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
        score = own[:, a] - own[:, b]
        mine, others = score[label == a], score[label == b]
        worst = min(worst, float((mine[:, None] > others).mean() + 0.5 * (mine[:, None] == others).mean()))
    return worst


def _chance(judged: _Judged, sides: Sequence[_Side], cycle: Sequence[int]) -> float:
    """The share of random renamings of the classes, image by image, that gain as much; the worse of the two parts."""
    rng = np.random.default_rng(0)
    size = len(cycle)
    shares = []
    for at, step in ((1, 1), (0, -1)):
        place = np.full(sides[at].classes, -1)
        place[list(cycle)] = np.arange(size)
        inside = place[sides[at].label] >= 0
        code = place[sides[at].label][inside]
        scores = judged.by_other[at][inside][:, list(cycle)]
        images = pd.factorize(sides[at].image[inside])[0]
        gains = scores[:, (np.arange(size) + step) % size] - scores  # of each crop, under each of the names
        weight = 1 / np.bincount(code, minlength=size)[code]
        rows = np.arange(len(code))
        real = (gains[rows, code] * weight).sum()
        turns = rng.integers(0, size, (DRAWS, int(images.max()) + 1))
        drawn = (gains[rows, (code + turns[:, images]) % size] * weight).sum(1)
        shares.append((1 + int((drawn >= real).sum())) / (DRAWS + 1))
    return max(shares)


def _agreed(sides: Sequence[_Side], cycle: Sequence[int]) -> bool:
    """Whether no kind of feature that tells the classes apart in both parts is against the exchange."""
    for name in sides[0].kinds:
        judged = _judge(sides, [side.kinds[name] for side in sides])
        audible = min(_separation(judged.own[at], sides[at].label, cycle) for at in (0, 1)) >= AUDIBLE
        if audible and _gain(*_tables(judged, sides), cycle)[0] < -AGAINST:
            return False
    return True

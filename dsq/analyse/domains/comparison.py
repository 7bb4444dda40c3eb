"""Training images against a sample of production: is there a gap, in what, and what is not covered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.domains.coverage import Coverage, find_coverage
from dsq.analyse.domains.mix import Mix, compare_mixes
from dsq.analyse.domains.objects import OBJECTS, describe_objects, usual_sizes
from dsq.analyse.domains.tests import Shifts, classify, compare_means, find_shifts, make_kernel
from dsq.analyse.domains.words import APPEARANCE, tell_appearance, tell_mix, tell_objects
from dsq.measure.appearance import STATS, Appearance, measure_appearance
from dsq.measure.store import Cache
from dsq.model import Dataset

Array = NDArray[Any]
Shifted = tuple[str, float, float]

#: production images: with fewer nothing is said
LEAST = 10
#: images on either side that the tests, which grow with the cube of their number, look at
MOST_TRAINING, MOST_PRODUCTION = 250, 150
#: images of the training set that are looked at; the distances within it are theirs
MOST_MEASURED = 3000
#: a gap has one of three p values at or below this: together one false alarm in a hundred sets
LEVEL = 0.01 / 3
BLOCKS = 8
#: of the runs that a random part of the names would form: from here on the sample is no stretch
SCATTERED = 0.7
#: for a number to be named: its p (Holm's where it is itself the proof of a gap), the shift in standard deviations
WORD_LEVEL, WORD_SHIFT = 0.01, 0.5
#: objects this many times smaller or larger matter to a detector however much their sizes vary
WORD_FACTOR = 1.25
_NUMBERS = re.compile(r"(\d{1,18})")
#: share of production that is not covered, and its p, from which on it is told
TOLD_SHARE, TOLD_LEVEL = 0.15, 0.01


class Domains(NamedTuple):
    """What `compare_domains` found.

    gap: whether production differs by more than chance, and by more than stretches of the training set differ
    from each other, unless it lies scattered among the training images by name, and so is no stretch. auc: of a
    classifier that tells the two apart (.5: it cannot). p_values: by test ("classifier", "means", "numbers", and
    "objects" where both sets have labels). coverage: share of the production images that
    are farther from the training set than 95 % of its images are from each other; uncovered_p: how likely so many
    are by chance, 1 where stretches of the training set are covered no better. words: what differs, most important
    first; looks: those of them that are about the pictures. uncovered, nearest, distance: an entry a row of `rows`,
    the compared production images (positions in `images`): whether it is not covered, the training image nearest to
    it (position), how far that is (1: the limit). objects, appearance: (name, median in training, median in
    production; of the count, the mean) of each number of the objects, of the pictures (see
    `dsq.measure.appearance.STATS`) that shifted. mix: the shares of the classes; None without labels.
    """

    gap: bool
    auc: float
    p_values: dict[str, float]
    coverage: float
    uncovered_p: float
    words: list[str]
    looks: list[str]
    rows: Array
    uncovered: Array
    nearest: Array
    distance: Array
    objects: list[Shifted]
    appearance: list[Shifted]
    mix: Mix | None

    def tell(self, *names: str) -> list[tuple[str, str, float]]:
        """Of these numbers of the objects, those that shifted: name, what that means in words, production's median
        less training's (as `dsq.analyse.domains.objects` gives them).
        """
        return [
            (name, tell_objects(name, first, second), second - first)
            for name, first, second in self.objects
            if name in names
        ]


def state_domains(given: Mapping[str, Any]) -> Domains:
    """A comparison with the given fields, stated by hand for examples; the others say that nothing differs."""
    nothing: dict[str, Any] = {
        "gap": False, "auc": 0.5, "p_values": {}, "coverage": 0.0, "uncovered_p": 1.0, "words": [], "looks": [],
        "rows": np.arange(0), "uncovered": np.zeros(0, bool), "nearest": np.arange(0), "distance": np.zeros(0),
        "objects": [], "appearance": [], "mix": None,
    }  # fmt: skip
    return Domains(**(nothing | dict(given)))


def compare_domains(
    train: Dataset,
    production: Dataset,
    *,
    seed: int = 0,
    workers: int | None = None,
    cache: Cache = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Domains:
    """Compare the images of two datasets, and their boxes where both have labels.

    Numbers of the pictures' light, colour, grain and structure and a descriptor (see `dsq.measure.appearance`) go into
    a kernel classifier, a test of means and a test of each number. At most MOST_MEASURED training images are looked
    at. Images that cannot be decoded are left out.
    With fewer than LEAST production images nothing is decided, and `words` says so.
    """
    sides = []
    for dataset, most in ((train, MOST_MEASURED), (production, None)):
        rows = np.flatnonzero((dataset.images["member"].notna() & dataset.images["root"].notna()).to_numpy())
        names = dataset.images["file"].to_numpy()[rows]
        rows = rows[np.argsort(names, kind="stable")]
        rows = rows[draw(dataset.images["file"].to_numpy()[rows], most or len(rows), seed)]
        looks = measure_appearance(dataset, rows.tolist(), workers=workers, cache=cache, progress=progress)
        good = np.isfinite(looks.stats).all(1)
        sides.append((rows[good], Appearance(looks.stats[good], looks.descriptor[good])))
    return judge(train, production, *sides[0], *sides[1], seed=seed)


def judge(
    train: Dataset,
    production: Dataset,
    rows: Array,
    looks: Appearance,
    other_rows: Array,
    other_looks: Appearance,
    *,
    seed: int = 0,
) -> Domains:
    """`compare_domains` for images that are measured already: rows (n,) by file name, and their looks."""
    shifts, objects, words = _compare_objects(train, production)
    mix = compare_mixes(train, production, seed) if shifts is not None else None
    if mix is not None and mix.classes:
        words.append(tell_mix(*mix.classes[0]))
    if len(other_rows) < LEAST or len(rows) < 2 * LEAST:
        few = f"{len(other_rows):,} production" if len(other_rows) < LEAST else f"{len(rows):,} training"
        need = LEAST if len(other_rows) < LEAST else 2 * LEAST
        words = [*words, f"{few} images are too few to compare pictures: give {need} or more"]
        return state_domains(
            {
                "gap": bool(objects),
                "auc": float("nan"),
                "p_values": {"objects": float(shifts.p.min())} if shifts is not None else {},
                "coverage": float("nan"),
                "words": words,
                "rows": other_rows,
                "uncovered": np.zeros(len(other_rows), bool),
                "nearest": np.full(len(other_rows), -1),
                "distance": np.full(len(other_rows), np.nan),
                "objects": objects,
                "mix": mix,
            }
        )
    rng = np.random.default_rng(seed)
    files = train.images["file"].to_numpy()[rows], production.images["file"].to_numpy()[other_rows]
    one = draw(files[0], MOST_TRAINING, seed)
    other = draw(files[1], MOST_PRODUCTION, seed)
    auc, p_values, numbers = _test(looks, one, other_looks, other, rng)
    covered = find_coverage(looks.stats, looks.descriptor, other_looks.stats, other_looks.descriptor)
    own_auc, own_share = _own_stretches(looks, len(other), rng)
    differs = min(p_values.values()) <= LEVEL
    scattered = _lie_scattered(*files)
    stands_out = scattered or auc > own_auc or (covered.share > own_share and covered.p <= LEVEL)
    gap = bool(differs and stands_out)
    if shifts is not None:
        p_values["objects"] = float(shifts.p.min())
    if covered.share >= TOLD_SHARE and covered.p <= TOLD_LEVEL and (gap or covered.share > own_share):
        words.append(f"{covered.share:.0%} of the production images have no near neighbour in training")
    appearance = _find_sure(numbers, looks.stats[one], other_looks.stats[other]) if gap else []
    told = _tell(appearance)
    words += told
    if differs and not gap:
        words.append("pictures differ no more than stretches of the training set differ from each other")
    return Domains(
        gap or bool(objects),
        auc,
        p_values,
        covered.share,
        covered.p if gap or covered.share > own_share else 1.0,
        words,
        told,
        other_rows,
        covered.distance > 1,
        rows[covered.nearest],
        covered.distance,
        objects,
        appearance,
        mix,
    )


def _test(
    looks: Appearance, one: Array, other_looks: Appearance, other: Array, rng: np.random.Generator
) -> tuple[float, dict[str, float], Shifts]:
    """Area under the curve, p values by test, and the shift of each number; of the drawn rows."""
    second = np.arange(len(one) + len(other)) >= len(one)
    kernel = _kernel(looks, one, other_looks, other)
    auc, p_classifier = classify(kernel, second, rng)
    p_means = compare_means(kernel, second, rng)
    numbers = find_shifts(looks.stats[one], other_looks.stats[other])
    return auc, {"classifier": p_classifier, "means": p_means, "numbers": float(numbers.p.min())}, numbers


def _kernel(looks: Appearance, one: Array, other_looks: Appearance, other: Array) -> Array:
    return make_kernel(
        np.vstack([looks.stats[one], other_looks.stats[other]]),
        np.vstack([looks.descriptor[one], other_looks.descriptor[other]]),
    )


def _own_stretches(looks: Appearance, size: int, rng: np.random.Generator) -> tuple[float, float]:
    """How well stretches of the training set, in the order of its names, are told from the rest of it: the largest
    area under the curve, and the largest share that the rest does not cover. Frames of one video lie together.
    """
    count = len(looks.stats)
    size = min(size, count // 4)
    auc, share = 0.5, 0.0
    for start in np.unique(np.linspace(0, count - size, BLOCKS).astype(np.int64)):
        block = np.arange(start, start + size)
        rest = np.delete(np.arange(count), block)
        drawn = rest if len(rest) <= MOST_TRAINING else np.sort(rng.choice(rest, MOST_TRAINING, replace=False))
        second = np.arange(len(drawn) + size) >= len(drawn)
        auc = max(auc, classify(_kernel(looks, drawn, looks, block), second, rng, 0)[0])
        left: Coverage = find_coverage(
            looks.stats[drawn], looks.descriptor[drawn], looks.stats[block], looks.descriptor[block]
        )
        share = max(share, left.share)
    return auc, share


def _lie_scattered(files: Array, others: Array) -> bool:
    """Whether the second files lie scattered among the first by their names, so that they are no stretch of frames:
    in about as many runs as a random part of them would.
    """
    names = [(_order(name), side) for side, part in enumerate((files, others)) for name in part.tolist()]
    second = np.array([side for _, side in sorted(names)])
    runs = int(second[0]) + int((np.diff(second) == 1).sum())
    return runs >= SCATTERED * len(others) * (len(files) + 1) / len(names)


def _order(file: str) -> tuple[tuple[str, int], ...]:
    """What puts a file name without its folders in order, numbers by their value."""
    parts = _NUMBERS.split(file.rpartition("/")[2].casefold())
    return tuple((text, int(digits or 0)) for text, digits in zip_longest(parts[::2], parts[1::2], fillvalue=""))


def _compare_objects(train: Dataset, production: Dataset) -> tuple[Shifts | None, list[Shifted], list[str]]:
    """The shift of each number of the objects, those that are sure, and what they say; None without labels."""
    usual = usual_sizes(train)
    numbers = describe_objects(train, usual)[1], describe_objects(production, usual)[1]
    if any(len(part) < LEAST or not np.isfinite(part[:, 1]).any() for part in numbers):
        return None, [], []
    shifts = find_shifts(*numbers)
    medians = [np.array([_median(column) for column in part.T]) for part in numbers]
    for median, part in zip(medians, numbers, strict=True):  # half of a box an image is told, too
        median[OBJECTS.index("count")] = np.log1p(np.expm1(part[:, OBJECTS.index("count")]).mean())
    sizes = [OBJECTS.index("size"), OBJECTS.index("class_size")]
    matters = np.abs(shifts.shift) >= WORD_SHIFT
    matters[sizes] |= np.abs(medians[1] - medians[0])[sizes] >= np.log(WORD_FACTOR)
    found = (shifts.p <= WORD_LEVEL) & matters
    found[sizes[1]] &= not found[sizes[0]]  # told once
    sure = np.flatnonzero(found)
    sure = sure[np.argsort(-shifts.distance[sure], kind="stable")]
    objects = [(OBJECTS[at], float(medians[0][at]), float(medians[1][at])) for at in sure]
    return shifts, objects, [tell_objects(*shifted) for shifted in objects]


def _median(values: Array) -> float:
    """Of those that are known; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _find_sure(numbers: Shifts, first: Array, second: Array) -> list[Shifted]:
    """The numbers that shifted, the clearest first, with their medians; where a gap is sure each speaks for itself."""
    sure = np.flatnonzero((numbers.single <= WORD_LEVEL) & (np.abs(numbers.shift) >= WORD_SHIFT))
    sure = sure[np.lexsort((-np.abs(numbers.shift[sure]), -numbers.distance[sure].round(2)))]
    return [(STATS[at], float(np.median(first[:, at])), float(np.median(second[:, at]))) for at in sure]


def _tell(appearance: list[Shifted]) -> list[str]:
    """What differs in the pictures, a line a theme: by the plainest of its numbers."""
    plainest = list(APPEARANCE)
    words: dict[str, tuple[int, str]] = {}
    for name, first, second in appearance:
        told = plainest.index(name), tell_appearance(name, first, second)
        theme = APPEARANCE[name].theme
        words[theme] = min(words.get(theme, told), told)
    return [word for _, word in words.values()]


def draw(files: Array, most: int, seed: int) -> Array:
    """Rows of at most so many files, in order; which, depends on their names and the seed alone."""
    if len(files) <= most:
        return np.arange(len(files))
    keys = [hashlib.sha256(f"{seed}\0{name}".encode()).digest() for name in files.tolist()]
    return np.sort(np.array(sorted(range(len(files)), key=keys.__getitem__)[:most]))

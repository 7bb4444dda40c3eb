"""Every box of a set looked at by a model that has not seen its image: the refined box, the score, the self-test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.duplicates import find_pairs, group_pairs
from dsq.analyse.planting import clip_boxes, draw, spoil
from dsq.analyse.tightness import learn, trust
from dsq.analyse.tightness.labels import Labels, draw_folds, judge_places, take_labels
from dsq.analyse.tightness.sizes import SIZE_FEATURES, learn_sizes
from dsq.analyse.tightness.trust import Trust, distrust, weigh_scores
from dsq.geometry import box_area
from dsq.measure import sides
from dsq.measure.images import measure_images
from dsq.measure.profiles import FEATURES
from dsq.measure.store import Cache, open_store
from dsq.model import Dataset, Table

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

NAME = "tightness"
VERSION = 1
FOLDS = 4
#: a label is looked at as it is and at these multiples of its size; the refined box is the mean of the three answers
ZOOMS = (1.0, 0.8, 1.3)
#: kinds of faults that the self-test plants, and the sign of their scores; boxes that it spoils of a kind, at most
KINDS: Mapping[str, float] = {"loose": 1.0, "cut": -1.0}
SPOILED = 400
_SEED = 31


class Tightness(NamedTuple):
    """table: see `score_tightness`, with `judged` (bool: neither tiny nor at the rim, truncated or a crowd) beside.
    trust: the self-test by kind, "loose" and "cut".
    """

    table: Table
    trust: Mapping[str, Trust]


def score_tightness(
    dataset: Dataset, *, workers: int | None = None, cache: Cache = True, progress: Progress | None = None
) -> Table:
    """How tight each box is by the pixels across its sides, a row a box in the order of `boxes`: `box_id`, `score`,
    `x`, `y`, `width`, `height`.

    score: the log of how many times larger the label is than the refined box (x, y, width, height, in pixels):
    positive loose, negative cut; 0.3 is worth a look, 0.5 is much. NaN for crowds, boxes with a side under 4 px, images
    that cannot be decoded, and sets too small to learn from (see `dsq.analyse.tightness.trust`). The scores depend on
    the set as a whole, neither on the order of rows nor on `workers`. workers, cache: see
    `dsq.measure.images.measure_images`.
    """
    measured = measure_images(dataset, workers=workers, cache=cache, progress=progress)
    pairs = find_pairs(dataset, measured.table, measured.probes, workers=workers, cache=cache, progress=progress)
    groups = group_pairs(pairs, len(dataset.images), "near")
    found = measure_tightness(dataset, measured.table, groups, workers=workers, cache=cache, progress=progress)
    return found.table.drop(columns="judged")


def measure_tightness(
    dataset: Dataset,
    pixels: Table,
    groups: Array | None = None,
    *,
    workers: int | None = None,
    cache: Cache = True,
    progress: Progress | None = None,
) -> Tightness:
    """Scores and self-test of a set; what is the same as last time is taken from the cache.

    pixels: as `measure_images` gives them. groups: (images,) labels of images to be kept in one fold, -1: alone.
    """
    labels = take_labels(dataset, pixels, groups)
    images = len(np.unique(labels.group))
    boxes = int(labels.judged.sum())
    if boxes < trust.LEAST_BOXES or images < trust.LEAST_IMAGES:
        why = (
            f"the set is too small: {boxes:,} boxes that can be judged in {images:,} different images, "
            f"{trust.LEAST_BOXES} in {trust.LEAST_IMAGES} are needed"
        )
        refined = np.full((len(labels), 4), np.nan)
        return _tabulate(dataset, labels, refined, {kind: distrust(kind, why, boxes, images) for kind in KINDS})
    key = _key(labels)
    with open_store(cache) as store:
        known = store.recall(_kind(), [key]).get(key)
        if known is not None:
            return _tabulate(dataset, labels, *_unpack(known, len(labels)))
    refined, tests = _Course(dataset, labels, workers, progress).run()
    with open_store(cache) as store:
        store.keep(_kind(), [(key, _pack(refined, tests))])
    return _tabulate(dataset, labels, refined, tests)


class _Course:
    """One training and the looks that follow it."""

    def __init__(self, dataset: Dataset, labels: Labels, workers: int | None, progress: Progress | None) -> None:
        self.dataset, self.labels, self.workers, self.progress = dataset, labels, workers, progress
        self.fold = draw_folds(labels, FOLDS)
        self.sizes = learn_sizes(labels.corners, labels.size[:, 0], self.fold, labels.category)

    def run(self) -> tuple[Array, dict[str, Trust]]:
        """Refined corners (m, 4), NaN where there are none, and the self-test by kind."""
        labels = self.labels
        models = self._train()
        who, seen = [np.arange(len(labels))], [labels.corners]
        for kind in KINDS:
            chosen, spoiled = self._spoil(kind)
            who.append(chosen)
            seen.append(spoiled)
        refined = self._refine(models, np.concatenate(who), np.concatenate(seen))
        ends = np.cumsum([len(part) for part in who])[:-1]
        own, *planted = np.split(refined, ends)
        scores = score(labels.corners, own)
        sound = labels.judged & np.isfinite(scores)
        tests = {}
        for (kind, sign), part, chosen, box in zip(KINDS.items(), planted, who[1:], seen[1:], strict=True):
            found = score(box, part) * sign
            there = np.isfinite(found)
            if there.any() and sound.any():
                group = labels.group
                tests[kind] = weigh_scores(kind, found[there], group[chosen[there]], scores[sound] * sign, group[sound])
            else:
                tests[kind] = distrust(kind, f"no box of this set can be made {kind} on purpose")
        return own, tests

    def _train(self) -> list[Any]:
        """A model a fold, from moved boxes of the other folds; None for a fold without any."""
        labels = self.labels
        turns = min(max(-(-learn.EXAMPLES // len(labels)), 1), learn.MOST_A_BOX)
        lot = draw(labels.key, 1, _SEED)[:, 0]
        chosen = np.sort(np.argsort(lot, kind="stable")[: learn.EXAMPLES])
        who = np.repeat(chosen, turns)
        corners, size, keys = labels.corners[chosen], labels.size[chosen], labels.key[chosen]
        moved = np.stack([learn.move_boxes(corners, size, keys, turn) for turn in range(turns)], 1).reshape(-1, 4)
        features = np.empty((len(who), 4, FEATURES + SIZE_FEATURES), np.float32)
        there = np.zeros(len(who), np.bool_)
        for positions, part in self._look(who, moved, "learning how boxes sit"):
            features[positions] = part
            there[positions] = True
        moves = learn.state_moves(moved, labels.corners[who])
        models = []
        for left_out in range(int(self.fold.max()) + 1):
            rest = there & (self.fold[who] != left_out)
            models.append(learn.fit(features[rest], moves[rest]) if rest.any() else None)
            if self.progress is not None:
                self.progress("learning how boxes sit", left_out + 1, int(self.fold.max()) + 1)
        return models

    def _spoil(self, kind: str) -> tuple[Array, Array]:
        """Judged boxes to spoil (at most SPOILED; those that stay within what is judged), and their spoiled corners."""
        labels = self.labels
        spoiled = spoil(kind, labels.corners, labels.size, labels.key, _SEED)
        able = np.flatnonzero(labels.judged & judge_places(spoiled, labels.size))
        lot = draw(labels.key[able], 1, _SEED + 1)[:, 0]
        chosen = np.sort(able[np.argsort(lot, kind="stable")[:SPOILED]])
        return chosen, spoiled[chosen]

    def _refine(self, models: list[Any], who: Array, seen: Array) -> Array:
        """What the looks at boxes (n, 4) that belong to the labels `who` make of them; NaN where there was no look."""
        count = len(seen)
        views = np.concatenate([zoom(seen, self.labels.size[who], by) for by in ZOOMS])
        owner = np.tile(who, len(ZOOMS))
        answers = np.full((len(views), 4), np.nan)
        for positions, features in self._look(owner, views, "judging how boxes sit"):
            fold = self.fold[owner[positions]]
            for number in np.unique(fold).tolist():
                if models[number] is not None:
                    part = positions[fold == number]
                    answers[part] = learn.carry_out(
                        views[part], learn.predict(models[number], features[fold == number])
                    )
        refined = answers.reshape(len(ZOOMS), count, 4).mean(0)
        return clip_boxes(refined, self.labels.size[who])

    def _look(self, who: Array, corners: Array, doing: str) -> Iterator[tuple[Array, Array]]:
        """Positions and features of views in batches, sizes included."""
        labels = self.labels
        rows = labels.image[who]
        for positions, features in sides.look_at_sides(
            self.dataset, rows, corners, workers=self.workers, progress=self.progress, doing=doing
        ):
            one = who[positions]
            extra = self.sizes.compare(corners[positions], labels.size[one, 0], self.fold[one], labels.category[one])
            yield positions, np.concatenate([features, extra], 2)


def zoom(corners: Array, size: Array, by: float) -> Array:
    """(n, 4) boxes made `by` times as large about their centres, kept inside their images."""
    centre, half = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]) / 2 * by
    return corners if by == 1 else clip_boxes(np.concatenate([centre - half, centre + half], 1), size)


def score(labels: Array, refined: Array) -> Array:
    """(n,) log of how many times larger the labels are than the refined boxes."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scores: Array = np.log(box_area(labels) / box_area(refined))
    return scores


def _tabulate(dataset: Dataset, labels: Labels, refined: Array, tests: Mapping[str, Trust]) -> Tightness:
    count = len(dataset.boxes)
    corners, scores, judged = np.full((count, 4), np.nan), np.full(count, np.nan), np.zeros(count, np.bool_)
    corners[labels.row] = refined
    scores[labels.row] = score(labels.corners, refined)
    judged[labels.row] = labels.judged
    columns = {
        "x": corners[:, 0],
        "y": corners[:, 1],
        "width": corners[:, 2] - corners[:, 0],
        "height": corners[:, 3] - corners[:, 1],
    }
    ids = dataset.boxes["box_id"].to_numpy()
    return Tightness(pd.DataFrame({"box_id": ids, "score": scores, **columns, "judged": judged}), tests)


def _kind() -> str:
    """By what results are kept: the versions of all that they depend on."""
    used = " ".join(f"{name}-{version(name)}" for name in ("numpy", "pillow", "scikit-learn"))
    return f"{NAME}-{VERSION} {sides.NAME}-{sides.VERSION} {used}"


def _key(labels: Labels) -> bytes:
    """The set as far as scores depend on it: contents, boxes, classes, groups, which boxes are judged."""
    digest = hashlib.sha256("\n".join(labels.content.tolist()).encode())
    for values in (labels.corners, labels.size, labels.category, labels.key, labels.group, labels.judged):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()


def _pack(refined: Array, tests: Mapping[str, Trust]) -> bytes:
    head = json.dumps([list(test) for test in tests.values()]).encode()
    return len(head).to_bytes(4, "little") + head + refined.astype("<f8").tobytes()


def _unpack(data: bytes, count: int) -> tuple[Array, dict[str, Trust]]:
    start = 4 + int.from_bytes(data[:4], "little")
    tests = [Trust(*values) for values in json.loads(data[4:start])]
    refined = np.frombuffer(data[start:], "<f8").reshape(count, 4).astype(float)
    return refined, {test.kind: test for test in tests}

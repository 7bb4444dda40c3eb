"""How far scores can be trusted on this very set: boxes spoiled on purpose, and how many of them are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.analyse.planting import draw, text_key

Array = NDArray[Any]

#: the share of spoiled boxes that precision is told for
PLANTED = 0.1
#: precision that the threshold of a set is chosen for, and what must be found at it to call the test reliable
PRECISION, LEAST_RECALL = 0.6, 0.2
#: scores below this are no finding, whatever the test says: a box 1.35 times too large or too small
LEAST_SCORE = 0.3
#: judged boxes and images (groups of copies count once) under which a set is too small to be learnt from
LEAST_BOXES, LEAST_IMAGES = 60, 30
_DRAWS, _SEED = 300, 7


class Trust(NamedTuple):
    """The self-test of one kind of fault.

    reliable: whether findings are worth a look. why: the reason where they are not. threshold: the score from which a
    box is a finding. recall: the share of spoiled boxes found there; precision: the share of findings that are spoiled
    if PLANTED of all boxes are; each with a 95 % interval (bootstrap over images). boxes: how many were spoiled.
    """

    kind: str
    reliable: bool
    why: str
    threshold: float
    recall: float
    recall_low: float
    recall_high: float
    precision: float
    precision_low: float
    precision_high: float
    boxes: int
    images: int

    @property
    def words(self) -> str:
        """What a person is told: "of 100 boxes loosened on purpose 55 are found at 60 % precision"."""
        if self.why:
            return self.why
        done = {"loose": "loosened", "cut": "cut"}.get(self.kind, f"made {self.kind}")
        found, right = f"{100 * self.recall:.0f}", f"{100 * self.precision:.0f} %"
        return f"of 100 boxes {done} on purpose {found} are found at {right} precision"


def distrust(kind: str, why: str, boxes: int = 0, images: int = 0) -> Trust:
    """The trust in a test that could not be made."""
    nan = float("nan")
    return Trust(kind, False, why, float("inf"), nan, nan, nan, nan, nan, nan, boxes, images)


def weigh_scores(kind: str, planted: Array, planted_group: Array, sound: Array, sound_group: Array) -> Trust:
    """Choose the threshold of a set and say what it finds.

    planted: scores of spoiled boxes (higher: more like the fault), sound: those of all boxes as they are; with the
    group of images that each is in. Faults that the set has of its own count as false alarms.
    """
    groups = len(np.union1d(planted_group, sound_group))
    levels = np.unique(np.concatenate([[LEAST_SCORE], planted[planted > LEAST_SCORE]]))
    recall = 1 - np.searchsorted(np.sort(planted), levels, side="left") / len(planted)
    alarms = 1 - np.searchsorted(np.sort(sound), levels, side="left") / len(sound)
    good = np.flatnonzero(_precision(recall, alarms) >= PRECISION)
    if not len(good):
        return distrust(
            kind, f"the self-test finds no {kind} boxes at {100 * PRECISION:.0f} % precision", len(planted), groups
        )
    at = float(levels[good[0]])
    low, high = _resample(planted >= at, planted_group, sound >= at, sound_group)
    found, precise = float(recall[good[0]]), float(_precision(recall, alarms)[good[0]])
    why = ""
    if found < LEAST_RECALL:
        why = f"the self-test finds only {100 * found:.0f} of 100 {kind} boxes at {100 * PRECISION:.0f} % precision"
    return Trust(kind, not why, why, at, found, low[0], high[0], precise, low[1], high[1], len(planted), groups)


def _precision(recall: Array, alarms: Array) -> Array:
    """The share of findings that are right where PLANTED of the boxes are faulty."""
    right, wrong = PLANTED * recall, (1 - PLANTED) * alarms
    precision: Array = np.divide(right, right + wrong, out=np.zeros_like(recall), where=right + wrong > 0)
    return precision


def _resample(
    found: Array, found_group: Array, alarm: Array, alarm_group: Array
) -> tuple[Sequence[float], Sequence[float]]:
    """95 % intervals of recall and precision: (low, high), groups of images drawn anew."""
    groups = np.union1d(found_group, alarm_group)
    counts = []
    for hit, group in ((found, found_group), (alarm, alarm_group)):
        place = np.searchsorted(groups, group)
        counts += [np.bincount(place, hit, len(groups)), np.bincount(place, minlength=len(groups))]
    keys = np.arange(_DRAWS, dtype=np.uint64) + np.uint64(text_key("draws") >> 8)
    picks = (draw(keys, len(groups), _SEED) * len(groups)).astype(np.int64)
    hits, planted, alarms, sound = (count[picks].sum(1) for count in counts)
    recall = hits / np.maximum(planted, 1)
    precision = _precision(recall, alarms / np.maximum(sound, 1))
    low, high = np.quantile(np.stack([recall, precision]), [0.025, 0.975], axis=1)
    return low.tolist(), high.tolist()

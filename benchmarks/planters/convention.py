"""Whole sets whose boxes are written otherwise than their format says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.planters.base import WHOLE, Array, Field, Planted, Planter, change, some_images
from dsq.model import Dataset

#: how each format reads four numbers
OWN = {"voc": "corners", "coco": "corner and size", "yolo": "centre and size"}
#: corner x0 y0 x1 y1 of boxes -> the four numbers of a form, and back
FORMS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "corners": (lambda c: c, lambda n: n),
    "corner and size": (
        lambda c: np.concatenate([c[:, :2], c[:, 2:] - c[:, :2]], 1),
        lambda n: np.concatenate([n[:, :2], n[:, :2] + n[:, 2:]], 1),
    ),
    "centre and size": (
        lambda c: np.concatenate([(c[:, :2] + c[:, 2:]) / 2, c[:, 2:] - c[:, :2]], 1),
        lambda n: np.concatenate([n[:, :2] - n[:, 2:] / 2, n[:, :2] + n[:, 2:] / 2], 1),
    ),
}


def misread(field: Field, form: str | None = None, unit: str = "", turn: Array | None = None) -> Planted | None:
    """The set with every box written in another form, unit or order of the four numbers, and read in the format's
    own way.
    """
    own = OWN[field.format]
    if form == own:
        return None
    dataset = some_images(field)
    inner = Field(dataset, field.rng, frozenset())
    # a YOLO row with a polygon has no box of its own
    drawn_as_box = dataset.boxes["segmentation"].isna().to_numpy() | (field.format != "yolo")
    rows = np.flatnonzero(np.isfinite(inner.sizes).all(1) & drawn_as_box)
    if len(rows) < 20:
        return None
    if not field.faulty:
        return Planted(untidy(inner, rows), [], None, 1)
    frame = inner.sizes[rows][:, [0, 1, 0, 1]]
    usual = frame if field.format == "yolo" else np.ones_like(frame)
    divisor = {"": usual, "pixels": np.ones_like(frame), "fractions": frame, "percent": frame / 100}[unit]
    corners = np.concatenate([inner.xywh[rows, :2], inner.xywh[rows, :2] + inner.xywh[rows, 2:]], 1)
    stated = FORMS[form or own][0](corners / divisor)
    if turn is not None:
        stated = stated[:, turn]
    read = FORMS[own][1](stated) * usual
    drawn = dict(zip(("x", "y", "width", "height"), [*read[:, :2].T, *(read[:, 2:] - read[:, :2]).T], strict=True))
    return Planted(change(dataset, rows, **drawn), [WHOLE])


def untidy(field: Field, rows: Array) -> Dataset:
    """The set in its own convention, with up to 12 % of its boxes drawn over an edge, and at times all of them drawn
    towards the middle of their images, as of a camera that looks at one place.
    """
    xywh = field.xywh[rows].copy()
    if field.rng.random() < 0.3:
        factor = field.rng.uniform(0.4, 0.9)
        xywh = xywh * factor + np.concatenate([field.sizes[rows] * (1 - factor) / 2, np.zeros((len(rows), 2))], 1)
    some = field.rng.permutation(len(rows))[: int(field.rng.uniform(0, 0.12) * len(rows))]
    way = field.rng.choice([-1, 1], (len(some), 2)) * field.rng.uniform(0.1, 1, (len(some), 2))
    xywh[some, :2] += way * xywh[some, 2:]
    return change(field.dataset, rows, **dict(zip(("x", "y", "width", "height"), xywh.T, strict=True)))


def in_form(form: str) -> Callable[[Field], Planted | None]:
    return lambda field: misread(field, form)


def in_unit(unit: str, *formats: str) -> Callable[[Field], Planted | None]:
    return lambda field: misread(field, unit=unit) if field.format in formats else None


def axes_swapped(field: Field) -> Planted | None:
    """x and y exchanged; among fractions nothing but the picture tells."""
    return None if field.format == "yolo" else misread(field, turn=np.array([1, 0, 3, 2]))


def scaled(low: float, high: float) -> Callable[[Field], Planted | None]:
    """Boxes drawn on a copy of every image that is so many times as large."""

    def plant(field: Field) -> Planted | None:
        dataset = some_images(field)
        inner = Field(dataset, field.rng, frozenset())
        if inner.plain.sum() < 50:
            return None
        rows = np.arange(len(dataset.boxes))
        if not field.faulty:
            return Planted(untidy(inner, rows), [], None, 1)
        factor = field.rng.uniform(low, high)
        drawn = dict(zip(("x", "y", "width", "height"), inner.xywh.T * factor, strict=True))
        return Planted(change(dataset, rows, **drawn), [WHOLE])

    return plant


def planter(what: str, plant: Callable[[Field], Planted | None]) -> Planter:
    return Planter("box-convention", what, plant, trials=8, whole=True)


PLANTERS = [
    planter("written as corners; untidy sets", in_form("corners")),
    planter("written as corner and size", in_form("corner and size")),
    planter("written as centre and size", in_form("centre and size")),
    planter("pixels for fractions", in_unit("pixels", "yolo")),
    planter("percent for fractions", in_unit("percent", "yolo")),
    planter("fractions for pixels", in_unit("fractions", "voc", "coco")),
    planter("x and y exchanged (VOC, COCO)", axes_swapped),
    planter("drawn on images 1.3–3 × as large", scaled(1.3, 3)),
    planter("drawn on images 0.35–0.65 × as large", scaled(0.35, 0.65)),
]

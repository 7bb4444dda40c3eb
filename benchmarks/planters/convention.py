"""Whole sets whose boxes are written otherwise than their format says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.planters.base import WHOLE, Array, Field, Planted, Planter, change, some_images

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


def misread(field: Field, form: str | None, unit: float | None, turn: Array | None = None) -> Planted | None:
    """The set with every box written in another form, unit (None: as it is; a number: that many to an image's side)
    or order of the four numbers, and read in the format's own way.
    """
    own = OWN[field.format]
    if form == own:
        return None
    dataset = some_images(field)
    inner = Field(dataset, field.rng, frozenset())
    rows = np.flatnonzero(inner.plain & dataset.boxes["segmentation"].isna().to_numpy())
    if field.format != "yolo":
        rows = np.flatnonzero(inner.plain)
    if len(rows) < 20:
        return None
    if not field.faulty:
        return Planted(dataset, [], None, 1)
    frame = inner.sizes[rows][:, [0, 1, 0, 1]]
    given = frame if field.format == "yolo" else np.ones_like(frame)  # what the format divides by
    corners = np.concatenate([inner.xywh[rows, :2], inner.xywh[rows, :2] + inner.xywh[rows, 2:]], 1)
    stated = FORMS[form or own][0](corners / (given if unit is None else frame / unit))
    if turn is not None:
        stated = stated[:, turn]
    read = FORMS[own][1](stated) * given
    drawn = dict(zip(("x", "y", "width", "height"), [*read[:, :2].T, *(read[:, 2:] - read[:, :2]).T], strict=True))
    return Planted(change(dataset, rows, **drawn), [WHOLE])


def in_form(form: str) -> Callable[[Field], Planted | None]:
    return lambda field: misread(field, form, None)


def in_pixels(field: Field) -> Planted | None:
    """Pixels where fractions belong; read as such, they are multiples of the image."""
    if field.format != "yolo":
        return None
    planted = misread(field, None, 1.0)
    if planted is None or not planted.faults:
        return planted
    dataset = planted.faulty
    inner = Field(dataset, field.rng, frozenset())
    rows = np.flatnonzero(inner.plain & dataset.boxes["segmentation"].isna().to_numpy())
    xywh = inner.xywh[rows]
    frame = inner.sizes[rows]
    centre = (xywh[:, :2] + xywh[:, 2:] / 2) * frame
    sides = xywh[:, 2:] * frame
    corner = centre - sides / 2
    drawn = dict(zip(("x", "y", "width", "height"), [*corner.T, *sides.T], strict=True))
    return Planted(change(dataset, rows, **drawn), [WHOLE])


def in_fractions(field: Field) -> Planted | None:
    return None if field.format == "yolo" else misread(field, None, 1.0)


def in_percent(field: Field) -> Planted | None:
    return misread(field, None, 100.0) if field.format == "yolo" else None


def axes_swapped(field: Field) -> Planted | None:
    """x and y exchanged; among fractions nothing but the picture tells."""
    return None if field.format == "yolo" else misread(field, None, None, np.array([1, 0, 3, 2]))


def scaled(low: float, high: float) -> Callable[[Field], Planted | None]:
    """Boxes drawn on a copy of every image that is so many times as large."""

    def plant(field: Field) -> Planted | None:
        dataset = some_images(field)
        inner = Field(dataset, field.rng, frozenset())
        if inner.plain.sum() < 50:
            return None
        if not field.faulty:
            return Planted(dataset, [], None, 1)
        factor = field.rng.uniform(low, high)
        rows = np.arange(len(dataset.boxes))
        drawn = dict(zip(("x", "y", "width", "height"), inner.xywh.T * factor, strict=True))
        return Planted(change(dataset, rows, **drawn), [WHOLE])

    return plant


def planter(what: str, plant: Callable[[Field], Planted | None]) -> Planter:
    return Planter("box-convention", what, plant, trials=8, whole=True)


PLANTERS = [
    planter("written as corners", in_form("corners")),
    planter("written as corner and size", in_form("corner and size")),
    planter("written as centre and size", in_form("centre and size")),
    planter("pixels for fractions", in_pixels),
    planter("percent for fractions", in_percent),
    planter("fractions for pixels", in_fractions),
    planter("x and y exchanged (VOC, COCO)", axes_swapped),
    planter("drawn on images 1.3–3 × as large", scaled(1.3, 3)),
    planter("drawn on images 0.35–0.65 × as large", scaled(0.35, 0.65)),
]

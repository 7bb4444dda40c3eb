"""How a whole set writes its boxes: does another reading of the four numbers fit the images better?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

FORMS = {"xywh": "x y w h", "xyxy": "x1 y1 x2 y2", "cxcywh": "cx cy w h"}
UNITS = {"px": "pixels", "share": "fractions", "percent": "percent"}
#: a box fits where it stays inside its image but for this share of a side and these pixels
SLACK, SLACK_PX = 0.01, 1.5


class Reading(NamedTuple):
    """What four numbers may mean. swapped: "" | "axes" (y before x) | "sides" (height before width)."""

    form: str
    unit: str
    swapped: str = ""


OWN = {"voc": Reading("xyxy", "px"), "yolo": Reading("cxcywh", "share")}


@dataclass(frozen=True)
class Numbers:
    """Four numbers a box (n, 4) as the file states them, the size of its image (NaN: unknown), its image."""

    stated: Array
    width: Array
    height: Array
    image: Array
    own: Reading

    def take(self, rows: Array) -> Numbers:
        return Numbers(self.stated[rows], self.width[rows], self.height[rows], self.image[rows], self.own)


@dataclass(frozen=True)
class Verdict:
    """A reading that explains the boxes of a set, or of one split, better than the format's own does."""

    subject: str
    message: str
    own_fit: float
    evidence: str
    severity: str = "error"
    confidence: str = "high"


def frame_sizes(scan: Scan) -> Array:
    """(images, 2) sizes in pixels that boxes may fill: declared, or the file's own where that is larger."""
    sizes = scan.image_sizes
    if scan.lacks("headers") is not None:
        return sizes
    headers = scan.headers[(scan.headers["width"] > 0) & (scan.headers["height"] > 0)]
    rows = scan.image_index.get_indexer(pd.Index(headers["image_id"]))
    sizes = sizes.copy()
    sizes[rows] = np.fmax(sizes[rows], headers[["width", "height"]].to_numpy(float))
    return sizes


_told: WeakKeyDictionary[Scan, dict[tuple[float, ...], list[Verdict]]] = WeakKeyDictionary()


def explain(scan: Scan, min_boxes: int = 20, min_fit: float = 0.98, max_own_fit: float = 0.95) -> list[Verdict]:
    """Verdicts about the whole set, else about its splits; none where the format's own reading fits."""
    limits = (min_boxes, min_fit, max_own_fit)
    told = _told.setdefault(scan, {})
    if limits not in told:
        verdicts = list(_verdicts(scan, scan.image_sizes, *limits))
        # a size that is declared wrongly is another fault: judge by the real one before saying so
        told[limits] = list(_verdicts(scan, frame_sizes(scan), *limits)) if verdicts else []
    return told[limits]


def misread(scan: Scan) -> Array:
    """(boxes,) bool: which boxes box-convention calls an error; their places and sizes say nothing."""
    boxes = np.zeros(len(scan.boxes), np.bool_)
    for verdict in explain(scan):
        if verdict.severity == "error":
            named = scan.images["split"] == verdict.subject.removeprefix("split ")
            boxes |= named.to_numpy(bool, na_value=False)[scan.image_row] | (verdict.subject == "set")
    return boxes


def _verdicts(scan: Scan, sizes: Array, min_boxes: int, min_fit: float, max_own_fit: float) -> Iterator[Verdict]:
    numbers = _numbers(scan, sizes)
    whole = _judge(numbers, "set", min_boxes, min_fit, max_own_fit)
    if whole:
        yield whole
        return
    splits = scan.images["split"].astype("category")
    if len(splits.cat.categories) + splits.isna().any() < 2:
        return
    code = splits.cat.codes.to_numpy()[numbers.image]
    for number, name in enumerate(splits.cat.categories):
        found = _judge(numbers.take(code == number), f"split {name}", min_boxes, min_fit, max_own_fit)
        if found and found.severity != "info":
            yield found


def _numbers(scan: Scan, sizes: Array) -> Numbers:
    """The numbers as the format writes them, of boxes that have a size to be judged by."""
    boxes, image = scan.boxes, scan.image_row
    own = OWN.get(scan.about.format, Reading("xywh", "px"))
    relative = scan.relative[image]
    frame = sizes[image]
    if own.unit == "share":
        # a box drawn from a polygon has no numbers of its own
        rows = np.flatnonzero(boxes["segmentation"].isna().to_numpy() & (relative | (frame > 0).all(1)))
    else:
        rows = np.flatnonzero(~relative & (frame > 0).all(1))
    stated = np.stack([boxes[name].to_numpy()[rows] for name in ("x", "y", "width", "height")], 1)
    frame, image, relative = frame[rows], image[rows], relative[rows]
    if own.form == "xyxy":
        stated[:, 2:] += stated[:, :2]
    elif own.form == "cxcywh":
        stated[:, :2] += stated[:, 2:] / 2
        unit = np.where(relative[:, None], 1, frame)
        stated[:, :2] /= unit
        stated[:, 2:] /= unit
        frame = np.where(relative[:, None], np.nan, frame)
    return Numbers(stated, frame[:, 0], frame[:, 1], image, own)


def _edges(numbers: Numbers, reading: Reading) -> tuple[Array, Array, Array, Array]:
    """Left, top, right and bottom as shares of the image, under a reading."""
    a, b, c, d = numbers.stated.T
    if reading.swapped == "axes":
        a, b, c, d = b, a, d, c
    elif reading.swapped == "sides":
        c, d = d, c
    if reading.form == "xywh":
        edges = (a, b, a + c, b + d)
    elif reading.form == "cxcywh":
        edges = (a - c / 2, b - d / 2, a + c / 2, b + d / 2)
    else:
        edges = (a, b, c, d)
    units: dict[str, tuple[Any, Any]] = {"px": (numbers.width, numbers.height), "percent": (100.0, 100.0)}
    width, height = units.get(reading.unit, (1.0, 1.0))
    return edges[0] / width, edges[1] / height, edges[2] / width, edges[3] / height


def _fits(numbers: Numbers, edges: tuple[Array, Array, Array, Array]) -> Array:
    """(n,) bool: which boxes have an area and lie inside their image."""
    left, top, right, bottom = edges
    fits: Array = (right > left) & (bottom > top)
    for low, high, side in ((left, right, numbers.width), (top, bottom, numbers.height)):
        slack = SLACK + np.nan_to_num(SLACK_PX / side)
        fits &= (low >= -slack) & (high <= 1 + slack)
    return fits


def _judge(numbers: Numbers, subject: str, min_boxes: int, min_fit: float, max_own_fit: float) -> Verdict | None:
    many = len(numbers.stated)
    own = numbers.own
    if many < min_boxes:
        return None
    if own.unit == "px":
        largest = np.maximum.reduce([numbers.stated[:, column] for column in range(4)])
        if (largest <= 1 + SLACK).mean() >= min_fit:
            return _fractions(numbers, subject)
    edges = _edges(numbers, own)
    fits = _fits(numbers, edges)
    fit = float(fits.mean())
    if fit > max_own_fit:
        return _smaller_frame(numbers, edges, subject, fit)
    large = own.unit == "share" and float((numbers.stated.max(1) > 1.5).mean()) >= 0.9
    if large and np.isnan(numbers.width).all():
        message = f"the numbers are pixels or percent, not fractions: up to {numbers.stated.max():,.0f}"
        return Verdict(subject, message, fit, f"boxes that fit as it stands: {fit:.1%}")
    tried = {r: float(_fits(numbers, _edges(numbers, r)).mean()) for r in _others(numbers, large)}
    best = max(tried, key=lambda reading: round(tried[reading], 3))
    clear = many * (1 - fit) >= 10 or fit <= 0.75
    if clear and tried[best] >= min_fit and 1 - tried[best] <= (1 - fit) / 5:
        message = f"{_difference(own, best)}: {tried[best]:.0%} of {many:,} boxes fit so, {fit:.0%} as it stands"
        severity, confidence = ("error", "high") if fit <= 0.9 else ("warning", "medium")
        return Verdict(subject, message, fit, _tell(own, fit, tried), severity, confidence)
    return _larger_frame(numbers, edges, subject, fit)


def _others(numbers: Numbers, large: bool) -> list[Reading]:
    """Readings to try beside the format's own, the likelier first. large: the numbers are no fractions."""
    own = numbers.own
    forms = sorted(FORMS, key=lambda form: form != own.form)
    if large:
        percent = float((numbers.stated.max(1) <= 100 * (1 + SLACK)).mean()) >= 0.98
        return [Reading(form, "percent" if percent else "px") for form in forms]
    others = [Reading(form, own.unit) for form in forms[1:]]
    return [*others, own._replace(swapped="axes"), own._replace(swapped="sides")]


def _difference(own: Reading, other: Reading) -> str:
    if other.swapped == "axes":
        return "x and y are swapped, or the width and height of the images"
    if other.swapped == "sides":
        return "width and height are swapped"
    if other.form == own.form:
        return f"the numbers are {UNITS[other.unit]}, not {UNITS[own.unit]}"
    unit = f" in {UNITS[other.unit]}" if other.unit != own.unit else ""
    return f"the numbers are {FORMS[other.form]}{unit}, not {FORMS[own.form]}"


def _tell(own: Reading, fit: float, tried: dict[Reading, float]) -> str:
    shares = {own: fit, **tried}
    parts = [f"{r.form} {UNITS[r.unit]}{' ' + r.swapped if r.swapped else ''} {shares[r]:.1%}" for r in shares]
    return "boxes that fit: " + ", ".join(parts)


def _fractions(numbers: Numbers, subject: str) -> Verdict:
    """Pixels were expected, and every number is at most 1."""
    tried = {}
    for form in sorted(FORMS, key=lambda form: form != numbers.own.form):
        reading = Reading(form, "share")
        tried[reading] = float(_fits(numbers, _edges(numbers, reading)).mean())
    best = max(tried, key=lambda reading: round(tried[reading], 3))
    message = f"{_difference(numbers.own, best)}: every box lies in the first pixel of its image"
    return Verdict(subject, message, 0.0, _tell(numbers.own, 0.0, tried))


def _reach(edges: tuple[Array, Array, Array, Array], quantile: float) -> tuple[float, float]:
    """How far boxes reach to the right and down, as shares of their images."""
    ranks = [np.partition(edge, place := int(quantile * (len(edge) - 1)))[place] for edge in edges[2:]]
    return float(ranks[0]), float(ranks[1])


def _frame_of(numbers: Numbers, across: float, down: float) -> str:
    """The size of that frame in words, where all images have one size."""
    width, height = numbers.width[0], numbers.height[0]
    if np.isnan(width) or (numbers.width != width).any() or (numbers.height != height).any():
        return ""
    return f", about {across * width:,.0f} × {down * height:,.0f} px"


def _larger_frame(
    numbers: Numbers, edges: tuple[Array, Array, Array, Array], subject: str, fit: float
) -> Verdict | None:
    """Many boxes leave their image to the right and below, none to the left or above."""
    left, top, right, bottom = edges
    sound = (left >= -SLACK) & (top >= -SLACK) & (right > left) & (bottom > top)
    across, down = _reach(edges, 0.99)
    if sound.mean() < 0.98 or fit > 0.7 or min(across, down) < 1.1:
        return None
    message = (
        f"boxes reach {across:.2f} × the width and {down:.2f} × the height of their images: drawn at "
        f"another resolution{_frame_of(numbers, across, down)}; as it stands {fit:.0%} fit"
    )
    return Verdict(subject, message, fit, "boxes leave their images to the right and below, and nowhere else")


def _smaller_frame(
    numbers: Numbers, edges: tuple[Array, Array, Array, Array], subject: str, fit: float
) -> Verdict | None:
    """All boxes lie in the upper left part of their images and begin at the very edge."""
    left, top, right, bottom = edges
    across, down = _reach(edges, 0.995)
    if not 0 < min(across, down) <= max(across, down) <= 0.75 or abs(np.log(across / down)) > 0.25:
        return None
    near, high = _reach((right, bottom, -left, -top), 0.98)
    if min(near, high) < -0.04 or len(left) < 50 or np.unique(numbers.image).size < 10:
        return None
    stop = [
        np.unique(numbers.image[np.abs(edge - reach) < 0.002]).size >= 3
        for edge, reach in ((right, across), (bottom, down))
    ]
    message = (
        f"no box reaches beyond {across:.2f} × the width and {down:.2f} × the height of its image: drawn at "
        f"another resolution{_frame_of(numbers, across, down)}?"
    )
    sure = all(stop)
    told = "boxes end where that frame ends" if sure else "only the place of the boxes speaks for it"
    return Verdict(subject, message, fit, told, "warning" if sure else "info", "medium" if sure else "low")


@rule(Severity.ERROR, message="the boxes are not written as the format says")
def box_convention(
    scan: Scan, *, min_boxes: int = 20, min_fit: float = 0.98, max_own_fit: float = 0.95
) -> Table | None:
    """A set whose boxes mean something else than the format says.

    Corners read as sizes, a centre read as a corner, pixels where fractions belong, x and y exchanged, boxes
    drawn on a larger copy of the image: every box is wrong then, the loss still falls, and nothing is found.
    A box *fits* where it has an area and lies inside its image (but for 1 % of a side and 1.5 pixels). The
    format's own reading has to fail: at most `max_own_fit` of the boxes fit, and ten do not (or a quarter).
    And another reading has to fit at least `min_fit` of them, with a fifth of the misfits or fewer. At least
    `min_boxes` boxes are asked for; in fewer, a fit is chance. It is an error up to nine boxes in ten that fit
    as it stands, a warning above. Judged over the whole set, and where that tells nothing, split by split.

    Boxes of a larger frame need no other reading to be proven wrong: three in ten or more leave their image to
    the right and below, none to the left. A smaller frame (nothing right of or below three quarters of the
    image, in fifty boxes) is a warning where boxes end exactly at its edge and a hint otherwise: a fixed
    camera can look so. Fractions with x and y exchanged fit as well as before: only a look at the pictures
    tells.

    **Do:** correct the export, or convert the numbers as the message says, then audit again. While an error
    stands, `box-outside-image` and `degenerate-box` tell its boxes in one line, and the other rules about the
    place and size of boxes leave them out.

    The defaults are our own choice: no real set that was tried (photographs, blood cells, aerial views, COCO)
    fits under 98 % as its format reads it; with the numbers of another form they fit 0 to 93 %.

    >>> import dsq
    >>> places = [(x, y) for x in range(0, 500, 100) for y in range(0, 400, 80)]
    >>> corners = [("a.jpg", "cat", x, y, x + 90, y + 60) for x, y in places]
    >>> print(dsq.audit(dsq.build_dataset(corners), select=["box-convention"]).messages()[0])
    the numbers are x1 y1 x2 y2, not x y w h: 100% of 25 boxes fit so, 36% as it stands
    """
    verdicts = explain(scan, min_boxes, min_fit, max_own_fit)
    if not verdicts:
        return None
    return pd.DataFrame(
        {
            "subject": [verdict.subject for verdict in verdicts],
            "message": [
                verdict.message if verdict.subject == "set" else f"{verdict.subject}: {verdict.message}"
                for verdict in verdicts
            ],
            "value": [round(verdict.own_fit, 4) for verdict in verdicts],
            "threshold": max_own_fit,
            "severity": [verdict.severity for verdict in verdicts],
            "confidence": [verdict.confidence for verdict in verdicts],
            "evidence": [verdict.evidence for verdict in verdicts],
        }
    )

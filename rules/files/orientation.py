"""Pictures that EXIF turns, and the frame that their boxes were drawn in."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .headers import box_extents, lie_inside, readable_headers

_TURNS = {
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored, upside down",
    5: "mirrored, turned left",
    6: "turned right",
    7: "mirrored, turned right",
    8: "turned left",
}
#: images whose pixels are looked at; the others follow what these say together
_MOST_LOOKED_AT = 400
#: images that say something together, and how many standard errors from no difference
_LEAST_TOGETHER, _SURE_TOGETHER = 5, 3.0


@rule(
    Severity.WARNING,
    message="EXIF says {turn}: {proof}; a loader that ignores EXIF misplaces the boxes",
    needs=("headers",),
)
def exif_rotated(scan: Scan, *, tolerance: float = 1.0, evidence: float = 0.7) -> Table | None:
    """An image that viewers turn or mirror because its EXIF data say so.

    Some labelling tools and loaders turn such a picture (browsers, OpenCV's default), others do not
    (Pillow's default): boxes drawn in one frame are wrong in the other. Which frame the boxes belong to is
    judged from their bounds, give or take `tolerance` pixels (1, as VOC's last pixel counts as inside),
    then from the declared size, image by image.

    Where both fit (square and mirrored pictures, YOLO fractions) the pixels are asked: boxes hold things, so
    in the right frame their inside differs more from what is around them. The difference, over the root of the
    number of boxes, must reach `evidence` (.7; on seven real sets turned at random half of all images did, and 99
    of 100 of those verdicts were right); or at least five images together must lie three standard errors on
    one side, which decides for all of them. What the pixels say is of medium confidence.

    Boxes that fit the turned frame are a warning, since boxes here are taken to lie on the stored pixels. All
    other such images are one note about the set.

    **Do:** rewrite the pictures upright without the tag (`auto-orient`), and look at a few boxes after it.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     [("a.jpg", "cat", 400, 500, 50, 100)],
    ...     size=None,
    ...     headers={"a.jpg": {"width": 640, "height": 480, "orientation": 6}},
    ... )
    >>> dsq.audit(data, select=["exif-rotated"]).messages()
    ['EXIF says turned right: the boxes fit the turned picture only; a loader that ignores EXIF misplaces the boxes']
    """
    headers, rows = readable_headers(scan)
    turned = (headers["orientation"] >= 2).to_numpy()
    if not turned.any():
        return None
    headers, rows = headers[turned], rows[turned]
    orientation = headers["orientation"].to_numpy()
    stored = headers[["width", "height"]].to_numpy(float)
    swapped = np.where((orientation >= 5)[:, None], stored[:, ::-1], stored)
    tells = (stored != swapped).any(1) & (scan.about.format != "yolo")
    extents = box_extents(scan, rows)
    in_stored, in_swapped = lie_inside(extents, stored, tolerance), lie_inside(extents, swapped, tolerance)
    declared_so = tells & (scan.image_sizes[rows] == swapped).all(1)
    by_bounds = tells & in_swapped & ~in_stored
    by_size = declared_so & ~(in_stored & ~in_swapped)
    stored_only = tells & in_stored & ~in_swapped
    open_ones = np.flatnonzero(~(by_bounds | by_size | stored_only) & np.isfinite(extents[:, 0]))
    seen = np.zeros(len(rows), np.int64)
    seen[open_ones] = _ask_pixels(
        scan, rows[open_ones], stored[open_ones], swapped[open_ones], orientation[open_ones], evidence
    )
    by_pixels = seen < 0
    wrong = by_bounds | by_size | by_pixels
    ids = headers["image_id"].to_numpy()
    parts = []
    if wrong.any():
        how = np.select([by_bounds, by_size], [0, 1], 2)[wrong]
        proofs = np.array(
            [
                "the boxes fit the turned picture only",
                "the declared size is the turned one",
                "by its pixels the boxes fit the turned picture",
            ],
            object,
        )
        names = np.array(["boxes fit the turned frame", "declared size", "pixels"], object)
        parts.append(
            pd.DataFrame(
                {
                    "image_id": ids[wrong],
                    "turn": [_TURNS[int(value)] for value in orientation[wrong]],
                    "proof": proofs[how],
                    "evidence": names[how],
                    "confidence": np.where(how == 2, "medium", "high").astype(object),
                }
            )
        )
    if not wrong.all():
        parts.append(_note(ids[~wrong], orientation[~wrong], stored_only[~wrong], seen[~wrong] > 0))
    return pd.concat(parts, ignore_index=True)


def _ask_pixels(scan: Scan, rows: Array, stored: Array, swapped: Array, orientation: Array, evidence: float) -> Array:
    """(n,) in which frame the boxes of images lie by their pixels: 1 stored, -1 turned, 0 not known.

    rows: positions in `images`; stored, swapped: (n, 2) width and height of the frames.
    """
    verdict = np.zeros(len(rows), np.int64)
    files = np.array(scan.image_files, object)[rows].astype(str)
    chosen = np.sort(np.argsort(files, kind="stable")[:: -(-len(rows) // _MOST_LOOKED_AT) or 1])
    if not len(chosen):
        return verdict
    frames = stored if scan.about.format == "yolo" else swapped
    order = np.argsort(scan.image_row, kind="stable")
    starts = np.searchsorted(scan.image_row[order], [rows[chosen], rows[chosen] + 1])
    boxes = []
    for at, start, stop in zip(chosen.tolist(), *starts.tolist(), strict=True):
        corners = scan.geometry.corners[order[start:stop]]
        corners = corners[np.isfinite(corners).all(1)]
        corners = corners[np.lexsort(corners.T)]
        fractions = [np.clip(corners / np.tile(size, 2), 0, 1) for size in (stored[at], frames[at])]
        boxes.append((fractions[0], fractions[1], int(orientation[at])))
    weights = scan.measure_frames(rows[chosen], boxes)
    known = np.isfinite(weights)
    verdict[chosen[known]] = np.sign(weights[known]) * (np.abs(weights[known]) > evidence)
    if known.sum() >= _LEAST_TOGETHER:
        error = float(weights[known].std(ddof=1)) / np.sqrt(known.sum())
        together = float(weights[known].mean())
        if abs(together) > _SURE_TOGETHER * error:
            verdict[verdict == 0] = np.sign(together)
    return verdict


def _note(ids: Array, orientation: Array, stored_only: Array, seen: Array) -> Table:
    """One finding about all images whose EXIF turn proves nothing wrong."""
    count, sure, likely = len(ids), int(stored_only.sum()), int(seen.sum())
    turns = sorted(Counter(orientation.tolist()).items(), key=lambda item: (-item[1], item[0]))
    kinds = ", ".join(_TURNS[value] + (f": {number:,}" if len(turns) > 1 else "") for value, number in turns)
    noun = "image has" if count == 1 else "images have"
    frame = "look whether the boxes were drawn on the turned picture"
    if sure or likely:
        fit = f"{sure:,} fit the stored pixels only" if sure else ""
        by_pixels = f"{likely:,} fit the stored picture by its pixels" if likely else ""
        both = " and of ".join(part for part in (fit, by_pixels) if part)
        frame = f"the boxes of {both}, so a loader must not turn the picture"
    return pd.DataFrame(
        {
            "subject": ["set"],
            "images": [ids.tolist()],
            "value": [count],
            "severity": ["info"],
            "message": [f"{count:,} {noun} an EXIF turn ({kinds}): {frame}"],
        }
    )

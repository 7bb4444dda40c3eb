"""Too dark, too bright, nothing to see."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .crowd import Array, is_common, is_plain, levels, note, tell

#: thresholds of dark-image and bright-image
_LEVEL, _MEDIAN, _SHADOWS = 82.0, 245.0, 200.0


def _dark(scan: Scan, level: float) -> Array:
    p50, p95, p99 = levels(scan, "luma_p50", "luma_p95", "luma_p99")
    with np.errstate(invalid="ignore"):
        found: Array = ((p99 < level) | ((p50 < level / 8) & (p95 < 1.25 * level))) & ~is_plain(scan)
    return found


def _bright(scan: Scan, median: float, shadows: float, most_share: float) -> Array:
    p5, p50, rim = levels(scan, "luma_p5", "luma_p50", "rim")
    with np.errstate(invalid="ignore"):
        white, pale = p50 >= median, p5 >= shadows
        burnt = white & (rim < median - 10)
    if is_common(white, most_share) and not is_common(burnt, most_share):
        burnt &= pale
    found: Array = (burnt | pale) & ~is_plain(scan)
    return found


@rule(
    Severity.INFO,
    message="dark: 95 % of it is below level {value:.0f} of 255 (usual here {usual:.0f})",
    confidence="medium",
    needs=("pixels",),
)
def dark_image(scan: Scan, *, level: float = _LEVEL, of_usual: float = 0.5, most_share: float = 0.15) -> Table | None:
    """A picture so dark that little can be seen.

    A lens cap, a night without lamps, a camera that had not adapted yet. What is not visible to a person was
    hardly labelled well, and a model learns noise from it.

    A picture is dark where 99 % of its pixels lie below the luma `level` (82 of 255, the .32 of CleanVision), or
    half of it is black (below an eighth of that) and the rest nearly so; and where its light parts (95th
    percentile) are less than `of_usual` (half) as bright as in the set's median picture. Where more than
    `most_share` (15 %) of a set are dark, that is how a part of it was taken, by night or over deep water: one note
    about the set, and of the single pictures only those that are less than `of_usual` as bright as the dark ones
    usually are.

    **Do:** look whether what is labelled can be seen. Keep it if production looks so, else leave it out.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([(f"{name}.jpg", "cat", 20, 10, 80, 60) for name in "abc"])
    >>> scan = Scan(data, pixels={"b.jpg": {"luma_p95": 14, "luma_p99": 30}})
    >>> dsq.audit(scan, select=["dark-image"]).messages()
    ['dark: 95 % of it is below level 14 of 255 (usual here 215)']
    """
    hits = _dark(scan, level)
    if not hits.any():
        return None
    (p95,) = levels(scan, "luma_p95")
    common = is_common(hits, most_share)
    usual = float(np.median(p95[hits if common else np.isfinite(p95)]))
    single = hits & (p95 < of_usual * usual)
    found = pd.DataFrame(
        {
            "image_id": scan.pixels["image_id"].to_numpy()[single],
            "value": p95[single],
            "threshold": min(level, of_usual * usual),
            "usual": usual,
        }
    )
    return pd.concat([note(int(hits.sum()), len(hits), "are dark"), found], ignore_index=True) if common else found


@rule(
    Severity.INFO,
    message="washed out: half of it is brighter than level {p50:.0f} of 255, all but 5 % brighter than {p5:.0f}",
    confidence="medium",
    needs=("pixels",),
)
def bright_image(
    scan: Scan, *, median: float = _MEDIAN, shadows: float = _SHADOWS, most_share: float = 0.15
) -> Table | None:
    """A picture that was exposed too long.

    Whatever is burnt out to white has no edges left: the model sees half an object.

    A picture is bright where half of it is at least of the luma `median` (245 of 255), or where all but 5 % of it
    is brighter than `shadows` (200). Product shots on a white ground are meant to be so; they are known by a white
    rim all around, or by being common in the set. CleanVision asks for 95 % above level 242, which overexposed
    photographs with some shadow do not reach; these two levels were set on pictures made 3 and 5 times as bright.
    Where more than `most_share` (15 %) of a set are bright, one note says so.

    **Do:** look whether what is labelled can be seen, else leave it out.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([(f"{name}.jpg", "cat", 20, 10, 80, 60) for name in "abc"])
    >>> scan = Scan(data, pixels={"b.jpg": {"luma_p50": 252, "luma_p5": 120}})
    >>> dsq.audit(scan, select=["bright-image"]).messages()
    ['washed out: half of it is brighter than level 252 of 255, all but 5 % brighter than 120']
    """
    p5, p50 = levels(scan, "luma_p5", "luma_p50")
    hits = _bright(scan, median, shadows, most_share)
    return tell(scan, hits, most_share, "are bright", p5=p5, p50=p50, value=p50, threshold=np.full(len(hits), median))


@rule(
    Severity.INFO,
    message="{told}",
    confidence="medium",
    needs=("pixels",),
)
def low_information_image(
    scan: Scan, *, contrast: float = 12.0, steps: float = 2.0, most_share: float = 0.15
) -> Table | None:
    """A picture in which there is next to nothing to see.

    One colour all over is a camera that failed or a file that was made by mistake: a warning. Hardly more than
    that, open water or fog, is a hint: 98 % of the luma within `contrast` levels (12 of 255), and neighbouring
    pixels of the reduced picture that differ by less than `steps` levels (2). CleanVision goes by the entropy of
    the grey levels, under which product shots on white fall too. What `dark-image` or `bright-image` say of a
    picture is not said again; where more than `most_share` (15 %) of a set are so, one note says it.

    **Do:** delete pictures of one colour. Look whether the others show what their labels say.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([(f"{name}.jpg", "cat", 20, 10, 80, 60) for name in "abc"])
    >>> grey = {"luma_min": 127, "luma_max": 128, "colour_sd": 0.2}
    >>> dsq.audit(Scan(data, pixels={"b.jpg": grey}), select=["low-information-image"]).messages()
    ['all of one colour: nothing can be learnt from it']
    """
    p1, p99, rough, colour = levels(scan, "luma_p1", "luma_p99", "steps", "colour_sd")
    plain = is_plain(scan)
    with np.errstate(invalid="ignore"):
        dull = (p99 - p1 <= contrast) & (rough < steps) & (colour < contrast / 2) & ~plain
    for others in (_dark(scan, _LEVEL), _bright(scan, _MEDIAN, _SHADOWS, most_share)):
        if not is_common(others, most_share):
            dull &= ~others
    parts = []
    if plain.any():
        ids = scan.pixels["image_id"].to_numpy()[plain]
        told = "all of one colour: nothing can be learnt from it"
        parts.append(pd.DataFrame({"image_id": ids, "told": told, "severity": "warning", "confidence": "high"}))
    words = np.array([f"nearly uniform: 98 % of it within {spread:.0f} of 255 levels" for spread in p99 - p1], object)
    found = tell(scan, dull, most_share, "are nearly uniform", told=words, value=p99 - p1)
    return pd.concat([*parts, found], ignore_index=True) if found is not None else (parts[0] if parts else None)

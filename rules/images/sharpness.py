"""Pictures out of focus or moved."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .crowd import FEW, is_common, is_plain, levels, note

#: sharpness of the reduced picture below which a closer look is worth its time
_SUSPECT = 0.65
#: the same where no closer look is possible
_CERTAIN = 0.53
#: pictures that show how sharp the set is elsewhere
_SAMPLE = 48
_SMOOTH = 0.25
#: luma levels: below these there is nothing to be sharp
_LEAST_CONTRAST, _LEAST_STEPS = 12, 2


@rule(
    Severity.INFO,
    message="blurred: its sharpest parts reach {value:.2f}{usual}; .25 is a smooth ramp",
    confidence="medium",
    needs=("pixels",),
)
def blurry_image(scan: Scan, *, focus: float = 0.3, of_usual: float = 0.5, most_share: float = 0.15) -> Table | None:
    """A picture out of focus, or moved while it was taken.

    Without edges a box cannot be drawn exactly, and a small object is not there at all.

    First the reduced picture of every image is judged, then the doubtful ones (at most `most_share`, 15 %, of the
    set) at the size a detector sees: where it changes most, how large is the step over 1/320 of the short side
    against one four times as wide? A quarter is a smooth ramp, a sharp edge comes near to one. A picture is blurred
    below `focus` (.3), and if the set is soft altogether (microscopes, thermal cameras), only where it has less
    than `of_usual` (half) of the usual excess over a quarter. A blur whose radius is 1 % of the short side is found,
    one of .5 % more often than not; a sharp subject before a soft background is sharp. The two numbers were set on
    seven real sets with planted blur, whose own pictures stay above the first.

    **Do:** look whether the boxes can be placed; leave the picture out if production is sharper.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([(f"{name}.jpg", "cat", 20, 10, 80, 60) for name in "abc"])
    >>> scan = Scan(data, pixels={"b.jpg": {"sharpness": 0.51}})
    >>> dsq.audit(scan, select=["blurry-image"]).messages()
    ['blurred: its sharpest parts reach 0.51; .25 is a smooth ramp']
    """
    sharpness, p1, p99, rough = levels(scan, "sharpness", "luma_p1", "luma_p99", "steps")
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(sharpness) & ~is_plain(scan) & ((p99 - p1 > _LEAST_CONTRAST) | (rough > _LEAST_STEPS))
        suspects = np.flatnonzero(seen & (sharpness < _SUSPECT))
    if not len(suspects):
        return None
    most = int(max(most_share * len(seen), FEW)) + 1
    contents = text_or_none(scan.pixels["content"])
    order = np.lexsort((contents[suspects].astype(str), sharpness[suspects]))
    suspects = suspects[order[:most]]
    others = np.flatnonzero(seen)
    others = others[np.argsort(contents[others].astype(str), kind="stable")[:_SAMPLE]]
    rows = scan.pixels["row"].to_numpy()
    found = scan.measure_focus(rows[np.concatenate([suspects, others])])
    own, typical = found[: len(suspects)], found[len(suspects) :]
    usual = float(np.median(typical[np.isfinite(typical)])) if np.isfinite(typical).any() else 1.0
    limit = min(focus, _SMOOTH + of_usual * (usual - _SMOOTH))
    unknown = np.isnan(own)
    blurred = np.where(unknown, sharpness[suspects] < _CERTAIN, own < limit)
    hits = np.zeros(len(seen), bool)
    hits[suspects[blurred]] = True
    if is_common(hits, most_share):
        return note(int(hits.sum()), len(hits), "and more are blurred")
    if not blurred.any():
        return None
    said = f" (usual here {usual:.2f})" if np.isfinite(typical).any() else ""
    return pd.DataFrame(
        {
            "image_id": scan.pixels["image_id"].to_numpy()[suspects[blurred]],
            "value": np.where(unknown, sharpness[suspects], own)[blurred],
            "threshold": np.where(unknown, _CERTAIN, limit)[blurred],
            "usual": said,
        }
    )

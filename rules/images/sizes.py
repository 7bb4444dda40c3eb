"""Pictures whose shape or size is not that of the others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .crowd import Array, is_common, note


def _sizes(scan: Scan) -> tuple[Array, Array]:
    """image_id (n,) and width, height (n, 2) of the image files whose size is known."""
    headers = scan.headers
    sizes = headers[["width", "height"]].to_numpy(float)
    known = (sizes > 0).all(1)
    return headers["image_id"].to_numpy()[known], sizes[known]


@rule(
    Severity.INFO,
    message="{width}×{height}: {ratio:.1f} times as {long} as {short}",
    confidence="medium",
    needs=("headers",),
)
def odd_aspect_image(scan: Scan, *, ratio: float = 0.35, most_share: float = 0.15) -> Table | None:
    """A picture that is a narrow strip.

    Trainers pad pictures to a square or fit them into one: of a strip little is left but padding, and its objects
    shrink with it. Often it is a banner, a screenshot or a wrongly cut panorama.

    Told where the short side is less than `ratio` (.35, as in CleanVision) of the long one, unless more than
    `most_share` (15 %) of the set are such strips: then one note says so.

    **Do:** cut it into pieces, or leave it out.

    >>> import dsq
    >>> header = {"width": 2000, "height": 400, "format": "JPEG"}
    >>> data = dsq.build_dataset(images=["a.jpg"], headers={"a.jpg": header})
    >>> dsq.audit(data, select=["odd-aspect-image"]).messages()
    ['2000×400: 5.0 times as wide as high']
    """
    ids, sizes = _sizes(scan)
    share = sizes.min(1) / sizes.max(1)
    hits = share < ratio
    if not hits.any():
        return None
    if is_common(hits, most_share):
        return note(int(hits.sum()), len(hits), "are narrow strips")
    wide = sizes[hits, 0] > sizes[hits, 1]
    return pd.DataFrame(
        {
            "image_id": ids[hits],
            "value": share[hits],
            "threshold": ratio,
            "width": sizes[hits, 0].astype(int),
            "height": sizes[hits, 1].astype(int),
            "ratio": 1 / share[hits],
            "long": np.where(wide, "wide", "high"),
            "short": np.where(wide, "high", "wide"),
        }
    )


@rule(
    Severity.INFO,
    message="{width}×{height}: {times:.1f} times {way} than usual here, along each side",
    confidence="medium",
    needs=("headers",),
)
def odd_size_image(
    scan: Scan, *, factor: float = 3.0, spreads: float = 3.0, least: float = 64.0, most_share: float = 0.15
) -> Table | None:
    """A picture much smaller or larger than the others.

    All are brought to one size for training: a thumbnail among photographs is blown up to a blur, a panorama among
    thumbnails loses its objects.

    The size is the root of width times height. Told where it is more than `factor` (3) times smaller or larger than
    the median and farther from it than `spreads` (3) of the set's own spread (median absolute deviation of the
    logarithm), which leaves sets alone whose pictures are of all sizes, but for thumbnails with a side under `least`
    pixels (64). CleanVision takes 3 interquartile ranges
    of the plain size, where one different size among equal ones is enough. If more than `most_share` (15 %) are
    told, it is one note.

    **Do:** look for the original of a thumbnail; cut a giant into tiles.

    >>> import dsq
    >>> names = [f"{number}.jpg" for number in range(9)]
    >>> headers = {name: {"width": 640, "height": 480, "format": "JPEG"} for name in names}
    >>> headers["4.jpg"] = {"width": 120, "height": 90, "format": "JPEG"}
    >>> data = dsq.build_dataset(images=names, headers=headers)
    >>> dsq.audit(data, select=["odd-size-image"]).messages()
    ['120×90: 5.3 times smaller than usual here, along each side']
    """
    ids, sizes = _sizes(scan)
    if not len(ids):
        return None
    level = np.log(sizes.prod(1)) / 2
    off = level - np.median(level)
    spread = 1.4826 * float(np.median(np.abs(off)))
    hits = np.abs(off) > max(np.log(factor), spreads * spread)
    hits |= (off < -np.log(factor)) & (sizes.min(1) < least)
    if not hits.any():
        return None
    if is_common(hits, most_share):
        return note(int(hits.sum()), len(hits), "differ much in size from the others")
    return pd.DataFrame(
        {
            "image_id": ids[hits],
            "value": np.exp(np.abs(off[hits])),
            "threshold": factor,
            "width": sizes[hits, 0].astype(int),
            "height": sizes[hits, 1].astype(int),
            "times": np.exp(np.abs(off[hits])),
            "way": np.where(off[hits] < 0, "smaller", "larger"),
        }
    )

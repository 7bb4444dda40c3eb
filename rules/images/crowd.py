"""Which pictures stand out from their set, and which are how the set is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.scan import Scan, Table

Array = NDArray[Any]

#: so few pictures are single ones in a set of any size
FEW = 2


def is_common(hits: Array, most_share: float, total: int | None = None) -> bool:
    """Whether so many pictures are alike that it is no slip of single ones but how a part of the set was taken."""
    total = len(hits) if total is None else total
    return bool(hits.sum() > max(most_share * total, FEW))


def tell(scan: Scan, hits: Array, most_share: float, what: str, **columns: Any) -> Table | None:
    """Findings for the images where `hits`, a row each with these columns; where they are common one about the set.

    hits, columns: in the order of `scan.pixels`. what: how such pictures are, for "12 of 80 images (15 %) are …".
    """
    if not hits.any():
        return None
    ids = scan.pixels["image_id"].to_numpy()
    if is_common(hits, most_share):
        return note(int(hits.sum()), len(hits), what)
    return pd.DataFrame({"image_id": ids[hits], **{name: values[hits] for name, values in columns.items()}})


def note(count: int, total: int, what: str) -> Table:
    """One finding about the set."""
    text = f"{count:,} of {total:,} images ({count / total:.0%}) {what}: taken for how the set is"
    return pd.DataFrame(
        {
            "subject": ["set"],
            "value": [round(count / total, 4)],
            "severity": ["info"],
            "confidence": ["high"],
            "message": [text],
        }
    )


def levels(scan: Scan, *names: str) -> list[Array]:
    """Columns of `scan.pixels` as floats; NaN where a picture cannot be decoded."""
    return [scan.pixels[name].to_numpy(float) for name in names]


def is_plain(scan: Scan) -> Array:
    """(pixels,) pictures that are one colour throughout, the grain of a compressed picture aside."""
    low, high, colour = levels(scan, "luma_min", "luma_max", "colour_sd")
    with np.errstate(invalid="ignore"):
        found: Array = (high - low <= 4) & (colour < 1)
    return found

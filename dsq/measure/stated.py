"""What pixels tell, stated by hand instead of measured: for examples, tests and tables of your own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dsq.measure.basics import Basics
from dsq.measure.images import Measured
from dsq.measure.probes import PROBES
from dsq.model import Dataset, Table

#: an ordinary picture; a measure that is not named is 1
_USUAL = {
    "luma_mean": 120.0, "luma_sd": 55.0, "luma_min": 3.0, "luma_p1": 8.0, "luma_p5": 25.0, "luma_p50": 120.0,
    "luma_p95": 215.0, "luma_p99": 245.0, "luma_max": 252.0, "rim": 30.0, "colour": 20.0, "colour_sd": 12.0,
    "information": 7.4, "steps": 18.0, "sharpness": 0.7,
}  # fmt: skip
_ORDINARY: dict[str, Any] = {
    "content": None, "width": 640, "height": 480, "orientation": 0, "frames": 1, "size": 60_000,
    **{name: _USUAL.get(name, 1.0) for name in Basics._fields},
    "format": "JPEG", "mode": "RGB", "header_error": "", "error": "", "camera": None, "taken": None,
}  # fmt: skip
_PAIR: dict[str, Any] = {
    "agreement": 1.0, "orientation": 0, "m00": 1.0, "m01": 0.0, "m02": 0.0, "m10": 0.0, "m11": 1.0, "m12": 0.0
}  # fmt: skip


def state_pixels(dataset: Dataset, given: Mapping[str, Mapping[str, Any]]) -> Measured:
    """A row for every image of the dataset: an ordinary picture but for the columns given by file name.

    The size is the one in `images`. Contents that are not given differ. KeyError for an unknown file or column.
    """
    images = dataset.images
    files = images["file"].tolist()
    for file, columns in given.items():
        if unknown := [name for name in columns if name not in _ORDINARY]:
            raise KeyError(f"no column {unknown[0]!r} in the pixels")
        if file not in files:
            raise KeyError(f"no image is called {file!r}")
    rows = []
    sizes = zip(images["width"].tolist(), images["height"].tolist(), strict=True)
    for number, (file, (width, height)) in enumerate(zip(files, sizes, strict=True)):
        row = {**_ORDINARY, "content": f"{number:064x}"}
        if not pd.isna(width) and not pd.isna(height):
            row |= {"width": width, "height": height}
        rows.append(row | dict(given.get(file, {})))
    table = pd.DataFrame(rows, columns=list(_ORDINARY))
    table.insert(0, "image_id", images["image_id"].to_numpy())
    table.insert(1, "row", np.arange(len(images)))
    return Measured(table, np.zeros((len(images), PROBES), np.uint64))


def state_pairs(dataset: Dataset, given: Sequence[Sequence[Any]]) -> Table:
    """The table of duplicates from (file, file, kind) or (file, file, kind, {column: value}), sorted."""
    files = dataset.images["file"].tolist()
    position = {file: number for number, file in enumerate(files)}
    rows = []
    for one, other, kind, *more in given:
        first, second = sorted((one, other))
        rows.append({"first": position[first], "second": position[second], "kind": kind, **_PAIR, **dict(*more)})
    rows.sort(key=lambda row: (files[row["first"]], files[row["second"]]))
    table = pd.DataFrame(rows, columns=["first", "second", "kind", *_PAIR])
    return table.astype({"first": np.int64, "second": np.int64, "orientation": np.int64})

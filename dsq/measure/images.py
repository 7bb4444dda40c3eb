"""Every image file of a dataset measured once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.headers import Header, read_headers
from dsq.measure.derive import derive
from dsq.measure.rows import kind, measure_files, missing_row, unpack
from dsq.measure.store import Cache
from dsq.model import HEADERS, Dataset, Table, column, make_table
from dsq.source import open_source

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]


class Measured(NamedTuple):
    """table: a row an image whose file was found, in the order of `images` (see `Scan.pixels`).
    probes: (rows, PROBES) uint64 in the same order.
    """

    table: Table
    probes: Array


def measure_images(
    dataset: Dataset,
    *,
    workers: int | None = None,
    rehash: bool = False,
    cache: Cache = True,
    progress: Progress | None = None,
) -> Measured:
    """Measure the image files of a dataset; each is read once, and not at all where the cache knows it.

    workers: local processes (default: as many as the work is worth, at most one a processor); the result does not
    depend on it. rehash: read every file again to see whether it is what the cache takes it for. cache: True: the
    user's (see `dsq.measure.store.cache_folder`), False: none, else a folder. WorkerError where a process dies.
    """
    images = dataset.images
    found = np.flatnonzero((images["member"].notna() & images["root"].notna()).to_numpy())
    derived = derive(
        dataset,
        found.tolist(),
        measure_files,
        kind(),
        grouped=True,
        workers=workers,
        rehash=rehash,
        cache=cache,
        progress=progress,
    )
    rows = [missing_row(why) if why else row for row, why in zip(derived.data, derived.errors, strict=True)]
    contents = [None if content is None else content.hex() for content in derived.contents]
    return _tabulate(images, found, contents, rows)


def _tabulate(images: Table, found: Array, contents: list[str | None], rows: list[bytes]) -> Measured:
    columns, probes = unpack(rows)
    for name in ("camera", "taken"):
        columns[name] = [text or None for text in columns[name]]
    texts = ("format", "mode", "header_error", "error", "camera", "taken")
    columns |= {name: column("text", columns[name], len(found)) for name in texts}
    first = {
        "image_id": images["image_id"].to_numpy()[found],
        "row": found.astype(np.int64),
        "content": column("text", contents, len(found)),
    }
    return Measured(pd.DataFrame({**first, **columns}), probes)


def header_table(measured: Measured) -> Table:
    """The table of headers (see HEADERS) that was measured along with the pixels, sorted by image_id."""
    table = measured.table
    columns = {name: table["header_error" if name == "error" else name].to_numpy() for name in HEADERS}
    return make_table(HEADERS, len(table), **columns).sort_values("image_id", ignore_index=True)


def read_header_table(images: Table, progress: Callable[[str, int, int], None] | None = None) -> Table:
    """The headers of the images, a row each (see HEADERS), sorted by image_id; all have a root and a member."""
    roots, members = images["root"].astype(object).to_numpy(), images["member"].to_numpy()
    found: list[Header] = []
    order: list[Array] = []
    for root in dict.fromkeys(roots):
        rows = np.flatnonzero(roots == root)
        with open_source(root) as source:
            for start in range(0, len(rows), 500):
                found += read_headers(source, members[rows[start : start + 500]].tolist())
                if progress:
                    progress("reading image headers", len(found), len(images))
        order.append(rows)
    where = np.concatenate(order) if order else np.empty(0, np.int64)
    columns = {name: [getattr(header, name) for header in found] for name in Header._fields}
    table = make_table(HEADERS, len(found), image_id=images["image_id"].to_numpy()[where], **columns)
    return table.sort_values("image_id", ignore_index=True)

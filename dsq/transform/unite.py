"""Class lists of several datasets as one, and what is said of them as wholes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dsq.model import CATEGORIES, About, Dataset, Notice, Table, make_table
from dsq.transform.extras import object_array, without_keys


def unite_classes(
    datasets: Sequence[Dataset], rows: Mapping[str, int], listed: Sequence[tuple[int, int]], *, yolo: bool
) -> Table:
    """One row a class name. A source's numbers are kept where all sources agree on them; YOLO classes that no list
    declares are declared, for their number is another now.
    """
    declared = np.zeros(len(rows), bool)
    above: list[str | None] = [None] * len(rows)
    numbers: list[set[Any]] = [set() for _ in rows]
    for dataset in datasets:
        table = dataset.categories
        for name, said, parent, number in zip(
            table["name"], table["declared"], table["supercategory"], table["source_id"], strict=True
        ):
            row = rows[name]
            declared[row] |= said
            above[row] = above[row] or (parent if isinstance(parent, str) else None)
            numbers[row].add(None if number is pd.NA else number)
    flat = [next(iter(found)) if len(found) == 1 else None for found in numbers]
    agreed = None not in flat and len(set(flat)) == len(flat)
    extras = [datasets[place].categories["extras"].iloc[row] for place, row in listed]
    packed = object_array(extras)
    return make_table(
        CATEGORIES,
        len(rows),
        category_id=np.arange(len(rows)) + (not yolo),
        name=list(rows),
        supercategory=above,
        declared=declared | yolo,
        source_id=flat if agreed else None,
        extras=packed if agreed else without_keys(packed, ("id",)),
    )


def unite_abouts(datasets: Sequence[Dataset], prefixes: Sequence[str], *, yolo: bool) -> About:
    """What is said of the whole: what all sources agree on, and the notices of each under its name."""
    abouts = [dataset.about for dataset in datasets]
    formats = {about.format for about in abouts}
    notices = []
    for prefix, dataset in zip(prefixes, datasets, strict=True):
        about = dataset.about
        for notice in about.notices:
            notices.append(replace(notice, file=f"{prefix}/{notice.file}" if notice.file else prefix))
            if notice.kind == "class-names-unknown":
                text = f"the classes of {prefix} have no names: its numbers were taken for names"
                notices.append(Notice("merged-by-number", text, prefix))
        bare = dataset.categories.loc[~dataset.categories["declared"], "name"].tolist()
        if yolo and bare:
            text = f"{len(bare):,} classes of {prefix} that no list declares are listed now: {', '.join(bare[:10])}"
            notices.append(Notice("undeclared-listed", text, prefix))
    offsets = {about.voc_offset for about in abouts}
    return About(
        format=formats.pop() if len(formats) == 1 else "mixed",
        why=tuple(f"{prefix}: {about.format}" for prefix, about in zip(prefixes, abouts, strict=True)),
        notices=tuple(notices),
        documents=_documents(abouts, prefixes),
        voc_offset=offsets.pop() if len(offsets) == 1 else None,
        listed=all(about.listed for about in abouts),
        no_label_file="unlabelled" if any(a.no_label_file == "unlabelled" for a in abouts) else "background",
    )


def _documents(abouts: Sequence[About], prefixes: Sequence[str]) -> dict[str, bytes]:
    """What the sources say beyond their records, under their names. Of YOLO only a description of keypoints is
    kept: the other keys of a data.yaml tell of one source.
    """
    return {
        f"{prefix}/{file}": raw
        for prefix, about in zip(prefixes, abouts, strict=True)
        for file, raw in about.documents.items()
        if about.format != "yolo" or b"kpt_shape" in raw
    }

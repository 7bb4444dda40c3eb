"""A dataset with some of its images left out, and images that lost their boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset, Table

Array = NDArray[Any]

#: what an image becomes that loses all its boxes
EMPTIED = ("background", "unlabelled", "drop")


def keep_images(dataset: Dataset, chosen: Array) -> Dataset:
    """The images where `chosen` (images,) is true, with their boxes, headers, files and problems."""
    if chosen.all():
        return dataset
    images = dataset.images[chosen].reset_index(drop=True)
    ids = images["image_id"].to_numpy()
    boxes = dataset.boxes[np.isin(dataset.boxes["image_id"].to_numpy(), ids)].reset_index(drop=True)
    headers = dataset.headers
    if headers is not None:
        headers = headers[np.isin(headers["image_id"].to_numpy(), ids)].reset_index(drop=True)
    gone = dataset.images[~chosen]
    stated = set(images["file"]) | set(images["origin_file"].dropna())
    spoken = (set(gone["file"]) | set(gone["origin_file"].dropna())) - stated
    problems = dataset.problems[~dataset.problems["file"].isin(spoken)].reset_index(drop=True)
    files = dataset.files[~_listed(dataset.files, gone, images)].reset_index(drop=True)
    return dataset.replace(images=images, boxes=boxes, headers=headers, problems=problems, files=files)


def _listed(files: Table, gone: Table, images: Table) -> Array:
    """(files,) bool: a file of an image that is gone."""
    if not len(files):
        return np.zeros(0, bool)
    kept = set(_places(images, "member"))
    lost = set(_places(gone, "member")) - kept
    return np.fromiter((place in lost for place in _places(files, "file")), bool, len(files))


def _places(table: Table, name: str) -> list[tuple[Any, Any]]:
    return list(zip(table["root"].astype(object).tolist(), table[name].tolist(), strict=True))


def empty_images(dataset: Dataset, images: Array, emptied: str) -> tuple[Dataset, list[str]]:
    """`dataset` with those of `images` (ids that boxes were taken from) that have no box left made what `emptied`
    says (see EMPTIED), and their files.
    """
    table = dataset.images
    ids = table["image_id"].to_numpy()
    bare = np.isin(ids, images) & ~np.isin(ids, dataset.boxes["image_id"].to_numpy())
    files = table.loc[bare, "file"].tolist()
    if not files:
        return dataset, []
    if emptied == "drop":
        return keep_images(dataset, ~bare), files
    states = table["label_state"].astype(object).to_numpy(object).copy()
    states[bare] = emptied
    return dataset.replace(images=table.assign(label_state=pd.Categorical(states))), files


def close_ids(categories: Table) -> Table:
    """Classes with YOLO's numbers: those that are declared count from 0 in their order, the others keep their id,
    which is their name, where it is free, and are declared with the next one where it is not.
    """
    ids = categories["category_id"].to_numpy().copy()
    declared = categories["declared"].to_numpy().copy()
    known = np.flatnonzero(declared)
    ids[known] = np.arange(len(known))
    taken = set(ids[known].tolist())
    following = max(ids.tolist(), default=-1) + 1
    for row in np.flatnonzero(~declared).tolist():
        if int(ids[row]) in taken:
            ids[row], following = following, following + 1
            declared[row] = True
        taken.add(int(ids[row]))
    return categories.assign(category_id=ids, declared=declared, source_id=pd.array(ids, dtype="Int64"))

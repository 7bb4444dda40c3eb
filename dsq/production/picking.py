"""What to label next: production images that training covers least, none like another; and the nearest it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.domains.coverage import distances, place_images
from dsq.errors import ConfigError, ReadError
from dsq.measure.appearance import Appearance, measure_appearance
from dsq.measure.store import Cache
from dsq.model import Dataset, Table

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: two chosen images are at least this far apart, in units of the limit of coverage
APART = 0.2


class Picked(NamedTuple):
    """to_label: `row` (position in production's images), `file`, `why`, `distance` (to the nearest training image; over
    1: not covered), `nearest` (that image's file), in the order of choice. nearest_training: `row`, `file`, `distance`
    (to the nearest production image), nearest first. uncovered, compared: production images not covered, and all.
    """

    to_label: Table
    nearest_training: Table
    uncovered: int
    compared: int


def pick(
    train: Dataset,
    production: Dataset,
    count: int = 50,
    *,
    workers: int | None = None,
    cache: Cache = True,
    progress: Progress | None = None,
) -> Picked:
    """Choose up to `count` production images that are worth labelling, and as many training images like production.

    One after another the image is taken that is farthest from all training images and from those taken before; it
    ends where the next one would be nearly the same as one of them. Equal distances are settled by name. ReadError
    where a set has no image that can be decoded.
    """
    if count < 1:
        raise ConfigError(f"count is {count};", hint="it takes 1 or more.")
    rows, looks = _measure(train, "the training set", workers, cache, progress)
    other_rows, other_looks = _measure(production, "the production sample", workers, cache, progress)
    places, other_places, limit = place_images(looks.stats, looks.descriptor, other_looks.stats, other_looks.descriptor)
    between = distances(other_places, places) / limit
    apart = between.min(1)
    chosen = _choose(other_places / limit, apart, count)
    files = [data.images["file"].to_numpy()[part] for data, part in ((train, rows), (production, other_rows))]
    near = between.argmin(1)
    to_label = pd.DataFrame(
        {
            "row": other_rows[chosen],
            "file": files[1][chosen],
            "why": [_explain(distance) for distance in apart[chosen].tolist()],
            "distance": apart[chosen].round(4),
            "nearest": files[0][near[chosen]],
        }
    )
    nearness = between.min(0)
    order = np.argsort(nearness, kind="stable")[:count]
    nearest = pd.DataFrame(
        {"row": rows[order], "file": files[0][order], "distance": nearness[order].round(4)},
    )
    return Picked(to_label, nearest, int((apart > 1).sum()), len(apart))


def _measure(
    dataset: Dataset, what: str, workers: int | None, cache: Cache, progress: Progress | None
) -> tuple[Array, Appearance]:
    """Rows of the images that can be decoded, by name, and their looks."""
    rows = np.flatnonzero((dataset.images["member"].notna() & dataset.images["root"].notna()).to_numpy())
    rows = rows[np.argsort(dataset.images["file"].to_numpy()[rows], kind="stable")]
    looks = measure_appearance(dataset, rows.tolist(), workers=workers, cache=cache, progress=progress)
    good = np.isfinite(looks.stats).all(1)
    if not good.any():
        hint = "Give the folder or zip with the pictures; --image-root says where those of SRC lie."
        raise ReadError(f"{what} has no image that can be decoded.", where=dataset.about.root, hint=hint)
    return rows[good], Appearance(looks.stats[good], looks.descriptor[good])


def _choose(places: Array, apart: Array, count: int) -> Array:
    """Which images (m, k) to take in turn."""
    left = apart.copy()
    among = np.full(len(places), np.inf)
    chosen: list[int] = []
    while len(chosen) < min(count, len(places)):
        at = int(np.minimum(left, among).argmax())
        if left[at] < 0:
            break
        near = among[at] < APART
        left[at] = -1
        if near:  # nearly the same as one that was taken
            continue
        chosen.append(at)
        among = np.minimum(among, distances(places, places[[at]])[:, 0])
    return np.array(chosen, np.int64)


def _explain(distance: float) -> str:
    """Why an image was taken, in words."""
    if distance > 2:
        return "nothing like it in training"
    return "no near neighbour in training" if distance > 1 else "covered, but less than others"

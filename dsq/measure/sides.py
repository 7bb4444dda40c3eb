"""Profiles across the sides of many boxes, image by image, in this process or in local ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsq.executor import choose_workers, map_batches
from dsq.headers import parse_header
from dsq.measure.decode import DecodeError, decode_large
from dsq.measure.files import Files, Place, Reader
from dsq.measure.profiles import FEATURES, profile_sides
from dsq.measure.rims import BOX, Crops, Levels
from dsq.model import Dataset

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

NAME = "sides"
VERSION = 1
#: views that one batch holds, about; profiles that are computed at once
BATCH, AT_ONCE = 400, 64
#: CPU seconds that an image and a view cost, about
AN_IMAGE, A_VIEW = 5e-3, 4e-4


class _Job(NamedTuple):
    """An image, the positions of the views of it and their corners (m, 4)."""

    place: Place
    info: Any
    positions: Array
    corners: Array


def look_at_sides(
    dataset: Dataset,
    rows: Array,
    corners: Array,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
    doing: str = "looking at boxes",
) -> Iterator[tuple[Array, Array]]:
    """Views of boxes in batches, in no set order: positions (m,), features (m, 4, FEATURES) float32.

    rows: (n,) positions in `images`; corners: (n, 4) in stored pixels, a view each. Views in images that cannot be
    read or decoded are left out. WorkerError where a process dies.
    """
    order = np.argsort(rows, kind="stable")
    images, starts = np.unique(rows[order], return_index=True)
    if not len(images):
        return
    parts = np.split(order, starts[1:])
    with Files(dataset, images.tolist()) as files:
        workers = choose_workers(workers, AN_IMAGE * len(images) + A_VIEW * len(rows))
        batches = _make_batches(files, parts, corners)
        done = 0
        with closing(map_batches(_Work, (), batches, workers=workers, describe=_describe)) as answers:
            for _, (seen, positions, features) in answers:
                done += seen
                if progress is not None:
                    progress(doing, done, len(rows))
                if len(positions):
                    yield positions, features


def _make_batches(files: Files, parts: Sequence[Array], corners: Array) -> Iterator[list[_Job]]:
    batch: list[_Job] = []
    for place, positions in zip(files.places, parts, strict=True):
        if place is None:
            continue
        batch.append(_Job(place, files.info(place), positions, corners[positions]))
        if sum(len(job.positions) for job in batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _describe(batch: Sequence[_Job]) -> str:
    first = batch[0].place
    return f"{len(batch)} image files, from {first.folder}/{first.name}"


class _Work:
    """What a process does: decodes the images of a batch and describes the views of them."""

    def __init__(self) -> None:
        self._reader = Reader()

    def close(self) -> None:
        self._reader.close()

    def __call__(self, batch: Sequence[_Job]) -> tuple[int, Array, Array]:
        """Views that were asked for, positions of those that could be had, and their features."""
        found: list[Array] = []
        positions: list[Array] = []
        for job in batch:
            features = self._look(job)
            if features is not None:
                positions.append(job.positions)
                found.append(features)
        seen = sum(len(job.positions) for job in batch)
        if not found:
            return seen, np.empty(0, np.int64), np.empty((0, 4, FEATURES), np.float32)
        return seen, np.concatenate(positions), np.concatenate(found)

    def _look(self, job: _Job) -> Array | None:
        reading = self._reader.read(job.place, job.info)
        return None if reading.error else describe_views(reading.data, job.corners)


def describe_views(data: bytes, corners: Array) -> Array | None:
    """Features (n, 4, FEATURES) of views of an image file in memory; None where it cannot be decoded."""
    header = parse_header(data)
    shortest = float(np.min(corners[:, 2:] - corners[:, :2], initial=np.inf))
    try:
        planes = decode_large(data, max(1, int(shortest / BOX)), header)
    except DecodeError:
        return None
    levels = Levels(planes, (header.width, header.height))
    features = np.empty((len(corners), 4, FEATURES), np.float32)
    for start in range(0, len(corners), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        features[part] = profile_sides(Crops(*levels.cut(corners[part])))
    return features

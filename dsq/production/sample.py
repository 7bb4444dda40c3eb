"""Read a sample of production: a folder or zip of pictures, a labelled dataset, or a video."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dsq.formats import read
from dsq.measure.store import Cache
from dsq.model import Dataset
from dsq.production.video import VIDEO_SUFFIXES, read_video


def read_sample(
    sample: str | os.PathLike[str],
    *,
    cache: Cache = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """The dataset that a path holds, its format found by looking; of a video, frames of it, unlabelled.

    Raises ReadError where nothing could be read.
    """
    path = Path(sample)
    if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
        return read_video(path, cache=cache, progress=progress)
    return read(sample, progress=progress)

"""Files of different datasets that would lie in one place: renamed after their source."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.formats.naming import place_key
from dsq.model import Table, text_or_none

Array = NDArray[Any]

_UNSAFE = re.compile(r'[\\/:*?"<>|\s\x00-\x1f\x7f]+')


def rename_files(images: Table, owner: Array, rank: Array) -> tuple[Array, dict[str, str]]:
    """New names of the files, and {new: old} of those that had to change.

    owner (images,): position of the dataset that an image is of; the first that has a name keeps it. rank
    (images,): the order in which names are given.
    """
    files = images["file"].to_numpy(object).copy()
    keys = [place_key(file) for file in files]
    codes = pd.factorize(np.array(keys, dtype=object))[0]
    first = np.full(int(codes.max(initial=-1)) + 1, len(owner) and int(owner.max()) + 1, np.int64)
    np.minimum.at(first, codes, owner)
    late = np.flatnonzero(owner > first[codes])
    taken = set(keys)
    sources = text_or_none(images["source"])
    renamed: dict[str, str] = {}
    given: dict[tuple[int, str], str] = {}
    for row in late[np.argsort(rank[late], kind="stable")].tolist():
        old = files[row]
        if (int(owner[row]), old) not in given:  # two records of one file stay one
            folder, slash, base = old.rpartition("/")
            stem, dot, suffix = base.rpartition(".")
            start = f"{_UNSAFE.sub('_', str(sources[row])).strip('_') or 'set'}_{stem if dot else base}"
            new, number = f"{folder}{slash}{start}{dot}{suffix if dot else ''}", 2
            while place_key(new) in taken:
                new, number = f"{folder}{slash}{start}_{number}{dot}{suffix if dot else ''}", number + 1
            taken.add(place_key(new))
            given[int(owner[row]), old] = new
            renamed[new] = old
        files[row] = given[int(owner[row]), old]
    return files, renamed

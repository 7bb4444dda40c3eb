"""Bare images: a folder or zip of pictures is a dataset of which nothing is labelled."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from dsq.formats import Match
from dsq.formats.layout import Request, split_of_path
from dsq.headers import Header
from dsq.model import BOXES, CATEGORIES, HEADERS, IMAGES, PROBLEMS, About, Dataset, Notice, make_table

_TEXTS = (".json", ".xml", ".csv", ".txt")
_PROSE = re.compile(r"read[ _-]?me|licen[sc]e|copying|notice|notes?\b|requirements|changelog|citation", re.IGNORECASE)


def sniff(request: Request) -> Match | None:
    """Any picture will do; every annotation format is surer."""
    count = len(request.images)
    if not count:
        return None
    return Match(0.05, f"{count:,} picture{'s' if count != 1 else ''}, no annotations that were recognised")


def read(request: Request) -> Dataset:
    """Every image of the listing, unlabelled; its split is the one that a folder names."""
    files = sorted(request.images.places)
    count = len(files)
    headers = request.image_headers(files)
    facts = {name: [getattr(header, name) for header in headers] for name in Header._fields}
    ids = np.arange(1, count + 1)
    head = make_table(HEADERS, count, image_id=ids, **facts)
    unknown = ((head["error"] != "") | (head["width"] <= 0) | (head["height"] <= 0)).to_numpy()
    columns = list(zip(*request.refusals(), strict=True)) or [()] * 4
    texts = [name for name in request.with_suffix(*_TEXTS) if not _PROSE.match(name.rpartition("/")[2])]
    return Dataset(
        images=make_table(
            IMAGES,
            count,
            image_id=ids,
            file=files,
            root=pd.Categorical([request.images.places[name] for name in files]),
            member=files,
            width=pd.arrays.IntegerArray(head["width"].to_numpy(copy=True), unknown),
            height=pd.arrays.IntegerArray(head["height"].to_numpy(copy=True), unknown.copy()),
            split=pd.Categorical([split_of_path(name) for name in files]),
            label_state="unlabelled",
            source=request.dataset_name,
        ),
        boxes=make_table(BOXES, 0),
        categories=make_table(CATEGORIES, 0),
        problems=make_table(PROBLEMS, len(columns[0]), **dict(zip(PROBLEMS, columns, strict=True))),
        files=request.inventory({}),
        about=About(format="images", root=request.source.root, listed=request.listed, notices=_tell(texts)),
        headers=head,
    )


def _tell(texts: Sequence[str]) -> tuple[Notice, ...]:
    """What lies beside the pictures and may be annotations all the same."""
    if not texts:
        return ()
    more = f" and {len(texts) - 1:,} more text files were" if len(texts) > 2 else f" and {texts[-1]} were"
    text = f"{texts[0]}{more if len(texts) > 1 else ' was'} not recognised as annotations."
    return (Notice("skipped-file", text),)

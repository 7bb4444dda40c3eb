"""Which image files are the same, byte for byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from contextlib import ExitStack
from typing import TypeVar

from dsq.model import Dataset
from dsq.source import Source, open_source

Place = tuple[str, str]  # root, member
Progress = Callable[[str, int, int], None]
K = TypeVar("K", bound=Hashable)

#: bytes that are compared before a file is read whole
HEAD = 16_384


def content_hashes(datasets: Dataset | Sequence[Dataset], *, progress: Progress | None = None) -> dict[Place, str]:
    """SHA-256 by (root, member) of the image files that may have a twin or are in two of the datasets; a file not in it
    has none.

    Files are told apart by their size first, then by their first bytes; only what is still equal is read whole.
    ReadError where a file cannot be read.
    """
    sets = [datasets] if isinstance(datasets, Dataset) else list(datasets)
    sizes, again = _sizes(sets)
    alike = _shared({place: (size,) for place, size in sizes.items()}, again)
    with ExitStack() as stack:
        sources: dict[str, Source] = {}
        for root, _ in alike:
            if root not in sources:
                sources[root] = stack.enter_context(open_source(root))
        heads = _read(sources, alike, HEAD, progress)
        alike = _shared({place: (sizes[place], digest) for place, digest in heads.items()}, again)
        whole = _read(sources, [place for place in alike if sizes[place] > HEAD], None, progress)
    return {place: whole.get(place, heads[place]) for place in alike}


def _sizes(datasets: Iterable[Dataset]) -> tuple[dict[Place, int], set[Place]]:
    """Bytes of every image file of the datasets, by place, and the places that two of them name; 0-byte files are left
    out.
    """
    sizes: dict[Place, int] = {}
    again: set[Place] = set()
    for dataset in datasets:
        files, images = dataset.files, dataset.images
        listed = dict(
            zip(
                zip(files["root"].astype(object), files["file"], strict=True),
                files["size"].tolist(),
                strict=True,
            )
        )
        found = {
            place: listed.get(place) for place in zip(images["root"].astype(object), images["member"], strict=True)
        }
        again.update(sizes.keys() & found.keys())
        sizes |= {place: size for place, size in found.items() if size}
    return sizes, again


def _shared(keys: Mapping[Place, K], again: Set[Place]) -> list[Place]:
    """Places whose key another place has, too, and those that are named twice."""
    counts = Counter(keys.values())
    return [place for place, key in keys.items() if counts[key] > 1 or place in again]


def _read(
    sources: Mapping[str, Source], places: Sequence[Place], limit: int | None, progress: Progress | None
) -> dict[Place, str]:
    """SHA-256 of the first `limit` bytes of each file (None: all)."""
    found: dict[Place, str] = {}
    for root, member in places:
        source = sources[root]
        if limit is None:
            data = source.read(member, follow=True)
        else:
            data = source.head(member, limit, follow=True)
        found[root, member] = hashlib.sha256(data).hexdigest()
        if progress is not None and len(found) % 200 == 0:
            progress("comparing images", len(found), len(places))
    return found

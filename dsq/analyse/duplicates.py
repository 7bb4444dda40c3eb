"""Images of a dataset that show the same: equal files, near-duplicates, other views of one scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.analyse.agreement import COPY, NOTHING
from dsq.analyse.hamming import find_candidates
from dsq.analyse.starts import invert, nearest_turn
from dsq.analyse.verify import Images, verify
from dsq.measure.images import measure_images
from dsq.measure.store import Cache
from dsq.model import Dataset, Table, text_or_none

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

#: weakest last
KINDS = ("exact", "near", "same-scene")
#: an image is paired with so many others of a kind or stronger; beyond, only where a group would fall apart
PARTNERS = 32
#: pictures whose luma has a standard deviation below this are compared with those of nearly the same luma and colour
#: (levels), the next FLAT_NEIGHBOURS of them
DULL, SAME_LUMA, SAME_COLOUR, FLAT_NEIGHBOURS = 1.5, 1.5, 2.0, 3

_MAP = ("m00", "m01", "m02", "m10", "m11", "m12")


class _Pairs(NamedTuple):
    """Positions in the order of file names, first < second; kind: position in KINDS."""

    first: Array
    second: Array
    kind: Array
    agreement: Array
    maps: Array


def find_duplicates(
    dataset: Dataset, *, workers: int | None = None, cache: Cache = True, progress: Progress | None = None
) -> Table:
    """Images that show the same, a row a pair: `image_a`, `image_b` (files, in order of name), `kind`, `agreement`.

    kind: `exact` (the same bytes), `near` (one picture, be it resized, encoded anew, cut, turned, lit otherwise …),
    `same-scene` (much of one picture in the other). agreement: share of the textured parts that are alike, 0 to 1.
    An image with very many copies is paired with some of them only, so that each group still hangs together.
    workers, cache: see `dsq.measure.images.measure_images`.
    """
    measured = measure_images(dataset, workers=workers, cache=cache, progress=progress)
    pairs = find_pairs(dataset, measured.table, measured.probes, workers=workers, cache=cache, progress=progress)
    files = dataset.images["file"].to_numpy()
    return pd.DataFrame(
        {
            "image_a": files[pairs["first"].to_numpy()],
            "image_b": files[pairs["second"].to_numpy()],
            "kind": pairs["kind"],
            "agreement": pairs["agreement"],
        }
    )


def find_pairs(
    dataset: Dataset,
    pixels: Table,
    probes: Array,
    *,
    workers: int | None = None,
    cache: Cache = True,
    progress: Progress | None = None,
) -> Table:
    """Pairs of images that show the same, sorted by file name: `first`, `second` (positions in `images`; the file
    name of the first comes first), `kind`, `agreement` (0 to 1), `orientation` (0 to 7: how the second is turned
    against the first, see `dsq.measure.probes.turn`), `m00 m01 m02 m10 m11 m12` (the affine map from places in the
    first to places in the second, as fractions of width and height).

    pixels, probes: as `measure_images` gives them. The result depends neither on the order of rows nor on `workers`.
    """
    order = _name_order(dataset, pixels["row"].to_numpy())
    rows, hashes = pixels["row"].to_numpy()[order], probes[order]
    contents = [bytes.fromhex(text) if text else b"" for text in text_or_none(pixels["content"])[order]]
    leaders, copies = _exact(contents)
    sound = (pixels["error"] == "").to_numpy()[order]
    usable = leaders[sound[leaders]]
    first, second = _candidates(usable, hashes, pixels.iloc[order], progress)
    images = Images(dataset, pixels, rows, contents, hashes)
    verdicts = verify(images, first, second, workers=workers, cache=cache, progress=progress)
    true = verdicts.kind != NOTHING
    kind = np.where(verdicts.kind[true] == COPY, KINDS.index("near"), KINDS.index("same-scene"))
    found = _Pairs(first[true], second[true], kind, verdicts.agreement[true], verdicts.maps[true])
    return _tabulate(_bound(_spread(found, copies), len(rows)), rows)


def group_pairs(pairs: Table, images: int, kind: str) -> Array:
    """(images,) int64: group of each image, joined by the pairs up to `kind`; -1 for those alone. Groups are numbered
    as the table names them first.
    """
    chosen = pairs[pairs["kind"].isin(KINDS[: KINDS.index(kind) + 1])]
    first, second = chosen["first"].to_numpy(), chosen["second"].to_numpy()
    roots = _join(first, second, images)
    labels = np.full(images, -1, np.int64)
    numbers, _ = pd.factorize(roots[first])
    labels[first] = labels[second] = numbers
    return labels


def _name_order(dataset: Dataset, rows: Array) -> Array:
    """Order of `rows` by file name."""
    images = dataset.images
    names = images["file"].tolist()
    roots = [name or "" for name in text_or_none(images["root"]).tolist()]
    keys = [(names[row], roots[row], place) for place, row in enumerate(rows.tolist())]
    return np.array([key[-1] for key in sorted(keys)], np.int64)


def _exact(contents: Sequence[bytes]) -> tuple[Array, dict[int, list[int]]]:
    """The first position of each content, and by it all positions where there are several. Unread files: alone."""
    by_content: dict[bytes, list[int]] = {}
    for position, content in enumerate(contents):
        if content:
            by_content.setdefault(content, []).append(position)
    groups = {members[0]: members for members in by_content.values()}
    return np.array(list(groups), np.int64), {first: members for first, members in groups.items() if len(members) > 1}


def _candidates(usable: Array, hashes: Array, pixels: Table, progress: Progress | None) -> tuple[Array, Array]:
    """Pairs of positions worth a look, first < second, sorted."""
    found = find_candidates(hashes[usable], progress)
    pairs = [np.stack([usable[found.first], usable[found.second]])]
    luma, spread, colour = (pixels[name].to_numpy()[usable] for name in ("luma_mean", "luma_sd", "colour"))
    flat = np.flatnonzero((hashes[usable, 0] == 0) | (spread < DULL))
    flat = flat[np.lexsort((flat, colour[flat], np.round(luma[flat])))]
    for ahead in range(1, FLAT_NEIGHBOURS + 1):
        one, other = flat[:-ahead], flat[ahead:]
        alike = np.abs(luma[one] - luma[other]) <= SAME_LUMA
        alike &= np.abs(colour[one] - colour[other]) <= SAME_COLOUR
        ends = np.stack([usable[one[alike]], usable[other[alike]]])
        pairs.append(np.sort(ends, axis=0))
    both = np.unique(np.concatenate(pairs, axis=1), axis=1)
    return both[0], both[1]


def _spread(found: _Pairs, copies: dict[int, list[int]]) -> _Pairs:
    """The pairs found between first positions as pairs of all copies, and the pairs of copies."""
    first, second, source = [], [], []
    for members in copies.values():
        for place, one in enumerate(members):
            for other in members[place + 1 : place + 1 + PARTNERS]:
                first.append(one)
                second.append(other)
                source.append(-1)
    for number, (a, b) in enumerate(zip(found.first.tolist(), found.second.tolist(), strict=True)):
        for one in copies.get(a, [a])[:PARTNERS]:
            for other in copies.get(b, [b])[:PARTNERS]:
                first.append(one)
                second.append(other)
                source.append(number)
    ends, origin = np.array([first, second], np.int64), np.array(source, np.int64)
    exact = origin < 0
    still = np.array([[1.0, 0, 0], [0, 1, 0]])
    turned = ends[0] > ends[1]  # only where the copies of two pictures lie between each other
    maps = np.where(exact[:, None, None], still, np.concatenate([found.maps, still[None]])[origin])
    maps[turned] = invert(maps[turned])
    kind = np.where(exact, 0, np.r_[found.kind, 0][origin])
    agreement = np.where(exact, 1.0, np.r_[found.agreement, 1.0][origin])
    return _Pairs(ends.min(0), ends.max(0), kind, agreement, maps)


def _bound(pairs: _Pairs, count: int) -> _Pairs:
    """The pairs with at most PARTNERS an image, beside those that hold a group together."""
    ends = np.bincount(np.r_[pairs.first, pairs.second], minlength=count)
    order = np.lexsort((pairs.second, pairs.first, pairs.second - pairs.first, pairs.kind))
    if len(order) and ends.max() > PARTNERS:
        parent, partners = list(range(count)), [0] * count
        kept = []
        for place, a, b in zip(order.tolist(), pairs.first[order].tolist(), pairs.second[order].tolist(), strict=True):
            one, other = _root(parent, a), _root(parent, b)
            if one != other or (partners[a] < PARTNERS and partners[b] < PARTNERS):
                parent[max(one, other)] = min(one, other)
                partners[a] += 1
                partners[b] += 1
                kept.append(place)
        order = np.array(kept, np.int64)
    order = order[np.lexsort((pairs.second[order], pairs.first[order]))]
    return _Pairs(*(column[order] for column in pairs))


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


def _join(first: Array, second: Array, count: int) -> Array:
    """(count,) the lowest position that pairs connect each one with."""
    roots = np.arange(count)
    while True:
        lowest = np.minimum(roots[first], roots[second])
        if (roots[first] == lowest).all() and (roots[second] == lowest).all():
            return roots
        np.minimum.at(roots, roots[first], lowest)
        np.minimum.at(roots, roots[second], lowest)
        while (roots[roots] != roots).any():
            roots = roots[roots]


def _tabulate(pairs: _Pairs, rows: Array) -> Table:
    exact = pairs.kind == 0
    turns = np.where(exact, 0, nearest_turn(pairs.maps)) if len(exact) else np.empty(0, np.int64)
    table = {
        "first": rows[pairs.first],
        "second": rows[pairs.second],
        "kind": np.array(KINDS, object)[pairs.kind],
        "agreement": pairs.agreement,
        "orientation": turns.astype(np.int64),
    }
    numbers = pairs.maps.reshape(-1, len(_MAP))
    return pd.DataFrame(table | {name: numbers[:, place] for place, name in enumerate(_MAP)})

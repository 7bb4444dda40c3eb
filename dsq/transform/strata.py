"""Images drawn so that each part gets its share of every class: greedy iterative stratification."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.model import Dataset

Array = NDArray[Any]


def draw_order(files: Sequence[str], seed: int, sources: Sequence[Any] = ()) -> Array:
    """Positions of `files` in an order that depends on the names and the seed alone, not on their order."""
    names = [f"{source}\0{file}" for source, file in zip(sources, files, strict=True)] if sources else files
    start = hashlib.sha256(f"{seed}\0".encode())
    keys = []
    for name in names:
        digest = start.copy()
        digest.update(name.encode("utf-8", "surrogatepass"))
        keys.append(digest.digest())
    return np.array(sorted(range(len(names)), key=lambda row: (keys[row], names[row])), np.int64)


def label_columns(dataset: Dataset, *, with_split: bool = False) -> tuple[Array, Array]:
    """What is to be shared out evenly: pairs (image row, label), once each. Labels number the classes, then
    background, unlabelled and, `with_split`, the splits.
    """
    images, boxes, categories = dataset.images, dataset.boxes, dataset.categories
    image = pd.Index(images["image_id"]).get_indexer(pd.Index(boxes["image_id"]))
    label = pd.Index(categories["category_id"]).get_indexer(pd.Index(boxes["category_id"]))
    labels = len(categories)
    rows, codes = [image], [label]
    for state in ("background", "unlabelled"):
        found = np.flatnonzero((images["label_state"] == state).to_numpy())
        rows.append(found)
        codes.append(np.full(len(found), labels))
        labels += 1
    if with_split:
        split = pd.factorize(images["split"].astype(object), sort=True)[0]
        found = np.flatnonzero(split >= 0)
        rows.append(found)
        codes.append(labels + split[found])
        labels += int(split.max(initial=-1)) + 1
    pairs = np.unique(np.concatenate(rows) * max(labels, 1) + np.concatenate(codes))
    return pairs // max(labels, 1), pairs % max(labels, 1)


def assign(
    group: Array, rows: Array, labels: Array, quotas: Sequence[int], order: Array, fixed: Array | None = None
) -> Array:
    """The part of each image, (n,) int, so that groups stay whole and labels are shared as the quotas are.

    group: (n,) codes; rows, labels: pairs from `label_columns`; quotas: images a part, in all n. order: (n,)
    positions, which settles ties. fixed: (n,) the part an image is already in, -1 none; its group follows.

    The rarest label is shared out first, its largest groups first, each to the part that lacks that label most
    among those that still have room. With groups of one image the quotas are met exactly. Cost is about linear.
    """
    count = len(group)
    parts = len(quotas)
    rank = np.empty(count, np.int64)
    rank[order] = np.arange(count)
    groups = int(group.max(initial=-1)) + 1
    size = np.bincount(group, minlength=groups)
    first = np.full(groups, count, np.int64)
    np.minimum.at(first, group, rank)
    kinds = int(labels.max(initial=-1)) + 1
    keys, amounts = np.unique(group[rows] * max(kinds, 1) + labels, return_counts=True)
    of_group: list[list[tuple[int, int]]] = [[] for _ in range(groups)]
    by_label: list[list[int]] = [[] for _ in range(kinds)]
    for key, amount in zip(keys.tolist(), amounts.tolist(), strict=True):
        of_group[key // kinds].append((key % kinds, amount))
        by_label[key % kinds].append(key // kinds)
    total = max(count, 1)
    totals = np.bincount(labels, minlength=kinds).tolist()
    desire = [[quota * totals[label] / total for quota in quotas] for label in range(kinds)]
    room = list(map(float, quotas))
    left = [len(members) for members in by_label]
    sizes = size.tolist()
    chosen = [-1] * groups
    places = list(zip((-size).tolist(), first.tolist(), strict=True))  # large groups first, then by draw

    def put(member: int, part: int) -> None:
        chosen[member] = part
        room[part] -= sizes[member]
        for label, amount in of_group[member]:
            desire[label][part] -= amount
            left[label] -= 1
            if left[label]:
                heapq.heappush(waiting, (left[label], label))

    def best(member: int, label: int) -> int:
        need = desire[label] if label >= 0 else room
        open_parts = [part for part in range(parts) if room[part] >= sizes[member]]
        if not open_parts:
            return max(range(parts), key=lambda part: (room[part], -part))
        return max(open_parts, key=lambda part: (need[part], room[part], -part))

    waiting: list[tuple[int, int]] = []
    if fixed is not None:
        for member, part in _fixed_groups(group, fixed, rank).items():
            put(member, part)
    waiting = [(left[label], label) for label in range(kinds) if left[label]]
    heapq.heapify(waiting)
    while waiting:
        known, label = heapq.heappop(waiting)
        if known != left[label] or not known:
            continue
        for member in sorted(by_label[label], key=places.__getitem__):
            if chosen[member] < 0:
                put(member, best(member, label))
    for member in sorted((m for m in range(groups) if chosen[m] < 0), key=places.__getitem__):
        put(member, best(member, -1))
    return np.array(chosen, np.int64)[group] if groups else np.empty(0, np.int64)


def fill_empty(group: Array, part: Array, wanted: Sequence[float], order: Array, fixed: Array | None = None) -> Array:
    """`part` (n,) changed so that no part is empty while another holds two groups: the empty one that wants most gets
    the smallest group that may move, from the fullest of equal parts, the first in `order`. fixed: as in `assign`.
    """
    part = part.copy()
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group))
    tied = np.zeros(len(group), bool) if fixed is None else np.isin(group, group[fixed >= 0])
    table = pd.DataFrame({"group": group, "rank": rank, "tied": tied, "part": part}).groupby("group")
    groups = table.agg(size=("rank", "size"), first=("rank", "min"), tied=("tied", "any"), part=("part", "first"))
    for empty in sorted(set(range(len(wanted))) - set(part.tolist()), key=lambda number: (-wanted[number], number)):
        full = groups.groupby("part")["size"].agg(["size", "sum"])
        held, images = groups["part"].map(full["size"]), groups["part"].map(full["sum"])
        free = groups.assign(room=-images)[(held > 1) & ~groups["tied"]].sort_values(["size", "room", "first"])
        if free.empty:
            break
        groups.loc[free.index[0], "part"] = empty
        part[group == free.index[0]] = empty
    return part


def _fixed_groups(group: Array, fixed: Array, rank: Array) -> dict[int, int]:
    """The part of each group that holds an image with one; that of most of them, the first of equal ones."""
    table = pd.DataFrame({"group": group, "part": fixed})[fixed >= 0]
    counts = table.groupby(["group", "part"], sort=True).size().reset_index(name="count")
    counts = counts.sort_values(["group", "count", "part"], ascending=[True, False, True])
    firsts = counts.drop_duplicates("group")
    return dict(zip(firsts["group"].tolist(), firsts["part"].tolist(), strict=True))


def quotas_of(shares: Sequence[float], count: int) -> list[int]:
    """Whole numbers that add up to `count` in the proportion of `shares`; rests go to the largest fractions."""
    total = sum(shares)
    exact = [count * share / total for share in shares]
    whole = [int(value) for value in exact]
    rest = sorted(range(len(shares)), key=lambda part: (whole[part] - exact[part], part))
    for part in rest[: count - sum(whole)]:
        whole[part] += 1
    return whole

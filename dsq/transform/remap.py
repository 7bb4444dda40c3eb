"""Classes renamed, merged, dropped and put in another order."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.model import Dataset, Table
from dsq.transform.extras import object_array, without_keys
from dsq.transform.parts import EMPTIED, close_ids, empty_images

Array = NDArray[Any]


class Remapped(NamedTuple):
    """`dataset` with the new classes; `changes`: a row a class that is another now: `old`, `new` (None: dropped),
    `what` (renamed, merged, dropped), `boxes`; `emptied`: files that lost all their boxes.
    """

    dataset: Dataset
    changes: Table
    emptied: list[str]


def remap(
    dataset: Dataset,
    mapping: Mapping[str, str | None] | None = None,
    *,
    order: Sequence[str] | None = None,
    emptied: str = "background",
) -> Remapped:
    """Rename classes by `mapping` {old: new}, all at once; two that get one name become one, None drops a class.

    order: class names as they are after the mapping, in the order wanted; those not listed follow. Without it a
    class keeps its place, a merged one that of the first. emptied: what an image is that loses all its boxes:
    "background", "unlabelled" or "drop"(ped). Ids stay, but close up where YOLO counts them or the order changes.
    ConfigError for a class that does not exist (naming the nearest).
    """
    mapping = dict(mapping or {})
    if emptied not in EMPTIED:
        raise ConfigError(f"emptied is {emptied!r};", hint=f"it takes {', '.join(EMPTIED)}.")
    old = dataset.categories
    names = old["name"].tolist()
    unknown_class(mapping, names, "mapping")
    new = [mapping.get(name, name) for name in names]
    for name in new:
        if name is not None and not (isinstance(name, str) and name.strip()):
            raise ConfigError(f"the mapping makes a class {name!r};", hint="a name is a text that is not empty.")
    touched = [a != b for a, b in zip(names, new, strict=True)]
    wanted = list(dict.fromkeys(name for name in new if name is not None))
    # names that two classes of the source share stay two, unless the mapping speaks of them
    spoken = {name for name, is_touched in zip(new, touched, strict=True) if is_touched}
    keys = [(name, -1 if name in spoken else place) for place, name in enumerate(new)]
    rows: dict[tuple[str | None, int], int] = {}
    for place, key in enumerate(keys):
        if key[0] is not None:
            rows.setdefault(key, place)
    kept = list(rows.values())
    if order is not None:
        kept = _ordered(kept, new, order, wanted)
    if not any(touched) and kept == list(range(len(names))):
        return Remapped(dataset, _changes(dataset, names, new, []), [])
    categories = _categories(dataset, old, kept, keys, ordered=order is not None)
    position = {keys[place]: row for row, place in enumerate(kept)}
    ids = categories["category_id"].to_numpy()
    target = np.array([ids[position[key]] if key[0] is not None else -1 for key in keys], np.int64)
    boxes, gone = _boxes(dataset, old["category_id"].to_numpy(), target, np.array([n is None for n in new], bool))
    changes = _changes(dataset, names, new, old["category_id"].tolist())
    changed, files = empty_images(dataset.replace(categories=categories, boxes=boxes), gone, emptied)
    return Remapped(changed, changes, files)


def unknown_class(names: Iterable[str], known: Sequence[str], what: str) -> None:
    """ConfigError for the first of `names` that is not among the `known`, with the nearest of them."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            same = [other for other in known if other.casefold() == str(name).casefold()]
            listed = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
            hint = f"Did you mean {(same or near)[0]!r}?" if same or near else f"The classes are {listed or 'none'}."
            raise ConfigError(f"the {what} names a class {name!r} that the dataset does not have.", hint=hint)


def _ordered(kept: list[int], new: Sequence[str | None], order: Sequence[str], wanted: Sequence[str]) -> list[int]:
    unknown_class(order, wanted, "order")
    if len(set(order)) < len(order):
        twice = next(name for name in order if list(order).count(name) > 1)
        raise ConfigError(f"the order names {twice!r} twice.", hint="Name each class once.")
    ranks = {name: rank for rank, name in enumerate(order)}
    return sorted(kept, key=lambda place: (ranks.get(new[place] or "", len(ranks)), place))


def _categories(
    dataset: Dataset,
    old: Table,
    kept: list[int],
    keys: list[tuple[str | None, int]],
    *,
    ordered: bool,
) -> Table:
    """The new categories, in their order; columns that a class does not say are taken from those merged into it."""
    members: dict[tuple[str | None, int], list[int]] = {}
    for place, key in enumerate(keys):
        members.setdefault(key, []).append(place)
    table = old.iloc[kept].reset_index(drop=True)
    names = [keys[place][0] for place in kept]
    renamed = np.flatnonzero([name != stood for name, stood in zip(names, table["name"], strict=True)])
    table["name"] = object_array(names)
    declared = old["declared"].to_numpy()
    said = np.array([declared[members[keys[place]]].any() for place in kept], bool)
    said[renamed] = True  # a name of its own is no bare number any more
    table["declared"] = said
    above = old["supercategory"].to_numpy(object)
    table["supercategory"] = object_array(
        [next((above[p] for p in members[keys[place]] if isinstance(above[p], str)), None) for place in kept]
    )
    table["extras"] = without_keys(table["extras"].to_numpy(object), ("name", "id"), renamed)
    if dataset.about.format == "yolo":
        fewer = len(kept) < len(old) or said.sum() > declared.sum()
        return close_ids(table) if ordered or fewer else table
    if ordered:  # the numbers go round among the classes that are declared; the others are called by theirs
        ids, numbers = table["category_id"].to_numpy().copy(), table["source_id"]
        ids[said] = np.sort(ids[said])
        table["category_id"] = ids
        if not numbers[said].isna().any():
            stated = numbers.array.copy()
            stated[said] = np.sort(numbers[said].to_numpy(np.int64))
            table["source_id"] = stated
        table["extras"] = without_keys(table["extras"].to_numpy(object), ("id",))
    return table


def _boxes(dataset: Dataset, old: Array, target: Array, dropped: Array) -> tuple[Table, Array]:
    """The boxes with their new classes, and the image ids of those that went with theirs."""
    boxes = dataset.boxes
    if not len(boxes):
        return boxes, np.empty(0, np.int64)
    place = pd.Index(old).get_indexer(pd.Index(boxes["category_id"]))
    codes = target[place]
    changed = np.flatnonzero(codes != boxes["category_id"].to_numpy())
    gone = dropped[place]
    table = boxes.assign(
        category_id=codes, extras=without_keys(boxes["extras"].to_numpy(object), ("category_id",), changed)
    )
    images: Array = boxes["image_id"].to_numpy()[gone]
    return (table[~gone].reset_index(drop=True) if gone.any() else table), images


def _changes(dataset: Dataset, names: Sequence[str], new: Sequence[str | None], ids: Sequence[int]) -> Table:
    """What became of each class that is another now."""
    counts = Counter(dataset.boxes["category_id"].tolist()) if ids else Counter()
    many = Counter(new)
    rows = []
    for number, old, name in zip(ids, names, new, strict=bool(ids)):
        if old != name:
            what = "dropped" if name is None else "merged" if many[name] > 1 else "renamed"
            rows.append({"old": old, "new": name, "what": what, "boxes": counts[number]})
    columns = {key: object_array([row[key] for row in rows]) for key in ("old", "new", "what")}
    return pd.DataFrame({**columns, "boxes": np.array([row["boxes"] for row in rows], np.int64)})

"""Datasets of any formats put together: classes by name, files by distinct names, identical images once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.formats.naming import UNASSIGNED, is_split_name
from dsq.model import (
    BOXES,
    FILES,
    HEADERS,
    IMAGES,
    PROBLEMS,
    Dataset,
    Notice,
    Table,
    column,
    text_or_none,
)  # fmt: skip
from dsq.transform.collisions import rename_files
from dsq.transform.extras import object_array, without_keys
from dsq.transform.licences import unite_licences
from dsq.transform.remap import remap
from dsq.transform.suggest import Suggestion, suggest_names
from dsq.transform.tables import stack
from dsq.transform.twins import United, unite_twins
from dsq.transform.unite import unite_abouts, unite_classes

Array = NDArray[Any]


class Merged(NamedTuple):
    """`dataset` and what happened. `provenance`: a row an image of the sources, in their order: `file` (in the merge),
    `status` (kept; merged: it is a copy of that file's image, which stands for both), `source`, `source_file`,
    `source_id`, `sha256` (of files that have a twin; others were not read), `boxes_from` (of an image that was kept:
    the sources that have boxes for it). `became`: (rows of provenance,) its position in `dataset.images`.
    `renamed`: {new file: old file}. `conflicts`: copies of one image that disagree (see
    `dsq.transform.twins.unite_twins`). `suggestions`: class names that may mean one class; none was applied.
    `united`: images that were copies of another; `same_boxes`: their boxes that another copy has, too.
    """

    dataset: Dataset
    provenance: Table
    became: Array
    renamed: dict[str, str]
    conflicts: Table
    suggestions: list[Suggestion]
    united: int
    same_boxes: int


def merge(
    datasets: Sequence[Dataset],
    *,
    names: Sequence[str] | None = None,
    mapping: Mapping[str, str | None] | None = None,
    hashes: Mapping[tuple[str, str], str] | None = None,
    into: str | None = None,
) -> Merged:
    """Put datasets together; images stay where they are, nothing of them is held in memory.

    Classes are united by name, in order of first appearance, after `mapping` {old: new, None: drop}. names: what
    each dataset is called in `images.source`, as the prefix of files that have to be renamed and in reports
    (default: its own sources). A file name that an earlier dataset has (folders of formats and splits, the
    suffix and case do not count) becomes `<source>_<name>` in its folder. hashes: {(root, member): digest} of image
    files, from `dsq.content_hashes`; images of an equal digest become one with the boxes of all, and where they
    disagree the dataset that comes first is believed. into: the split of images that are in none (default: they stay
    so, and a notice tells where others have one). Ids are made anew from 1; splits, label states, flags and masks are
    kept. Cost is linear. ConfigError for a wrong class or name.
    """
    datasets = list(datasets)
    if not datasets:
        raise ConfigError("there is nothing to merge.", hint="Give at least one dataset.")
    if names is not None and (len(names) != len(datasets) or not all(names)):
        raise ConfigError(f"{len(names)} names were given for {len(datasets)} datasets.", hint="Give one each.")
    if into is not None and not is_split_name(into):
        raise ConfigError(f"a split cannot be called {into!r}.", hint="Use a plain word such as train.")
    datasets = unite_licences(datasets) if len(datasets) > 1 else datasets
    sources = _sources(datasets, names)
    owner = np.repeat(np.arange(len(datasets)), [len(dataset) for dataset in datasets])
    whole = _stack(datasets, sources) if len(datasets) > 1 else _alone(datasets[0], sources[0])
    changed = remap(whole, mapping).dataset if mapping else whole
    known = _known_classes(datasets, sources, mapping or {}, changed)
    suggestions = _suggest(changed, known)
    source_files = changed.images["file"].to_numpy(object)
    rank = np.empty(len(owner), np.int64)
    rank[sorted(range(len(owner)), key=lambda row: (owner[row], source_files[row]))] = np.arange(len(owner))
    digests: list[str | None] = [None] * len(owner)
    if hashes:
        places = zip(changed.images["root"].astype(object), changed.images["member"], strict=True)
        digests = [hashes.get(place) for place in places]
    united = unite_twins(changed, digests, known, rank)
    images = united.dataset.images
    kept = united.kept
    files, renamed = rename_files(images, owner[kept], rank[kept])
    stated = stack({"source_id": "Int"}, [dataset.images for dataset in datasets])["source_id"]
    provenance = _provenance(changed, stated, files, digests, united)
    final = _settle_splits(united.dataset.replace(images=images.assign(file=files)), into)
    return Merged(
        _renumbered(final, datasets), provenance, united.copy_of, renamed, united.conflicts, suggestions,
        len(owner) - len(kept), united.boxes,
    )  # fmt: skip


def _sources(datasets: Sequence[Dataset], names: Sequence[str] | None) -> list[list[str]]:
    """The source of every image, dataset by dataset; a name that an earlier dataset has gets a number."""
    taken: set[str] = set()
    found = []
    for place, dataset in enumerate(datasets):
        if names is not None:
            found.append([names[place]] * len(dataset))
            continue
        own = text_or_none(dataset.images["source"]).tolist()
        new: dict[Any, str] = {}
        for name in dict.fromkeys(own):
            stem = name or f"set{place + 1}"
            new[name], number = stem, 2
            while new[name] in taken:
                new[name], number = f"{stem}-{number}", number + 1
        taken.update(new.values())
        found.append([new[name] for name in own])
    return found


def _alone(dataset: Dataset, sources: Sequence[str]) -> Dataset:
    return dataset.replace(images=dataset.images.assign(source=pd.Categorical(list(sources))))


def _stack(datasets: Sequence[Dataset], sources: Sequence[Sequence[str]]) -> Dataset:
    """All rows of all datasets, with ids made anew and classes united by name."""
    yolo = all(dataset.about.format == "yolo" for dataset in datasets)  # counts its classes from 0
    image_ids, category_ids = [], []
    rows: dict[str, int] = {}
    listed: list[tuple[int, int]] = []  # dataset, row of its categories
    first = 1
    for place, dataset in enumerate(datasets):
        count = len(dataset)
        rows_of_images = pd.Index(dataset.images["image_id"]).get_indexer(pd.Index(dataset.boxes["image_id"]))
        image_ids.append(rows_of_images + first)
        first += count
        own = []
        for row, name in enumerate(dataset.categories["name"].tolist()):
            if name not in rows:
                rows[name] = len(rows)
                listed.append((place, row))
            own.append(rows[name])
        codes = pd.Index(dataset.categories["category_id"]).get_indexer(pd.Index(dataset.boxes["category_id"]))
        category_ids.append(np.array(own, np.int64)[codes] + (not yolo) if own else np.empty(0, np.int64))
    images = stack(IMAGES, [dataset.images for dataset in datasets])
    boxes = stack(BOXES, [dataset.boxes for dataset in datasets])
    images = images.assign(
        image_id=np.arange(1, len(images) + 1),
        source=pd.Categorical([name for part in sources for name in part]),
        source_id=_unique_or_none(images["source_id"]),
        extras=without_keys(images["extras"].to_numpy(object), ("id",)),
    )
    keys = ("id", "image_id", "category_id")
    boxes = boxes.assign(
        box_id=np.arange(1, len(boxes) + 1),
        image_id=np.concatenate(image_ids),
        category_id=np.concatenate(category_ids),
        source_id=_unique_or_none(boxes["source_id"]),
        extras=without_keys(boxes["extras"].to_numpy(object), keys),
    )
    heads = [dataset.headers for dataset in datasets]
    headers = None
    if all(head is not None for head in heads):
        headers = _headers(datasets)
    problems = stack(PROBLEMS, [dataset.problems for dataset in datasets])
    prefixes = [part[0] if part else f"set{place}" for place, part in enumerate(sources, 1)]
    problems["file"] = object_array(
        [f"{prefix}/{file}" for prefix, d in zip(prefixes, datasets, strict=True) for file in d.problems["file"]]
    )
    return Dataset(
        images=images,
        boxes=boxes,
        categories=unite_classes(datasets, rows, listed, yolo=yolo),
        problems=problems,
        files=stack(FILES, [dataset.files for dataset in datasets]),
        about=unite_abouts(datasets, prefixes, yolo=yolo),
        headers=headers,
    )


def _unique_or_none(column_: pd.Series[Any]) -> Any:
    """Source ids where no two rows share one, else none at all."""
    if column_.isna().any() or column_.duplicated().any():
        return column("Int", None, len(column_))
    return column_.array


def _headers(datasets: Sequence[Dataset]) -> Table:
    table = stack(HEADERS, [dataset.headers for dataset in datasets if dataset.headers is not None])
    ids, first = [], 1
    for dataset in datasets:
        assert dataset.headers is not None
        ids.append(pd.Index(dataset.images["image_id"]).get_indexer(pd.Index(dataset.headers["image_id"])) + first)
        first += len(dataset)
    return table.assign(image_id=np.concatenate(ids))


def _known_classes(
    datasets: Sequence[Dataset], sources: Sequence[Sequence[str]], mapping: Mapping[str, str | None], whole: Dataset
) -> dict[str, set[int]]:
    """Ids of the classes that each source lists."""
    ids = dict(zip(whole.categories["name"], whole.categories["category_id"].tolist(), strict=True))
    known: dict[str, set[int]] = {}
    for dataset, names in zip(datasets, sources, strict=True):
        table = dataset.categories[dataset.categories["declared"]]
        mapped = [mapping.get(name, name) for name in table["name"]]
        mine = {ids[name] for name in mapped if name is not None}
        for source in dict.fromkeys(names):
            known.setdefault(source, set()).update(mine)
    return known


def _suggest(whole: Dataset, known: Mapping[str, set[int]]) -> list[Suggestion]:
    names = dict(zip(whole.categories["category_id"].tolist(), whole.categories["name"], strict=True))
    counts = Counter(whole.boxes["category_id"].tolist())
    classes = {source: [names[number] for number in sorted(ids)] for source, ids in known.items()}
    return suggest_names(classes, {name: counts[number] for number, name in names.items()})


def _settle_splits(dataset: Dataset, into: str | None) -> Dataset:
    """Images without a split put `into` one, or told of where others have one."""
    images = dataset.images
    without = images["split"].isna().to_numpy()
    if not without.any() or (into is None and without.all()):
        return dataset
    if into is not None:
        splits = text_or_none(images["split"])
        splits[without] = into
        return dataset.replace(images=images.assign(split=pd.Categorical(splits)))
    notices = []
    for source, count in Counter(text_or_none(images["source"])[without].tolist()).items():
        many = f"{count:,} images of {source} are" if count > 1 else f"1 image of {source} is"
        text = f"{many} in no split, unlike others: no trainer reads what is `{UNASSIGNED}`"
        notices.append(Notice("images-without-split", f"{text}; --into train puts them there", source))
    about = dataset.about
    return dataset.replace(about=replace(about, notices=(*about.notices, *notices)))


def _provenance(
    whole: Dataset, stated: pd.Series[Any], files: Array, digests: Sequence[str | None], united: United
) -> Table:
    """A row an image of `whole`; see Merged. stated: the ids that the sources gave."""
    images, kept, became = whole.images, united.kept, united.copy_of
    source = text_or_none(images["source"])
    image_row = pd.Index(images["image_id"]).get_indexer(pd.Index(whole.boxes["image_id"]))
    boxed = np.unique(image_row)
    whose: dict[int, dict[str, None]] = {}
    for row in boxed.tolist():
        whose.setdefault(int(became[row]), {})[source[row]] = None
    is_kept = np.zeros(len(images), bool)
    is_kept[kept] = True
    boxes_from = np.full(len(images), None, object)
    boxes_from[kept] = [";".join(whose[at]) if at in whose else None for at in range(len(kept))]
    return pd.DataFrame(
        {
            "file": files[became],
            "status": np.where(is_kept, "kept", "merged").astype(object),
            "source": source,
            "source_file": images["file"].to_numpy(object),
            "source_id": stated.array,
            "sha256": object_array(digests),
            "boxes_from": boxes_from,
        }
    )


def _renumbered(dataset: Dataset, datasets: Sequence[Dataset]) -> Dataset:
    """Ids from 1 on, without gaps; no annotation file of a source lays out the records any more."""
    if len(datasets) == 1:
        return dataset
    images, boxes, headers = dataset.images, dataset.boxes, dataset.headers
    index = pd.Index(images["image_id"])
    if headers is not None:
        headers = headers.assign(image_id=index.get_indexer(pd.Index(headers["image_id"])) + 1)
    boxes = boxes.assign(
        box_id=np.arange(1, len(boxes) + 1),
        image_id=index.get_indexer(pd.Index(boxes["image_id"])) + 1,
        origin_file=column("cat", None, len(boxes)),
    )
    images = images.assign(image_id=np.arange(1, len(images) + 1), origin_file=column("cat", None, len(images)))
    return dataset.replace(images=images, boxes=boxes, headers=headers)

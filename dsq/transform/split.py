"""Images dealt out to train, val and test, or to folds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dsq.errors import ConfigError
from dsq.formats.naming import is_split_name
from dsq.model import Dataset, Table, column
from dsq.transform.groups import group_images
from dsq.transform.strata import assign, draw_order, fill_empty, label_columns, quotas_of

Array = NDArray[Any]

DEFAULT = {"train": 0.8, "val": 0.1, "test": 0.1}
_NAMES = {2: ("train", "val"), 3: ("train", "val", "test")}


class Split(NamedTuple):
    """`dataset` with its new splits. `shares`: a row a split: `split`, `images`, `share`, `wanted`, `boxes`,
    `background`, `unlabelled`. `classes`: a row a class: `name`, `images`, and the share of these in each split.
    `groups`: (images,) codes of the groups that were kept whole. `notes`: what a person should know.
    """

    dataset: Dataset
    shares: Table
    classes: Table
    groups: Array
    notes: list[str]


def split(
    dataset: Dataset,
    ratios: Mapping[str, float] | Sequence[float] | None = None,
    *,
    seed: int = 0,
    stratified: bool = True,
    groups: Iterable[Sequence[Any]] | Mapping[str, Sequence[Any]] = (),
    siblings: bool = True,
    sequences: str = "auto",
    keep: Sequence[str] = (),
    folds: int | None = None,
    fold: int | None = None,
) -> Split:
    """Deal the images out anew.

    ratios: {split: share}, or two shares (train, val) or three (train, val, test); default 80/10/10. Shares count
    in proportion to their sum. stratified: each split gets its share of every class, of background and of
    unlabelled images, rarest class first. groups, siblings, sequences: what stays together (see
    `dsq.transform.groups.group_images`; groups is a list of arrays of one key an image, or these by what to call them).
    No split stays empty while another has two groups: it gets the smallest.
    keep: splits whose images stay where they are (a test set that others measured on); their groups follow.
    folds: instead of ratios, k parts of one size named fold1 … foldk; with fold=i the i-th is val, the rest train.
    The same names and seed give the same split, whatever the order of rows.
    """
    shares = _shares(ratios, folds, fold)
    images = dataset.images
    names = list(shares)
    files = images["file"].tolist()
    sources = images["source"].astype(object).tolist()
    group, notes = group_images(files, groups, siblings=siblings, sequences=sequences, sources=sources)
    fixed, names, wanted = _fixed(images, keep, names, shares)
    if folds is not None and folds > (count := int(group.max(initial=-1)) + 1):
        kept = f" ({len(images):,} images, some of which stay together)" if count < len(images) else ""
        raise ConfigError(
            f"{folds:,} folds were asked for of {count:,} {'groups' if kept else 'images'}{kept}.",
            hint=f"Each fold needs one: at most {count:,}." if count > 1 else "There is nothing to fold.",
        )
    order = draw_order(files, seed, sources)
    rows, labels = label_columns(dataset) if stratified else (np.empty(0, np.int64), np.empty(0, np.int64))
    part = assign(group, rows, labels, quotas_of(wanted, len(images)), order, fixed)
    part = fill_empty(group, part, wanted, order, fixed)
    if fixed is not None and (moved := int(((fixed >= 0) & (part != fixed)).sum())):
        notes.append(f"{moved:,} images left their kept split: their group stands in another one, too")
    if fold is not None:
        part, names, wanted = _one_fold(part, names, wanted, fold)
    table = images.assign(split=pd.Categorical([names[place] for place in part.tolist()], categories=names))
    changed = dataset.replace(images=unplaced(table))
    told = _told_shares(changed, part, names, wanted)
    classes, lacking = _told_classes(changed, part, names)
    largest = int(np.bincount(group).max(initial=0))
    off = [
        f"{row.split} {row.share:.1%} for {row.wanted:.1%}" for row in told.itertuples() if _is_off(row, len(images))
    ]
    empty = [str(row.split) for row in told.itertuples() if not row.images]
    if empty and len(images):
        many = int(group.max()) + 1
        what = "is 1 group" if many == 1 else f"are {many:,} groups"
        notes.append(
            f"warning: {' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty: "
            f"there {what} of images that stay together, for {len(told)} splits"
        )
    if off:
        why = f": the largest group has {largest:,} images" if largest > 1 else ""
        notes.append(f"the shares could not be met ({', '.join(off)}){why}")
    if lacking:
        notes.append(f"classes missing from a split: {lacking}")
    return Split(changed, told, classes, group, notes)


def unplaced(images: Table) -> Table:
    """Images that no annotation file speaks of any more: their records are laid out afresh when written."""
    return images.assign(origin_file=column("cat", None, len(images)))


def _one_fold(
    part: Array, names: Sequence[str], wanted: Sequence[float], fold: int
) -> tuple[Array, list[str], list[float]]:
    """Parts where the fold is val, the other folds are train, and what was kept stays."""
    kept = [place for place, name in enumerate(names) if not re.fullmatch(r"fold\d+", name)]
    code = np.zeros(len(names), np.int64)
    code[fold - 1] = 1
    code[kept] = np.arange(2, 2 + len(kept))
    held = np.bincount(code, weights=np.array(wanted), minlength=2).tolist()
    return code[part], ["train", "val", *(names[place] for place in kept)], held


def _shares(
    ratios: Mapping[str, float] | Sequence[float] | None, folds: int | None, fold: int | None
) -> dict[str, float]:
    if folds is None:
        if fold is not None:
            raise ConfigError("fold was given without folds.", hint="Say how many folds there are.")
        if ratios is None:
            return dict(DEFAULT)
        if not isinstance(ratios, Mapping):
            if len(ratios) not in _NAMES:
                raise ConfigError(f"{len(ratios)} shares were given;", hint="name them: train=0.7,val=0.2,test=0.1.")
            ratios = dict(zip(_NAMES[len(ratios)], ratios, strict=True))
        shares = {str(name): float(share) for name, share in ratios.items()}
        if not shares or not all(0 <= share < float("inf") for share in shares.values()) or not sum(shares.values()):
            raise ConfigError(
                f"the shares are {dict(ratios)!r};", hint="they are numbers from 0 on, one at least above."
            )
        if unsafe := [name for name in shares if not is_split_name(name)]:
            raise ConfigError(f"a split cannot be called {unsafe[0]!r}.", hint="Use a plain word such as train.")
        return {name: share for name, share in shares.items() if share}
    if ratios is not None:
        raise ConfigError("both ratios and folds were given.", hint="Choose one of them.")
    if folds < 2 or (fold is not None and not 1 <= fold <= folds):
        raise ConfigError(f"folds is {folds}, fold {fold};", hint="folds is 2 or more, fold one of 1 to folds.")
    return {f"fold{number}": 1.0 for number in range(1, folds + 1)}


def _fixed(
    images: Table, keep: Sequence[str], names: list[str], shares: Mapping[str, float]
) -> tuple[Array | None, list[str], list[float]]:
    """The part that images of kept splits are in, the names of all parts, and the share each is to hold."""
    count = len(images)
    if not keep:
        total = sum(shares.values())
        return None, names, [shares[name] / total for name in names]
    stands = images["split"].astype(object)
    for name in keep:
        if not (stands == name).any():
            known = ", ".join(sorted({str(value) for value in stands.dropna().unique()})) or "none"
            raise ConfigError(f"no image is in the split {name!r}.", hint=f"There are: {known}.")
    others = [name for name in names if name not in keep]
    if not others:
        raise ConfigError("every split is kept.", hint="Leave one out of keep to deal images out to.")
    names = [*others, *keep]
    fixed = np.full(count, -1, np.int64)
    for part, name in enumerate(names):
        if name in keep:
            fixed[(stands == name).to_numpy(bool)] = part
    held = [float((fixed == part).sum()) / count for part in range(len(others), len(names))]
    free = (1 - sum(held)) / sum(shares[name] for name in others)
    return fixed, names, [*(shares[name] * free for name in others), *held]


def _told_shares(dataset: Dataset, part: Array, names: Sequence[str], wanted: Sequence[float]) -> Table:
    images = dataset.images
    image = pd.Index(images["image_id"]).get_indexer(pd.Index(dataset.boxes["image_id"]))
    held = np.bincount(part, minlength=len(names))
    states = images["label_state"].astype(object).to_numpy(object)
    return pd.DataFrame(
        {
            "split": list(names),
            "images": held,
            "share": held / max(len(part), 1),
            "wanted": list(wanted),
            "boxes": np.bincount(part[image], minlength=len(names)),
            "background": np.bincount(part[states == "background"], minlength=len(names)),
            "unlabelled": np.bincount(part[states == "unlabelled"], minlength=len(names)),
        }
    )


def _told_classes(dataset: Dataset, part: Array, names: Sequence[str]) -> tuple[Table, str]:
    """Images a class and its share in each split; and which classes a split lacks, in words."""
    categories = dataset.categories
    rows, labels = label_columns(dataset)
    known = labels < len(categories)
    cells = labels[known] * len(names) + part[rows[known]]
    grid = np.bincount(cells, minlength=len(categories) * len(names)).reshape(len(categories), len(names))
    totals = grid.sum(axis=1)
    shares = grid / np.maximum(totals, 1)[:, None]
    columns = {"name": categories["name"].to_numpy(object), "images": totals}
    table = pd.DataFrame({**columns, **dict(zip(names, shares.T, strict=True))})
    held = np.bincount(part, minlength=len(names)) > 0
    lacking = [
        f"{name} ({', '.join(split_name for place, split_name in enumerate(names) if held[place] and not row[place])})"
        for name, row in zip(table["name"], grid, strict=True)
        if row.sum() and (held & (row == 0)).any()
    ]
    return table, ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")


def _is_off(row: Any, count: int) -> bool:
    return bool(abs(row.share - row.wanted) * count > max(1.0, 0.02 * count))

"""Pictures of one split that another split has already, judged by their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .sources import TEACHING, same_source_in_two_splits


def _splits(scan: Scan) -> tuple[Array, list[str]]:
    """(images,) code of the split, -1: none; and the names, train, val and test first."""
    split = scan.images["split"].astype(object)
    names = sorted(split.dropna().unique(), key=lambda name: (name not in TEACHING, _rank(name), name))
    codes: Array = pd.Categorical(split, categories=names).codes.astype(np.int64)
    return codes, [str(name) for name in names]


def _rank(name: str) -> int:
    return TEACHING.index(name) if name in TEACHING else len(TEACHING)


def _crossing(group: Array, split: Array) -> Array:
    """(images,) bool: of a group that stands in more than one split."""
    known = (group >= 0) & (split >= 0)
    table = pd.DataFrame({"group": group[known], "split": split[known]}).drop_duplicates()
    found: Array = known & np.isin(group, table["group"][table["group"].duplicated()])
    return found


def _told_by_name(scan: Scan) -> list[set[int]]:
    """Sets of image ids that `same-source-in-two-splits` calls an error."""
    table = same_source_in_two_splits(scan)
    if table is None or "images" not in table:
        return []
    severity = table["severity"] if "severity" in table else pd.Series(None, index=table.index, dtype=object)
    return [set(ids) for ids in table["images"][severity.isna()] if isinstance(ids, list)]


def _row(scan: Scan, members: Array, split: Array, names: list[str]) -> dict[str, Any]:
    """A finding about the images at `members`, one of each split first; its group is the first file."""
    files, ids = scan.image_files, scan.images["image_id"].to_numpy()
    named = sorted(members.tolist(), key=lambda row: (files[row], int(ids[row])))
    heads = sorted({split[row]: row for row in reversed(named)}.items())
    firsts = [row for _, row in heads]
    ordered = firsts + [row for row in named if row not in firsts]
    codes = np.unique(split[members])
    where = " and ".join([", ".join(names[code] for code in codes[:-1]), names[codes[-1]]])
    return {
        "images": ids[ordered].tolist(),
        "in_order": True,
        "group": files[named[0]],
        "value": len(ordered),
        "where": where,
    }


@rule(
    Severity.ERROR,
    message="{what} in {where}: the score is inflated",
    needs=("pixels",),
)
def leakage(scan: Scan) -> Table | None:
    """The same picture in two splits.

    What the model was trained on it knows by heart: validation and test then measure memory, the best epoch and the
    best model are chosen wrongly, and the disappointment comes in production. A group of copies (the same bytes, or
    one picture resized, cropped, mirrored, compressed anew: see `near-duplicate`) that stands in more than one split
    is an error. Pictures that only show the same scene are a hint, unless `val-like-train` says it of the whole
    split. What `same-source-in-two-splits` proves from the names alone is not told again.

    **Do:** put all copies into one split: `dsq split --grouped` keeps each group together.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> images = [{"file": "train/a.jpg", "split": "train"}, {"file": "val/b.jpg", "split": "val"}]
    >>> scan = Scan(dsq.build_dataset(images=images), duplicates=[("train/a.jpg", "val/b.jpg", "exact")])
    >>> dsq.audit(scan, select=["leakage"]).messages()
    ['the same file in train and val: the score is inflated']
    """
    split, names = _splits(scan)
    if len(names) < 2:
        return None
    group = scan.duplicate_groups("near")
    rows = _copies(scan, group, split, names)
    rows += _scenes(scan, group, split, names)
    return pd.DataFrame(rows) if rows else None


def _copies(scan: Scan, group: Array, split: Array, names: list[str]) -> list[dict[str, Any]]:
    members = np.flatnonzero(_crossing(group, split))
    if len(members) == 0:
        return []
    exact = scan.duplicate_groups("exact")
    told, ids = _told_by_name(scan), scan.images["image_id"].to_numpy()
    by_image: dict[int, list[int]] = {}
    for number, images in enumerate(told):
        for image in images:
            by_image.setdefault(image, []).append(number)
    rows = []
    for _, part in pd.Series(members).groupby(group[members]):
        at = part.to_numpy()
        mine = set(ids[at].tolist())
        if any(mine <= told[number] for number in by_image.get(int(ids[at[0]]), ())) or _one_file(scan, at):
            continue
        same = exact[at[0]] >= 0 and (exact[at] == exact[at[0]]).all()
        rows.append({**_row(scan, at, split, names), "what": "the same file" if same else "copies of one picture"})
    return rows


def _one_file(scan: Scan, rows: Array) -> bool:
    """Whether the images are several records of one file."""
    return len(scan.images[["root", "member"]].astype(object).iloc[rows].drop_duplicates()) == 1


def _scenes(scan: Scan, group: Array, split: Array, names: list[str]) -> list[dict[str, Any]]:
    """Hints: pairs of one scene across splits, but for splits that are told as a whole."""
    pairs = scan.duplicates[(scan.duplicates["kind"] == "same-scene").to_numpy()]
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    keep = (split[first] != split[second]) & (split[first] >= 0) & (split[second] >= 0)
    keep &= ~((group[first] == group[second]) & (group[first] >= 0))
    whole = [names.index(name) for name in _alike(scan, split, names)["split"]]
    keep &= ~np.isin(split[first], whole) & ~np.isin(split[second], whole)
    first, second = first[keep], second[keep]
    if len(first) == 0:
        return []
    label = scan.duplicate_groups("same-scene")[first]
    rows = []
    for _, part in pd.Series(np.arange(len(first))).groupby(label):
        members = np.unique(np.r_[first[part], second[part]])
        row = _row(scan, members, split, names)
        message = f"one scene in {row['where']}, it seems"
        rows.append({**row, "message": message, "severity": Severity.INFO, "confidence": "low"})
    return rows


def _alike(scan: Scan, split: Array, names: list[str], min_share: float = 0.5, min_images: int = 10) -> Table:
    """Splits that look like train, a row each: `split`, `count` (images without a copy in train), `near`, `share`."""
    rows = []
    if "train" in names:
        train = split == names.index("train")
        scene = _neighbours(scan, train)
        group = scan.duplicate_groups("near")
        copied = (group >= 0) & np.isin(group, group[train])
        for name in names:
            here = (split == names.index(name)) & ~copied & _measured(scan)
            if name in ("val", "test") and here.sum() >= min_images and scene[here].mean() >= min_share:
                count, near = int(here.sum()), int(scene[here].sum())
                rows.append({"split": name, "count": count, "near": near, "share": near / count})
    return pd.DataFrame(rows, columns=["split", "count", "near", "share"])


def _measured(scan: Scan) -> Array:
    """(images,) bool: the pixels were read."""
    found = np.zeros(len(scan.images), bool)
    found[scan.pixels["row"].to_numpy()[(scan.pixels["error"] == "").to_numpy()]] = True
    return found


def _neighbours(scan: Scan, train: Array) -> Array:
    """(images,) bool: an image of train shows the same scene, or is a frame of the same sequence."""
    pairs = scan.duplicates
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    found: Array = (scan.sequences >= 0) & np.isin(scan.sequences, scan.sequences[train])
    found[first[train[second]]] = True
    found[second[train[first]]] = True
    return found


@rule(
    Severity.WARNING,
    message="{near:,} of {count:,} images in {split} have a neighbour in train: split by group (dsq split --grouped)",
    confidence="medium",
    needs=("pixels",),
)
def val_like_train(scan: Scan, *, min_share: float = 0.5, min_images: int = 10) -> Table | None:
    """A validation split that shows what train shows.

    The frames of a video or the pictures of one walk, dealt out at random: no picture of val is in train, but nearly
    each has one beside it there. The score then says how well the model knows these places, and nothing about a new
    one. Counted are images of val and test of which train has the same scene by pixels or a frame of the same
    sequence (see `sequence-frames`); those of which train has a copy are left to `leakage`. Told where at least
    `min_share` (half) of the others have one, and these are at least `min_images` (10) images; both are our choice.

    **Do:** split by video, place or day: `dsq split --grouped`.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> images = [{"file": f"{n:02}.jpg", "split": "val" if n % 3 == 2 else "train"} for n in range(30)]
    >>> pairs = [(f"{n:02}.jpg", f"{n + 1:02}.jpg", "same-scene") for n in range(29)]
    >>> scan = Scan(dsq.build_dataset(images=images), duplicates=pairs)
    >>> dsq.audit(scan, select=["val-like-train"]).messages()
    ['10 of 10 images in val have a neighbour in train: split by group (dsq split --grouped)']
    """
    split, names = _splits(scan)
    table = _alike(scan, split, names, min_share, min_images)
    if table.empty:
        return None
    return table.assign(subject=table["split"], value=table["share"].round(4), threshold=min_share)

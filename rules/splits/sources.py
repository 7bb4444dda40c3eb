"""Pictures that stand in two splits, and copies where they do not belong, judged by their names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

TEACHING = ("train", "val", "test")


@rule(Severity.ERROR, message="{told}: versions of one picture; the score is inflated")
def same_source_in_two_splits(scan: Scan) -> Table | None:
    """One picture, or versions of it, in two splits.

    A model that is tested on pictures it was trained on scores too high, and early stopping and the choice
    between models go wrong with it. What the names prove is judged here.

    Labels whose image is missing are left out, and so is what is doubtful by name and proved by the pixels: that is
    told by `leakage`.

    - One file that two splits list: an error. So is a folder that is train and val at once.
    - Roboflow names the versions that it makes of one picture `<source>.rf.<hash>`: the same source in two
      splits is an error. Where the source's name is a counter or a common word (`image_jpg`, `0001_jpg`), two
      uploads may share it: a warning.
    - A copy by an augmentation script (`a_flip.jpg`) whose original is in another split only: a warning.
    - The same name in two splits, when it is long or a time stamp and no number in a series: a hint.

    Put all versions of a picture in one split: split first, augment after, and the training split only.

    >>> import dsq
    >>> names = {"train": "crossing-north_jpg.rf.1c.jpg", "val": "crossing-north_jpg.rf.9e.jpg"}
    >>> data = dsq.build_dataset(images=[{"file": file, "split": split} for split, file in names.items()])
    >>> dsq.audit(data, select=["same-source-in-two-splits"]).messages()
    ['1 in train, 1 in val: versions of one picture; the score is inflated']
    """
    rows = _listed_twice(scan)
    split = scan.images["split"].astype(object)
    if split.nunique() > 1:
        table = scan.stems.assign(split=split, image_id=scan.images["image_id"], file=scan.images["file"])
        table = table[table["split"].notna() & _there(scan)]
        certain = {row["image_id"] for row in rows if "image_id" in row}
        rows += _one_file(table[~table["image_id"].isin(certain)])
        rows += _versions(table[table["roboflow"]])
        rows += _strayed_copies(table)
        rows += _same_names(table[~table["roboflow"] & table["distinctive"]])
        rows = _without_proved(scan, rows)
    if not rows:
        return None
    found = pd.DataFrame(rows)
    return found.assign(image_id=pd.array([row.get("image_id") for row in rows], "Int64"))


def _there(scan: Scan) -> np.ndarray[Any, Any]:
    """(images,) bool: whether the file is there; all, where no image file is given."""
    found: np.ndarray[Any, Any] = scan.present | ~scan.present.any()
    return found


def _without_proved(scan: Scan, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows less the doubtful ones whose pictures are copies of each other by their pixels."""
    if not any("severity" in row for row in rows) or scan.lacks("pixels"):
        return rows
    group, split = scan.duplicate_groups("near"), scan.images["split"].astype(object).to_numpy()
    left = []
    for row in rows:
        if "severity" in row:
            at = scan.image_index.get_indexer(pd.Index(row["images"]))
            known = at[group[at] >= 0]
            if pd.Series(split[known]).groupby(group[known]).nunique().gt(1).any():
                continue
        left.append(row)
    return left


def _listed_twice(scan: Scan) -> list[dict[str, Any]]:
    """Files that the reader found in two splits, and splits that are one."""
    problems = scan.problems[scan.problems["kind"] == "image-in-two-splits"]
    ids = dict(zip(scan.images["file"], scan.images["image_id"], strict=True)) if len(problems) else {}
    rows = []
    for file, place, what in problems[["file", "place", "what"]].drop_duplicates().itertuples(index=False):
        row: dict[str, Any] = {"file": file, "place": place, "message": what, "group": file}
        if file in ids:
            row |= {"image_id": ids[file], "file": None}
        rows.append(row)
    rows += [
        {"file": notice.file or None, "message": notice.text, "group": notice.text}
        for notice in scan.about.notices
        if notice.kind == "same-images-in-two-splits"
    ]
    return rows


def _crossing(table: Table, by: str) -> Iterable[tuple[str, Table]]:
    """Groups of rows that share `by` and stand in more than one split."""
    shared = table[table[by].duplicated(keep=False)]
    splits = shared.groupby(by)["split"].nunique()
    chosen = shared[shared[by].isin(splits.index[splits > 1])]
    return ((str(name), group) for name, group in chosen.groupby(by))


def _row(group: Table, name: str, **more: Any) -> dict[str, Any]:
    counts = Counter(group["split"])
    order = sorted(counts, key=lambda name: (name not in TEACHING, TEACHING.index(name) if name in TEACHING else name))
    told = ", ".join(f"{counts[name]:,} in {name}" for name in order)
    return {"images": sorted(group["image_id"]), "group": name, "value": len(group), "told": told, **more}


def _one_file(table: Table) -> list[dict[str, Any]]:
    return [
        _row(
            group,
            name,
            message=f"one file in {' and '.join(sorted(set(group['split'])))}: the score is inflated",
        )
        for name, group in _crossing(table, "file")
    ]


def _versions(table: Table) -> list[dict[str, Any]]:
    rows = []
    for name, group in _crossing(table, "source"):
        row = _row(group, name)
        if not group["distinctive"].all():
            row |= {"severity": Severity.WARNING, "confidence": "medium"}
            row["message"] = f"{row['told']}: versions of one picture, or two pictures of one short name"
        rows.append(row)
    return rows


def _strayed_copies(table: Table) -> list[dict[str, Any]]:
    """Augmented copies whose original stands in another split, and none of that name in their own."""
    copies = table[table["augmented"] & table["base"].notna() & ~table["roboflow"]]
    if len(copies) == 0:
        return []
    originals = table[~table["augmented"] & table["stem"].isin(set(copies["base"]))]
    at_home = set(zip(originals["stem"], originals["split"], strict=True))
    home = [key in at_home for key in zip(copies["base"], copies["split"], strict=True)]
    strayed = copies[~pd.Series(home, index=copies.index, dtype=bool)]
    rows = []
    for name, group in strayed.groupby("base"):
        both = pd.concat([originals[originals["stem"] == name], group])
        if both["split"].nunique() > 1:
            row = _row(both, str(name), severity=Severity.WARNING, confidence="medium")
            rows.append(row | {"message": f"{row['told']}: a picture and augmented copies of it, by their names"})
    return rows


def _same_names(table: Table) -> list[dict[str, Any]]:
    rows = []
    for name, group in _crossing(table, "stem"):
        if group["file"].nunique() > 1:
            row = _row(group, name, severity=Severity.INFO, confidence="low")
            rows.append(row | {"message": f"{row['told']} under one name: the same picture?"})
    return rows


@rule(Severity.WARNING, confidence="medium", message="{value:,} versions of one picture in {split}: keep one")
def augmented_validation(scan: Scan, *, min_share: float = 0.02) -> Table | None:
    """Augmented copies in a validation or test split.

    Copies of one picture, turned, blurred or cut out, make a split look larger than it is: its pictures are
    no longer independent, and the score is that of pictures that never come from a camera. Only the training
    split is augmented. Told are Roboflow versions of one source, and names that an augmentation script
    writes (`_hflip`, `_augmented_3`, or `_blur` beside the picture without it), where the copies are more
    than `min_share` (2 %, our choice) of the split. Keep one version of each picture.

    >>> import dsq
    >>> images = [{"file": f"valid/street-corner_jpg.rf.{n}.jpg", "split": "val"} for n in range(3)]
    >>> data = dsq.build_dataset(images=images)
    >>> dsq.audit(data, select=["augmented-validation"]).messages()
    ['3 versions of one picture in val: keep one']
    """
    split = scan.images["split"].astype(object)
    measured = split.isin(["val", "test"]) & _there(scan)
    if not measured.any():
        return None
    facts = scan.stems.assign(split=split, image_id=scan.images["image_id"], file=scan.images["file"])[measured]
    facts = facts.drop_duplicates("file").sort_values("file")
    again = facts.duplicated(["split", "source"], keep=False)
    versions = facts[again | facts["augmented"]]
    copies = versions[versions["augmented"] | versions.duplicated(["split", "source"])]
    sizes, copied = Counter(facts["split"]), Counter(copies["split"])
    rows = []
    for (name, source), group in versions.groupby(["split", "source"]):
        if copied[name] <= min_share * sizes[name]:
            continue
        row = {"images": group["image_id"].tolist(), "group": source, "value": len(group), "split": name}
        if len(group) == 1:
            row["message"] = f"an augmented copy in {name}, by its name: measure on plain pictures"
        rows.append(row | {"threshold": min_share})
    return pd.DataFrame(rows) if rows else None

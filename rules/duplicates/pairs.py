"""Pairs of pictures as the rules of this group share them out: which are of two files, of one split, of one group."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.scan import Scan, Table

AFFINE = ("m00", "m01", "m02", "m10", "m11", "m12")
#: a finding that more than half of at least so many images share is told once
LEAST_TO_COLLAPSE = 10


class Copies:
    """Who is a copy of whom. Rows are positions in `images`."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan

    @cached_property
    def file(self) -> Array:
        """(images,) equal where two rows are about one file."""
        images = self.scan.images
        keys = pd.DataFrame({"root": images["root"].astype(object), "member": images["member"]})
        return keys.groupby(["root", "member"], dropna=False, sort=False).ngroup().to_numpy()

    @cached_property
    def readable(self) -> Array:
        """Positions of images whose pixels were read, one a file, in the order of file names."""
        pixels = self.scan.pixels
        rows = pixels["row"].to_numpy()[(pixels["error"] == "").to_numpy()]
        rows = rows[np.argsort(np.array([self.scan.image_files[row] for row in rows.tolist()], object), kind="stable")]
        return rows[np.sort(np.unique(self.file[rows], return_index=True)[1])]

    @cached_property
    def group(self) -> Array:
        """(images,) group of near copies; -1: of none."""
        return self.scan.duplicate_groups("near")

    @cached_property
    def split(self) -> Array:
        """(images,) code of the split; -1: of none."""
        return pd.factorize(self.scan.images["split"].astype(object))[0]

    @cached_property
    def source(self) -> Array:
        """(images,) code of the picture that a file was made from, by its name."""
        return pd.factorize(self.scan.stems["source"])[0]

    @cached_property
    def parted(self) -> Array:
        """(images,) bool: near copies of it stand in another split; `leakage` tells of those."""
        known = (self.group >= 0) & (self.split >= 0)
        table = pd.DataFrame({"group": self.group[known], "split": self.split[known]}).drop_duplicates()
        found: Array = np.isin(self.group, table["group"][table["group"].duplicated()]) & (self.group >= 0)
        return found

    @cached_property
    def exact(self) -> Table:
        """Each file with the same bytes as another: `first` (the earliest by name), `second`."""
        rows = self.readable
        codes = self.scan.duplicate_groups("exact")[rows]
        codes = np.where(codes >= 0, codes, -1 - np.arange(len(rows)))
        _, heads, codes = np.unique(codes, return_index=True, return_inverse=True)
        first = rows[heads[codes]]
        keep = first != rows
        return pd.DataFrame({"first": first[keep], "second": rows[keep]})

    @cached_property
    def alike(self) -> Table:
        """The verified pairs of two files with other bytes (see `Scan.duplicates`)."""
        table = self.scan.duplicates
        first, second = table["first"].to_numpy(), table["second"].to_numpy()
        keep = (self.file[first] != self.file[second]) & (table["kind"] != "exact").to_numpy()
        found: Table = table[keep].reset_index(drop=True)
        return found

    @cached_property
    def near(self) -> Table:
        """Those of them that show the same picture."""
        found: Table = self.alike[(self.alike["kind"] == "near").to_numpy()].reset_index(drop=True)
        return found

    @cached_property
    def scenes(self) -> Table:
        """Those of them that show one scene, and are of no one group of near copies."""
        first, second = self.group[self.alike["first"].to_numpy()], self.group[self.alike["second"].to_numpy()]
        keep = (self.alike["kind"] == "same-scene").to_numpy() & ~((first == second) & (first >= 0))
        found: Table = self.alike[keep].reset_index(drop=True)
        return found

    @cached_property
    def run(self) -> Array:
        """(images,) run of frames that follow each other; -1: of none."""
        return self.scan.sequences

    def told_by_frames(self, pairs: Table) -> Array:
        """(pairs,) bool: both are frames of one sequence."""
        first, second = self.run[pairs["first"]], self.run[pairs["second"]]
        found: Array = (first == second) & (first >= 0)
        return found

    def versions(self, pairs: Table) -> Array:
        """(pairs,) bool: both were made from one picture, by their names."""
        found: Array = self.source[pairs["first"]] == self.source[pairs["second"]]
        return found

    def one_split(self, pairs: Table) -> Array:
        """(pairs,) bool: neither has a near copy in another split, and both are in one."""
        first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
        found: Array = (self.split[first] == self.split[second]) & ~self.parted[first] & ~self.parted[second]
        return found


def gather(scan: Scan, pairs: Table, group: Array) -> list[dict[str, Any]]:
    """A row for each group with pairs: `images` (ids, by file name), `group` (its first file), `pairs` (positions in
    `pairs`), `size`.

    group: (images,) labels.
    """
    if pairs.empty:
        return []
    labels = group[pairs["first"].to_numpy()]
    ids, files = scan.images["image_id"].to_numpy(), scan.image_files
    rows = []
    for _, part in pd.DataFrame({"at": np.arange(len(pairs)), "label": labels}).groupby("label", sort=False):
        at = part["at"].to_numpy()
        members = np.unique(pairs[["first", "second"]].to_numpy()[at])
        ordered = sorted(members.tolist(), key=lambda row: (files[row], int(ids[row])))
        row = {"images": ids[ordered].tolist(), "group": files[ordered[0]], "pairs": at, "size": len(ordered)}
        rows.append(row)
    rows.sort(key=lambda row: row["group"])
    return rows


def tell_once(scan: Scan, rows: Sequence[dict[str, Any]], message: str, **columns: Any) -> Table | None:
    """The rows as a table; where most images are in them, one finding about the set instead.

    message: filled with `images`, `of` and `groups`.
    """
    if not rows:
        return None
    touched = len({image for row in rows for image in row["images"]})
    total = len(scan.images)
    if total < LEAST_TO_COLLAPSE or touched * 2 <= total:
        return pd.DataFrame(rows).drop(columns="pairs")
    groups = f"{len(rows):,} group{'' if len(rows) == 1 else 's'}"
    text = message.format(images=f"{touched:,}", of=f"{total:,}", groups=groups)
    return pd.DataFrame([{"subject": "set", "message": text, "value": round(touched / total, 4), **columns}])

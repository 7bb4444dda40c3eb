"""Pictures that are there more than once: the same bytes, the same picture, the same scene."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dsq.geometry import Array
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

from .conflicts import conflicts
from .pairs import AFFINE, Copies, gather, tell_once

#: an affine map that differs by no more than this from the identity cuts and shifts nothing
STILL = 0.02


@rule(
    Severity.WARNING,
    message="the same file {size} times: keep {one}",
    needs=("pixels",),
    collapse=False,
)
def exact_duplicate(scan: Scan) -> Table | None:
    """The same image file more than once.

    A picture that is there twice counts twice: the model learns it by heart, and a validation split looks larger
    than it is. Files of the same bytes (SHA-256) are proofs. A finding is a group of files within one split whose
    labels agree, so that any of them may be dropped.

    What is worse than a copy is told by the rule for that, and not here again: `conflicting-duplicates` where the
    labels differ, `leakage` where copies stand in two splits.

    **Do:** keep one of the files.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset([(f"{name}.jpg", "cat", 20, 10, 80, 60) for name in "abc"])
    >>> scan = Scan(data, duplicates=[("a.jpg", "b.jpg", "exact")])
    >>> dsq.audit(scan, select=["exact-duplicate"]).messages()
    ['the same file 2 times: keep one']
    """
    copies = Copies(scan)
    pairs = copies.exact
    pairs = pairs[copies.one_split(pairs) & ~conflicts(copies).among(pairs)].reset_index(drop=True)
    rows = gather(scan, pairs, scan.duplicate_groups("exact"))
    silent = set(scan.images["image_id"][(scan.images["label_state"] == "unlabelled").to_numpy()].tolist())
    for row in rows:
        row["value"] = row["size"]
        row["one"] = "one" if len(silent & set(row["images"])) in (0, row["size"]) else "a labelled one"
    return pd.DataFrame(rows).drop(columns="pairs") if rows else None


def _ways(scan: Scan, pairs: Table) -> Array:
    """(pairs,) how one picture was made from the other, in a word."""
    affine = pairs[list(AFFINE)].to_numpy(float)
    moved = np.abs(affine - [1, 0, 0, 0, 1, 0]).max(1, initial=0) > STILL
    sizes = scan.image_sizes
    first, second = sizes[pairs["first"].to_numpy()], sizes[pairs["second"].to_numpy()]
    resized = (first != second).any(1) & np.isfinite(first).all(1) & np.isfinite(second).all(1)
    turned = pairs["orientation"].to_numpy() != 0
    words = ["mirrored or turned", "cut or shifted", "resized"]
    found: Array = np.select([turned, moved, resized], words, "slightly changed").astype(object)
    return found


@rule(
    Severity.INFO,
    message="{size} copies of one picture, {way}: keep one",
    confidence="medium",
    needs=("pixels",),
    collapse=False,
)
def near_duplicate(scan: Scan) -> Table | None:
    """Copies of one picture that are not the same file.

    Resized, compressed anew, brighter, cropped, mirrored, with a caption: the model learns nothing new from such
    a copy. Pairs are found by perceptual hashes and confirmed block by block after one picture has been laid on the
    other (see `dsq.find_duplicates`). A finding is a group of pictures within one split.

    Left out is what another rule tells: copies whose labels differ (`conflicting-duplicates`), that stand in two
    splits (`leakage`), that follow each other as frames (`sequence-frames`), and versions that Roboflow or an
    augmentation script made of one picture, by their names: those are meant, and their number is one line about the
    set. So is everything where most images have a copy.

    **Do:** keep the best one; where the copies are meant as augmentation, keep them in the training split.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset(images=[{"file": "a.jpg"}, {"file": "b.jpg", "width": 320, "height": 240}])
    >>> scan = Scan(data, duplicates=[("a.jpg", "b.jpg", "near")])
    >>> dsq.audit(scan, select=["near-duplicate"]).messages()
    ['2 copies of one picture, resized: keep one']
    """
    copies = Copies(scan)
    pairs = copies.near
    versions, frames = copies.versions(pairs), copies.told_by_frames(pairs)
    keep = copies.one_split(pairs) & ~versions & ~frames & ~conflicts(copies).among(pairs)
    pairs = pairs[keep].reset_index(drop=True)
    ways, agreement = _ways(scan, pairs), pairs["agreement"].to_numpy()
    rows = gather(scan, pairs, copies.group)
    for row in rows:
        row["way"] = " or ".join(sorted(set(ways[row["pairs"]])))
        row["value"] = round(float(agreement[row["pairs"]].min()), 4)
    message = "{images} of {of} images are near copies of each other, in {groups}"
    parts = [tell_once(scan, rows, message, confidence="high"), _versions_line(copies)]
    told = [part for part in parts if part is not None]
    return pd.concat(told, ignore_index=True) if told else None


def _versions_line(copies: Copies) -> Table | None:
    """One line about the versions of pictures that their names tell and the pixels confirm."""
    pairs = pd.concat([copies.near[["first", "second"]], copies.exact], ignore_index=True)
    rows = np.unique(pairs[copies.versions(pairs)].to_numpy())
    if len(rows) == 0:
        return None
    pictures = len(np.unique(copies.source[rows]))
    message = (
        f"{len(rows):,} images are versions of {pictures:,} picture{'s' if pictures != 1 else ''}, "
        "by name and pixels: taken for augmentation"
    )
    return pd.DataFrame([{"subject": "versions", "message": message, "value": len(rows), "confidence": "high"}])


@rule(
    Severity.INFO,
    message="{size} images seem to show one scene",
    confidence="low",
    needs=("pixels",),
    collapse=False,
)
def same_scene(scan: Scan) -> Table | None:
    """Different pictures of one scene.

    The same place from nearly the same spot, a moment later or with other things in it. Such pictures are worth
    less than their number, and they belong into one split. A hint only: half of the textured blocks of the two
    pictures agree once one is laid on the other; two pictures of one plain backdrop may do that too. Frames of a
    sequence, versions of one picture and near copies are told elsewhere; pairs across splits by `leakage` and
    `val-like-train`. Where most images share a scene with another it is said once.

    **Do:** look at a few. If they are right, split by group: `dsq split --grouped`.

    >>> import dsq
    >>> from dsq.scan import Scan
    >>> data = dsq.build_dataset(images=["a.jpg", "b.jpg"])
    >>> scan = Scan(data, duplicates=[("a.jpg", "b.jpg", "same-scene", {"agreement": 0.7})])
    >>> dsq.audit(scan, select=["same-scene"]).messages()
    ['2 images seem to show one scene']
    """
    copies = Copies(scan)
    pairs = copies.scenes
    keep = (copies.split[pairs["first"]] == copies.split[pairs["second"]]) & ~copies.told_by_frames(pairs)
    pairs = pairs[keep & ~copies.versions(pairs)].reset_index(drop=True)
    agreement = pairs["agreement"].to_numpy()
    rows = gather(scan, pairs, scan.duplicate_groups("same-scene"))
    for row in rows:
        row["value"] = round(float(agreement[row["pairs"]].min()), 4)
    message = "{images} of {of} images share a scene with another, in {groups}: one camera, or one plain backdrop?"
    return tell_once(scan, rows, message)

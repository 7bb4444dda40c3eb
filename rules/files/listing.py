"""What the listing of files says: images that belong to nothing, files out of place, junk."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from dsq.model import text_or_none
from dsq.rule import Severity, rule
from dsq.scan import Scan, Table

#: folders of pictures that are masks or depth maps, not photographs without a record
_MASKS = re.compile(r"(segmentation|panoptic|stuff|instance|semantic|depth|.*mask|.*seg$)", re.IGNORECASE)
#: folders that systems and tools leave behind
_JUNK_FOLDER = re.compile(r"(__|\.|@)")
_JUNK_SUFFIXES = (".cache", ".tmp", ".swp", ".swo", ".bak", "~")


@rule(Severity.WARNING, message="no record names this image: its objects are unknown", needs=("files",))
def orphan_image(scan: Scan) -> Table | None:
    """An image file that no record names.

    In a COCO set an image that lies among the recorded ones without a record is never trained on. In a YOLO
    set with splits the same holds for an image outside all of them, which is a note. Elsewhere it is an image
    file outside everything that the dataset takes in, told once for its folder: a warning where images of the
    dataset lie in that folder too, otherwise a note (a demo picture, the plots of a training run, a split
    that the configuration forgot). Folders of masks are left alone.

    **Do:** annotate the image or record it as background; move what is no part of the dataset out of it.

    >>> import dsq
    >>> data = dsq.build_dataset(
    ...     images=["images/a.jpg"], files=[("images/a.jpg", 10, "image"), ("extra/b.jpg", 10, "image")]
    ... )
    >>> dsq.audit(data, select=["orphan-image"]).messages()
    ['1 image file in extra belongs to nothing: b.jpg']
    """
    images = scan.images
    parts = []
    if scan.about.format == "coco":
        alone = (
            scan.present & images["origin_file"].isna().to_numpy() & (images["label_state"] == "unlabelled").to_numpy()
        )
        if alone.any():
            parts.append(pd.DataFrame({"image_id": images["image_id"].to_numpy()[alone]}))
    if scan.about.format == "yolo" and images["split"].notna().any():
        unused = scan.present & images["split"].isna().to_numpy()
        unused[unused] = [not _holds_masks(name.rpartition("/")[0]) for name in images["file"][unused]]
        if unused.any():
            told = "in no split: the trainer never sees it"
            ids = images["image_id"].to_numpy()[unused]
            parts.append(pd.DataFrame({"image_id": ids, "message": told, "severity": "info"}))
    strays = _stray_folders(scan)
    if strays is not None:
        parts.append(strays)
    return pd.concat(parts, ignore_index=True) if parts else None


def _stray_folders(scan: Scan) -> Table | None:
    """Folders with image files of the listing that no row of `images` is, a row a folder."""
    images, files = scan.images, scan.files
    pictures = files[(files["role"] == "image").to_numpy()]
    if pictures.empty or images.empty:
        return None
    stray = ~_taken(pictures, images)
    if not stray.any():
        return None
    names = text_or_none(pictures["file"])[stray]
    folders = [name.rpartition("/")[0] for name in names]
    known = {name.rpartition("/")[0] for name in text_or_none(images["member"]) if name}
    found: dict[str, list[str]] = {}
    for folder, name in sorted(zip(folders, names, strict=True)):
        if not _holds_masks(folder):
            found.setdefault(folder, []).append(name)
    rows = []
    for folder, held in found.items():
        count, nouns = len(held), ("files", "belong") if len(held) > 1 else ("file", "belongs")
        rows.append(
            {
                "subject": folder or ".",
                "file": held[0],
                "value": len(held),
                "severity": "warning" if folder in known else "info",
                "message": f"{count:,} image {nouns[0]} in {folder or 'the root'} {nouns[1]} to nothing: "
                + held[0].rpartition("/")[2]
                + (", …" if count > 1 else ""),
            }
        )
    return pd.DataFrame(rows) if rows else None


def _holds_masks(folder: str) -> bool:
    return any(_MASKS.match(part) for part in folder.split("/"))


def _taken(pictures: Table, images: Table) -> np.ndarray[Any, Any]:
    """(pictures,) whether a row of `images` is this file of this root."""
    taken = np.zeros(len(pictures), bool)
    roots, owners = text_or_none(pictures["root"]), text_or_none(images["root"])
    for root in set(roots):
        rows = np.flatnonzero(roots == root)
        taken[rows] = pictures["file"].iloc[rows].isin(images["member"][owners == root]).to_numpy()
    return taken


@rule(Severity.INFO, message="{what}", needs=("files",))
def junk_file(scan: Scan) -> Table | None:
    """Leftovers of systems and tools among the files.

    `.DS_Store`, `Thumbs.db`, `__MACOSX/`, `._photo.jpg`, editors' backups, a trainer's stale
    `labels.cache`: they do no harm here, but a `._photo.jpg` looks like an image to many loaders and stops
    them, and a stale cache makes a trainer use labels that are gone.

    **Do:** delete them before the dataset is shared.

    >>> import dsq
    >>> data = dsq.build_dataset(files=[("images/.DS_Store", 6148, "junk"), ("Thumbs.db", 900, "junk")])
    >>> dsq.audit(data, select=["junk-file"]).messages()
    ['2 junk files: .DS_Store, Thumbs.db']
    """
    names = text_or_none(scan.files["file"])[(scan.files["role"] == "junk").to_numpy()]
    if not len(names):
        return None
    kinds = sorted(Counter(_junk_kind(name) for name in names).items(), key=lambda kind: (-kind[1], kind[0]))
    told = [kind if count == 1 else f"{kind} ({count:,})" for kind, count in kinds[:3]]
    rest = len(names) - sum(count for _, count in kinds[:3])
    text = ", ".join(told) + (f" and {rest:,} more" if rest else "")
    noun = "file" if len(names) == 1 else "files"
    return pd.DataFrame(
        {
            "subject": ["set"],
            "value": [len(names)],
            "file": [min(names)],
            "what": [f"{len(names):,} junk {noun}: {text}"],
        }
    )


def _junk_kind(name: str) -> str:
    """What a person calls such a file: its folder, its pattern or its own name."""
    *folders, base = name.split("/")
    for folder in folders:
        if _JUNK_FOLDER.match(folder):
            return folder + "/"
    if base.startswith("._"):
        return "._*"
    return next((f"*{suffix}" for suffix in _JUNK_SUFFIXES if base.endswith(suffix)), base)


@rule(Severity.ERROR, message="its label file lies beside it: the trainer looks in {labels}", collapse=True)
def label_beside_image(scan: Scan) -> Table | None:
    """A YOLO label file beside its image below a folder called `images`.

    Ultralytics finds the label of an image by replacing the last `/images/` of its path with `/labels/`;
    only where the path has no `images` does it look beside the image. A label file that lies beside its
    image below `images/` is therefore never opened, and the image is trained on as background, without a
    message (ultralytics issue 21224).

    **Do:** move the label files to a `labels` folder of the same structure.

    >>> import dsq
    >>> data = dsq.build_dataset(images=[{"file": "images/a.jpg", "origin_file": "images/a.txt"}])
    >>> dsq.audit(data, select=["label-beside-image"]).messages()
    ['its label file lies beside it: the trainer looks in labels/']
    """
    images = scan.images
    rows, looked = [], []
    for row, (file, label) in enumerate(
        zip(text_or_none(images["file"]), text_or_none(images["origin_file"]), strict=True)
    ):
        if label is None or not label.endswith(".txt"):
            continue
        folder = file.rpartition("/")[0]
        if label.rpartition("/")[0] != folder:
            continue
        before, found, after = f"/{folder}/".rpartition("/images/")
        if found:
            rows.append(row)
            looked.append(f"{before}/labels/{after}".removeprefix("/"))
    rows_held = np.array(rows, np.int64)
    keep = scan.present[rows_held]
    if not keep.any():
        return None
    return pd.DataFrame(
        {
            "image_id": images["image_id"].to_numpy()[rows_held[keep]],
            "file": text_or_none(images["origin_file"])[rows_held[keep]],
            "labels": np.array(looked, object)[keep],
        }
    )

"""Write a dataset in a format: annotations by the format's writer, then the images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsq.errors import ConfigError, WriteError
from dsq.formats import FORMATS, load_format, read, recognise
from dsq.formats.layout import WriteOptions, no_collection
from dsq.losses import Losses
from dsq.model import Dataset
from dsq.pixels import Changed, change_pixels
from dsq.source import open_source
from dsq.target import IMAGE_MODES, CountingTarget, Target, open_target
from dsq.transform.parts import keep_images

Progress = Callable[[str, int, int], None]
Beside = Mapping[str, bytes] | Callable[[list[str]], Mapping[str, bytes]]
#: kinds of problems that stand for a record which is not in the tables
LEFT_OUT = ("malformed-record", "orphan-annotation")
WRITABLE = tuple(name for name in FORMATS if name != "images")


def export(
    dataset: Dataset,
    dst: str | os.PathLike[str],
    *,
    to: str | None = None,
    images: str = "copy",
    overwrite: bool = False,
    strict: bool = False,
    difficult: str = "keep",
    task: str = "detect",
    style: str | None = None,
    dry_run: bool = False,
    beside: Beside | None = None,
    progress: Progress | None = None,
) -> Losses:
    """Write `dataset` to a folder, or to a zip where `dst` ends in `.zip`; complete or not at all.

    to: voc, coco or yolo (default: the format it was read from). images: copy, hardlink, symlink or none.
    Images whose pixels are to change (`pixel_ops`) and cannot be decoded are left out and named in the losses.
    strict: refuse (WriteError) when anything would be lost. difficult: keep or drop boxes marked difficult.
    task: detect or segment (YOLO rows of polygons). style: "alwaysai" for Annotations/ + JPEGImages/ at the root.
    dry_run: write nothing, return the losses. beside: further files of the target, {name: content}, or what makes
    them of the images' names in the target (one a row of `dataset.images`, "" for one that was left out).
    """
    to = to or dataset.about.format
    if to not in WRITABLE:
        raise ConfigError(f"nothing is written as {to!r}.", hint=f"Choose --to {', '.join(WRITABLE)}.")
    for name, value, choices in (
        ("images", images, IMAGE_MODES),
        ("difficult", difficult, ("keep", "drop")),
        ("task", task, ("detect", "segment")),
        ("style", style, (None, "alwaysai")),
    ):
        if value not in choices:
            raise ConfigError(f"{name} is {value!r};", hint=f"it takes {', '.join(map(str, choices))}.")
    losses = Losses()
    total = len(dataset)
    losses.add("problems-left-out", dataset.problems["kind"].isin(LEFT_OUT).sum())
    if difficult == "drop":
        marked = dataset.boxes["difficult"].fillna(False).to_numpy(bool)
        losses.add("difficult-dropped", marked.sum())
        dataset = dataset.replace(boxes=dataset.boxes[~marked].reset_index(drop=True))
    if images in ("hardlink", "symlink") and os.fspath(dst).lower().endswith(".zip"):
        raise ConfigError(f"a zip cannot hold {images}s.", hint="Write to a folder, or take --images copy.")
    _keep_clear(dataset, os.fspath(dst), overwrite=overwrite)
    options = WriteOptions(task=task, style=style, progress=progress)
    target = CountingTarget(os.fspath(dst)) if dry_run else open_target(dst, overwrite=overwrite)
    with target, ExitStack() as stack:
        rows = np.arange(len(dataset))
        changed = None
        if images != "none" and dataset.images["pixel_ops"].notna().any():
            changed = stack.enter_context(Changed(None if dry_run else Path(target.path).parent))
            dataset, rows = _change_images(dataset, str(dst), changed, losses, progress)
        with no_collection():
            names = load_format(to).write(dataset, target, options, losses)
        losses.count_written(len(dataset), len(dataset.boxes))
        if images != "none":
            absent = int(dataset.images["member"].isna().sum())
            losses.add("images-missing", absent - losses.counts.get("images-left-out", 0))
        if strict and losses:
            raise WriteError(
                f"something would be lost: {losses}.", where=str(dst), hint="Leave --strict out to accept it."
            )
        full = [""] * total
        for row, name in zip(rows.tolist(), names, strict=True):
            full[row] = name
        for name, data in (beside(full) if callable(beside) else beside or {}).items():
            target.write(name, data)
        if images != "none":
            _put_images(dataset, names, target, images, changed, progress)
    return losses


def _change_images(
    dataset: Dataset, target: str, changed: Changed, losses: Losses, progress: Progress | None
) -> tuple[Dataset, NDArray[np.int64]]:
    """`dataset` without the images whose pixels cannot be changed, and the former positions of those that are left."""
    faults = change_pixels(dataset.images, changed, progress)
    if not faults:
        return dataset, np.arange(len(dataset))
    kept = np.ones(len(dataset), bool)
    kept[list(faults)] = False
    losses.add("images-undecodable", len(faults))
    files = dataset.images["file"]
    losses.details["images-undecodable"] = [f"{files.iloc[row]}: {why}" for row, why in faults.items()]
    if not kept.any():
        raise WriteError(
            f"none of the {len(dataset):,} images can be decoded.",
            where=target,
            hint=losses.details["images-undecodable"][0],
        )
    return keep_images(dataset, kept), np.flatnonzero(kept)


def _keep_clear(dataset: Dataset, dst: str, *, overwrite: bool) -> None:
    """Refuse a target that is a source, lies in one, holds one, or is a folder of other things."""
    target = Path(dst).resolve()
    roots = [str(root) for root in dataset.images["root"].dropna().unique()]
    for root in dict.fromkeys((*roots, dataset.about.root)):
        source = Path(root).resolve() if root else target / "none"
        if not source.exists():
            continue
        if source == target or target in source.parents or (source.is_dir() and source in target.parents):
            raise WriteError(
                f"is, lies in or holds the source {root}; sources are never touched.",
                where=dst,
                hint="Choose a place beside it.",
            )
    if overwrite and target.is_dir() and any(target.iterdir()) and not recognise(target):
        raise WriteError(
            "holds something that is no dataset; it is not replaced.", where=dst, hint="Choose another name."
        )


def _put_images(
    dataset: Dataset, names: list[str], target: Target, mode: str, changed: Changed | None, progress: Progress | None
) -> None:
    """Copy or link every image file to its name in the target; those whose pixels change come from `changed`."""
    table = dataset.images
    found = table["member"].notna().to_numpy()
    roots = table["root"].astype(object).to_numpy()
    members, ops = table["member"].to_numpy(), table["pixel_ops"].to_numpy()
    done = 0
    for root in dict.fromkeys(roots[found]):
        with open_source(root) as source:
            for row in np.flatnonzero(found & (roots == root)).tolist():
                if names[row] not in target.names:  # two records of one file
                    if changed is not None and isinstance(ops[row], str):
                        target.write(names[row], changed.read((root, members[row], ops[row])))
                    else:
                        target.add(names[row], source, members[row], mode)
                done += 1
                if progress is not None and done % 100 == 0:
                    progress("writing images", done, int(found.sum()))


def convert(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    to: str,
    format: str | None = None,
    image_root: str | os.PathLike[str] | None = None,
    voc_offset: str | int = "auto",
    no_label_file: str = "unlabelled",
    images: str = "copy",
    overwrite: bool = False,
    strict: bool = False,
    difficult: str = "keep",
    task: str = "detect",
    style: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Losses:
    """Read `src` and write it as `to`: the options of `read` and of `export`."""
    dataset = read(
        src,
        format=format,
        image_root=image_root,
        voc_offset=voc_offset,
        no_label_file=no_label_file,
        progress=progress,
    )
    return export(
        dataset,
        dst,
        to=to,
        images=images,
        overwrite=overwrite,
        strict=strict,
        difficult=difficult,
        task=task,
        style=style,
        dry_run=dry_run,
        progress=progress,
    )
